/* Written by protoc-gen-banger-rpc from banger/v1/vm.proto; do not edit. */
#ifndef BANGER_V1_VM_RPC_H
#define BANGER_V1_VM_RPC_H

#include "banger/v1/vm.pb-c.h"
#include "rpc/wire/client.h"

/* VMService */

extern const struct rpc_service banger_v1_vm_service;

enum banger_v1_vm_service_method {
    BANGER_V1_VM_SERVICE_CREATE_VM,
    BANGER_V1_VM_SERVICE_GET_VM,
    BANGER_V1_VM_SERVICE_LIST_VMS,
    BANGER_V1_VM_SERVICE_UPDATE_VM,
    BANGER_V1_VM_SERVICE_START_VM,
    BANGER_V1_VM_SERVICE_STOP_VM,
    BANGER_V1_VM_SERVICE_RESTART_VM,
    BANGER_V1_VM_SERVICE_KILL_VM,
    BANGER_V1_VM_SERVICE_DELETE_VM,
    BANGER_V1_VM_SERVICE_PAUSE_VM,
    BANGER_V1_VM_SERVICE_RESUME_VM,
    BANGER_V1_VM_SERVICE_RECOVER_VM,
    BANGER_V1_VM_SERVICE_PRUNE_VMS,
    BANGER_V1_VM_SERVICE_RENEW_VM_LEASE,
    BANGER_V1_VM_SERVICE_GET_VM_HANDLES,
    BANGER_V1_VM_SERVICE_GET_VM_STATS,
    BANGER_V1_VM_SERVICE_CHECK_VM_HEALTH,
    BANGER_V1_VM_SERVICE_LIST_VM_PORTS,
    BANGER_V1_VM_SERVICE_WATCH_VM_PORTS,
    BANGER_V1_VM_SERVICE_READ_CONSOLE,
    BANGER_V1_VM_SERVICE_ATTACH_CONSOLE,
    BANGER_V1_VM_SERVICE_METHODS /* their number */
};

/* CreateVM: Banger__V1__CreateVMRequest -> Banger__V1__Operation */
static inline struct rpc_call *
banger_v1_vm_service_create_vm_start(
    struct rpc_client *client, const struct rpc_call_options *options,
    const Banger__V1__CreateVMRequest *request,
    const struct rpc_call_events *events, void *arg, struct err *err)
{
    return rpc_client_start(client, &banger_v1_vm_service.methods[BANGER_V1_VM_SERVICE_CREATE_VM],
                            options, &request->base, events, arg, err);
}

static inline const Banger__V1__Operation *
banger_v1_vm_service_create_vm_response(const ProtobufCMessage *message)
{
    return (const Banger__V1__Operation *)message;
}

/* GetVM: Banger__V1__GetVMRequest -> Banger__V1__VM */
static inline struct rpc_call *
banger_v1_vm_service_get_vm_start(
    struct rpc_client *client, const struct rpc_call_options *options,
    const Banger__V1__GetVMRequest *request,
    const struct rpc_call_events *events, void *arg, struct err *err)
{
    return rpc_client_start(client, &banger_v1_vm_service.methods[BANGER_V1_VM_SERVICE_GET_VM],
                            options, &request->base, events, arg, err);
}

static inline const Banger__V1__VM *
banger_v1_vm_service_get_vm_response(const ProtobufCMessage *message)
{
    return (const Banger__V1__VM *)message;
}

/* ListVMs: Banger__V1__ListVMsRequest -> Banger__V1__ListVMsResponse */
static inline struct rpc_call *
banger_v1_vm_service_list_vms_start(
    struct rpc_client *client, const struct rpc_call_options *options,
    const Banger__V1__ListVMsRequest *request,
    const struct rpc_call_events *events, void *arg, struct err *err)
{
    return rpc_client_start(client, &banger_v1_vm_service.methods[BANGER_V1_VM_SERVICE_LIST_VMS],
                            options, &request->base, events, arg, err);
}

static inline const Banger__V1__ListVMsResponse *
banger_v1_vm_service_list_vms_response(const ProtobufCMessage *message)
{
    return (const Banger__V1__ListVMsResponse *)message;
}

/* UpdateVM: Banger__V1__UpdateVMRequest -> Banger__V1__Operation */
static inline struct rpc_call *
banger_v1_vm_service_update_vm_start(
    struct rpc_client *client, const struct rpc_call_options *options,
    const Banger__V1__UpdateVMRequest *request,
    const struct rpc_call_events *events, void *arg, struct err *err)
{
    return rpc_client_start(client, &banger_v1_vm_service.methods[BANGER_V1_VM_SERVICE_UPDATE_VM],
                            options, &request->base, events, arg, err);
}

static inline const Banger__V1__Operation *
banger_v1_vm_service_update_vm_response(const ProtobufCMessage *message)
{
    return (const Banger__V1__Operation *)message;
}

/* StartVM: Banger__V1__StartVMRequest -> Banger__V1__Operation */
static inline struct rpc_call *
banger_v1_vm_service_start_vm_start(
    struct rpc_client *client, const struct rpc_call_options *options,
    const Banger__V1__StartVMRequest *request,
    const struct rpc_call_events *events, void *arg, struct err *err)
{
    return rpc_client_start(client, &banger_v1_vm_service.methods[BANGER_V1_VM_SERVICE_START_VM],
                            options, &request->base, events, arg, err);
}

static inline const Banger__V1__Operation *
banger_v1_vm_service_start_vm_response(const ProtobufCMessage *message)
{
    return (const Banger__V1__Operation *)message;
}

/* StopVM: Banger__V1__StopVMRequest -> Banger__V1__Operation */
static inline struct rpc_call *
banger_v1_vm_service_stop_vm_start(
    struct rpc_client *client, const struct rpc_call_options *options,
    const Banger__V1__StopVMRequest *request,
    const struct rpc_call_events *events, void *arg, struct err *err)
{
    return rpc_client_start(client, &banger_v1_vm_service.methods[BANGER_V1_VM_SERVICE_STOP_VM],
                            options, &request->base, events, arg, err);
}

static inline const Banger__V1__Operation *
banger_v1_vm_service_stop_vm_response(const ProtobufCMessage *message)
{
    return (const Banger__V1__Operation *)message;
}

/* RestartVM: Banger__V1__RestartVMRequest -> Banger__V1__Operation */
static inline struct rpc_call *
banger_v1_vm_service_restart_vm_start(
    struct rpc_client *client, const struct rpc_call_options *options,
    const Banger__V1__RestartVMRequest *request,
    const struct rpc_call_events *events, void *arg, struct err *err)
{
    return rpc_client_start(client, &banger_v1_vm_service.methods[BANGER_V1_VM_SERVICE_RESTART_VM],
                            options, &request->base, events, arg, err);
}

static inline const Banger__V1__Operation *
banger_v1_vm_service_restart_vm_response(const ProtobufCMessage *message)
{
    return (const Banger__V1__Operation *)message;
}

/* KillVM: Banger__V1__KillVMRequest -> Banger__V1__Operation */
static inline struct rpc_call *
banger_v1_vm_service_kill_vm_start(
    struct rpc_client *client, const struct rpc_call_options *options,
    const Banger__V1__KillVMRequest *request,
    const struct rpc_call_events *events, void *arg, struct err *err)
{
    return rpc_client_start(client, &banger_v1_vm_service.methods[BANGER_V1_VM_SERVICE_KILL_VM],
                            options, &request->base, events, arg, err);
}

static inline const Banger__V1__Operation *
banger_v1_vm_service_kill_vm_response(const ProtobufCMessage *message)
{
    return (const Banger__V1__Operation *)message;
}

/* DeleteVM: Banger__V1__DeleteVMRequest -> Banger__V1__Operation */
static inline struct rpc_call *
banger_v1_vm_service_delete_vm_start(
    struct rpc_client *client, const struct rpc_call_options *options,
    const Banger__V1__DeleteVMRequest *request,
    const struct rpc_call_events *events, void *arg, struct err *err)
{
    return rpc_client_start(client, &banger_v1_vm_service.methods[BANGER_V1_VM_SERVICE_DELETE_VM],
                            options, &request->base, events, arg, err);
}

static inline const Banger__V1__Operation *
banger_v1_vm_service_delete_vm_response(const ProtobufCMessage *message)
{
    return (const Banger__V1__Operation *)message;
}

/* PauseVM: Banger__V1__PauseVMRequest -> Banger__V1__Operation */
static inline struct rpc_call *
banger_v1_vm_service_pause_vm_start(
    struct rpc_client *client, const struct rpc_call_options *options,
    const Banger__V1__PauseVMRequest *request,
    const struct rpc_call_events *events, void *arg, struct err *err)
{
    return rpc_client_start(client, &banger_v1_vm_service.methods[BANGER_V1_VM_SERVICE_PAUSE_VM],
                            options, &request->base, events, arg, err);
}

static inline const Banger__V1__Operation *
banger_v1_vm_service_pause_vm_response(const ProtobufCMessage *message)
{
    return (const Banger__V1__Operation *)message;
}

/* ResumeVM: Banger__V1__ResumeVMRequest -> Banger__V1__Operation */
static inline struct rpc_call *
banger_v1_vm_service_resume_vm_start(
    struct rpc_client *client, const struct rpc_call_options *options,
    const Banger__V1__ResumeVMRequest *request,
    const struct rpc_call_events *events, void *arg, struct err *err)
{
    return rpc_client_start(client, &banger_v1_vm_service.methods[BANGER_V1_VM_SERVICE_RESUME_VM],
                            options, &request->base, events, arg, err);
}

static inline const Banger__V1__Operation *
banger_v1_vm_service_resume_vm_response(const ProtobufCMessage *message)
{
    return (const Banger__V1__Operation *)message;
}

/* RecoverVM: Banger__V1__RecoverVMRequest -> Banger__V1__Operation */
static inline struct rpc_call *
banger_v1_vm_service_recover_vm_start(
    struct rpc_client *client, const struct rpc_call_options *options,
    const Banger__V1__RecoverVMRequest *request,
    const struct rpc_call_events *events, void *arg, struct err *err)
{
    return rpc_client_start(client, &banger_v1_vm_service.methods[BANGER_V1_VM_SERVICE_RECOVER_VM],
                            options, &request->base, events, arg, err);
}

static inline const Banger__V1__Operation *
banger_v1_vm_service_recover_vm_response(const ProtobufCMessage *message)
{
    return (const Banger__V1__Operation *)message;
}

/* PruneVMs: Banger__V1__PruneVMsRequest -> Banger__V1__Operation */
static inline struct rpc_call *
banger_v1_vm_service_prune_vms_start(
    struct rpc_client *client, const struct rpc_call_options *options,
    const Banger__V1__PruneVMsRequest *request,
    const struct rpc_call_events *events, void *arg, struct err *err)
{
    return rpc_client_start(client, &banger_v1_vm_service.methods[BANGER_V1_VM_SERVICE_PRUNE_VMS],
                            options, &request->base, events, arg, err);
}

static inline const Banger__V1__Operation *
banger_v1_vm_service_prune_vms_response(const ProtobufCMessage *message)
{
    return (const Banger__V1__Operation *)message;
}

/* RenewVMLease: Banger__V1__RenewVMLeaseRequest -> Banger__V1__Empty */
static inline struct rpc_call *
banger_v1_vm_service_renew_vm_lease_start(
    struct rpc_client *client, const struct rpc_call_options *options,
    const Banger__V1__RenewVMLeaseRequest *request,
    const struct rpc_call_events *events, void *arg, struct err *err)
{
    return rpc_client_start(client, &banger_v1_vm_service.methods[BANGER_V1_VM_SERVICE_RENEW_VM_LEASE],
                            options, &request->base, events, arg, err);
}

static inline const Banger__V1__Empty *
banger_v1_vm_service_renew_vm_lease_response(const ProtobufCMessage *message)
{
    return (const Banger__V1__Empty *)message;
}

/* GetVMHandles: Banger__V1__GetVMHandlesRequest -> Banger__V1__VMHandles */
static inline struct rpc_call *
banger_v1_vm_service_get_vm_handles_start(
    struct rpc_client *client, const struct rpc_call_options *options,
    const Banger__V1__GetVMHandlesRequest *request,
    const struct rpc_call_events *events, void *arg, struct err *err)
{
    return rpc_client_start(client, &banger_v1_vm_service.methods[BANGER_V1_VM_SERVICE_GET_VM_HANDLES],
                            options, &request->base, events, arg, err);
}

static inline const Banger__V1__VMHandles *
banger_v1_vm_service_get_vm_handles_response(const ProtobufCMessage *message)
{
    return (const Banger__V1__VMHandles *)message;
}

/* GetVMStats: Banger__V1__GetVMStatsRequest -> Banger__V1__VMStats */
static inline struct rpc_call *
banger_v1_vm_service_get_vm_stats_start(
    struct rpc_client *client, const struct rpc_call_options *options,
    const Banger__V1__GetVMStatsRequest *request,
    const struct rpc_call_events *events, void *arg, struct err *err)
{
    return rpc_client_start(client, &banger_v1_vm_service.methods[BANGER_V1_VM_SERVICE_GET_VM_STATS],
                            options, &request->base, events, arg, err);
}

static inline const Banger__V1__VMStats *
banger_v1_vm_service_get_vm_stats_response(const ProtobufCMessage *message)
{
    return (const Banger__V1__VMStats *)message;
}

/* CheckVMHealth: Banger__V1__CheckVMHealthRequest -> Banger__V1__CheckVMHealthResponse */
static inline struct rpc_call *
banger_v1_vm_service_check_vm_health_start(
    struct rpc_client *client, const struct rpc_call_options *options,
    const Banger__V1__CheckVMHealthRequest *request,
    const struct rpc_call_events *events, void *arg, struct err *err)
{
    return rpc_client_start(client, &banger_v1_vm_service.methods[BANGER_V1_VM_SERVICE_CHECK_VM_HEALTH],
                            options, &request->base, events, arg, err);
}

static inline const Banger__V1__CheckVMHealthResponse *
banger_v1_vm_service_check_vm_health_response(const ProtobufCMessage *message)
{
    return (const Banger__V1__CheckVMHealthResponse *)message;
}

/* ListVMPorts: Banger__V1__ListVMPortsRequest -> Banger__V1__ListVMPortsResponse */
static inline struct rpc_call *
banger_v1_vm_service_list_vm_ports_start(
    struct rpc_client *client, const struct rpc_call_options *options,
    const Banger__V1__ListVMPortsRequest *request,
    const struct rpc_call_events *events, void *arg, struct err *err)
{
    return rpc_client_start(client, &banger_v1_vm_service.methods[BANGER_V1_VM_SERVICE_LIST_VM_PORTS],
                            options, &request->base, events, arg, err);
}

static inline const Banger__V1__ListVMPortsResponse *
banger_v1_vm_service_list_vm_ports_response(const ProtobufCMessage *message)
{
    return (const Banger__V1__ListVMPortsResponse *)message;
}

/* WatchVMPorts: Banger__V1__WatchVMPortsRequest -> stream of Banger__V1__ListVMPortsResponse */
static inline struct rpc_call *
banger_v1_vm_service_watch_vm_ports_start(
    struct rpc_client *client, const struct rpc_call_options *options,
    const Banger__V1__WatchVMPortsRequest *request,
    const struct rpc_call_events *events, void *arg, struct err *err)
{
    return rpc_client_start(client, &banger_v1_vm_service.methods[BANGER_V1_VM_SERVICE_WATCH_VM_PORTS],
                            options, &request->base, events, arg, err);
}

static inline const Banger__V1__ListVMPortsResponse *
banger_v1_vm_service_watch_vm_ports_response(const ProtobufCMessage *message)
{
    return (const Banger__V1__ListVMPortsResponse *)message;
}

/* ReadConsole: Banger__V1__ReadConsoleRequest -> stream of Banger__V1__ConsoleChunk */
static inline struct rpc_call *
banger_v1_vm_service_read_console_start(
    struct rpc_client *client, const struct rpc_call_options *options,
    const Banger__V1__ReadConsoleRequest *request,
    const struct rpc_call_events *events, void *arg, struct err *err)
{
    return rpc_client_start(client, &banger_v1_vm_service.methods[BANGER_V1_VM_SERVICE_READ_CONSOLE],
                            options, &request->base, events, arg, err);
}

static inline const Banger__V1__ConsoleChunk *
banger_v1_vm_service_read_console_response(const ProtobufCMessage *message)
{
    return (const Banger__V1__ConsoleChunk *)message;
}

/* AttachConsole: stream of Banger__V1__AttachConsoleRequest -> stream of Banger__V1__ConsoleChunk */
static inline struct rpc_call *
banger_v1_vm_service_attach_console_start(
    struct rpc_client *client, const struct rpc_call_options *options,
    const struct rpc_call_events *events, void *arg, struct err *err)
{
    return rpc_client_start(client, &banger_v1_vm_service.methods[BANGER_V1_VM_SERVICE_ATTACH_CONSOLE],
                            options, NULL, events, arg, err);
}

static inline int
banger_v1_vm_service_attach_console_send_request(
    struct rpc_call *call, const Banger__V1__AttachConsoleRequest *request)
{
    return rpc_call_send(call, &request->base);
}

static inline const Banger__V1__ConsoleChunk *
banger_v1_vm_service_attach_console_response(const ProtobufCMessage *message)
{
    return (const Banger__V1__ConsoleChunk *)message;
}

#endif
