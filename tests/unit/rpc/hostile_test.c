/* Hostile peers at a server's connection, with buffers only: each attack is named, ends where it
 * should, and costs bounded memory; what merely looks like one goes through. */
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "rpc/wire/stream.h"
#include "tests/support/attacks.h"
#include "tests/support/check.h"
#include "tests/unit/rpc/pair.h"

#define REQUEST_INIT BANGER__TEST__V1__ECHO_REQUEST__INIT
#define UNARY        "/banger.test.v1.EchoService/Unary"
#define STREAM       "/banger.test.v1.EchoService/ClientStream"

enum {
    CHUNK_BYTES = 64 << 10,
    MEMORY_MAX_BYTES = 24 << 20, /* a decoded message may have four times 4 MiB */
    ANSWERS_MAX_BYTES = 1 << 20,
};

#if defined(__SANITIZE_ADDRESS__)
size_t __sanitizer_get_current_allocated_bytes(void);
#define ALLOCATED_BYTES() __sanitizer_get_current_allocated_bytes()
#else
#define ALLOCATED_BYTES() mallinfo2().uordblks
#endif

static void check_attack(const struct attack *a)
{
    struct raw r = {0};
    struct pair p;
    a->make(&r);
    pair_open(&p);
    size_t before = ALLOCATED_BYTES(), most = before, answers = 0, at = 0;
    bool ended = false;
    while (at < r.len && !ended) {
        size_t n = r.len - at < CHUNK_BYTES ? r.len - at : CHUNK_BYTES;
        p.server_broken = wire_conn_receive(p.server, r.data + at, n, &p.server_err) < 0;
        at += n;
        most = ALLOCATED_BYTES() > most ? ALLOCATED_BYTES() : most;
        CHECK(p.server->n_calls <= p.server->limits.max_streams);
        if (!p.server_broken)
            answers += pair_pull_server(&p, SIZE_MAX);
        ended = p.server_broken || wire_conn_is_finished(p.server);
    }
    printf("     %-28s %8zu of %8zu bytes, %6zu KiB at most, %6zu answered: %s\n", a->name, at,
           r.len, (most - before) >> 10, answers, p.server->fault);
    CHECK_INT(ended, a->ends);
    CHECK_CONTAINS(p.server->fault, a->reason);
    CHECK(p.server->fault[0] != '\0');
    CHECK(most - before < MEMORY_MAX_BYTES);
    CHECK(answers < ANSWERS_MAX_BYTES);
    if (p.server_broken) {
        struct buf words;
        buf_init(&words, 1024);
        wire_conn_last_words(p.server, &p.server_err, &words);
        CHECK(buf_len(&words) > 17 && buf_data(&words)[3] == NGHTTP2_GOAWAY);
        buf_done(&words);
    }
    raw_done(&r);
    pair_close(&p);
    CHECK_INT(p.stats.n_started, p.stats.n_closed);
}

static void test_attacks(void)
{
    for (const struct attack *a = attacks; a->name; a++)
        check_attack(a);
}

static void feed(struct pair *p, struct raw *r)
{
    CHECK_INT(wire_conn_receive(p->server, r->data, r->len, &p->server_err), 0);
    pair_pull_server(p, SIZE_MAX);
    r->len = 0;
}

static void check_lives(struct pair *p)
{
    CHECK(!wire_conn_is_finished(p->server));
    CHECK_STR(p->server->fault, "");
}

/* A busy honest client: many calls cancelled, window updates and pings between, headers close to
 * their limit. */
static void test_honest(void)
{
    struct pair p;
    struct raw r;
    pair_open(&p);
    raw_begin(&r);
    for (uint32_t i = 0; i < 900; i++) {
        raw_headers(&r, 2 * i + 1, STREAM);
        for (int k = 0; k < 3; k++)
            raw_frame(&r, RAW_WINDOW_UPDATE, 0, 2 * i + 1, "\0\0\1\0", 4);
        raw_frame(&r, RAW_PING, 0, 0, "01234567", 8);
        raw_reset(&r, 2 * i + 1);
        feed(&p, &r);
    }
    check_lives(&p);
    CHECK_INT(p.stats.n_closed, 900);
    raw_done(&r);
    pair_close(&p);
}

/* Answered calls may be reset as often as one likes: the answer was under way. */
static void test_late_resets(void)
{
    struct pair p;
    struct raw r;
    pair_open(&p);
    raw_begin(&r);
    for (uint32_t i = 0; i < 5000; i++) {
        raw_headers(&r, 2 * i + 1, "/banger.test.v1.EchoService/None");
        raw_reset(&r, 2 * i + 1);
        feed(&p, &r);
    }
    check_lives(&p);
    raw_done(&r);
    pair_close(&p);
}

/* Refused because there are too many at once: clients that have not seen our SETTINGS yet take it
 * that a hundred may be. */
static void test_refused_streams(void)
{
    struct pair p;
    struct raw r;
    pair_open(&p);
    raw_begin(&r);
    for (uint32_t i = 0; i < p.server->limits.max_streams + 50; i++)
        raw_headers(&r, 2 * i + 1, STREAM);
    feed(&p, &r);
    check_lives(&p);
    CHECK_INT(p.server->n_calls, p.server->limits.max_streams);
    raw_done(&r);
    pair_close(&p);
}

/* Feeds it large headers of new streams until it ends, and tells how much that took. */
static void check_blocks_end_it(struct pair *p, struct raw *r, uint32_t first)
{
    static uint8_t block[15000];
    size_t at = 0;
    memset(block, 0x83, sizeof(block)); /* of HPACK's static table */
    r->len = 0;
    for (uint32_t i = 0; i < 200; i++)
        raw_frame(r, RAW_HEADERS, RAW_END_HEADERS, first + 2 * i, block, sizeof(block));
    while (at < r->len && !wire_conn_is_finished(p->server)) {
        size_t n = r->len - at < CHUNK_BYTES ? r->len - at : CHUNK_BYTES;
        CHECK_INT(wire_conn_receive(p->server, r->data + at, n, &p->server_err), 0);
        pair_pull_server(p, SIZE_MAX);
        at += n;
    }
    CHECK(wire_conn_is_finished(p->server));
    CHECK(at <= 2 * CHUNK_BYTES);
    CHECK_CONTAINS(p->server->fault, "too many frames that do nothing");
}

/* Who never takes note of our SETTINGS is refused one by one. */
static void test_large_headers_of_refused_streams(void)
{
    struct pair p;
    struct raw r;
    pair_open(&p);
    uint32_t n = p.server->limits.max_streams;
    raw_begin(&r);
    for (uint32_t i = 0; i < n; i++)
        raw_headers(&r, 2 * i + 1, STREAM);
    feed(&p, &r);
    check_lives(&p);
    check_blocks_end_it(&p, &r, 2 * n + 1);
    raw_done(&r);
    pair_close(&p);
}

/* While the calls from before end, what comes is dropped. */
static void test_headers_after_our_goaway(void)
{
    struct pair p;
    struct raw r;
    pair_open(&p);
    raw_begin(&r);
    raw_headers(&r, 1, STREAM);
    feed(&p, &r);
    wire_conn_drain(p.server);
    raw_frame(&r, RAW_PING, RAW_ACK, 0, "drained?", 8);
    feed(&p, &r);
    for (uint32_t i = 1; i < 100; i++) /* who had not heard of it yet */
        raw_headers(&r, 2 * i + 1, STREAM);
    feed(&p, &r);
    check_lives(&p);
    CHECK_INT(p.server->n_calls, 1);
    check_blocks_end_it(&p, &r, 201);
    raw_done(&r);
    pair_close(&p);
}

/* Blocks of no length, of streams that are gone: a frame is a frame. */
static void test_empty_headers_of_no_call(void)
{
    struct pair p;
    struct raw r;
    pair_open(&p);
    raw_begin(&r);
    raw_headers(&r, 1, STREAM);
    feed(&p, &r);
    wire_conn_drain(p.server);
    raw_frame(&r, RAW_PING, RAW_ACK, 0, "drained?", 8);
    feed(&p, &r);
    for (uint32_t i = 1; i < 200000; i++)
        raw_frame(&r, RAW_HEADERS, RAW_END_HEADERS, 2 * i + 1, "", 0);
    for (size_t at = 0; at < r.len && !wire_conn_is_finished(p.server); at += CHUNK_BYTES) {
        size_t n = r.len - at < CHUNK_BYTES ? r.len - at : CHUNK_BYTES;
        CHECK_INT(wire_conn_receive(p.server, r.data + at, n, &p.server_err), 0);
        pair_pull_server(&p, SIZE_MAX);
    }
    CHECK(wire_conn_is_finished(p.server));
    CHECK_CONTAINS(p.server->fault, "too many frames that do nothing");
    raw_done(&r);
    pair_close(&p);
}

/* Each moves the windows of all streams, however well the peer reads what we answer. */
static void test_settings_cost_by_the_streams_they_move(void)
{
    enum { STREAMS = 100, MOST = 1000 };
    struct pair p;
    struct raw r;
    int n = 0;
    pair_open(&p);
    raw_begin(&r);
    raw_accept(&r);
    for (uint32_t i = 0; i < STREAMS; i++)
        raw_headers(&r, 2 * i + 1, STREAM);
    feed(&p, &r);
    check_lives(&p);
    for (; n < MOST && !wire_conn_is_finished(p.server); n++) {
        raw_frame(&r, RAW_SETTINGS, 0, 0, n % 2 ? "\0\4\0\0\xff\xff" : "\0\4\0\1\xff\xff", 6);
        feed(&p, &r);
    }
    CHECK(n > 100 && n < MOST);
    CHECK_CONTAINS(p.server->fault, "too many frames that do nothing");
    raw_done(&r);
    pair_close(&p);
}

/* A stream that we reset, while the peer does not read that. */
static void test_headers_before_our_reset_is_read(void)
{
    struct pair p;
    struct raw r;
    static uint8_t block[15000];
    pair_open(&p);
    raw_begin(&r);
    raw_headers(&r, 1, STREAM);
    feed(&p, &r);
    raw_frame(&r, RAW_WINDOW_UPDATE, 0, 1, "\x7f\xff\xff\xff", 4);
    memset(block, 0x83, sizeof(block));
    for (uint32_t i = 0; i < 20; i++)
        raw_frame(&r, RAW_HEADERS, RAW_END_HEADERS, 1, block, sizeof(block));
    for (size_t at = 0; at < r.len; at += CHUNK_BYTES)
        CHECK_INT(wire_conn_receive(p.server, r.data + at,
                                    r.len - at < CHUNK_BYTES ? r.len - at : CHUNK_BYTES,
                                    &p.server_err),
                  0);
    pair_pull_server(&p, SIZE_MAX);
    CHECK(wire_conn_is_finished(p.server));
    CHECK_CONTAINS(p.server->fault, "too many frames that do nothing");
    raw_done(&r);
    pair_close(&p);
}

/* Only the first fault is kept. */
static void test_named_once(void)
{
    struct pair p;
    struct raw r;
    pair_open(&p);
    raw_begin(&r);
    raw_headers(&r, 1, UNARY);
    raw_message(&r, 1, UINT32_MAX, 10);
    raw_headers(&r, 3, STREAM);
    raw_message(&r, 3, UINT32_MAX - 1, 10);
    feed(&p, &r);
    CHECK_STR(p.server->fault,
              UNARY ": a message of 4294967295 bytes is over the limit of 4194304");
    CHECK(!wire_conn_is_finished(p.server));
    raw_done(&r);
    pair_close(&p);
}

/* A request of one message that never ends, and one in pieces that may take its time. */
static void test_request_timeout(void)
{
    struct pair p;
    struct raw r;
    pair_open(&p);
    p.server->limits.request_timeout_ms = 1000;
    raw_begin(&r);
    raw_headers(&r, 1, UNARY);
    raw_message(&r, 1, 100000, 10);
    raw_headers(&r, 3, STREAM);
    raw_headers_and(&r, 5, UNARY, "grpc-timeout", "10m");
    raw_message(&r, 5, 100000, 10);
    feed(&p, &r);
    CHECK_INT(p.server->n_calls, 3);
    deadlines_run(&p.deadlines, p.server->now_ms + 5);
    check_lives(&p);
    deadlines_run(&p.deadlines, p.server->now_ms + 10);
    CHECK_CONTAINS(p.server->fault, "Unary: the request did not end in time");
    deadlines_run(&p.deadlines, p.server->now_ms + 1001);
    CHECK(pair_pull_server(&p, SIZE_MAX) > 0);
    CHECK_INT(p.server->n_calls - p.server->n_lingering, 1);
    for (int i = 0; i < 2; i++) {
        deadlines_run(&p.deadlines, p.server->now_ms + 1000000);
        (void)pair_pull_server(&p, SIZE_MAX);
    }
    CHECK_INT(p.server->n_calls, 1);
    CHECK(!wire_conn_is_finished(p.server));
    raw_done(&r);
    pair_close(&p);
}

/* The time of a call begins anew when its request is whole: the call's own deadline counts. */
static void test_deadline_after_request(void)
{
    struct pair p;
    pair_open(&p);
    p.server->limits.request_timeout_ms = 10;
    echo_request r = REQUEST_INIT;
    struct seen s = {0};
    const struct rpc_call_options o = {.timeout_ms = 5000};
    r.hang = true;
    struct rpc_call *call = pair_start(&p, ECHO_UNARY, &o, &r, &s);
    pair_run(&p);
    int64_t now = p.server->now_ms;
    deadlines_run(&p.deadlines, now + 4000);
    CHECK_INT(p.stats.n_closed, 0);
    CHECK_INT(rpc_call_deadline_ms(p.stats.last), deadlines_next_ms(&p.deadlines));
    deadlines_run(&p.deadlines, now + 5001);
    CHECK_INT(p.stats.n_closed, 1);
    CHECK_INT(p.stats.last_code, ERR_DEADLINE);
    check_lives(&p);
    pair_run(&p);
    CHECK_INT(s.status.code, ERR_DEADLINE);
    rpc_call_unref(call);
    pair_close(&p);
}

int main(void)
{
    RUN(test_attacks);
    RUN(test_honest);
    RUN(test_late_resets);
    RUN(test_refused_streams);
    RUN(test_large_headers_of_refused_streams);
    RUN(test_headers_after_our_goaway);
    RUN(test_empty_headers_of_no_call);
    RUN(test_settings_cost_by_the_streams_they_move);
    RUN(test_headers_before_our_reset_is_read);
    RUN(test_named_once);
    RUN(test_request_timeout);
    RUN(test_deadline_after_request);
    return check_end();
}
