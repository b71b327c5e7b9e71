/* Written by protoc-gen-banger-rpc from banger/v1/auth.proto; do not edit. */
#include "banger/v1/auth.server.rpc.h"

#include "banger/v1/auth.rpc.h"
#include "rpc/event/server.h"

int banger_v1_auth_service_register(
    struct rpc_server *server, const struct banger_v1_auth_service_handlers *handlers,
    void *self, struct err *err)
{
    return rpc_server_add(server, &banger_v1_auth_service, handlers, self, err);
}
