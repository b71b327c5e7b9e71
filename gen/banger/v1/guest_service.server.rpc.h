/* Written by protoc-gen-banger-rpc from banger/v1/guest_service.proto; do not edit. */
#ifndef BANGER_V1_GUEST_SERVICE_SERVER_RPC_H
#define BANGER_V1_GUEST_SERVICE_SERVER_RPC_H

#include "banger/v1/guest_service.pb-c.h"
#include "rpc/wire/call.h"

struct err;
struct rpc_server;

/* SupervisionService */

/* A NULL handler answers UNIMPLEMENTED. request is borrowed. Where the client
 * streams there is none: the handler sets rpc_call_events and gets messages. */
struct banger_v1_supervision_service_handlers {
    void (*create_service)(void *self, struct rpc_call *call,
        const Banger__V1__CreateServiceRequest *request);
    void (*update_service)(void *self, struct rpc_call *call,
        const Banger__V1__UpdateServiceRequest *request);
    void (*get_service)(void *self, struct rpc_call *call,
        const Banger__V1__GetServiceRequest *request);
    void (*list_services)(void *self, struct rpc_call *call,
        const Banger__V1__ListServicesRequest *request);
    void (*start_service)(void *self, struct rpc_call *call,
        const Banger__V1__StartServiceRequest *request);
    void (*stop_service)(void *self, struct rpc_call *call,
        const Banger__V1__StopServiceRequest *request);
    void (*delete_service)(void *self, struct rpc_call *call,
        const Banger__V1__DeleteServiceRequest *request);
};

/* handlers must outlive the server; self is passed to each of them. */
int banger_v1_supervision_service_register(
    struct rpc_server *server, const struct banger_v1_supervision_service_handlers *handlers,
    void *self, struct err *err);

/* CreateService */
static inline void
banger_v1_supervision_service_create_service_reply(
    struct rpc_call *call, const Banger__V1__GuestService *response)
{
    rpc_call_reply(call, &response->base);
}

/* UpdateService */
static inline void
banger_v1_supervision_service_update_service_reply(
    struct rpc_call *call, const Banger__V1__GuestService *response)
{
    rpc_call_reply(call, &response->base);
}

/* GetService */
static inline void
banger_v1_supervision_service_get_service_reply(
    struct rpc_call *call, const Banger__V1__GuestService *response)
{
    rpc_call_reply(call, &response->base);
}

/* ListServices */
static inline void
banger_v1_supervision_service_list_services_reply(
    struct rpc_call *call, const Banger__V1__ListServicesResponse *response)
{
    rpc_call_reply(call, &response->base);
}

/* StartService */
static inline void
banger_v1_supervision_service_start_service_reply(
    struct rpc_call *call, const Banger__V1__GuestService *response)
{
    rpc_call_reply(call, &response->base);
}

/* StopService */
static inline void
banger_v1_supervision_service_stop_service_reply(
    struct rpc_call *call, const Banger__V1__GuestService *response)
{
    rpc_call_reply(call, &response->base);
}

/* DeleteService */
static inline void
banger_v1_supervision_service_delete_service_reply(
    struct rpc_call *call, const Banger__V1__Empty *response)
{
    rpc_call_reply(call, &response->base);
}

#endif
