/* Reading a guest session's output: all that is kept or a part of it, or followed to its end.
 *
 * As an attach it survives broken connections and daemons that are started anew: it goes on at the
 * byte that it had reached, so that nothing comes twice and nothing is missing but for announced
 * gaps. Unlike an attach it needs no more than the role of a viewer, and never writes. */
#ifndef BANGER_CLIENT_LOGS_H
#define BANGER_CLIENT_LOGS_H

#include "banger/client.h"
#include "banger/messages.h"

#ifdef __cplusplus
extern "C" {
#endif

struct banger_logs;

/* request is copied. Opens lazily: the first banger_logs_next asks for it. */
struct banger_logs *banger_logs_open(struct banger_client *client,
                                     const Banger__V1__ReadLogsRequest *request,
                                     struct banger_error *error);
/* How long to try to come back after a loss; at first 60000; <= 0: a loss is an error. */
void banger_logs_set_reattach_ms(struct banger_logs *logs, int64_t ms);
/* What it sends each time that it is opened on a connection; to be filled before the first
 * banger_logs_next. */
struct banger_metadata *banger_logs_metadata(struct banger_logs *logs);
/* Next piece, as banger_stream_next: *chunk is good until the next call. Of a stream each begins
 * where the one before it has ended. After END, and after ERROR other than by the interrupt fd, the
 * same again. */
enum banger_next banger_logs_next(struct banger_logs *logs, int64_t timeout_ms,
                                  const Banger__V1__LogChunk **chunk, struct banger_error *error);
/* How often it has been opened anew. */
unsigned banger_logs_returns(const struct banger_logs *logs);
/* NULL is fine. */
void banger_logs_close(struct banger_logs *logs);

#ifdef __cplusplus
}
#endif

#endif
