/* Written by protoc-gen-banger-rpc from banger/v1/event.proto; do not edit. */
#ifndef BANGER_V1_EVENT_RPC_H
#define BANGER_V1_EVENT_RPC_H

#include "banger/v1/event.pb-c.h"
#include "rpc/wire/client.h"

/* EventService */

extern const struct rpc_service banger_v1_event_service;

enum banger_v1_event_service_method {
    BANGER_V1_EVENT_SERVICE_WATCH_EVENTS,
    BANGER_V1_EVENT_SERVICE_LIST_EVENTS,
    BANGER_V1_EVENT_SERVICE_METHODS /* their number */
};

/* WatchEvents: Banger__V1__WatchEventsRequest -> stream of Banger__V1__WatchEventsResponse */
static inline struct rpc_call *
banger_v1_event_service_watch_events_start(
    struct rpc_client *client, const struct rpc_call_options *options,
    const Banger__V1__WatchEventsRequest *request,
    const struct rpc_call_events *events, void *arg, struct err *err)
{
    return rpc_client_start(client, &banger_v1_event_service.methods[BANGER_V1_EVENT_SERVICE_WATCH_EVENTS],
                            options, &request->base, events, arg, err);
}

static inline const Banger__V1__WatchEventsResponse *
banger_v1_event_service_watch_events_response(const ProtobufCMessage *message)
{
    return (const Banger__V1__WatchEventsResponse *)message;
}

/* ListEvents: Banger__V1__ListEventsRequest -> Banger__V1__ListEventsResponse */
static inline struct rpc_call *
banger_v1_event_service_list_events_start(
    struct rpc_client *client, const struct rpc_call_options *options,
    const Banger__V1__ListEventsRequest *request,
    const struct rpc_call_events *events, void *arg, struct err *err)
{
    return rpc_client_start(client, &banger_v1_event_service.methods[BANGER_V1_EVENT_SERVICE_LIST_EVENTS],
                            options, &request->base, events, arg, err);
}

static inline const Banger__V1__ListEventsResponse *
banger_v1_event_service_list_events_response(const ProtobufCMessage *message)
{
    return (const Banger__V1__ListEventsResponse *)message;
}

#endif
