/* Written by protoc-gen-banger-rpc from banger/v1/operation.proto; do not edit. */
#include "banger/v1/operation.rpc.h"
#include "banger/v1/operation.server.rpc.h"

/* OperationService */

static bool
banger_v1_operation_service_get_operation_dispatch(
    const void *handlers, void *self, struct rpc_call *call,
    const ProtobufCMessage *request)
{
    const struct banger_v1_operation_service_handlers *h = handlers;
    if (!h->get_operation)
        return false;
    h->get_operation(self, call, (const Banger__V1__GetOperationRequest *)request);
    return true;
}

static bool
banger_v1_operation_service_list_operations_dispatch(
    const void *handlers, void *self, struct rpc_call *call,
    const ProtobufCMessage *request)
{
    const struct banger_v1_operation_service_handlers *h = handlers;
    if (!h->list_operations)
        return false;
    h->list_operations(self, call, (const Banger__V1__ListOperationsRequest *)request);
    return true;
}

static bool
banger_v1_operation_service_watch_operation_dispatch(
    const void *handlers, void *self, struct rpc_call *call,
    const ProtobufCMessage *request)
{
    const struct banger_v1_operation_service_handlers *h = handlers;
    if (!h->watch_operation)
        return false;
    h->watch_operation(self, call, (const Banger__V1__WatchOperationRequest *)request);
    return true;
}

static bool
banger_v1_operation_service_wait_operation_dispatch(
    const void *handlers, void *self, struct rpc_call *call,
    const ProtobufCMessage *request)
{
    const struct banger_v1_operation_service_handlers *h = handlers;
    if (!h->wait_operation)
        return false;
    h->wait_operation(self, call, (const Banger__V1__WaitOperationRequest *)request);
    return true;
}

static bool
banger_v1_operation_service_cancel_operation_dispatch(
    const void *handlers, void *self, struct rpc_call *call,
    const ProtobufCMessage *request)
{
    const struct banger_v1_operation_service_handlers *h = handlers;
    if (!h->cancel_operation)
        return false;
    h->cancel_operation(self, call, (const Banger__V1__CancelOperationRequest *)request);
    return true;
}

static const struct rpc_method banger_v1_operation_service_methods[] = {
    [BANGER_V1_OPERATION_SERVICE_GET_OPERATION] = {
        .name = "GetOperation",
        .path = "/banger.v1.OperationService/GetOperation",
        .request = &banger__v1__get_operation_request__descriptor,
        .response = &banger__v1__operation__descriptor,
        .dispatch = banger_v1_operation_service_get_operation_dispatch,
        .role = RPC_ROLE_VIEWER,
        .effect = RPC_EFFECT_READ,
        .idempotent = true,
        .default_deadline_ms = 10000,
        .resource_kind = "operation",
        .summary = "An operation as it is",
    },
    [BANGER_V1_OPERATION_SERVICE_LIST_OPERATIONS] = {
        .name = "ListOperations",
        .path = "/banger.v1.OperationService/ListOperations",
        .request = &banger__v1__list_operations_request__descriptor,
        .response = &banger__v1__list_operations_response__descriptor,
        .dispatch = banger_v1_operation_service_list_operations_dispatch,
        .role = RPC_ROLE_VIEWER,
        .effect = RPC_EFFECT_READ,
        .idempotent = true,
        .default_deadline_ms = 10000,
        .resource_kind = "operation",
        .summary = "Operations, the latest first, page by page",
    },
    [BANGER_V1_OPERATION_SERVICE_WATCH_OPERATION] = {
        .name = "WatchOperation",
        .path = "/banger.v1.OperationService/WatchOperation",
        .request = &banger__v1__watch_operation_request__descriptor,
        .response = &banger__v1__operation__descriptor,
        .dispatch = banger_v1_operation_service_watch_operation_dispatch,
        .streams = RPC_SERVER_STREAMS,
        .role = RPC_ROLE_VIEWER,
        .effect = RPC_EFFECT_READ,
        .idempotent = true,
        .resource_kind = "operation",
        .summary = "The operation as it is, then each change, then its end; closes after a terminal state",
    },
    [BANGER_V1_OPERATION_SERVICE_WAIT_OPERATION] = {
        .name = "WaitOperation",
        .path = "/banger.v1.OperationService/WaitOperation",
        .request = &banger__v1__wait_operation_request__descriptor,
        .response = &banger__v1__operation__descriptor,
        .dispatch = banger_v1_operation_service_wait_operation_dispatch,
        .role = RPC_ROLE_VIEWER,
        .effect = RPC_EFFECT_READ,
        .idempotent = true,
        .resource_kind = "operation",
        .summary = "Waits for the end and returns it; DEADLINE_EXCEEDED leaves the operation running",
    },
    [BANGER_V1_OPERATION_SERVICE_CANCEL_OPERATION] = {
        .name = "CancelOperation",
        .path = "/banger.v1.OperationService/CancelOperation",
        .request = &banger__v1__cancel_operation_request__descriptor,
        .response = &banger__v1__operation__descriptor,
        .dispatch = banger_v1_operation_service_cancel_operation_dispatch,
        .role = RPC_ROLE_OPERATOR,
        .effect = RPC_EFFECT_FREE,
        .idempotent = true,
        .default_deadline_ms = 10000,
        .resource_kind = "operation",
        .summary = "Asks; the operation undoes what it did and ends CANCELLED, unless it was past that point",
    },
};

const struct rpc_service banger_v1_operation_service = {
    .name = "banger.v1.OperationService",
    .methods = banger_v1_operation_service_methods,
    .n_methods = BANGER_V1_OPERATION_SERVICE_METHODS,
};
