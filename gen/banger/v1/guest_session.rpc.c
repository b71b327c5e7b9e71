/* Written by protoc-gen-banger-rpc from banger/v1/guest_session.proto; do not edit. */
#include "banger/v1/guest_session.rpc.h"
#include "banger/v1/guest_session.server.rpc.h"

/* GuestSessionService */

static bool
banger_v1_guest_session_service_start_session_dispatch(
    const void *handlers, void *self, struct rpc_call *call,
    const ProtobufCMessage *request)
{
    const struct banger_v1_guest_session_service_handlers *h = handlers;
    if (!h->start_session)
        return false;
    h->start_session(self, call, (const Banger__V1__StartSessionRequest *)request);
    return true;
}

static bool
banger_v1_guest_session_service_get_session_dispatch(
    const void *handlers, void *self, struct rpc_call *call,
    const ProtobufCMessage *request)
{
    const struct banger_v1_guest_session_service_handlers *h = handlers;
    if (!h->get_session)
        return false;
    h->get_session(self, call, (const Banger__V1__GetSessionRequest *)request);
    return true;
}

static bool
banger_v1_guest_session_service_list_sessions_dispatch(
    const void *handlers, void *self, struct rpc_call *call,
    const ProtobufCMessage *request)
{
    const struct banger_v1_guest_session_service_handlers *h = handlers;
    if (!h->list_sessions)
        return false;
    h->list_sessions(self, call, (const Banger__V1__ListSessionsRequest *)request);
    return true;
}

static bool
banger_v1_guest_session_service_wait_session_dispatch(
    const void *handlers, void *self, struct rpc_call *call,
    const ProtobufCMessage *request)
{
    const struct banger_v1_guest_session_service_handlers *h = handlers;
    if (!h->wait_session)
        return false;
    h->wait_session(self, call, (const Banger__V1__WaitSessionRequest *)request);
    return true;
}

static bool
banger_v1_guest_session_service_read_logs_dispatch(
    const void *handlers, void *self, struct rpc_call *call,
    const ProtobufCMessage *request)
{
    const struct banger_v1_guest_session_service_handlers *h = handlers;
    if (!h->read_logs)
        return false;
    h->read_logs(self, call, (const Banger__V1__ReadLogsRequest *)request);
    return true;
}

static bool
banger_v1_guest_session_service_signal_session_dispatch(
    const void *handlers, void *self, struct rpc_call *call,
    const ProtobufCMessage *request)
{
    const struct banger_v1_guest_session_service_handlers *h = handlers;
    if (!h->signal_session)
        return false;
    h->signal_session(self, call, (const Banger__V1__SignalSessionRequest *)request);
    return true;
}

static bool
banger_v1_guest_session_service_stop_session_dispatch(
    const void *handlers, void *self, struct rpc_call *call,
    const ProtobufCMessage *request)
{
    const struct banger_v1_guest_session_service_handlers *h = handlers;
    if (!h->stop_session)
        return false;
    h->stop_session(self, call, (const Banger__V1__StopSessionRequest *)request);
    return true;
}

static bool
banger_v1_guest_session_service_kill_session_dispatch(
    const void *handlers, void *self, struct rpc_call *call,
    const ProtobufCMessage *request)
{
    const struct banger_v1_guest_session_service_handlers *h = handlers;
    if (!h->kill_session)
        return false;
    h->kill_session(self, call, (const Banger__V1__KillSessionRequest *)request);
    return true;
}

static bool
banger_v1_guest_session_service_delete_session_dispatch(
    const void *handlers, void *self, struct rpc_call *call,
    const ProtobufCMessage *request)
{
    const struct banger_v1_guest_session_service_handlers *h = handlers;
    if (!h->delete_session)
        return false;
    h->delete_session(self, call, (const Banger__V1__DeleteSessionRequest *)request);
    return true;
}

static bool
banger_v1_guest_session_service_send_stdin_dispatch(
    const void *handlers, void *self, struct rpc_call *call,
    const ProtobufCMessage *request)
{
    const struct banger_v1_guest_session_service_handlers *h = handlers;
    if (!h->send_stdin)
        return false;
    h->send_stdin(self, call, (const Banger__V1__SendStdinRequest *)request);
    return true;
}

static bool
banger_v1_guest_session_service_ack_output_dispatch(
    const void *handlers, void *self, struct rpc_call *call,
    const ProtobufCMessage *request)
{
    const struct banger_v1_guest_session_service_handlers *h = handlers;
    if (!h->ack_output)
        return false;
    h->ack_output(self, call, (const Banger__V1__AckOutputRequest *)request);
    return true;
}

static bool
banger_v1_guest_session_service_attach_dispatch(
    const void *handlers, void *self, struct rpc_call *call,
    const ProtobufCMessage *request)
{
    const struct banger_v1_guest_session_service_handlers *h = handlers;
    if (!h->attach)
        return false;
    (void)request;
    h->attach(self, call);
    return true;
}

static bool
banger_v1_guest_session_service_list_viewers_dispatch(
    const void *handlers, void *self, struct rpc_call *call,
    const ProtobufCMessage *request)
{
    const struct banger_v1_guest_session_service_handlers *h = handlers;
    if (!h->list_viewers)
        return false;
    h->list_viewers(self, call, (const Banger__V1__ListViewersRequest *)request);
    return true;
}

static bool
banger_v1_guest_session_service_kick_viewer_dispatch(
    const void *handlers, void *self, struct rpc_call *call,
    const ProtobufCMessage *request)
{
    const struct banger_v1_guest_session_service_handlers *h = handlers;
    if (!h->kick_viewer)
        return false;
    h->kick_viewer(self, call, (const Banger__V1__KickViewerRequest *)request);
    return true;
}

static const struct rpc_method banger_v1_guest_session_service_methods[] = {
    [BANGER_V1_GUEST_SESSION_SERVICE_START_SESSION] = {
        .name = "StartSession",
        .path = "/banger.v1.GuestSessionService/StartSession",
        .request = &banger__v1__start_session_request__descriptor,
        .response = &banger__v1__guest_session__descriptor,
        .dispatch = banger_v1_guest_session_service_start_session_dispatch,
        .role = RPC_ROLE_OPERATOR,
        .effect = RPC_EFFECT_CHANGE,
        .idempotent = true,
        .default_deadline_ms = 30000,
        .resource_kind = "session",
        .summary = "Starts a command and answers when it runs, or cannot: a command that cannot be started is a session in state FAILED with its stage, not an error of the call",
    },
    [BANGER_V1_GUEST_SESSION_SERVICE_GET_SESSION] = {
        .name = "GetSession",
        .path = "/banger.v1.GuestSessionService/GetSession",
        .request = &banger__v1__get_session_request__descriptor,
        .response = &banger__v1__guest_session__descriptor,
        .dispatch = banger_v1_guest_session_service_get_session_dispatch,
        .role = RPC_ROLE_VIEWER,
        .effect = RPC_EFFECT_READ,
        .idempotent = true,
        .default_deadline_ms = 10000,
        .resource_kind = "session",
        .summary = "A session as it is",
    },
    [BANGER_V1_GUEST_SESSION_SERVICE_LIST_SESSIONS] = {
        .name = "ListSessions",
        .path = "/banger.v1.GuestSessionService/ListSessions",
        .request = &banger__v1__list_sessions_request__descriptor,
        .response = &banger__v1__list_sessions_response__descriptor,
        .dispatch = banger_v1_guest_session_service_list_sessions_dispatch,
        .role = RPC_ROLE_VIEWER,
        .effect = RPC_EFFECT_READ,
        .idempotent = true,
        .default_deadline_ms = 10000,
        .resource_kind = "session",
        .summary = "Sessions by creation time, page by page",
    },
    [BANGER_V1_GUEST_SESSION_SERVICE_WAIT_SESSION] = {
        .name = "WaitSession",
        .path = "/banger.v1.GuestSessionService/WaitSession",
        .request = &banger__v1__wait_session_request__descriptor,
        .response = &banger__v1__guest_session__descriptor,
        .dispatch = banger_v1_guest_session_service_wait_session_dispatch,
        .role = RPC_ROLE_VIEWER,
        .effect = RPC_EFFECT_READ,
        .idempotent = true,
        .resource_kind = "session",
        .summary = "Answers when the session has ended",
    },
    [BANGER_V1_GUEST_SESSION_SERVICE_READ_LOGS] = {
        .name = "ReadLogs",
        .path = "/banger.v1.GuestSessionService/ReadLogs",
        .request = &banger__v1__read_logs_request__descriptor,
        .response = &banger__v1__log_chunk__descriptor,
        .dispatch = banger_v1_guest_session_service_read_logs_dispatch,
        .streams = RPC_SERVER_STREAMS,
        .role = RPC_ROLE_VIEWER,
        .effect = RPC_EFFECT_READ,
        .idempotent = true,
        .resource_kind = "session",
        .summary = "Output so far, or followed to its end; both streams in one",
    },
    [BANGER_V1_GUEST_SESSION_SERVICE_SIGNAL_SESSION] = {
        .name = "SignalSession",
        .path = "/banger.v1.GuestSessionService/SignalSession",
        .request = &banger__v1__signal_session_request__descriptor,
        .response = &banger__v1__guest_session__descriptor,
        .dispatch = banger_v1_guest_session_service_signal_session_dispatch,
        .role = RPC_ROLE_OPERATOR,
        .effect = RPC_EFFECT_FREE,
        .default_deadline_ms = 10000,
        .resource_kind = "session",
        .summary = "Sends a signal to the session's processes",
    },
    [BANGER_V1_GUEST_SESSION_SERVICE_STOP_SESSION] = {
        .name = "StopSession",
        .path = "/banger.v1.GuestSessionService/StopSession",
        .request = &banger__v1__stop_session_request__descriptor,
        .response = &banger__v1__guest_session__descriptor,
        .dispatch = banger_v1_guest_session_service_stop_session_dispatch,
        .role = RPC_ROLE_OPERATOR,
        .effect = RPC_EFFECT_FREE,
        .idempotent = true,
        .default_deadline_ms = 60000,
        .resource_kind = "session",
        .summary = "SIGTERM to the group, SIGKILL to everything of the session after grace_ms",
    },
    [BANGER_V1_GUEST_SESSION_SERVICE_KILL_SESSION] = {
        .name = "KillSession",
        .path = "/banger.v1.GuestSessionService/KillSession",
        .request = &banger__v1__kill_session_request__descriptor,
        .response = &banger__v1__guest_session__descriptor,
        .dispatch = banger_v1_guest_session_service_kill_session_dispatch,
        .role = RPC_ROLE_OPERATOR,
        .effect = RPC_EFFECT_FREE,
        .idempotent = true,
        .default_deadline_ms = 30000,
        .resource_kind = "session",
        .summary = "SIGKILL to everything that the session started; of one that has ended, to what it has left",
    },
    [BANGER_V1_GUEST_SESSION_SERVICE_DELETE_SESSION] = {
        .name = "DeleteSession",
        .path = "/banger.v1.GuestSessionService/DeleteSession",
        .request = &banger__v1__delete_session_request__descriptor,
        .response = &banger__v1__empty__descriptor,
        .dispatch = banger_v1_guest_session_service_delete_session_dispatch,
        .role = RPC_ROLE_OPERATOR,
        .effect = RPC_EFFECT_FREE,
        .idempotent = true,
        .default_deadline_ms = 30000,
        .resource_kind = "session",
        .summary = "Forgets an ended session and its output; FAILED_PRECONDITION (SESSION_RUNNING) unless force",
    },
    [BANGER_V1_GUEST_SESSION_SERVICE_SEND_STDIN] = {
        .name = "SendStdin",
        .path = "/banger.v1.GuestSessionService/SendStdin",
        .request = &banger__v1__send_stdin_request__descriptor,
        .response = &banger__v1__send_stdin_response__descriptor,
        .dispatch = banger_v1_guest_session_service_send_stdin_dispatch,
        .role = RPC_ROLE_OPERATOR,
        .effect = RPC_EFFECT_FREE,
        .idempotent = true,
        .default_deadline_ms = 60000,
        .resource_kind = "session",
        .summary = "Writes to stdin without attaching; all or nothing, never mixed with another call's bytes",
    },
    [BANGER_V1_GUEST_SESSION_SERVICE_ACK_OUTPUT] = {
        .name = "AckOutput",
        .path = "/banger.v1.GuestSessionService/AckOutput",
        .request = &banger__v1__ack_output_request__descriptor,
        .response = &banger__v1__guest_session__descriptor,
        .dispatch = banger_v1_guest_session_service_ack_output_dispatch,
        .role = RPC_ROLE_OPERATOR,
        .effect = RPC_EFFECT_FREE,
        .idempotent = true,
        .default_deadline_ms = 10000,
        .resource_kind = "session",
        .summary = "Says that output below these offsets has been stored by the caller: of a session with OUTPUT_POLICY_UNTIL_ACKNOWLEDGED its process may go on",
    },
    [BANGER_V1_GUEST_SESSION_SERVICE_ATTACH] = {
        .name = "Attach",
        .path = "/banger.v1.GuestSessionService/Attach",
        .request = &banger__v1__attach_request__descriptor,
        .response = &banger__v1__attach_response__descriptor,
        .dispatch = banger_v1_guest_session_service_attach_dispatch,
        .streams = RPC_CLIENT_STREAMS | RPC_SERVER_STREAMS,
        .role = RPC_ROLE_OPERATOR,
        .effect = RPC_EFFECT_FREE,
        .resource_kind = "session",
        .summary = "Follows a session's output from any byte on, and writes its stdin",
    },
    [BANGER_V1_GUEST_SESSION_SERVICE_LIST_VIEWERS] = {
        .name = "ListViewers",
        .path = "/banger.v1.GuestSessionService/ListViewers",
        .request = &banger__v1__list_viewers_request__descriptor,
        .response = &banger__v1__list_viewers_response__descriptor,
        .dispatch = banger_v1_guest_session_service_list_viewers_dispatch,
        .role = RPC_ROLE_VIEWER,
        .effect = RPC_EFFECT_READ,
        .idempotent = true,
        .default_deadline_ms = 10000,
        .resource_kind = "session",
        .summary = "Who is attached to a session, or reads its logs, and how far behind each is",
    },
    [BANGER_V1_GUEST_SESSION_SERVICE_KICK_VIEWER] = {
        .name = "KickViewer",
        .path = "/banger.v1.GuestSessionService/KickViewer",
        .request = &banger__v1__kick_viewer_request__descriptor,
        .response = &banger__v1__empty__descriptor,
        .dispatch = banger_v1_guest_session_service_kick_viewer_dispatch,
        .role = RPC_ROLE_OPERATOR,
        .effect = RPC_EFFECT_FREE,
        .default_deadline_ms = 10000,
        .resource_kind = "session",
        .summary = "Ends one of them, with ABORTED (VIEWER_KICKED): clients do not come back by themselves",
    },
};

const struct rpc_service banger_v1_guest_session_service = {
    .name = "banger.v1.GuestSessionService",
    .methods = banger_v1_guest_session_service_methods,
    .n_methods = BANGER_V1_GUEST_SESSION_SERVICE_METHODS,
};
