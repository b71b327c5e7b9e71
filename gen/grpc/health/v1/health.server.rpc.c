/* Written by protoc-gen-banger-rpc from grpc/health/v1/health.proto; do not edit. */
#include "grpc/health/v1/health.server.rpc.h"

#include "grpc/health/v1/health.rpc.h"
#include "rpc/event/server.h"

int grpc_health_v1_health_register(
    struct rpc_server *server, const struct grpc_health_v1_health_handlers *handlers,
    void *self, struct err *err)
{
    return rpc_server_add(server, &grpc_health_v1_health, handlers, self, err);
}
