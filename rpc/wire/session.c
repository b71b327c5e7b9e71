/* nghttp2's session of a connection: how it is set up, and what its callbacks do; see session.h. */
#include "rpc/wire/session.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "rpc/wire/abuse.h"
#include "rpc/wire/conn.h"
#include "rpc/wire/linger.h"
#include "rpc/wire/stream.h"

enum {
    MAX_OUTBOUND_ACKS = 128, /* PING and SETTINGS answers a peer may make us queue */
    MAX_SETTINGS = 32,       /* entries in one SETTINGS frame */
    MAX_CONTINUATIONS = 8,   /* frames of one header block */
    CALLS_A_UNIT = 4,        /* whose windows a setting moves for the price of a frame */
};

static struct rpc_call *conn_call(struct wire_conn *conn, int32_t stream_id)
{
    if (conn->hot_call && conn->hot_call->stream_id == stream_id)
        return conn->hot_call;
    struct rpc_call *call = nghttp2_session_get_stream_user_data(conn->session, stream_id);
    if (call)
        conn->hot_call = call;
    return call;
}

/* A block costs by its length until somebody is told of it, for whom its fields are charged: of a
 * stream that is gone, or that comes after our GOAWAY, nghttp2 decodes it for its table's sake and
 * says nothing. */
static void charge_block(struct wire_conn *conn, const nghttp2_frame_hd *hd)
{
    if (hd->type == NGHTTP2_HEADERS)
        conn->account.spent += hd->length;
}

static void give_block_back(struct wire_conn *conn, const nghttp2_frame_hd *hd)
{
    size_t units = ABUSE_FRAME + hd->length;
    conn->account.spent -= units < conn->account.spent ? units : conn->account.spent;
}

static int on_begin_client_frame(nghttp2_session *session, const nghttp2_frame_hd *hd,
                                 void *user_data)
{
    (void)session;
    charge_block(user_data, hd);
    return 0;
}

/* Server: what nghttp2 lets pass because it does not remember the stream, or takes no priorities.
 */
static int on_begin_frame(nghttp2_session *session, const nghttp2_frame_hd *hd, void *user_data)
{
    struct wire_conn *conn = user_data;
    charge_block(conn, hd);
    if ((hd->type != NGHTTP2_HEADERS && hd->type != NGHTTP2_DATA && hd->type != NGHTTP2_PRIORITY) ||
        (hd->stream_id != 0 && conn_call(conn, hd->stream_id)))
        return 0;
    uint32_t code = stream_ids_check(&conn->ids, hd->stream_id, hd->type);
    if (code != NGHTTP2_NO_ERROR &&
        !wire_conn_check(conn, nghttp2_session_terminate_session(session, code)))
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    return 0;
}

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *user_data)
{
    struct wire_conn *conn = user_data;
    if (!wire_conn_is_server(conn) || frame->headers.cat != NGHTTP2_HCAT_REQUEST) {
        if (conn_call(conn, frame->hd.stream_id))
            give_block_back(conn, &frame->hd);
        return 0;
    }
    struct rpc_call *call = call_new(conn, frame->hd.stream_id);
    if (!call)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    give_block_back(conn, &frame->hd);
    nghttp2_session_set_stream_user_data(session, call->stream_id, call);
    conn->hot_call = call;
    conn->headers_ms = conn->now_ms;
    return 0;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, nghttp2_rcbuf *name,
                     nghttp2_rcbuf *value, uint8_t flags, void *user_data)
{
    (void)session;
    (void)flags;
    struct wire_conn *conn = user_data;
    struct rpc_call *call = conn_call(conn, frame->hd.stream_id);
    if (!call)
        return 0;
    nghttp2_vec n = nghttp2_rcbuf_get_buf(name), v = nghttp2_rcbuf_get_buf(value);
    metadata_trim((const uint8_t **)&v.base, &v.len);
    if (abuse_field(conn, call, n.len + v.len + HEADER_OVERHEAD_BYTES) < 0)
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    if (!wire_conn_is_server(conn))
        client_header(call, n.base, n.len, v.base, v.len);
    else if (frame->headers.cat == NGHTTP2_HCAT_REQUEST)
        serve_header(call, n.base, n.len, v.base, v.len);
    return 0;
}

static int on_data_chunk(nghttp2_session *session, uint8_t flags, int32_t stream_id,
                         const uint8_t *data, size_t len, void *user_data)
{
    (void)flags;
    struct wire_conn *conn = user_data;
    struct rpc_call *call = conn_call(conn, stream_id);
    conn->unconsumed_bytes += len;
    if (call && !call->over)
        abuse_useful_frame(conn);
    if (call)
        call_input(call, data, len);
    else
        nghttp2_session_consume_stream(session, stream_id, len);
    return 0;
}
static int on_frame_recv(nghttp2_session *session, const nghttp2_frame *frame, void *user_data)
{
    (void)session;
    struct wire_conn *conn = user_data;
    struct rpc_call *call = NULL;
    bool end = frame->hd.flags & NGHTTP2_FLAG_END_STREAM;
    switch (frame->hd.type) {
    case NGHTTP2_DATA:
        if (end && (call = conn_call(conn, frame->hd.stream_id)))
            call_input_end(call);
        break;
    case NGHTTP2_HEADERS:
        conn->headers_ms = 0;
        call = conn_call(conn, frame->hd.stream_id);
        if (!call)
            break;
        if (!wire_conn_is_server(conn))
            client_headers_end(call, end);
        else if (frame->headers.cat == NGHTTP2_HCAT_REQUEST)
            serve_request(call);
        if (end)
            call_input_end(call);
        break;
    case NGHTTP2_RST_STREAM:
        call = conn_call(conn, frame->hd.stream_id);
        if (!call)
            break;
        call->remote_reset = true;
        if (wire_conn_is_server(conn) && !call->over)
            return abuse_wasted_stream(conn);
        break;
    case NGHTTP2_SETTINGS:
        conn->greeted = true;
        return abuse_spend(conn, frame->settings.niv * (1 + conn->n_calls / CALLS_A_UNIT));
    case NGHTTP2_PING:
        if (frame->hd.flags & NGHTTP2_FLAG_ACK)
            return conn_ping_answered(conn, frame->ping.opaque_data);
        return abuse_ping(conn);
    case NGHTTP2_GOAWAY:
        if (!wire_conn_is_server(conn))
            conn->draining = true;
        break;
    default:
        break;
    }
    return 0;
}

static int on_frame_send(nghttp2_session *session, const nghttp2_frame *frame, void *user_data)
{
    (void)session;
    struct wire_conn *conn = user_data;
    if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA)
        return wire_conn_is_server(conn) ? abuse_sent(conn, frame) : 0;
    conn->sent_data = true;
    abuse_useful_frame(conn);
    if (conn->n_early == 0 || !(frame->hd.flags & NGHTTP2_FLAG_END_STREAM))
        return 0;
    struct rpc_call *call = conn_call(conn, frame->hd.stream_id);
    if (call && call->early && !call->remote_ended)
        linger_begin(call);
    return 0;
}

static int on_stream_close(nghttp2_session *session, int32_t stream_id, uint32_t error_code,
                           void *user_data)
{
    (void)session;
    struct wire_conn *conn = user_data;
    struct rpc_call *call = conn_call(conn, stream_id);
    if (call && (call->remote_ended || call->remote_reset))
        stream_ids_ended(&conn->ids, stream_id);
    if (call)
        call_stream_closed(call, error_code);
    return 0;
}

static int on_send_data(nghttp2_session *session, nghttp2_frame *frame, const uint8_t *frame_head,
                        size_t len, nghttp2_data_source *source, void *user_data)
{
    (void)session;
    (void)frame;
    (void)user_data;
    return call_take_output(source->ptr, frame_head, len);
}

static int session_make(struct wire_conn *conn)
{
    nghttp2_session_callbacks *cb = NULL;
    nghttp2_option *option = NULL;
    nghttp2_mem mem = heap_allocator(&conn->heap);
    int rv = NGHTTP2_ERR_NOMEM;
    if (nghttp2_session_callbacks_new(&cb) != 0 || nghttp2_option_new(&option) != 0)
        goto done;
    nghttp2_session_callbacks_set_on_begin_headers_callback(cb, on_begin_headers);
    nghttp2_session_callbacks_set_on_begin_frame_callback(
        cb, wire_conn_is_server(conn) ? on_begin_frame : on_begin_client_frame);
    nghttp2_session_callbacks_set_on_header_callback2(cb, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(cb, on_data_chunk);
    nghttp2_session_callbacks_set_on_frame_recv_callback(cb, on_frame_recv);
    nghttp2_session_callbacks_set_on_frame_send_callback(cb, on_frame_send);
    nghttp2_session_callbacks_set_on_stream_close_callback(cb, on_stream_close);
    nghttp2_session_callbacks_set_send_data_callback(cb, on_send_data);
    nghttp2_option_set_no_auto_window_update(option, 1);
    nghttp2_option_set_no_closed_streams(option, 1);
    /* gRPC strips blanks at a value's ends, where HTTP/2 would refuse the call. */
    nghttp2_option_set_no_rfc9113_leading_and_trailing_ws_validation(option, 1);
    nghttp2_option_set_max_outbound_ack(option, MAX_OUTBOUND_ACKS);
    nghttp2_option_set_max_settings(option, MAX_SETTINGS);
    nghttp2_option_set_max_continuations(option, MAX_CONTINUATIONS);
    nghttp2_option_set_stream_reset_rate_limit(option, ABUSE_ANY_RESET_BURST, ABUSE_ANY_RESET_RATE);
    rv = wire_conn_is_server(conn)
             ? nghttp2_session_server_new3(&conn->session, cb, conn, option, &mem)
             : nghttp2_session_client_new3(&conn->session, cb, conn, option, &mem);
done:
    nghttp2_session_callbacks_del(cb);
    nghttp2_option_del(option);
    return rv;
}

static int session_greet(struct wire_conn *conn)
{
    const nghttp2_settings_entry common[] = {
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, STREAM_WINDOW_BYTES},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, (uint32_t)conn->limits.max_header_list_bytes},
        /* Server: streams are served in turn. Client: no pushes. */
        {wire_conn_is_server(conn) ? NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES
                                   : NGHTTP2_SETTINGS_ENABLE_PUSH,
         wire_conn_is_server(conn)},
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, conn->limits.max_streams},
    };
    int rv = nghttp2_submit_settings(conn->session, NGHTTP2_FLAG_NONE, common,
                                     sizeof(common) / sizeof(common[0]));
    if (rv == 0)
        rv = nghttp2_session_set_local_window_size(conn->session, NGHTTP2_FLAG_NONE, 0,
                                                   CONN_WINDOW_BYTES);
    return rv;
}

int session_open(struct wire_conn *conn)
{
    int rv = session_make(conn);
    return rv == 0 ? session_greet(conn) : rv;
}
