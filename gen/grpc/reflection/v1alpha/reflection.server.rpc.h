/* Written by protoc-gen-banger-rpc from grpc/reflection/v1alpha/reflection.proto; do not edit. */
#ifndef GRPC_REFLECTION_V1ALPHA_REFLECTION_SERVER_RPC_H
#define GRPC_REFLECTION_V1ALPHA_REFLECTION_SERVER_RPC_H

#include "grpc/reflection/v1alpha/reflection.pb-c.h"
#include "rpc/wire/call.h"

struct err;
struct rpc_server;

/* ServerReflection */

/* A NULL handler answers UNIMPLEMENTED. request is borrowed. Where the client
 * streams there is none: the handler sets rpc_call_events and gets messages. */
struct grpc_reflection_v1alpha_server_reflection_handlers {
    void (*server_reflection_info)(void *self, struct rpc_call *call);
};

/* handlers must outlive the server; self is passed to each of them. */
int grpc_reflection_v1alpha_server_reflection_register(
    struct rpc_server *server, const struct grpc_reflection_v1alpha_server_reflection_handlers *handlers,
    void *self, struct err *err);

/* ServerReflectionInfo */
static inline int
grpc_reflection_v1alpha_server_reflection_server_reflection_info_send(
    struct rpc_call *call, const Grpc__Reflection__V1alpha__ServerReflectionResponse *message)
{
    return rpc_call_send(call, &message->base);
}

static inline const Grpc__Reflection__V1alpha__ServerReflectionRequest *
grpc_reflection_v1alpha_server_reflection_server_reflection_info_request(const ProtobufCMessage *message)
{
    return (const Grpc__Reflection__V1alpha__ServerReflectionRequest *)message;
}

#endif
