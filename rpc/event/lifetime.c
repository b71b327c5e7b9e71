/* How long connections live: handshake, idleness, keepalive, age; lists of them and kicking one
 * out; see server.h. */
#include <stdio.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "rpc/event/connection.h"

static void connection_end(struct connection *conn, const char *why)
{
    struct err err;
    err_set(&err, ERR_UNAVAILABLE, "%s", why);
    log_debug("rpc", "connection of %s: %s", conn->wire->peer.principal, why);
    connection_close(conn, &err);
}

static int64_t connection_headers_end_ms(const struct connection *conn)
{
    int64_t begun = conn->wire->headers_ms;
    return begun ? begun + conn->server->config.handshake_timeout_ms : INT64_MAX;
}

void connection_expect_headers(struct connection *conn)
{
    int64_t at = connection_headers_end_ms(conn);
    /* Without memory it stays what it was. */
    if (at < conn->idle.at_ms)
        (void)deadlines_set(&conn->server->deadlines, &conn->idle, at);
}

/* What a peer did not do in time, or NULL. */
static const char *connection_late(const struct connection *conn, int64_t now)
{
    if (conn->shaking)
        return "the handshake did not end in time";
    if (!conn->wire->greeted)
        return "HTTP/2 did not begin in time";
    if (now >= connection_headers_end_ms(conn))
        return "headers did not end in time";
    if (buf_len(&conn->unsent) > 0 &&
        now >= conn->progress_ms + conn->server->config.idle_timeout_ms)
        return "the peer does not read";
    return NULL;
}

/* When to look again. */
static int64_t connection_next_look(const struct connection *conn, int64_t now)
{
    int64_t idle_ms = conn->server->config.idle_timeout_ms, at = conn->progress_ms + idle_ms;
    int64_t headers = connection_headers_end_ms(conn);
    if (at <= now)
        at = now + idle_ms;
    return headers < at ? headers : at;
}

void connection_idle_passed(struct deadline *d)
{
    struct connection *conn = container_of(d, struct connection, idle);
    struct rpc_server *server = conn->server;
    struct err why;
    int64_t now = clock_mono_ms();
    bool over = conn->unwatched || conn->turned_away || conn->lingering;
    const char *late = over ? NULL : connection_late(conn, now);
    if (conn->unwatched) {
        err_set(&why, ERR_LIMIT, "out of memory for a connection");
    } else if (conn->turned_away) {
        err_set(&why, ERR_LIMIT, "too many connections");
    } else if (conn->lingering) {
        err_set(&why, ERR_UNAVAILABLE, "the connection has ended");
    } else if (late) {
        wire_conn_blame(conn->wire, "%s", late);
        err_set(&why, ERR_DEADLINE, "%s", late);
    } else if (conn->wire->n_calls > 0 ||
               now < conn->progress_ms + server->config.idle_timeout_ms) {
        if (deadlines_set(&server->deadlines, d, connection_next_look(conn, now)) == 0)
            return;
        err_set(&why, ERR_LIMIT, "out of memory");
    } else {
        /* Says GOAWAY; the flush closes it then. */
        wire_conn_drain(conn->wire);
        connection_flush(conn);
        return;
    }
    connection_close(conn, &why);
}

static void connection_keepalive_passed(struct deadline *d)
{
    struct connection *conn = container_of(d, struct connection, keepalive);
    const struct rpc_server_config *c = &conn->server->config;
    int64_t next = wire_conn_keepalive(conn->wire, clock_mono_ms(), c->keepalive_interval_ms,
                                       c->keepalive_timeout_ms);
    if (next < 0)
        connection_end(conn, "the peer does not answer pings");
    else if (deadlines_set(&conn->server->deadlines, d, next) < 0)
        connection_end(conn, "out of memory");
}

static void connection_age_passed(struct deadline *d)
{
    struct connection *conn = container_of(d, struct connection, age);
    struct rpc_server *server = conn->server;
    if (conn->aged) {
        connection_end(conn, "the connection is too old");
        return;
    }
    conn->aged = true;
    wire_conn_drain(conn->wire);
    if (deadlines_set(&server->deadlines, d, clock_mono_ms() + server->config.max_age_grace_ms) < 0)
        connection_end(conn, "out of memory");
}

int connection_watch(struct connection *conn)
{
    struct rpc_server *server = conn->server;
    const struct rpc_server_config *c = &server->config;
    conn->id = ++server->n_opened;
    conn->since_ns = clock_real_ns();
    conn->keepalive.passed = connection_keepalive_passed;
    conn->age.passed = connection_age_passed;
    conn->expiry.passed = connection_end_passed;
    /* The kernel tells when the other end of a Unix socket is gone. */
    if (c->keepalive_interval_ms > 0 && conn->wire->peer.kind != RPC_PEER_UNIX &&
        deadlines_set(&server->deadlines, &conn->keepalive,
                      conn->progress_ms + c->keepalive_interval_ms) < 0)
        return -1;
    /* Nine to eleven tenths, so that those that came together do not all go together. */
    if (c->max_age_ms > 0 &&
        deadlines_set(&server->deadlines, &conn->age,
                      conn->progress_ms + c->max_age_ms * (90 + (int64_t)(conn->id % 21)) / 100) <
            0)
        return -1;
    return 0;
}

void connection_unwatch(struct connection *conn)
{
    deadlines_remove(&conn->server->deadlines, &conn->keepalive);
    deadlines_remove(&conn->server->deadlines, &conn->age);
    deadlines_remove(&conn->server->deadlines, &conn->expiry);
}

void rpc_server_each_connection(const struct rpc_server *server,
                                bool (*visit)(void *arg, const struct rpc_connection_info *info),
                                void *arg)
{
    for (const struct list *l = server->connections.next; l != &server->connections; l = l->next) {
        const struct connection *conn = container_of(l, struct connection, link);
        /* Right within a millisecond, and not before it was there. */
        int64_t active_ns = clock_real_ns() - (clock_mono_ms() - conn->progress_ms) * 1000000;
        const struct rpc_connection_info info = {
            .id = conn->id,
            .peer = &conn->wire->peer,
            .n_calls = conn->wire->n_calls - conn->wire->n_lingering,
            .n_calls_done = conn->wire->n_calls_done,
            .bytes_in = conn->wire->bytes_in,
            .bytes_out = conn->wire->bytes_out,
            .since_ns = conn->since_ns,
            .active_ns = active_ns > conn->since_ns ? active_ns : conn->since_ns,
            .tls_version = conn->tls ? tls_version(conn->tls) : "",
        };
        if (!visit(arg, &info))
            return;
    }
}

int rpc_server_kick(struct rpc_server *server, uint64_t id, const char *why, struct err *err)
{
    list_foreach(pos, &server->connections)
    {
        struct connection *conn = container_of(pos, struct connection, link);
        if (conn->id != id)
            continue;
        connection_end_soon(conn, *why ? why : "kicked");
        return 0;
    }
    return err_set(err, ERR_NOT_FOUND, "no connection with id %llu", (unsigned long long)id);
}
