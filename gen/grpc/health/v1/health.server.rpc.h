/* Written by protoc-gen-banger-rpc from grpc/health/v1/health.proto; do not edit. */
#ifndef GRPC_HEALTH_V1_HEALTH_SERVER_RPC_H
#define GRPC_HEALTH_V1_HEALTH_SERVER_RPC_H

#include "grpc/health/v1/health.pb-c.h"
#include "rpc/wire/call.h"

struct err;
struct rpc_server;

/* Health */

/* A NULL handler answers UNIMPLEMENTED. request is borrowed. Where the client
 * streams there is none: the handler sets rpc_call_events and gets messages. */
struct grpc_health_v1_health_handlers {
    void (*check)(void *self, struct rpc_call *call,
        const Grpc__Health__V1__HealthCheckRequest *request);
    void (*watch)(void *self, struct rpc_call *call,
        const Grpc__Health__V1__HealthCheckRequest *request);
    void (*list)(void *self, struct rpc_call *call,
        const Grpc__Health__V1__HealthListRequest *request);
};

/* handlers must outlive the server; self is passed to each of them. */
int grpc_health_v1_health_register(
    struct rpc_server *server, const struct grpc_health_v1_health_handlers *handlers,
    void *self, struct err *err);

/* Check */
static inline void
grpc_health_v1_health_check_reply(
    struct rpc_call *call, const Grpc__Health__V1__HealthCheckResponse *response)
{
    rpc_call_reply(call, &response->base);
}

/* Watch */
static inline int
grpc_health_v1_health_watch_send(
    struct rpc_call *call, const Grpc__Health__V1__HealthCheckResponse *message)
{
    return rpc_call_send(call, &message->base);
}

/* List */
static inline void
grpc_health_v1_health_list_reply(
    struct rpc_call *call, const Grpc__Health__V1__HealthListResponse *response)
{
    rpc_call_reply(call, &response->base);
}

#endif
