/* Written by protoc-gen-banger-rpc from demo/demo.proto; do not edit. */
#ifndef DEMO_DEMO_RPC_H
#define DEMO_DEMO_RPC_H

#include "demo/demo.pb-c.h"
#include "rpc/wire/client.h"

/* VMService */

extern const struct rpc_service banger_demo_v1_vm_service;

enum banger_demo_v1_vm_service_method {
    BANGER_DEMO_V1_VM_SERVICE_GET_VM_HANDLES,
    BANGER_DEMO_V1_VM_SERVICE_LIST_VMS,
    BANGER_DEMO_V1_VM_SERVICE_UPLOAD,
    BANGER_DEMO_V1_VM_SERVICE_ATTACH,
    BANGER_DEMO_V1_VM_SERVICE_DELETE,
    BANGER_DEMO_V1_VM_SERVICE_METHODS /* their number */
};

/* GetVMHandles: Banger__Demo__V1__GetVMHandlesRequest -> Banger__Demo__V1__VMHandles */
static inline struct rpc_call *
banger_demo_v1_vm_service_get_vm_handles_start(
    struct rpc_client *client, const struct rpc_call_options *options,
    const Banger__Demo__V1__GetVMHandlesRequest *request,
    const struct rpc_call_events *events, void *arg, struct err *err)
{
    return rpc_client_start(client, &banger_demo_v1_vm_service.methods[BANGER_DEMO_V1_VM_SERVICE_GET_VM_HANDLES],
                            options, &request->base, events, arg, err);
}

static inline const Banger__Demo__V1__VMHandles *
banger_demo_v1_vm_service_get_vm_handles_response(const ProtobufCMessage *message)
{
    return (const Banger__Demo__V1__VMHandles *)message;
}

/* ListVMs: Banger__Demo__V1__GetVMHandlesRequest -> stream of Banger__Demo__V1__VMHandles */
static inline struct rpc_call *
banger_demo_v1_vm_service_list_vms_start(
    struct rpc_client *client, const struct rpc_call_options *options,
    const Banger__Demo__V1__GetVMHandlesRequest *request,
    const struct rpc_call_events *events, void *arg, struct err *err)
{
    return rpc_client_start(client, &banger_demo_v1_vm_service.methods[BANGER_DEMO_V1_VM_SERVICE_LIST_VMS],
                            options, &request->base, events, arg, err);
}

static inline const Banger__Demo__V1__VMHandles *
banger_demo_v1_vm_service_list_vms_response(const ProtobufCMessage *message)
{
    return (const Banger__Demo__V1__VMHandles *)message;
}

/* Upload: stream of Banger__Demo__V1__Chunk -> Banger__Demo__V1__VMHandles */
static inline struct rpc_call *
banger_demo_v1_vm_service_upload_start(
    struct rpc_client *client, const struct rpc_call_options *options,
    const struct rpc_call_events *events, void *arg, struct err *err)
{
    return rpc_client_start(client, &banger_demo_v1_vm_service.methods[BANGER_DEMO_V1_VM_SERVICE_UPLOAD],
                            options, NULL, events, arg, err);
}

static inline int
banger_demo_v1_vm_service_upload_send_request(
    struct rpc_call *call, const Banger__Demo__V1__Chunk *request)
{
    return rpc_call_send(call, &request->base);
}

static inline const Banger__Demo__V1__VMHandles *
banger_demo_v1_vm_service_upload_response(const ProtobufCMessage *message)
{
    return (const Banger__Demo__V1__VMHandles *)message;
}

/* Attach: stream of Banger__Demo__V1__Chunk -> stream of Banger__Demo__V1__Chunk */
static inline struct rpc_call *
banger_demo_v1_vm_service_attach_start(
    struct rpc_client *client, const struct rpc_call_options *options,
    const struct rpc_call_events *events, void *arg, struct err *err)
{
    return rpc_client_start(client, &banger_demo_v1_vm_service.methods[BANGER_DEMO_V1_VM_SERVICE_ATTACH],
                            options, NULL, events, arg, err);
}

static inline int
banger_demo_v1_vm_service_attach_send_request(
    struct rpc_call *call, const Banger__Demo__V1__Chunk *request)
{
    return rpc_call_send(call, &request->base);
}

static inline const Banger__Demo__V1__Chunk *
banger_demo_v1_vm_service_attach_response(const ProtobufCMessage *message)
{
    return (const Banger__Demo__V1__Chunk *)message;
}

/* Delete: Banger__Demo__V1__Chunk -> Banger__Demo__V1__Chunk */
static inline struct rpc_call *
banger_demo_v1_vm_service_delete_start(
    struct rpc_client *client, const struct rpc_call_options *options,
    const Banger__Demo__V1__Chunk *request,
    const struct rpc_call_events *events, void *arg, struct err *err)
{
    return rpc_client_start(client, &banger_demo_v1_vm_service.methods[BANGER_DEMO_V1_VM_SERVICE_DELETE],
                            options, &request->base, events, arg, err);
}

static inline const Banger__Demo__V1__Chunk *
banger_demo_v1_vm_service_delete_response(const ProtobufCMessage *message)
{
    return (const Banger__Demo__V1__Chunk *)message;
}

/* EmptyService */

extern const struct rpc_service banger_demo_v1_empty_service;

enum banger_demo_v1_empty_service_method {
    BANGER_DEMO_V1_EMPTY_SERVICE_METHODS /* their number */
};

#endif
