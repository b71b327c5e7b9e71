/* Who looks on as a server's calls come and end, such as an audit log. On the loop's thread; every
 * member may be NULL. Calls of unknown methods are not shown. */
#ifndef BANGER_RPC_WIRE_OBSERVER_H
#define BANGER_RPC_WIRE_OBSERVER_H

#include <protobuf-c/protobuf-c.h>

struct err;
struct rpc_call;

struct rpc_observer {
    /* The request, or the first message of a client that streams, before the handler has it. */
    void (*requested)(void *arg, struct rpc_call *call, const ProtobufCMessage *request);
    /* The message that rpc_call_reply answers with. */
    void (*replied)(void *arg, struct rpc_call *call, const ProtobufCMessage *response);
    /* Exactly once for every call, as its status is settled: answered, or lost before that. The
     * last of the three. */
    void (*ended)(void *arg, struct rpc_call *call, const struct err *status);
};

/* A word of the observer's own that goes with the call; NULL at first. */
void rpc_call_set_note(struct rpc_call *call, void *note);
void *rpc_call_note(const struct rpc_call *call);

#endif
