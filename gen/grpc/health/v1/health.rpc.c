/* Written by protoc-gen-banger-rpc from grpc/health/v1/health.proto; do not edit. */
#include "grpc/health/v1/health.rpc.h"
#include "grpc/health/v1/health.server.rpc.h"

/* Health */

static bool
grpc_health_v1_health_check_dispatch(
    const void *handlers, void *self, struct rpc_call *call,
    const ProtobufCMessage *request)
{
    const struct grpc_health_v1_health_handlers *h = handlers;
    if (!h->check)
        return false;
    h->check(self, call, (const Grpc__Health__V1__HealthCheckRequest *)request);
    return true;
}

static bool
grpc_health_v1_health_watch_dispatch(
    const void *handlers, void *self, struct rpc_call *call,
    const ProtobufCMessage *request)
{
    const struct grpc_health_v1_health_handlers *h = handlers;
    if (!h->watch)
        return false;
    h->watch(self, call, (const Grpc__Health__V1__HealthCheckRequest *)request);
    return true;
}

static bool
grpc_health_v1_health_list_dispatch(
    const void *handlers, void *self, struct rpc_call *call,
    const ProtobufCMessage *request)
{
    const struct grpc_health_v1_health_handlers *h = handlers;
    if (!h->list)
        return false;
    h->list(self, call, (const Grpc__Health__V1__HealthListRequest *)request);
    return true;
}

static const struct rpc_method grpc_health_v1_health_methods[] = {
    [GRPC_HEALTH_V1_HEALTH_CHECK] = {
        .name = "Check",
        .path = "/grpc.health.v1.Health/Check",
        .request = &grpc__health__v1__health_check_request__descriptor,
        .response = &grpc__health__v1__health_check_response__descriptor,
        .dispatch = grpc_health_v1_health_check_dispatch,
        .role = RPC_ROLE_ANYONE,
        .effect = RPC_EFFECT_READ,
        .resource_kind = "health",
        .summary = "",
    },
    [GRPC_HEALTH_V1_HEALTH_WATCH] = {
        .name = "Watch",
        .path = "/grpc.health.v1.Health/Watch",
        .request = &grpc__health__v1__health_check_request__descriptor,
        .response = &grpc__health__v1__health_check_response__descriptor,
        .dispatch = grpc_health_v1_health_watch_dispatch,
        .streams = RPC_SERVER_STREAMS,
        .role = RPC_ROLE_ANYONE,
        .effect = RPC_EFFECT_READ,
        .resource_kind = "health",
        .summary = "",
    },
    [GRPC_HEALTH_V1_HEALTH_LIST] = {
        .name = "List",
        .path = "/grpc.health.v1.Health/List",
        .request = &grpc__health__v1__health_list_request__descriptor,
        .response = &grpc__health__v1__health_list_response__descriptor,
        .dispatch = grpc_health_v1_health_list_dispatch,
        .role = RPC_ROLE_ANYONE,
        .effect = RPC_EFFECT_READ,
        .resource_kind = "health",
        .summary = "",
    },
};

const struct rpc_service grpc_health_v1_health = {
    .name = "grpc.health.v1.Health",
    .methods = grpc_health_v1_health_methods,
    .n_methods = GRPC_HEALTH_V1_HEALTH_METHODS,
};
