/* Written by protoc-gen-banger-rpc from banger/v1/operation.proto; do not edit. */
#ifndef BANGER_V1_OPERATION_SERVER_RPC_H
#define BANGER_V1_OPERATION_SERVER_RPC_H

#include "banger/v1/operation.pb-c.h"
#include "rpc/wire/call.h"

struct err;
struct rpc_server;

/* OperationService */

/* A NULL handler answers UNIMPLEMENTED. request is borrowed. Where the client
 * streams there is none: the handler sets rpc_call_events and gets messages. */
struct banger_v1_operation_service_handlers {
    void (*get_operation)(void *self, struct rpc_call *call,
        const Banger__V1__GetOperationRequest *request);
    void (*list_operations)(void *self, struct rpc_call *call,
        const Banger__V1__ListOperationsRequest *request);
    void (*watch_operation)(void *self, struct rpc_call *call,
        const Banger__V1__WatchOperationRequest *request);
    void (*wait_operation)(void *self, struct rpc_call *call,
        const Banger__V1__WaitOperationRequest *request);
    void (*cancel_operation)(void *self, struct rpc_call *call,
        const Banger__V1__CancelOperationRequest *request);
};

/* handlers must outlive the server; self is passed to each of them. */
int banger_v1_operation_service_register(
    struct rpc_server *server, const struct banger_v1_operation_service_handlers *handlers,
    void *self, struct err *err);

/* GetOperation */
static inline void
banger_v1_operation_service_get_operation_reply(
    struct rpc_call *call, const Banger__V1__Operation *response)
{
    rpc_call_reply(call, &response->base);
}

/* ListOperations */
static inline void
banger_v1_operation_service_list_operations_reply(
    struct rpc_call *call, const Banger__V1__ListOperationsResponse *response)
{
    rpc_call_reply(call, &response->base);
}

/* WatchOperation */
static inline int
banger_v1_operation_service_watch_operation_send(
    struct rpc_call *call, const Banger__V1__Operation *message)
{
    return rpc_call_send(call, &message->base);
}

/* WaitOperation */
static inline void
banger_v1_operation_service_wait_operation_reply(
    struct rpc_call *call, const Banger__V1__Operation *response)
{
    rpc_call_reply(call, &response->base);
}

/* CancelOperation */
static inline void
banger_v1_operation_service_cancel_operation_reply(
    struct rpc_call *call, const Banger__V1__Operation *response)
{
    rpc_call_reply(call, &response->base);
}

#endif
