/* Following an operation: WatchOperation, opened again whenever its connection was lost. */
#include "banger/operation.h"

#include <stdio.h>

#include "base/clock.h"
#include "internal.h"

bool banger_operation_ended(const Banger__V1__Operation *operation)
{
    switch (operation->state) {
    case BANGER__V1__OPERATION_STATE__OPERATION_STATE_SUCCEEDED:
    case BANGER__V1__OPERATION_STATE__OPERATION_STATE_FAILED:
    case BANGER__V1__OPERATION_STATE__OPERATION_STATE_CANCELLED:
        return true;
    default:
        return false;
    }
}

int banger_operation_error(const Banger__V1__Operation *operation, struct banger_error *error)
{
    if (operation->state == BANGER__V1__OPERATION_STATE__OPERATION_STATE_SUCCEEDED)
        return 0;
    const Banger__V1__OperationError *e = operation->error;
    if (!banger_operation_ended(operation))
        return error_set(error, BANGER_UNAVAILABLE, "operation %s has not ended", operation->id);
    bool cancelled = operation->state == BANGER__V1__OPERATION_STATE__OPERATION_STATE_CANCELLED;
    enum banger_code code = cancelled ? BANGER_CANCELLED : BANGER_UNKNOWN;
    if (e && e->code > 0 && e->code <= BANGER_UNAUTHENTICATED)
        code = (enum banger_code)e->code;
    error_set(error, code, "%s",
              e && e->message[0] ? e->message
              : cancelled        ? "the operation was cancelled"
                                 : "the operation failed");
    if (!error)
        return -1;
    const Banger__V1__ErrorInfo *info = e ? e->info : NULL;
    snprintf(error->operation_id, sizeof(error->operation_id), "%s", operation->id);
    snprintf(error->reason, sizeof(error->reason), "%s", info ? info->reason : "");
    snprintf(error->stage, sizeof(error->stage), "%s",
             info && info->stage[0] ? info->stage : operation->stage);
    snprintf(error->resource, sizeof(error->resource), "%s",
             info && info->resource[0] ? info->resource : operation->resource);
    return -1;
}

enum { OPERATION_TICK_MS = 250 };

/* Milliseconds until the deadline, or only until the next tick; 0: it has passed. */
static int64_t operation_wait_ms(int64_t deadline_ms, bool ticks, bool *tick)
{
    int64_t left = deadline_ms == INT64_MAX ? -1 : deadline_ms - clock_mono_ms();
    if (deadline_ms != INT64_MAX && left < 0)
        left = 0;
    *tick = ticks && (left < 0 || left > OPERATION_TICK_MS);
    return *tick ? OPERATION_TICK_MS : left;
}

/* Follows one stream as far as it goes. Returns the ended operation, or NULL; *lost: try again. */
static Banger__V1__Operation *operation_follow_once(struct banger_client *client, const char *id,
                                                    int64_t deadline_ms,
                                                    banger_operation_fn *changed, void *arg,
                                                    bool *heard, bool *lost,
                                                    struct banger_error *error)
{
    Banger__V1__WatchOperationRequest request = BANGER__V1__WATCH_OPERATION_REQUEST__INIT;
    request.operation = (char *)id;
    struct banger_stream *stream = banger_stream_open(
        client, "/banger.v1.OperationService/WatchOperation", &request.base, NULL, error);
    Banger__V1__Operation *ended = NULL, *latest = NULL;
    *lost = false;
    if (!stream)
        return NULL;
    while (!ended) {
        ProtobufCMessage *message;
        bool tick;
        int64_t wait_ms = operation_wait_ms(deadline_ms, changed && latest, &tick);
        enum banger_next next = wait_ms == 0 ? BANGER_NEXT_NOTHING
                                             : banger_stream_next(stream, wait_ms, &message, error);
        if (next == BANGER_NEXT_NOTHING && tick) {
            changed(arg, latest);
            continue;
        }
        if (next == BANGER_NEXT_NOTHING) {
            error_set(error, BANGER_DEADLINE_EXCEEDED, "operation %s has not ended in time", id);
        } else if (next == BANGER_NEXT_END) {
            error_set(error, BANGER_UNAVAILABLE, "the server stopped telling of operation %s", id);
            *lost = true;
        } else if (next == BANGER_NEXT_ERROR) {
            *lost = stream->ended && stream->lost && error->code == BANGER_UNAVAILABLE;
        }
        if (next != BANGER_NEXT_MESSAGE)
            break;
        *heard = true;
        banger_message_free(latest ? &latest->base : NULL);
        latest = (Banger__V1__Operation *)message;
        if (changed)
            changed(arg, latest);
        if (banger_operation_ended(latest)) {
            ended = latest;
            latest = NULL;
        }
    }
    banger_message_free(latest ? &latest->base : NULL);
    banger_stream_close(stream);
    return ended;
}

Banger__V1__Operation *banger_operation_follow(struct banger_client *client, const char *id,
                                               int64_t timeout_ms, banger_operation_fn *changed,
                                               void *arg, struct banger_error *error)
{
    struct banger_error own;
    if (!error)
        error = &own;
    int64_t deadline = timeout_ms < 0 ? INT64_MAX : clock_mono_ms() + timeout_ms;
    struct retry retry = {0};
    for (;;) {
        bool lost, heard = false;
        Banger__V1__Operation *ended =
            operation_follow_once(client, id, deadline, changed, arg, &heard, &lost, error);
        if (ended || !lost)
            return ended;
        if (heard)
            retry_reset(&retry);
        if (retry_wait(&retry, client, client->retry_ms, deadline, error) < 0)
            return NULL;
    }
}
