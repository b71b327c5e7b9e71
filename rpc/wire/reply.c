/* Replies whose elements are packed one by one; see call.h. They gather in the call's output behind
 * room for the frame's prefix, and count as queued, and nghttp2 hears of them, with the reply. */
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "rpc/wire/conn.h"
#include "rpc/wire/encode.h"
#include "rpc/wire/frame.h"
#include "rpc/wire/gzip.h"
#include "rpc/wire/stream.h"

enum { ROOM_BYTES = 2048 }; /* tried first: most elements fit */

static void reply_commit(struct rpc_call *call, size_t n)
{
    buf_commit(&call->out, n);
    call->begun_bytes += n;
}

/* Writes with encode_element, or encode_message where field is 0; -1 without memory. */
static int reply_write(struct rpc_call *call, uint32_t field, const ProtobufCMessage *message,
                       size_t *n)
{
    for (size_t room = ROOM_BYTES;; room *= 2) {
        uint8_t *begin = buf_reserve(&call->out, room);
        if (!begin)
            return -1;
        struct encoder e = {begin, begin + room, false};
        if (field)
            encode_element(&e, field, message);
        else
            encode_message(&e, message);
        if (e.full)
            continue;
        *n = (size_t)(begin + room - e.at);
        memmove(begin, e.at, *n);
        reply_commit(call, *n);
        return 0;
    }
}

void call_drop_begun(struct rpc_call *call)
{
    if (call->begun_bytes == 0)
        return;
    call->out.tail -= call->begun_bytes;
    call->begun_bytes = 0;
    if (buf_len(&call->out) == 0)
        buf_reset(&call->out);
}

size_t rpc_call_add(struct rpc_call *call, uint32_t field, const ProtobufCMessage *element)
{
    size_t n = 0;
    if (!call_is_live(call) || call->ended || call->begun_failed)
        return 0;
    if (call->begun_bytes == 0) {
        if (buf_reserve(&call->out, FRAME_PREFIX_BYTES))
            reply_commit(call, FRAME_PREFIX_BYTES);
        else
            call->begun_failed = true;
    }
    if (call->begun_failed || reply_write(call, field, element, &n) < 0)
        call->begun_failed = true;
    return n;
}

/* Puts the compressed message in the plain one's place where it is shorter. */
static void reply_compress(struct rpc_call *call)
{
    uint8_t *frame = call->out.block + call->out.tail - call->begun_bytes;
    size_t n = call->begun_bytes - FRAME_PREFIX_BYTES;
    auto_free uint8_t *packed = n > 1 ? malloc(n) : NULL;
    size_t n_packed = packed ? gzip_compress(packed, n - 1, frame + FRAME_PREFIX_BYTES, n) : 0;
    if (n_packed == 0)
        return;
    memcpy(frame + FRAME_PREFIX_BYTES, packed, n_packed);
    frame_write(frame, (uint32_t)n_packed);
    frame[0] = FRAME_COMPRESSED;
    call->out.tail -= n - n_packed;
    call->begun_bytes -= n - n_packed;
}

int call_queue_begun(struct rpc_call *call, const ProtobufCMessage *rest, struct err *err)
{
    size_t n;
    int rc = 0;
    if (call->begun_failed || reply_write(call, 0, rest, &n) < 0)
        rc = err_set(err, ERR_LIMIT, "out of memory for an answer");
    else
        rc = call_check_size(call, call->begun_bytes - FRAME_PREFIX_BYTES, err);
    if (rc < 0) {
        call_drop_begun(call);
        return -1;
    }
    frame_write(call->out.block + call->out.tail - call->begun_bytes,
                (uint32_t)(call->begun_bytes - FRAME_PREFIX_BYTES));
    if (call->compress)
        reply_compress(call);
    conn_queue(call->conn, call->begun_bytes);
    call->begun_bytes = 0;
    call_offer_output(call);
    return 0;
}
