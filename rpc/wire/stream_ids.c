/* Ids of closed streams; see stream_ids.h. */
#include "rpc/wire/stream_ids.h"

#include <nghttp2/nghttp2.h>
#include <stdbool.h>

static uint32_t stream_ids_open(struct stream_ids *ids, int32_t id)
{
    if (id > ids->last + 2) {
        ids->skipped_from = ids->last + 1;
        ids->skipped_to = id;
    }
    ids->last = id;
    return NGHTTP2_NO_ERROR;
}

uint32_t stream_ids_check(struct stream_ids *ids, int32_t id, uint8_t frame_type)
{
    bool headers = frame_type == NGHTTP2_HEADERS;
    if (frame_type == NGHTTP2_PRIORITY)
        return id == 0 ? NGHTTP2_PROTOCOL_ERROR : NGHTTP2_NO_ERROR;
    if (id % 2 == 0 || (!headers && frame_type != NGHTTP2_DATA))
        return NGHTTP2_NO_ERROR;
    if (id > ids->last)
        return headers ? stream_ids_open(ids, id) : NGHTTP2_NO_ERROR;
    if (headers && id >= ids->skipped_from && id < ids->skipped_to)
        return NGHTTP2_PROTOCOL_ERROR;
    for (unsigned i = 0; i < STREAM_IDS_KEPT; i++)
        if (ids->ended[i] == id)
            return NGHTTP2_STREAM_CLOSED;
    return NGHTTP2_NO_ERROR;
}

void stream_ids_ended(struct stream_ids *ids, int32_t id)
{
    ids->ended[ids->n_ended++ % STREAM_IDS_KEPT] = id;
}
