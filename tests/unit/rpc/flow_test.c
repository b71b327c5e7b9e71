/* Flow control and bounds: what is not read stops who writes, and nobody else. */
#include <stdlib.h>
#include <string.h>

#include "rpc/wire/stream.h"
#include "tests/support/check.h"
#include "tests/unit/rpc/pair.h"

#define REQUEST_INIT BANGER__TEST__V1__ECHO_REQUEST__INIT

enum { CHUNK = 16 << 10, BIG = 3 << 20 };

static uint8_t *zeros;

static echo_request payload_request(size_t len)
{
    echo_request r = REQUEST_INIT;
    r.payload = (ProtobufCBinaryData){len, zeros};
    return r;
}

/* Three times the stream's window, both ways, also in crumbs. */
static void test_message_over_window(void)
{
    struct pair p;
    pair_open(&p);
    echo_request r = payload_request(BIG);
    struct seen s = {0};
    CHECK_INT(pair_unary(&p, ECHO_UNARY, &r, &s).code, ERR_NONE);
    CHECK_INT(s.payload_bytes, BIG);
    p.step = 777;
    s = (struct seen){0};
    CHECK_INT(pair_unary(&p, ECHO_UNARY, &r, &s).code, ERR_NONE);
    CHECK_INT(s.payload_bytes, BIG);
    CHECK_INT(p.server->held_bytes, 0);
    pair_close(&p);
}

/* Sends until the call does not want more; moves bytes in between. */
static size_t send_while_writable(struct pair *p, struct rpc_call *call, const echo_request *r)
{
    size_t total = 0;
    for (size_t before = 1; before != total;) {
        before = total;
        while (rpc_call_writable(call) && rpc_call_send(call, &r->base) == 0)
            total += r->payload.len;
        pair_run(p);
    }
    return total;
}

static void test_paused_reader_stops_writer(void)
{
    struct pair p;
    pair_open(&p);
    echo_request r = payload_request(CHUNK);
    struct seen s = {0};
    struct rpc_call *call = pair_start(&p, ECHO_CLIENT_STREAM, NULL, NULL, &s);
    pair_run(&p);
    rpc_call_pause_reading(p.stats.last);
    size_t sent = send_while_writable(&p, call, &r);
    CHECK(sent >= STREAM_WINDOW_BYTES && sent <= STREAM_WINDOW_BYTES + CALL_HIGH_BYTES + 2 * CHUNK);
    CHECK(p.server->held_bytes <= STREAM_WINDOW_BYTES);
    size_t n_before = s.n_writable;
    rpc_call_resume_reading(p.stats.last);
    pair_run(&p);
    CHECK(s.n_writable > n_before);
    CHECK_INT(p.server->held_bytes, 0);
    rpc_call_half_close(call);
    pair_run(&p);
    CHECK_INT(s.n_closed, 1);
    CHECK_INT(s.status.code, ERR_NONE);
    rpc_call_unref(call);
    pair_close(&p);
}

/* The client pauses after each message: nothing is lost, closed() comes last. */
static void test_pause_each_message(void)
{
    struct pair p;
    pair_open(&p);
    echo_request r = payload_request(CHUNK);
    r.count = 200;
    struct seen s = {.pause_each = true};
    struct rpc_call *call = pair_start(&p, ECHO_SERVER_STREAM, NULL, &r, &s);
    for (int i = 0; i < 199; i++) {
        pair_run(&p);
        CHECK_INT(s.n_messages, i + 1);
        CHECK_INT(s.n_closed, 0);
        rpc_call_resume_reading(call);
    }
    pair_run(&p);
    CHECK(s.in_order);
    CHECK_INT(s.n_messages, 200);
    CHECK_INT(s.n_closed, 1);
    CHECK_INT(s.status.code, ERR_NONE);
    rpc_call_unref(call);
    pair_close(&p);
}

/* Both sides write, none reads: both stop, with bounded queues. */
static void test_both_write_none_reads(void)
{
    struct pair p;
    pair_open(&p);
    p.client_deaf = true;
    echo_request r = payload_request(CHUNK);
    struct seen s = {0};
    struct rpc_call *call = pair_start(&p, ECHO_BIDI, NULL, NULL, &s);
    size_t sent = send_while_writable(&p, call, &r);
    CHECK(sent < 8u << 20);
    CHECK(p.server->queued_bytes <= CALL_HIGH_BYTES + 2 * CHUNK);
    CHECK(p.server->held_bytes <= STREAM_WINDOW_BYTES);
    p.client_deaf = false;
    pair_run(&p);
    rpc_call_half_close(call);
    pair_run(&p);
    CHECK_INT(s.payload_bytes, sent);
    CHECK(s.in_order);
    CHECK_INT(s.status.code, ERR_NONE);
    CHECK_INT(s.n_closed, 1);
    rpc_call_unref(call);
    pair_close(&p);
}

/* One stream is stalled in both directions beside a hundred that live. */
static void test_stalled_beside_live(void)
{
    struct pair p;
    pair_open(&p);
    echo_request r = payload_request(CHUNK);
    struct seen stalled = {0}, s[100] = {{0}};
    struct rpc_call *stall = pair_start(&p, ECHO_BIDI, NULL, NULL, &stalled), *calls[100];
    rpc_call_pause_reading(stall);
    send_while_writable(&p, stall, &r);
    for (int i = 0; i < 100; i++)
        calls[i] = pair_start(&p, ECHO_BIDI, NULL, NULL, &s[i]);
    for (int round = 0; round < 20; round++) {
        for (int i = 0; i < 100; i++)
            CHECK_INT(rpc_call_send(calls[i], &r.base), 0);
        pair_run(&p);
    }
    for (int i = 0; i < 100; i++) {
        CHECK_INT(s[i].n_messages, 20);
        rpc_call_half_close(calls[i]);
    }
    pair_run(&p);
    for (int i = 0; i < 100; i++) {
        CHECK_INT(s[i].n_closed, 1);
        rpc_call_unref(calls[i]);
    }
    CHECK_INT(stalled.n_messages, 0);
    rpc_call_resume_reading(stall);
    rpc_call_half_close(stall);
    pair_run(&p);
    CHECK_INT(stalled.n_closed, 1);
    CHECK(stalled.in_order);
    CHECK_INT(stalled.status.code, ERR_NONE);
    rpc_call_unref(stall);
    pair_close(&p);
}

/* Paused calls that hold data and are cancelled give the connection its window back. */
static void test_cancelled_give_window_back(void)
{
    struct pair p;
    pair_open(&p);
    echo_request r = payload_request(CHUNK);
    for (int i = 0; i < 40; i++) {
        struct seen s = {0};
        struct rpc_call *call = pair_start(&p, ECHO_CLIENT_STREAM, NULL, NULL, &s);
        pair_run(&p);
        rpc_call_pause_reading(p.stats.last);
        size_t sent = send_while_writable(&p, call, &r);
        CHECK(sent >= STREAM_WINDOW_BYTES);
        rpc_call_cancel(call);
        pair_run(&p);
        CHECK_INT(s.n_closed, 1);
        rpc_call_unref(call);
    }
    CHECK_INT(p.server->held_bytes, 0);
    CHECK_INT(p.stats.n_closed, 40);
    pair_close(&p);
}

/* Answers to a client that reads nothing end in RESOURCE_EXHAUSTED, not in memory. */
static void test_unread_answers_are_bounded(void)
{
    struct pair p;
    pair_open(&p);
    p.client_deaf = true;
    echo_request r = payload_request(900 << 10);
    struct seen s[60] = {{0}};
    struct rpc_call *calls[60];
    size_t at_most = p.server->limits.max_queued_bytes;
    for (int i = 0; i < 60; i++) {
        calls[i] = pair_start(&p, ECHO_UNARY, NULL, &r, &s[i]);
        pair_run(&p);
        CHECK(p.server->queued_bytes <= at_most);
    }
    p.client_deaf = false;
    pair_run(&p);
    CHECK_STR(p.server_err.message, "");
    CHECK_STR(p.client_err.message, "");
    int n_ok = 0, n_limit = 0;
    for (int i = 0; i < 60; i++) {
        CHECK_INT(s[i].n_closed, 1);
        n_ok += s[i].status.code == ERR_NONE;
        n_limit += s[i].status.code == ERR_LIMIT;
        rpc_call_unref(calls[i]);
    }
    CHECK_INT(n_ok + n_limit, 60);
    CHECK(n_ok > 0);
    pair_close(&p);
}

int main(void)
{
    zeros = calloc(1, BIG);
    RUN(test_message_over_window);
    RUN(test_paused_reader_stops_writer);
    RUN(test_pause_each_message);
    RUN(test_both_write_none_reads);
    RUN(test_stalled_beside_live);
    RUN(test_cancelled_give_window_back);
    RUN(test_unread_answers_are_bounded);
    free(zeros);
    return check_end();
}
