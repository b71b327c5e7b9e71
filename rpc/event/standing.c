/* Whether those who are here still count; see connection.h and server.h.
 *
 * A connection is looked at again when what its peer was let in by has changed, and when its
 * certificate ends. What only asks the hook is done at once; chains of certificates are checked a
 * few at a time, and of a peer that calls before its turn has come, before that call. */
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "rpc/event/connection.h"

enum {
    LOOKS_AT_ONCE = 8,           /* chains in a turn of the loop: 0.1 to 0.5 ms each */
    LOOK_AGAIN_MS = 3600 * 1000, /* a clock that jumps is noticed within the hour */
    LOOK_AGAIN_FIRST_MS = 50,
};

/* Who is in a handshake is asked about at its end. */
static bool is_settled(const struct connection *conn)
{
    return conn->cut || conn->shaking || conn->lingering || conn->turned_away;
}

static enum tls_standing ask_again(struct connection *conn, struct err *why)
{
    struct rpc_peer *before = &conn->wire->peer;
    struct rpc_peer now = *before;
    now.role = RPC_ROLE_NONE;
    now.again = true;
    if (peer_identify(conn->server, conn->fd, &now, why) < 0)
        return TLS_OUT;
    if (now.role != before->role || strcmp(now.principal, before->principal) != 0) {
        err_set(why, ERR_UNAUTHENTICATED, "%s may do something else now", before->principal);
        return TLS_OUT;
    }
    before->scoped = now.scoped;
    if (!now.finishing)
        return TLS_STANDS;
    err_set(why, ERR_UNAUTHENTICATED, "a newer certificate has taken its place");
    return TLS_FINISHES;
}

static int64_t now_s(void)
{
    return clock_real_ns() / 1000000000;
}

int connection_expect_end(struct connection *conn)
{
    struct rpc_server *server = conn->server;
    int64_t ends_s = conn->wire->peer.ends_s;
    if (ends_s == 0)
        return 0;
    int64_t now_ms = clock_real_ns() / 1000000, left_ms = LOOK_AGAIN_MS;
    if (ends_s < (now_ms + LOOK_AGAIN_MS) / 1000)
        left_ms = ends_s * 1000 - now_ms;
    if (left_ms < LOOK_AGAIN_FIRST_MS)
        left_ms = LOOK_AGAIN_FIRST_MS;
    return deadlines_set(&server->deadlines, &conn->expiry, clock_mono_ms() + left_ms);
}

static void settle(struct connection *conn, enum tls_standing standing, struct err *why)
{
    const struct rpc_peer *peer = &conn->wire->peer;
    if (standing == TLS_FINISHES && peer->ends_s && now_s() >= peer->ends_s)
        standing = TLS_OUT;
    if (standing != TLS_OUT && connection_expect_end(conn) < 0) {
        err_set(why, ERR_LIMIT, "out of memory");
        standing = TLS_OUT;
    }
    if (standing == TLS_OUT) {
        log_info("rpc", "%s at %s is sent away: %s", peer->principal, peer->address, why->message);
        connection_cut(conn, why->message);
    } else if (standing == TLS_FINISHES && !conn->wire->finishing) {
        log_info("rpc", "%s at %s may end what it has begun: %s", peer->principal, peer->address,
                 why->message);
        wire_conn_finish(conn->wire);
    }
}

void connection_look_again(struct connection *conn)
{
    struct rpc_server *server = conn->server;
    enum tls_standing standing = TLS_STANDS;
    struct err why = ERR_INIT;
    conn->wire->generation = server->wire.generation;
    if (is_settled(conn))
        return;
    if (conn->tls && server->tls) {
        standing = tls_look_again(conn->tls, server->tls, &why);
        if (standing == TLS_STANDS && !conn->wire->peer.self_signed)
            conn->wire->peer.ends_s = tls_peer(conn->tls)->ends_s;
    }
    if (standing == TLS_STANDS)
        standing = ask_again(conn, &why);
    settle(conn, standing, &why);
}

void connection_end_passed(struct deadline *d)
{
    struct connection *conn = container_of(d, struct connection, expiry);
    connection_look_again(conn);
    server_arm_timer(conn->server);
}

void server_look_again(void *arg)
{
    struct rpc_server *server = arg;
    size_t n = 0;
    list_foreach(pos, &server->connections)
    {
        struct connection *conn = container_of(pos, struct connection, link);
        if (conn->shaking || conn->wire->generation == server->wire.generation)
            continue;
        if (n++ == LOOKS_AT_ONCE) {
            timer_start(&server->look, 0);
            return;
        }
        connection_look_again(conn);
    }
}

void rpc_server_verify_again(struct rpc_server *server, struct tls_context *context)
{
    if (context) {
        tls_context_ref(context);
        tls_context_unref(server->tls);
        server->tls = context;
    }
    server->wire.generation++;
    timer_start(&server->look, 0);
}

size_t rpc_server_identify_again(struct rpc_server *server)
{
    size_t n = 0;
    list_foreach(pos, &server->connections)
    {
        struct connection *conn = container_of(pos, struct connection, link);
        struct err why = ERR_INIT;
        if (is_settled(conn))
            continue;
        settle(conn, ask_again(conn, &why), &why);
        n += conn->cut;
    }
    return n;
}
