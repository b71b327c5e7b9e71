/* Written by protoc-gen-banger-rpc from demo/demo.proto; do not edit. */
#include "demo/demo.rpc.h"
#include "demo/demo.server.rpc.h"

/* VMService */

static bool
banger_demo_v1_vm_service_get_vm_handles_dispatch(
    const void *handlers, void *self, struct rpc_call *call,
    const ProtobufCMessage *request)
{
    const struct banger_demo_v1_vm_service_handlers *h = handlers;
    if (!h->get_vm_handles)
        return false;
    h->get_vm_handles(self, call, (const Banger__Demo__V1__GetVMHandlesRequest *)request);
    return true;
}

static bool
banger_demo_v1_vm_service_list_vms_dispatch(
    const void *handlers, void *self, struct rpc_call *call,
    const ProtobufCMessage *request)
{
    const struct banger_demo_v1_vm_service_handlers *h = handlers;
    if (!h->list_vms)
        return false;
    h->list_vms(self, call, (const Banger__Demo__V1__GetVMHandlesRequest *)request);
    return true;
}

static bool
banger_demo_v1_vm_service_upload_dispatch(
    const void *handlers, void *self, struct rpc_call *call,
    const ProtobufCMessage *request)
{
    const struct banger_demo_v1_vm_service_handlers *h = handlers;
    if (!h->upload)
        return false;
    (void)request;
    h->upload(self, call);
    return true;
}

static bool
banger_demo_v1_vm_service_attach_dispatch(
    const void *handlers, void *self, struct rpc_call *call,
    const ProtobufCMessage *request)
{
    const struct banger_demo_v1_vm_service_handlers *h = handlers;
    if (!h->attach)
        return false;
    (void)request;
    h->attach(self, call);
    return true;
}

static bool
banger_demo_v1_vm_service_delete_dispatch(
    const void *handlers, void *self, struct rpc_call *call,
    const ProtobufCMessage *request)
{
    const struct banger_demo_v1_vm_service_handlers *h = handlers;
    if (!h->delete_)
        return false;
    h->delete_(self, call, (const Banger__Demo__V1__Chunk *)request);
    return true;
}

static const struct rpc_method banger_demo_v1_vm_service_methods[] = {
    [BANGER_DEMO_V1_VM_SERVICE_GET_VM_HANDLES] = {
        .name = "GetVMHandles",
        .path = "/banger.demo.v1.VMService/GetVMHandles",
        .request = &banger__demo__v1__get_vmhandles_request__descriptor,
        .response = &banger__demo__v1__vmhandles__descriptor,
        .dispatch = banger_demo_v1_vm_service_get_vm_handles_dispatch,
        .role = RPC_ROLE_ADMIN,
        .effect = RPC_EFFECT_CHANGE,
        .idempotent = true,
        .default_deadline_ms = 1500,
        .max_request_bytes = 4096,
        .max_response_bytes = 65536,
        .resource_kind = "vm",
        .summary = "Says \"what\" is \\there",
    },
    [BANGER_DEMO_V1_VM_SERVICE_LIST_VMS] = {
        .name = "ListVMs",
        .path = "/banger.demo.v1.VMService/ListVMs",
        .request = &banger__demo__v1__get_vmhandles_request__descriptor,
        .response = &banger__demo__v1__vmhandles__descriptor,
        .dispatch = banger_demo_v1_vm_service_list_vms_dispatch,
        .streams = RPC_SERVER_STREAMS,
        .role = RPC_ROLE_VIEWER,
        .effect = RPC_EFFECT_CHANGE,
        .resource_kind = "vm",
        .summary = "All of them: one by one",
    },
    [BANGER_DEMO_V1_VM_SERVICE_UPLOAD] = {
        .name = "Upload",
        .path = "/banger.demo.v1.VMService/Upload",
        .request = &banger__demo__v1__chunk__descriptor,
        .response = &banger__demo__v1__vmhandles__descriptor,
        .dispatch = banger_demo_v1_vm_service_upload_dispatch,
        .streams = RPC_CLIENT_STREAMS,
        .role = RPC_ROLE_OPERATOR,
        .effect = RPC_EFFECT_CHANGE,
        .resource_kind = "vm",
        .summary = "Takes it",
    },
    [BANGER_DEMO_V1_VM_SERVICE_ATTACH] = {
        .name = "Attach",
        .path = "/banger.demo.v1.VMService/Attach",
        .request = &banger__demo__v1__chunk__descriptor,
        .response = &banger__demo__v1__chunk__descriptor,
        .dispatch = banger_demo_v1_vm_service_attach_dispatch,
        .streams = RPC_CLIENT_STREAMS | RPC_SERVER_STREAMS,
        .role = RPC_ROLE_FLEET,
        .effect = RPC_EFFECT_CHANGE,
        .host_wide = true,
        .planned = true,
        .sign_of_life = true,
        .resource_kind = "session",
        .summary = "Both ways",
    },
    [BANGER_DEMO_V1_VM_SERVICE_DELETE] = {
        .name = "Delete",
        .path = "/banger.demo.v1.VMService/Delete",
        .request = &banger__demo__v1__chunk__descriptor,
        .response = &banger__demo__v1__chunk__descriptor,
        .dispatch = banger_demo_v1_vm_service_delete_dispatch,
        .role = RPC_ROLE_ANYONE,
        .effect = RPC_EFFECT_CHANGE,
        .resource_kind = "vm",
        .summary = "Removes",
    },
};

const struct rpc_service banger_demo_v1_vm_service = {
    .name = "banger.demo.v1.VMService",
    .methods = banger_demo_v1_vm_service_methods,
    .n_methods = BANGER_DEMO_V1_VM_SERVICE_METHODS,
};

/* EmptyService */

const struct rpc_service banger_demo_v1_empty_service = {
    .name = "banger.demo.v1.EmptyService",
};
