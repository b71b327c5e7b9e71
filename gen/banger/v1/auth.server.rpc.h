/* Written by protoc-gen-banger-rpc from banger/v1/auth.proto; do not edit. */
#ifndef BANGER_V1_AUTH_SERVER_RPC_H
#define BANGER_V1_AUTH_SERVER_RPC_H

#include "banger/v1/auth.pb-c.h"
#include "rpc/wire/call.h"

struct err;
struct rpc_server;

/* AuthService */

/* A NULL handler answers UNIMPLEMENTED. request is borrowed. Where the client
 * streams there is none: the handler sets rpc_call_events and gets messages. */
struct banger_v1_auth_service_handlers {
    void (*who_am_i)(void *self, struct rpc_call *call,
        const Banger__V1__WhoAmIRequest *request);
    void (*init_auth)(void *self, struct rpc_call *call,
        const Banger__V1__InitAuthRequest *request);
    void (*create_token)(void *self, struct rpc_call *call,
        const Banger__V1__CreateTokenRequest *request);
    void (*enroll)(void *self, struct rpc_call *call,
        const Banger__V1__EnrollRequest *request);
    void (*rotate_certificate)(void *self, struct rpc_call *call,
        const Banger__V1__RotateCertificateRequest *request);
    void (*list_identities)(void *self, struct rpc_call *call,
        const Banger__V1__ListIdentitiesRequest *request);
    void (*revoke_identity)(void *self, struct rpc_call *call,
        const Banger__V1__RevokeIdentityRequest *request);
    void (*read_audit_log)(void *self, struct rpc_call *call,
        const Banger__V1__ReadAuditLogRequest *request);
};

/* handlers must outlive the server; self is passed to each of them. */
int banger_v1_auth_service_register(
    struct rpc_server *server, const struct banger_v1_auth_service_handlers *handlers,
    void *self, struct err *err);

/* WhoAmI */
static inline void
banger_v1_auth_service_who_am_i_reply(
    struct rpc_call *call, const Banger__V1__Identity *response)
{
    rpc_call_reply(call, &response->base);
}

/* InitAuth */
static inline void
banger_v1_auth_service_init_auth_reply(
    struct rpc_call *call, const Banger__V1__InitAuthResponse *response)
{
    rpc_call_reply(call, &response->base);
}

/* CreateToken */
static inline void
banger_v1_auth_service_create_token_reply(
    struct rpc_call *call, const Banger__V1__CreateTokenResponse *response)
{
    rpc_call_reply(call, &response->base);
}

/* Enroll */
static inline void
banger_v1_auth_service_enroll_reply(
    struct rpc_call *call, const Banger__V1__EnrollResponse *response)
{
    rpc_call_reply(call, &response->base);
}

/* RotateCertificate */
static inline void
banger_v1_auth_service_rotate_certificate_reply(
    struct rpc_call *call, const Banger__V1__EnrollResponse *response)
{
    rpc_call_reply(call, &response->base);
}

/* ListIdentities */
static inline void
banger_v1_auth_service_list_identities_reply(
    struct rpc_call *call, const Banger__V1__ListIdentitiesResponse *response)
{
    rpc_call_reply(call, &response->base);
}

/* RevokeIdentity */
static inline void
banger_v1_auth_service_revoke_identity_reply(
    struct rpc_call *call, const Banger__V1__Identity *response)
{
    rpc_call_reply(call, &response->base);
}

/* ReadAuditLog */
static inline int
banger_v1_auth_service_read_audit_log_send(
    struct rpc_call *call, const Banger__V1__AuditEntry *message)
{
    return rpc_call_send(call, &message->base);
}

#endif
