/* Written by protoc-gen-banger-rpc from banger/v1/host.proto; do not edit. */
#ifndef BANGER_V1_HOST_RPC_H
#define BANGER_V1_HOST_RPC_H

#include "banger/v1/host.pb-c.h"
#include "rpc/wire/client.h"

/* HostService */

extern const struct rpc_service banger_v1_host_service;

enum banger_v1_host_service_method {
    BANGER_V1_HOST_SERVICE_GET_HOST,
    BANGER_V1_HOST_SERVICE_DIAGNOSE,
    BANGER_V1_HOST_SERVICE_SET_DRAINING,
    BANGER_V1_HOST_SERVICE_SET_LABELS,
    BANGER_V1_HOST_SERVICE_ACQUIRE_LEASE,
    BANGER_V1_HOST_SERVICE_LIST_CONNECTIONS,
    BANGER_V1_HOST_SERVICE_KICK_CONNECTION,
    BANGER_V1_HOST_SERVICE_AUDIT_HOST,
    BANGER_V1_HOST_SERVICE_COLLECT_GARBAGE,
    BANGER_V1_HOST_SERVICE_SHUTDOWN,
    BANGER_V1_HOST_SERVICE_RECOVER_HOST,
    BANGER_V1_HOST_SERVICE_METHODS /* their number */
};

/* GetHost: Banger__V1__GetHostRequest -> Banger__V1__Host */
static inline struct rpc_call *
banger_v1_host_service_get_host_start(
    struct rpc_client *client, const struct rpc_call_options *options,
    const Banger__V1__GetHostRequest *request,
    const struct rpc_call_events *events, void *arg, struct err *err)
{
    return rpc_client_start(client, &banger_v1_host_service.methods[BANGER_V1_HOST_SERVICE_GET_HOST],
                            options, &request->base, events, arg, err);
}

static inline const Banger__V1__Host *
banger_v1_host_service_get_host_response(const ProtobufCMessage *message)
{
    return (const Banger__V1__Host *)message;
}

/* Diagnose: Banger__V1__DiagnoseRequest -> Banger__V1__DiagnoseResponse */
static inline struct rpc_call *
banger_v1_host_service_diagnose_start(
    struct rpc_client *client, const struct rpc_call_options *options,
    const Banger__V1__DiagnoseRequest *request,
    const struct rpc_call_events *events, void *arg, struct err *err)
{
    return rpc_client_start(client, &banger_v1_host_service.methods[BANGER_V1_HOST_SERVICE_DIAGNOSE],
                            options, &request->base, events, arg, err);
}

static inline const Banger__V1__DiagnoseResponse *
banger_v1_host_service_diagnose_response(const ProtobufCMessage *message)
{
    return (const Banger__V1__DiagnoseResponse *)message;
}

/* SetDraining: Banger__V1__SetDrainingRequest -> Banger__V1__Host */
static inline struct rpc_call *
banger_v1_host_service_set_draining_start(
    struct rpc_client *client, const struct rpc_call_options *options,
    const Banger__V1__SetDrainingRequest *request,
    const struct rpc_call_events *events, void *arg, struct err *err)
{
    return rpc_client_start(client, &banger_v1_host_service.methods[BANGER_V1_HOST_SERVICE_SET_DRAINING],
                            options, &request->base, events, arg, err);
}

static inline const Banger__V1__Host *
banger_v1_host_service_set_draining_response(const ProtobufCMessage *message)
{
    return (const Banger__V1__Host *)message;
}

/* SetLabels: Banger__V1__SetLabelsRequest -> Banger__V1__Host */
static inline struct rpc_call *
banger_v1_host_service_set_labels_start(
    struct rpc_client *client, const struct rpc_call_options *options,
    const Banger__V1__SetLabelsRequest *request,
    const struct rpc_call_events *events, void *arg, struct err *err)
{
    return rpc_client_start(client, &banger_v1_host_service.methods[BANGER_V1_HOST_SERVICE_SET_LABELS],
                            options, &request->base, events, arg, err);
}

static inline const Banger__V1__Host *
banger_v1_host_service_set_labels_response(const ProtobufCMessage *message)
{
    return (const Banger__V1__Host *)message;
}

/* AcquireLease: Banger__V1__AcquireLeaseRequest -> Banger__V1__Lease */
static inline struct rpc_call *
banger_v1_host_service_acquire_lease_start(
    struct rpc_client *client, const struct rpc_call_options *options,
    const Banger__V1__AcquireLeaseRequest *request,
    const struct rpc_call_events *events, void *arg, struct err *err)
{
    return rpc_client_start(client, &banger_v1_host_service.methods[BANGER_V1_HOST_SERVICE_ACQUIRE_LEASE],
                            options, &request->base, events, arg, err);
}

static inline const Banger__V1__Lease *
banger_v1_host_service_acquire_lease_response(const ProtobufCMessage *message)
{
    return (const Banger__V1__Lease *)message;
}

/* ListConnections: Banger__V1__ListConnectionsRequest -> Banger__V1__ListConnectionsResponse */
static inline struct rpc_call *
banger_v1_host_service_list_connections_start(
    struct rpc_client *client, const struct rpc_call_options *options,
    const Banger__V1__ListConnectionsRequest *request,
    const struct rpc_call_events *events, void *arg, struct err *err)
{
    return rpc_client_start(client, &banger_v1_host_service.methods[BANGER_V1_HOST_SERVICE_LIST_CONNECTIONS],
                            options, &request->base, events, arg, err);
}

static inline const Banger__V1__ListConnectionsResponse *
banger_v1_host_service_list_connections_response(const ProtobufCMessage *message)
{
    return (const Banger__V1__ListConnectionsResponse *)message;
}

/* KickConnection: Banger__V1__KickConnectionRequest -> Banger__V1__Empty */
static inline struct rpc_call *
banger_v1_host_service_kick_connection_start(
    struct rpc_client *client, const struct rpc_call_options *options,
    const Banger__V1__KickConnectionRequest *request,
    const struct rpc_call_events *events, void *arg, struct err *err)
{
    return rpc_client_start(client, &banger_v1_host_service.methods[BANGER_V1_HOST_SERVICE_KICK_CONNECTION],
                            options, &request->base, events, arg, err);
}

static inline const Banger__V1__Empty *
banger_v1_host_service_kick_connection_response(const ProtobufCMessage *message)
{
    return (const Banger__V1__Empty *)message;
}

/* AuditHost: Banger__V1__AuditHostRequest -> Banger__V1__AuditHostResponse */
static inline struct rpc_call *
banger_v1_host_service_audit_host_start(
    struct rpc_client *client, const struct rpc_call_options *options,
    const Banger__V1__AuditHostRequest *request,
    const struct rpc_call_events *events, void *arg, struct err *err)
{
    return rpc_client_start(client, &banger_v1_host_service.methods[BANGER_V1_HOST_SERVICE_AUDIT_HOST],
                            options, &request->base, events, arg, err);
}

static inline const Banger__V1__AuditHostResponse *
banger_v1_host_service_audit_host_response(const ProtobufCMessage *message)
{
    return (const Banger__V1__AuditHostResponse *)message;
}

/* CollectGarbage: Banger__V1__CollectGarbageRequest -> Banger__V1__CollectGarbageResponse */
static inline struct rpc_call *
banger_v1_host_service_collect_garbage_start(
    struct rpc_client *client, const struct rpc_call_options *options,
    const Banger__V1__CollectGarbageRequest *request,
    const struct rpc_call_events *events, void *arg, struct err *err)
{
    return rpc_client_start(client, &banger_v1_host_service.methods[BANGER_V1_HOST_SERVICE_COLLECT_GARBAGE],
                            options, &request->base, events, arg, err);
}

static inline const Banger__V1__CollectGarbageResponse *
banger_v1_host_service_collect_garbage_response(const ProtobufCMessage *message)
{
    return (const Banger__V1__CollectGarbageResponse *)message;
}

/* Shutdown: Banger__V1__ShutdownRequest -> Banger__V1__Empty */
static inline struct rpc_call *
banger_v1_host_service_shutdown_start(
    struct rpc_client *client, const struct rpc_call_options *options,
    const Banger__V1__ShutdownRequest *request,
    const struct rpc_call_events *events, void *arg, struct err *err)
{
    return rpc_client_start(client, &banger_v1_host_service.methods[BANGER_V1_HOST_SERVICE_SHUTDOWN],
                            options, &request->base, events, arg, err);
}

static inline const Banger__V1__Empty *
banger_v1_host_service_shutdown_response(const ProtobufCMessage *message)
{
    return (const Banger__V1__Empty *)message;
}

/* RecoverHost: Banger__V1__RecoverHostRequest -> Banger__V1__RecoverHostResponse */
static inline struct rpc_call *
banger_v1_host_service_recover_host_start(
    struct rpc_client *client, const struct rpc_call_options *options,
    const Banger__V1__RecoverHostRequest *request,
    const struct rpc_call_events *events, void *arg, struct err *err)
{
    return rpc_client_start(client, &banger_v1_host_service.methods[BANGER_V1_HOST_SERVICE_RECOVER_HOST],
                            options, &request->base, events, arg, err);
}

static inline const Banger__V1__RecoverHostResponse *
banger_v1_host_service_recover_host_response(const ProtobufCMessage *message)
{
    return (const Banger__V1__RecoverHostResponse *)message;
}

#endif
