/* Written by protoc-gen-banger-rpc from banger/v1/forward.proto; do not edit. */
#include "banger/v1/forward.server.rpc.h"

#include "banger/v1/forward.rpc.h"
#include "rpc/event/server.h"

int banger_v1_forward_service_register(
    struct rpc_server *server, const struct banger_v1_forward_service_handlers *handlers,
    void *self, struct err *err)
{
    return rpc_server_add(server, &banger_v1_forward_service, handlers, self, err);
}
