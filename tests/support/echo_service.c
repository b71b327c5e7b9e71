/* Handlers of the echo service; see echo_service.h. */
#include "tests/support/echo_service.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"

typedef Banger__Test__V1__EchoRequest request_t;
typedef Banger__Test__V1__EchoResponse response_t;

/* A call that lasts. */
struct echo_call {
    struct echo_stats *stats;
    uint64_t seq, total_bytes;
    uint32_t left;    /* server stream: responses still to send */
    uint8_t *payload; /* owned */
    size_t payload_len;
};

static void echo_fail(struct rpc_call *call, const request_t *r)
{
    struct err err;
    err_set(&err, (enum err_code)r->fail_code, "asked to fail: %s", r->text);
    err_tag(&err, r->fail_reason, "echo/%s", r->text);
    rpc_call_finish(call, &err);
}

static struct echo_call *echo_begin(struct echo_stats *stats, struct rpc_call *call,
                                    const struct rpc_call_events *events)
{
    struct echo_call *e = calloc(1, sizeof(*e));
    if (!e) {
        struct err err;
        err_set(&err, ERR_LIMIT, "out of memory");
        rpc_call_finish(call, &err);
        return NULL;
    }
    e->stats = stats;
    stats->n_started++;
    stats->last = call;
    rpc_call_set_events(call, events, e);
    return e;
}

static void echo_closed(void *arg, struct rpc_call *call, const struct err *status)
{
    struct echo_call *e = arg;
    e->stats->n_closed++;
    e->stats->last_code = (int)status->code;
    if (e->stats->last == call)
        e->stats->last = NULL;
    free(e->payload);
    free(e);
}

static const struct rpc_call_events hang_events = {.closed = echo_closed};

static bool echo_has_tag(const request_t *r, const char *tag)
{
    for (size_t i = 0; i < r->n_tags; i++)
        if (strcmp(r->tags[i], tag) == 0)
            return true;
    return false;
}

static void echo_decorate(struct rpc_call *call, const request_t *r)
{
    static const struct rpc_metadata header[] = {{"x-header", "plain", 5},
                                                 {"x-header-bin", "\0\1\2", 3}};
    static const struct rpc_metadata trailer[] = {{"x-trailer", "plain", 5},
                                                  {"x-trailer-bin", "\3\2\1\0", 4}};
    if (echo_has_tag(r, "gzip"))
        (void)rpc_call_set_compression(call, true);
    if (echo_has_tag(r, "header"))
        (void)rpc_call_add_headers(call, header, 2, NULL);
    if (echo_has_tag(r, "trailer"))
        (void)rpc_call_add_trailers(call, trailer, 2, NULL);
}

/* The request as the payload's bytes: a message, as an element of a list would be. */
static void echo_add_piece(struct rpc_call *call, const request_t *r)
{
    const ProtobufCFieldDescriptor *payload = protobuf_c_message_descriptor_get_field_by_name(
        &banger__test__v1__echo_response__descriptor, "payload");
    (void)rpc_call_add(call, payload->id, &r->base);
}

static void echo_unary(void *self, struct rpc_call *call, const request_t *r)
{
    struct echo_stats *stats = self;
    stats->n_compressed += rpc_call_message_was_compressed(call);
    echo_decorate(call, r);
    bool pieces = echo_has_tag(r, "pieces");
    for (int i = 0; pieces && i < 2; i++) /* the last one counts */
        echo_add_piece(call, r);
    if (r->fail_code) {
        echo_fail(call, r);
        return;
    }
    if (r->hang) {
        echo_begin(stats, call, &hang_events);
        return;
    }
    if (r->payload.len > stats->max_message_bytes)
        stats->max_message_bytes = r->payload.len;
    response_t response = BANGER__TEST__V1__ECHO_RESPONSE__INIT;
    response.text = r->text;
    if (!pieces)
        response.payload = r->payload;
    response.seq = 1;
    rpc_call_reply(call, &response.base);
}

static void stream_pump(void *arg, struct rpc_call *call)
{
    struct echo_call *e = arg;
    while (e->left > 0 && rpc_call_writable(call)) {
        response_t response = BANGER__TEST__V1__ECHO_RESPONSE__INIT;
        response.seq = ++e->seq;
        response.payload = (ProtobufCBinaryData){e->payload_len, e->payload};
        if (rpc_call_send(call, &response.base) < 0) {
            struct err err;
            err_set(&err, ERR_LIMIT, "out of memory");
            rpc_call_finish(call, &err);
            return;
        }
        e->left--;
    }
    if (e->left == 0)
        rpc_call_finish(call, NULL);
}

static const struct rpc_call_events stream_events = {.writable = stream_pump,
                                                     .closed = echo_closed};

static void echo_server_stream(void *self, struct rpc_call *call, const request_t *r)
{
    if (r->fail_code) {
        echo_fail(call, r);
        return;
    }
    struct echo_call *e = echo_begin(self, call, &stream_events);
    if (!e)
        return;
    e->left = r->count;
    if (r->payload.len > 0 && (e->payload = malloc(r->payload.len))) {
        memcpy(e->payload, r->payload.data, r->payload.len);
        e->payload_len = r->payload.len;
    }
    stream_pump(e, call);
}

static void client_stream_message(void *arg, struct rpc_call *call, const ProtobufCMessage *message)
{
    struct echo_call *e = arg;
    const request_t *r = (const request_t *)message;
    e->seq++;
    e->total_bytes += r->payload.len;
    if (r->fail_code)
        echo_fail(call, r);
}

static void client_stream_end(void *arg, struct rpc_call *call)
{
    struct echo_call *e = arg;
    response_t response = BANGER__TEST__V1__ECHO_RESPONSE__INIT;
    response.seq = e->seq;
    response.total_bytes = e->total_bytes;
    rpc_call_reply(call, &response.base);
}

static const struct rpc_call_events client_stream_events = {
    .message = client_stream_message, .half_closed = client_stream_end, .closed = echo_closed};

static void echo_client_stream(void *self, struct rpc_call *call)
{
    echo_begin(self, call, &client_stream_events);
}

static void bidi_message(void *arg, struct rpc_call *call, const ProtobufCMessage *message)
{
    struct echo_call *e = arg;
    const request_t *r = (const request_t *)message;
    if (r->fail_code) {
        echo_fail(call, r);
        return;
    }
    response_t response = BANGER__TEST__V1__ECHO_RESPONSE__INIT;
    response.text = r->text;
    response.payload = r->payload;
    response.seq = ++e->seq;
    response.total_bytes = e->total_bytes += r->payload.len;
    rpc_call_send(call, &response.base);
    if (!rpc_call_writable(call))
        rpc_call_pause_reading(call);
}

static void bidi_end(void *arg, struct rpc_call *call)
{
    (void)arg;
    rpc_call_finish(call, NULL);
}

static void bidi_writable(void *arg, struct rpc_call *call)
{
    (void)arg;
    rpc_call_resume_reading(call);
}

static const struct rpc_call_events bidi_events = {.message = bidi_message,
                                                   .half_closed = bidi_end,
                                                   .writable = bidi_writable,
                                                   .closed = echo_closed};

static void echo_bidi(void *self, struct rpc_call *call)
{
    echo_begin(self, call, &bidi_events);
}

const struct echo_handlers echo_handlers = {
    .unary = echo_unary,
    .server_stream = echo_server_stream,
    .client_stream = echo_client_stream,
    .bidi = echo_bidi,
    .admin = echo_unary,
};

#define DISPATCH_ONE(field)                                                                        \
    static bool dispatch_##field(const void *handlers, void *self, struct rpc_call *call,          \
                                 const ProtobufCMessage *request)                                  \
    {                                                                                              \
        const struct echo_handlers *h = handlers;                                                  \
        if (!h->field)                                                                             \
            return false;                                                                          \
        h->field(self, call, (const request_t *)request);                                          \
        return true;                                                                               \
    }

#define DISPATCH_STREAM(field)                                                                     \
    static bool dispatch_##field(const void *handlers, void *self, struct rpc_call *call,          \
                                 const ProtobufCMessage *request)                                  \
    {                                                                                              \
        (void)request;                                                                             \
        const struct echo_handlers *h = handlers;                                                  \
        if (!h->field)                                                                             \
            return false;                                                                          \
        h->field(self, call);                                                                      \
        return true;                                                                               \
    }

DISPATCH_ONE(unary)
DISPATCH_ONE(server_stream)
DISPATCH_STREAM(client_stream)
DISPATCH_STREAM(bidi)
DISPATCH_ONE(missing)
DISPATCH_ONE(admin)

#define METHOD(method_name, dispatch_fn, kinds, min_role, deadline_ms)                             \
    {                                                                                              \
        .name = method_name, .path = "/banger.test.v1.EchoService/" method_name,                   \
        .request = &banger__test__v1__echo_request__descriptor,                                    \
        .response = &banger__test__v1__echo_response__descriptor, .dispatch = dispatch_fn,         \
        .streams = kinds, .role = min_role, .default_deadline_ms = deadline_ms,                    \
        .max_request_bytes = 4 << 20                                                               \
    }

static const struct rpc_method methods[] = {
    METHOD("Unary", dispatch_unary, 0, RPC_ROLE_VIEWER, 30000),
    METHOD("ServerStream", dispatch_server_stream, RPC_SERVER_STREAMS, RPC_ROLE_VIEWER, 0),
    METHOD("ClientStream", dispatch_client_stream, RPC_CLIENT_STREAMS, RPC_ROLE_VIEWER, 0),
    METHOD("Bidi", dispatch_bidi, RPC_CLIENT_STREAMS | RPC_SERVER_STREAMS, RPC_ROLE_VIEWER, 0),
    METHOD("Missing", dispatch_missing, 0, RPC_ROLE_VIEWER, 0),
    METHOD("Admin", dispatch_admin, 0, RPC_ROLE_ADMIN, 0),
};

const struct rpc_service echo_rpc_service = {"banger.test.v1.EchoService", methods,
                                             sizeof(methods) / sizeof(methods[0])};
