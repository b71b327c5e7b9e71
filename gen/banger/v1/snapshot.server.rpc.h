/* Written by protoc-gen-banger-rpc from banger/v1/snapshot.proto; do not edit. */
#ifndef BANGER_V1_SNAPSHOT_SERVER_RPC_H
#define BANGER_V1_SNAPSHOT_SERVER_RPC_H

#include "banger/v1/snapshot.pb-c.h"
#include "rpc/wire/call.h"

struct err;
struct rpc_server;

/* SnapshotService */

/* A NULL handler answers UNIMPLEMENTED. request is borrowed. Where the client
 * streams there is none: the handler sets rpc_call_events and gets messages. */
struct banger_v1_snapshot_service_handlers {
    void (*create_snapshot)(void *self, struct rpc_call *call,
        const Banger__V1__CreateSnapshotRequest *request);
    void (*get_snapshot)(void *self, struct rpc_call *call,
        const Banger__V1__GetSnapshotRequest *request);
    void (*list_snapshots)(void *self, struct rpc_call *call,
        const Banger__V1__ListSnapshotsRequest *request);
    void (*delete_snapshot)(void *self, struct rpc_call *call,
        const Banger__V1__DeleteSnapshotRequest *request);
    void (*restore_snapshot)(void *self, struct rpc_call *call,
        const Banger__V1__RestoreSnapshotRequest *request);
    void (*fork_snapshot)(void *self, struct rpc_call *call,
        const Banger__V1__ForkSnapshotRequest *request);
};

/* handlers must outlive the server; self is passed to each of them. */
int banger_v1_snapshot_service_register(
    struct rpc_server *server, const struct banger_v1_snapshot_service_handlers *handlers,
    void *self, struct err *err);

/* CreateSnapshot */
static inline void
banger_v1_snapshot_service_create_snapshot_reply(
    struct rpc_call *call, const Banger__V1__Operation *response)
{
    rpc_call_reply(call, &response->base);
}

/* GetSnapshot */
static inline void
banger_v1_snapshot_service_get_snapshot_reply(
    struct rpc_call *call, const Banger__V1__Snapshot *response)
{
    rpc_call_reply(call, &response->base);
}

/* ListSnapshots */
static inline void
banger_v1_snapshot_service_list_snapshots_reply(
    struct rpc_call *call, const Banger__V1__ListSnapshotsResponse *response)
{
    rpc_call_reply(call, &response->base);
}

/* DeleteSnapshot */
static inline void
banger_v1_snapshot_service_delete_snapshot_reply(
    struct rpc_call *call, const Banger__V1__Empty *response)
{
    rpc_call_reply(call, &response->base);
}

/* RestoreSnapshot */
static inline void
banger_v1_snapshot_service_restore_snapshot_reply(
    struct rpc_call *call, const Banger__V1__Operation *response)
{
    rpc_call_reply(call, &response->base);
}

/* ForkSnapshot */
static inline void
banger_v1_snapshot_service_fork_snapshot_reply(
    struct rpc_call *call, const Banger__V1__Operation *response)
{
    rpc_call_reply(call, &response->base);
}

#endif
