/* Answered streams; see linger.h. */
#include "rpc/wire/linger.h"

#include "base/clock.h"
#include "rpc/wire/conn.h"
#include "rpc/wire/stream.h"

enum {
    LINGER_MS = 30 * 1000,
    HURRY_MS = 1000,
    STREAMS_SHARE = 2, /* one of so many streams may linger, so that there is room for new ones */
};

/* Those for whom it is time, and the oldest of too many; the next deadline. */
static void linger_look(struct wire_conn *conn, int64_t now_ms)
{
    for (struct list *l; (l = list_first(&conn->lingering));) {
        struct rpc_call *call = container_of(l, struct rpc_call, linger_link);
        if (call->linger_until_ms > now_ms &&
            conn->n_lingering <= conn->limits.max_streams / STREAMS_SHARE &&
            deadlines_set(conn->deadlines, &conn->linger_over, call->linger_until_ms) == 0)
            return;
        linger_end(call);
        call_reset(call, NGHTTP2_NO_ERROR);
    }
}

static void linger_passed(struct deadline *d)
{
    struct wire_conn *conn = container_of(d, struct wire_conn, linger_over);
    int64_t now_ms = clock_mono_ms();
    linger_look(conn, now_ms > d->at_ms ? now_ms : d->at_ms);
}

void linger_init(struct wire_conn *conn)
{
    list_init(&conn->lingering);
    conn->linger_over.passed = linger_passed;
}

void linger_done(struct wire_conn *conn)
{
    deadlines_remove(conn->deadlines, &conn->linger_over);
}

void linger_begin(struct rpc_call *call)
{
    struct wire_conn *conn = call->conn;
    int64_t now_ms = clock_mono_ms();
    call->early = false;
    conn->n_early--;
    call->linger_until_ms = now_ms + (conn->draining ? HURRY_MS : LINGER_MS);
    list_add_tail(&conn->lingering, &call->linger_link);
    conn->n_lingering++;
    linger_look(conn, now_ms);
    call_close_soon(call);
}

void linger_end(struct rpc_call *call)
{
    if (list_empty(&call->linger_link))
        return;
    list_remove(&call->linger_link);
    call->conn->n_lingering--;
}

void linger_hurry(struct wire_conn *conn)
{
    int64_t now_ms = clock_mono_ms();
    list_foreach(pos, &conn->lingering)
    {
        struct rpc_call *call = container_of(pos, struct rpc_call, linger_link);
        if (call->linger_until_ms > now_ms + HURRY_MS)
            call->linger_until_ms = now_ms + HURRY_MS;
    }
    linger_look(conn, now_ms);
}
