/* Written by protoc-gen-banger-rpc from grpc/reflection/v1alpha/reflection.proto; do not edit. */
#ifndef GRPC_REFLECTION_V1ALPHA_REFLECTION_RPC_H
#define GRPC_REFLECTION_V1ALPHA_REFLECTION_RPC_H

#include "grpc/reflection/v1alpha/reflection.pb-c.h"
#include "rpc/wire/client.h"

/* ServerReflection */

extern const struct rpc_service grpc_reflection_v1alpha_server_reflection;

enum grpc_reflection_v1alpha_server_reflection_method {
    GRPC_REFLECTION_V1ALPHA_SERVER_REFLECTION_SERVER_REFLECTION_INFO,
    GRPC_REFLECTION_V1ALPHA_SERVER_REFLECTION_METHODS /* their number */
};

/* ServerReflectionInfo: stream of Grpc__Reflection__V1alpha__ServerReflectionRequest -> stream of Grpc__Reflection__V1alpha__ServerReflectionResponse */
static inline struct rpc_call *
grpc_reflection_v1alpha_server_reflection_server_reflection_info_start(
    struct rpc_client *client, const struct rpc_call_options *options,
    const struct rpc_call_events *events, void *arg, struct err *err)
{
    return rpc_client_start(client, &grpc_reflection_v1alpha_server_reflection.methods[GRPC_REFLECTION_V1ALPHA_SERVER_REFLECTION_SERVER_REFLECTION_INFO],
                            options, NULL, events, arg, err);
}

static inline int
grpc_reflection_v1alpha_server_reflection_server_reflection_info_send_request(
    struct rpc_call *call, const Grpc__Reflection__V1alpha__ServerReflectionRequest *request)
{
    return rpc_call_send(call, &request->base);
}

static inline const Grpc__Reflection__V1alpha__ServerReflectionResponse *
grpc_reflection_v1alpha_server_reflection_server_reflection_info_response(const ProtobufCMessage *message)
{
    return (const Grpc__Reflection__V1alpha__ServerReflectionResponse *)message;
}

#endif
