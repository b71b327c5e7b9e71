/* Compressed messages that unpack to far more: they wait for their connection's budget and for that
 * of all, and are answered in the end, in order; usual ones never wait. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "rpc/wire/stream.h"
#include "tests/support/check.h"
#include "tests/unit/rpc/pair.h"

#define REQUEST_INIT BANGER__TEST__V1__ECHO_REQUEST__INIT

enum { BIG = 1 << 20, USUAL = 100000, N = 12, RATE_MS = 8 << 10 };

static uint8_t *zeros, *noise;

static struct rpc_call *start(struct pair *p, uint8_t *payload, size_t len, struct seen *s)
{
    const struct rpc_call_options o = {.compress = true, .timeout_ms = -1};
    echo_request r = REQUEST_INIT;
    r.payload = (ProtobufCBinaryData){len, payload};
    return pair_start(p, ECHO_UNARY, &o, &r, s);
}

/* Lets the server's time pass until nothing waits any more; returns what it is then. */
static int64_t pass_time(struct pair *p)
{
    int64_t at = clock_mono_ms();
    while (!list_empty(&p->server->starved)) {
        at = p->server->unpack_again.at_ms;
        deadlines_run(&p->deadlines, at);
        pair_run(p);
    }
    return at > clock_mono_ms() ? at : clock_mono_ms();
}

static void test_bombs_wait(void)
{
    struct pair p;
    struct rpc_call *calls[N];
    struct seen seen[N] = {{0}};
    pair_open(&p);
    int64_t begun = clock_mono_ms();
    for (int i = 0; i < N; i++)
        calls[i] = start(&p, zeros, BIG, &seen[i]);
    pair_run(&p);
    int64_t ms = pass_time(&p) - begun;
    printf("     %d MiB in %lld ms\n", N, (long long)ms);
    CHECK_INT(p.stats.n_compressed, N);
    CHECK(ms >= (N - 2) * (int64_t)(BIG - (32 << 10)) / RATE_MS); /* the burst, and the last */
    for (int i = 0; i < N; i++) {
        CHECK_INT(seen[i].status.code, ERR_NONE);
        CHECK_INT(seen[i].payload_bytes, BIG);
        rpc_call_unref(calls[i]);
    }
    CHECK_INT(p.server->held_bytes, 0);
    CHECK_STR(p.server->fault, "");
    pair_close(&p);
}

static void test_usual_messages_do_not_wait(void)
{
    struct pair p;
    pair_open(&p);
    for (int i = 0; i < 100; i++) {
        struct seen s = {0};
        struct rpc_call *call = start(&p, noise, USUAL, &s);
        pair_run(&p);
        CHECK_INT(s.status.code, ERR_NONE);
        CHECK_INT(s.n_closed, 1);
        rpc_call_unref(call);
    }
    CHECK_INT(p.stats.n_compressed, 100);
    pair_close(&p);
}

/* What one unpacks is taken from what all may. */
static void test_all_pay(void)
{
    enum { ALL = 2 << 20 };
    struct pair p;
    struct seen s = {0};
    pair_open(&p);
    p.pool.unpack = (struct unpack_budget){ALL, clock_mono_ms() + 3600000};
    struct rpc_call *call = start(&p, zeros, BIG, &s);
    pair_run(&p);
    CHECK_INT(s.n_closed, 1);
    CHECK(p.pool.unpack.left_bytes < ALL - BIG / 2);
    rpc_call_unref(call);
    pair_close(&p);
}

/* Others have used up what all may. */
static void test_all_together(void)
{
    struct pair p;
    struct seen s = {0};
    pair_open(&p);
    int64_t begun = clock_mono_ms();
    p.pool.unpack = (struct unpack_budget){-(4 << 20), begun};
    struct rpc_call *call = start(&p, zeros, 100000, &s);
    pair_run(&p);
    CHECK(pass_time(&p) - begun >= 256);
    CHECK_INT(s.n_closed, 1);
    CHECK_INT(s.status.code, ERR_NONE);
    rpc_call_unref(call);
    pair_close(&p);
}

/* Another connection of the same server, with what they share. */
static void open_beside(struct pair *p, const struct pair *first)
{
    pair_open(p);
    p->server->pool = (struct wire_pool *)(uintptr_t)&first->pool;
    p->server->deadlines = (struct deadlines *)(uintptr_t)&first->deadlines;
}

static void close_beside(struct pair *p)
{
    struct err why = {.code = ERR_CANCELLED};
    wire_conn_close(p->server, &why);
    pair_close(p);
}

/* The pool's time: all may unpack again. */
static void refill(struct pair *p)
{
    p->pool.unpack = (struct unpack_budget){1, clock_mono_ms()};
}

/* Who comes when there is something again does not go ahead of who waits, however often. */
static void test_nobody_is_overtaken(void)
{
    struct pair first, second;
    struct seen early = {0}, late = {0};
    pair_open(&first);
    open_beside(&second, &first);
    first.pool.unpack = (struct unpack_budget){-(64 << 20), clock_mono_ms()};
    struct rpc_call *a = start(&first, zeros, BIG, &early);
    pair_run(&first);
    CHECK(!list_empty(&first.server->starved));
    refill(&first);
    struct rpc_call *b = start(&second, zeros, BIG, &late);
    pair_run(&second);
    CHECK_INT(late.n_closed, 0);
    deadlines_run(&first.deadlines, first.server->unpack_again.at_ms);
    pair_run(&first);
    CHECK_INT(early.n_closed, 1);
    refill(&first);
    deadlines_run(&first.deadlines, second.server->unpack_again.at_ms);
    pair_run(&second);
    CHECK_INT(late.n_closed, 1);
    CHECK_INT(early.status.code + late.status.code, ERR_NONE);
    rpc_call_unref(a);
    rpc_call_unref(b);
    close_beside(&second);
    pair_close(&first);
}

/* Many messages on one connection, one on each of the others: these wait for one of it, not for
 * all. */
static void test_connections_take_turns(void)
{
    enum { MANY = 6, SMALL = 64 << 10 };
    struct pair p[3];
    struct seen seen[MANY] = {{0}}, other[2] = {{0}};
    struct rpc_call *calls[MANY], *others[2];
    size_t turns = 0;
    pair_open(&p[0]);
    for (int i = 1; i < 3; i++)
        open_beside(&p[i], &p[0]);
    p[0].pool.unpack = (struct unpack_budget){-(64 << 20), clock_mono_ms()};
    for (int i = 0; i < MANY; i++)
        calls[i] = start(&p[0], zeros, SMALL, &seen[i]);
    pair_run(&p[0]);
    for (int i = 0; i < 2; i++) {
        others[i] = start(&p[i + 1], zeros, SMALL, &other[i]);
        pair_run(&p[i + 1]);
    }
    for (; turns < 3 && other[1].n_closed == 0; turns++) {
        p[0].pool.unpack = (struct unpack_budget){1, clock_mono_ms() + 3600000};
        deadlines_run(&p[0].deadlines, deadlines_next_ms(&p[0].deadlines));
        for (int i = 0; i < 3; i++)
            pair_run(&p[i]);
    }
    CHECK_INT(turns, 3);
    CHECK_INT(other[0].n_closed + other[1].n_closed, 2);
    CHECK_INT(seen[0].n_closed, 1);
    CHECK_INT(seen[1].n_closed, 0);
    /* One that is lost as it waits first keeps nobody. */
    close_beside(&p[2]);
    struct err why = {.code = ERR_CANCELLED};
    rpc_call_unref(others[0]);
    other[0] = (struct seen){0};
    others[0] = start(&p[1], zeros, SMALL, &other[0]);
    pair_run(&p[1]);
    CHECK_INT(other[0].n_closed, 0);
    wire_conn_close(p[0].server, &why);
    refill(&p[0]);
    CHECK(deadlines_next_ms(&p[0].deadlines) != INT64_MAX);
    deadlines_run(&p[0].deadlines, deadlines_next_ms(&p[0].deadlines));
    pair_run(&p[1]);
    CHECK_INT(other[0].n_closed, 1);
    for (int i = 0; i < MANY; i++)
        rpc_call_unref(calls[i]);
    for (int i = 0; i < 2; i++)
        rpc_call_unref(others[i]);
    close_beside(&p[1]);
    pair_close(&p[0]);
}

static void test_a_stream_keeps_its_order(void)
{
    struct pair p;
    struct seen s = {0};
    echo_request r = REQUEST_INIT;
    const struct rpc_call_options o = {.compress = true};
    pair_open(&p);
    p.pool.unpack = (struct unpack_budget){-(64 << 20), clock_mono_ms()};
    struct rpc_call *call = pair_start(&p, ECHO_BIDI, &o, NULL, &s);
    for (int i = 0; i < 10; i++) {
        r.payload = (ProtobufCBinaryData){i % 2 ? 10 : BIG, zeros};
        CHECK_INT(rpc_call_set_compression(call, i % 2 == 0), 0);
        CHECK_INT(rpc_call_send(call, &r.base), 0);
    }
    rpc_call_half_close(call);
    pair_run(&p);
    CHECK(s.n_messages < 10);
    CHECK_INT(s.n_closed, 0);
    (void)pass_time(&p);
    CHECK_INT(s.n_messages, 10);
    CHECK(s.in_order);
    CHECK_INT(s.n_closed, 1);
    rpc_call_unref(call);
    pair_close(&p);
}

/* Two bytes each, and a struct of its own in memory: in its turn, as what is compressed. */
static void test_messages_that_decode_to_far_more(void)
{
    enum { LEAVES = 100000 };
    struct pair p;
    struct seen s = {0};
    Banger__Test__V1__Leaf leaf = BANGER__TEST__V1__LEAF__INIT;
    Banger__Test__V1__Nested nested = BANGER__TEST__V1__NESTED__INIT;
    echo_request r = REQUEST_INIT;
    const struct rpc_call_options o = {.timeout_ms = -1};
    pair_open(&p);
    int64_t begun = clock_mono_ms();
    p.pool.unpack = (struct unpack_budget){-(64 << 20), begun};
    nested.leaves = calloc(LEAVES, sizeof(*nested.leaves));
    for (int i = 0; i < LEAVES; i++)
        nested.leaves[i] = &leaf;
    nested.n_leaves = LEAVES;
    r.nested = &nested;
    r.text = "heavy";
    struct rpc_call *call = pair_start(&p, ECHO_UNARY, &o, &r, &s);
    pair_run(&p);
    CHECK_INT(s.n_closed, 0);
    CHECK(pass_time(&p) - begun >= 4000);
    CHECK_INT(s.status.code, ERR_NONE);
    CHECK_STR(s.text, "heavy");
    CHECK(p.pool.unpack.left_bytes < 2 << 20);
    /* Light ones do not wait. */
    struct seen light = {0};
    p.pool.unpack = (struct unpack_budget){-(64 << 20), clock_mono_ms()};
    nested.n_leaves = 1000;
    CHECK_INT(pair_unary(&p, ECHO_UNARY, &r, &light).code, ERR_NONE);
    CHECK_STR(light.text, "heavy");
    free(nested.leaves);
    rpc_call_unref(call);
    pair_close(&p);
}

/* Cancelled, past its deadline, or lost with its connection while it waits. */
static void test_ends_while_it_waits(void)
{
    for (int how = 0; how < 3; how++) {
        struct pair p;
        struct seen s = {0};
        pair_open(&p);
        p.pool.unpack = (struct unpack_budget){-(1 << 30), clock_mono_ms()};
        struct rpc_call *call = start(&p, zeros, BIG, &s);
        pair_run(&p);
        CHECK(!list_empty(&p.server->starved));
        if (how == 0)
            rpc_call_cancel(call);
        else if (how == 1)
            rpc_call_finish(
                container_of(list_first(&p.server->starved), struct rpc_call, starved_link),
                &(struct err){.code = ERR_DEADLINE});
        if (how < 2) {
            pair_run(&p);
            CHECK_INT(s.n_closed, 1);
            CHECK_INT(p.server->held_bytes, 0);
        }
        rpc_call_unref(call);
        pair_close(&p);
    }
}

int main(void)
{
    zeros = calloc(1, BIG);
    noise = malloc(USUAL);
    uint32_t x = 1;
    for (size_t i = 0; i < USUAL; i++) {
        x = x * 1103515245 + 12345;
        noise[i] = "abcdefghijklmnopqrstuvwxyz012345"[x >> 27]; /* five bits of eight */
    }
    RUN(test_bombs_wait);
    RUN(test_usual_messages_do_not_wait);
    RUN(test_all_pay);
    RUN(test_all_together);
    RUN(test_nobody_is_overtaken);
    RUN(test_connections_take_turns);
    RUN(test_a_stream_keeps_its_order);
    RUN(test_messages_that_decode_to_far_more);
    RUN(test_ends_while_it_waits);
    free(zeros);
    free(noise);
    return check_end();
}
