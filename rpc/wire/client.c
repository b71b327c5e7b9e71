/* Client side of a connection; see client.h. */
#include "rpc/wire/client.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "rpc/wire/alive.h"
#include "rpc/wire/conn.h"
#include "rpc/wire/deadline.h"
#include "rpc/wire/pool.h"
#include "rpc/wire/stream.h"
#include "rpc/wire/timeout.h"

enum {
    MAX_STREAMS = 0,              /* the server starts none */
    MAX_RESPONSE_BYTES = 4 << 20, /* unless the method says otherwise */
    MAX_HEADER_LIST_BYTES = 64 << 10,
    MAX_QUEUED_BYTES = 64 << 20,
    OUTPUT_BYTES = 64 << 10,    /* handed out at a time … */
    OUTPUT_MAX_BYTES = 1 << 20, /* … plus one frame */
    MAX_AUTHORITY_BYTES = 256,
};

struct rpc_client {
    struct wire_conn *conn;
    struct deadlines deadlines;
    struct wire_pool pool;
    struct buf out; /* what rpc_client_output handed out */
    struct deadline keepalive;
    int64_t keepalive_ms, keepalive_timeout_ms;
    bool silent; /* the server does not answer pings */
    bool secure; /* over TLS */
    char authority[MAX_AUTHORITY_BYTES];
};

static void client_say_silent(struct err *err)
{
    err_set(err, ERR_UNAVAILABLE, "the server does not answer pings");
}

static void client_keepalive(struct deadline *d)
{
    struct rpc_client *c = container_of(d, struct rpc_client, keepalive);
    int64_t now = clock_mono_ms(), next = now + c->keepalive_ms;
    if (c->conn->n_calls > 0)
        next = wire_conn_keepalive(c->conn, now, c->keepalive_ms, c->keepalive_timeout_ms);
    if (next < 0)
        c->silent = true;
    else
        (void)deadlines_set(&c->deadlines, d, next); /* its place in the heap is free */
}

struct rpc_client *rpc_client_new(const char *authority, struct err *err)
{
    struct rpc_client *c = NULL;
    if (strlen(authority) >= sizeof(c->authority)) {
        err_set(err, ERR_INVALID, "the server's name is too long");
        return NULL;
    }
    c = calloc(1, sizeof(*c));
    if (!c) {
        err_set(err, ERR_LIMIT, "out of memory for a connection");
        return NULL;
    }
    deadlines_init(&c->deadlines);
    wire_pool_init(&c->pool);
    c->keepalive.passed = client_keepalive;
    buf_init(&c->out, OUTPUT_MAX_BYTES);
    memcpy(c->authority, authority, strlen(authority));
    const struct wire_conn_config config = {
        .limits = {.max_streams = MAX_STREAMS,
                   .max_message_bytes = MAX_RESPONSE_BYTES,
                   .max_header_list_bytes = MAX_HEADER_LIST_BYTES,
                   .max_queued_bytes = MAX_QUEUED_BYTES},
        .deadlines = &c->deadlines,
        .pool = &c->pool,
    };
    c->conn = wire_conn_new(&config, err);
    if (!c->conn) {
        wire_pool_done(&c->pool);
        free(c);
        return NULL;
    }
    return c;
}

void rpc_client_free(struct rpc_client *client)
{
    if (!client)
        return;
    struct err err;
    err_set(&err, ERR_UNAVAILABLE, "the client was closed");
    wire_conn_close(client->conn, &err);
    wire_conn_unref(client->conn);
    deadlines_remove(&client->deadlines, &client->keepalive);
    deadlines_done(&client->deadlines);
    wire_pool_done(&client->pool);
    buf_done(&client->out);
    free(client);
}

int rpc_client_receive(struct rpc_client *client, const uint8_t *data, size_t len, struct err *err)
{
    return wire_conn_receive(client->conn, data, len, err);
}

ssize_t rpc_client_output(struct rpc_client *client, const uint8_t **data, struct err *err)
{
    if (client->silent) {
        client_say_silent(err);
        return -1;
    }
    if (!client->conn->session)
        return 0;
    buf_reset(&client->out);
    if (wire_conn_pull(client->conn, &client->out, OUTPUT_BYTES, err) < 0)
        return -1;
    *data = buf_data(&client->out);
    return (ssize_t)buf_len(&client->out);
}

void rpc_client_lost(struct rpc_client *client, const struct err *why)
{
    struct err err = *why;
    /* A refused certificate is no matter of trying again. */
    if (err.code != ERR_UNAUTHENTICATED)
        err.code = ERR_UNAVAILABLE;
    wire_conn_close(client->conn, &err);
}

int64_t rpc_client_next_tick_ms(const struct rpc_client *client)
{
    if (wire_conn_has_work(client->conn))
        return 0;
    int64_t at = deadlines_next_ms(&client->deadlines), now = clock_mono_ms();
    if (at == INT64_MAX)
        return -1;
    return at > now ? at - now : 0;
}

void rpc_client_tick(struct rpc_client *client)
{
    deadlines_run(&client->deadlines, clock_mono_ms());
    wire_conn_do_work(client->conn);
    if (client->silent && client->conn->session) {
        struct err err;
        client_say_silent(&err);
        rpc_client_lost(client, &err);
    }
}

int rpc_client_set_keepalive(struct rpc_client *client, int64_t interval_ms, int64_t timeout_ms)
{
    deadlines_remove(&client->deadlines, &client->keepalive);
    client->keepalive_ms = interval_ms;
    client->keepalive_timeout_ms = timeout_ms;
    if (interval_ms == 0)
        return 0;
    return deadlines_set(&client->deadlines, &client->keepalive, clock_mono_ms() + interval_ms);
}

void rpc_client_set_secure(struct rpc_client *client)
{
    client->secure = true;
}

size_t rpc_client_open_calls(const struct rpc_client *client)
{
    return client->conn->n_calls;
}

bool rpc_client_is_greeted(const struct rpc_client *client)
{
    return client->conn->greeted;
}

bool rpc_client_is_finished(const struct rpc_client *client)
{
    return wire_conn_is_finished(client->conn);
}

bool rpc_client_draining(const struct rpc_client *client)
{
    return client->conn->draining || !client->conn->session;
}

/* The headers of one request, and the memory behind them. */
struct request_headers {
    nghttp2_nv nv[11 + OUTGOING_MAX];
    size_t n;
    char alive[ALIVE_TEXT_BYTES];
    char timeout[TIMEOUT_BYTES];
    struct outgoing metadata; /* owned */
};

static void put_header(struct request_headers *h, const char *name, size_t name_len,
                       const char *value, size_t value_len)
{
    h->nv[h->n++] = (nghttp2_nv){(uint8_t *)(uintptr_t)name, (uint8_t *)(uintptr_t)value, name_len,
                                 value_len, NGHTTP2_NV_FLAG_NONE};
}

#define PUT(h, name, value, len) put_header(h, name, sizeof(name) - 1, value, len)

/* A list that the server will not take is better not sent: with metadata alone can it be so long.
 */
static int check_size(struct rpc_client *client, const struct request_headers *h, struct err *err)
{
    uint32_t most = nghttp2_session_get_remote_settings(client->conn->session,
                                                        NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE);
    size_t sum = 0;
    for (size_t i = 0; h->metadata.n > 0 && i < h->n; i++)
        sum += h->nv[i].namelen + h->nv[i].valuelen + HEADER_OVERHEAD_BYTES;
    if (sum <= most)
        return 0;
    return err_set(err, ERR_LIMIT, "the call's headers take %zu bytes, and the server takes %u",
                   sum, most);
}

static int client_submit(struct rpc_client *client, struct rpc_call *call,
                         const struct rpc_call_options *options, int64_t timeout_ms,
                         struct err *err)
{
    static const char agent[] = "banger-c/0.1";
    struct request_headers h = {.n = 0};
    struct wire_conn *conn = client->conn;
    PUT(&h, ":method", "POST", 4);
    PUT(&h, ":scheme", client->secure ? "https" : "http", client->secure ? 5 : 4);
    PUT(&h, ":path", call->method->path, strlen(call->method->path));
    PUT(&h, ":authority", client->authority, strlen(client->authority));
    PUT(&h, "te", "trailers", 8);
    PUT(&h, "content-type", "application/grpc", 16);
    PUT(&h, "user-agent", agent, sizeof(agent) - 1);
    if (timeout_ms >= 0)
        PUT(&h, "grpc-timeout", h.timeout, timeout_format(h.timeout, timeout_ms));
    PUT(&h, "grpc-accept-encoding", "identity,gzip", 13);
    if (call->out_gzip)
        PUT(&h, "grpc-encoding", "gzip", 4);
    if (call->alive_ms > 0)
        PUT(&h, ALIVE_HEADER, h.alive, alive_format(h.alive, call->alive_ms));
    outgoing_init(&h.metadata);
    if (options && outgoing_add(&h.metadata, options->metadata, options->n_metadata, err) < 0) {
        outgoing_done(&h.metadata);
        return -1;
    }
    h.n += outgoing_put(&h.metadata, h.nv + h.n);
    if (check_size(client, &h, err) < 0) {
        outgoing_done(&h.metadata);
        return -1;
    }
    nghttp2_data_provider data = call_output_provider(call);
    int32_t id = nghttp2_submit_request(conn->session, NULL, h.nv, h.n, &data, call);
    outgoing_done(&h.metadata);
    if (!wire_conn_check(conn, id))
        return err_set(err, ERR_UNAVAILABLE, "start the call: %s", nghttp2_strerror(id));
    call->stream_id = id;
    call->submitted = true;
    return 0;
}

/* Queues the request and submits; on failure the call was never started. */
static int client_begin(struct rpc_client *client, struct rpc_call *call,
                        const struct rpc_call_options *options, const ProtobufCMessage *request,
                        struct err *err)
{
    const struct rpc_method *method = call->method;
    int64_t timeout_ms = options ? options->timeout_ms : 0;
    if (timeout_ms == 0)
        timeout_ms = method->default_deadline_ms ? (int64_t)method->default_deadline_ms : -1;
    if (timeout_ms >= 0 && call_set_deadline(call, clock_mono_ms() + timeout_ms) < 0)
        return err_set(err, ERR_LIMIT, "out of memory for a call");
    call->peer_takes_gzip = true; /* what it does not take, it says */
    if (options && options->alive_ms > 0 && method->streams)
        call->alive_ms = options->alive_ms > ALIVE_MIN_MS ? options->alive_ms : ALIVE_MIN_MS;
    call->out_gzip = call->compress = options && options->compress;
    if (request && call_queue_message(call, request, err) < 0)
        return err_wrap(err, "%s", method->name);
    call->ended = request != NULL;
    return client_submit(client, call, options, timeout_ms, err);
}

struct rpc_call *rpc_client_start(struct rpc_client *client, const struct rpc_method *method,
                                  const struct rpc_call_options *options,
                                  const ProtobufCMessage *request,
                                  const struct rpc_call_events *events, void *arg, struct err *err)
{
    struct wire_conn *conn = client->conn;
    if (rpc_client_draining(client) || conn->broken) {
        err_set(err, ERR_UNAVAILABLE, "the connection is closing");
        return NULL;
    }
    if (!request != !!(method->streams & RPC_CLIENT_STREAMS)) {
        err_set(err, ERR_INTERNAL, "%s: the request does not fit the method's kind", method->name);
        return NULL;
    }
    struct rpc_call *call = call_new(conn, -1);
    if (!call) {
        err_set(err, ERR_LIMIT, "out of memory for a call");
        return NULL;
    }
    call->method = method;
    call->max_message_bytes =
        method->max_response_bytes ? method->max_response_bytes : conn->limits.max_message_bytes;
    call->in.max = call->max_message_bytes + STREAM_WINDOW_BYTES + 16;
    if (client_begin(client, call, options, request, err) < 0) {
        call->stream_open = false;
        call_close(call);
        return NULL;
    }
    call->events = events;
    call->arg = arg;
    wire_conn_touch(conn);
    return rpc_call_ref(call);
}
