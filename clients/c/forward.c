/* See banger/forward.h: a stream whose messages are pieces of bytes. */
#include "banger/forward.h"

#include <stdlib.h>

#include "internal.h"

enum { FORWARD_PIECE_BYTES = 64 * 1024 };

struct banger_forward {
    struct banger_stream *stream;
    ProtobufCMessage *current; /* whose data was given out */
};

struct banger_forward *banger_forward_open(struct banger_client *client,
                                           const Banger__V1__ForwardOpen *open,
                                           struct banger_error *error)
{
    Banger__V1__ForwardRequest request = BANGER__V1__FORWARD_REQUEST__INIT;
    struct banger_forward *forward = calloc(1, sizeof(*forward));
    if (!forward) {
        error_no_memory(error);
        return NULL;
    }
    request.frame_case = BANGER__V1__FORWARD_REQUEST__FRAME_OPEN;
    request.open = (Banger__V1__ForwardOpen *)open;
    forward->stream =
        banger_stream_open(client, "/banger.v1.ForwardService/Forward", NULL, NULL, error);
    if (!forward->stream || banger_stream_send(forward->stream, &request.base, error) < 0) {
        banger_forward_close(forward);
        return NULL;
    }
    return forward;
}

static enum banger_forward_news forward_take(struct banger_forward *forward, const uint8_t **data,
                                             size_t *len)
{
    const Banger__V1__ForwardResponse *m = (const Banger__V1__ForwardResponse *)forward->current;
    switch (m->frame_case) {
    case BANGER__V1__FORWARD_RESPONSE__FRAME_OPENED:
        return BANGER_FORWARD_OPENED;
    case BANGER__V1__FORWARD_RESPONSE__FRAME_DATA:
        *data = m->data.data;
        *len = m->data.len;
        return BANGER_FORWARD_DATA;
    case BANGER__V1__FORWARD_RESPONSE__FRAME_END:
        return BANGER_FORWARD_END;
    default:
        return BANGER_FORWARD_NOTHING; /* of a later version */
    }
}

enum banger_forward_news banger_forward_next(struct banger_forward *forward, int64_t timeout_ms,
                                             const uint8_t **data, size_t *len,
                                             struct banger_error *error)
{
    for (;;) {
        banger_message_free(forward->current);
        forward->current = NULL;
        switch (banger_stream_next(forward->stream, timeout_ms, &forward->current, error)) {
        case BANGER_NEXT_MESSAGE:
            break;
        case BANGER_NEXT_END:
            return BANGER_FORWARD_CLOSED;
        case BANGER_NEXT_NOTHING:
            return BANGER_FORWARD_NOTHING;
        default:
            return BANGER_FORWARD_ERROR;
        }
        enum banger_forward_news news = forward_take(forward, data, len);
        if (news != BANGER_FORWARD_NOTHING)
            return news;
    }
}

size_t banger_forward_room(struct banger_forward *forward)
{
    return banger_stream_writable(forward->stream) ? FORWARD_PIECE_BYTES : 0;
}

ssize_t banger_forward_write(struct banger_forward *forward, const void *data, size_t len,
                             struct banger_error *error)
{
    Banger__V1__ForwardRequest request = BANGER__V1__FORWARD_REQUEST__INIT;
    size_t room = banger_forward_room(forward);
    len = len < room ? len : room;
    if (len == 0)
        return 0;
    request.frame_case = BANGER__V1__FORWARD_REQUEST__FRAME_DATA;
    request.data.data = (uint8_t *)data;
    request.data.len = len;
    return banger_stream_send(forward->stream, &request.base, error) < 0 ? -1 : (ssize_t)len;
}

void banger_forward_end(struct banger_forward *forward)
{
    banger_stream_half_close(forward->stream);
}

void banger_forward_close(struct banger_forward *forward)
{
    if (!forward)
        return;
    banger_message_free(forward->current);
    banger_stream_close(forward->stream);
    free(forward);
}
