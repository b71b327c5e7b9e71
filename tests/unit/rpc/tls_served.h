/* rpc/event's TLS server and its clients in one loop, over real sockets: for tests of who is
 * served. */
#ifndef BANGER_TESTS_TLS_SERVED_H
#define BANGER_TESTS_TLS_SERVED_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "rpc/event/loop.h"
#include "rpc/event/server.h"
#include "tests/unit/rpc/pair.h"
#include "tests/unit/rpc/tls_pair.h"

#define REQUEST_INIT BANGER__TEST__V1__ECHO_REQUEST__INIT

enum { WAIT_MS = 20000, HANDSHAKES_MAX = 16 };

extern struct tls_certs certs; /* made and done by the test's main */

struct fixture {
    struct loop *loop;
    struct rpc_server *server;
    struct tls_context *context;
    struct echo_stats stats;
    struct timer limit;
    uint16_t port;
    bool late, drained;
    char principal[TLS_PRINCIPAL_BYTES]; /* whom identify saw last */
};

/* A client in the same loop. */
struct client {
    struct fixture *f;
    struct rpc_client *rpc;
    struct tls_context *context;
    struct tls *tls;
    struct watch watch;
    struct buf plain, cipher;
    int fd;
    bool lost;
    struct err why;
};

struct wait {
    struct fixture *f;
    struct err status;
    int n_messages, n_closed;
};

struct tls_context *server_context(const struct cert *server, const struct cert *ca);
void open_fixture(struct fixture *f, int64_t handshake_ms);
void close_fixture(struct fixture *f);
/* Runs the loop until somebody stops it. */
void run(struct fixture *f);
int dial(const struct fixture *f);
void client_flush(struct client *c);
/* Says nothing yet. */
void connect_client(struct client *c, struct fixture *f, const struct cert *cert);
void open_client(struct client *c, struct fixture *f, const struct cert *cert);
void close_client(struct client *c);
struct rpc_call *start(struct client *c, int method, const echo_request *r, struct wait *w);
struct err call(struct client *c, int method, const echo_request *r, int *n_messages);
void check_works(struct client *c);

#endif
