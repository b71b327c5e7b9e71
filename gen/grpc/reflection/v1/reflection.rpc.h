/* Written by protoc-gen-banger-rpc from grpc/reflection/v1/reflection.proto; do not edit. */
#ifndef GRPC_REFLECTION_V1_REFLECTION_RPC_H
#define GRPC_REFLECTION_V1_REFLECTION_RPC_H

#include "grpc/reflection/v1/reflection.pb-c.h"
#include "rpc/wire/client.h"

/* ServerReflection */

extern const struct rpc_service grpc_reflection_v1_server_reflection;

enum grpc_reflection_v1_server_reflection_method {
    GRPC_REFLECTION_V1_SERVER_REFLECTION_SERVER_REFLECTION_INFO,
    GRPC_REFLECTION_V1_SERVER_REFLECTION_METHODS /* their number */
};

/* ServerReflectionInfo: stream of Grpc__Reflection__V1__ServerReflectionRequest -> stream of Grpc__Reflection__V1__ServerReflectionResponse */
static inline struct rpc_call *
grpc_reflection_v1_server_reflection_server_reflection_info_start(
    struct rpc_client *client, const struct rpc_call_options *options,
    const struct rpc_call_events *events, void *arg, struct err *err)
{
    return rpc_client_start(client, &grpc_reflection_v1_server_reflection.methods[GRPC_REFLECTION_V1_SERVER_REFLECTION_SERVER_REFLECTION_INFO],
                            options, NULL, events, arg, err);
}

static inline int
grpc_reflection_v1_server_reflection_server_reflection_info_send_request(
    struct rpc_call *call, const Grpc__Reflection__V1__ServerReflectionRequest *request)
{
    return rpc_call_send(call, &request->base);
}

static inline const Grpc__Reflection__V1__ServerReflectionResponse *
grpc_reflection_v1_server_reflection_server_reflection_info_response(const ProtobufCMessage *message)
{
    return (const Grpc__Reflection__V1__ServerReflectionResponse *)message;
}

#endif
