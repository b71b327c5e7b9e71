/* Written by protoc-gen-banger-rpc from banger/v1/forward.proto; do not edit. */
#ifndef BANGER_V1_FORWARD_SERVER_RPC_H
#define BANGER_V1_FORWARD_SERVER_RPC_H

#include "banger/v1/forward.pb-c.h"
#include "rpc/wire/call.h"

struct err;
struct rpc_server;

/* ForwardService */

/* A NULL handler answers UNIMPLEMENTED. request is borrowed. Where the client
 * streams there is none: the handler sets rpc_call_events and gets messages. */
struct banger_v1_forward_service_handlers {
    void (*forward)(void *self, struct rpc_call *call);
    void (*listen)(void *self, struct rpc_call *call,
        const Banger__V1__ListenRequest *request);
};

/* handlers must outlive the server; self is passed to each of them. */
int banger_v1_forward_service_register(
    struct rpc_server *server, const struct banger_v1_forward_service_handlers *handlers,
    void *self, struct err *err);

/* Forward */
static inline int
banger_v1_forward_service_forward_send(
    struct rpc_call *call, const Banger__V1__ForwardResponse *message)
{
    return rpc_call_send(call, &message->base);
}

static inline const Banger__V1__ForwardRequest *
banger_v1_forward_service_forward_request(const ProtobufCMessage *message)
{
    return (const Banger__V1__ForwardRequest *)message;
}

/* Listen */
static inline int
banger_v1_forward_service_listen_send(
    struct rpc_call *call, const Banger__V1__ListenResponse *message)
{
    return rpc_call_send(call, &message->base);
}

#endif
