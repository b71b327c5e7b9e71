/* Written by protoc-gen-banger-rpc from banger/v1/guest_service.proto; do not edit. */
#include "banger/v1/guest_service.server.rpc.h"

#include "banger/v1/guest_service.rpc.h"
#include "rpc/event/server.h"

int banger_v1_supervision_service_register(
    struct rpc_server *server, const struct banger_v1_supervision_service_handlers *handlers,
    void *self, struct err *err)
{
    return rpc_server_add(server, &banger_v1_supervision_service, handlers, self, err);
}
