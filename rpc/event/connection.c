/* One connection of the gRPC server; see connection.h. */
#include "rpc/event/connection.h"
#include "rpc/event/loop_turn.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "rpc/wire/stream.h"

enum { FLUSH_ROUNDS = 8 }; /* a handler that always has more must not starve the others */

static void connection_wake(void *arg)
{
    struct connection *conn = arg;
    if (list_empty(&conn->dirty_link))
        list_add_tail(&conn->server->dirty, &conn->dirty_link);
    server_wake(conn->server);
}

void connection_tell_fault(struct connection *conn)
{
    const struct wire_conn *wire = conn->wire;
    if (!wire->fault[0] || conn->blamed)
        return;
    conn->blamed = true;
    const char *who = wire->peer.principal[0] ? wire->peer.principal : "a stranger";
    if (wire->greeted && !wire->broken && !wire->condemned)
        log_info("rpc", "mistake of %s at %s: %s", who, wire->peer.address, wire->fault);
    else
        log_warn("rpc", "misbehaviour of %s at %s: %s", who, wire->peer.address, wire->fault);
}

static void linger_leave(struct connection *conn)
{
    if (list_empty(&conn->linger_link))
        return;
    list_remove(&conn->linger_link);
    conn->server->n_lingering--;
}

/* The oldest of that principal (NULL: of all) has had its time, and closes with the next deadlines:
 * that its own is there already takes no memory. */
static void linger_hurry_oldest(struct rpc_server *server, const char *principal)
{
    list_foreach(pos, &server->lingering)
    {
        struct connection *conn = container_of(pos, struct connection, linger_link);
        if (principal && strcmp(conn->wire->peer.principal, principal) != 0)
            continue;
        linger_leave(conn);
        (void)deadlines_set(&server->deadlines, &conn->idle, clock_mono_ms());
        return;
    }
}

/* Who is sent away and comes again at once would else have as many files as it likes. */
static void linger_join(struct connection *conn)
{
    struct rpc_server *server = conn->server;
    const char *principal = conn->wire->peer.principal;
    size_t n_of_it = 1;
    list_foreach(pos, &server->lingering)
    {
        n_of_it += strcmp(container_of(pos, struct connection, linger_link)->wire->peer.principal,
                          principal) == 0;
    }
    if (n_of_it > LINGER_EACH)
        linger_hurry_oldest(server, principal);
    else if (server->n_lingering >= LINGER_MAX)
        linger_hurry_oldest(server, NULL);
    list_add_tail(&server->lingering, &conn->linger_link);
    server->n_lingering++;
}

void connection_close(struct connection *conn, const struct err *why)
{
    struct rpc_server *server = conn->server;
    connection_tell_fault(conn);
    event_del(&conn->read_event);
    event_del(&conn->write_event);
    deadlines_remove(&server->deadlines, &conn->idle);
    connection_unwatch(conn);
    wire_conn_close(conn->wire, why);
    connection_tls_done(conn);
    place_leave(conn);
    linger_leave(conn);
    list_remove(&conn->link);
    list_remove(&conn->dirty_link);
    server->n_connections--;
    wire_conn_unref(conn->wire);
    buf_done(&conn->unsent);
    close(conn->fd);
    free(conn);
    if (server->draining)
        server_wake(server);
}

void connection_linger(struct connection *conn, const struct err *why)
{
    struct rpc_server *server = conn->server;
    connection_unwatch(conn);
    place_leave(conn);
    conn->lingering = true;
    wire_conn_close(conn->wire, why); /* what its calls hold is not for the peer to keep */
    connection_tls_goodbye(conn);
    if (buf_len(&conn->unsent) > 0 || shutdown(conn->fd, SHUT_WR) < 0 ||
        deadlines_set(&server->deadlines, &conn->idle, clock_mono_ms() + LINGER_MS) < 0) {
        connection_close(conn, why);
        return;
    }
    linger_join(conn);
    connection_want(conn, true, false);
    server_arm_timer(server);
}

static void connection_lost(struct connection *conn, int errnum)
{
    struct err why;
    err_sys(&why, errnum, "the connection broke");
    why.code = ERR_CANCELLED;
    connection_close(conn, &why);
}

/* Bytes taken, or -1 when the connection is gone (and closed). */
static ssize_t connection_send(struct connection *conn, const struct buf *from)
{
    ssize_t n;
    do
        n = send(conn->fd, buf_data(from), buf_len(from), MSG_NOSIGNAL | MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    if (n >= 0) {
        conn->progress_ms = clock_mono_ms();
        return n;
    }
    if (errno == EAGAIN)
        return 0;
    connection_lost(conn, errno);
    return -1;
}

/* A connection that cannot be waited for is closed from the loop; its deadline is there already, so
 * that moving it takes no memory. */
static void connection_add(struct connection *conn, struct event *event)
{
    struct rpc_server *server = conn->server;
    if (event_add(event, NULL) == 0)
        return;
    conn->unwatched = true;
    (void)deadlines_set(&server->deadlines, &conn->idle, clock_mono_ms());
    server_arm_timer(server);
}

void connection_want(struct connection *conn, bool read, bool write)
{
    if (read != conn->reading) {
        conn->reading = read;
        if (read)
            connection_add(conn, &conn->read_event);
        else
            event_del(&conn->read_event);
    }
    if (write != conn->writing) {
        conn->writing = write;
        if (write)
            connection_add(conn, &conn->write_event);
        else
            event_del(&conn->write_event);
    }
}

enum flush { FLUSH_DONE, FLUSH_BLOCKED, FLUSH_MORE, FLUSH_CLOSED };

/* Fills the block with what leaves next; *block becomes the one with its ciphertext. */
static int connection_pull(struct connection *conn, struct buf **block, struct err *err)
{
    struct buf *plain = *block;
    if (wire_conn_pull(conn->wire, plain, WRITE_BLOCK_BYTES, err) < 0)
        return -1;
    if (!conn->tls)
        return 0;
    int rv = tls_send(conn->tls, buf_data(plain), buf_len(plain), &conn->server->tls_block, err);
    plain->head = plain->tail = 0;
    *block = &conn->server->tls_block;
    return rv;
}

bool connection_write(struct connection *conn, struct buf *block)
{
    size_t len = buf_len(block);
    ssize_t n = len > 0 && buf_len(&conn->unsent) == 0 ? connection_send(conn, block) : 0;
    bool kept = n >= 0 && ((size_t)n == len ||
                           buf_append(&conn->unsent, buf_data(block) + n, len - (size_t)n) == 0);
    block->head = block->tail = 0; /* the memory is kept for the next one */
    if (n >= 0 && !kept)
        connection_lost(conn, ENOMEM);
    return kept;
}

/* Moves one block from HTTP/2 to the socket. */
static enum flush connection_flush_block(struct connection *conn)
{
    struct buf *block = &conn->server->write_block;
    struct err err;
    if (connection_pull(conn, &block, &err) < 0) {
        buf_reset(block);
        connection_close(conn, &err);
        return FLUSH_CLOSED;
    }
    size_t len = buf_len(block);
    if (len == 0)
        return FLUSH_DONE;
    if (!connection_write(conn, block))
        return FLUSH_CLOSED;
    return buf_len(&conn->unsent) > 0 ? FLUSH_BLOCKED : FLUSH_MORE;
}

static enum flush connection_flush_unsent(struct connection *conn)
{
    if (buf_len(&conn->unsent) == 0)
        return FLUSH_MORE;
    ssize_t n = connection_send(conn, &conn->unsent);
    if (n < 0)
        return FLUSH_CLOSED;
    buf_consume(&conn->unsent, (size_t)n);
    if (buf_len(&conn->unsent) > 0)
        return FLUSH_BLOCKED;
    buf_done(&conn->unsent);
    return FLUSH_MORE;
}

void connection_flush(struct connection *conn)
{
    list_remove(&conn->dirty_link);
    if (conn->lingering)
        return;
    connection_tell_fault(conn);
    enum flush state = connection_flush_unsent(conn);
    if (state == FLUSH_CLOSED)
        return;
    if (conn->tls && !tls_is_ready(conn->tls) && !conn->ending[0]) {
        connection_want(conn, true, state == FLUSH_BLOCKED);
        return;
    }
    bool ready = !conn->tls || tls_is_ready(conn->tls);
    for (int i = 0; ready && state == FLUSH_MORE && i < FLUSH_ROUNDS; i++)
        state = connection_flush_block(conn);
    if (state == FLUSH_CLOSED)
        return;
    struct err why;
    if (conn->ending[0]) {
        err_set(&why, conn->cut ? ERR_UNAUTHENTICATED : ERR_CANCELLED, "%s", conn->ending);
        connection_close(conn, &why);
        return;
    }
    if (state == FLUSH_DONE && wire_conn_is_finished(conn->wire)) {
        err_set(&why, ERR_UNAVAILABLE, "the connection has ended");
        connection_linger(conn, &why);
        return;
    }
    if (conn->turned_away && conn->wire->n_calls_done > 0 && conn->wire->n_calls == 0)
        wire_conn_drain(conn->wire); /* it was told */
    bool congested = state == FLUSH_BLOCKED && wire_conn_is_congested(conn->wire);
    connection_want(conn, !congested, state != FLUSH_DONE);
}

/* HTTP/2 can say no more: its last frame is made by hand. */
static void connection_give_up(struct connection *conn, const struct err *why)
{
    struct rpc_server *server = conn->server;
    struct buf *block = &server->write_block;
    struct err err;
    connection_tell_fault(conn);
    wire_conn_last_words(conn->wire, why, block);
    if (conn->tls) {
        int rv = tls_send(conn->tls, buf_data(block), buf_len(block), &server->tls_block, &err);
        block->head = block->tail = 0;
        block = &server->tls_block;
        if (rv < 0) {
            block->head = block->tail = 0;
            connection_close(conn, why);
            return;
        }
    }
    if (connection_write(conn, block))
        connection_linger(conn, why);
}

static void connection_read(struct connection *conn)
{
    struct rpc_server *server = conn->server;
    ssize_t n = recv(conn->fd, server->read_block, READ_BLOCK_BYTES, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    struct err err;
    if (n < 0) {
        connection_lost(conn, errno);
        return;
    }
    if (n == 0) {
        err_set(&err, ERR_CANCELLED, "the client closed the connection");
        connection_close(conn, &err);
        return;
    }
    if (conn->lingering)
        return;
    const uint8_t *data = server->read_block;
    size_t len = (size_t)n;
    if (conn->tls && !connection_tls_receive(conn, &data, &len))
        return;
    if (wire_conn_receive(conn->wire, data, len, &err) < 0) {
        log_debug("rpc", "connection of %s: %s", conn->wire->peer.principal, err.message);
        connection_give_up(conn, &err);
        return;
    }
    conn->progress_ms = conn->wire->now_ms;
    if (conn->wire->headers_ms)
        connection_expect_headers(conn);
    connection_flush(conn);
    server_arm_timer(server);
}

static void connection_on_readable(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct connection *conn = arg; /* may be gone afterwards */
    struct loop_turn turn = loop_turn_begin(conn->server->loop);
    connection_read(conn);
    loop_turn_end(&turn, "a client's bytes", LOOP_CALLBACK(connection_on_readable));
}

static void connection_on_writable(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct connection *conn = arg;
    struct loop_turn turn = loop_turn_begin(conn->server->loop);
    connection_flush(conn);
    loop_turn_end(&turn, "room for a client", LOOP_CALLBACK(connection_on_writable));
}

static struct connection *connection_new(struct rpc_server *server, int fd, struct err *err)
{
    struct connection *conn = calloc(1, sizeof(*conn));
    if (!conn) {
        err_set(err, ERR_LIMIT, "out of memory for a connection");
        return NULL;
    }
    const struct wire_conn_config config = {
        .server = &server->wire,
        .limits = server->limits,
        .deadlines = &server->deadlines,
        .pool = &server->pool,
        .wake = connection_wake,
        .arg = conn,
    };
    conn->wire = wire_conn_new(&config, err);
    if (!conn->wire) {
        free(conn);
        return NULL;
    }
    conn->server = server;
    conn->fd = fd;
    list_init(&conn->handshake_link);
    list_init(&conn->linger_link);
    conn->progress_ms = clock_mono_ms();
    conn->idle.passed = connection_idle_passed;
    conn->wire->generation = server->wire.generation;
    buf_init(&conn->unsent, WRITE_BLOCK_MAX_BYTES);
    list_init(&conn->dirty_link);
    list_add_tail(&server->connections, &conn->link);
    server->n_connections++;
    struct event_base *base = loop_base(server->loop);
    event_assign(&conn->read_event, base, fd, EV_READ | EV_PERSIST, connection_on_readable, conn);
    event_assign(&conn->write_event, base, fd, EV_WRITE | EV_PERSIST, connection_on_writable, conn);
    return conn;
}

int connection_place(struct connection *conn, const struct err *full, struct err *err)
{
    const struct rpc_peer *peer = &conn->wire->peer;
    if (full)
        *err = *full;
    else if (place_take(conn, err) == 0)
        return 0;
    log_err(LOG_LEVEL_WARN, "rpc", err, "turn away %s at %s", peer->principal, peer->address);
    return place_turn_away(conn, err);
}

int connection_open(struct rpc_server *server, int fd, const struct rpc_peer *peer,
                    struct tls_context *tls, const struct err *full, struct err *err)
{
    struct connection *conn = connection_new(server, fd, err);
    if (!conn) {
        close(fd);
        return -1;
    }
    conn->wire->peer = *peer;
    if (tls && connection_tls_open(conn, tls, err) < 0) {
        connection_close(conn, err);
        return -1;
    }
    if (deadlines_set(&server->deadlines, &conn->idle,
                      conn->progress_ms + server->config.handshake_timeout_ms) < 0 ||
        connection_watch(conn) < 0) {
        err_set(err, ERR_LIMIT, "out of memory for a connection");
        connection_close(conn, err);
        return -1;
    }
    if (!tls && connection_place(conn, full, err) < 0) {
        connection_close(conn, err);
        return -1;
    }
    connection_flush(conn); /* our SETTINGS; starts reading */
    server_arm_timer(server);
    return 0;
}
