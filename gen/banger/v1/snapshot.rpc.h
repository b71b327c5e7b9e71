/* Written by protoc-gen-banger-rpc from banger/v1/snapshot.proto; do not edit. */
#ifndef BANGER_V1_SNAPSHOT_RPC_H
#define BANGER_V1_SNAPSHOT_RPC_H

#include "banger/v1/snapshot.pb-c.h"
#include "rpc/wire/client.h"

/* SnapshotService */

extern const struct rpc_service banger_v1_snapshot_service;

enum banger_v1_snapshot_service_method {
    BANGER_V1_SNAPSHOT_SERVICE_CREATE_SNAPSHOT,
    BANGER_V1_SNAPSHOT_SERVICE_GET_SNAPSHOT,
    BANGER_V1_SNAPSHOT_SERVICE_LIST_SNAPSHOTS,
    BANGER_V1_SNAPSHOT_SERVICE_DELETE_SNAPSHOT,
    BANGER_V1_SNAPSHOT_SERVICE_RESTORE_SNAPSHOT,
    BANGER_V1_SNAPSHOT_SERVICE_FORK_SNAPSHOT,
    BANGER_V1_SNAPSHOT_SERVICE_METHODS /* their number */
};

/* CreateSnapshot: Banger__V1__CreateSnapshotRequest -> Banger__V1__Operation */
static inline struct rpc_call *
banger_v1_snapshot_service_create_snapshot_start(
    struct rpc_client *client, const struct rpc_call_options *options,
    const Banger__V1__CreateSnapshotRequest *request,
    const struct rpc_call_events *events, void *arg, struct err *err)
{
    return rpc_client_start(client, &banger_v1_snapshot_service.methods[BANGER_V1_SNAPSHOT_SERVICE_CREATE_SNAPSHOT],
                            options, &request->base, events, arg, err);
}

static inline const Banger__V1__Operation *
banger_v1_snapshot_service_create_snapshot_response(const ProtobufCMessage *message)
{
    return (const Banger__V1__Operation *)message;
}

/* GetSnapshot: Banger__V1__GetSnapshotRequest -> Banger__V1__Snapshot */
static inline struct rpc_call *
banger_v1_snapshot_service_get_snapshot_start(
    struct rpc_client *client, const struct rpc_call_options *options,
    const Banger__V1__GetSnapshotRequest *request,
    const struct rpc_call_events *events, void *arg, struct err *err)
{
    return rpc_client_start(client, &banger_v1_snapshot_service.methods[BANGER_V1_SNAPSHOT_SERVICE_GET_SNAPSHOT],
                            options, &request->base, events, arg, err);
}

static inline const Banger__V1__Snapshot *
banger_v1_snapshot_service_get_snapshot_response(const ProtobufCMessage *message)
{
    return (const Banger__V1__Snapshot *)message;
}

/* ListSnapshots: Banger__V1__ListSnapshotsRequest -> Banger__V1__ListSnapshotsResponse */
static inline struct rpc_call *
banger_v1_snapshot_service_list_snapshots_start(
    struct rpc_client *client, const struct rpc_call_options *options,
    const Banger__V1__ListSnapshotsRequest *request,
    const struct rpc_call_events *events, void *arg, struct err *err)
{
    return rpc_client_start(client, &banger_v1_snapshot_service.methods[BANGER_V1_SNAPSHOT_SERVICE_LIST_SNAPSHOTS],
                            options, &request->base, events, arg, err);
}

static inline const Banger__V1__ListSnapshotsResponse *
banger_v1_snapshot_service_list_snapshots_response(const ProtobufCMessage *message)
{
    return (const Banger__V1__ListSnapshotsResponse *)message;
}

/* DeleteSnapshot: Banger__V1__DeleteSnapshotRequest -> Banger__V1__Empty */
static inline struct rpc_call *
banger_v1_snapshot_service_delete_snapshot_start(
    struct rpc_client *client, const struct rpc_call_options *options,
    const Banger__V1__DeleteSnapshotRequest *request,
    const struct rpc_call_events *events, void *arg, struct err *err)
{
    return rpc_client_start(client, &banger_v1_snapshot_service.methods[BANGER_V1_SNAPSHOT_SERVICE_DELETE_SNAPSHOT],
                            options, &request->base, events, arg, err);
}

static inline const Banger__V1__Empty *
banger_v1_snapshot_service_delete_snapshot_response(const ProtobufCMessage *message)
{
    return (const Banger__V1__Empty *)message;
}

/* RestoreSnapshot: Banger__V1__RestoreSnapshotRequest -> Banger__V1__Operation */
static inline struct rpc_call *
banger_v1_snapshot_service_restore_snapshot_start(
    struct rpc_client *client, const struct rpc_call_options *options,
    const Banger__V1__RestoreSnapshotRequest *request,
    const struct rpc_call_events *events, void *arg, struct err *err)
{
    return rpc_client_start(client, &banger_v1_snapshot_service.methods[BANGER_V1_SNAPSHOT_SERVICE_RESTORE_SNAPSHOT],
                            options, &request->base, events, arg, err);
}

static inline const Banger__V1__Operation *
banger_v1_snapshot_service_restore_snapshot_response(const ProtobufCMessage *message)
{
    return (const Banger__V1__Operation *)message;
}

/* ForkSnapshot: Banger__V1__ForkSnapshotRequest -> Banger__V1__Operation */
static inline struct rpc_call *
banger_v1_snapshot_service_fork_snapshot_start(
    struct rpc_client *client, const struct rpc_call_options *options,
    const Banger__V1__ForkSnapshotRequest *request,
    const struct rpc_call_events *events, void *arg, struct err *err)
{
    return rpc_client_start(client, &banger_v1_snapshot_service.methods[BANGER_V1_SNAPSHOT_SERVICE_FORK_SNAPSHOT],
                            options, &request->base, events, arg, err);
}

static inline const Banger__V1__Operation *
banger_v1_snapshot_service_fork_snapshot_response(const ProtobufCMessage *message)
{
    return (const Banger__V1__Operation *)message;
}

#endif
