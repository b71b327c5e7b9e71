/* Written by protoc-gen-banger-rpc from banger/v1/host.proto; do not edit. */
#ifndef BANGER_V1_HOST_SERVER_RPC_H
#define BANGER_V1_HOST_SERVER_RPC_H

#include "banger/v1/host.pb-c.h"
#include "rpc/wire/call.h"

struct err;
struct rpc_server;

/* HostService */

/* A NULL handler answers UNIMPLEMENTED. request is borrowed. Where the client
 * streams there is none: the handler sets rpc_call_events and gets messages. */
struct banger_v1_host_service_handlers {
    void (*get_host)(void *self, struct rpc_call *call,
        const Banger__V1__GetHostRequest *request);
    void (*diagnose)(void *self, struct rpc_call *call,
        const Banger__V1__DiagnoseRequest *request);
    void (*set_draining)(void *self, struct rpc_call *call,
        const Banger__V1__SetDrainingRequest *request);
    void (*set_labels)(void *self, struct rpc_call *call,
        const Banger__V1__SetLabelsRequest *request);
    void (*acquire_lease)(void *self, struct rpc_call *call,
        const Banger__V1__AcquireLeaseRequest *request);
    void (*list_connections)(void *self, struct rpc_call *call,
        const Banger__V1__ListConnectionsRequest *request);
    void (*kick_connection)(void *self, struct rpc_call *call,
        const Banger__V1__KickConnectionRequest *request);
    void (*audit_host)(void *self, struct rpc_call *call,
        const Banger__V1__AuditHostRequest *request);
    void (*collect_garbage)(void *self, struct rpc_call *call,
        const Banger__V1__CollectGarbageRequest *request);
    void (*shutdown)(void *self, struct rpc_call *call,
        const Banger__V1__ShutdownRequest *request);
    void (*recover_host)(void *self, struct rpc_call *call,
        const Banger__V1__RecoverHostRequest *request);
};

/* handlers must outlive the server; self is passed to each of them. */
int banger_v1_host_service_register(
    struct rpc_server *server, const struct banger_v1_host_service_handlers *handlers,
    void *self, struct err *err);

/* GetHost */
static inline void
banger_v1_host_service_get_host_reply(
    struct rpc_call *call, const Banger__V1__Host *response)
{
    rpc_call_reply(call, &response->base);
}

/* Diagnose */
static inline void
banger_v1_host_service_diagnose_reply(
    struct rpc_call *call, const Banger__V1__DiagnoseResponse *response)
{
    rpc_call_reply(call, &response->base);
}

/* SetDraining */
static inline void
banger_v1_host_service_set_draining_reply(
    struct rpc_call *call, const Banger__V1__Host *response)
{
    rpc_call_reply(call, &response->base);
}

/* SetLabels */
static inline void
banger_v1_host_service_set_labels_reply(
    struct rpc_call *call, const Banger__V1__Host *response)
{
    rpc_call_reply(call, &response->base);
}

/* AcquireLease */
static inline void
banger_v1_host_service_acquire_lease_reply(
    struct rpc_call *call, const Banger__V1__Lease *response)
{
    rpc_call_reply(call, &response->base);
}

/* ListConnections */
static inline void
banger_v1_host_service_list_connections_reply(
    struct rpc_call *call, const Banger__V1__ListConnectionsResponse *response)
{
    rpc_call_reply(call, &response->base);
}

/* KickConnection */
static inline void
banger_v1_host_service_kick_connection_reply(
    struct rpc_call *call, const Banger__V1__Empty *response)
{
    rpc_call_reply(call, &response->base);
}

/* AuditHost */
static inline void
banger_v1_host_service_audit_host_reply(
    struct rpc_call *call, const Banger__V1__AuditHostResponse *response)
{
    rpc_call_reply(call, &response->base);
}

/* CollectGarbage */
static inline void
banger_v1_host_service_collect_garbage_reply(
    struct rpc_call *call, const Banger__V1__CollectGarbageResponse *response)
{
    rpc_call_reply(call, &response->base);
}

/* Shutdown */
static inline void
banger_v1_host_service_shutdown_reply(
    struct rpc_call *call, const Banger__V1__Empty *response)
{
    rpc_call_reply(call, &response->base);
}

/* RecoverHost */
static inline void
banger_v1_host_service_recover_host_reply(
    struct rpc_call *call, const Banger__V1__RecoverHostResponse *response)
{
    rpc_call_reply(call, &response->base);
}

#endif
