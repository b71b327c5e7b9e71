/* Written by protoc-gen-banger-rpc from banger/v1/forward.proto; do not edit. */
#ifndef BANGER_V1_FORWARD_RPC_H
#define BANGER_V1_FORWARD_RPC_H

#include "banger/v1/forward.pb-c.h"
#include "rpc/wire/client.h"

/* ForwardService */

extern const struct rpc_service banger_v1_forward_service;

enum banger_v1_forward_service_method {
    BANGER_V1_FORWARD_SERVICE_FORWARD,
    BANGER_V1_FORWARD_SERVICE_LISTEN,
    BANGER_V1_FORWARD_SERVICE_METHODS /* their number */
};

/* Forward: stream of Banger__V1__ForwardRequest -> stream of Banger__V1__ForwardResponse */
static inline struct rpc_call *
banger_v1_forward_service_forward_start(
    struct rpc_client *client, const struct rpc_call_options *options,
    const struct rpc_call_events *events, void *arg, struct err *err)
{
    return rpc_client_start(client, &banger_v1_forward_service.methods[BANGER_V1_FORWARD_SERVICE_FORWARD],
                            options, NULL, events, arg, err);
}

static inline int
banger_v1_forward_service_forward_send_request(
    struct rpc_call *call, const Banger__V1__ForwardRequest *request)
{
    return rpc_call_send(call, &request->base);
}

static inline const Banger__V1__ForwardResponse *
banger_v1_forward_service_forward_response(const ProtobufCMessage *message)
{
    return (const Banger__V1__ForwardResponse *)message;
}

/* Listen: Banger__V1__ListenRequest -> stream of Banger__V1__ListenResponse */
static inline struct rpc_call *
banger_v1_forward_service_listen_start(
    struct rpc_client *client, const struct rpc_call_options *options,
    const Banger__V1__ListenRequest *request,
    const struct rpc_call_events *events, void *arg, struct err *err)
{
    return rpc_client_start(client, &banger_v1_forward_service.methods[BANGER_V1_FORWARD_SERVICE_LISTEN],
                            options, &request->base, events, arg, err);
}

static inline const Banger__V1__ListenResponse *
banger_v1_forward_service_listen_response(const ProtobufCMessage *message)
{
    return (const Banger__V1__ListenResponse *)message;
}

#endif
