/* A client on one connection, for the interop cases: blocks until what a case waits for is
 * there. Unix sockets and TLS go through libbanger's transport. */
#ifndef BANGER_TESTS_INTEROP_CLIENT_DRIVER_H
#define BANGER_TESTS_INTEROP_CLIENT_DRIVER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "clients/c/target.h"
#include "clients/c/transport.h"
#include "rpc/wire/client.h"

struct driver {
    const char *target; /* borrowed; see driver_open */
    const char *folder; /* borrowed; its certificates */
    struct rpc_client *client;
    struct target where;
    struct transport transport;
    int epoll_fd; /* of the transport */
};

/* What a call saw so far. */
struct result {
    size_t n_messages, n_closed;
    size_t size[8];     /* of the first payloads */
    bool compressed[8]; /* whether they came so */
    size_t (*measure)(const ProtobufCMessage *message);
    struct err status;
};

extern const struct rpc_call_events result_events;

/* target: tcp:PORT (of this machine, without TLS), tls:HOST:PORT or unix:PATH. */
int driver_open(struct driver *d, const char *target, const char *folder, struct err *err);
void driver_close(struct driver *d);
/* The same once more, on a new connection. */
int driver_reopen(struct driver *d, struct err *err);
/* Sends and receives until the call has n messages or is over; -1 when that takes too long. */
int driver_wait(struct driver *d, const struct result *r, size_t n_messages);
int driver_wait_closed(struct driver *d, const struct result *r);

#endif
