/* One request and its answer; see proto/banger/priv/v1/priv.proto. What a caller sends is hostile.
 */
#ifndef BANGER_DAEMON_PRIV_PRIV_SERVE_H
#define BANGER_DAEMON_PRIV_PRIV_SERVE_H

#include <stddef.h>
#include <stdint.h>

#include "daemon/priv/priv_kind.h"

enum {
    PRIV_REQUEST_BYTES = 2048,    /* with the longest list: some 1400 */
    PRIV_REPLY_BYTES = 32 * 1024, /* a packet of a reply */
    PRIV_FOUND_PER_PACKET = 256,
};

/* By index, as proto/ numbers them; NULL: no kind. Borrowed. */
const struct priv_kind *priv_kind_of(Banger__Priv__V1__Kind kind);
/* Puts another in the place of a kind that there is, as tests do; NULL takes it away. */
void priv_kind_override(Banger__Priv__V1__Kind kind, const struct priv_kind *with);

/* Answers a request of that user and the files that came with it (-1: none), which stay the
 * caller's; send gets each packet of the reply. */
void priv_serve(const struct priv_settings *settings, uint32_t uid, const uint8_t *request,
                size_t len, const int fds[PRIV_FDS],
                void (*send)(void *arg, const uint8_t *packet, size_t len), void *arg);

#endif
