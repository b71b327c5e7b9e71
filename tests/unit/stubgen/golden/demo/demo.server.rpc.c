/* Written by protoc-gen-banger-rpc from demo/demo.proto; do not edit. */
#include "demo/demo.server.rpc.h"

#include "demo/demo.rpc.h"
#include "rpc/event/server.h"

int banger_demo_v1_vm_service_register(
    struct rpc_server *server, const struct banger_demo_v1_vm_service_handlers *handlers,
    void *self, struct err *err)
{
    return rpc_server_add(server, &banger_demo_v1_vm_service, handlers, self, err);
}

int banger_demo_v1_empty_service_register(
    struct rpc_server *server, const struct banger_demo_v1_empty_service_handlers *handlers,
    void *self, struct err *err)
{
    return rpc_server_add(server, &banger_demo_v1_empty_service, handlers, self, err);
}
