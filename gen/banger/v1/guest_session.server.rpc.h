/* Written by protoc-gen-banger-rpc from banger/v1/guest_session.proto; do not edit. */
#ifndef BANGER_V1_GUEST_SESSION_SERVER_RPC_H
#define BANGER_V1_GUEST_SESSION_SERVER_RPC_H

#include "banger/v1/guest_session.pb-c.h"
#include "rpc/wire/call.h"

struct err;
struct rpc_server;

/* GuestSessionService */

/* A NULL handler answers UNIMPLEMENTED. request is borrowed. Where the client
 * streams there is none: the handler sets rpc_call_events and gets messages. */
struct banger_v1_guest_session_service_handlers {
    void (*start_session)(void *self, struct rpc_call *call,
        const Banger__V1__StartSessionRequest *request);
    void (*get_session)(void *self, struct rpc_call *call,
        const Banger__V1__GetSessionRequest *request);
    void (*list_sessions)(void *self, struct rpc_call *call,
        const Banger__V1__ListSessionsRequest *request);
    void (*wait_session)(void *self, struct rpc_call *call,
        const Banger__V1__WaitSessionRequest *request);
    void (*read_logs)(void *self, struct rpc_call *call,
        const Banger__V1__ReadLogsRequest *request);
    void (*signal_session)(void *self, struct rpc_call *call,
        const Banger__V1__SignalSessionRequest *request);
    void (*stop_session)(void *self, struct rpc_call *call,
        const Banger__V1__StopSessionRequest *request);
    void (*kill_session)(void *self, struct rpc_call *call,
        const Banger__V1__KillSessionRequest *request);
    void (*delete_session)(void *self, struct rpc_call *call,
        const Banger__V1__DeleteSessionRequest *request);
    void (*send_stdin)(void *self, struct rpc_call *call,
        const Banger__V1__SendStdinRequest *request);
    void (*ack_output)(void *self, struct rpc_call *call,
        const Banger__V1__AckOutputRequest *request);
    void (*attach)(void *self, struct rpc_call *call);
    void (*list_viewers)(void *self, struct rpc_call *call,
        const Banger__V1__ListViewersRequest *request);
    void (*kick_viewer)(void *self, struct rpc_call *call,
        const Banger__V1__KickViewerRequest *request);
};

/* handlers must outlive the server; self is passed to each of them. */
int banger_v1_guest_session_service_register(
    struct rpc_server *server, const struct banger_v1_guest_session_service_handlers *handlers,
    void *self, struct err *err);

/* StartSession */
static inline void
banger_v1_guest_session_service_start_session_reply(
    struct rpc_call *call, const Banger__V1__GuestSession *response)
{
    rpc_call_reply(call, &response->base);
}

/* GetSession */
static inline void
banger_v1_guest_session_service_get_session_reply(
    struct rpc_call *call, const Banger__V1__GuestSession *response)
{
    rpc_call_reply(call, &response->base);
}

/* ListSessions */
static inline void
banger_v1_guest_session_service_list_sessions_reply(
    struct rpc_call *call, const Banger__V1__ListSessionsResponse *response)
{
    rpc_call_reply(call, &response->base);
}

/* WaitSession */
static inline void
banger_v1_guest_session_service_wait_session_reply(
    struct rpc_call *call, const Banger__V1__GuestSession *response)
{
    rpc_call_reply(call, &response->base);
}

/* ReadLogs */
static inline int
banger_v1_guest_session_service_read_logs_send(
    struct rpc_call *call, const Banger__V1__LogChunk *message)
{
    return rpc_call_send(call, &message->base);
}

/* SignalSession */
static inline void
banger_v1_guest_session_service_signal_session_reply(
    struct rpc_call *call, const Banger__V1__GuestSession *response)
{
    rpc_call_reply(call, &response->base);
}

/* StopSession */
static inline void
banger_v1_guest_session_service_stop_session_reply(
    struct rpc_call *call, const Banger__V1__GuestSession *response)
{
    rpc_call_reply(call, &response->base);
}

/* KillSession */
static inline void
banger_v1_guest_session_service_kill_session_reply(
    struct rpc_call *call, const Banger__V1__GuestSession *response)
{
    rpc_call_reply(call, &response->base);
}

/* DeleteSession */
static inline void
banger_v1_guest_session_service_delete_session_reply(
    struct rpc_call *call, const Banger__V1__Empty *response)
{
    rpc_call_reply(call, &response->base);
}

/* SendStdin */
static inline void
banger_v1_guest_session_service_send_stdin_reply(
    struct rpc_call *call, const Banger__V1__SendStdinResponse *response)
{
    rpc_call_reply(call, &response->base);
}

/* AckOutput */
static inline void
banger_v1_guest_session_service_ack_output_reply(
    struct rpc_call *call, const Banger__V1__GuestSession *response)
{
    rpc_call_reply(call, &response->base);
}

/* Attach */
static inline int
banger_v1_guest_session_service_attach_send(
    struct rpc_call *call, const Banger__V1__AttachResponse *message)
{
    return rpc_call_send(call, &message->base);
}

static inline const Banger__V1__AttachRequest *
banger_v1_guest_session_service_attach_request(const ProtobufCMessage *message)
{
    return (const Banger__V1__AttachRequest *)message;
}

/* ListViewers */
static inline void
banger_v1_guest_session_service_list_viewers_reply(
    struct rpc_call *call, const Banger__V1__ListViewersResponse *response)
{
    rpc_call_reply(call, &response->base);
}

/* KickViewer */
static inline void
banger_v1_guest_session_service_kick_viewer_reply(
    struct rpc_call *call, const Banger__V1__Empty *response)
{
    rpc_call_reply(call, &response->base);
}

#endif
