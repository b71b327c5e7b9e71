/* Written by protoc-gen-banger-rpc from banger/v1/file.proto; do not edit. */
#include "banger/v1/file.server.rpc.h"

#include "banger/v1/file.rpc.h"
#include "rpc/event/server.h"

int banger_v1_file_service_register(
    struct rpc_server *server, const struct banger_v1_file_service_handlers *handlers,
    void *self, struct err *err)
{
    return rpc_server_add(server, &banger_v1_file_service, handlers, self, err);
}
