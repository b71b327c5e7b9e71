/* The interop cases; see client_cases.h. Sizes are those of the descriptions. */
#include "tests/interop/grpc/client_cases.h"

#include "test.rpc.h"
#include "tests/interop/grpc/client_driver.h"
#include "tests/support/check.h"

enum { LARGE_REQUEST = 271828, LARGE_RESPONSE = 314159, N_STREAM = 4 };

static const int32_t response_sizes[N_STREAM] = {31415, 9, 2653, 58979};
static const size_t request_sizes[N_STREAM] = {27182, 8, 1828, 45904};
static uint8_t zeros[LARGE_REQUEST];
static const Google__Protobuf__BoolValue
    yes = {PROTOBUF_C_MESSAGE_INIT(&google__protobuf__bool_value__descriptor), 1},
    no = {PROTOBUF_C_MESSAGE_INIT(&google__protobuf__bool_value__descriptor), 0};

typedef Grpc__Testing__Payload payload_t;
typedef Grpc__Testing__SimpleRequest simple_t;
typedef Grpc__Testing__StreamingOutputCallRequest output_t;
typedef Grpc__Testing__StreamingInputCallRequest input_t;
typedef Grpc__Testing__ResponseParameters parameters_t;

static Google__Protobuf__BoolValue *bool_value(bool value)
{
    return (Google__Protobuf__BoolValue *)(uintptr_t)(value ? &yes : &no);
}

static payload_t make_payload(size_t size)
{
    payload_t p = GRPC__TESTING__PAYLOAD__INIT;
    p.body = (ProtobufCBinaryData){size, zeros};
    return p;
}

static size_t simple_size(const ProtobufCMessage *m)
{
    const Grpc__Testing__SimpleResponse *r = grpc_testing_test_service_unary_call_response(m);
    return r->payload ? r->payload->body.len : 0;
}

static size_t output_size(const ProtobufCMessage *m)
{
    const Grpc__Testing__StreamingOutputCallResponse *r =
        grpc_testing_test_service_streaming_output_call_response(m);
    return r->payload ? r->payload->body.len : 0;
}

static size_t input_sum(const ProtobufCMessage *m)
{
    return (size_t)grpc_testing_test_service_streaming_input_call_response(m)
        ->aggregated_payload_size;
}

static struct rpc_call *must(struct rpc_call *call, const struct err *err)
{
    if (!call) {
        fprintf(stderr, "start a call: %s\n", err->message);
        exit(1);
    }
    return call;
}

static struct rpc_call *begin_unary(struct driver *d, const struct rpc_call_options *o,
                                    const simple_t *request, struct result *r)
{
    struct err err;
    r->measure = simple_size;
    return must(
        grpc_testing_test_service_unary_call_start(d->client, o, request, &result_events, r, &err),
        &err);
}

static void unary(struct driver *d, const struct rpc_call_options *o, const simple_t *request,
                  struct result *r)
{
    *r = (struct result){0};
    struct rpc_call *call = begin_unary(d, o, request, r);
    CHECK_INT(driver_wait_closed(d, r), 0);
    rpc_call_unref(call);
}

static struct rpc_call *begin_duplex(struct driver *d, const struct rpc_call_options *o,
                                     struct result *r)
{
    struct err err;
    *r = (struct result){.measure = output_size};
    return must(
        grpc_testing_test_service_full_duplex_call_start(d->client, o, &result_events, r, &err),
        &err);
}

static void end_ok(struct driver *d, struct rpc_call *call, const struct result *r)
{
    CHECK_INT(driver_wait_closed(d, r), 0);
    CHECK_INT(r->n_closed, 1);
    if (!CHECK_INT(r->status.code, ERR_NONE))
        fprintf(stderr, "status: %s\n", r->status.message);
    rpc_call_unref(call);
}

static void empty_unary(struct driver *d)
{
    struct err err;
    struct result r = {0};
    const Grpc__Testing__Empty request = GRPC__TESTING__EMPTY__INIT;
    struct rpc_call *call = must(grpc_testing_test_service_empty_call_start(
                                     d->client, NULL, &request, &result_events, &r, &err),
                                 &err);
    end_ok(d, call, &r);
    CHECK_INT(r.n_messages, 1);
}

static void large_unary(struct driver *d)
{
    struct result r = {0};
    payload_t payload = make_payload(LARGE_REQUEST);
    simple_t request = GRPC__TESTING__SIMPLE_REQUEST__INIT;
    request.response_size = LARGE_RESPONSE;
    request.payload = &payload;
    end_ok(d, begin_unary(d, NULL, &request, &r), &r);
    CHECK_INT(r.size[0], LARGE_RESPONSE);
}

static struct rpc_call *begin_input(struct driver *d, const struct rpc_call_options *o,
                                    struct result *r)
{
    struct err err;
    *r = (struct result){.measure = input_sum};
    return must(
        grpc_testing_test_service_streaming_input_call_start(d->client, o, &result_events, r, &err),
        &err);
}

static void client_streaming(struct driver *d)
{
    struct result r;
    struct rpc_call *call = begin_input(d, NULL, &r);
    for (int i = 0; i < N_STREAM; i++) {
        payload_t payload = make_payload(request_sizes[i]);
        input_t request = GRPC__TESTING__STREAMING_INPUT_CALL_REQUEST__INIT;
        request.payload = &payload;
        CHECK_INT(rpc_call_send(call, &request.base), 0);
    }
    rpc_call_half_close(call);
    end_ok(d, call, &r);
    CHECK_INT(r.size[0], 74922);
}

static void server_streaming(struct driver *d)
{
    struct err err;
    struct result r = {.measure = output_size};
    parameters_t p[N_STREAM], *at[N_STREAM];
    output_t request = GRPC__TESTING__STREAMING_OUTPUT_CALL_REQUEST__INIT;
    for (int i = 0; i < N_STREAM; i++) {
        grpc__testing__response_parameters__init(&p[i]);
        p[i].size = response_sizes[i];
        at[i] = &p[i];
    }
    request.response_parameters = at;
    request.n_response_parameters = N_STREAM;
    struct rpc_call *call = must(grpc_testing_test_service_streaming_output_call_start(
                                     d->client, NULL, &request, &result_events, &r, &err),
                                 &err);
    end_ok(d, call, &r);
    CHECK_INT(r.n_messages, N_STREAM);
    for (int i = 0; i < N_STREAM; i++)
        CHECK_INT(r.size[i], response_sizes[i]);
}

static void duplex_send(struct rpc_call *call, size_t size, int32_t response_size)
{
    parameters_t p = GRPC__TESTING__RESPONSE_PARAMETERS__INIT, *at = &p;
    payload_t payload = make_payload(size);
    output_t request = GRPC__TESTING__STREAMING_OUTPUT_CALL_REQUEST__INIT;
    p.size = response_size;
    request.payload = &payload;
    request.response_parameters = &at;
    request.n_response_parameters = 1;
    CHECK_INT(rpc_call_send(call, &request.base), 0);
}

static void ping_pong(struct driver *d)
{
    struct result r;
    struct rpc_call *call = begin_duplex(d, NULL, &r);
    for (size_t i = 0; i < N_STREAM; i++) {
        duplex_send(call, request_sizes[i], response_sizes[i]);
        CHECK_INT(driver_wait(d, &r, i + 1), 0);
        CHECK_INT(r.size[i], response_sizes[i]);
    }
    rpc_call_half_close(call);
    end_ok(d, call, &r);
    CHECK_INT(r.n_messages, N_STREAM);
}

static void empty_stream(struct driver *d)
{
    struct result r;
    struct rpc_call *call = begin_duplex(d, NULL, &r);
    rpc_call_half_close(call);
    end_ok(d, call, &r);
    CHECK_INT(r.n_messages, 0);
}

static const struct rpc_call_options compressed = {.compress = true};

static void client_compressed_unary(struct driver *d)
{
    struct result r;
    payload_t payload = make_payload(LARGE_REQUEST);
    simple_t request = GRPC__TESTING__SIMPLE_REQUEST__INIT;
    request.response_size = LARGE_RESPONSE;
    request.payload = &payload;
    request.expect_compressed = bool_value(true);
    unary(d, NULL, &request, &r); /* does the server look at all? */
    CHECK_INT(r.status.code, ERR_INVALID);
    unary(d, &compressed, &request, &r);
    CHECK_INT(r.status.code, ERR_NONE);
    CHECK_INT(r.size[0], LARGE_RESPONSE);
    request.expect_compressed = bool_value(false);
    unary(d, NULL, &request, &r);
    CHECK_INT(r.status.code, ERR_NONE);
    CHECK_INT(r.size[0], LARGE_RESPONSE);
}

static void server_compressed_unary(struct driver *d)
{
    for (int want = 0; want < 2; want++) {
        struct result r;
        payload_t payload = make_payload(LARGE_REQUEST);
        simple_t request = GRPC__TESTING__SIMPLE_REQUEST__INIT;
        request.response_size = LARGE_RESPONSE;
        request.payload = &payload;
        request.response_compressed = bool_value(want);
        unary(d, NULL, &request, &r);
        CHECK_INT(r.status.code, ERR_NONE);
        CHECK_INT(r.size[0], LARGE_RESPONSE);
        CHECK_INT(r.compressed[0], want);
    }
}

static void input_send(struct rpc_call *call, size_t size, bool gzip, bool expect)
{
    payload_t payload = make_payload(size);
    input_t request = GRPC__TESTING__STREAMING_INPUT_CALL_REQUEST__INIT;
    request.payload = &payload;
    request.expect_compressed = bool_value(expect);
    CHECK_INT(rpc_call_set_compression(call, gzip), 0);
    CHECK_INT(rpc_call_send(call, &request.base), 0);
}

static void client_compressed_streaming(struct driver *d)
{
    struct result r;
    struct rpc_call *call = begin_input(d, &compressed, &r);
    input_send(call, 27182, false, true); /* does the server look at all? */
    rpc_call_half_close(call);
    CHECK_INT(driver_wait_closed(d, &r), 0);
    CHECK_INT(r.status.code, ERR_INVALID);
    rpc_call_unref(call);
    call = begin_input(d, &compressed, &r);
    input_send(call, 27182, true, true);
    input_send(call, 45904, false, false);
    rpc_call_half_close(call);
    end_ok(d, call, &r);
    CHECK_INT(r.size[0], 73086);
}

static void server_compressed_streaming(struct driver *d)
{
    struct err err;
    struct result r = {.measure = output_size};
    parameters_t p[2], *at[2] = {&p[0], &p[1]};
    output_t request = GRPC__TESTING__STREAMING_OUTPUT_CALL_REQUEST__INIT;
    for (int i = 0; i < 2; i++) {
        grpc__testing__response_parameters__init(&p[i]);
        p[i].compressed = bool_value(i == 0);
        p[i].size = i == 0 ? 31415 : 92653;
    }
    request.response_parameters = at;
    request.n_response_parameters = 2;
    struct rpc_call *call = must(grpc_testing_test_service_streaming_output_call_start(
                                     d->client, NULL, &request, &result_events, &r, &err),
                                 &err);
    end_ok(d, call, &r);
    CHECK_INT(r.n_messages, 2);
    CHECK_INT(r.size[0], 31415);
    CHECK_INT(r.size[1], 92653);
    CHECK_INT(r.compressed[0], 1);
    CHECK_INT(r.compressed[1], 0);
}

/* Beyond the descriptions, for servers that answer as they were asked (grpc-go): gzip both ways. */
static void gzip_both_ways(struct driver *d)
{
    struct result r;
    payload_t payload = make_payload(LARGE_REQUEST);
    simple_t request = GRPC__TESTING__SIMPLE_REQUEST__INIT;
    request.response_size = LARGE_RESPONSE;
    request.response_compressed = bool_value(true);
    request.payload = &payload;
    unary(d, &compressed, &request, &r);
    CHECK_INT(r.status.code, ERR_NONE);
    CHECK_INT(r.size[0], LARGE_RESPONSE);
    CHECK_INT(r.compressed[0], true);
    struct rpc_call *call = begin_duplex(d, &compressed, &r);
    for (size_t i = 0; i < N_STREAM; i++) {
        CHECK_INT(rpc_call_set_compression(call, i % 2 == 0), 0);
        duplex_send(call, request_sizes[i], response_sizes[i]);
        CHECK_INT(driver_wait(d, &r, i + 1), 0);
        CHECK_INT(r.size[i], response_sizes[i]);
    }
    rpc_call_half_close(call);
    end_ok(d, call, &r);
}

static void check_echoed(const struct rpc_call *call)
{
    size_t len = 0;
    CHECK_STR(rpc_call_metadata(call, "x-grpc-test-echo-initial", NULL),
              "test_initial_metadata_value");
    const char *value = rpc_call_metadata(call, "x-grpc-test-echo-trailing-bin", &len);
    CHECK(value && len == 3 && memcmp(value, "\xab\xab\xab", 3) == 0);
}

static void custom_metadata(struct driver *d)
{
    static const struct rpc_metadata m[] = {
        {"x-grpc-test-echo-initial", "test_initial_metadata_value", 27},
        {"x-grpc-test-echo-trailing-bin", "\xab\xab\xab", 3}};
    const struct rpc_call_options o = {.metadata = m, .n_metadata = 2};
    struct result r = {0};
    simple_t request = GRPC__TESTING__SIMPLE_REQUEST__INIT;
    payload_t payload = make_payload(LARGE_REQUEST);
    request.response_size = LARGE_RESPONSE;
    request.payload = &payload;
    struct rpc_call *call = rpc_call_ref(begin_unary(d, &o, &request, &r));
    end_ok(d, call, &r);
    check_echoed(call);
    rpc_call_unref(call);
    call = rpc_call_ref(begin_duplex(d, &o, &r));
    duplex_send(call, LARGE_REQUEST, LARGE_RESPONSE);
    rpc_call_half_close(call);
    end_ok(d, call, &r);
    check_echoed(call);
    rpc_call_unref(call);
}

static void check_status(struct driver *d, enum err_code code, char *message, bool duplex)
{
    Grpc__Testing__EchoStatus status = GRPC__TESTING__ECHO_STATUS__INIT;
    simple_t request = GRPC__TESTING__SIMPLE_REQUEST__INIT;
    struct result r;
    status.code = (int32_t)code;
    status.message = message;
    request.response_status = &status;
    unary(d, NULL, &request, &r);
    CHECK_INT(r.status.code, code);
    CHECK_STR(r.status.message, message);
    if (!duplex)
        return;
    output_t output = GRPC__TESTING__STREAMING_OUTPUT_CALL_REQUEST__INIT;
    output.response_status = &status;
    struct rpc_call *call = begin_duplex(d, NULL, &r);
    CHECK_INT(rpc_call_send(call, &output.base), 0);
    rpc_call_half_close(call);
    CHECK_INT(driver_wait_closed(d, &r), 0);
    CHECK_INT(r.status.code, code);
    CHECK_STR(r.status.message, message);
    rpc_call_unref(call);
}

static void status_code_and_message(struct driver *d)
{
    static char message[] = "test status message";
    check_status(d, ERR_UNKNOWN, message, true);
}

static void special_status_message(struct driver *d)
{
    static char message[] = "\t\ntest with whitespace\r\nand Unicode BMP \xe2\x98\xba and non-BMP "
                            "\xf0\x9f\x98\x88\t\n";
    check_status(d, ERR_UNKNOWN, message, false);
}

static void unimplemented(struct driver *d, const struct rpc_service *service, int method)
{
    struct err err;
    struct result r = {0};
    const Grpc__Testing__Empty request = GRPC__TESTING__EMPTY__INIT;
    struct rpc_call *call = must(rpc_client_start(d->client, &service->methods[method], NULL,
                                                  &request.base, &result_events, &r, &err),
                                 &err);
    CHECK_INT(driver_wait_closed(d, &r), 0);
    CHECK_INT(r.status.code, ERR_UNIMPLEMENTED);
    rpc_call_unref(call);
}

static void unimplemented_method(struct driver *d)
{
    unimplemented(d, &grpc_testing_test_service, GRPC_TESTING_TEST_SERVICE_UNIMPLEMENTED_CALL);
}

static void unimplemented_service(struct driver *d)
{
    unimplemented(d, &grpc_testing_unimplemented_service,
                  GRPC_TESTING_UNIMPLEMENTED_SERVICE_UNIMPLEMENTED_CALL);
}

static void cancel_after_begin(struct driver *d)
{
    struct result r;
    struct rpc_call *call = begin_input(d, NULL, &r);
    rpc_call_cancel(call);
    CHECK_INT(driver_wait_closed(d, &r), 0);
    CHECK_INT(r.status.code, ERR_CANCELLED);
    rpc_call_unref(call);
}

static void cancel_after_first_response(struct driver *d)
{
    struct result r;
    struct rpc_call *call = begin_duplex(d, NULL, &r);
    duplex_send(call, 27182, 31415);
    CHECK_INT(driver_wait(d, &r, 1), 0);
    CHECK_INT(r.size[0], 31415);
    rpc_call_cancel(call);
    CHECK_INT(driver_wait_closed(d, &r), 0);
    CHECK_INT(r.status.code, ERR_CANCELLED);
    rpc_call_unref(call);
}

static void timeout_on_sleeping_server(struct driver *d)
{
    const struct rpc_call_options o = {.timeout_ms = 1};
    struct result r;
    struct rpc_call *call = begin_duplex(d, &o, &r);
    payload_t payload = make_payload(27182);
    output_t request = GRPC__TESTING__STREAMING_OUTPUT_CALL_REQUEST__INIT;
    request.payload = &payload;
    CHECK_INT(rpc_call_send(call, &request.base), 0);
    CHECK_INT(driver_wait_closed(d, &r), 0);
    CHECK_INT(r.status.code, ERR_DEADLINE);
    rpc_call_unref(call);
}

/* The soak tests' iteration; the descriptions leave their number to whoever runs them. */
enum { SOAK_ITERATIONS = 40 };

static void rpc_soak(struct driver *d)
{
    for (int i = 0; i < SOAK_ITERATIONS; i++)
        large_unary(d);
}

static void channel_soak(struct driver *d)
{
    struct err err;
    for (int i = 0; i < SOAK_ITERATIONS; i++) {
        if (!CHECK_INT(driver_reopen(d, &err), 0)) {
            fprintf(stderr, "connect again: %s\n", err.message);
            return;
        }
        large_unary(d);
    }
}

#define CASE(name)                                                                                 \
    {                                                                                              \
#name, name                                                                                \
    }

const struct interop_case interop_cases[] = {
    CASE(empty_unary),
    CASE(large_unary),
    CASE(client_streaming),
    CASE(server_streaming),
    CASE(ping_pong),
    CASE(empty_stream),
    CASE(client_compressed_unary),
    CASE(server_compressed_unary),
    CASE(client_compressed_streaming),
    CASE(server_compressed_streaming),
    CASE(gzip_both_ways),
    CASE(custom_metadata),
    CASE(status_code_and_message),
    CASE(special_status_message),
    CASE(unimplemented_method),
    CASE(unimplemented_service),
    CASE(cancel_after_begin),
    CASE(cancel_after_first_response),
    CASE(timeout_on_sleeping_server),
    CASE(rpc_soak),
    CASE(channel_soak),
};
const size_t n_interop_cases = sizeof(interop_cases) / sizeof(interop_cases[0]);

int cases_failed(void)
{
    return check_failures;
}
