/* Written by protoc-gen-banger-rpc from grpc/reflection/v1/reflection.proto; do not edit. */
#include "grpc/reflection/v1/reflection.rpc.h"
#include "grpc/reflection/v1/reflection.server.rpc.h"

/* ServerReflection */

static bool
grpc_reflection_v1_server_reflection_server_reflection_info_dispatch(
    const void *handlers, void *self, struct rpc_call *call,
    const ProtobufCMessage *request)
{
    const struct grpc_reflection_v1_server_reflection_handlers *h = handlers;
    if (!h->server_reflection_info)
        return false;
    (void)request;
    h->server_reflection_info(self, call);
    return true;
}

static const struct rpc_method grpc_reflection_v1_server_reflection_methods[] = {
    [GRPC_REFLECTION_V1_SERVER_REFLECTION_SERVER_REFLECTION_INFO] = {
        .name = "ServerReflectionInfo",
        .path = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
        .request = &grpc__reflection__v1__server_reflection_request__descriptor,
        .response = &grpc__reflection__v1__server_reflection_response__descriptor,
        .dispatch = grpc_reflection_v1_server_reflection_server_reflection_info_dispatch,
        .streams = RPC_CLIENT_STREAMS | RPC_SERVER_STREAMS,
        .role = RPC_ROLE_ANYONE,
        .effect = RPC_EFFECT_READ,
        .resource_kind = "reflection",
        .summary = "",
    },
};

const struct rpc_service grpc_reflection_v1_server_reflection = {
    .name = "grpc.reflection.v1.ServerReflection",
    .methods = grpc_reflection_v1_server_reflection_methods,
    .n_methods = GRPC_REFLECTION_V1_SERVER_REFLECTION_METHODS,
};
