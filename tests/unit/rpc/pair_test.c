/* The four kinds of call between a client and a server in memory, and how calls end. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "rpc/wire/stream.h"
#include "tests/support/check.h"
#include "tests/unit/rpc/pair.h"

#define REQUEST_INIT BANGER__TEST__V1__ECHO_REQUEST__INIT

static void set_payload(echo_request *r, uint8_t *data, size_t len)
{
    r->payload = (ProtobufCBinaryData){len, data};
}

static void test_unary(void)
{
    struct pair p;
    pair_open(&p);
    echo_request r = REQUEST_INIT;
    r.text = "hello";
    struct seen s = {0};
    struct err e = pair_unary(&p, ECHO_UNARY, &r, &s);
    CHECK_INT(e.code, ERR_NONE);
    CHECK_STR(s.text, "hello");
    CHECK_INT(s.n_messages, 1);
    CHECK_INT(s.n_closed, 1);
    for (int i = 0; i < 1000; i++) {
        s = (struct seen){0};
        CHECK_INT(pair_unary(&p, ECHO_UNARY, &r, &s).code, ERR_NONE);
    }
    CHECK_INT(rpc_client_open_calls(p.client), 0);
    CHECK_INT(p.server->n_calls, 0);
    pair_close(&p);
}

static void test_status_details(void)
{
    struct pair p;
    pair_open(&p);
    echo_request r = REQUEST_INIT;
    r.text = "caf\xc3\xa9 100%\n";
    r.fail_code = ERR_NOT_FOUND;
    r.fail_reason = "VM_UNKNOWN";
    struct err e = pair_unary(&p, ECHO_UNARY, &r, NULL);
    CHECK_INT(e.code, ERR_NOT_FOUND);
    CHECK_STR(e.message, "asked to fail: caf\xc3\xa9 100%\n");
    CHECK_STR(e.reason, "VM_UNKNOWN");
    CHECK_STR(e.resource, "echo/caf\xc3\xa9 100%\n");
    r.fail_code = ERR_UNAVAILABLE;
    e = pair_unary(&p, ECHO_SERVER_STREAM, &r, NULL);
    CHECK_INT(e.code, ERR_UNAVAILABLE);
    pair_close(&p);
}

static void test_refusals(void)
{
    struct pair p;
    pair_open(&p);
    echo_request r = REQUEST_INIT;
    struct err e = pair_unary(&p, ECHO_MISSING, &r, NULL);
    CHECK_INT(e.code, ERR_UNIMPLEMENTED);
    e = pair_unary(&p, ECHO_ADMIN, &r, NULL);
    CHECK_INT(e.code, ERR_DENIED);
    CHECK_STR(e.reason, "ROLE_TOO_LOW");
    CHECK_CONTAINS(e.message, "unix:1000");
    const struct rpc_method unknown = {
        .name = "Nope",
        .path = "/banger.test.v1.EchoService/Nope",
        .request = echo_method(0)->request,
        .response = echo_method(0)->response,
    };
    struct seen s = {0};
    struct rpc_call *call =
        rpc_client_start(p.client, &unknown, NULL, &r.base, &seen_events, &s, &e);
    pair_run(&p);
    CHECK_INT(s.status.code, ERR_UNIMPLEMENTED);
    CHECK_CONTAINS(s.status.message, "/banger.test.v1.EchoService/Nope");
    rpc_call_unref(call);
    pair_close(&p);
}

static void test_server_stream(void)
{
    struct pair p;
    pair_open(&p);
    uint8_t *payload = calloc(1, 32 << 10);
    echo_request r = REQUEST_INIT;
    r.count = 300;
    set_payload(&r, payload, 32 << 10);
    struct seen s = {0};
    CHECK_INT(pair_unary(&p, ECHO_SERVER_STREAM, &r, &s).code, ERR_NONE);
    CHECK_INT(s.n_messages, 300);
    CHECK(s.in_order);
    CHECK_INT(s.payload_bytes, 300 * (32 << 10));
    r.count = 0;
    CHECK_INT(pair_unary(&p, ECHO_SERVER_STREAM, &r, &s).code, ERR_NONE);
    CHECK_INT(p.stats.n_closed, 2);
    free(payload);
    pair_close(&p);
}

static void test_client_stream(void)
{
    struct pair p;
    pair_open(&p);
    uint8_t payload[1000] = {0};
    echo_request r = REQUEST_INIT;
    set_payload(&r, payload, sizeof(payload));
    struct seen s = {0};
    struct rpc_call *call = pair_start(&p, ECHO_CLIENT_STREAM, NULL, NULL, &s);
    for (int i = 0; i < 500; i++) {
        CHECK_INT(rpc_call_send(call, &r.base), 0);
        if (i % 100 == 0)
            pair_run(&p);
    }
    rpc_call_half_close(call);
    CHECK_INT(rpc_call_send(call, &r.base), -1);
    pair_run(&p);
    CHECK_INT(s.status.code, ERR_NONE);
    CHECK_INT(s.last_seq, 500);
    CHECK_INT(s.n_closed, 1);
    rpc_call_unref(call);
    pair_close(&p);
}

static void test_bidi(void)
{
    struct pair p;
    pair_open(&p);
    echo_request r = REQUEST_INIT;
    struct seen s = {0};
    struct rpc_call *call = pair_start(&p, ECHO_BIDI, NULL, NULL, &s);
    for (int i = 0; i < 100; i++) {
        char text[16];
        snprintf(text, sizeof(text), "m%d", i);
        r.text = text;
        CHECK_INT(rpc_call_send(call, &r.base), 0);
        pair_run(&p);
        CHECK_STR(s.text, text);
    }
    CHECK_INT(s.n_closed, 0);
    rpc_call_half_close(call);
    pair_run(&p);
    CHECK_INT(s.n_closed, 1);
    CHECK_INT(s.n_half_closed, 1);
    CHECK_INT(s.n_messages, 100);
    CHECK_INT(s.status.code, ERR_NONE);
    rpc_call_unref(call);
    pair_close(&p);
}

static void test_cancel(void)
{
    struct pair p;
    pair_open(&p);
    struct seen s = {0};
    struct rpc_call *call = pair_start(&p, ECHO_BIDI, NULL, NULL, &s);
    pair_run(&p);
    CHECK_INT(p.stats.n_started, 1);
    rpc_call_cancel(call);
    CHECK_INT(s.n_closed, 0); /* never from inside */
    CHECK(rpc_call_is_over(call));
    pair_run(&p);
    CHECK_INT(s.n_closed, 1);
    CHECK_INT(s.status.code, ERR_CANCELLED);
    CHECK_INT(p.stats.n_closed, 1);
    CHECK_INT(p.stats.last_code, ERR_CANCELLED);
    /* A dead call takes everything. */
    echo_request r = REQUEST_INIT;
    CHECK_INT(rpc_call_send(call, &r.base), -1);
    CHECK(!rpc_call_writable(call));
    rpc_call_half_close(call);
    rpc_call_pause_reading(call);
    rpc_call_resume_reading(call);
    rpc_call_cancel(call);
    rpc_call_finish(call, NULL);
    pair_run(&p);
    CHECK_INT(s.n_closed, 1);
    rpc_call_unref(call);
    CHECK_INT(p.server->n_calls, 0);
    pair_close(&p);
}

/* The server answers before the client has sent all: the client gets the status and stops. */
static void test_early_answer(void)
{
    struct pair p;
    pair_open(&p);
    echo_request r = REQUEST_INIT;
    r.fail_code = ERR_PRECONDITION;
    r.fail_reason = "EARLY";
    struct seen s = {0};
    struct rpc_call *call = pair_start(&p, ECHO_CLIENT_STREAM, NULL, NULL, &s);
    CHECK_INT(rpc_call_send(call, &r.base), 0);
    pair_run(&p);
    CHECK_INT(s.n_closed, 1);
    CHECK_INT(s.status.code, ERR_PRECONDITION);
    CHECK_STR(s.status.message, "asked to fail: "); /* the space survives */
    CHECK_STR(s.status.reason, "EARLY");
    CHECK_INT(p.stats.n_closed, 1);
    CHECK_INT(p.server->n_early, 0);
    rpc_call_unref(call);
    pair_close(&p);
}

static void test_deadline_on_server(void)
{
    struct pair p;
    pair_open(&p);
    echo_request r = REQUEST_INIT;
    r.hang = true;
    struct seen s = {0};
    struct rpc_call_options o = {.timeout_ms = 60000};
    struct rpc_call *call = pair_start(&p, ECHO_UNARY, &o, &r, &s);
    pair_run(&p);
    CHECK_INT(p.stats.n_started, 1);
    int64_t left = rpc_call_deadline_ms(p.stats.last) - clock_mono_ms();
    CHECK(left > 50000 && left <= 60000);
    deadlines_run(&p.deadlines, clock_mono_ms() + 61000);
    CHECK_INT(p.stats.n_closed, 1);
    CHECK_INT(p.stats.last_code, ERR_DEADLINE);
    pair_run(&p);
    CHECK_INT(s.n_closed, 1);
    CHECK_INT(s.status.code, ERR_DEADLINE);
    rpc_call_unref(call);
    /* None sent: the method's default. */
    o.timeout_ms = -1;
    call = pair_start(&p, ECHO_UNARY, &o, &r, &s);
    pair_run(&p);
    left = rpc_call_deadline_ms(p.stats.last) - clock_mono_ms();
    CHECK(left > 20000 && left <= 30000);
    CHECK_INT(rpc_call_deadline_ms(call), INT64_MAX);
    rpc_call_unref(call);
    pair_close(&p);
}

static void test_deadline_on_client(void)
{
    struct pair p;
    pair_open(&p);
    echo_request r = REQUEST_INIT;
    r.hang = true;
    struct seen s = {0};
    struct rpc_call_options o = {.timeout_ms = 5};
    struct rpc_call *call = pair_start(&p, ECHO_UNARY, &o, &r, &s);
    pair_run(&p);
    int64_t end = clock_mono_ms() + 5000;
    while (s.n_closed == 0 && clock_mono_ms() < end)
        rpc_client_tick(p.client);
    CHECK_INT(s.n_closed, 1);
    CHECK_INT(s.status.code, ERR_DEADLINE);
    pair_run(&p);
    CHECK_INT(p.stats.n_closed, 1);
    CHECK_INT(rpc_client_next_tick_ms(p.client), -1);
    rpc_call_unref(call);
    pair_close(&p);
}

/* grpc-go ends a late call by resetting its stream, and may be quicker than our own timer. */
static void test_reset_at_deadline(void)
{
    struct pair p;
    pair_open(&p);
    echo_request r = REQUEST_INIT;
    r.hang = true;
    for (int64_t timeout_ms = 1; timeout_ms < 100000; timeout_ms += 60000) {
        struct seen s = {0};
        struct rpc_call_options o = {.timeout_ms = timeout_ms};
        struct rpc_call *call = pair_start(&p, ECHO_UNARY, &o, &r, &s);
        pair_run(&p);
        bool late = timeout_ms == 1;
        while (late && clock_mono_ms() < rpc_call_deadline_ms(call))
            ;
        call_reset(p.stats.last, NGHTTP2_CANCEL);
        pair_run(&p);
        CHECK_INT(s.n_closed, 1);
        CHECK_INT(s.status.code, late ? ERR_DEADLINE : ERR_CANCELLED);
        rpc_call_unref(call);
    }
    pair_close(&p);
}

/* The server takes 16 KiB of headers, and says so in its SETTINGS. */
static void test_more_metadata_than_the_server_takes(void)
{
    static char value[6000];
    struct rpc_metadata m[3];
    struct rpc_call_options o = {.metadata = m, .n_metadata = 3};
    struct seen s = {0};
    struct pair p;
    echo_request r = REQUEST_INIT;
    memset(value, 'v', sizeof(value));
    for (int i = 0; i < 3; i++)
        m[i] = (struct rpc_metadata){"x-large", value, sizeof(value)};
    pair_open(&p);
    pair_run(&p);
    CHECK(!pair_start(&p, ECHO_UNARY, &o, &r, &s));
    CHECK_INT(p.client_err.code, ERR_LIMIT);
    CHECK_CONTAINS(p.client_err.message, "the server takes 16384");
    o.n_metadata = 2;
    struct rpc_call *call = pair_start(&p, ECHO_UNARY, &o, &r, &s);
    CHECK(call);
    pair_run(&p);
    CHECK_INT(s.status.code, ERR_NONE);
    rpc_call_unref(call);
    pair_close(&p);
}

static void test_metadata(void)
{
    struct pair p;
    pair_open(&p);
    echo_request r = REQUEST_INIT;
    r.hang = true;
    static const char binary[] = "\x00\xff\x01 and so on";
    const struct rpc_metadata m[] = {{"x-token", "abc", 3}, {"x-data-bin", binary, sizeof(binary)}};
    struct rpc_call_options o = {.metadata = m, .n_metadata = 2};
    struct seen s = {0};
    struct rpc_call *call = pair_start(&p, ECHO_UNARY, &o, &r, &s);
    pair_run(&p);
    size_t len = 0;
    CHECK_STR(rpc_call_metadata(p.stats.last, "x-token", &len), "abc");
    CHECK_INT(len, 3);
    const char *got = rpc_call_metadata(p.stats.last, "x-data-bin", &len);
    CHECK_INT(len, sizeof(binary));
    CHECK(got && memcmp(got, binary, sizeof(binary)) == 0);
    CHECK(!rpc_call_metadata(p.stats.last, "x-other", NULL));
    CHECK_CONTAINS(rpc_call_metadata(p.stats.last, "user-agent", NULL), "banger");
    rpc_call_unref(call);
    const struct rpc_metadata bad = {"grpc-status", "0", 1};
    o = (struct rpc_call_options){.metadata = &bad, .n_metadata = 1};
    CHECK(!pair_start(&p, ECHO_UNARY, &o, &r, &s));
    CHECK_INT(p.client_err.code, ERR_INVALID);
    pair_close(&p);
}

static void test_trickle(void)
{
    struct pair p;
    pair_open(&p);
    p.step = 1;
    uint8_t payload[3000] = {7};
    echo_request r = REQUEST_INIT;
    r.text = "slow";
    set_payload(&r, payload, sizeof(payload));
    struct seen s = {0};
    CHECK_INT(pair_unary(&p, ECHO_UNARY, &r, &s).code, ERR_NONE);
    CHECK_STR(s.text, "slow");
    CHECK_INT(s.payload_bytes, sizeof(payload));
    s = (struct seen){0};
    r.count = 20;
    CHECK_INT(pair_unary(&p, ECHO_SERVER_STREAM, &r, &s).code, ERR_NONE);
    CHECK_INT(s.n_messages, 20);
    pair_close(&p);
}

static void test_connection_lost(void)
{
    struct pair p;
    pair_open(&p);
    struct seen s[3] = {{0}};
    struct rpc_call *calls[3];
    for (int i = 0; i < 3; i++)
        calls[i] = pair_start(&p, ECHO_BIDI, NULL, NULL, &s[i]);
    pair_run(&p);
    struct err why;
    err_set(&why, ERR_CANCELLED, "the client went away");
    wire_conn_close(p.server, &why);
    CHECK_INT(p.stats.n_closed, 3);
    err_set(&why, ERR_INTERNAL, "connection reset");
    rpc_client_lost(p.client, &why);
    for (int i = 0; i < 3; i++) {
        CHECK_INT(s[i].n_closed, 1);
        CHECK_INT(s[i].status.code, ERR_UNAVAILABLE);
        CHECK_STR(s[i].status.message, "connection reset");
        CHECK(rpc_call_peer(calls[i]) != NULL);
        rpc_call_unref(calls[i]);
    }
    echo_request r = REQUEST_INIT;
    CHECK(!pair_start(&p, ECHO_UNARY, NULL, &r, &s[0]));
    pair_close(&p);
}

static void test_drain(void)
{
    struct pair p;
    pair_open(&p);
    struct seen s = {0};
    struct rpc_call *call = pair_start(&p, ECHO_BIDI, NULL, NULL, &s);
    pair_run(&p);
    wire_conn_drain(p.server);
    pair_run(&p);
    CHECK(rpc_client_draining(p.client));
    CHECK(!wire_conn_is_finished(p.server));
    echo_request r = REQUEST_INIT;
    CHECK(!pair_start(&p, ECHO_UNARY, NULL, &r, &s));
    CHECK_INT(p.client_err.code, ERR_UNAVAILABLE);
    rpc_call_half_close(call);
    pair_run(&p);
    CHECK_INT(s.status.code, ERR_NONE);
    CHECK_INT(s.n_closed, 1);
    CHECK(wire_conn_is_finished(p.server));
    rpc_call_unref(call);
    pair_close(&p);
}

int main(void)
{
    RUN(test_unary);
    RUN(test_status_details);
    RUN(test_refusals);
    RUN(test_server_stream);
    RUN(test_client_stream);
    RUN(test_bidi);
    RUN(test_cancel);
    RUN(test_early_answer);
    RUN(test_deadline_on_server);
    RUN(test_deadline_on_client);
    RUN(test_reset_at_deadline);
    RUN(test_metadata);
    RUN(test_more_metadata_than_the_server_takes);
    RUN(test_trickle);
    RUN(test_connection_lost);
    RUN(test_drain);
    return check_end();
}
