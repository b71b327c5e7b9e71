/* Written by protoc-gen-banger-rpc from banger/v1/vm.proto; do not edit. */
#include "banger/v1/vm.rpc.h"
#include "banger/v1/vm.server.rpc.h"

/* VMService */

static bool
banger_v1_vm_service_create_vm_dispatch(
    const void *handlers, void *self, struct rpc_call *call,
    const ProtobufCMessage *request)
{
    const struct banger_v1_vm_service_handlers *h = handlers;
    if (!h->create_vm)
        return false;
    h->create_vm(self, call, (const Banger__V1__CreateVMRequest *)request);
    return true;
}

static bool
banger_v1_vm_service_get_vm_dispatch(
    const void *handlers, void *self, struct rpc_call *call,
    const ProtobufCMessage *request)
{
    const struct banger_v1_vm_service_handlers *h = handlers;
    if (!h->get_vm)
        return false;
    h->get_vm(self, call, (const Banger__V1__GetVMRequest *)request);
    return true;
}

static bool
banger_v1_vm_service_list_vms_dispatch(
    const void *handlers, void *self, struct rpc_call *call,
    const ProtobufCMessage *request)
{
    const struct banger_v1_vm_service_handlers *h = handlers;
    if (!h->list_vms)
        return false;
    h->list_vms(self, call, (const Banger__V1__ListVMsRequest *)request);
    return true;
}

static bool
banger_v1_vm_service_update_vm_dispatch(
    const void *handlers, void *self, struct rpc_call *call,
    const ProtobufCMessage *request)
{
    const struct banger_v1_vm_service_handlers *h = handlers;
    if (!h->update_vm)
        return false;
    h->update_vm(self, call, (const Banger__V1__UpdateVMRequest *)request);
    return true;
}

static bool
banger_v1_vm_service_start_vm_dispatch(
    const void *handlers, void *self, struct rpc_call *call,
    const ProtobufCMessage *request)
{
    const struct banger_v1_vm_service_handlers *h = handlers;
    if (!h->start_vm)
        return false;
    h->start_vm(self, call, (const Banger__V1__StartVMRequest *)request);
    return true;
}

static bool
banger_v1_vm_service_stop_vm_dispatch(
    const void *handlers, void *self, struct rpc_call *call,
    const ProtobufCMessage *request)
{
    const struct banger_v1_vm_service_handlers *h = handlers;
    if (!h->stop_vm)
        return false;
    h->stop_vm(self, call, (const Banger__V1__StopVMRequest *)request);
    return true;
}

static bool
banger_v1_vm_service_restart_vm_dispatch(
    const void *handlers, void *self, struct rpc_call *call,
    const ProtobufCMessage *request)
{
    const struct banger_v1_vm_service_handlers *h = handlers;
    if (!h->restart_vm)
        return false;
    h->restart_vm(self, call, (const Banger__V1__RestartVMRequest *)request);
    return true;
}

static bool
banger_v1_vm_service_kill_vm_dispatch(
    const void *handlers, void *self, struct rpc_call *call,
    const ProtobufCMessage *request)
{
    const struct banger_v1_vm_service_handlers *h = handlers;
    if (!h->kill_vm)
        return false;
    h->kill_vm(self, call, (const Banger__V1__KillVMRequest *)request);
    return true;
}

static bool
banger_v1_vm_service_delete_vm_dispatch(
    const void *handlers, void *self, struct rpc_call *call,
    const ProtobufCMessage *request)
{
    const struct banger_v1_vm_service_handlers *h = handlers;
    if (!h->delete_vm)
        return false;
    h->delete_vm(self, call, (const Banger__V1__DeleteVMRequest *)request);
    return true;
}

static bool
banger_v1_vm_service_pause_vm_dispatch(
    const void *handlers, void *self, struct rpc_call *call,
    const ProtobufCMessage *request)
{
    const struct banger_v1_vm_service_handlers *h = handlers;
    if (!h->pause_vm)
        return false;
    h->pause_vm(self, call, (const Banger__V1__PauseVMRequest *)request);
    return true;
}

static bool
banger_v1_vm_service_resume_vm_dispatch(
    const void *handlers, void *self, struct rpc_call *call,
    const ProtobufCMessage *request)
{
    const struct banger_v1_vm_service_handlers *h = handlers;
    if (!h->resume_vm)
        return false;
    h->resume_vm(self, call, (const Banger__V1__ResumeVMRequest *)request);
    return true;
}

static bool
banger_v1_vm_service_recover_vm_dispatch(
    const void *handlers, void *self, struct rpc_call *call,
    const ProtobufCMessage *request)
{
    const struct banger_v1_vm_service_handlers *h = handlers;
    if (!h->recover_vm)
        return false;
    h->recover_vm(self, call, (const Banger__V1__RecoverVMRequest *)request);
    return true;
}

static bool
banger_v1_vm_service_prune_vms_dispatch(
    const void *handlers, void *self, struct rpc_call *call,
    const ProtobufCMessage *request)
{
    const struct banger_v1_vm_service_handlers *h = handlers;
    if (!h->prune_vms)
        return false;
    h->prune_vms(self, call, (const Banger__V1__PruneVMsRequest *)request);
    return true;
}

static bool
banger_v1_vm_service_renew_vm_lease_dispatch(
    const void *handlers, void *self, struct rpc_call *call,
    const ProtobufCMessage *request)
{
    const struct banger_v1_vm_service_handlers *h = handlers;
    if (!h->renew_vm_lease)
        return false;
    h->renew_vm_lease(self, call, (const Banger__V1__RenewVMLeaseRequest *)request);
    return true;
}

static bool
banger_v1_vm_service_get_vm_handles_dispatch(
    const void *handlers, void *self, struct rpc_call *call,
    const ProtobufCMessage *request)
{
    const struct banger_v1_vm_service_handlers *h = handlers;
    if (!h->get_vm_handles)
        return false;
    h->get_vm_handles(self, call, (const Banger__V1__GetVMHandlesRequest *)request);
    return true;
}

static bool
banger_v1_vm_service_get_vm_stats_dispatch(
    const void *handlers, void *self, struct rpc_call *call,
    const ProtobufCMessage *request)
{
    const struct banger_v1_vm_service_handlers *h = handlers;
    if (!h->get_vm_stats)
        return false;
    h->get_vm_stats(self, call, (const Banger__V1__GetVMStatsRequest *)request);
    return true;
}

static bool
banger_v1_vm_service_check_vm_health_dispatch(
    const void *handlers, void *self, struct rpc_call *call,
    const ProtobufCMessage *request)
{
    const struct banger_v1_vm_service_handlers *h = handlers;
    if (!h->check_vm_health)
        return false;
    h->check_vm_health(self, call, (const Banger__V1__CheckVMHealthRequest *)request);
    return true;
}

static bool
banger_v1_vm_service_list_vm_ports_dispatch(
    const void *handlers, void *self, struct rpc_call *call,
    const ProtobufCMessage *request)
{
    const struct banger_v1_vm_service_handlers *h = handlers;
    if (!h->list_vm_ports)
        return false;
    h->list_vm_ports(self, call, (const Banger__V1__ListVMPortsRequest *)request);
    return true;
}

static bool
banger_v1_vm_service_watch_vm_ports_dispatch(
    const void *handlers, void *self, struct rpc_call *call,
    const ProtobufCMessage *request)
{
    const struct banger_v1_vm_service_handlers *h = handlers;
    if (!h->watch_vm_ports)
        return false;
    h->watch_vm_ports(self, call, (const Banger__V1__WatchVMPortsRequest *)request);
    return true;
}

static bool
banger_v1_vm_service_read_console_dispatch(
    const void *handlers, void *self, struct rpc_call *call,
    const ProtobufCMessage *request)
{
    const struct banger_v1_vm_service_handlers *h = handlers;
    if (!h->read_console)
        return false;
    h->read_console(self, call, (const Banger__V1__ReadConsoleRequest *)request);
    return true;
}

static bool
banger_v1_vm_service_attach_console_dispatch(
    const void *handlers, void *self, struct rpc_call *call,
    const ProtobufCMessage *request)
{
    const struct banger_v1_vm_service_handlers *h = handlers;
    if (!h->attach_console)
        return false;
    (void)request;
    h->attach_console(self, call);
    return true;
}

static const struct rpc_method banger_v1_vm_service_methods[] = {
    [BANGER_V1_VM_SERVICE_CREATE_VM] = {
        .name = "CreateVM",
        .path = "/banger.v1.VMService/CreateVM",
        .request = &banger__v1__create_vmrequest__descriptor,
        .response = &banger__v1__operation__descriptor,
        .dispatch = banger_v1_vm_service_create_vm_dispatch,
        .role = RPC_ROLE_OPERATOR,
        .effect = RPC_EFFECT_CHANGE,
        .idempotent = true,
        .default_deadline_ms = 30000,
        .resource_kind = "vm",
        .summary = "Creates a VM and, unless start is false, boots it",
    },
    [BANGER_V1_VM_SERVICE_GET_VM] = {
        .name = "GetVM",
        .path = "/banger.v1.VMService/GetVM",
        .request = &banger__v1__get_vmrequest__descriptor,
        .response = &banger__v1__vm__descriptor,
        .dispatch = banger_v1_vm_service_get_vm_dispatch,
        .role = RPC_ROLE_VIEWER,
        .effect = RPC_EFFECT_READ,
        .idempotent = true,
        .default_deadline_ms = 10000,
        .resource_kind = "vm",
        .summary = "A VM as it is, by reference",
    },
    [BANGER_V1_VM_SERVICE_LIST_VMS] = {
        .name = "ListVMs",
        .path = "/banger.v1.VMService/ListVMs",
        .request = &banger__v1__list_vms_request__descriptor,
        .response = &banger__v1__list_vms_response__descriptor,
        .dispatch = banger_v1_vm_service_list_vms_dispatch,
        .role = RPC_ROLE_VIEWER,
        .effect = RPC_EFFECT_READ,
        .idempotent = true,
        .default_deadline_ms = 10000,
        .resource_kind = "vm",
        .summary = "VMs by creation time, page by page",
    },
    [BANGER_V1_VM_SERVICE_UPDATE_VM] = {
        .name = "UpdateVM",
        .path = "/banger.v1.VMService/UpdateVM",
        .request = &banger__v1__update_vmrequest__descriptor,
        .response = &banger__v1__operation__descriptor,
        .dispatch = banger_v1_vm_service_update_vm_dispatch,
        .role = RPC_ROLE_OPERATOR,
        .effect = RPC_EFFECT_CHANGE,
        .idempotent = true,
        .default_deadline_ms = 30000,
        .resource_kind = "vm",
        .summary = "Changes name, labels and what of the spec may change; which fields wait for a restart is said in VM.conditions",
    },
    [BANGER_V1_VM_SERVICE_START_VM] = {
        .name = "StartVM",
        .path = "/banger.v1.VMService/StartVM",
        .request = &banger__v1__start_vmrequest__descriptor,
        .response = &banger__v1__operation__descriptor,
        .dispatch = banger_v1_vm_service_start_vm_dispatch,
        .role = RPC_ROLE_OPERATOR,
        .effect = RPC_EFFECT_CHANGE,
        .idempotent = true,
        .default_deadline_ms = 30000,
        .resource_kind = "vm",
        .summary = "Boots a VM",
    },
    [BANGER_V1_VM_SERVICE_STOP_VM] = {
        .name = "StopVM",
        .path = "/banger.v1.VMService/StopVM",
        .request = &banger__v1__stop_vmrequest__descriptor,
        .response = &banger__v1__operation__descriptor,
        .dispatch = banger_v1_vm_service_stop_vm_dispatch,
        .role = RPC_ROLE_OPERATOR,
        .effect = RPC_EFFECT_FREE,
        .idempotent = true,
        .default_deadline_ms = 30000,
        .resource_kind = "vm",
        .summary = "Asks the guest to power off, forces it after grace_ms",
    },
    [BANGER_V1_VM_SERVICE_RESTART_VM] = {
        .name = "RestartVM",
        .path = "/banger.v1.VMService/RestartVM",
        .request = &banger__v1__restart_vmrequest__descriptor,
        .response = &banger__v1__operation__descriptor,
        .dispatch = banger_v1_vm_service_restart_vm_dispatch,
        .role = RPC_ROLE_OPERATOR,
        .effect = RPC_EFFECT_CHANGE,
        .idempotent = true,
        .default_deadline_ms = 30000,
        .resource_kind = "vm",
        .summary = "Stops the VM as StopVM does, then starts it; one that is stopped is started",
    },
    [BANGER_V1_VM_SERVICE_KILL_VM] = {
        .name = "KillVM",
        .path = "/banger.v1.VMService/KillVM",
        .request = &banger__v1__kill_vmrequest__descriptor,
        .response = &banger__v1__operation__descriptor,
        .dispatch = banger_v1_vm_service_kill_vm_dispatch,
        .role = RPC_ROLE_OPERATOR,
        .effect = RPC_EFFECT_FREE,
        .idempotent = true,
        .default_deadline_ms = 30000,
        .resource_kind = "vm",
        .summary = "Ends the VMM process at once",
    },
    [BANGER_V1_VM_SERVICE_DELETE_VM] = {
        .name = "DeleteVM",
        .path = "/banger.v1.VMService/DeleteVM",
        .request = &banger__v1__delete_vmrequest__descriptor,
        .response = &banger__v1__operation__descriptor,
        .dispatch = banger_v1_vm_service_delete_vm_dispatch,
        .role = RPC_ROLE_OPERATOR,
        .effect = RPC_EFFECT_FREE,
        .idempotent = true,
        .default_deadline_ms = 30000,
        .resource_kind = "vm",
        .summary = "Stops the VM if it runs (force: kills it), then removes its disks, sessions and record",
    },
    [BANGER_V1_VM_SERVICE_PAUSE_VM] = {
        .name = "PauseVM",
        .path = "/banger.v1.VMService/PauseVM",
        .request = &banger__v1__pause_vmrequest__descriptor,
        .response = &banger__v1__operation__descriptor,
        .dispatch = banger_v1_vm_service_pause_vm_dispatch,
        .role = RPC_ROLE_OPERATOR,
        .effect = RPC_EFFECT_CHANGE,
        .idempotent = true,
        .default_deadline_ms = 30000,
        .resource_kind = "vm",
        .summary = "Halts the guest's CPUs, memory kept",
    },
    [BANGER_V1_VM_SERVICE_RESUME_VM] = {
        .name = "ResumeVM",
        .path = "/banger.v1.VMService/ResumeVM",
        .request = &banger__v1__resume_vmrequest__descriptor,
        .response = &banger__v1__operation__descriptor,
        .dispatch = banger_v1_vm_service_resume_vm_dispatch,
        .role = RPC_ROLE_OPERATOR,
        .effect = RPC_EFFECT_CHANGE,
        .idempotent = true,
        .default_deadline_ms = 30000,
        .resource_kind = "vm",
        .summary = "Lets a paused guest run on",
    },
    [BANGER_V1_VM_SERVICE_RECOVER_VM] = {
        .name = "RecoverVM",
        .path = "/banger.v1.VMService/RecoverVM",
        .request = &banger__v1__recover_vmrequest__descriptor,
        .response = &banger__v1__operation__descriptor,
        .dispatch = banger_v1_vm_service_recover_vm_dispatch,
        .role = RPC_ROLE_OPERATOR,
        .effect = RPC_EFFECT_CHANGE,
        .idempotent = true,
        .default_deadline_ms = 30000,
        .resource_kind = "vm",
        .summary = "Looks once more for evidence of a VM in state UNKNOWN, and adopts or cleans up",
    },
    [BANGER_V1_VM_SERVICE_PRUNE_VMS] = {
        .name = "PruneVMs",
        .path = "/banger.v1.VMService/PruneVMs",
        .request = &banger__v1__prune_vms_request__descriptor,
        .response = &banger__v1__operation__descriptor,
        .dispatch = banger_v1_vm_service_prune_vms_dispatch,
        .role = RPC_ROLE_OPERATOR,
        .effect = RPC_EFFECT_FREE,
        .idempotent = true,
        .default_deadline_ms = 30000,
        .resource_kind = "vm",
        .summary = "Deletes stopped and failed VMs that match",
    },
    [BANGER_V1_VM_SERVICE_RENEW_VM_LEASE] = {
        .name = "RenewVMLease",
        .path = "/banger.v1.VMService/RenewVMLease",
        .request = &banger__v1__renew_vmlease_request__descriptor,
        .response = &banger__v1__empty__descriptor,
        .dispatch = banger_v1_vm_service_renew_vm_lease_dispatch,
        .role = RPC_ROLE_OPERATOR,
        .effect = RPC_EFFECT_FREE,
        .idempotent = true,
        .default_deadline_ms = 10000,
        .sign_of_life = true,
        .resource_kind = "vm",
        .summary = "Says that whoever created a VM with lease_ms is still there: the lease begins anew",
    },
    [BANGER_V1_VM_SERVICE_GET_VM_HANDLES] = {
        .name = "GetVMHandles",
        .path = "/banger.v1.VMService/GetVMHandles",
        .request = &banger__v1__get_vmhandles_request__descriptor,
        .response = &banger__v1__vmhandles__descriptor,
        .dispatch = banger_v1_vm_service_get_vm_handles_dispatch,
        .role = RPC_ROLE_ADMIN,
        .effect = RPC_EFFECT_READ,
        .idempotent = true,
        .default_deadline_ms = 10000,
        .resource_kind = "vm",
        .summary = "Kernel-level handles, for debugging and recovery",
    },
    [BANGER_V1_VM_SERVICE_GET_VM_STATS] = {
        .name = "GetVMStats",
        .path = "/banger.v1.VMService/GetVMStats",
        .request = &banger__v1__get_vmstats_request__descriptor,
        .response = &banger__v1__vmstats__descriptor,
        .dispatch = banger_v1_vm_service_get_vm_stats_dispatch,
        .role = RPC_ROLE_VIEWER,
        .effect = RPC_EFFECT_READ,
        .idempotent = true,
        .default_deadline_ms = 10000,
        .resource_kind = "vm",
        .summary = "What the VM uses now; zeros while it does not run",
    },
    [BANGER_V1_VM_SERVICE_CHECK_VM_HEALTH] = {
        .name = "CheckVMHealth",
        .path = "/banger.v1.VMService/CheckVMHealth",
        .request = &banger__v1__check_vmhealth_request__descriptor,
        .response = &banger__v1__check_vmhealth_response__descriptor,
        .dispatch = banger_v1_vm_service_check_vm_health_dispatch,
        .role = RPC_ROLE_VIEWER,
        .effect = RPC_EFFECT_READ,
        .idempotent = true,
        .default_deadline_ms = 5000,
        .resource_kind = "vm",
        .summary = "Is the guest's agent answering?",
    },
    [BANGER_V1_VM_SERVICE_LIST_VM_PORTS] = {
        .name = "ListVMPorts",
        .path = "/banger.v1.VMService/ListVMPorts",
        .request = &banger__v1__list_vmports_request__descriptor,
        .response = &banger__v1__list_vmports_response__descriptor,
        .dispatch = banger_v1_vm_service_list_vm_ports_dispatch,
        .role = RPC_ROLE_VIEWER,
        .effect = RPC_EFFECT_READ,
        .idempotent = true,
        .default_deadline_ms = 30000,
        .resource_kind = "vm",
        .summary = "What listens in the guest: TCP, UDP, Unix; up to 1024 of them",
    },
    [BANGER_V1_VM_SERVICE_WATCH_VM_PORTS] = {
        .name = "WatchVMPorts",
        .path = "/banger.v1.VMService/WatchVMPorts",
        .request = &banger__v1__watch_vmports_request__descriptor,
        .response = &banger__v1__list_vmports_response__descriptor,
        .dispatch = banger_v1_vm_service_watch_vm_ports_dispatch,
        .streams = RPC_SERVER_STREAMS,
        .role = RPC_ROLE_VIEWER,
        .effect = RPC_EFFECT_READ,
        .idempotent = true,
        .resource_kind = "vm",
        .summary = "The same now, and all of it again whenever it has changed, which is seen within a second",
    },
    [BANGER_V1_VM_SERVICE_READ_CONSOLE] = {
        .name = "ReadConsole",
        .path = "/banger.v1.VMService/ReadConsole",
        .request = &banger__v1__read_console_request__descriptor,
        .response = &banger__v1__console_chunk__descriptor,
        .dispatch = banger_v1_vm_service_read_console_dispatch,
        .streams = RPC_SERVER_STREAMS,
        .role = RPC_ROLE_VIEWER,
        .effect = RPC_EFFECT_READ,
        .idempotent = true,
        .resource_kind = "vm",
        .summary = "Console output since boot, bounded; follow streams on",
    },
    [BANGER_V1_VM_SERVICE_ATTACH_CONSOLE] = {
        .name = "AttachConsole",
        .path = "/banger.v1.VMService/AttachConsole",
        .request = &banger__v1__attach_console_request__descriptor,
        .response = &banger__v1__console_chunk__descriptor,
        .dispatch = banger_v1_vm_service_attach_console_dispatch,
        .streams = RPC_CLIENT_STREAMS | RPC_SERVER_STREAMS,
        .role = RPC_ROLE_OPERATOR,
        .effect = RPC_EFFECT_FREE,
        .resource_kind = "vm",
        .summary = "The console both ways, in the frames of GuestSessionService.Attach: any number of viewers, one writer, a takeover; what comes is the log that ReadConsole reads, by offsets that stay, and a Gap says what a slow reader missed (\"console_limit\")",
    },
};

const struct rpc_service banger_v1_vm_service = {
    .name = "banger.v1.VMService",
    .methods = banger_v1_vm_service_methods,
    .n_methods = BANGER_V1_VM_SERVICE_METHODS,
};
