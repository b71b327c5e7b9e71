/* A connection of HTTP/2: bytes in and out, and how it ends; see conn.h. */
#include "rpc/wire/conn.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "rpc/wire/abuse.h"
#include "rpc/wire/linger.h"
#include "rpc/wire/pool.h"
#include "rpc/wire/session.h"
#include "rpc/wire/stream.h"

enum { CONGESTED_FRAMES = 1024 }; /* control frames that wait for a peer that does not read */

static const uint8_t drain_ping[8] = "drained?", alive_ping[8] = "alive?";

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
    abuse_init(conn);
    unpack_init(conn);
    linger_init(conn);
    heap_init(&conn->heap, &conn->pool->blocks);
    list_init(&conn->calls);
    list_init(&conn->work);
    list_init(&conn->blocked);
    int rv = session_open(conn);
    if (rv == 0)
        return conn;
    err_set(err, ERR_LIMIT, "start an HTTP/2 session: %s", nghttp2_strerror(rv));
    heap_done(&conn->heap);
    free(conn);
    return NULL;
}

void wire_conn_unref(struct wire_conn *conn)
{
    if (!conn || --conn->n_refs > 0)
        return;
    free(conn->refusal);
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
    size_t n = abuse_frames(conn, data, len);
    ssize_t rv = nghttp2_session_mem_recv(conn->session, data, n);
    if (rv >= 0 && n < len && !conn->condemned)
        rv = abuse_overdrawn(conn);
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

int wire_conn_goaway(struct wire_conn *conn, uint32_t code, const char *why)
{
    int32_t last = nghttp2_session_get_last_proc_stream_id(conn->session);
    return wire_conn_check(conn, nghttp2_submit_goaway(conn->session, NGHTTP2_FLAG_NONE, last, code,
                                                       (const uint8_t *)why, strlen(why)))
               ? 0
               : NGHTTP2_ERR_CALLBACK_FAILURE;
}

/* The peer knows that we drain: what it began before has come. */
int conn_ping_answered(struct wire_conn *conn, const uint8_t *ping)
{
    if (!wire_conn_is_server(conn) || !conn->draining || memcmp(ping, drain_ping, 8) != 0)
        return 0;
    return wire_conn_goaway(conn, NGHTTP2_NO_ERROR, "");
}

void wire_conn_drain(struct wire_conn *conn)
{
    if (!conn->session || conn->broken || conn->draining)
        return;
    conn->draining = true;
    linger_hurry(conn);
    if (conn->n_calls == 0) {
        wire_conn_goaway(conn, NGHTTP2_NO_ERROR, "");
    } else if (wire_conn_check(conn, nghttp2_submit_shutdown_notice(conn->session))) {
        wire_conn_check(conn, nghttp2_submit_ping(conn->session, NGHTTP2_FLAG_NONE, drain_ping));
    }
    wire_conn_touch(conn);
}

int wire_conn_refuse(struct wire_conn *conn, const struct err *why)
{
    if (!conn->refusal)
        conn->refusal = malloc(sizeof(*conn->refusal));
    if (!conn->refusal)
        return -1;
    *conn->refusal = *why;
    return 0;
}

void wire_conn_finish(struct wire_conn *conn)
{
    conn->finishing = true;
    wire_conn_drain(conn);
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

bool conn_may_grow(const struct wire_conn *conn, size_t n_bytes)
{
    return conn->calls_bytes + n_bytes <= POOL_CALLS_SHARE_BYTES ||
           conn->pool->calls_bytes + n_bytes <= POOL_CALLS_MAX_BYTES;
}

void conn_grow(struct wire_conn *conn, size_t n_bytes)
{
    conn_account(conn, &conn->calls_bytes, &conn->pool->calls_bytes, n_bytes);
}

void conn_shrink(struct wire_conn *conn, size_t n_bytes)
{
    conn_account(conn, &conn->calls_bytes, &conn->pool->calls_bytes, 0 - n_bytes);
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
    unpack_done(conn);
    linger_done(conn);
    if (sound)
        nghttp2_session_del(conn->session);
    heap_done(&conn->heap);
    conn_release(conn, conn->held_bytes);
    conn_unqueue(conn, conn->queued_bytes);
    conn_shrink(conn, conn->calls_bytes);
    conn->session = NULL;
    conn->busy = false;
    conn->hot_call = NULL;
}
