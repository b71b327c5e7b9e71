/* gRPC server: settings, services, deadlines, drain; see server.h and connection.h. */
#include "rpc/event/server.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/err.h"
#include "rpc/event/connection.h"
#include "rpc/event/loop_turn.h"

/* What 0 in the settings means. */
static const struct rpc_server_config defaults = {
    .max_connections = 512,            /* below the usual limit of 1024 fds, with room for VMs */
    .max_streams = 256,                /* a busy client multiplexes some hundred */
    .max_message_bytes = 1 << 20,      /* requests are small; bulk goes in pieces */
    .max_header_list_bytes = 16 << 10, /* tokens and trace ids fit twice over */
    .max_buffered_output_bytes = 16 << 20, /* a full window for each of a few streams */
    .max_handshakes = 128,                 /* 0.25 s of CPU; who is served takes no place */
    .handshake_timeout_ms = 10 * 1000,
    .request_timeout_ms =
        60 * 1000, /* a megabyte by a modem; most methods' deadlines are shorter */
    .idle_timeout_ms = 10 * 60 * 1000,
    .min_ping_interval_ms = 5 * 1000,   /* stock clients ping every ten seconds at most */
    .keepalive_interval_ms = 60 * 1000, /* below what middle boxes keep silent connections */
    .keepalive_timeout_ms = 20 * 1000,
    .max_age_ms = -1,
    .max_age_grace_ms = 30 * 1000,
};

#define OR_DEFAULT(config, field)                                                                  \
    do {                                                                                           \
        if ((config)->field == 0)                                                                  \
            (config)->field = defaults.field;                                                      \
    } while (0)

static void server_tick(void *arg)
{
    struct rpc_server *server = arg;
    server->timer_at_ms = INT64_MAX;
    deadlines_run(&server->deadlines, clock_mono_ms());
    server_arm_timer(server);
}

/* The timer is not moved back when the earliest deadline goes: firing for nothing costs less. */
void server_arm_timer(struct rpc_server *server)
{
    int64_t at = deadlines_next_ms(&server->deadlines);
    if (at >= server->timer_at_ms)
        return;
    int64_t now = clock_mono_ms();
    server->timer_at_ms = at;
    timer_start(&server->timer, at > now ? at - now : 0);
    if (!timer_pending(&server->timer))
        server->timer_at_ms = INT64_MAX; /* no memory: tried again with the next bytes */
}

void server_wake(struct rpc_server *server)
{
    event_active(&server->flush_event, 0, 0);
}

static void server_flush(struct rpc_server *server)
{
    /* What becomes dirty meanwhile comes next time. */
    struct list now;
    list_init(&now);
    list_move_all(&now, &server->dirty);
    for (struct list *l; (l = list_first(&now));)
        connection_flush(container_of(l, struct connection, dirty_link));
    server_arm_timer(server);
    if (server->draining && server->n_connections == 0 && server->drained) {
        void (*drained)(void *) = server->drained;
        server->drained = NULL;
        deadlines_remove(&server->deadlines, &server->drain_end);
        drained(server->drained_arg);
    }
}

static void server_on_flush(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct rpc_server *server = arg;
    struct loop_turn turn = loop_turn_begin(server->loop);
    server_flush(server);
    loop_turn_end(&turn, "answers", LOOP_CALLBACK(server_on_flush));
}

static void server_close_all(struct rpc_server *server)
{
    struct err why;
    err_set(&why, ERR_UNAVAILABLE, "the server is shutting down");
    for (struct list *l; (l = list_first(&server->connections));)
        connection_close(container_of(l, struct connection, link), &why);
}

static void server_drain_end(struct deadline *d)
{
    struct rpc_server *server = container_of(d, struct rpc_server, drain_end);
    server_close_all(server);
    server_wake(server);
}

void rpc_server_set_limits(struct rpc_server *server, const struct rpc_server_config *config)
{
    struct rpc_server_config *c = &server->config;
    const struct rpc_server_config hooks = *c;
    *c = *config;
    c->identify = hooks.identify;
    c->authorize = hooks.authorize;
    c->arg = hooks.arg;
    OR_DEFAULT(c, max_connections);
    if (c->max_connections_per_principal == 0)
        c->max_connections_per_principal = (c->max_connections + 3) / 4;
    OR_DEFAULT(c, max_streams);
    OR_DEFAULT(c, max_message_bytes);
    OR_DEFAULT(c, max_header_list_bytes);
    OR_DEFAULT(c, max_buffered_output_bytes);
    OR_DEFAULT(c, max_handshakes);
    OR_DEFAULT(c, handshake_timeout_ms);
    OR_DEFAULT(c, request_timeout_ms);
    OR_DEFAULT(c, idle_timeout_ms);
    OR_DEFAULT(c, min_ping_interval_ms);
    OR_DEFAULT(c, keepalive_interval_ms);
    OR_DEFAULT(c, keepalive_timeout_ms);
    OR_DEFAULT(c, max_age_ms);
    OR_DEFAULT(c, max_age_grace_ms);
    server->limits = (struct wire_limits){
        .max_streams = (uint32_t)c->max_streams,
        .max_message_bytes = c->max_message_bytes,
        .max_header_list_bytes = c->max_header_list_bytes,
        .max_queued_bytes = c->max_buffered_output_bytes,
        .min_ping_interval_ms = c->min_ping_interval_ms,
        .request_timeout_ms = c->request_timeout_ms > 0 ? c->request_timeout_ms : 0,
    };
    server->wire.compress = c->compress;
}

/* Before a call of a peer whose turn has not come. */
static void look_again(void *arg)
{
    connection_look_again(arg);
}

struct rpc_server *rpc_server_new(struct loop *loop, const struct rpc_server_config *config,
                                  struct err *err)
{
    struct rpc_server *server = calloc(1, sizeof(*server));
    if (!server) {
        err_sys(err, ENOMEM, "RPC server");
        return NULL;
    }
    if (!config)
        config = &defaults;
    server->loop = loop;
    server->config = *config;
    router_init(&server->wire.router);
    server->wire.authorize = config->authorize;
    server->wire.arg = config->arg;
    rpc_server_set_limits(server, config);
    deadlines_init(&server->deadlines);
    wire_pool_init(&server->pool);
    server->drain_end.passed = server_drain_end;
    server->timer_at_ms = INT64_MAX;
    list_init(&server->connections);
    list_init(&server->dirty);
    list_init(&server->handshakes);
    list_init(&server->lingering);
    map_init(&server->holders);
    if (getrandom(&server->chance, sizeof(server->chance), GRND_NONBLOCK) < 0)
        server->chance = (uint64_t)clock_real_ns();
    list_init(&server->listeners);
    buf_init(&server->write_block, WRITE_BLOCK_MAX_BYTES);
    buf_init(&server->tls_block, WRITE_BLOCK_MAX_BYTES + TLS_CIPHER_EXTRA_BYTES);
    buf_init(&server->plain_block, READ_BLOCK_BYTES + TLS_PLAIN_EXTRA_BYTES);
    server->read_block = malloc(READ_BLOCK_BYTES);
    event_assign(&server->flush_event, loop_base(loop), -1, 0, server_on_flush, server);
    server->wire.look_again = look_again;
    if (!server->read_block || timer_init(&server->timer, loop, server_tick, server) < 0 ||
        timer_init(&server->look, loop, server_look_again, server) < 0) {
        err_sys(err, ENOMEM, "RPC server");
        rpc_server_free(server);
        return NULL;
    }
    return server;
}

int rpc_server_add(struct rpc_server *server, const struct rpc_service *service,
                   const void *handlers, void *self, struct err *err)
{
    return router_add(&server->wire.router, service, handlers, self, err);
}

void rpc_server_set_admit(struct rpc_server *server,
                          int (*admit)(void *arg, const struct rpc_method *method, struct err *err),
                          void *arg)
{
    server->wire.admit = admit;
    server->wire.admit_arg = arg;
}

void rpc_server_set_observer(struct rpc_server *server, const struct rpc_observer *observer,
                             void *arg)
{
    server->wire.observer = observer;
    server->wire.observer_arg = arg;
}

void rpc_server_set_gate(struct rpc_server *server, rpc_gate_fn *gate, void *arg)
{
    server->wire.gate = gate;
    server->wire.gate_arg = arg;
}

int rpc_server_on_free(struct rpc_server *server, void (*freed)(void *arg), void *arg)
{
    struct server_goods *g = malloc(sizeof(*g));
    if (!g)
        return -1;
    *g = (struct server_goods){freed, arg, server->goods};
    server->goods = g;
    return 0;
}

bool rpc_server_has(const struct rpc_server *server, const char *service)
{
    size_t len = strlen(service);
    for (const struct route *r = server->wire.router.all; r; r = r->next)
        if (strncmp(r->method->path + 1, service, len) == 0 && r->method->path[1 + len] == '/')
            return true;
    return false;
}

static void server_stop_listening(struct rpc_server *server)
{
    for (struct list *l; (l = list_first(&server->listeners));)
        listener_close(container_of(l, struct listener, link));
}

void rpc_server_drain(struct rpc_server *server, int64_t grace_ms, void (*drained)(void *arg),
                      void *arg)
{
    server->draining = true;
    server->drained = drained;
    server->drained_arg = arg;
    server_stop_listening(server);
    struct err why;
    err_set(&why, ERR_UNAVAILABLE, "the server is shutting down");
    for (struct list *l; (l = list_first(&server->handshakes));)
        connection_close(container_of(l, struct connection, handshake_link), &why);
    list_foreach(pos, &server->connections)
    {
        struct connection *conn = container_of(pos, struct connection, link);
        wire_conn_drain(conn->wire);
    }
    if (deadlines_set(&server->deadlines, &server->drain_end, clock_mono_ms() + grace_ms) < 0)
        server_close_all(server);
    server_wake(server);
}

void rpc_server_free(struct rpc_server *server)
{
    if (!server)
        return;
    server->drained = NULL;
    server_stop_listening(server);
    server_close_all(server);
    deadlines_remove(&server->deadlines, &server->drain_end);
    event_del(&server->flush_event);
    timer_done(&server->timer);
    timer_done(&server->look);
    map_done(&server->holders);
    tls_context_unref(server->tls);
    router_done(&server->wire.router);
    while (server->goods) {
        struct server_goods *g = server->goods;
        server->goods = g->next;
        g->freed(g->arg);
        free(g);
    }
    deadlines_done(&server->deadlines);
    wire_pool_done(&server->pool);
    buf_done(&server->write_block);
    buf_done(&server->tls_block);
    buf_done(&server->plain_block);
    free(server->read_block);
    free(server);
}

size_t rpc_server_connections(const struct rpc_server *server)
{
    return server->n_connections;
}

void rpc_server_set_tls(struct rpc_server *server, struct tls_context *context)
{
    rpc_server_verify_again(server, context);
    list_foreach(pos, &server->listeners)
    {
        struct listener *l = container_of(pos, struct listener, link);
        if (l->kind == RPC_PEER_TLS)
            listener_set_tls(l, context);
    }
}

void rpc_server_close_tls(struct rpc_server *server)
{
    list_foreach(pos, &server->listeners)
    {
        struct listener *l = container_of(pos, struct listener, link);
        if (l->kind == RPC_PEER_TLS)
            listener_close(l);
    }
}

void connection_end_soon(struct connection *conn, const char *why)
{
    snprintf(conn->ending, sizeof(conn->ending), "%s", why);
    wire_conn_dismiss(conn->wire, conn->ending);
    if (list_empty(&conn->dirty_link))
        list_add_tail(&conn->server->dirty, &conn->dirty_link);
    server_wake(conn->server);
}

void connection_cut(struct connection *conn, const char *why)
{
    struct err err = ERR_INIT;
    err_set(&err, ERR_UNAUTHENTICATED, "%s", why);
    (void)wire_conn_refuse(conn->wire, &err); /* without memory it is closed all the same */
    conn->cut = true;
    connection_end_soon(conn, err.message);
}

/* May be called by a handler of the very connection: it is closed from the loop. */
size_t rpc_server_cut(struct rpc_server *server, bool (*match)(void *arg, const struct rpc_peer *),
                      void *arg)
{
    size_t n = 0;
    char why[200];
    list_foreach(pos, &server->connections)
    {
        struct connection *conn = container_of(pos, struct connection, link);
        if (conn->cut || !match(arg, &conn->wire->peer))
            continue;
        snprintf(why, sizeof(why), "%s may not be here any more", conn->wire->peer.principal);
        connection_cut(conn, why);
        n++;
    }
    return n;
}
