/* The inside of the gRPC server: what server.c, listener.c and connection.c share.
 *
 * A connection is a socket and the wire_conn behind it. Reading and writing use blocks of the
 * server, so that an idle connection keeps no buffers; only what a socket did not take stays with
 * its connection. Connections are closed from the loop's callbacks alone, never from inside
 * HTTP/2's. */
#ifndef BANGER_RPC_EVENT_CONNECTION_H
#define BANGER_RPC_EVENT_CONNECTION_H

#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/list.h"
#include "base/map.h"
#include "rpc/event/handshakes.h"
#include "rpc/event/places.h"
#include "rpc/event/loop.h"
#include "rpc/event/server.h"
#include "rpc/wire/conn.h"
#include "rpc/wire/deadline.h"
#include "rpc/wire/pool.h"
#include "rpc/wire/tls.h"

enum {
    READ_BLOCK_BYTES = 64 << 10,
    WRITE_BLOCK_BYTES = 256 << 10,   /* pulled and written at a time … */
    WRITE_BLOCK_MAX_BYTES = 1 << 20, /* … with room for the frames behind it */
    LINGER_MS = 1000,                /* for a peer to read our last words and close … */
    LINGER_MAX = 128,                /* … so many at once, … */
    LINGER_EACH = 32,                /* … and of one principal */
};

/* What goes with the server. */
struct server_goods {
    void (*freed)(void *arg);
    void *arg;
    struct server_goods *next;
};

struct rpc_server {
    struct loop *loop; /* borrowed */
    struct rpc_server_config config;
    struct wire_server wire;
    struct wire_limits limits;
    struct deadlines deadlines; /* of calls, connections and the drain */
    struct wire_pool pool;
    struct timer timer;       /* for the earliest of them */
    struct timer look;        /* while connections are to be looked at again */
    struct tls_context *tls;  /* counted: what certificates are held against; NULL: none yet */
    int64_t timer_at_ms;      /* when it fires, INT64_MAX when it does not */
    struct event flush_event; /* made active when there is something in dirty, or to notice */
    struct list connections, dirty, listeners;
    struct list handshakes; /* connection.handshake_link, the oldest first */
    struct list lingering;  /* connection.linger_link, the same */
    uint64_t chance;        /* the seed of what is decided by chance */
    size_t n_connections, n_handshakes, n_lingering;
    struct map holders; /* struct holder by principal; owned */
    size_t n_placed, n_turned_away;
    uint8_t *read_block;               /* owned, READ_BLOCK_BYTES */
    struct buf write_block;            /* empty between flushes */
    struct buf tls_block, plain_block; /* TLS output and input, empty between events */
    uint64_t n_opened;                 /* ever; the id of the last */
    bool draining;
    struct deadline drain_end;
    struct server_goods *goods; /* owned */
    void (*drained)(void *arg);
    void *drained_arg;
};

struct connection {
    struct rpc_server *server;
    struct list link;       /* server->connections */
    struct list dirty_link; /* server->dirty: to be flushed */
    struct wire_conn *wire; /* owned */
    struct tls *tls;        /* owned; NULL: plain */
    struct list handshake_link, linger_link;
    struct holder *holder; /* the server's; NULL: it has no place (yet, or any more) */
    struct event read_event, write_event;
    struct buf unsent; /* what the socket did not take */
    struct deadline idle, keepalive, age, expiry;
    uint64_t id;
    int64_t since_ns;                       /* real time */
    char ending[200];                       /* why it is cut or kicked; "" when it is not */
    int64_t progress_ms;                    /* bytes moved last */
    uint8_t source[HANDSHAKE_SOURCE_BYTES]; /* TLS: where it comes from */
    int fd;                                 /* owned */
    bool reading, writing;
    bool heard;       /* TLS: its peer has said something … */
    bool spoken;      /* … that we have read */
    bool shaking;     /* in server->handshakes: the handshake is not done, or has failed */
    bool turned_away; /* has no place, and waits to be told */
    bool lingering;   /* we are done: what comes is thrown away until the peer closes */
    bool cut;         /* its peer counts no more: to be closed with the next flush */
    bool unwatched;   /* no memory to wait for its socket: to be closed */
    bool blamed;      /* what the peer did wrong was logged */
    bool aged;        /* sent away for its age, may end its calls */
};

struct listener {
    struct rpc_server *server;
    struct list link;
    struct event event;
    struct timer retry;      /* while out of file descriptors or memory */
    enum rpc_peer_kind kind; /* of those who come */
    struct tls_context *tls; /* counted; RPC_PEER_TLS; NULL: accepts nobody yet */
    char path[108];          /* of the socket file, or the address */
    dev_t dev;               /* of the socket file, to remove no other */
    ino_t ino;
    int fd;
};

/* connection.c */
/* Takes the fd in any case. tls: NULL for plain connections. full: why it cannot stay, for it to be
 * told; NULL: it can. */
int connection_open(struct rpc_server *server, int fd, const struct rpc_peer *peer,
                    struct tls_context *tls, const struct err *full, struct err *err);
/* Its peer is known: takes a place for it, or turns it away (full: in any case). -1: to be closed.
 */
int connection_place(struct connection *conn, const struct err *full, struct err *err);
void connection_close(struct connection *conn, const struct err *why);
void connection_flush(struct connection *conn);
/* Says that we are done and waits, a second at most, for the peer to close: closing with something
 * of the peer's unread would reset the connection, and take from it what we said last. Nothing may
 * be unsent. Closes at once where that cannot be had; where too many do so the oldest is closed. */
void connection_linger(struct connection *conn, const struct err *why);
/* Logs what the peer did wrong, if anything, once: whoever looks into an attack wants to know who
 * and what, not how often. */
void connection_tell_fault(struct connection *conn);
/* Sends a block, behind what waits already, and empties it. False: the connection is closed. */
bool connection_write(struct connection *conn, struct buf *block);
/* What is waited for. */
void connection_want(struct connection *conn, bool read, bool write);

/* connection_tls.c */
/* Makes room among the handshakes and begins one. */
int connection_tls_open(struct connection *conn, struct tls_context *context, struct err *err);
/* Turns what came into plaintext. False: nothing for HTTP/2, or the connection is closed. */
bool connection_tls_receive(struct connection *conn, const uint8_t **data, size_t *len);
/* Says goodbye where there is someone to hear it, and frees the filter. */
void connection_tls_goodbye(struct connection *conn);
/* That, and gives up its place among the handshakes. */
void connection_tls_done(struct connection *conn);

/* lifetime.c */
/* Starts or keeps the clock of a block of headers that has begun and not ended. */
void connection_expect_headers(struct connection *conn);
/* The deadline `idle`: also the handshake's and the headers'. */
void connection_idle_passed(struct deadline *d);
/* Starts what ends a connection in time; -1: no memory. */
int connection_watch(struct connection *conn);
void connection_unwatch(struct connection *conn);

/* standing.c */
/* Holds the peer against what counts now: it stays, may end its calls, or is cut. */
void connection_look_again(struct connection *conn);
/* Sets the deadline `expiry`, if its peer's certificate has an end. -1: no memory. */
int connection_expect_end(struct connection *conn);
void connection_end_passed(struct deadline *d);
/* Those that were not looked at since something changed, a few in a turn. */
void server_look_again(void *arg);

/* server.c */
/* Closes it with the next flush, from the loop; why is for the peer. */
void connection_end_soon(struct connection *conn, const char *why);
/* Closes it with the next flush, from the loop; until then calls are answered UNAUTHENTICATED. */
void connection_cut(struct connection *conn, const char *why);
void server_arm_timer(struct rpc_server *server);
void server_wake(struct rpc_server *server);

/* listener.c */
/* With its address or path, nothing else yet; NULL with err. */
struct listener *listener_new(struct rpc_server *server, enum rpc_peer_kind kind, const char *path,
                              struct err *err);
/* Accepts from now on on l->fd, which listens and does not block; one for TLS as soon as it has a
 * context. */
int listener_start(struct listener *l, struct err *err);
void listener_set_tls(struct listener *l, struct tls_context *context);
void listener_close(struct listener *l);

/* identify.c */
/* Fills principal and role, by the server's hook; for Unix peers the user and groups before, as fd
 * says them. */
int peer_identify(const struct rpc_server *server, int fd, struct rpc_peer *peer, struct err *err);

/* listener_tcp.c */
/* Fills the address of who came over TCP, and makes small frames leave at once. */
int listener_tcp_peer(int fd, struct rpc_peer *peer, struct err *err);
/* Whom it counts with where addresses are compared (handshakes.h); zeroes where that is not known.
 */
void listener_tcp_source(int fd, uint8_t source[HANDSHAKE_SOURCE_BYTES]);

#endif
