/* Places of connections; see places.h. */
#include "rpc/event/places.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "rpc/event/connection.h"

enum {
    OWNER_SHARE = 16, /* one of so many places is kept for our own user and root, by the socket */
    TURNED_AWAY_MAX = 16, /* of all, at once: fewer than the files that are kept for the owner … */
    TURNED_AWAY_EACH = 2, /* … and of one principal */
    TURNED_AWAY_MS = 2000,
};

static bool is_owner(const struct rpc_peer *peer)
{
    return peer->kind == RPC_PEER_UNIX && (peer->uid == 0 || peer->uid == geteuid());
}

static struct holder *holder_have(struct rpc_server *server, const char *principal)
{
    struct holder *holder = map_find(&server->holders, principal);
    if (holder)
        return holder;
    holder = calloc(1, sizeof(*holder));
    if (holder)
        memcpy(holder->principal, principal, strnlen(principal, sizeof(holder->principal) - 1));
    if (holder && map_put(&server->holders, holder->principal, holder) == 0)
        return holder;
    free(holder);
    return NULL;
}

static void holder_drop(struct rpc_server *server, struct holder *holder)
{
    if (holder->n == 0 && holder->n_turned_away == 0)
        free(map_take(&server->holders, holder->principal));
}

static bool is_idle(const struct connection *conn)
{
    return conn->holder && !conn->turned_away && !conn->ending[0] && !conn->lingering &&
           conn->wire->n_calls == 0;
}

/* An idle one of that holder (NULL: of any but the owner's, of whose holder has most), the longest
 * idle. Or NULL. */
static struct connection *find_idle(const struct rpc_server *server, const struct holder *of,
                                    bool owners_too)
{
    struct connection *best = NULL;
    for (const struct list *l = server->connections.next; l != &server->connections; l = l->next) {
        struct connection *conn = container_of(l, struct connection, link);
        if (!is_idle(conn) || (of && conn->holder != of) ||
            (!of && !owners_too && is_owner(&conn->wire->peer)))
            continue;
        if (!best || conn->holder->n > best->holder->n ||
            (conn->holder->n == best->holder->n && conn->progress_ms < best->progress_ms))
            best = conn;
    }
    return best;
}

static bool make_room(struct connection *idle)
{
    static const char why[] = "it was idle, and others wanted its place";
    if (!idle)
        return false;
    log_debug("rpc", "connection of %s at %s: %s", idle->wire->peer.principal,
              idle->wire->peer.address, why);
    place_leave(idle);
    connection_end_soon(idle, why);
    return true;
}

int place_take(struct connection *conn, struct err *err)
{
    struct rpc_server *server = conn->server;
    const struct rpc_peer *peer = &conn->wire->peer;
    const size_t share = server->config.max_connections_per_principal;
    bool owner = is_owner(peer);
    size_t most = server->config.max_connections;
    if (!owner)
        most -= most / OWNER_SHARE;
    struct holder *holder = holder_have(server, peer->principal);
    if (!holder)
        return err_set(err, ERR_LIMIT, "out of memory for a connection");
    holder->n++; /* so that it stays when another of it makes room */
    if (!owner && holder->n > share && !make_room(find_idle(server, holder, false)))
        err_set(err, ERR_LIMIT,
                "too many connections: %s has %zu, and all are in use "
                "(max_connections_per_principal)",
                peer->principal, holder->n - 1);
    else if (server->n_placed >= most && !make_room(find_idle(server, NULL, owner)))
        err_set(err, ERR_LIMIT,
                "too many connections: %zu are open, and all are in use (max_connections)",
                server->n_placed);
    else
        err = NULL;
    if (err) {
        holder->n--;
        holder_drop(server, holder);
        return err_tag(err, "TOO_MANY_CONNECTIONS", NULL);
    }
    conn->holder = holder;
    server->n_placed++;
    return 0;
}

int place_turn_away(struct connection *conn, const struct err *why)
{
    struct rpc_server *server = conn->server;
    struct holder *holder = server->n_turned_away < TURNED_AWAY_MAX
                                ? holder_have(server, conn->wire->peer.principal)
                                : NULL;
    if (!holder || holder->n_turned_away >= TURNED_AWAY_EACH ||
        wire_conn_refuse(conn->wire, why) < 0 ||
        deadlines_set(&server->deadlines, &conn->idle, clock_mono_ms() + TURNED_AWAY_MS) < 0) {
        if (holder)
            holder_drop(server, holder);
        return -1;
    }
    conn->holder = holder;
    conn->turned_away = true;
    holder->n_turned_away++;
    server->n_turned_away++;
    server_arm_timer(server);
    return 0;
}

void place_leave(struct connection *conn)
{
    struct rpc_server *server = conn->server;
    struct holder *holder = conn->holder;
    if (!holder)
        return;
    conn->holder = NULL;
    if (conn->turned_away) {
        holder->n_turned_away--;
        server->n_turned_away--;
    } else {
        holder->n--;
        server->n_placed--;
    }
    holder_drop(server, holder);
}
