/* A client on one socket, for the interop cases: blocks in poll until what a case waits for is
 * there. */
#ifndef BANGER_TESTS_INTEROP_CLIENT_DRIVER_H
#define BANGER_TESTS_INTEROP_CLIENT_DRIVER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "rpc/wire/client.h"

struct driver {
    struct rpc_client *client;
    int fd;
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

int driver_open(struct driver *d, const char *host, unsigned port, struct err *err);
void driver_close(struct driver *d);
/* Sends and receives until the call has n messages or is over; -1 when that takes too long. */
int driver_wait(struct driver *d, const struct result *r, size_t n_messages);
int driver_wait_closed(struct driver *d, const struct result *r);

#endif
