/* Written by protoc-gen-banger-rpc from banger/v1/event.proto; do not edit. */
#include "banger/v1/event.server.rpc.h"

#include "banger/v1/event.rpc.h"
#include "rpc/event/server.h"

int banger_v1_event_service_register(
    struct rpc_server *server, const struct banger_v1_event_service_handlers *handlers,
    void *self, struct err *err)
{
    return rpc_server_add(server, &banger_v1_event_service, handlers, self, err);
}
