/* The inside of a struct banger_call. Not installed. */
#ifndef BANGER_CLIENT_CALL_INTERNAL_H
#define BANGER_CLIENT_CALL_INTERNAL_H

#include "banger/call.h"
#include "call_metadata.h"

struct banger_client;
struct rpc_method;

struct banger_call {
    int64_t timeout_ms; /* 0: not told */
    struct banger_metadata metadata, headers, trailers;
};

/* Milliseconds, or -1 for none. call may be NULL. */
int64_t call_timeout_ms(const struct banger_call *call, const struct banger_client *client,
                        const struct rpc_method *method);

#endif
