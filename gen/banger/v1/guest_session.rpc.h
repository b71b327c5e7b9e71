/* Written by protoc-gen-banger-rpc from banger/v1/guest_session.proto; do not edit. */
#ifndef BANGER_V1_GUEST_SESSION_RPC_H
#define BANGER_V1_GUEST_SESSION_RPC_H

#include "banger/v1/guest_session.pb-c.h"
#include "rpc/wire/client.h"

/* GuestSessionService */

extern const struct rpc_service banger_v1_guest_session_service;

enum banger_v1_guest_session_service_method {
    BANGER_V1_GUEST_SESSION_SERVICE_START_SESSION,
    BANGER_V1_GUEST_SESSION_SERVICE_GET_SESSION,
    BANGER_V1_GUEST_SESSION_SERVICE_LIST_SESSIONS,
    BANGER_V1_GUEST_SESSION_SERVICE_WAIT_SESSION,
    BANGER_V1_GUEST_SESSION_SERVICE_READ_LOGS,
    BANGER_V1_GUEST_SESSION_SERVICE_SIGNAL_SESSION,
    BANGER_V1_GUEST_SESSION_SERVICE_STOP_SESSION,
    BANGER_V1_GUEST_SESSION_SERVICE_KILL_SESSION,
    BANGER_V1_GUEST_SESSION_SERVICE_DELETE_SESSION,
    BANGER_V1_GUEST_SESSION_SERVICE_SEND_STDIN,
    BANGER_V1_GUEST_SESSION_SERVICE_ACK_OUTPUT,
    BANGER_V1_GUEST_SESSION_SERVICE_ATTACH,
    BANGER_V1_GUEST_SESSION_SERVICE_LIST_VIEWERS,
    BANGER_V1_GUEST_SESSION_SERVICE_KICK_VIEWER,
    BANGER_V1_GUEST_SESSION_SERVICE_METHODS /* their number */
};

/* StartSession: Banger__V1__StartSessionRequest -> Banger__V1__GuestSession */
static inline struct rpc_call *
banger_v1_guest_session_service_start_session_start(
    struct rpc_client *client, const struct rpc_call_options *options,
    const Banger__V1__StartSessionRequest *request,
    const struct rpc_call_events *events, void *arg, struct err *err)
{
    return rpc_client_start(client, &banger_v1_guest_session_service.methods[BANGER_V1_GUEST_SESSION_SERVICE_START_SESSION],
                            options, &request->base, events, arg, err);
}

static inline const Banger__V1__GuestSession *
banger_v1_guest_session_service_start_session_response(const ProtobufCMessage *message)
{
    return (const Banger__V1__GuestSession *)message;
}

/* GetSession: Banger__V1__GetSessionRequest -> Banger__V1__GuestSession */
static inline struct rpc_call *
banger_v1_guest_session_service_get_session_start(
    struct rpc_client *client, const struct rpc_call_options *options,
    const Banger__V1__GetSessionRequest *request,
    const struct rpc_call_events *events, void *arg, struct err *err)
{
    return rpc_client_start(client, &banger_v1_guest_session_service.methods[BANGER_V1_GUEST_SESSION_SERVICE_GET_SESSION],
                            options, &request->base, events, arg, err);
}

static inline const Banger__V1__GuestSession *
banger_v1_guest_session_service_get_session_response(const ProtobufCMessage *message)
{
    return (const Banger__V1__GuestSession *)message;
}

/* ListSessions: Banger__V1__ListSessionsRequest -> Banger__V1__ListSessionsResponse */
static inline struct rpc_call *
banger_v1_guest_session_service_list_sessions_start(
    struct rpc_client *client, const struct rpc_call_options *options,
    const Banger__V1__ListSessionsRequest *request,
    const struct rpc_call_events *events, void *arg, struct err *err)
{
    return rpc_client_start(client, &banger_v1_guest_session_service.methods[BANGER_V1_GUEST_SESSION_SERVICE_LIST_SESSIONS],
                            options, &request->base, events, arg, err);
}

static inline const Banger__V1__ListSessionsResponse *
banger_v1_guest_session_service_list_sessions_response(const ProtobufCMessage *message)
{
    return (const Banger__V1__ListSessionsResponse *)message;
}

/* WaitSession: Banger__V1__WaitSessionRequest -> Banger__V1__GuestSession */
static inline struct rpc_call *
banger_v1_guest_session_service_wait_session_start(
    struct rpc_client *client, const struct rpc_call_options *options,
    const Banger__V1__WaitSessionRequest *request,
    const struct rpc_call_events *events, void *arg, struct err *err)
{
    return rpc_client_start(client, &banger_v1_guest_session_service.methods[BANGER_V1_GUEST_SESSION_SERVICE_WAIT_SESSION],
                            options, &request->base, events, arg, err);
}

static inline const Banger__V1__GuestSession *
banger_v1_guest_session_service_wait_session_response(const ProtobufCMessage *message)
{
    return (const Banger__V1__GuestSession *)message;
}

/* ReadLogs: Banger__V1__ReadLogsRequest -> stream of Banger__V1__LogChunk */
static inline struct rpc_call *
banger_v1_guest_session_service_read_logs_start(
    struct rpc_client *client, const struct rpc_call_options *options,
    const Banger__V1__ReadLogsRequest *request,
    const struct rpc_call_events *events, void *arg, struct err *err)
{
    return rpc_client_start(client, &banger_v1_guest_session_service.methods[BANGER_V1_GUEST_SESSION_SERVICE_READ_LOGS],
                            options, &request->base, events, arg, err);
}

static inline const Banger__V1__LogChunk *
banger_v1_guest_session_service_read_logs_response(const ProtobufCMessage *message)
{
    return (const Banger__V1__LogChunk *)message;
}

/* SignalSession: Banger__V1__SignalSessionRequest -> Banger__V1__GuestSession */
static inline struct rpc_call *
banger_v1_guest_session_service_signal_session_start(
    struct rpc_client *client, const struct rpc_call_options *options,
    const Banger__V1__SignalSessionRequest *request,
    const struct rpc_call_events *events, void *arg, struct err *err)
{
    return rpc_client_start(client, &banger_v1_guest_session_service.methods[BANGER_V1_GUEST_SESSION_SERVICE_SIGNAL_SESSION],
                            options, &request->base, events, arg, err);
}

static inline const Banger__V1__GuestSession *
banger_v1_guest_session_service_signal_session_response(const ProtobufCMessage *message)
{
    return (const Banger__V1__GuestSession *)message;
}

/* StopSession: Banger__V1__StopSessionRequest -> Banger__V1__GuestSession */
static inline struct rpc_call *
banger_v1_guest_session_service_stop_session_start(
    struct rpc_client *client, const struct rpc_call_options *options,
    const Banger__V1__StopSessionRequest *request,
    const struct rpc_call_events *events, void *arg, struct err *err)
{
    return rpc_client_start(client, &banger_v1_guest_session_service.methods[BANGER_V1_GUEST_SESSION_SERVICE_STOP_SESSION],
                            options, &request->base, events, arg, err);
}

static inline const Banger__V1__GuestSession *
banger_v1_guest_session_service_stop_session_response(const ProtobufCMessage *message)
{
    return (const Banger__V1__GuestSession *)message;
}

/* KillSession: Banger__V1__KillSessionRequest -> Banger__V1__GuestSession */
static inline struct rpc_call *
banger_v1_guest_session_service_kill_session_start(
    struct rpc_client *client, const struct rpc_call_options *options,
    const Banger__V1__KillSessionRequest *request,
    const struct rpc_call_events *events, void *arg, struct err *err)
{
    return rpc_client_start(client, &banger_v1_guest_session_service.methods[BANGER_V1_GUEST_SESSION_SERVICE_KILL_SESSION],
                            options, &request->base, events, arg, err);
}

static inline const Banger__V1__GuestSession *
banger_v1_guest_session_service_kill_session_response(const ProtobufCMessage *message)
{
    return (const Banger__V1__GuestSession *)message;
}

/* DeleteSession: Banger__V1__DeleteSessionRequest -> Banger__V1__Empty */
static inline struct rpc_call *
banger_v1_guest_session_service_delete_session_start(
    struct rpc_client *client, const struct rpc_call_options *options,
    const Banger__V1__DeleteSessionRequest *request,
    const struct rpc_call_events *events, void *arg, struct err *err)
{
    return rpc_client_start(client, &banger_v1_guest_session_service.methods[BANGER_V1_GUEST_SESSION_SERVICE_DELETE_SESSION],
                            options, &request->base, events, arg, err);
}

static inline const Banger__V1__Empty *
banger_v1_guest_session_service_delete_session_response(const ProtobufCMessage *message)
{
    return (const Banger__V1__Empty *)message;
}

/* SendStdin: Banger__V1__SendStdinRequest -> Banger__V1__SendStdinResponse */
static inline struct rpc_call *
banger_v1_guest_session_service_send_stdin_start(
    struct rpc_client *client, const struct rpc_call_options *options,
    const Banger__V1__SendStdinRequest *request,
    const struct rpc_call_events *events, void *arg, struct err *err)
{
    return rpc_client_start(client, &banger_v1_guest_session_service.methods[BANGER_V1_GUEST_SESSION_SERVICE_SEND_STDIN],
                            options, &request->base, events, arg, err);
}

static inline const Banger__V1__SendStdinResponse *
banger_v1_guest_session_service_send_stdin_response(const ProtobufCMessage *message)
{
    return (const Banger__V1__SendStdinResponse *)message;
}

/* AckOutput: Banger__V1__AckOutputRequest -> Banger__V1__GuestSession */
static inline struct rpc_call *
banger_v1_guest_session_service_ack_output_start(
    struct rpc_client *client, const struct rpc_call_options *options,
    const Banger__V1__AckOutputRequest *request,
    const struct rpc_call_events *events, void *arg, struct err *err)
{
    return rpc_client_start(client, &banger_v1_guest_session_service.methods[BANGER_V1_GUEST_SESSION_SERVICE_ACK_OUTPUT],
                            options, &request->base, events, arg, err);
}

static inline const Banger__V1__GuestSession *
banger_v1_guest_session_service_ack_output_response(const ProtobufCMessage *message)
{
    return (const Banger__V1__GuestSession *)message;
}

/* Attach: stream of Banger__V1__AttachRequest -> stream of Banger__V1__AttachResponse */
static inline struct rpc_call *
banger_v1_guest_session_service_attach_start(
    struct rpc_client *client, const struct rpc_call_options *options,
    const struct rpc_call_events *events, void *arg, struct err *err)
{
    return rpc_client_start(client, &banger_v1_guest_session_service.methods[BANGER_V1_GUEST_SESSION_SERVICE_ATTACH],
                            options, NULL, events, arg, err);
}

static inline int
banger_v1_guest_session_service_attach_send_request(
    struct rpc_call *call, const Banger__V1__AttachRequest *request)
{
    return rpc_call_send(call, &request->base);
}

static inline const Banger__V1__AttachResponse *
banger_v1_guest_session_service_attach_response(const ProtobufCMessage *message)
{
    return (const Banger__V1__AttachResponse *)message;
}

/* ListViewers: Banger__V1__ListViewersRequest -> Banger__V1__ListViewersResponse */
static inline struct rpc_call *
banger_v1_guest_session_service_list_viewers_start(
    struct rpc_client *client, const struct rpc_call_options *options,
    const Banger__V1__ListViewersRequest *request,
    const struct rpc_call_events *events, void *arg, struct err *err)
{
    return rpc_client_start(client, &banger_v1_guest_session_service.methods[BANGER_V1_GUEST_SESSION_SERVICE_LIST_VIEWERS],
                            options, &request->base, events, arg, err);
}

static inline const Banger__V1__ListViewersResponse *
banger_v1_guest_session_service_list_viewers_response(const ProtobufCMessage *message)
{
    return (const Banger__V1__ListViewersResponse *)message;
}

/* KickViewer: Banger__V1__KickViewerRequest -> Banger__V1__Empty */
static inline struct rpc_call *
banger_v1_guest_session_service_kick_viewer_start(
    struct rpc_client *client, const struct rpc_call_options *options,
    const Banger__V1__KickViewerRequest *request,
    const struct rpc_call_events *events, void *arg, struct err *err)
{
    return rpc_client_start(client, &banger_v1_guest_session_service.methods[BANGER_V1_GUEST_SESSION_SERVICE_KICK_VIEWER],
                            options, &request->base, events, arg, err);
}

static inline const Banger__V1__Empty *
banger_v1_guest_session_service_kick_viewer_response(const ProtobufCMessage *message)
{
    return (const Banger__V1__Empty *)message;
}

#endif
