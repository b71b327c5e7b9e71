/* The echo service's method table and handlers (echo.proto), for tests and benchmarks. */
#ifndef BANGER_TESTS_ECHO_SERVICE_H
#define BANGER_TESTS_ECHO_SERVICE_H

#include <stddef.h>
#include <stdint.h>

#include "echo.pb-c.h"
#include "rpc/wire/call.h"

enum { ECHO_UNARY, ECHO_SERVER_STREAM, ECHO_CLIENT_STREAM, ECHO_BIDI, ECHO_MISSING, ECHO_ADMIN };

extern const struct rpc_service echo_rpc_service;

static inline const struct rpc_method *echo_method(int which)
{
    return &echo_rpc_service.methods[which];
}

typedef void echo_unary_fn(void *self, struct rpc_call *call,
                           const Banger__Test__V1__EchoRequest *request);
typedef void echo_stream_fn(void *self, struct rpc_call *call);

struct echo_handlers {
    echo_unary_fn *unary, *server_stream;
    echo_stream_fn *client_stream, *bidi;
    echo_unary_fn *missing, *admin;
};

extern const struct echo_handlers echo_handlers;

/* What the handlers note; pass one as self, zeroed. */
struct echo_stats {
    size_t n_started, n_closed; /* calls that keep state: streams and hanging ones */
    int last_code;              /* of the last closed() */
    struct rpc_call *last;      /* the last started one, borrowed */
    size_t n_compressed;        /* unary requests that came compressed */
    size_t max_message_bytes;   /* largest payload seen */
};

#endif
