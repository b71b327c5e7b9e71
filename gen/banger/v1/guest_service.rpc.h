/* Written by protoc-gen-banger-rpc from banger/v1/guest_service.proto; do not edit. */
#ifndef BANGER_V1_GUEST_SERVICE_RPC_H
#define BANGER_V1_GUEST_SERVICE_RPC_H

#include "banger/v1/guest_service.pb-c.h"
#include "rpc/wire/client.h"

/* SupervisionService */

extern const struct rpc_service banger_v1_supervision_service;

enum banger_v1_supervision_service_method {
    BANGER_V1_SUPERVISION_SERVICE_CREATE_SERVICE,
    BANGER_V1_SUPERVISION_SERVICE_UPDATE_SERVICE,
    BANGER_V1_SUPERVISION_SERVICE_GET_SERVICE,
    BANGER_V1_SUPERVISION_SERVICE_LIST_SERVICES,
    BANGER_V1_SUPERVISION_SERVICE_START_SERVICE,
    BANGER_V1_SUPERVISION_SERVICE_STOP_SERVICE,
    BANGER_V1_SUPERVISION_SERVICE_DELETE_SERVICE,
    BANGER_V1_SUPERVISION_SERVICE_METHODS /* their number */
};

/* CreateService: Banger__V1__CreateServiceRequest -> Banger__V1__GuestService */
static inline struct rpc_call *
banger_v1_supervision_service_create_service_start(
    struct rpc_client *client, const struct rpc_call_options *options,
    const Banger__V1__CreateServiceRequest *request,
    const struct rpc_call_events *events, void *arg, struct err *err)
{
    return rpc_client_start(client, &banger_v1_supervision_service.methods[BANGER_V1_SUPERVISION_SERVICE_CREATE_SERVICE],
                            options, &request->base, events, arg, err);
}

static inline const Banger__V1__GuestService *
banger_v1_supervision_service_create_service_response(const ProtobufCMessage *message)
{
    return (const Banger__V1__GuestService *)message;
}

/* UpdateService: Banger__V1__UpdateServiceRequest -> Banger__V1__GuestService */
static inline struct rpc_call *
banger_v1_supervision_service_update_service_start(
    struct rpc_client *client, const struct rpc_call_options *options,
    const Banger__V1__UpdateServiceRequest *request,
    const struct rpc_call_events *events, void *arg, struct err *err)
{
    return rpc_client_start(client, &banger_v1_supervision_service.methods[BANGER_V1_SUPERVISION_SERVICE_UPDATE_SERVICE],
                            options, &request->base, events, arg, err);
}

static inline const Banger__V1__GuestService *
banger_v1_supervision_service_update_service_response(const ProtobufCMessage *message)
{
    return (const Banger__V1__GuestService *)message;
}

/* GetService: Banger__V1__GetServiceRequest -> Banger__V1__GuestService */
static inline struct rpc_call *
banger_v1_supervision_service_get_service_start(
    struct rpc_client *client, const struct rpc_call_options *options,
    const Banger__V1__GetServiceRequest *request,
    const struct rpc_call_events *events, void *arg, struct err *err)
{
    return rpc_client_start(client, &banger_v1_supervision_service.methods[BANGER_V1_SUPERVISION_SERVICE_GET_SERVICE],
                            options, &request->base, events, arg, err);
}

static inline const Banger__V1__GuestService *
banger_v1_supervision_service_get_service_response(const ProtobufCMessage *message)
{
    return (const Banger__V1__GuestService *)message;
}

/* ListServices: Banger__V1__ListServicesRequest -> Banger__V1__ListServicesResponse */
static inline struct rpc_call *
banger_v1_supervision_service_list_services_start(
    struct rpc_client *client, const struct rpc_call_options *options,
    const Banger__V1__ListServicesRequest *request,
    const struct rpc_call_events *events, void *arg, struct err *err)
{
    return rpc_client_start(client, &banger_v1_supervision_service.methods[BANGER_V1_SUPERVISION_SERVICE_LIST_SERVICES],
                            options, &request->base, events, arg, err);
}

static inline const Banger__V1__ListServicesResponse *
banger_v1_supervision_service_list_services_response(const ProtobufCMessage *message)
{
    return (const Banger__V1__ListServicesResponse *)message;
}

/* StartService: Banger__V1__StartServiceRequest -> Banger__V1__GuestService */
static inline struct rpc_call *
banger_v1_supervision_service_start_service_start(
    struct rpc_client *client, const struct rpc_call_options *options,
    const Banger__V1__StartServiceRequest *request,
    const struct rpc_call_events *events, void *arg, struct err *err)
{
    return rpc_client_start(client, &banger_v1_supervision_service.methods[BANGER_V1_SUPERVISION_SERVICE_START_SERVICE],
                            options, &request->base, events, arg, err);
}

static inline const Banger__V1__GuestService *
banger_v1_supervision_service_start_service_response(const ProtobufCMessage *message)
{
    return (const Banger__V1__GuestService *)message;
}

/* StopService: Banger__V1__StopServiceRequest -> Banger__V1__GuestService */
static inline struct rpc_call *
banger_v1_supervision_service_stop_service_start(
    struct rpc_client *client, const struct rpc_call_options *options,
    const Banger__V1__StopServiceRequest *request,
    const struct rpc_call_events *events, void *arg, struct err *err)
{
    return rpc_client_start(client, &banger_v1_supervision_service.methods[BANGER_V1_SUPERVISION_SERVICE_STOP_SERVICE],
                            options, &request->base, events, arg, err);
}

static inline const Banger__V1__GuestService *
banger_v1_supervision_service_stop_service_response(const ProtobufCMessage *message)
{
    return (const Banger__V1__GuestService *)message;
}

/* DeleteService: Banger__V1__DeleteServiceRequest -> Banger__V1__Empty */
static inline struct rpc_call *
banger_v1_supervision_service_delete_service_start(
    struct rpc_client *client, const struct rpc_call_options *options,
    const Banger__V1__DeleteServiceRequest *request,
    const struct rpc_call_events *events, void *arg, struct err *err)
{
    return rpc_client_start(client, &banger_v1_supervision_service.methods[BANGER_V1_SUPERVISION_SERVICE_DELETE_SERVICE],
                            options, &request->base, events, arg, err);
}

static inline const Banger__V1__Empty *
banger_v1_supervision_service_delete_service_response(const ProtobufCMessage *message)
{
    return (const Banger__V1__Empty *)message;
}

#endif
