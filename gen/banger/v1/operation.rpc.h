/* Written by protoc-gen-banger-rpc from banger/v1/operation.proto; do not edit. */
#ifndef BANGER_V1_OPERATION_RPC_H
#define BANGER_V1_OPERATION_RPC_H

#include "banger/v1/operation.pb-c.h"
#include "rpc/wire/client.h"

/* OperationService */

extern const struct rpc_service banger_v1_operation_service;

enum banger_v1_operation_service_method {
    BANGER_V1_OPERATION_SERVICE_GET_OPERATION,
    BANGER_V1_OPERATION_SERVICE_LIST_OPERATIONS,
    BANGER_V1_OPERATION_SERVICE_WATCH_OPERATION,
    BANGER_V1_OPERATION_SERVICE_WAIT_OPERATION,
    BANGER_V1_OPERATION_SERVICE_CANCEL_OPERATION,
    BANGER_V1_OPERATION_SERVICE_METHODS /* their number */
};

/* GetOperation: Banger__V1__GetOperationRequest -> Banger__V1__Operation */
static inline struct rpc_call *
banger_v1_operation_service_get_operation_start(
    struct rpc_client *client, const struct rpc_call_options *options,
    const Banger__V1__GetOperationRequest *request,
    const struct rpc_call_events *events, void *arg, struct err *err)
{
    return rpc_client_start(client, &banger_v1_operation_service.methods[BANGER_V1_OPERATION_SERVICE_GET_OPERATION],
                            options, &request->base, events, arg, err);
}

static inline const Banger__V1__Operation *
banger_v1_operation_service_get_operation_response(const ProtobufCMessage *message)
{
    return (const Banger__V1__Operation *)message;
}

/* ListOperations: Banger__V1__ListOperationsRequest -> Banger__V1__ListOperationsResponse */
static inline struct rpc_call *
banger_v1_operation_service_list_operations_start(
    struct rpc_client *client, const struct rpc_call_options *options,
    const Banger__V1__ListOperationsRequest *request,
    const struct rpc_call_events *events, void *arg, struct err *err)
{
    return rpc_client_start(client, &banger_v1_operation_service.methods[BANGER_V1_OPERATION_SERVICE_LIST_OPERATIONS],
                            options, &request->base, events, arg, err);
}

static inline const Banger__V1__ListOperationsResponse *
banger_v1_operation_service_list_operations_response(const ProtobufCMessage *message)
{
    return (const Banger__V1__ListOperationsResponse *)message;
}

/* WatchOperation: Banger__V1__WatchOperationRequest -> stream of Banger__V1__Operation */
static inline struct rpc_call *
banger_v1_operation_service_watch_operation_start(
    struct rpc_client *client, const struct rpc_call_options *options,
    const Banger__V1__WatchOperationRequest *request,
    const struct rpc_call_events *events, void *arg, struct err *err)
{
    return rpc_client_start(client, &banger_v1_operation_service.methods[BANGER_V1_OPERATION_SERVICE_WATCH_OPERATION],
                            options, &request->base, events, arg, err);
}

static inline const Banger__V1__Operation *
banger_v1_operation_service_watch_operation_response(const ProtobufCMessage *message)
{
    return (const Banger__V1__Operation *)message;
}

/* WaitOperation: Banger__V1__WaitOperationRequest -> Banger__V1__Operation */
static inline struct rpc_call *
banger_v1_operation_service_wait_operation_start(
    struct rpc_client *client, const struct rpc_call_options *options,
    const Banger__V1__WaitOperationRequest *request,
    const struct rpc_call_events *events, void *arg, struct err *err)
{
    return rpc_client_start(client, &banger_v1_operation_service.methods[BANGER_V1_OPERATION_SERVICE_WAIT_OPERATION],
                            options, &request->base, events, arg, err);
}

static inline const Banger__V1__Operation *
banger_v1_operation_service_wait_operation_response(const ProtobufCMessage *message)
{
    return (const Banger__V1__Operation *)message;
}

/* CancelOperation: Banger__V1__CancelOperationRequest -> Banger__V1__Operation */
static inline struct rpc_call *
banger_v1_operation_service_cancel_operation_start(
    struct rpc_client *client, const struct rpc_call_options *options,
    const Banger__V1__CancelOperationRequest *request,
    const struct rpc_call_events *events, void *arg, struct err *err)
{
    return rpc_client_start(client, &banger_v1_operation_service.methods[BANGER_V1_OPERATION_SERVICE_CANCEL_OPERATION],
                            options, &request->base, events, arg, err);
}

static inline const Banger__V1__Operation *
banger_v1_operation_service_cancel_operation_response(const ProtobufCMessage *message)
{
    return (const Banger__V1__Operation *)message;
}

#endif
