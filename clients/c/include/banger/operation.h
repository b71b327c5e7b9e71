/* Following an operation to its end. */
#ifndef BANGER_CLIENT_OPERATION_H
#define BANGER_CLIENT_OPERATION_H

#include "banger/client.h"
#include "banger/messages.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The operation as it is now; comes at once and with each change, and four times a second meanwhile
 * with what it was, for progress that moves. */
typedef void banger_operation_fn(void *arg, const Banger__V1__Operation *operation);

/* Waits until the operation has ended and returns it as it ended; a lost connection is made again
 * for as long as banger_set_retry_ms says. timeout_ms < 0: no limit. changed may be NULL. NULL with
 * error when the end was not seen: the operation then goes on. See banger_operation_error. */
Banger__V1__Operation *banger_operation_follow(struct banger_client *client, const char *id,
                                               int64_t timeout_ms, banger_operation_fn *changed,
                                               void *arg, struct banger_error *error);
/* SUCCEEDED, FAILED or CANCELLED. */
bool banger_operation_ended(const Banger__V1__Operation *operation);
/* 0 for SUCCEEDED; otherwise -1 with what it failed of. */
int banger_operation_error(const Banger__V1__Operation *operation, struct banger_error *error);

#ifdef __cplusplus
}
#endif

#endif
