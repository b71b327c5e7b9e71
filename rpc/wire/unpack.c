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

static bool unpack_may(struct wire_conn *conn, int64_t now_ms)
{
    budget_refill(&conn->unpack, now_ms, CONN_BYTES_MS, CONN_BURST_BYTES);
    budget_refill(&conn->pool->unpack, now_ms, POOL_BYTES_MS, POOL_BURST_BYTES);
    return conn->unpack.left_bytes >= 0 && conn->pool->unpack.left_bytes >= 0;
}

/* When both have something again. */
static int unpack_wait(struct wire_conn *conn, int64_t now_ms)
{
    int64_t ms = -conn->unpack.left_bytes / CONN_BYTES_MS;
    int64_t all_ms = -conn->pool->unpack.left_bytes / POOL_BYTES_MS;
    ms = all_ms > ms ? all_ms : ms;
    return deadlines_set(conn->deadlines, &conn->unpack_again,
                         now_ms + (ms > WAIT_MIN_MS ? ms : WAIT_MIN_MS));
}

static void unpack_fail(struct rpc_call *call)
{
    struct err err;
    err_set(&err, ERR_LIMIT, "out of memory for a compressed message");
    call_fail(call, &err);
}

static void unpack_go_on(struct deadline *d)
{
    struct wire_conn *conn = container_of(d, struct wire_conn, unpack_again);
    int64_t now_ms = clock_mono_ms();
    if (now_ms < d->at_ms)
        now_ms = d->at_ms;
    while (!list_empty(&conn->starved) && unpack_may(conn, now_ms)) {
        struct list *l = list_first(&conn->starved);
        struct rpc_call *call = container_of(l, struct rpc_call, starved_link);
        list_remove(l);
        call->starved = false;
        rpc_call_ref(call);
        call_input_resume(call);
        rpc_call_unref(call);
    }
    if (list_empty(&conn->starved) || d->place != 0 || unpack_wait(conn, now_ms) == 0)
        return;
    for (struct list *l; (l = list_first(&conn->starved));) {
        struct rpc_call *call = container_of(l, struct rpc_call, starved_link);
        list_remove(l);
        call->starved = false;
        unpack_fail(call);
    }
}

void unpack_init(struct wire_conn *conn)
{
    list_init(&conn->starved);
    conn->unpack_again.passed = unpack_go_on;
    conn->unpack = (struct unpack_budget){CONN_BURST_BYTES, conn->now_ms};
}

void unpack_done(struct wire_conn *conn)
{
    deadlines_remove(conn->deadlines, &conn->unpack_again);
}

bool unpack_begin(struct rpc_call *call)
{
    struct wire_conn *conn = call->conn;
    int64_t now_ms = clock_mono_ms();
    if (conn->unpack_again.place == 0 && unpack_may(conn, now_ms))
        return true;
    if (conn->unpack_again.place == 0 && unpack_wait(conn, now_ms) < 0) {
        unpack_fail(call);
        return false;
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
