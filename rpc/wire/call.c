/* The call API, and how calls begin and end; see call.h and stream.h. */
#include "rpc/wire/call.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "rpc/wire/alive.h"
#include "rpc/wire/conn.h"
#include "rpc/wire/linger.h"
#include "rpc/wire/observer.h"
#include "rpc/wire/pool.h"
#include "rpc/wire/stream.h"

/* Tells the observer how it went, once. */
static void call_settle(struct rpc_call *call)
{
    const struct wire_server *server = call->conn->server;
    if (call->settled || !server || !call->method)
        return;
    call->settled = true;
    if (server->observer && server->observer->ended)
        server->observer->ended(server->observer_arg, call, &call->status);
}

static void call_deadline_passed(struct deadline *d)
{
    struct rpc_call *call = container_of(d, struct rpc_call, deadline);
    struct err err;
    err_clear(&err);
    err_set(&err, ERR_DEADLINE, "the deadline passed");
    if (wire_conn_is_server(call->conn)) {
        if (!call->remote_ended && !(call->method->streams & RPC_CLIENT_STREAMS)) {
            err_set(&err, ERR_DEADLINE, "the request did not end in time");
            wire_conn_blame(call->conn, "%s: %s", call->method->path, err.message);
        }
        bool answered = call->ended;
        call_drop_output(call);
        if (answered) /* but the peer does not take the answer */
            call_reset(call, NGHTTP2_CANCEL);
        else /* the peer, which may have another clock, is told as well */
            rpc_call_finish(call, &err);
    }
    call->status = err;
    call_close(call);
}

static struct rpc_call *call_alloc(struct wire_conn *conn)
{
    struct rpc_call *call = wire_pool_take(conn->pool);
    if (call)
        return call;
    call = malloc(sizeof(*call));
    if (!call)
        return NULL;
    buf_init(&call->in, 0);
    buf_init(&call->out, SIZE_MAX / 2);
    metadata_init(&call->metadata, 2 * conn->limits.max_header_list_bytes);
    return call;
}

struct rpc_call *call_new(struct wire_conn *conn, int32_t stream_id)
{
    struct rpc_call *call = call_alloc(conn);
    if (!call)
        return NULL;
    struct buf in = call->in, out = call->out;
    memset(call, 0, offsetof(struct rpc_call, in));
    call->in = in;
    call->out = out;
    call->status.code = ERR_NONE;
    call->status.sys = 0;
    call->status.reason[0] = call->status.resource[0] = '\0';
    call->status.stage[0] = call->status.message[0] = '\0';
    call->conn = conn;
    conn->n_refs++;
    list_add_tail(&conn->calls, &call->link);
    conn->n_calls++;
    list_init(&call->work_link);
    list_init(&call->blocked_link);
    list_init(&call->starved_link);
    list_init(&call->linger_link);
    call->deadline.passed = call_deadline_passed;
    alive_init(call);
    call->deadline_ms = INT64_MAX;
    call->timeout_ms = -1;
    call->n_refs = 1;
    call->held = true;
    call->stream_id = stream_id;
    call->stream_open = true;
    conn_grow(conn, sizeof(*call) + call->metadata.entries.cap);
    return call;
}

void call_free(struct rpc_call *call)
{
    buf_done(&call->in);
    buf_done(&call->out);
    metadata_done(&call->metadata);
    free(call);
}

struct rpc_call *rpc_call_ref(struct rpc_call *call)
{
    call->n_refs++;
    return call;
}

void rpc_call_unref(struct rpc_call *call)
{
    if (!call || --call->n_refs > 0)
        return;
    struct wire_conn *conn = call->conn;
    conn_shrink(conn, sizeof(*call) + call->metadata.entries.cap);
    metadata_reset(&call->metadata);
    if (call->reply) {
        outgoing_done(&call->reply->headers);
        outgoing_done(&call->reply->trailers);
        free(call->reply);
    }
    if (!conn->session || !wire_pool_keep(conn->pool, call))
        call_free(call);
    wire_conn_unref(conn);
}

void call_release(struct rpc_call *call)
{
    if (call->stream_open || !call->closed || !call->held)
        return;
    call->held = false;
    list_remove(&call->link);
    call->conn->n_calls--;
    call->conn->n_calls_done++;
    rpc_call_unref(call);
}

void call_close(struct rpc_call *call)
{
    if (call->closed)
        return;
    struct wire_conn *conn = call->conn;
    call->closed = call->over = true;
    deadlines_remove(conn->deadlines, &call->deadline);
    alive_end(call);
    list_remove(&call->work_link);
    list_remove(&call->blocked_link);
    list_remove(&call->starved_link);
    call_input_drop(call);
    call_drop_output(call);
    if (call->stream_open && !wire_conn_is_server(conn))
        call_reset(call, NGHTTP2_CANCEL);
    call_settle(call);
    if (call->events && call->events->closed)
        call->events->closed(call->arg, call, &call->status);
    call_release(call);
}

void call_add_work(struct rpc_call *call)
{
    if (!list_empty(&call->work_link))
        return;
    list_add_tail(&call->conn->work, &call->work_link);
    wire_conn_touch(call->conn);
}

void call_close_soon(struct rpc_call *call)
{
    call->close_soon = true;
    call_add_work(call);
}

void call_do_work(struct rpc_call *call)
{
    if (call->closed)
        return;
    if (call->close_soon) {
        call_close(call);
        return;
    }
    if (call->announce && !call->submitted && call_is_live(call))
        serve_submit(call, true);
    call->announce = false;
    call_input_resume(call);
}

int call_set_deadline(struct rpc_call *call, int64_t at_ms)
{
    if (deadlines_set(call->conn->deadlines, &call->deadline, at_ms) < 0)
        return -1;
    call->deadline_ms = at_ms;
    return 0;
}

void call_stream_closed(struct rpc_call *call, uint32_t error_code)
{
    struct wire_conn *conn = call->conn;
    call->stream_open = false;
    linger_end(call);
    if (conn->hot_call == call)
        conn->hot_call = NULL;
    if (call->early) {
        call->early = false;
        conn->n_early--;
    }
    if (call->closed) {
        call_release(call);
        return;
    }
    if (call->close_soon)
        return;
    if (!wire_conn_is_server(conn)) {
        client_settle_status(call, error_code);
        if (call->got_status && call_input_pending(call))
            return; /* closed() comes when the messages are read */
    } else if (!call->sent_end || error_code != NGHTTP2_NO_ERROR) {
        err_clear(&call->status);
        err_set(&call->status, ERR_CANCELLED, "the client cancelled the call");
    }
    call_close(call);
}

void call_fail(struct rpc_call *call, const struct err *err)
{
    if (call->over)
        return;
    if (wire_conn_is_server(call->conn)) {
        if (err->code != ERR_CANCELLED)
            wire_conn_blame(call->conn, "%s: %s", call->method->path, err->message);
        rpc_call_finish(call, err);
        return;
    }
    call->over = true;
    call->status = *err;
    call_close_soon(call);
}

void rpc_call_set_events(struct rpc_call *call, const struct rpc_call_events *events, void *arg)
{
    call->events = events;
    call->arg = arg;
}

void rpc_call_set_note(struct rpc_call *call, void *note)
{
    call->note = note;
}

void *rpc_call_note(const struct rpc_call *call)
{
    return call->note;
}

const struct rpc_method *rpc_call_method(const struct rpc_call *call)
{
    return call->method;
}

const struct rpc_peer *rpc_call_peer(const struct rpc_call *call)
{
    return &call->conn->peer;
}

bool rpc_call_is_lost(const struct rpc_call *call)
{
    return call->conn->broken || !call->conn->session;
}

bool rpc_call_is_over(const struct rpc_call *call)
{
    return call->over;
}

int64_t rpc_call_deadline_ms(const struct rpc_call *call)
{
    return call->deadline_ms;
}

const char *rpc_call_metadata(const struct rpc_call *call, const char *key, size_t *len)
{
    return metadata_find(&call->metadata, key, len);
}

bool call_is_live(const struct rpc_call *call)
{
    return !call->over && call->stream_open && !call->conn->broken;
}

int rpc_call_send(struct rpc_call *call, const ProtobufCMessage *message)
{
    if (!call_is_live(call) || call->ended)
        return -1;
    return call_queue_message(call, message, NULL);
}

bool rpc_call_writable(struct rpc_call *call)
{
    if (!call_is_live(call) || call->ended)
        return false;
    const struct wire_conn *conn = call->conn;
    size_t room = conn->limits.max_queued_bytes / 4;
    if (conn->pool->queued_bytes > POOL_QUEUED_MAX_BYTES / 2 && room > POOL_SHARE_BYTES / 2)
        room = POOL_SHARE_BYTES / 2;
    if (buf_len(&call->out) < CALL_HIGH_BYTES && conn->queued_bytes < room)
        return true;
    if (list_empty(&call->blocked_link))
        list_add_tail(&call->conn->blocked, &call->blocked_link);
    return false;
}

int rpc_call_set_compression(struct rpc_call *call, bool on)
{
    if (on && !call->out_gzip) {
        if (call->submitted || !call->peer_takes_gzip)
            return -1;
        call->out_gzip = true;
    }
    call->compress = on;
    return 0;
}

bool rpc_call_message_was_compressed(const struct rpc_call *call)
{
    return call->message_gzip;
}

/* NULL with err where it is too late, or no memory. */
static struct reply_metadata *call_reply(struct rpc_call *call, bool too_late, struct err *err)
{
    if (too_late || !call_is_live(call) || !wire_conn_is_server(call->conn)) {
        err_set(err, ERR_PRECONDITION, "the call has answered already");
        return NULL;
    }
    if (call->reply)
        return call->reply;
    call->reply = malloc(sizeof(*call->reply));
    if (!call->reply) {
        err_set(err, ERR_LIMIT, "out of memory for metadata");
        return NULL;
    }
    outgoing_init(&call->reply->headers);
    outgoing_init(&call->reply->trailers);
    return call->reply;
}

int rpc_call_add_headers(struct rpc_call *call, const struct rpc_metadata *metadata, size_t n,
                         struct err *err)
{
    struct reply_metadata *reply = call_reply(call, call->submitted, err);
    return reply ? outgoing_add(&reply->headers, metadata, n, err) : -1;
}

int rpc_call_add_trailers(struct rpc_call *call, const struct rpc_metadata *metadata, size_t n,
                          struct err *err)
{
    struct reply_metadata *reply = call_reply(call, call->ended, err);
    return reply ? outgoing_add(&reply->trailers, metadata, n, err) : -1;
}

void rpc_call_pause_reading(struct rpc_call *call)
{
    call->paused = true;
}

void rpc_call_resume_reading(struct rpc_call *call)
{
    if (!call->paused)
        return;
    call->paused = false;
    if (!call->delivering && !call->closed)
        call_add_work(call);
}

ProtobufCMessage *rpc_call_take_message(struct rpc_call *call)
{
    ProtobufCMessage *message = call->current;
    if (message && message_own(message) < 0) {
        struct err err;
        err_set(&err, ERR_LIMIT, "out of memory for a message");
        call_fail(call, &err);
        return NULL;
    }
    call->current = NULL;
    return message;
}

void rpc_call_finish(struct rpc_call *call, const struct err *status)
{
    if (!call_is_live(call) || !wire_conn_is_server(call->conn))
        return;
    if (status && status->code != ERR_NONE && status != &call->status)
        call->status = *status;
    call->over = true;
    call_drop_begun(call); /* where an error came after all */
    call_settle(call);
    if (!call->remote_ended && !call->early) {
        call->early = true;
        call->conn->n_early++;
    }
    call_input_drop(call);
    call_end_output(call);
}

void rpc_call_reply(struct rpc_call *call, const ProtobufCMessage *response)
{
    if (!call_is_live(call))
        return;
    const struct wire_server *server = call->conn->server;
    struct err err;
    err.code = ERR_NONE;
    if (server && server->observer && server->observer->replied && call->method)
        server->observer->replied(server->observer_arg, call, response);
    bool begun = call->begun_bytes > 0 || call->begun_failed;
    if ((begun ? call_queue_begun : call_queue_message)(call, response, &err) < 0)
        rpc_call_finish(call, &err);
    else
        rpc_call_finish(call, NULL);
}

void rpc_call_half_close(struct rpc_call *call)
{
    if (call_is_live(call) && !wire_conn_is_server(call->conn) && !call->ended)
        call_end_output(call);
}

void rpc_call_cancel(struct rpc_call *call)
{
    if (call->over || call->closed)
        return;
    struct err err = ERR_INIT;
    err_set(&err, ERR_CANCELLED, "cancelled by the caller");
    call_fail(call, &err);
}
