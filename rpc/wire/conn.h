/* One HTTP/2 connection that carries gRPC, either side, without I/O.
 *
 * Whoever owns the socket feeds bytes in (wire_conn_receive) and takes bytes out (wire_conn_pull);
 * a byte filter such as TLS fits between. nghttp2 does HTTP/2, this and its neighbours do gRPC:
 * conn.c the session and its callbacks, call.c the call API and its end, input.c and output.c a
 * call's two directions, serve.c and client.c what only one side does.
 *
 * The connection owns its calls' streams; a call outlives it while somebody holds a reference, and
 * keeps the (closed) struct alive. Handlers run from inside receive, pull, close or a deadline;
 * they may use any call of the connection but never receive, pull, close or free it. One thread. */
#ifndef BANGER_RPC_WIRE_CONN_H
#define BANGER_RPC_WIRE_CONN_H

#include <nghttp2/nghttp2.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"
#include "rpc/wire/call.h"
#include "rpc/wire/deadline.h"
#include "rpc/wire/heap.h"
#include "rpc/wire/router.h"
#include "rpc/wire/stream_ids.h"
#include "rpc/wire/unpack.h"

struct buf;
struct deadlines;
struct err;
struct rpc_observer;
struct wire_pool;

struct wire_limits {
    uint32_t max_streams;         /* the peer's at once */
    size_t max_message_bytes;     /* incoming, unless the method says otherwise */
    size_t max_header_list_bytes; /* of one call's headers, counted as RFC 9113 6.5.2 does */
    size_t max_queued_bytes;      /* outgoing messages of all calls together */
    int64_t min_ping_interval_ms; /* the peer's pings without data between; 0: any */
    int64_t request_timeout_ms;   /* headers to end, of a request that is one message; 0: none */
};

enum {
    WIRE_FAULT_BYTES = 256, /* two times and a name fit */
    FRAME_HEAD_BYTES = 9
};

/* Where the peer's next frame begins, ahead of nghttp2. */
struct frame_walk {
    size_t left; /* bytes until there */
    size_t n_head;
    uint8_t head[FRAME_HEAD_BYTES]; /* n_head bytes of it, where it came in pieces */
};

/* What the peer made us do for nothing (abuse.h). */
struct wire_account {
    size_t spent; /* units, since time was last made good */
    int64_t since_ms;
};

/* What all server connections share; calls are authorised before they are dispatched. */
struct wire_server {
    struct router router;
    int (*authorize)(void *arg, struct rpc_call *call, struct err *err); /* NULL: by role */
    void *arg;
    /* After that: whether it may be done now. NULL: yes. */
    int (*admit)(void *arg, const struct rpc_method *method, struct err *err);
    void *admit_arg;
    bool compress; /* answers by gzip where the client takes it */
    /* Grows when what peers are let in by has changed: each is looked at again before its next
     * call. NULL: they stay what they are. */
    uint64_t generation;
    void (*look_again)(void *arg);       /* arg: the connection's */
    const struct rpc_observer *observer; /* NULL: nobody looks on */
    void *observer_arg;
    rpc_gate_fn *gate; /* NULL: handlers get requests at once */
    void *gate_arg;
};

struct wire_conn_config {
    const struct wire_server *server; /* NULL: the client's side; outlives the connection */
    struct wire_limits limits;
    struct deadlines *deadlines; /* outlives the connection */
    struct wire_pool *pool;      /* outlives the open connection */
    void (*wake)(void *arg);     /* something came up outside of receive and pull: pull soon */
    void *arg;
};

struct wire_conn {
    nghttp2_session *session; /* NULL once closed */
    struct heap heap;         /* the session's memory */
    const struct wire_server *server;
    struct wire_limits limits;
    struct deadlines *deadlines;
    struct wire_pool *pool;
    void (*wake)(void *arg);
    void *arg;
    struct rpc_peer peer;
    uint64_t generation; /* the server's, of when the peer was looked at last */
    struct err *refusal; /* server: what further calls are answered with; owned; NULL: nothing */
    unsigned n_refs;
    unsigned n_calls;      /* in calls */
    uint64_t n_calls_done; /* that were in calls */
    struct list calls;     /* rpc_call.link: stream open or closed() outstanding */
    struct list work;      /* rpc_call.work_link: something to do for them soon */
    struct list blocked;   /* rpc_call.blocked_link: wait for writable() */
    struct list starved;   /* rpc_call.starved_link: wait to unpack a message */
    struct list lingering; /* rpc_call.linger_link: answered, their peers may still send */
    struct deadline unpack_again, linger_over;
    struct list unpack_link; /* pool->unpackers */
    struct unpack_budget unpack;
    struct rpc_call *hot_call;     /* the stream that the frames come for */
    const struct route *hot_route; /* what the last request asked for */
    struct buf *pull_to;           /* while pulling */
    size_t pull_target;
    struct stream_ids ids;   /* server */
    size_t queued_bytes;     /* in rpc_call.out of all calls */
    size_t held_bytes;       /* in rpc_call.in of all calls */
    size_t calls_bytes;      /* of all calls that are not yet given up, and their metadata */
    size_t unconsumed_bytes; /* received, connection window not yet given back */
    unsigned n_early;        /* calls answered before their request ended */
    unsigned n_lingering;
    uint64_t bytes_in, bytes_out;
    int64_t now_ms;         /* when the current or last receive began */
    int64_t pinged_ms;      /* when we asked whether the peer is there; 0: it was since */
    int64_t peer_pinged_ms; /* the peer's last ping, 0: none */
    unsigned ping_strikes;  /* pings that came too soon */
    bool sent_data;         /* HEADERS or DATA since the peer's last ping */
    int64_t headers_ms; /* server: when the block of headers began that has not ended; 0: none */
    struct frame_walk walk;
    struct wire_account account;
    int64_t wasted_ms;            /* since when those are counted */
    unsigned wasted_streams;      /* the peer's that did nothing for any call */
    char fault[WIRE_FAULT_BYTES]; /* what the peer did wrong first, for the log; "": nothing */
    bool busy;                    /* inside receive or pull: they look at the work themselves */
    bool woken;                   /* wake() was called, pull has not come yet */
    bool broken;                  /* out of memory or a fatal error: to be closed */
    bool greeted;                 /* the peer's SETTINGS are in */
    bool condemned;               /* we said GOAWAY with an error: nothing more is read */
    bool unpack_turn;             /* the next message may be unpacked, others wait */
    bool finishing;               /* server: no further calls are begun */
    bool draining;                /* GOAWAY came (client) or went (server) */
};

/* NULL with err. The peer is filled in by the owner, before the first byte. */
struct wire_conn *wire_conn_new(const struct wire_conn_config *config, struct err *err);
void wire_conn_unref(struct wire_conn *conn);

/* Takes all the bytes. -1: the connection is unusable; pull once more (GOAWAY), then close. */
int wire_conn_receive(struct wire_conn *conn, const uint8_t *data, size_t len, struct err *err);
/* Appends output to `to` until that holds target bytes or there is none now; to->max must leave
 * room for a frame (16 KiB and a bit) above target. Call again until nothing comes: handlers are
 * told of room at the end of it. */
int wire_conn_pull(struct wire_conn *conn, struct buf *to, size_t target, struct err *err);
/* After -1 from receive, in place of what pull has: a last GOAWAY that says why. */
void wire_conn_last_words(struct wire_conn *conn, const struct err *why, struct buf *to);
/* GOAWAY: calls in flight may end, new ones are not taken. Where calls are open the peer hears of
 * it first, so that what it begins meanwhile is not lost (RFC 9113 6.8). */
void wire_conn_drain(struct wire_conn *conn);
/* GOAWAY at once, before a close that waits for nothing; why is for the peer's log. */
void wire_conn_dismiss(struct wire_conn *conn, const char *why);
/* Server: further calls are answered with that. Those that are open go on. -1: no memory. */
int wire_conn_refuse(struct wire_conn *conn, const struct err *why);
/* Server: GOAWAY; further calls are not begun, and may be tried on another connection. */
void wire_conn_finish(struct wire_conn *conn);
/* Nothing more to read nor to write by HTTP/2's rules. */
bool wire_conn_is_finished(const struct wire_conn *conn);
/* More output piles up than a peer that reads would ever leave: stop reading it meanwhile. */
bool wire_conn_is_congested(const struct wire_conn *conn);
/* Pings a peer that was silent for interval_ms. Returns when to look again, or -1 when it did not
 * say anything for timeout_ms behind the ping. */
int64_t wire_conn_keepalive(struct wire_conn *conn, int64_t now_ms, int64_t interval_ms,
                            int64_t timeout_ms);
/* Deferred closed() and message() callbacks; receive and pull do it too. */
void wire_conn_do_work(struct wire_conn *conn);
/* The transport is gone, or will be: every open call is closed with this reason. */
void wire_conn_close(struct wire_conn *conn, const struct err *why);
static inline bool wire_conn_has_work(const struct wire_conn *conn)
{
    return !list_empty(&conn->work);
}

/* For the neighbours: what is kept for the peer, here and in the pool's account; nothing once the
 * connection is closed. */
void conn_hold(struct wire_conn *conn, size_t n_bytes);
void conn_release(struct wire_conn *conn, size_t n_bytes);
void conn_queue(struct wire_conn *conn, size_t n_bytes);
void conn_unqueue(struct wire_conn *conn, size_t n_bytes);
/* For a call and its metadata. Whether there may be so much more of them, and the account. */
bool conn_may_grow(const struct wire_conn *conn, size_t n_bytes);
void conn_grow(struct wire_conn *conn, size_t n_bytes);
void conn_shrink(struct wire_conn *conn, size_t n_bytes);
/* For the neighbours: output or work came up. */
void wire_conn_touch(struct wire_conn *conn);
/* For the neighbours: keeps the first thing that the peer did wrong. */
void wire_conn_blame(struct wire_conn *conn, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* For the neighbours: 0, or NGHTTP2_ERR_CALLBACK_FAILURE. */
int wire_conn_goaway(struct wire_conn *conn, uint32_t code, const char *why);
/* For the neighbours: checks what an nghttp2_submit_… returned; false and broken on a fatal one. */
bool wire_conn_check(struct wire_conn *conn, int rv);

static inline bool wire_conn_is_server(const struct wire_conn *conn)
{
    return conn->server != NULL;
}

#endif
