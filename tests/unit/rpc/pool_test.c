/* What all connections keep together: beyond the total each has its share and no more. */
#include <stdlib.h>
#include <string.h>

#include "rpc/wire/stream.h"
#include "tests/support/check.h"
#include "tests/unit/rpc/pair.h"

#define REQUEST_INIT BANGER__TEST__V1__ECHO_REQUEST__INIT

enum { HALF_MESSAGE = 600 << 10, CHUNK = 4 << 10 };

static uint8_t *zeros;

static echo_request payload_request(size_t len)
{
    echo_request r = REQUEST_INIT;
    r.payload = (ProtobufCBinaryData){len, zeros};
    return r;
}

/* Two streams of a message each that is not yet whole. */
static void hold_two(struct pair *p, struct rpc_call *calls[2], struct seen seen[2])
{
    for (int i = 0; i < 2; i++) {
        echo_request r = payload_request(HALF_MESSAGE);
        calls[i] = pair_start(p, ECHO_CLIENT_STREAM, NULL, NULL, &seen[i]);
        pair_run(p);
        rpc_call_pause_reading(p->stats.last);
        CHECK_INT(rpc_call_send(calls[i], &r.base), 0);
        pair_run(p);
    }
}

static void test_held(void)
{
    struct pair p;
    struct rpc_call *calls[2];
    struct seen seen[2] = {{0}};
    pair_open(&p);
    hold_two(&p, calls, seen);
    CHECK_INT(seen[1].n_closed, 0);
    CHECK(p.server->held_bytes > 2 * HALF_MESSAGE);
    CHECK_INT(p.pool.held_bytes, p.server->held_bytes);
    for (int i = 0; i < 2; i++)
        rpc_call_unref(calls[i]);
    pair_close(&p);

    /* Others hold all there is: the first has its share, the second is too much. */
    pair_open(&p);
    p.pool.held_bytes = POOL_HELD_MAX_BYTES;
    seen[0] = seen[1] = (struct seen){0};
    hold_two(&p, calls, seen);
    CHECK_INT(seen[0].n_closed, 0);
    CHECK_INT(seen[1].n_closed, 1);
    CHECK_INT(seen[1].status.code, ERR_LIMIT);
    CHECK_CONTAINS(seen[1].status.message, "on all connections");
    CHECK(p.server->held_bytes <= POOL_SHARE_BYTES);
    for (int i = 0; i < 2; i++)
        rpc_call_unref(calls[i]);
    struct err why;
    err_set(&why, ERR_UNAVAILABLE, "over");
    wire_conn_close(p.server, &why);
    CHECK_INT(p.pool.held_bytes, POOL_HELD_MAX_BYTES);
    pair_close(&p);
}

/* Ten streams that a deaf client asked for: less is queued, and all of it comes in the end. */
static void test_queued(void)
{
    enum { STREAMS = 10, COUNT = 800 };
    for (int crowded = 0; crowded < 2; crowded++) {
        struct pair p;
        struct rpc_call *calls[STREAMS];
        struct seen seen[STREAMS] = {{0}};
        pair_open(&p);
        size_t others = crowded ? POOL_QUEUED_MAX_BYTES : 0;
        p.pool.queued_bytes = others;
        p.client_deaf = true;
        for (int i = 0; i < STREAMS; i++) {
            echo_request r = payload_request(CHUNK);
            r.count = COUNT;
            calls[i] = pair_start(&p, ECHO_SERVER_STREAM, NULL, &r, &seen[i]);
            pair_run(&p);
        }
        CHECK_INT(p.pool.queued_bytes, others + p.server->queued_bytes);
        if (crowded)
            CHECK(p.server->queued_bytes < POOL_SHARE_BYTES);
        else
            CHECK(p.server->queued_bytes > POOL_SHARE_BYTES);
        p.client_deaf = false;
        pair_run(&p);
        for (int i = 0; i < STREAMS; i++) {
            CHECK_INT(seen[i].n_messages, COUNT);
            CHECK_INT(seen[i].status.code, ERR_NONE);
            CHECK(seen[i].in_order);
            rpc_call_unref(calls[i]);
        }
        CHECK_INT(p.pool.queued_bytes, others);
        pair_close(&p);
    }
}

/* Calls that wait for their answers, each with much metadata. */
static void test_calls(void)
{
    enum { CALLS = 60, VALUE_BYTES = 6000 };
    static char value[VALUE_BYTES + 1];
    memset(value, 'v', VALUE_BYTES);
    const struct rpc_metadata metadata = {"x-large", value, VALUE_BYTES};
    const struct rpc_call_options o = {.metadata = &metadata, .n_metadata = 1};
    for (int crowded = 0; crowded < 2; crowded++) {
        struct pair p;
        struct rpc_call *calls[CALLS];
        struct seen seen[CALLS] = {{0}};
        size_t n_refused = 0, others = crowded ? POOL_CALLS_MAX_BYTES : 0;
        pair_open(&p);
        p.pool.calls_bytes = others;
        for (int i = 0; i < CALLS; i++) {
            echo_request r = REQUEST_INIT;
            r.hang = true;
            calls[i] = pair_start(&p, ECHO_UNARY, &o, &r, &seen[i]);
            pair_run(&p);
            n_refused += seen[i].n_closed;
            if (seen[i].n_closed > 0)
                CHECK_INT(seen[i].status.code, ERR_LIMIT);
        }
        size_t most = p.server->calls_bytes;
        CHECK_INT(p.pool.calls_bytes, others + most);
        if (crowded)
            CHECK(n_refused > CALLS / 2 && n_refused < CALLS && most < 2 * POOL_CALLS_SHARE_BYTES);
        else
            CHECK(n_refused == 0 && most > CALLS * VALUE_BYTES);
        for (int i = 0; i < CALLS; i++)
            rpc_call_cancel(calls[i]);
        pair_run(&p);
        CHECK_INT(p.server->calls_bytes, 0);
        CHECK_INT(p.pool.calls_bytes, others);
        for (struct list *l = p.pool.calls.next; l != &p.pool.calls; l = l->next)
            CHECK(container_of(l, struct rpc_call, link)->metadata.entries.cap < VALUE_BYTES);
        for (int i = 0; i < CALLS; i++)
            rpc_call_unref(calls[i]);
        pair_close(&p);
    }
}

/* What handlers hold on to is not of a connection any more that is closed. */
static void test_calls_of_a_closed_connection(void)
{
    struct pair p;
    struct seen s = {0};
    echo_request r = REQUEST_INIT;
    pair_open(&p);
    r.hang = true;
    struct rpc_call *call = pair_start(&p, ECHO_UNARY, NULL, &r, &s);
    pair_run(&p);
    struct rpc_call *held = rpc_call_ref(p.stats.last);
    CHECK(p.pool.calls_bytes > 0);
    struct err why;
    err_set(&why, ERR_UNAVAILABLE, "over");
    wire_conn_close(p.server, &why);
    CHECK_INT(p.pool.calls_bytes, 0);
    rpc_call_unref(held);
    CHECK_INT(p.pool.calls_bytes, 0);
    rpc_call_unref(call);
    pair_close(&p);
}

int main(void)
{
    zeros = calloc(1, HALF_MESSAGE);
    RUN(test_held);
    RUN(test_queued);
    RUN(test_calls);
    RUN(test_calls_of_a_closed_connection);
    free(zeros);
    return check_end();
}
