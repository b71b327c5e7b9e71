/* Written by protoc-gen-banger-rpc from banger/v1/snapshot.proto; do not edit. */
#include "banger/v1/snapshot.rpc.h"
#include "banger/v1/snapshot.server.rpc.h"

/* SnapshotService */

static bool
banger_v1_snapshot_service_create_snapshot_dispatch(
    const void *handlers, void *self, struct rpc_call *call,
    const ProtobufCMessage *request)
{
    const struct banger_v1_snapshot_service_handlers *h = handlers;
    if (!h->create_snapshot)
        return false;
    h->create_snapshot(self, call, (const Banger__V1__CreateSnapshotRequest *)request);
    return true;
}

static bool
banger_v1_snapshot_service_get_snapshot_dispatch(
    const void *handlers, void *self, struct rpc_call *call,
    const ProtobufCMessage *request)
{
    const struct banger_v1_snapshot_service_handlers *h = handlers;
    if (!h->get_snapshot)
        return false;
    h->get_snapshot(self, call, (const Banger__V1__GetSnapshotRequest *)request);
    return true;
}

static bool
banger_v1_snapshot_service_list_snapshots_dispatch(
    const void *handlers, void *self, struct rpc_call *call,
    const ProtobufCMessage *request)
{
    const struct banger_v1_snapshot_service_handlers *h = handlers;
    if (!h->list_snapshots)
        return false;
    h->list_snapshots(self, call, (const Banger__V1__ListSnapshotsRequest *)request);
    return true;
}

static bool
banger_v1_snapshot_service_delete_snapshot_dispatch(
    const void *handlers, void *self, struct rpc_call *call,
    const ProtobufCMessage *request)
{
    const struct banger_v1_snapshot_service_handlers *h = handlers;
    if (!h->delete_snapshot)
        return false;
    h->delete_snapshot(self, call, (const Banger__V1__DeleteSnapshotRequest *)request);
    return true;
}

static bool
banger_v1_snapshot_service_restore_snapshot_dispatch(
    const void *handlers, void *self, struct rpc_call *call,
    const ProtobufCMessage *request)
{
    const struct banger_v1_snapshot_service_handlers *h = handlers;
    if (!h->restore_snapshot)
        return false;
    h->restore_snapshot(self, call, (const Banger__V1__RestoreSnapshotRequest *)request);
    return true;
}

static bool
banger_v1_snapshot_service_fork_snapshot_dispatch(
    const void *handlers, void *self, struct rpc_call *call,
    const ProtobufCMessage *request)
{
    const struct banger_v1_snapshot_service_handlers *h = handlers;
    if (!h->fork_snapshot)
        return false;
    h->fork_snapshot(self, call, (const Banger__V1__ForkSnapshotRequest *)request);
    return true;
}

static const struct rpc_method banger_v1_snapshot_service_methods[] = {
    [BANGER_V1_SNAPSHOT_SERVICE_CREATE_SNAPSHOT] = {
        .name = "CreateSnapshot",
        .path = "/banger.v1.SnapshotService/CreateSnapshot",
        .request = &banger__v1__create_snapshot_request__descriptor,
        .response = &banger__v1__operation__descriptor,
        .dispatch = banger_v1_snapshot_service_create_snapshot_dispatch,
        .role = RPC_ROLE_OPERATOR,
        .effect = RPC_EFFECT_CHANGE,
        .idempotent = true,
        .default_deadline_ms = 30000,
        .planned = true,
        .resource_kind = "snapshot",
        .summary = "Keeps a VM's disks, and its memory unless disk_only, as they are",
    },
    [BANGER_V1_SNAPSHOT_SERVICE_GET_SNAPSHOT] = {
        .name = "GetSnapshot",
        .path = "/banger.v1.SnapshotService/GetSnapshot",
        .request = &banger__v1__get_snapshot_request__descriptor,
        .response = &banger__v1__snapshot__descriptor,
        .dispatch = banger_v1_snapshot_service_get_snapshot_dispatch,
        .role = RPC_ROLE_VIEWER,
        .effect = RPC_EFFECT_READ,
        .idempotent = true,
        .default_deadline_ms = 10000,
        .planned = true,
        .resource_kind = "snapshot",
        .summary = "A snapshot by reference",
    },
    [BANGER_V1_SNAPSHOT_SERVICE_LIST_SNAPSHOTS] = {
        .name = "ListSnapshots",
        .path = "/banger.v1.SnapshotService/ListSnapshots",
        .request = &banger__v1__list_snapshots_request__descriptor,
        .response = &banger__v1__list_snapshots_response__descriptor,
        .dispatch = banger_v1_snapshot_service_list_snapshots_dispatch,
        .role = RPC_ROLE_VIEWER,
        .effect = RPC_EFFECT_READ,
        .idempotent = true,
        .default_deadline_ms = 10000,
        .planned = true,
        .resource_kind = "snapshot",
        .summary = "Snapshots of a VM, or all, page by page",
    },
    [BANGER_V1_SNAPSHOT_SERVICE_DELETE_SNAPSHOT] = {
        .name = "DeleteSnapshot",
        .path = "/banger.v1.SnapshotService/DeleteSnapshot",
        .request = &banger__v1__delete_snapshot_request__descriptor,
        .response = &banger__v1__empty__descriptor,
        .dispatch = banger_v1_snapshot_service_delete_snapshot_dispatch,
        .role = RPC_ROLE_OPERATOR,
        .effect = RPC_EFFECT_FREE,
        .idempotent = true,
        .default_deadline_ms = 30000,
        .planned = true,
        .resource_kind = "snapshot",
        .summary = "Removes a snapshot",
    },
    [BANGER_V1_SNAPSHOT_SERVICE_RESTORE_SNAPSHOT] = {
        .name = "RestoreSnapshot",
        .path = "/banger.v1.SnapshotService/RestoreSnapshot",
        .request = &banger__v1__restore_snapshot_request__descriptor,
        .response = &banger__v1__operation__descriptor,
        .dispatch = banger_v1_snapshot_service_restore_snapshot_dispatch,
        .role = RPC_ROLE_OPERATOR,
        .effect = RPC_EFFECT_CHANGE,
        .idempotent = true,
        .default_deadline_ms = 30000,
        .planned = true,
        .resource_kind = "snapshot",
        .summary = "The VM goes back to what it was",
    },
    [BANGER_V1_SNAPSHOT_SERVICE_FORK_SNAPSHOT] = {
        .name = "ForkSnapshot",
        .path = "/banger.v1.SnapshotService/ForkSnapshot",
        .request = &banger__v1__fork_snapshot_request__descriptor,
        .response = &banger__v1__operation__descriptor,
        .dispatch = banger_v1_snapshot_service_fork_snapshot_dispatch,
        .role = RPC_ROLE_OPERATOR,
        .effect = RPC_EFFECT_CHANGE,
        .idempotent = true,
        .default_deadline_ms = 30000,
        .planned = true,
        .resource_kind = "snapshot",
        .summary = "New VMs from it, each with a fresh identity (random state, clock, MAC, address, names)",
    },
};

const struct rpc_service banger_v1_snapshot_service = {
    .name = "banger.v1.SnapshotService",
    .methods = banger_v1_snapshot_service_methods,
    .n_methods = BANGER_V1_SNAPSHOT_SERVICE_METHODS,
};
