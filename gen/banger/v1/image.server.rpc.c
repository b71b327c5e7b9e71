/* Written by protoc-gen-banger-rpc from banger/v1/image.proto; do not edit. */
#include "banger/v1/image.server.rpc.h"

#include "banger/v1/image.rpc.h"
#include "rpc/event/server.h"

int banger_v1_image_service_register(
    struct rpc_server *server, const struct banger_v1_image_service_handlers *handlers,
    void *self, struct err *err)
{
    return rpc_server_add(server, &banger_v1_image_service, handlers, self, err);
}

int banger_v1_kernel_service_register(
    struct rpc_server *server, const struct banger_v1_kernel_service_handlers *handlers,
    void *self, struct err *err)
{
    return rpc_server_add(server, &banger_v1_kernel_service, handlers, self, err);
}
