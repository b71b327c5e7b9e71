/* Written by protoc-gen-banger-rpc from banger/v1/event.proto; do not edit. */
#ifndef BANGER_V1_EVENT_SERVER_RPC_H
#define BANGER_V1_EVENT_SERVER_RPC_H

#include "banger/v1/event.pb-c.h"
#include "rpc/wire/call.h"

struct err;
struct rpc_server;

/* EventService */

/* A NULL handler answers UNIMPLEMENTED. request is borrowed. Where the client
 * streams there is none: the handler sets rpc_call_events and gets messages. */
struct banger_v1_event_service_handlers {
    void (*watch_events)(void *self, struct rpc_call *call,
        const Banger__V1__WatchEventsRequest *request);
    void (*list_events)(void *self, struct rpc_call *call,
        const Banger__V1__ListEventsRequest *request);
};

/* handlers must outlive the server; self is passed to each of them. */
int banger_v1_event_service_register(
    struct rpc_server *server, const struct banger_v1_event_service_handlers *handlers,
    void *self, struct err *err);

/* WatchEvents */
static inline int
banger_v1_event_service_watch_events_send(
    struct rpc_call *call, const Banger__V1__WatchEventsResponse *message)
{
    return rpc_call_send(call, &message->base);
}

/* ListEvents */
static inline void
banger_v1_event_service_list_events_reply(
    struct rpc_call *call, const Banger__V1__ListEventsResponse *response)
{
    rpc_call_reply(call, &response->base);
}

#endif
