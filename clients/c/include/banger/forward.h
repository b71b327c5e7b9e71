/* One connection of a guest: bytes both ways, each with an end of its own. Part of libbanger; see
 * banger/client.h.
 *
 *   Banger__V1__ForwardOpen open = BANGER__V1__FORWARD_OPEN__INIT;
 *   open.vm = "box";
 *   open.target_case = BANGER__V1__FORWARD_OPEN__TARGET_TCP_PORT;
 *   open.tcp_port = 80;
 *   struct banger_forward *forward = banger_forward_open(client, &open, &error);
 *
 * It does not come back after a lost connection, as no TCP connection does. */
#ifndef BANGER_CLIENT_FORWARD_H
#define BANGER_CLIENT_FORWARD_H

#include <sys/types.h>

#include "banger/client.h"
#include "banger/messages.h"

#ifdef __cplusplus
extern "C" {
#endif

struct banger_forward;

enum banger_forward_news {
    BANGER_FORWARD_ERROR = -1,  /* it is over; error says how */
    BANGER_FORWARD_NOTHING = 0, /* nothing within timeout_ms */
    BANGER_FORWARD_OPENED = 1,  /* first: the target is connected */
    BANGER_FORWARD_DATA = 2,    /* *data, *len: until the next call on the forward */
    BANGER_FORWARD_END = 3,     /* the target sends no more; it may still be written to */
    BANGER_FORWARD_CLOSED = 4   /* last: both directions have ended well */
};

/* Begins to connect; never waits. What is wrong with it is an error of the first next. */
struct banger_forward *banger_forward_open(struct banger_client *client,
                                           const Banger__V1__ForwardOpen *open,
                                           struct banger_error *error);
/* Next news; timeout_ms as banger_stream_next's. What is not taken stops the target. */
enum banger_forward_news banger_forward_next(struct banger_forward *forward, int64_t timeout_ms,
                                             const uint8_t **data, size_t *len,
                                             struct banger_error *error);
/* Takes bytes for the target; how many: 0 when there is no room now, -1 when it is over. Allowed
 * before OPENED. */
ssize_t banger_forward_write(struct banger_forward *forward, const void *data, size_t len,
                             struct banger_error *error);
/* Bytes that banger_forward_write takes now. */
size_t banger_forward_room(struct banger_forward *forward);
/* No more from us: the target sees the end of its input. */
void banger_forward_end(struct banger_forward *forward);
/* Cuts the connection unless it is over, and frees. NULL is fine. */
void banger_forward_close(struct banger_forward *forward);

#ifdef __cplusplus
}
#endif

#endif
