/* Written by protoc-gen-banger-rpc from banger/v1/host.proto; do not edit. */
#include "banger/v1/host.rpc.h"
#include "banger/v1/host.server.rpc.h"

/* HostService */

static bool
banger_v1_host_service_get_host_dispatch(
    const void *handlers, void *self, struct rpc_call *call,
    const ProtobufCMessage *request)
{
    const struct banger_v1_host_service_handlers *h = handlers;
    if (!h->get_host)
        return false;
    h->get_host(self, call, (const Banger__V1__GetHostRequest *)request);
    return true;
}

static bool
banger_v1_host_service_diagnose_dispatch(
    const void *handlers, void *self, struct rpc_call *call,
    const ProtobufCMessage *request)
{
    const struct banger_v1_host_service_handlers *h = handlers;
    if (!h->diagnose)
        return false;
    h->diagnose(self, call, (const Banger__V1__DiagnoseRequest *)request);
    return true;
}

static bool
banger_v1_host_service_set_draining_dispatch(
    const void *handlers, void *self, struct rpc_call *call,
    const ProtobufCMessage *request)
{
    const struct banger_v1_host_service_handlers *h = handlers;
    if (!h->set_draining)
        return false;
    h->set_draining(self, call, (const Banger__V1__SetDrainingRequest *)request);
    return true;
}

static bool
banger_v1_host_service_set_labels_dispatch(
    const void *handlers, void *self, struct rpc_call *call,
    const ProtobufCMessage *request)
{
    const struct banger_v1_host_service_handlers *h = handlers;
    if (!h->set_labels)
        return false;
    h->set_labels(self, call, (const Banger__V1__SetLabelsRequest *)request);
    return true;
}

static bool
banger_v1_host_service_acquire_lease_dispatch(
    const void *handlers, void *self, struct rpc_call *call,
    const ProtobufCMessage *request)
{
    const struct banger_v1_host_service_handlers *h = handlers;
    if (!h->acquire_lease)
        return false;
    h->acquire_lease(self, call, (const Banger__V1__AcquireLeaseRequest *)request);
    return true;
}

static bool
banger_v1_host_service_list_connections_dispatch(
    const void *handlers, void *self, struct rpc_call *call,
    const ProtobufCMessage *request)
{
    const struct banger_v1_host_service_handlers *h = handlers;
    if (!h->list_connections)
        return false;
    h->list_connections(self, call, (const Banger__V1__ListConnectionsRequest *)request);
    return true;
}

static bool
banger_v1_host_service_kick_connection_dispatch(
    const void *handlers, void *self, struct rpc_call *call,
    const ProtobufCMessage *request)
{
    const struct banger_v1_host_service_handlers *h = handlers;
    if (!h->kick_connection)
        return false;
    h->kick_connection(self, call, (const Banger__V1__KickConnectionRequest *)request);
    return true;
}

static bool
banger_v1_host_service_audit_host_dispatch(
    const void *handlers, void *self, struct rpc_call *call,
    const ProtobufCMessage *request)
{
    const struct banger_v1_host_service_handlers *h = handlers;
    if (!h->audit_host)
        return false;
    h->audit_host(self, call, (const Banger__V1__AuditHostRequest *)request);
    return true;
}

static bool
banger_v1_host_service_collect_garbage_dispatch(
    const void *handlers, void *self, struct rpc_call *call,
    const ProtobufCMessage *request)
{
    const struct banger_v1_host_service_handlers *h = handlers;
    if (!h->collect_garbage)
        return false;
    h->collect_garbage(self, call, (const Banger__V1__CollectGarbageRequest *)request);
    return true;
}

static bool
banger_v1_host_service_shutdown_dispatch(
    const void *handlers, void *self, struct rpc_call *call,
    const ProtobufCMessage *request)
{
    const struct banger_v1_host_service_handlers *h = handlers;
    if (!h->shutdown)
        return false;
    h->shutdown(self, call, (const Banger__V1__ShutdownRequest *)request);
    return true;
}

static bool
banger_v1_host_service_recover_host_dispatch(
    const void *handlers, void *self, struct rpc_call *call,
    const ProtobufCMessage *request)
{
    const struct banger_v1_host_service_handlers *h = handlers;
    if (!h->recover_host)
        return false;
    h->recover_host(self, call, (const Banger__V1__RecoverHostRequest *)request);
    return true;
}

static const struct rpc_method banger_v1_host_service_methods[] = {
    [BANGER_V1_HOST_SERVICE_GET_HOST] = {
        .name = "GetHost",
        .path = "/banger.v1.HostService/GetHost",
        .request = &banger__v1__get_host_request__descriptor,
        .response = &banger__v1__host__descriptor,
        .dispatch = banger_v1_host_service_get_host_dispatch,
        .role = RPC_ROLE_VIEWER,
        .effect = RPC_EFFECT_READ,
        .idempotent = true,
        .default_deadline_ms = 10000,
        .resource_kind = "host",
        .summary = "What the host is, can do and is full of",
    },
    [BANGER_V1_HOST_SERVICE_DIAGNOSE] = {
        .name = "Diagnose",
        .path = "/banger.v1.HostService/Diagnose",
        .request = &banger__v1__diagnose_request__descriptor,
        .response = &banger__v1__diagnose_response__descriptor,
        .dispatch = banger_v1_host_service_diagnose_dispatch,
        .role = RPC_ROLE_VIEWER,
        .effect = RPC_EFFECT_READ,
        .idempotent = true,
        .default_deadline_ms = 60000,
        .resource_kind = "host",
        .summary = "Runs the checks that `banger doctor` prints",
    },
    [BANGER_V1_HOST_SERVICE_SET_DRAINING] = {
        .name = "SetDraining",
        .path = "/banger.v1.HostService/SetDraining",
        .request = &banger__v1__set_draining_request__descriptor,
        .response = &banger__v1__host__descriptor,
        .dispatch = banger_v1_host_service_set_draining_dispatch,
        .role = RPC_ROLE_FLEET,
        .effect = RPC_EFFECT_CHANGE,
        .host_wide = true,
        .idempotent = true,
        .default_deadline_ms = 10000,
        .resource_kind = "host",
        .summary = "Takes and starts no VMs while on, over restarts of the daemon",
    },
    [BANGER_V1_HOST_SERVICE_SET_LABELS] = {
        .name = "SetLabels",
        .path = "/banger.v1.HostService/SetLabels",
        .request = &banger__v1__set_labels_request__descriptor,
        .response = &banger__v1__host__descriptor,
        .dispatch = banger_v1_host_service_set_labels_dispatch,
        .role = RPC_ROLE_FLEET,
        .effect = RPC_EFFECT_CHANGE,
        .host_wide = true,
        .idempotent = true,
        .default_deadline_ms = 10000,
        .planned = true,
        .resource_kind = "host",
        .summary = "Replaces the host's labels",
    },
    [BANGER_V1_HOST_SERVICE_ACQUIRE_LEASE] = {
        .name = "AcquireLease",
        .path = "/banger.v1.HostService/AcquireLease",
        .request = &banger__v1__acquire_lease_request__descriptor,
        .response = &banger__v1__lease__descriptor,
        .dispatch = banger_v1_host_service_acquire_lease_dispatch,
        .role = RPC_ROLE_FLEET,
        .effect = RPC_EFFECT_CHANGE,
        .host_wide = true,
        .idempotent = true,
        .default_deadline_ms = 10000,
        .planned = true,
        .resource_kind = "host",
        .summary = "A fenced lease: calls with an older token are refused",
    },
    [BANGER_V1_HOST_SERVICE_LIST_CONNECTIONS] = {
        .name = "ListConnections",
        .path = "/banger.v1.HostService/ListConnections",
        .request = &banger__v1__list_connections_request__descriptor,
        .response = &banger__v1__list_connections_response__descriptor,
        .dispatch = banger_v1_host_service_list_connections_dispatch,
        .role = RPC_ROLE_ADMIN,
        .effect = RPC_EFFECT_READ,
        .host_wide = true,
        .idempotent = true,
        .default_deadline_ms = 10000,
        .resource_kind = "host",
        .summary = "Who is connected, the oldest connection first",
    },
    [BANGER_V1_HOST_SERVICE_KICK_CONNECTION] = {
        .name = "KickConnection",
        .path = "/banger.v1.HostService/KickConnection",
        .request = &banger__v1__kick_connection_request__descriptor,
        .response = &banger__v1__empty__descriptor,
        .dispatch = banger_v1_host_service_kick_connection_dispatch,
        .role = RPC_ROLE_ADMIN,
        .effect = RPC_EFFECT_FREE,
        .host_wide = true,
        .idempotent = true,
        .default_deadline_ms = 10000,
        .resource_kind = "connection",
        .summary = "Closes a connection (with GOAWAY); its calls end as if it broke",
    },
    [BANGER_V1_HOST_SERVICE_AUDIT_HOST] = {
        .name = "AuditHost",
        .path = "/banger.v1.HostService/AuditHost",
        .request = &banger__v1__audit_host_request__descriptor,
        .response = &banger__v1__audit_host_response__descriptor,
        .dispatch = banger_v1_host_service_audit_host_dispatch,
        .role = RPC_ROLE_VIEWER,
        .effect = RPC_EFFECT_READ,
        .host_wide = true,
        .idempotent = true,
        .default_deadline_ms = 60000,
        .resource_kind = "host",
        .summary = "What this host has that is ours, by its tag: processes, folders, disks, taps, rules, scopes; and what a VM should have and has not",
    },
    [BANGER_V1_HOST_SERVICE_COLLECT_GARBAGE] = {
        .name = "CollectGarbage",
        .path = "/banger.v1.HostService/CollectGarbage",
        .request = &banger__v1__collect_garbage_request__descriptor,
        .response = &banger__v1__collect_garbage_response__descriptor,
        .dispatch = banger_v1_host_service_collect_garbage_dispatch,
        .role = RPC_ROLE_ADMIN,
        .effect = RPC_EFFECT_FREE,
        .host_wide = true,
        .idempotent = true,
        .default_deadline_ms = 60000,
        .resource_kind = "host",
        .summary = "Removes what AuditHost calls an ORPHAN and is as old as min_age_ms, which the daemon does by itself every ten minutes; and what it calls EXTRA, where that is a tap, rules, a device of device-mapper or a scope",
    },
    [BANGER_V1_HOST_SERVICE_SHUTDOWN] = {
        .name = "Shutdown",
        .path = "/banger.v1.HostService/Shutdown",
        .request = &banger__v1__shutdown_request__descriptor,
        .response = &banger__v1__empty__descriptor,
        .dispatch = banger_v1_host_service_shutdown_dispatch,
        .role = RPC_ROLE_ADMIN,
        .effect = RPC_EFFECT_FREE,
        .host_wide = true,
        .default_deadline_ms = 10000,
        .resource_kind = "host",
        .summary = "Ends the daemon; VMs run on",
    },
    [BANGER_V1_HOST_SERVICE_RECOVER_HOST] = {
        .name = "RecoverHost",
        .path = "/banger.v1.HostService/RecoverHost",
        .request = &banger__v1__recover_host_request__descriptor,
        .response = &banger__v1__recover_host_response__descriptor,
        .dispatch = banger_v1_host_service_recover_host_dispatch,
        .role = RPC_ROLE_ADMIN,
        .effect = RPC_EFFECT_CHANGE,
        .host_wide = true,
        .default_deadline_ms = 60000,
        .resource_kind = "host",
        .summary = "VMs, images and kernels that are in the state folder and not in the database, as after it was lost or an older one was put in its place: they are left alone, VMs run on, and here it is said what becomes of them",
    },
};

const struct rpc_service banger_v1_host_service = {
    .name = "banger.v1.HostService",
    .methods = banger_v1_host_service_methods,
    .n_methods = BANGER_V1_HOST_SERVICE_METHODS,
};
