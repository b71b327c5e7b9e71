/* Written by protoc-gen-banger-rpc from banger/v1/host.proto; do not edit. */
#include "banger/v1/host.server.rpc.h"

#include "banger/v1/host.rpc.h"
#include "rpc/event/server.h"

int banger_v1_host_service_register(
    struct rpc_server *server, const struct banger_v1_host_service_handlers *handlers,
    void *self, struct err *err)
{
    return rpc_server_add(server, &banger_v1_host_service, handlers, self, err);
}
