/* Quiet streams: the response's headers come when they begin, and signs of life where the client
 * asks for them, in both directions; neither side's handlers see those. */
#include <string.h>

#include "base/clock.h"
#include "rpc/wire/alive.h"
#include "rpc/wire/stream.h"
#include "tests/support/check.h"
#include "tests/support/raw_http2.h"
#include "tests/unit/rpc/pair.h"

#define REQUEST_INIT BANGER__TEST__V1__ECHO_REQUEST__INIT

enum { ALIVE_MS = 5000 };

static struct rpc_call *start(struct pair *p, int method, int64_t alive_ms, struct seen *s)
{
    const struct rpc_call_options o = {.timeout_ms = -1, .alive_ms = alive_ms};
    struct rpc_call *call = pair_start(p, method, &o, NULL, s);
    pair_run(p);
    return call;
}

/* Both sides' time: ms have passed. Returns the bytes that each sent for it. */
static void pass(struct pair *p, struct rpc_call *call, int64_t ms, uint64_t *up, uint64_t *down)
{
    int64_t now = clock_mono_ms();
    *up = p->server->bytes_in;
    *down = p->server->bytes_out;
    deadlines_run(&p->deadlines, now + ms);
    deadlines_run(call->conn->deadlines, now + ms);
    pair_run(p);
    *up = p->server->bytes_in - *up;
    *down = p->server->bytes_out - *down;
}

static void test_headers_come_when_it_begins(void)
{
    struct pair p;
    struct seen s = {0};
    pair_open(&p);
    struct rpc_call *call = start(&p, ECHO_BIDI, 0, &s);
    CHECK_INT(call->http_status, 200);
    CHECK_INT(s.n_closed, 0);
    rpc_call_unref(call);
    /* A method that answers with one message answers as a whole. */
    call = start(&p, ECHO_CLIENT_STREAM, 0, &s);
    CHECK_INT(call->http_status, 0);
    rpc_call_unref(call);
    pair_close(&p);
}

static void test_both_say_that_they_live(void)
{
    struct pair p;
    struct seen s = {0};
    uint64_t up, down;
    pair_open(&p);
    struct rpc_call *call = start(&p, ECHO_BIDI, ALIVE_MS, &s);
    CHECK_STR(rpc_call_metadata(p.stats.last, ALIVE_HEADER, NULL) ? "there" : "", "");
    for (int i = 0; i < 3; i++) {
        pass(&p, call, ALIVE_MS - 100, &up, &down);
        CHECK_INT(up + down, 0);
        pass(&p, call, ALIVE_MS + 100, &up, &down);
        CHECK(up >= 14 && down >= 14); /* a frame of five bytes each */
    }
    CHECK_INT(s.n_messages, 0);
    echo_request r = REQUEST_INIT;
    r.text = "x";
    CHECK_INT(rpc_call_send(call, &r.base), 0);
    pair_run(&p);
    CHECK_INT(s.n_messages, 1);
    CHECK_INT(s.last_seq, 1); /* nor did the server's handler see any */
    pass(&p, call, ALIVE_MS + 100, &up, &down);
    CHECK_INT(up + down, 0); /* both had spoken */
    pass(&p, call, ALIVE_MS + 100, &up, &down);
    CHECK(up >= 14 && down >= 14);
    rpc_call_half_close(call);
    pair_run(&p);
    CHECK_INT(s.n_closed, 1);
    CHECK_INT(s.status.code, ERR_NONE);
    pass(&p, call, ALIVE_MS + 100, &up, &down);
    CHECK_INT(up + down, 0);
    rpc_call_unref(call);
    pair_close(&p);
}

/* Only in the direction that streams. */
static void test_one_direction(void)
{
    struct pair p;
    struct seen s = {0};
    uint64_t up, down;
    pair_open(&p);
    struct rpc_call *call = start(&p, ECHO_CLIENT_STREAM, ALIVE_MS, &s);
    pass(&p, call, ALIVE_MS + 100, &up, &down);
    CHECK_INT(down, 0);
    rpc_call_half_close(call);
    pair_run(&p);
    CHECK_INT(s.n_messages, 1);
    CHECK_INT(s.status.code, ERR_NONE);
    rpc_call_unref(call);
    pair_close(&p);
}

/* Nobody asked: nothing is said, and empty messages are messages. */
static void test_not_asked_for(void)
{
    struct pair p;
    struct seen s = {0};
    uint64_t up, down;
    pair_open(&p);
    struct rpc_call *call = start(&p, ECHO_BIDI, 0, &s);
    pass(&p, call, 2 * ALIVE_MS, &up, &down);
    CHECK_INT(up + down, 0);
    echo_request r = REQUEST_INIT;
    CHECK_INT(rpc_call_send(call, &r.base), 0);
    pair_run(&p);
    CHECK_INT(s.n_messages, 1);
    rpc_call_unref(call);
    pair_close(&p);
}

/* A response's headers, with or without our word, and an empty message behind them. */
static size_t answer_empty(bool agrees)
{
    static const uint8_t agreed[] = "\0\x0f" ALIVE_HEADER "\5"
                                    "20000";
    uint8_t block[64] = {0x88, 0x5f, 16}; /* 200; content-type */
    size_t n = 3 + 16;
    struct pair p;
    struct raw r = {0};
    struct seen s = {0};
    const struct rpc_call_options o = {.timeout_ms = -1, .alive_ms = ALIVE_MS};
    const uint8_t *data;
    memcpy(block + 3, "application/grpc", 16);
    if (agrees) {
        memcpy(block + n, agreed, sizeof(agreed) - 1);
        n += sizeof(agreed) - 1;
    }
    pair_open(&p);
    struct rpc_call *call = pair_start(&p, ECHO_BIDI, &o, NULL, &s);
    while (rpc_client_output(p.client, &data, &p.client_err) > 0)
        continue;
    raw_frame(&r, RAW_SETTINGS, 0, 0, "", 0);
    raw_frame(&r, RAW_HEADERS, RAW_END_HEADERS, 1, block, n);
    raw_frame(&r, RAW_DATA, 0, 1, "\0\0\0\0\0", 5);
    CHECK_INT(rpc_client_receive(p.client, r.data, r.len, &p.client_err), 0);
    CHECK_INT(call->http_status, 200);
    rpc_call_unref(call);
    raw_done(&r);
    pair_close(&p);
    return s.n_messages;
}

/* Asked for, of a server that has never heard of it: what it says is meant. */
static void test_empty_messages_count_until_it_is_agreed(void)
{
    _Static_assert(sizeof(ALIVE_HEADER) - 1 == 0x0f, "its length is in the block");
    CHECK_INT(answer_empty(false), 1);
    CHECK_INT(answer_empty(true), 0);
}

static void test_header(void)
{
    static const struct {
        const char *text;
        int64_t ms;
    } cases[] = {
        {"20000", 20000}, {"1", ALIVE_MIN_MS}, {"999999999", ALIVE_MAX_MS}, {"", 0},
        {"20s", 0},       {"-1", 0},           {"0", ALIVE_MIN_MS},         {"9999999999", 0}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        CHECK_INT(alive_parse((const uint8_t *)cases[i].text, strlen(cases[i].text)), cases[i].ms);
}

int main(void)
{
    RUN(test_headers_come_when_it_begins);
    RUN(test_both_say_that_they_live);
    RUN(test_one_direction);
    RUN(test_not_asked_for);
    RUN(test_empty_messages_count_until_it_is_agreed);
    RUN(test_header);
    return check_end();
}
