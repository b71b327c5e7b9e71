/* The server's side of a call: request headers, authorisation, dispatch, response; see stream.h. */
#include <errno.h>
#include <string.h>

#include "rpc/wire/alive.h"
#include "rpc/wire/conn.h"
#include "rpc/wire/content.h"
#include "rpc/wire/pool.h"
#include "rpc/wire/status.h"
#include "rpc/wire/stream.h"
#include "rpc/wire/timeout.h"

enum {
    MAX_PATH_BYTES = 256,
    HTTP_METHOD_NOT_ALLOWED = 405,
    HTTP_UNSUPPORTED_MEDIA_TYPE = 415,
};

#define HEADER(name, value)                                                                        \
    {                                                                                              \
        (uint8_t *)(uintptr_t)(name), (uint8_t *)(uintptr_t)(value), sizeof(name) - 1,             \
            sizeof(value) - 1, NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE        \
    }

static const nghttp2_nv response_headers[] = {
    HEADER(":status", "200"), HEADER("content-type", "application/grpc"),
    HEADER("grpc-accept-encoding", "identity,gzip"), /* only where the request's was another */
};

static const nghttp2_nv gzip_header = HEADER("grpc-encoding", "gzip");
static const nghttp2_nv trailers_ok[] = {HEADER("grpc-status", "0")};

enum { N_HEADERS = 2, N_HEADERS_OFFER = 3, N_STATUS_MAX = 3 };

static bool is(const uint8_t *s, size_t len, const char *literal, size_t literal_len)
{
    return len == literal_len && memcmp(s, literal, len) == 0;
}

#define IS(s, len, literal) is(s, len, literal, sizeof(literal) - 1)

static void serve_path(struct rpc_call *call, const uint8_t *value, size_t len)
{
    struct wire_conn *conn = call->conn;
    const struct route *hot = conn->hot_route;
    if (!hot || len != hot->path_len || memcmp(value, hot->method->path, len) != 0) {
        char path[MAX_PATH_BYTES];
        hot = NULL;
        if (len < sizeof(path)) {
            memcpy(path, value, len);
            path[len] = '\0';
            hot = router_find(&conn->server->router, path);
        }
    }
    if (!hot) {
        err_set(&call->status, ERR_UNIMPLEMENTED, "unknown method %.*s",
                (int)(len < MAX_PATH_BYTES ? len : MAX_PATH_BYTES), (const char *)value);
        return;
    }
    conn->hot_route = call->route = hot;
    call->method = hot->method;
    call->max_message_bytes = hot->method->max_request_bytes ? hot->method->max_request_bytes
                                                             : conn->limits.max_message_bytes;
    call->in.max = call->max_message_bytes + STREAM_WINDOW_BYTES + 16;
}

static void serve_content_type(struct rpc_call *call, const uint8_t *value, size_t len)
{
    call->got_content_type = content_is_grpc((const char *)value, len);
}

static void serve_timeout(struct rpc_call *call, const uint8_t *value, size_t len)
{
    call->timeout_ms = timeout_parse((const char *)value, len);
    if (call->timeout_ms < 0)
        err_set(&call->status, ERR_INVALID, "malformed grpc-timeout");
}

static void serve_encoding(struct rpc_call *call, const uint8_t *value, size_t len)
{
    if (IS(value, len, "identity"))
        return;
    if (IS(value, len, "gzip")) {
        call->in_gzip = true;
        return;
    }
    call->offer_encodings = true;
    err_set(&call->status, ERR_UNIMPLEMENTED, "grpc-encoding %.*s is not supported",
            (int)(len < 32 ? len : 32), (const char *)value);
}

/* grpc-accept-encoding: names with commas between. */
static bool lists_gzip(const uint8_t *value, size_t len)
{
    const uint8_t *end = value + len;
    while (value < end) {
        const uint8_t *comma = memchr(value, ',', (size_t)(end - value));
        const uint8_t *name = value, *name_end = comma ? comma : end;
        while (name < name_end && *name == ' ')
            name++;
        while (name < name_end && name_end[-1] == ' ')
            name_end--;
        if (IS(name, (size_t)(name_end - name), "gzip"))
            return true;
        value = comma ? comma + 1 : end;
    }
    return false;
}

/* Most calls' fits the memory that the last one left. */
static void serve_metadata(struct rpc_call *call, const uint8_t *name, size_t name_len,
                           const uint8_t *value, size_t value_len)
{
    size_t cap = call->metadata.entries.cap;
    if (!conn_may_grow(call->conn, name_len + value_len)) {
        err_set(&call->status, ERR_LIMIT, "too many calls with metadata at once");
        return;
    }
    int rv = metadata_add(&call->metadata, name, name_len, value, value_len);
    if (call->metadata.entries.cap > cap)
        conn_grow(call->conn, call->metadata.entries.cap - cap);
    if (rv == 0)
        return;
    if (errno == EINVAL)
        err_set(&call->status, ERR_INVALID, "metadata %.*s is not base 64",
                (int)(name_len < 64 ? name_len : 64), (const char *)name);
    else
        err_set(&call->status, ERR_LIMIT, "too much metadata");
}

void serve_header(struct rpc_call *call, const uint8_t *name, size_t name_len, const uint8_t *value,
                  size_t value_len)
{
    if (call->header_bytes > call->conn->limits.max_header_list_bytes) {
        wire_conn_blame(call->conn, "headers over the limit of %zu bytes",
                        call->conn->limits.max_header_list_bytes);
        if (call->status.code == ERR_NONE)
            err_set(&call->status, ERR_LIMIT, "the headers are over the limit of %zu bytes",
                    call->conn->limits.max_header_list_bytes);
        return;
    }
    if (name[0] == ':') {
        if (IS(name, name_len, ":path"))
            serve_path(call, value, value_len);
        else if (IS(name, name_len, ":method") && !IS(value, value_len, "POST"))
            call->http_status = HTTP_METHOD_NOT_ALLOWED;
        return;
    }
    if (IS(name, name_len, "content-type"))
        serve_content_type(call, value, value_len);
    else if (IS(name, name_len, "grpc-timeout"))
        serve_timeout(call, value, value_len);
    else if (IS(name, name_len, "grpc-encoding"))
        serve_encoding(call, value, value_len);
    else if (IS(name, name_len, "grpc-accept-encoding"))
        call->peer_takes_gzip |= lists_gzip(value, value_len);
    else if (IS(name, name_len, ALIVE_HEADER))
        call->alive_ms = alive_parse(value, value_len);
    else if (!IS(name, name_len, "te"))
        serve_metadata(call, name, name_len, value, value_len);
}

static int serve_may_call(struct rpc_call *call, struct err *err)
{
    const struct wire_server *server = call->conn->server;
    if (server->authorize)
        return server->authorize(server->arg, call, err);
    const struct rpc_method *m = call->method;
    const struct rpc_peer *peer = &call->conn->peer;
    if (m->role == RPC_ROLE_NONE || peer->role < (enum rpc_role)m->role) {
        err_set(err, ERR_DENIED, "%s may not call %s", peer->principal, m->path);
        return err_tag(err, "ROLE_TOO_LOW", NULL);
    }
    if (!m->host_wide || !peer->scoped)
        return 0;
    err_set(err, ERR_DENIED, "%s is bound to a label selector, and %s is about the whole host",
            peer->principal, m->path);
    return err_tag(err, "SCOPED", NULL);
}

/* What the peer was let in by may count no more. */
static int serve_look_again(struct wire_conn *conn, struct err *err)
{
    const struct wire_server *server = conn->server;
    if (conn->generation != server->generation && server->look_again)
        server->look_again(conn->arg);
    if (!conn->refusal)
        return 0;
    *err = *conn->refusal;
    return -1;
}

/* Safe to try elsewhere, and stock clients do so by themselves (RFC 9113 8.7). */
static void serve_turn_away(struct rpc_call *call)
{
    err_set(&call->status, ERR_UNAVAILABLE, "the connection takes no more calls");
    call->over = true;
    call_reset(call, NGHTTP2_REFUSED_STREAM);
    call_close_soon(call);
}

/* A request that is one message has to end in its own time, however long the call may take. */
static int serve_deadline(struct rpc_call *call)
{
    struct wire_conn *conn = call->conn;
    int64_t ms = call->timeout_ms, request_ms = conn->limits.request_timeout_ms;
    if (ms < 0)
        ms = call->method->default_deadline_ms ? (int64_t)call->method->default_deadline_ms : -1;
    if (ms >= 0)
        call->deadline_ms = conn->now_ms + ms;
    if (request_ms > 0 && (ms < 0 || ms > request_ms) &&
        !(call->method->streams & RPC_CLIENT_STREAMS)) {
        call->request_timed = true;
        return deadlines_set(conn->deadlines, &call->deadline, conn->now_ms + request_ms);
    }
    return ms < 0 ? 0 : deadlines_set(conn->deadlines, &call->deadline, call->deadline_ms);
}

/* The request is whole: from now on it is the call's time that counts. */
static int serve_request_in_time(struct rpc_call *call, struct err *err)
{
    struct deadlines *deadlines = call->conn->deadlines;
    if (!call->request_timed)
        return 0;
    call->request_timed = false;
    deadlines_remove(deadlines, &call->deadline);
    if (call->deadline_ms == INT64_MAX ||
        deadlines_set(deadlines, &call->deadline, call->deadline_ms) == 0)
        return 0;
    return err_set(err, ERR_LIMIT, "out of memory");
}

/* Who may not call learns that and nothing else, whatever else is wrong: so that comes first. err
 * is the call's own status, which its headers may have filled. */
static int serve_check(struct rpc_call *call, struct err *err)
{
    struct wire_conn *conn = call->conn;
    const struct wire_server *server = conn->server;
    if (serve_look_again(conn, err) < 0 || (call->method && serve_may_call(call, err) < 0) ||
        err->code != ERR_NONE)
        return -1;
    if (call->timeout_ms == 0)
        return err_set(err, ERR_DEADLINE, "the deadline had passed before the call came");
    if (!conn_may_grow(conn, 0))
        return err_set(err, ERR_LIMIT, "too many calls at once");
    if (server->admit && server->admit(server->admit_arg, call->method, err) < 0)
        return -1;
    return serve_deadline(call) == 0 ? 0 : err_set(err, ERR_LIMIT, "out of memory");
}

/* All headers are in. */
void serve_request(struct rpc_call *call)
{
    struct wire_conn *conn = call->conn;
    if (!call->got_content_type && !call->http_status)
        call->http_status = HTTP_UNSUPPORTED_MEDIA_TYPE;
    if (call->http_status)
        err_set(&call->status, ERR_UNKNOWN, "refused with HTTP status %d", call->http_status);
    else if (serve_check(call, &call->status) < 0 && call->status.code == ERR_NONE)
        call->status.code = ERR_DENIED;
    if (conn->finishing) {
        serve_turn_away(call);
        return;
    }
    if (call->status.code != ERR_NONE) {
        rpc_call_finish(call, &call->status);
        return;
    }
    call->out_gzip = call->compress = conn->server->compress && call->peer_takes_gzip;
    if (call->method->streams)
        nghttp2_session_change_extpri_stream_priority(
            conn->session, call->stream_id, &(nghttp2_extpri){NGHTTP2_EXTPRI_DEFAULT_URGENCY, 1},
            0);
    if (call->method->streams & RPC_CLIENT_STREAMS)
        serve_dispatch(call);
}

/* Takes the request; NULL where the client streams. */
static void serve_handle(struct rpc_call *call, ProtobufCMessage *request)
{
    const struct route *route = call->route;
    call->current = request;
    call->delivering = true;
    bool known = call->method->dispatch(route->handlers, route->self, call, request);
    call->delivering = false;
    message_recycle(&call->conn->pool->messages, call->current);
    call->current = NULL;
    if (!known) {
        struct err err;
        err_set(&err, ERR_UNIMPLEMENTED, "%s is not implemented", call->method->path);
        rpc_call_finish(call, &err);
    }
    /* Whoever watches sees that it has begun, however long nothing happens. */
    if (call->method->streams & RPC_SERVER_STREAMS && !call->submitted && call_is_live(call)) {
        call->announce = true;
        call_add_work(call);
    }
}

void serve_dispatch(struct rpc_call *call)
{
    bool streams = call->method->streams & RPC_CLIENT_STREAMS;
    struct err err;
    if (!streams && !call->request) {
        err_set(&err, ERR_INVALID, "the request has no message");
        rpc_call_finish(call, &err);
        return;
    }
    if (serve_request_in_time(call, &err) < 0) {
        rpc_call_finish(call, &err);
        return;
    }
    const struct wire_server *server = call->conn->server;
    ProtobufCMessage *request = call->request;
    call->request = NULL;
    call->current = request;
    call->delivering = true;
    bool kept = !streams && server->gate && server->gate(server->gate_arg, call, request);
    call->delivering = false;
    call->current = NULL;
    if (!kept)
        serve_handle(call, request);
}

void rpc_call_dispatch(struct rpc_call *call, ProtobufCMessage *request)
{
    if (call_is_live(call))
        serve_handle(call, request);
    else
        rpc_message_free(request);
}

/* A header whose text nghttp2 copies. */
static nghttp2_nv text_header(const char *name, const char *value, size_t value_len)
{
    return (nghttp2_nv){(uint8_t *)(uintptr_t)name, (uint8_t *)(uintptr_t)value, strlen(name),
                        value_len, NGHTTP2_NV_FLAG_NONE};
}

static size_t serve_put_status(struct status_text *t, const struct err *status, nghttp2_nv *to)
{
    size_t n = 0;
    status_format(t, status);
    to[n++] = text_header("grpc-status", t->code, t->code_len);
    if (t->message_len)
        to[n++] = text_header("grpc-message", t->message, t->message_len);
    to[n++] = text_header("grpc-status-details-bin", t->details, t->details_len);
    return n;
}

/* Status and what the handler added; room for N_STATUS_MAX + OUTGOING_MAX. */
static size_t serve_put_trailers(struct rpc_call *call, struct status_text *t, nghttp2_nv *to)
{
    size_t n = 0;
    if (call->status.code == ERR_NONE)
        to[n++] = trailers_ok[0];
    else
        n += serve_put_status(t, &call->status, to);
    return call->reply ? n + outgoing_put(&call->reply->trailers, to + n) : n;
}

/* A plain HTTP answer, with a line for people, to what is not gRPC. */
static int serve_submit_http(struct rpc_call *call)
{
    static const char text[] = "This port speaks gRPC: POST with content-type application/grpc.\n";
    static const nghttp2_nv not_allowed[] = {
        HEADER(":status", "405"), HEADER("content-type", "text/plain"), HEADER("allow", "POST")};
    static const nghttp2_nv unsupported[] = {HEADER(":status", "415"),
                                             HEADER("content-type", "text/plain")};
    nghttp2_data_provider data = call_output_provider(call);
    /* Without memory the line is left out. */
    if (buf_append(&call->out, text, sizeof(text) - 1) == 0)
        conn_queue(call->conn, sizeof(text) - 1);
    if (call->http_status == HTTP_METHOD_NOT_ALLOWED)
        return nghttp2_submit_response(call->conn->session, call->stream_id, not_allowed, 3, &data);
    return nghttp2_submit_response(call->conn->session, call->stream_id, unsupported, 2, &data);
}

/* Trailers-only. */
static int serve_submit_alone(struct rpc_call *call)
{
    nghttp2_session *session = call->conn->session;
    nghttp2_nv headers[N_HEADERS_OFFER + N_STATUS_MAX + OUTGOING_MAX];
    struct status_text text;
    size_t n = call->offer_encodings ? N_HEADERS_OFFER : N_HEADERS;
    call->sent_end = true;
    memcpy(headers, response_headers, n * sizeof(headers[0]));
    n += serve_put_trailers(call, &text, headers + n);
    return nghttp2_submit_response(session, call->stream_id, headers, n, NULL);
}

static int serve_submit_begin(struct rpc_call *call)
{
    nghttp2_session *session = call->conn->session;
    nghttp2_data_provider data = call_output_provider(call);
    if (!call->out_gzip && !call->reply && !call->alive_ms)
        return nghttp2_submit_response(session, call->stream_id, response_headers, N_HEADERS,
                                       &data);
    nghttp2_nv headers[N_HEADERS + 2 + OUTGOING_MAX];
    char alive[ALIVE_TEXT_BYTES];
    size_t n = N_HEADERS;
    memcpy(headers, response_headers, n * sizeof(headers[0]));
    if (call->out_gzip)
        headers[n++] = gzip_header;
    if (call->alive_ms)
        headers[n++] = text_header(ALIVE_HEADER, alive, alive_format(alive, call->alive_ms));
    if (call->reply)
        n += outgoing_put(&call->reply->headers, headers + n);
    return nghttp2_submit_response(session, call->stream_id, headers, n, &data);
}

void serve_submit(struct rpc_call *call, bool with_data)
{
    /* Headers that a handler added are no trailers: an answer that has both is not trailers-only.
     */
    with_data |= call->reply && call->reply->headers.n > 0;
    int rv;
    if (call->http_status)
        rv = serve_submit_http(call);
    else
        rv = with_data ? serve_submit_begin(call) : serve_submit_alone(call);
    call->submitted = true;
    wire_conn_check(call->conn, rv);
    if (call->alive_ms && !call->ended && call->method->streams & RPC_SERVER_STREAMS)
        alive_begin(call);
}

void serve_submit_trailers(struct rpc_call *call)
{
    nghttp2_session *session = call->conn->session;
    int rv;
    if (call->status.code == ERR_NONE && !call->reply) {
        rv = nghttp2_submit_trailer(session, call->stream_id, trailers_ok, 1);
    } else {
        struct status_text text;
        nghttp2_nv trailers[N_STATUS_MAX + OUTGOING_MAX];
        size_t n = serve_put_trailers(call, &text, trailers);
        rv = nghttp2_submit_trailer(session, call->stream_id, trailers, n);
    }
    wire_conn_check(call->conn, rv);
}
