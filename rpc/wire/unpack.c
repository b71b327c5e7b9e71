/* Budgets for unpacking; see unpack.h. */
#include "rpc/wire/unpack.h"

#include "base/clock.h"
#include "base/err.h"
#include "rpc/wire/conn.h"
#include "rpc/wire/pool.h"
#include "rpc/wire/stream.h"

enum {
    FREE_FACTOR = 4, /* of the packed bytes: then it takes no longer than other bytes of the wire */
    CONN_BURST_BYTES = 1 << 20,
    CONN_BYTES_MS = 8 << 10, /* 8 MiB a second, at some 10 ns a byte */
    POOL_BURST_BYTES = 2 << 20,
    POOL_BYTES_MS = 16 << 10,
    WAIT_MIN_MS = 10,
};

static void budget_refill(struct unpack_budget *b, int64_t now_ms, int64_t bytes_ms, int64_t burst)
{
    int64_t ms = now_ms - b->since_ms;
    if (ms <= 0)
        return;
    b->since_ms = now_ms;
    if (ms >= (burst - b->left_bytes) / bytes_ms)
        b->left_bytes = burst;
    else
        b->left_bytes += ms * bytes_ms;
}

static void unpack_refill(struct wire_conn *conn, int64_t now_ms)
{
    budget_refill(&conn->unpack, now_ms, CONN_BYTES_MS, CONN_BURST_BYTES);
    budget_refill(&conn->pool->unpack, now_ms, POOL_BYTES_MS, POOL_BURST_BYTES);
}

/* Not ahead of those that wait for what all may. */
static bool unpack_may(const struct wire_conn *conn)
{
    return conn->unpack.left_bytes >= 0 && conn->pool->unpack.left_bytes >= 0 &&
           list_empty(&conn->pool->unpackers);
}

/* The clock of who waits first runs; that it has one already takes no memory. */
static void unpack_call_next(struct wire_pool *pool, int64_t now_ms)
{
    struct list *l = list_first(&pool->unpackers);
    struct wire_conn *conn = l ? container_of(l, struct wire_conn, unpack_link) : NULL;
    int64_t ms = pool->unpack.left_bytes < 0 ? -pool->unpack.left_bytes / POOL_BYTES_MS : 0;
    if (conn)
        (void)deadlines_set(conn->deadlines, &conn->unpack_again, now_ms + ms + 1);
}

/* For its own budget by the clock, then in its turn for that of all. */
static int unpack_wait(struct wire_conn *conn, int64_t now_ms)
{
    int64_t ms = -conn->unpack.left_bytes / CONN_BYTES_MS;
    if (conn->unpack.left_bytes < 0)
        return deadlines_set(conn->deadlines, &conn->unpack_again,
                             now_ms + (ms > WAIT_MIN_MS ? ms : WAIT_MIN_MS));
    if (deadlines_set(conn->deadlines, &conn->unpack_again, INT64_MAX) < 0)
        return -1;
    list_add_tail(&conn->pool->unpackers, &conn->unpack_link);
    if (list_first(&conn->pool->unpackers) == &conn->unpack_link)
        unpack_call_next(conn->pool, now_ms);
    return 0;
}

static void unpack_fail(struct rpc_call *call)
{
    struct err err;
    err_set(&err, ERR_LIMIT, "out of memory for a compressed message");
    call_fail(call, &err);
}

static struct rpc_call *unpack_take(struct wire_conn *conn)
{
    struct list *l = list_first(&conn->starved);
    struct rpc_call *call = container_of(l, struct rpc_call, starved_link);
    list_remove(l);
    call->starved = false;
    return call;
}

/* It asks unpack_begin again. */
static void unpack_resume(struct wire_conn *conn)
{
    struct rpc_call *call = rpc_call_ref(unpack_take(conn));
    conn->unpack_turn = true;
    call_input_resume(call);
    conn->unpack_turn = false;
    rpc_call_unref(call);
}

/* Its own budget, or its turn, has come. One message, then others' turn, if there are any. */
static void unpack_go_on(struct deadline *d)
{
    struct wire_conn *conn = container_of(d, struct wire_conn, unpack_again);
    struct wire_pool *pool = conn->pool;
    int64_t now_ms = clock_mono_ms();
    if (now_ms < d->at_ms)
        now_ms = d->at_ms;
    unpack_refill(conn, now_ms);
    if (!list_empty(&conn->unpack_link)) {
        if (pool->unpack.left_bytes < 0) {
            unpack_call_next(pool, now_ms);
            return;
        }
        list_remove(&conn->unpack_link);
        if (!list_empty(&conn->starved))
            unpack_resume(conn);
    }
    while (!list_empty(&conn->starved) && d->place == 0 && unpack_may(conn))
        unpack_resume(conn);
    if (!list_empty(&conn->starved) && d->place == 0 && unpack_wait(conn, now_ms) < 0)
        while (!list_empty(&conn->starved))
            unpack_fail(unpack_take(conn));
    unpack_call_next(pool, now_ms);
}

void unpack_init(struct wire_conn *conn)
{
    list_init(&conn->starved);
    list_init(&conn->unpack_link);
    conn->unpack_again.passed = unpack_go_on;
    conn->unpack = (struct unpack_budget){CONN_BURST_BYTES, conn->now_ms};
}

void unpack_done(struct wire_conn *conn)
{
    bool first = list_first(&conn->pool->unpackers) == &conn->unpack_link;
    list_remove(&conn->unpack_link);
    deadlines_remove(conn->deadlines, &conn->unpack_again);
    if (first)
        unpack_call_next(conn->pool, clock_mono_ms());
}

bool unpack_begin(struct rpc_call *call)
{
    struct wire_conn *conn = call->conn;
    if (conn->unpack_turn) {
        conn->unpack_turn = false;
        return true;
    }
    if (conn->unpack_again.place == 0) {
        int64_t now_ms = clock_mono_ms();
        unpack_refill(conn, now_ms);
        if (unpack_may(conn))
            return true;
        if (unpack_wait(conn, now_ms) < 0) {
            unpack_fail(call);
            return false;
        }
    }
    call->starved = true;
    list_add_tail(&conn->starved, &call->starved_link);
    return false;
}

void unpack_charge(struct wire_conn *conn, size_t packed_bytes, size_t plain_bytes)
{
    if (plain_bytes / FREE_FACTOR <= packed_bytes)
        return;
    int64_t bytes = (int64_t)(plain_bytes - FREE_FACTOR * packed_bytes);
    conn->unpack.left_bytes -= bytes;
    conn->pool->unpack.left_bytes -= bytes;
}
