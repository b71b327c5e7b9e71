/* The interop test service; see test_service.h. */
#include "tests/interop/grpc/test_service.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "rpc/event/loop.h"
#include "test.server.rpc.h"
#include "tests/interop/grpc/load_report.h"

enum { MAX_BODY_BYTES = 4 << 20, MAX_QUEUED = 1024 };

static uint8_t zeros[MAX_BODY_BYTES];
static char server_id[] = "interop-server";

static void fail(struct rpc_call *call, enum err_code code, const char *text)
{
    struct err err;
    err_set(&err, code, "%s", text);
    rpc_call_finish(call, &err);
}

/* custom_metadata: one key comes back as a header, another as a trailer. */
static void echo_metadata(struct rpc_call *call)
{
    static const char initial[] = "x-grpc-test-echo-initial";
    static const char trailing[] = "x-grpc-test-echo-trailing-bin";
    size_t len;
    const char *value = rpc_call_metadata(call, initial, &len);
    if (value)
        (void)rpc_call_add_headers(call, &(struct rpc_metadata){initial, value, len}, 1, NULL);
    value = rpc_call_metadata(call, trailing, &len);
    if (value)
        (void)rpc_call_add_trailers(call, &(struct rpc_metadata){trailing, value, len}, 1, NULL);
}

/* True where the request is not compressed the way it says. */
static bool refuse_compression(struct rpc_call *call, const Google__Protobuf__BoolValue *expect)
{
    if (!expect || (bool)expect->value == rpc_call_message_was_compressed(call))
        return false;
    fail(call, ERR_INVALID, "the request is not compressed as it says");
    return true;
}

/* True where the request asks for a status: the call has it then. */
static bool answer_status(struct rpc_call *call, const Grpc__Testing__EchoStatus *status)
{
    if (!status || status->code == 0)
        return false;
    fail(call, (enum err_code)status->code, status->message);
    return true;
}

static void empty_call(void *self, struct rpc_call *call, const Grpc__Testing__Empty *request)
{
    (void)self;
    (void)request;
    const Grpc__Testing__Empty response = GRPC__TESTING__EMPTY__INIT;
    echo_metadata(call);
    grpc_testing_test_service_empty_call_reply(call, &response);
}

static void unary_call(void *self, struct rpc_call *call,
                       const Grpc__Testing__SimpleRequest *request)
{
    (void)self;
    echo_metadata(call);
    if (refuse_compression(call, request->expect_compressed) ||
        answer_status(call, request->response_status))
        return;
    if (request->response_size < 0 || request->response_size > MAX_BODY_BYTES) {
        fail(call, ERR_INVALID, "bad response_size");
        return;
    }
    if (request->response_compressed)
        (void)rpc_call_set_compression(call, request->response_compressed->value);
    Grpc__Testing__Payload payload = GRPC__TESTING__PAYLOAD__INIT;
    Grpc__Testing__SimpleResponse response = GRPC__TESTING__SIMPLE_RESPONSE__INIT;
    payload.body = (ProtobufCBinaryData){(size_t)request->response_size, zeros};
    response.payload = &payload;
    if (request->fill_server_id)
        response.server_id = server_id;
    if (request->orca_per_query_report)
        load_report_to_trailers(call, request->orca_per_query_report);
    grpc_testing_test_service_unary_call_reply(call, &response);
}

/* StreamingInputCall: adds up. */
struct input {
    int64_t n_bytes;
};

static void input_message(void *arg, struct rpc_call *call, const ProtobufCMessage *message)
{
    struct input *in = arg;
    const Grpc__Testing__StreamingInputCallRequest *r = (const void *)message;
    if (refuse_compression(call, r->expect_compressed))
        return;
    in->n_bytes += r->payload ? (int64_t)r->payload->body.len : 0;
}

static void input_end(void *arg, struct rpc_call *call)
{
    const struct input *in = arg;
    Grpc__Testing__StreamingInputCallResponse response =
        GRPC__TESTING__STREAMING_INPUT_CALL_RESPONSE__INIT;
    response.aggregated_payload_size = (int32_t)in->n_bytes;
    grpc_testing_test_service_streaming_input_call_reply(call, &response);
}

static void input_closed(void *arg, struct rpc_call *call, const struct err *status)
{
    (void)call;
    (void)status;
    free(arg);
}

static const struct rpc_call_events input_events = {
    .message = input_message, .half_closed = input_end, .closed = input_closed};

static void streaming_input_call(void *self, struct rpc_call *call)
{
    (void)self;
    struct input *in = calloc(1, sizeof(*in));
    if (in)
        rpc_call_set_events(call, &input_events, in);
    else
        fail(call, ERR_LIMIT, "out of memory");
}

/* Calls whose responses the requests list: one after the other, each behind its interval. */
struct wanted {
    int32_t size, interval_us;
    bool compressed;
};

struct output {
    struct rpc_call *call; /* lives as long as this */
    struct timer timer;    /* the first wanted's interval */
    struct wanted queue[MAX_QUEUED];
    size_t head, n;
    bool half;  /* HalfDuplexCall: nothing before the client has said all */
    bool ended; /* the client has said all */
    bool waited;
};

static void output_pump(void *arg, struct rpc_call *call)
{
    struct output *out = arg;
    while (out->n > 0 && !(out->half && !out->ended)) {
        const struct wanted *w = &out->queue[out->head];
        if (w->interval_us > 0 && !out->waited) {
            if (!timer_pending(&out->timer))
                timer_start(&out->timer, (w->interval_us + 999) / 1000);
            return;
        }
        if (!rpc_call_writable(call))
            return;
        Grpc__Testing__Payload payload = GRPC__TESTING__PAYLOAD__INIT;
        Grpc__Testing__StreamingOutputCallResponse response =
            GRPC__TESTING__STREAMING_OUTPUT_CALL_RESPONSE__INIT;
        payload.body = (ProtobufCBinaryData){(size_t)w->size, zeros};
        response.payload = &payload;
        (void)rpc_call_set_compression(call, w->compressed);
        if (grpc_testing_test_service_streaming_output_call_send(call, &response) < 0)
            return;
        out->waited = false;
        out->head = (out->head + 1) % MAX_QUEUED;
        out->n--;
    }
    if (out->ended && out->n == 0)
        rpc_call_finish(call, NULL);
}

static void output_due(void *arg)
{
    struct output *out = arg;
    out->waited = true;
    output_pump(out, out->call);
}

static void output_want(struct output *out, const Grpc__Testing__StreamingOutputCallRequest *r)
{
    for (size_t i = 0; i < r->n_response_parameters; i++) {
        const Grpc__Testing__ResponseParameters *p = r->response_parameters[i];
        if (p->size < 0 || p->size > MAX_BODY_BYTES || out->n == MAX_QUEUED) {
            fail(out->call, ERR_INVALID, "bad response_parameters");
            return;
        }
        struct wanted *w = &out->queue[(out->head + out->n++) % MAX_QUEUED];
        *w = (struct wanted){p->size, p->interval_us, p->compressed && p->compressed->value};
        /* Said in the headers, also where the first message is plain. */
        if (w->compressed)
            (void)rpc_call_set_compression(out->call, true);
    }
}

static void output_message(void *arg, struct rpc_call *call, const ProtobufCMessage *message)
{
    struct output *out = arg;
    const Grpc__Testing__StreamingOutputCallRequest *r = (const void *)message;
    if (answer_status(call, r->response_status))
        return;
    if (r->orca_oob_report)
        load_report_set(r->orca_oob_report);
    output_want(out, r);
    output_pump(out, call);
}

static void output_end(void *arg, struct rpc_call *call)
{
    struct output *out = arg;
    out->ended = true;
    output_pump(out, call);
}

static void output_closed(void *arg, struct rpc_call *call, const struct err *status)
{
    (void)call;
    (void)status;
    struct output *out = arg;
    timer_done(&out->timer);
    free(out);
}

static const struct rpc_call_events output_events = {.message = output_message,
                                                     .half_closed = output_end,
                                                     .writable = output_pump,
                                                     .closed = output_closed};

static struct output *output_begin(struct loop *loop, struct rpc_call *call)
{
    struct output *out = calloc(1, sizeof(*out));
    if (!out || timer_init(&out->timer, loop, output_due, out) < 0) {
        free(out);
        fail(call, ERR_LIMIT, "out of memory");
        return NULL;
    }
    out->call = call;
    rpc_call_set_events(call, &output_events, out);
    echo_metadata(call);
    return out;
}

static void streaming_output_call(void *self, struct rpc_call *call,
                                  const Grpc__Testing__StreamingOutputCallRequest *request)
{
    struct output *out = output_begin(self, call);
    if (!out || answer_status(call, request->response_status))
        return;
    out->ended = true;
    output_want(out, request);
    output_pump(out, call);
}

static void full_duplex_call(void *self, struct rpc_call *call)
{
    output_begin(self, call);
}

static void half_duplex_call(void *self, struct rpc_call *call)
{
    struct output *out = output_begin(self, call);
    if (out)
        out->half = true;
}

int test_service_register(struct rpc_server *server, struct loop *loop, struct err *err)
{
    static const struct grpc_testing_test_service_handlers handlers = {
        .empty_call = empty_call,
        .unary_call = unary_call,
        .cacheable_unary_call = unary_call,
        .streaming_output_call = streaming_output_call,
        .streaming_input_call = streaming_input_call,
        .full_duplex_call = full_duplex_call,
        .half_duplex_call = half_duplex_call,
    };
    return grpc_testing_test_service_register(server, &handlers, loop, err);
}
