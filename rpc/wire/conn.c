/* The HTTP/2 session of a connection: set-up, bytes in and out, callbacks; see conn.h. */
#include "rpc/wire/conn.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "rpc/wire/abuse.h"
#include "rpc/wire/pool.h"
#include "rpc/wire/stream.h"

enum {
    MAX_OUTBOUND_ACKS = 128, /* PING and SETTINGS answers a peer may make us queue */
    MAX_SETTINGS = 32,       /* entries in one SETTINGS frame */
    MAX_CONTINUATIONS = 8,   /* frames of one header block */
    CONGESTED_FRAMES = 1024, /* control frames that wait for a peer that does not read */
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

/* Server: what nghttp2 lets pass because it does not remember the stream, or takes no priorities.
 */
static int on_begin_frame(nghttp2_session *session, const nghttp2_frame_hd *hd, void *user_data)
{
    struct wire_conn *conn = user_data;
    if (hd->type == NGHTTP2_DATA && hd->length > 0)
        abuse_useful_frame(conn);
    else if (hd->type != NGHTTP2_HEADERS && abuse_idle_frame(conn) < 0)
        return NGHTTP2_ERR_CALLBACK_FAILURE;
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
    if (!wire_conn_is_server(conn) || frame->headers.cat != NGHTTP2_HCAT_REQUEST)
        return 0;
    struct rpc_call *call = call_new(conn, frame->hd.stream_id);
    if (!call)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
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
    if (!wire_conn_is_server(conn))
        client_header(call, n.base, n.len, v.base, v.len);
    else if (frame->headers.cat == NGHTTP2_HCAT_REQUEST)
        serve_header(call, n.base, n.len, v.base, v.len);
    return wire_conn_is_server(conn) &&
                   call->header_bytes > ABUSE_HEADERS_FACTOR * conn->limits.max_header_list_bytes
               ? NGHTTP2_ERR_CALLBACK_FAILURE
               : 0;
}

static int on_data_chunk(nghttp2_session *session, uint8_t flags, int32_t stream_id,
                         const uint8_t *data, size_t len, void *user_data)
{
    (void)flags;
    struct wire_conn *conn = user_data;
    struct rpc_call *call = conn_call(conn, stream_id);
    conn->unconsumed_bytes += len;
    if (call)
        call_input(call, data, len);
    else
        nghttp2_session_consume_stream(session, stream_id, len);
    return 0;
}

int wire_conn_goaway(struct wire_conn *conn, uint32_t code, const char *why)
{
    int32_t last = nghttp2_session_get_last_proc_stream_id(conn->session);
    return wire_conn_check(conn, nghttp2_submit_goaway(conn->session, NGHTTP2_FLAG_NONE, last, code,
                                                       (const uint8_t *)why, strlen(why)))
               ? 0
               : NGHTTP2_ERR_CALLBACK_FAILURE;
}

static const uint8_t drain_ping[8] = "drained?", alive_ping[8] = "alive?";

/* The peer knows that we drain: what it began before has come. */
static int conn_answered(struct wire_conn *conn, const uint8_t *ping)
{
    if (!wire_conn_is_server(conn) || !conn->draining || memcmp(ping, drain_ping, 8) != 0)
        return 0;
    return wire_conn_goaway(conn, NGHTTP2_NO_ERROR, "");
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
        break;
    case NGHTTP2_PING:
        if (frame->hd.flags & NGHTTP2_FLAG_ACK)
            return conn_answered(conn, frame->ping.opaque_data);
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

/* A call answered before its request ended: the rest of the request is not wanted. */
static int on_frame_send(nghttp2_session *session, const nghttp2_frame *frame, void *user_data)
{
    struct wire_conn *conn = user_data;
    if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA)
        return wire_conn_is_server(conn) ? abuse_sent(conn, frame) : 0;
    conn->sent_data = true;
    abuse_useful_frame(conn);
    if (conn->n_early == 0 || frame->hd.type != NGHTTP2_HEADERS ||
        !(frame->hd.flags & NGHTTP2_FLAG_END_STREAM))
        return 0;
    struct rpc_call *call = conn_call(conn, frame->hd.stream_id);
    if (call && call->early && !call->remote_ended &&
        !wire_conn_check(conn, nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE,
                                                         call->stream_id, NGHTTP2_NO_ERROR)))
        return NGHTTP2_ERR_CALLBACK_FAILURE;
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

static int conn_make_session(struct wire_conn *conn)
{
    nghttp2_session_callbacks *cb = NULL;
    nghttp2_option *option = NULL;
    nghttp2_mem mem = heap_allocator(&conn->heap);
    int rv = NGHTTP2_ERR_NOMEM;
    if (nghttp2_session_callbacks_new(&cb) != 0 || nghttp2_option_new(&option) != 0)
        goto done;
    nghttp2_session_callbacks_set_on_begin_headers_callback(cb, on_begin_headers);
    if (wire_conn_is_server(conn))
        nghttp2_session_callbacks_set_on_begin_frame_callback(cb, on_begin_frame);
    nghttp2_session_callbacks_set_on_header_callback2(cb, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(cb, on_data_chunk);
    nghttp2_session_callbacks_set_on_frame_recv_callback(cb, on_frame_recv);
    nghttp2_session_callbacks_set_on_frame_send_callback(cb, on_frame_send);
    nghttp2_session_callbacks_set_on_stream_close_callback(cb, on_stream_close);
    nghttp2_session_callbacks_set_send_data_callback(cb, on_send_data);
    nghttp2_option_set_no_auto_window_update(option, 1);
    nghttp2_option_set_no_closed_streams(option, 1);
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

static int conn_greet(struct wire_conn *conn)
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

struct wire_conn *wire_conn_new(const struct wire_conn_config *config, struct err *err)
{
    struct wire_conn *conn = calloc(1, sizeof(*conn));
    if (!conn) {
        err_set(err, ERR_LIMIT, "out of memory for a connection");
        return NULL;
    }
    conn->server = config->server;
    conn->limits = config->limits;
    conn->deadlines = config->deadlines;
    conn->pool = config->pool;
    conn->wake = config->wake;
    conn->arg = config->arg;
    conn->n_refs = 1;
    conn->now_ms = clock_mono_ms();
    heap_init(&conn->heap, &conn->pool->blocks);
    list_init(&conn->calls);
    list_init(&conn->work);
    list_init(&conn->blocked);
    int rv = conn_make_session(conn);
    if (rv == 0)
        rv = conn_greet(conn);
    if (rv == 0)
        return conn;
    err_set(err, ERR_LIMIT, "start an HTTP/2 session: %s", nghttp2_strerror(rv));
    heap_done(&conn->heap);
    free(conn);
    return NULL;
}

void wire_conn_unref(struct wire_conn *conn)
{
    if (conn && --conn->n_refs == 0)
        free(conn);
}

void wire_conn_touch(struct wire_conn *conn)
{
    if (conn->busy || conn->woken || !conn->session)
        return;
    conn->woken = true;
    if (conn->wake)
        conn->wake(conn->arg);
}

bool wire_conn_check(struct wire_conn *conn, int rv)
{
    if (rv >= 0)
        return true;
    if (nghttp2_is_fatal(rv)) {
        conn->broken = true;
        wire_conn_touch(conn);
    }
    return false;
}

void wire_conn_do_work(struct wire_conn *conn)
{
    for (struct list *l; (l = list_first(&conn->work));) {
        list_remove(l);
        call_do_work(container_of(l, struct rpc_call, work_link));
    }
}

static int conn_broken(struct err *err)
{
    return err_set(err, ERR_UNAVAILABLE, "the connection ran out of memory");
}

int wire_conn_receive(struct wire_conn *conn, const uint8_t *data, size_t len, struct err *err)
{
    if (!conn->session)
        return err_set(err, ERR_UNAVAILABLE, "the connection is closed");
    if (conn->broken)
        return conn_broken(err);
    conn->now_ms = clock_mono_ms();
    conn->bytes_in += len;
    conn->busy = true;
    ssize_t rv = nghttp2_session_mem_recv(conn->session, data, len);
    wire_conn_do_work(conn);
    conn->busy = false;
    if (rv == NGHTTP2_ERR_BAD_CLIENT_MAGIC) {
        wire_conn_blame(conn, "the peer does not speak HTTP/2");
        return err_set(err, ERR_INVALID, "the peer does not speak HTTP/2");
    }
    if (rv < 0) {
        if (!conn->broken && rv != NGHTTP2_ERR_NOMEM)
            wire_conn_blame(conn, "HTTP/2: %s", nghttp2_strerror((int)rv));
        conn->broken = true;
        return err_set(err, ERR_UNAVAILABLE, "%s",
                       conn->fault[0] ? conn->fault : nghttp2_strerror((int)rv));
    }
    return conn->broken ? conn_broken(err) : 0;
}

static int conn_pull_frames(struct wire_conn *conn, struct buf *to, size_t target)
{
    while (buf_len(to) < target) {
        const uint8_t *data;
        size_t before = buf_len(to);
        ssize_t n = nghttp2_session_mem_send(conn->session, &data);
        if (n < 0)
            return (int)n;
        if (n > 0 && buf_append(to, data, (size_t)n) < 0)
            return NGHTTP2_ERR_NOMEM;
        if (n == 0 && buf_len(to) == before)
            break;
    }
    return 0;
}

int wire_conn_pull(struct wire_conn *conn, struct buf *to, size_t target, struct err *err)
{
    if (!conn->session)
        return err_set(err, ERR_UNAVAILABLE, "the connection is closed");
    if (conn->broken)
        return conn_broken(err);
    size_t before = buf_len(to);
    conn->woken = false;
    conn->busy = true;
    conn->pull_to = to;
    conn->pull_target = target;
    wire_conn_do_work(conn);
    int rv = conn_pull_frames(conn, to, target);
    if (rv == 0 && !list_empty(&conn->blocked))
        calls_notify_writable(conn);
    wire_conn_do_work(conn);
    conn->pull_to = NULL;
    conn->busy = false;
    conn->bytes_out += buf_len(to) - before;
    if (rv < 0) {
        conn->broken = true;
        return err_set(err, ERR_UNAVAILABLE, "HTTP/2: %s", nghttp2_strerror(rv));
    }
    return conn->broken ? conn_broken(err) : 0;
}

void wire_conn_drain(struct wire_conn *conn)
{
    if (!conn->session || conn->broken || conn->draining)
        return;
    conn->draining = true;
    if (conn->n_calls == 0) {
        wire_conn_goaway(conn, NGHTTP2_NO_ERROR, "");
    } else if (wire_conn_check(conn, nghttp2_submit_shutdown_notice(conn->session))) {
        wire_conn_check(conn, nghttp2_submit_ping(conn->session, NGHTTP2_FLAG_NONE, drain_ping));
    }
    wire_conn_touch(conn);
}

void wire_conn_dismiss(struct wire_conn *conn, const char *why)
{
    if (!conn->session || conn->broken)
        return;
    conn->draining = true;
    wire_conn_goaway(conn, NGHTTP2_NO_ERROR, why);
    wire_conn_touch(conn);
}

int64_t wire_conn_keepalive(struct wire_conn *conn, int64_t now_ms, int64_t interval_ms,
                            int64_t timeout_ms)
{
    if (!conn->session || conn->broken)
        return now_ms + interval_ms;
    if (conn->pinged_ms > conn->now_ms)
        return now_ms >= conn->pinged_ms + timeout_ms ? -1 : conn->pinged_ms + timeout_ms;
    conn->pinged_ms = 0;
    if (now_ms < conn->now_ms + interval_ms)
        return conn->now_ms + interval_ms;
    if (wire_conn_check(conn, nghttp2_submit_ping(conn->session, NGHTTP2_FLAG_NONE, alive_ping)))
        wire_conn_touch(conn);
    conn->pinged_ms = now_ms;
    return now_ms + timeout_ms;
}

bool wire_conn_is_finished(const struct wire_conn *conn)
{
    return !conn->session || conn->condemned ||
           (!nghttp2_session_want_read(conn->session) &&
            !nghttp2_session_want_write(conn->session));
}

bool wire_conn_is_congested(const struct wire_conn *conn)
{
    return conn->session &&
           (conn->queued_bytes > conn->limits.max_queued_bytes / 2 ||
            nghttp2_session_get_outbound_queue_size(conn->session) > CONGESTED_FRAMES);
}

/* A held or queued byte is one of the connection's and one of the pool's. */
static void conn_account(const struct wire_conn *conn, size_t *here, size_t *in_all, size_t n)
{
    if (!conn->session)
        return;
    *here += n;
    *in_all += n;
}

void conn_hold(struct wire_conn *conn, size_t n_bytes)
{
    conn_account(conn, &conn->held_bytes, &conn->pool->held_bytes, n_bytes);
}

void conn_release(struct wire_conn *conn, size_t n_bytes)
{
    conn_account(conn, &conn->held_bytes, &conn->pool->held_bytes, 0 - n_bytes);
}

void conn_queue(struct wire_conn *conn, size_t n_bytes)
{
    conn_account(conn, &conn->queued_bytes, &conn->pool->queued_bytes, n_bytes);
}

void conn_unqueue(struct wire_conn *conn, size_t n_bytes)
{
    conn_account(conn, &conn->queued_bytes, &conn->pool->queued_bytes, 0 - n_bytes);
}

void wire_conn_close(struct wire_conn *conn, const struct err *why)
{
    if (!conn->session)
        return;
    bool sound = !conn->broken;
    conn->broken = conn->busy = true;
    for (struct list *l; (l = list_first(&conn->calls));) {
        struct rpc_call *call = rpc_call_ref(container_of(l, struct rpc_call, link));
        call->stream_open = false;
        if (!call->closed) {
            /* A client's call whose status came, but whose messages were not yet read, keeps it. */
            if (!call->close_soon && !(call->got_status && call->remote_ended))
                call->status = *why;
            call_close(call);
        }
        call_release(call);
        rpc_call_unref(call);
    }
    if (sound)
        nghttp2_session_del(conn->session);
    heap_done(&conn->heap);
    conn_release(conn, conn->held_bytes);
    conn_unqueue(conn, conn->queued_bytes);
    conn->session = NULL;
    conn->busy = false;
    conn->hot_call = NULL;
}
