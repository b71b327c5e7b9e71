/* Written by protoc-gen-banger-rpc from grpc/reflection/v1alpha/reflection.proto; do not edit. */
#include "grpc/reflection/v1alpha/reflection.server.rpc.h"

#include "grpc/reflection/v1alpha/reflection.rpc.h"
#include "rpc/event/server.h"

int grpc_reflection_v1alpha_server_reflection_register(
    struct rpc_server *server, const struct grpc_reflection_v1alpha_server_reflection_handlers *handlers,
    void *self, struct err *err)
{
    return rpc_server_add(server, &grpc_reflection_v1alpha_server_reflection, handlers, self, err);
}
