/* Written by protoc-gen-banger-rpc from banger/v1/guest_service.proto; do not edit. */
#include "banger/v1/guest_service.rpc.h"
#include "banger/v1/guest_service.server.rpc.h"

/* SupervisionService */

static bool
banger_v1_supervision_service_create_service_dispatch(
    const void *handlers, void *self, struct rpc_call *call,
    const ProtobufCMessage *request)
{
    const struct banger_v1_supervision_service_handlers *h = handlers;
    if (!h->create_service)
        return false;
    h->create_service(self, call, (const Banger__V1__CreateServiceRequest *)request);
    return true;
}

static bool
banger_v1_supervision_service_update_service_dispatch(
    const void *handlers, void *self, struct rpc_call *call,
    const ProtobufCMessage *request)
{
    const struct banger_v1_supervision_service_handlers *h = handlers;
    if (!h->update_service)
        return false;
    h->update_service(self, call, (const Banger__V1__UpdateServiceRequest *)request);
    return true;
}

static bool
banger_v1_supervision_service_get_service_dispatch(
    const void *handlers, void *self, struct rpc_call *call,
    const ProtobufCMessage *request)
{
    const struct banger_v1_supervision_service_handlers *h = handlers;
    if (!h->get_service)
        return false;
    h->get_service(self, call, (const Banger__V1__GetServiceRequest *)request);
    return true;
}

static bool
banger_v1_supervision_service_list_services_dispatch(
    const void *handlers, void *self, struct rpc_call *call,
    const ProtobufCMessage *request)
{
    const struct banger_v1_supervision_service_handlers *h = handlers;
    if (!h->list_services)
        return false;
    h->list_services(self, call, (const Banger__V1__ListServicesRequest *)request);
    return true;
}

static bool
banger_v1_supervision_service_start_service_dispatch(
    const void *handlers, void *self, struct rpc_call *call,
    const ProtobufCMessage *request)
{
    const struct banger_v1_supervision_service_handlers *h = handlers;
    if (!h->start_service)
        return false;
    h->start_service(self, call, (const Banger__V1__StartServiceRequest *)request);
    return true;
}

static bool
banger_v1_supervision_service_stop_service_dispatch(
    const void *handlers, void *self, struct rpc_call *call,
    const ProtobufCMessage *request)
{
    const struct banger_v1_supervision_service_handlers *h = handlers;
    if (!h->stop_service)
        return false;
    h->stop_service(self, call, (const Banger__V1__StopServiceRequest *)request);
    return true;
}

static bool
banger_v1_supervision_service_delete_service_dispatch(
    const void *handlers, void *self, struct rpc_call *call,
    const ProtobufCMessage *request)
{
    const struct banger_v1_supervision_service_handlers *h = handlers;
    if (!h->delete_service)
        return false;
    h->delete_service(self, call, (const Banger__V1__DeleteServiceRequest *)request);
    return true;
}

static const struct rpc_method banger_v1_supervision_service_methods[] = {
    [BANGER_V1_SUPERVISION_SERVICE_CREATE_SERVICE] = {
        .name = "CreateService",
        .path = "/banger.v1.SupervisionService/CreateService",
        .request = &banger__v1__create_service_request__descriptor,
        .response = &banger__v1__guest_service__descriptor,
        .dispatch = banger_v1_supervision_service_create_service_dispatch,
        .role = RPC_ROLE_OPERATOR,
        .effect = RPC_EFFECT_CHANGE,
        .idempotent = true,
        .default_deadline_ms = 10000,
        .resource_kind = "supervision",
        .summary = "Defines a service and starts it, as soon as its VM runs",
    },
    [BANGER_V1_SUPERVISION_SERVICE_UPDATE_SERVICE] = {
        .name = "UpdateService",
        .path = "/banger.v1.SupervisionService/UpdateService",
        .request = &banger__v1__update_service_request__descriptor,
        .response = &banger__v1__guest_service__descriptor,
        .dispatch = banger_v1_supervision_service_update_service_dispatch,
        .role = RPC_ROLE_OPERATOR,
        .effect = RPC_EFFECT_CHANGE,
        .idempotent = true,
        .default_deadline_ms = 10000,
        .resource_kind = "supervision",
        .summary = "Gives it another spec, all of it: for its next run, or, with restart, for one that takes the place of the run that there is, which is stopped as by StopSession",
    },
    [BANGER_V1_SUPERVISION_SERVICE_GET_SERVICE] = {
        .name = "GetService",
        .path = "/banger.v1.SupervisionService/GetService",
        .request = &banger__v1__get_service_request__descriptor,
        .response = &banger__v1__guest_service__descriptor,
        .dispatch = banger_v1_supervision_service_get_service_dispatch,
        .role = RPC_ROLE_VIEWER,
        .effect = RPC_EFFECT_READ,
        .idempotent = true,
        .default_deadline_ms = 10000,
        .resource_kind = "supervision",
        .summary = "A service as it is",
    },
    [BANGER_V1_SUPERVISION_SERVICE_LIST_SERVICES] = {
        .name = "ListServices",
        .path = "/banger.v1.SupervisionService/ListServices",
        .request = &banger__v1__list_services_request__descriptor,
        .response = &banger__v1__list_services_response__descriptor,
        .dispatch = banger_v1_supervision_service_list_services_dispatch,
        .role = RPC_ROLE_VIEWER,
        .effect = RPC_EFFECT_READ,
        .idempotent = true,
        .default_deadline_ms = 10000,
        .resource_kind = "supervision",
        .summary = "Services by creation time, page by page",
    },
    [BANGER_V1_SUPERVISION_SERVICE_START_SERVICE] = {
        .name = "StartService",
        .path = "/banger.v1.SupervisionService/StartService",
        .request = &banger__v1__start_service_request__descriptor,
        .response = &banger__v1__guest_service__descriptor,
        .dispatch = banger_v1_supervision_service_start_service_dispatch,
        .role = RPC_ROLE_OPERATOR,
        .effect = RPC_EFFECT_CHANGE,
        .idempotent = true,
        .default_deadline_ms = 10000,
        .resource_kind = "supervision",
        .summary = "It is wanted from now on, and started where its VM runs; one that has given up begins anew",
    },
    [BANGER_V1_SUPERVISION_SERVICE_STOP_SERVICE] = {
        .name = "StopService",
        .path = "/banger.v1.SupervisionService/StopService",
        .request = &banger__v1__stop_service_request__descriptor,
        .response = &banger__v1__guest_service__descriptor,
        .dispatch = banger_v1_supervision_service_stop_service_dispatch,
        .role = RPC_ROLE_OPERATOR,
        .effect = RPC_EFFECT_FREE,
        .idempotent = true,
        .default_deadline_ms = 10000,
        .resource_kind = "supervision",
        .summary = "It is not wanted any more: its run is stopped as by StopSession, and STOPPING until it has ended",
    },
    [BANGER_V1_SUPERVISION_SERVICE_DELETE_SERVICE] = {
        .name = "DeleteService",
        .path = "/banger.v1.SupervisionService/DeleteService",
        .request = &banger__v1__delete_service_request__descriptor,
        .response = &banger__v1__empty__descriptor,
        .dispatch = banger_v1_supervision_service_delete_service_dispatch,
        .role = RPC_ROLE_OPERATOR,
        .effect = RPC_EFFECT_FREE,
        .default_deadline_ms = 10000,
        .resource_kind = "supervision",
        .summary = "Forgets a service; its runs stay as sessions",
    },
};

const struct rpc_service banger_v1_supervision_service = {
    .name = "banger.v1.SupervisionService",
    .methods = banger_v1_supervision_service_methods,
    .n_methods = BANGER_V1_SUPERVISION_SERVICE_METHODS,
};
