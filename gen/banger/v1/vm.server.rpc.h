/* Written by protoc-gen-banger-rpc from banger/v1/vm.proto; do not edit. */
#ifndef BANGER_V1_VM_SERVER_RPC_H
#define BANGER_V1_VM_SERVER_RPC_H

#include "banger/v1/vm.pb-c.h"
#include "rpc/wire/call.h"

struct err;
struct rpc_server;

/* VMService */

/* A NULL handler answers UNIMPLEMENTED. request is borrowed. Where the client
 * streams there is none: the handler sets rpc_call_events and gets messages. */
struct banger_v1_vm_service_handlers {
    void (*create_vm)(void *self, struct rpc_call *call,
        const Banger__V1__CreateVMRequest *request);
    void (*get_vm)(void *self, struct rpc_call *call,
        const Banger__V1__GetVMRequest *request);
    void (*list_vms)(void *self, struct rpc_call *call,
        const Banger__V1__ListVMsRequest *request);
    void (*update_vm)(void *self, struct rpc_call *call,
        const Banger__V1__UpdateVMRequest *request);
    void (*start_vm)(void *self, struct rpc_call *call,
        const Banger__V1__StartVMRequest *request);
    void (*stop_vm)(void *self, struct rpc_call *call,
        const Banger__V1__StopVMRequest *request);
    void (*restart_vm)(void *self, struct rpc_call *call,
        const Banger__V1__RestartVMRequest *request);
    void (*kill_vm)(void *self, struct rpc_call *call,
        const Banger__V1__KillVMRequest *request);
    void (*delete_vm)(void *self, struct rpc_call *call,
        const Banger__V1__DeleteVMRequest *request);
    void (*pause_vm)(void *self, struct rpc_call *call,
        const Banger__V1__PauseVMRequest *request);
    void (*resume_vm)(void *self, struct rpc_call *call,
        const Banger__V1__ResumeVMRequest *request);
    void (*recover_vm)(void *self, struct rpc_call *call,
        const Banger__V1__RecoverVMRequest *request);
    void (*prune_vms)(void *self, struct rpc_call *call,
        const Banger__V1__PruneVMsRequest *request);
    void (*renew_vm_lease)(void *self, struct rpc_call *call,
        const Banger__V1__RenewVMLeaseRequest *request);
    void (*get_vm_handles)(void *self, struct rpc_call *call,
        const Banger__V1__GetVMHandlesRequest *request);
    void (*get_vm_stats)(void *self, struct rpc_call *call,
        const Banger__V1__GetVMStatsRequest *request);
    void (*check_vm_health)(void *self, struct rpc_call *call,
        const Banger__V1__CheckVMHealthRequest *request);
    void (*list_vm_ports)(void *self, struct rpc_call *call,
        const Banger__V1__ListVMPortsRequest *request);
    void (*watch_vm_ports)(void *self, struct rpc_call *call,
        const Banger__V1__WatchVMPortsRequest *request);
    void (*read_console)(void *self, struct rpc_call *call,
        const Banger__V1__ReadConsoleRequest *request);
    void (*attach_console)(void *self, struct rpc_call *call);
};

/* handlers must outlive the server; self is passed to each of them. */
int banger_v1_vm_service_register(
    struct rpc_server *server, const struct banger_v1_vm_service_handlers *handlers,
    void *self, struct err *err);

/* CreateVM */
static inline void
banger_v1_vm_service_create_vm_reply(
    struct rpc_call *call, const Banger__V1__Operation *response)
{
    rpc_call_reply(call, &response->base);
}

/* GetVM */
static inline void
banger_v1_vm_service_get_vm_reply(
    struct rpc_call *call, const Banger__V1__VM *response)
{
    rpc_call_reply(call, &response->base);
}

/* ListVMs */
static inline void
banger_v1_vm_service_list_vms_reply(
    struct rpc_call *call, const Banger__V1__ListVMsResponse *response)
{
    rpc_call_reply(call, &response->base);
}

/* UpdateVM */
static inline void
banger_v1_vm_service_update_vm_reply(
    struct rpc_call *call, const Banger__V1__Operation *response)
{
    rpc_call_reply(call, &response->base);
}

/* StartVM */
static inline void
banger_v1_vm_service_start_vm_reply(
    struct rpc_call *call, const Banger__V1__Operation *response)
{
    rpc_call_reply(call, &response->base);
}

/* StopVM */
static inline void
banger_v1_vm_service_stop_vm_reply(
    struct rpc_call *call, const Banger__V1__Operation *response)
{
    rpc_call_reply(call, &response->base);
}

/* RestartVM */
static inline void
banger_v1_vm_service_restart_vm_reply(
    struct rpc_call *call, const Banger__V1__Operation *response)
{
    rpc_call_reply(call, &response->base);
}

/* KillVM */
static inline void
banger_v1_vm_service_kill_vm_reply(
    struct rpc_call *call, const Banger__V1__Operation *response)
{
    rpc_call_reply(call, &response->base);
}

/* DeleteVM */
static inline void
banger_v1_vm_service_delete_vm_reply(
    struct rpc_call *call, const Banger__V1__Operation *response)
{
    rpc_call_reply(call, &response->base);
}

/* PauseVM */
static inline void
banger_v1_vm_service_pause_vm_reply(
    struct rpc_call *call, const Banger__V1__Operation *response)
{
    rpc_call_reply(call, &response->base);
}

/* ResumeVM */
static inline void
banger_v1_vm_service_resume_vm_reply(
    struct rpc_call *call, const Banger__V1__Operation *response)
{
    rpc_call_reply(call, &response->base);
}

/* RecoverVM */
static inline void
banger_v1_vm_service_recover_vm_reply(
    struct rpc_call *call, const Banger__V1__Operation *response)
{
    rpc_call_reply(call, &response->base);
}

/* PruneVMs */
static inline void
banger_v1_vm_service_prune_vms_reply(
    struct rpc_call *call, const Banger__V1__Operation *response)
{
    rpc_call_reply(call, &response->base);
}

/* RenewVMLease */
static inline void
banger_v1_vm_service_renew_vm_lease_reply(
    struct rpc_call *call, const Banger__V1__Empty *response)
{
    rpc_call_reply(call, &response->base);
}

/* GetVMHandles */
static inline void
banger_v1_vm_service_get_vm_handles_reply(
    struct rpc_call *call, const Banger__V1__VMHandles *response)
{
    rpc_call_reply(call, &response->base);
}

/* GetVMStats */
static inline void
banger_v1_vm_service_get_vm_stats_reply(
    struct rpc_call *call, const Banger__V1__VMStats *response)
{
    rpc_call_reply(call, &response->base);
}

/* CheckVMHealth */
static inline void
banger_v1_vm_service_check_vm_health_reply(
    struct rpc_call *call, const Banger__V1__CheckVMHealthResponse *response)
{
    rpc_call_reply(call, &response->base);
}

/* ListVMPorts */
static inline void
banger_v1_vm_service_list_vm_ports_reply(
    struct rpc_call *call, const Banger__V1__ListVMPortsResponse *response)
{
    rpc_call_reply(call, &response->base);
}

/* WatchVMPorts */
static inline int
banger_v1_vm_service_watch_vm_ports_send(
    struct rpc_call *call, const Banger__V1__ListVMPortsResponse *message)
{
    return rpc_call_send(call, &message->base);
}

/* ReadConsole */
static inline int
banger_v1_vm_service_read_console_send(
    struct rpc_call *call, const Banger__V1__ConsoleChunk *message)
{
    return rpc_call_send(call, &message->base);
}

/* AttachConsole */
static inline int
banger_v1_vm_service_attach_console_send(
    struct rpc_call *call, const Banger__V1__ConsoleChunk *message)
{
    return rpc_call_send(call, &message->base);
}

static inline const Banger__V1__AttachConsoleRequest *
banger_v1_vm_service_attach_console_request(const ProtobufCMessage *message)
{
    return (const Banger__V1__AttachConsoleRequest *)message;
}

#endif
