/* Written by protoc-gen-banger-rpc from banger/v1/event.proto; do not edit. */
#include "banger/v1/event.rpc.h"
#include "banger/v1/event.server.rpc.h"

/* EventService */

static bool
banger_v1_event_service_watch_events_dispatch(
    const void *handlers, void *self, struct rpc_call *call,
    const ProtobufCMessage *request)
{
    const struct banger_v1_event_service_handlers *h = handlers;
    if (!h->watch_events)
        return false;
    h->watch_events(self, call, (const Banger__V1__WatchEventsRequest *)request);
    return true;
}

static bool
banger_v1_event_service_list_events_dispatch(
    const void *handlers, void *self, struct rpc_call *call,
    const ProtobufCMessage *request)
{
    const struct banger_v1_event_service_handlers *h = handlers;
    if (!h->list_events)
        return false;
    h->list_events(self, call, (const Banger__V1__ListEventsRequest *)request);
    return true;
}

static const struct rpc_method banger_v1_event_service_methods[] = {
    [BANGER_V1_EVENT_SERVICE_WATCH_EVENTS] = {
        .name = "WatchEvents",
        .path = "/banger.v1.EventService/WatchEvents",
        .request = &banger__v1__watch_events_request__descriptor,
        .response = &banger__v1__watch_events_response__descriptor,
        .dispatch = banger_v1_event_service_watch_events_dispatch,
        .streams = RPC_SERVER_STREAMS,
        .role = RPC_ROLE_VIEWER,
        .effect = RPC_EFFECT_READ,
        .idempotent = true,
        .resource_kind = "event",
        .summary = "Events after (epoch, seq), then as they come",
    },
    [BANGER_V1_EVENT_SERVICE_LIST_EVENTS] = {
        .name = "ListEvents",
        .path = "/banger.v1.EventService/ListEvents",
        .request = &banger__v1__list_events_request__descriptor,
        .response = &banger__v1__list_events_response__descriptor,
        .dispatch = banger_v1_event_service_list_events_dispatch,
        .role = RPC_ROLE_VIEWER,
        .effect = RPC_EFFECT_READ,
        .idempotent = true,
        .default_deadline_ms = 10000,
        .resource_kind = "event",
        .summary = "Events after after_seq that are kept, the oldest first",
    },
};

const struct rpc_service banger_v1_event_service = {
    .name = "banger.v1.EventService",
    .methods = banger_v1_event_service_methods,
    .n_methods = BANGER_V1_EVENT_SERVICE_METHODS,
};
