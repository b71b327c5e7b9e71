/* A client and a server connection joined by memory, for tests without I/O. */
#ifndef BANGER_TESTS_RPC_PAIR_H
#define BANGER_TESTS_RPC_PAIR_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"
#include "rpc/wire/client.h"
#include "rpc/wire/conn.h"
#include "rpc/wire/deadline.h"
#include "rpc/wire/pool.h"
#include "tests/support/echo_service.h"

typedef Banger__Test__V1__EchoRequest echo_request;
typedef Banger__Test__V1__EchoResponse echo_response;

struct pair {
    struct rpc_client *client;
    struct wire_conn *server;
    struct wire_server wire;
    struct deadlines deadlines;
    struct wire_pool pool; /* the server's */
    struct echo_stats stats;
    struct buf to_client;
    size_t step;      /* bytes handed over at a time; 0: all */
    bool client_deaf; /* the client reads nothing */
    bool client_broken, server_broken;
    struct err client_err, server_err;
    size_t max_to_client; /* most bytes pulled at once */
};

/* What a client's call saw. */
struct seen {
    size_t n_messages, n_half_closed, n_writable, n_closed;
    size_t payload_bytes;
    uint64_t last_seq;
    bool in_order; /* seq counted from 1 without a gap */
    char text[64]; /* of the last message */
    struct err status;
    bool pause_each; /* pause in message() */
};

/* 0, or -1 where memory failed (then nothing is left to free). */
int pair_try_open(struct pair *p);
void pair_open(struct pair *p);
void pair_close(struct pair *p);
/* Moves bytes both ways until nothing moves. */
void pair_run(struct pair *p);
/* Bytes from the server waiting for a client that is deaf, pulled up to max. */
size_t pair_pull_server(struct pair *p, size_t max_bytes);

extern const struct rpc_call_events seen_events;
struct rpc_call *pair_start(struct pair *p, int method, const struct rpc_call_options *options,
                            const echo_request *request, struct seen *seen);
/* One unary call to its end. */
struct err pair_unary(struct pair *p, int method, const echo_request *request, struct seen *seen);

#endif
