/* Messages to bytes of a stream; see stream.h. What is queued is framed already; nghttp2 asks for
 * it as far as the peer's windows allow, and the frames are written without another copy between.
 */
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "rpc/wire/conn.h"
#include "rpc/wire/frame.h"
#include "rpc/wire/gzip.h"
#include "rpc/wire/pool.h"
#include "rpc/wire/stream.h"

enum { HTTP2_HEAD_BYTES = 9 };

int call_check_size(struct rpc_call *call, size_t n, struct err *err)
{
    const struct wire_conn *conn = call->conn;
    uint32_t max = wire_conn_is_server(conn) ? call->method->max_response_bytes
                                             : call->method->max_request_bytes;
    if ((max && n > max) || n > UINT32_MAX - FRAME_PREFIX_BYTES)
        return err_set(err, ERR_LIMIT, "a message of %zu bytes is over the limit of %u", n, max);
    if (conn->queued_bytes + n + FRAME_PREFIX_BYTES > conn->limits.max_queued_bytes)
        return err_set(err, ERR_LIMIT, "the peer does not take what is queued for it (%zu bytes)",
                       conn->queued_bytes);
    if (conn->queued_bytes + n > POOL_SHARE_BYTES &&
        conn->pool->queued_bytes + n > POOL_QUEUED_MAX_BYTES)
        return err_set(err, ERR_LIMIT, "the peers together do not take what is queued for them");
    return 0;
}

void call_offer_output(struct rpc_call *call)
{
    struct wire_conn *conn = call->conn;
    if (!call->submitted) {
        if (wire_conn_is_server(conn))
            serve_submit(call, true);
    } else if (call->deferred) {
        call->deferred = false;
        wire_conn_check(conn, nghttp2_session_resume_data(conn->session, call->stream_id));
    }
    wire_conn_touch(conn);
}

/* Writes prefix and compressed message where they take less than n bytes do plain; returns the
 * message's bytes then, 0 otherwise. */
static size_t output_pack_gzip(const ProtobufCMessage *message, size_t n, uint8_t *at)
{
    auto_free uint8_t *plain = n > 0 ? malloc(n) : NULL;
    if (!plain)
        return 0;
    protobuf_c_message_pack(message, plain);
    size_t n_packed = gzip_compress(at + FRAME_PREFIX_BYTES, n - 1, plain, n);
    frame_write(at, (uint32_t)n_packed);
    at[0] = FRAME_COMPRESSED;
    return n_packed;
}

int call_queue_message(struct rpc_call *call, const ProtobufCMessage *message, struct err *err)
{
    size_t n = protobuf_c_message_get_packed_size(message);
    if (call_check_size(call, n, err) < 0)
        return -1;
    uint8_t *at = buf_reserve(&call->out, FRAME_PREFIX_BYTES + n);
    if (!at)
        return err_set(err, ERR_LIMIT, "out of memory for a message of %zu bytes", n);
    size_t n_packed = call->compress ? output_pack_gzip(message, n, at) : 0;
    if (n_packed > 0) {
        n = n_packed;
    } else {
        frame_write(at, (uint32_t)n);
        protobuf_c_message_pack(message, at + FRAME_PREFIX_BYTES);
    }
    buf_commit(&call->out, FRAME_PREFIX_BYTES + n);
    call->spoke = true;
    conn_queue(call->conn, FRAME_PREFIX_BYTES + n);
    call_offer_output(call);
    return 0;
}

void call_end_output(struct rpc_call *call)
{
    call->ended = true;
    if (!call->submitted && wire_conn_is_server(call->conn)) {
        serve_submit(call, false);
        wire_conn_touch(call->conn);
    } else if (!call->submitted || call->deferred) {
        call_offer_output(call);
    }
}

/* What is promised to a DATA frame already begun has to stay. */
void call_drop_output(struct rpc_call *call)
{
    call_drop_begun(call);
    size_t drop = buf_len(&call->out) - call->promised_bytes;
    conn_unqueue(call->conn, drop);
    call->out.tail -= drop;
    if (buf_len(&call->out) == 0)
        buf_reset(&call->out);
}

void call_reset(struct rpc_call *call, uint32_t error_code)
{
    struct wire_conn *conn = call->conn;
    if (!conn->session || conn->broken || !call->stream_open)
        return;
    wire_conn_check(conn, nghttp2_submit_rst_stream(conn->session, NGHTTP2_FLAG_NONE,
                                                    call->stream_id, error_code));
    wire_conn_touch(conn);
}

/* nghttp2 asks how much goes into the next DATA frame. */
static ssize_t output_read(nghttp2_session *session, int32_t stream_id, uint8_t *to, size_t room,
                           uint32_t *flags, nghttp2_data_source *source, void *user_data)
{
    (void)session;
    (void)stream_id;
    (void)to;
    (void)user_data;
    struct rpc_call *call = source->ptr;
    size_t n = buf_len(&call->out);
    if (n > room)
        n = room;
    if (call->ended && n == buf_len(&call->out)) {
        *flags |= NGHTTP2_DATA_FLAG_EOF;
        call->sent_end = true;
        if (wire_conn_is_server(call->conn) && !call->http_status) {
            *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
            serve_submit_trailers(call);
        }
    } else if (n == 0) {
        call->deferred = true;
        return NGHTTP2_ERR_DEFERRED;
    }
    if (n > 0)
        *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
    call->promised_bytes = n;
    return (ssize_t)n;
}

/* The connection holds the call until nghttp2 has closed the stream, so the pointer stays good. */
nghttp2_data_provider call_output_provider(struct rpc_call *call)
{
    return (nghttp2_data_provider){{.ptr = call}, output_read};
}

int call_take_output(struct rpc_call *call, const uint8_t *frame_head, size_t len)
{
    struct wire_conn *conn = call->conn;
    size_t n = HTTP2_HEAD_BYTES + len;
    /* nghttp2 goes from one DATA frame to the next without coming back to us. */
    if (buf_len(conn->pull_to) >= conn->pull_target)
        return NGHTTP2_ERR_WOULDBLOCK;
    uint8_t *at = buf_reserve(conn->pull_to, n);
    if (!at)
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    memcpy(at, frame_head, HTTP2_HEAD_BYTES);
    memcpy(at + HTTP2_HEAD_BYTES, buf_data(&call->out), len);
    buf_commit(conn->pull_to, n);
    buf_consume(&call->out, len);
    call->promised_bytes = 0;
    conn_unqueue(conn, len);
    return 0;
}

void calls_notify_writable(struct wire_conn *conn)
{
    if (conn->queued_bytes > conn->limits.max_queued_bytes / 8)
        return;
    /* Those that block again go to another list, so that this ends. */
    struct list now;
    list_init(&now);
    list_move_all(&now, &conn->blocked);
    for (struct list *l; (l = list_first(&now));) {
        struct rpc_call *call = container_of(l, struct rpc_call, blocked_link);
        list_remove(l);
        if (buf_len(&call->out) > CALL_LOW_BYTES)
            list_add_tail(&conn->blocked, l);
        else if (!call->over && call->events && call->events->writable)
            call->events->writable(call->arg, call);
    }
}
