/* The inside of the load generator: what its files share.
 *
 * load.c leads through the phases; load_conn.c moves bytes between sockets,
 * TLS and rpc/wire's client; load_calls.c makes the calls and checks their answers. One thread, one
 * epoll. The first failure of any call ends the run: figures of a server that answers wrongly mean
 * nothing. */
#ifndef BANGER_BENCH_LOAD_H
#define BANGER_BENCH_LOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/buf.h"
#include "base/err.h"
#include "bench/histogram.h"

struct load;
struct rpc_call;
struct rpc_client;
struct tls;
struct tls_context;

enum load_mode { LOAD_UNARY, LOAD_STREAM, LOAD_IDLE };

enum load_phase {
    LOAD_OPENING,   /* each connection makes a few unary calls, few connections at once */
    LOAD_WARMING,   /* calls as in the next phase, not counted */
    LOAD_MEASURING, /* calls are counted and timed */
    LOAD_DRAINING,  /* no new ones; those begun must end well */
};

struct load_options {
    enum load_mode mode;
    union {
        struct sockaddr any;
        struct sockaddr_un local;
        struct sockaddr_storage storage;
    } address;
    socklen_t address_len;
    bool tcp, tls;
    const char *certs;                            /* folder of bench/certs.c */
    size_t n_connections, n_streams, n_in_flight; /* messages in flight on each stream */
    size_t payload_bytes;
    double warm_s, measure_s;
    int pid; /* the server, whose processor time is read; 0: unknown */
};

/* One call at a time: the place of the next one as soon as it is over. */
struct load_slot {
    struct load_conn *conn;
    struct rpc_call *call;     /* stream mode: counted */
    uint64_t n_sent, n_echoed; /* messages; unary: of this call */
    int64_t *sent_ns;          /* borrowed ring of n_in_flight: when each was sent */
};

struct load_conn {
    struct load *load;
    struct rpc_client *client; /* owned */
    struct tls *tls;           /* owned; NULL: plain */
    struct load_slot *slots;   /* borrowed, n_streams */
    struct buf unsent;         /* what the socket did not take */
    int fd;                    /* owned */
    uint32_t events;           /* what epoll waits for */
    unsigned n_greetings;      /* calls made while opening */
};

struct load {
    struct load_options o;
    enum load_phase phase;
    struct tls_context *tls_context; /* owned; NULL without TLS */
    struct load_conn *conns;         /* owned */
    struct load_slot *slots;         /* owned, of all connections */
    int64_t *rings;                  /* owned, of all slots */
    uint8_t *payload;                /* owned, what is sent and must come back */
    uint8_t *input;                  /* owned, LOAD_INPUT_BYTES */
    struct buf plain, cipher;        /* empty between events */
    size_t n_opened, n_up;           /* connections: begun, and with their first calls over */
    size_t n_active;                 /* calls that are not over */
    uint64_t n_done;                 /* calls, or messages of streams, while measuring */
    uint64_t n_progress;             /* the same, ever */
    struct histogram latency_ns;
    struct err failure; /* code ERR_NONE while all is well */
    int epoll_fd;
};

enum { LOAD_INPUT_BYTES = 256 << 10 };

/* load_options.c. -1: they make no sense. */
int load_parse(struct load_options *o, int argc, char **argv);

/* load_conn.c. */
int load_tls_init(struct load *load, struct err *err);
int load_conn_open(struct load_conn *c, struct err *err);
/* After epoll told events. */
int load_conn_ready(struct load_conn *c, uint32_t events, struct err *err);
/* Sends what calls have queued. */
int load_conn_flush(struct load_conn *c, struct err *err);
void load_conn_close(struct load_conn *c);

/* load_calls.c. Failures of calls go to load->failure. */
/* A connection's first calls, one by one. */
void load_calls_greet(struct load_conn *c);
/* All slots of a connection begin to call. */
void load_calls_begin(struct load_conn *c);

#endif
