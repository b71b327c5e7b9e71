/* Written by protoc-gen-banger-rpc from grpc/health/v1/health.proto; do not edit. */
#ifndef GRPC_HEALTH_V1_HEALTH_RPC_H
#define GRPC_HEALTH_V1_HEALTH_RPC_H

#include "grpc/health/v1/health.pb-c.h"
#include "rpc/wire/client.h"

/* Health */

extern const struct rpc_service grpc_health_v1_health;

enum grpc_health_v1_health_method {
    GRPC_HEALTH_V1_HEALTH_CHECK,
    GRPC_HEALTH_V1_HEALTH_WATCH,
    GRPC_HEALTH_V1_HEALTH_LIST,
    GRPC_HEALTH_V1_HEALTH_METHODS /* their number */
};

/* Check: Grpc__Health__V1__HealthCheckRequest -> Grpc__Health__V1__HealthCheckResponse */
static inline struct rpc_call *
grpc_health_v1_health_check_start(
    struct rpc_client *client, const struct rpc_call_options *options,
    const Grpc__Health__V1__HealthCheckRequest *request,
    const struct rpc_call_events *events, void *arg, struct err *err)
{
    return rpc_client_start(client, &grpc_health_v1_health.methods[GRPC_HEALTH_V1_HEALTH_CHECK],
                            options, &request->base, events, arg, err);
}

static inline const Grpc__Health__V1__HealthCheckResponse *
grpc_health_v1_health_check_response(const ProtobufCMessage *message)
{
    return (const Grpc__Health__V1__HealthCheckResponse *)message;
}

/* Watch: Grpc__Health__V1__HealthCheckRequest -> stream of Grpc__Health__V1__HealthCheckResponse */
static inline struct rpc_call *
grpc_health_v1_health_watch_start(
    struct rpc_client *client, const struct rpc_call_options *options,
    const Grpc__Health__V1__HealthCheckRequest *request,
    const struct rpc_call_events *events, void *arg, struct err *err)
{
    return rpc_client_start(client, &grpc_health_v1_health.methods[GRPC_HEALTH_V1_HEALTH_WATCH],
                            options, &request->base, events, arg, err);
}

static inline const Grpc__Health__V1__HealthCheckResponse *
grpc_health_v1_health_watch_response(const ProtobufCMessage *message)
{
    return (const Grpc__Health__V1__HealthCheckResponse *)message;
}

/* List: Grpc__Health__V1__HealthListRequest -> Grpc__Health__V1__HealthListResponse */
static inline struct rpc_call *
grpc_health_v1_health_list_start(
    struct rpc_client *client, const struct rpc_call_options *options,
    const Grpc__Health__V1__HealthListRequest *request,
    const struct rpc_call_events *events, void *arg, struct err *err)
{
    return rpc_client_start(client, &grpc_health_v1_health.methods[GRPC_HEALTH_V1_HEALTH_LIST],
                            options, &request->base, events, arg, err);
}

static inline const Grpc__Health__V1__HealthListResponse *
grpc_health_v1_health_list_response(const ProtobufCMessage *message)
{
    return (const Grpc__Health__V1__HealthListResponse *)message;
}

#endif
