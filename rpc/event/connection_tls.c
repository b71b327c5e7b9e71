/* TLS of a server connection: handshakes in flight, refusals, and bytes to HTTP/2; see
 * connection.h.
 *
 * A handshake costs its peer nothing and us two milliseconds, so few are in flight at once; when
 * one more comes, another goes (handshakes.h). */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "rpc/event/connection.h"

enum { CHOICES_MAX = 8 }; /* while those chosen turn out to have spoken */

_Static_assert(sizeof(((struct rpc_peer *)0)->principal) == TLS_PRINCIPAL_BYTES, "principal");
_Static_assert(sizeof(((struct rpc_peer *)0)->serial) == TLS_SERIAL_BYTES, "serial");

static void tls_leave_handshakes(struct connection *conn)
{
    if (!conn->shaking)
        return;
    conn->shaking = false;
    list_remove(&conn->handshake_link);
    conn->server->n_handshakes--;
}

/* Something may have come that was not read yet. */
static bool has_said_nothing(struct connection *conn)
{
    uint8_t byte;
    if (!conn->heard)
        conn->heard = recv(conn->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
    return !conn->heard;
}

/* Of many, some that are drawn by chance (reservoir sampling). */
static size_t draw_handshakes(struct rpc_server *server, struct connection **drawn)
{
    size_t n = 0;
    list_foreach(pos, &server->handshakes)
    {
        struct connection *conn = container_of(pos, struct connection, handshake_link);
        size_t at = n;
        if (n >= HANDSHAKES_LOOKED_AT)
            at = handshakes_chance(&server->chance) % (n + 1);
        if (at < HANDSHAKES_LOOKED_AT)
            drawn[at] = conn;
        n++;
    }
    return n < HANDSHAKES_LOOKED_AT ? n : HANDSHAKES_LOOKED_AT;
}

static struct connection *choose_handshake(struct rpc_server *server)
{
    struct connection *drawn[HANDSHAKES_LOOKED_AT];
    struct handshake all[HANDSHAKES_LOOKED_AT];
    size_t n = draw_handshakes(server, drawn), at = 0;
    for (size_t i = 0; i < n; i++) {
        memcpy(all[i].source, drawn[i]->source, sizeof(all[i].source));
        all[i].silent = !drawn[i]->heard;
        all[i].since_ns = drawn[i]->since_ns;
    }
    for (int i = 0; i < CHOICES_MAX; i++) {
        at = handshakes_choose(all, n, &server->chance);
        if (!all[at].silent || has_said_nothing(drawn[at]))
            break;
        all[at].silent = false;
    }
    return drawn[at];
}

static void make_room(struct rpc_server *server)
{
    struct err why;
    struct connection *conn = choose_handshake(server);
    err_set(&why, ERR_LIMIT, "too many handshakes at once");
    wire_conn_blame(conn->wire, "one of too many handshakes at once%s",
                    conn->heard ? "" : ", which has said nothing");
    connection_close(conn, &why);
}

int connection_tls_open(struct connection *conn, struct tls_context *context, struct err *err)
{
    struct rpc_server *server = conn->server;
    if (server->n_handshakes >= server->config.max_handshakes)
        make_room(server);
    listener_tcp_source(conn->fd, conn->source);
    conn->tls = tls_new(context, NULL, err);
    if (!conn->tls)
        return -1;
    conn->shaking = true;
    list_add_tail(&server->handshakes, &conn->handshake_link);
    server->n_handshakes++;
    return 0;
}

void connection_tls_goodbye(struct connection *conn)
{
    struct buf *block = &conn->server->tls_block;
    if (conn->tls && tls_is_ready(conn->tls) && buf_len(&conn->unsent) == 0) {
        tls_close(conn->tls, block);
        if (buf_len(block) > 0)
            (void)send(conn->fd, buf_data(block), buf_len(block), MSG_NOSIGNAL | MSG_DONTWAIT);
        block->head = block->tail = 0;
    }
    tls_free(conn->tls);
    conn->tls = NULL;
}

void connection_tls_done(struct connection *conn)
{
    tls_leave_handshakes(conn);
    connection_tls_goodbye(conn);
}

/* The alert must arrive, though the peer's first request may be unread. */
static void tls_refuse(struct connection *conn, const struct err *err)
{
    wire_conn_blame(conn->wire, "%s", err->message);
    connection_tell_fault(conn);
    if (connection_write(conn, &conn->server->tls_block))
        connection_linger(conn, err);
}

/* The handshake is done: the hook says who this is. */
static int tls_identify(struct connection *conn, struct err *err)
{
    const struct tls_identity *identity = tls_peer(conn->tls);
    struct rpc_peer *peer = &conn->wire->peer;
    tls_leave_handshakes(conn);
    memcpy(peer->principal, identity->principal, sizeof(peer->principal));
    memcpy(peer->serial, identity->serial, sizeof(peer->serial));
    memcpy(peer->key_sha256, identity->key_sha256, sizeof(peer->key_sha256));
    peer->self_signed = identity->self_signed;
    peer->mapped = identity->mapped;
    peer->ends_s = identity->ends_s;
    if (peer_identify(conn->server, conn->fd, peer, err) < 0)
        return -1;
    if (connection_expect_end(conn) < 0)
        return err_set(err, ERR_LIMIT, "out of memory");
    return connection_place(conn, NULL, err);
}

/* Its first bytes: from here on it goes by what counts now, not as it connected. Clients read the
 * file that they come with in between, and it may be one that counts since then only. */
static int tls_begin(struct connection *conn, struct err *err)
{
    struct rpc_server *server = conn->server;
    conn->spoken = true;
    if (conn->wire->generation == server->wire.generation || !server->tls)
        return 0;
    struct tls *now = tls_new(server->tls, NULL, err);
    if (!now)
        return -1;
    tls_free(conn->tls);
    conn->tls = now;
    conn->wire->generation = server->wire.generation;
    return 0;
}

bool connection_tls_receive(struct connection *conn, const uint8_t **data, size_t *len)
{
    struct rpc_server *server = conn->server;
    struct buf *plain = &server->plain_block;
    struct err err;
    plain->head = plain->tail = 0;
    conn->heard = true;
    if (!conn->spoken && tls_begin(conn, &err) < 0) {
        connection_close(conn, &err);
        return false;
    }
    bool was_ready = tls_is_ready(conn->tls);
    if (tls_receive(conn->tls, *data, *len, plain, &server->tls_block, &err) < 0) {
        tls_refuse(conn, &err);
        return false;
    }
    if (buf_len(&server->tls_block) > 0 && !connection_write(conn, &server->tls_block))
        return false;
    if (!tls_is_ready(conn->tls)) {
        connection_want(conn, true, buf_len(&conn->unsent) > 0);
        return false;
    }
    if (!was_ready && tls_identify(conn, &err) < 0) {
        wire_conn_blame(conn->wire, "%s", err.message);
        connection_close(conn, &err);
        return false;
    }
    if (tls_is_closed(conn->tls)) {
        err_set(&err, ERR_CANCELLED, "the client closed the connection");
        connection_close(conn, &err);
        return false;
    }
    *data = buf_data(plain);
    *len = buf_len(plain);
    return true;
}
