/* Written by protoc-gen-banger-rpc from banger/v1/forward.proto; do not edit. */
#include "banger/v1/forward.rpc.h"
#include "banger/v1/forward.server.rpc.h"

/* ForwardService */

static bool
banger_v1_forward_service_forward_dispatch(
    const void *handlers, void *self, struct rpc_call *call,
    const ProtobufCMessage *request)
{
    const struct banger_v1_forward_service_handlers *h = handlers;
    if (!h->forward)
        return false;
    (void)request;
    h->forward(self, call);
    return true;
}

static bool
banger_v1_forward_service_listen_dispatch(
    const void *handlers, void *self, struct rpc_call *call,
    const ProtobufCMessage *request)
{
    const struct banger_v1_forward_service_handlers *h = handlers;
    if (!h->listen)
        return false;
    h->listen(self, call, (const Banger__V1__ListenRequest *)request);
    return true;
}

static const struct rpc_method banger_v1_forward_service_methods[] = {
    [BANGER_V1_FORWARD_SERVICE_FORWARD] = {
        .name = "Forward",
        .path = "/banger.v1.ForwardService/Forward",
        .request = &banger__v1__forward_request__descriptor,
        .response = &banger__v1__forward_response__descriptor,
        .dispatch = banger_v1_forward_service_forward_dispatch,
        .streams = RPC_CLIENT_STREAMS | RPC_SERVER_STREAMS,
        .role = RPC_ROLE_OPERATOR,
        .effect = RPC_EFFECT_FREE,
        .resource_kind = "forward",
        .summary = "One connection within the guest",
    },
    [BANGER_V1_FORWARD_SERVICE_LISTEN] = {
        .name = "Listen",
        .path = "/banger.v1.ForwardService/Listen",
        .request = &banger__v1__listen_request__descriptor,
        .response = &banger__v1__listen_response__descriptor,
        .dispatch = banger_v1_forward_service_listen_dispatch,
        .streams = RPC_SERVER_STREAMS,
        .role = RPC_ROLE_OPERATOR,
        .effect = RPC_EFFECT_FREE,
        .resource_kind = "forward",
        .summary = "Listens within the guest for as long as the call lasts",
    },
};

const struct rpc_service banger_v1_forward_service = {
    .name = "banger.v1.ForwardService",
    .methods = banger_v1_forward_service_methods,
    .n_methods = BANGER_V1_FORWARD_SERVICE_METHODS,
};
