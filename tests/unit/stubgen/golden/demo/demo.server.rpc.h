/* Written by protoc-gen-banger-rpc from demo/demo.proto; do not edit. */
#ifndef DEMO_DEMO_SERVER_RPC_H
#define DEMO_DEMO_SERVER_RPC_H

#include "demo/demo.pb-c.h"
#include "rpc/wire/call.h"

struct err;
struct rpc_server;

/* VMService */

/* A NULL handler answers UNIMPLEMENTED. request is borrowed. Where the client
 * streams there is none: the handler sets rpc_call_events and gets messages. */
struct banger_demo_v1_vm_service_handlers {
    void (*get_vm_handles)(void *self, struct rpc_call *call,
        const Banger__Demo__V1__GetVMHandlesRequest *request);
    void (*list_vms)(void *self, struct rpc_call *call,
        const Banger__Demo__V1__GetVMHandlesRequest *request);
    void (*upload)(void *self, struct rpc_call *call);
    void (*attach)(void *self, struct rpc_call *call);
    void (*delete_)(void *self, struct rpc_call *call,
        const Banger__Demo__V1__Chunk *request);
};

/* handlers must outlive the server; self is passed to each of them. */
int banger_demo_v1_vm_service_register(
    struct rpc_server *server, const struct banger_demo_v1_vm_service_handlers *handlers,
    void *self, struct err *err);

/* GetVMHandles */
static inline void
banger_demo_v1_vm_service_get_vm_handles_reply(
    struct rpc_call *call, const Banger__Demo__V1__VMHandles *response)
{
    rpc_call_reply(call, &response->base);
}

/* ListVMs */
static inline int
banger_demo_v1_vm_service_list_vms_send(
    struct rpc_call *call, const Banger__Demo__V1__VMHandles *message)
{
    return rpc_call_send(call, &message->base);
}

/* Upload */
static inline void
banger_demo_v1_vm_service_upload_reply(
    struct rpc_call *call, const Banger__Demo__V1__VMHandles *response)
{
    rpc_call_reply(call, &response->base);
}

static inline const Banger__Demo__V1__Chunk *
banger_demo_v1_vm_service_upload_request(const ProtobufCMessage *message)
{
    return (const Banger__Demo__V1__Chunk *)message;
}

/* Attach */
static inline int
banger_demo_v1_vm_service_attach_send(
    struct rpc_call *call, const Banger__Demo__V1__Chunk *message)
{
    return rpc_call_send(call, &message->base);
}

static inline const Banger__Demo__V1__Chunk *
banger_demo_v1_vm_service_attach_request(const ProtobufCMessage *message)
{
    return (const Banger__Demo__V1__Chunk *)message;
}

/* Delete */
static inline void
banger_demo_v1_vm_service_delete_reply(
    struct rpc_call *call, const Banger__Demo__V1__Chunk *response)
{
    rpc_call_reply(call, &response->base);
}

/* EmptyService */

/* A NULL handler answers UNIMPLEMENTED. request is borrowed. Where the client
 * streams there is none: the handler sets rpc_call_events and gets messages. */
struct banger_demo_v1_empty_service_handlers {
    char none;
};

/* handlers must outlive the server; self is passed to each of them. */
int banger_demo_v1_empty_service_register(
    struct rpc_server *server, const struct banger_demo_v1_empty_service_handlers *handlers,
    void *self, struct err *err);

#endif
