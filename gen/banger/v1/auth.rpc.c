/* Written by protoc-gen-banger-rpc from banger/v1/auth.proto; do not edit. */
#include "banger/v1/auth.rpc.h"
#include "banger/v1/auth.server.rpc.h"

/* AuthService */

static bool
banger_v1_auth_service_who_am_i_dispatch(
    const void *handlers, void *self, struct rpc_call *call,
    const ProtobufCMessage *request)
{
    const struct banger_v1_auth_service_handlers *h = handlers;
    if (!h->who_am_i)
        return false;
    h->who_am_i(self, call, (const Banger__V1__WhoAmIRequest *)request);
    return true;
}

static bool
banger_v1_auth_service_init_auth_dispatch(
    const void *handlers, void *self, struct rpc_call *call,
    const ProtobufCMessage *request)
{
    const struct banger_v1_auth_service_handlers *h = handlers;
    if (!h->init_auth)
        return false;
    h->init_auth(self, call, (const Banger__V1__InitAuthRequest *)request);
    return true;
}

static bool
banger_v1_auth_service_create_token_dispatch(
    const void *handlers, void *self, struct rpc_call *call,
    const ProtobufCMessage *request)
{
    const struct banger_v1_auth_service_handlers *h = handlers;
    if (!h->create_token)
        return false;
    h->create_token(self, call, (const Banger__V1__CreateTokenRequest *)request);
    return true;
}

static bool
banger_v1_auth_service_enroll_dispatch(
    const void *handlers, void *self, struct rpc_call *call,
    const ProtobufCMessage *request)
{
    const struct banger_v1_auth_service_handlers *h = handlers;
    if (!h->enroll)
        return false;
    h->enroll(self, call, (const Banger__V1__EnrollRequest *)request);
    return true;
}

static bool
banger_v1_auth_service_rotate_certificate_dispatch(
    const void *handlers, void *self, struct rpc_call *call,
    const ProtobufCMessage *request)
{
    const struct banger_v1_auth_service_handlers *h = handlers;
    if (!h->rotate_certificate)
        return false;
    h->rotate_certificate(self, call, (const Banger__V1__RotateCertificateRequest *)request);
    return true;
}

static bool
banger_v1_auth_service_list_identities_dispatch(
    const void *handlers, void *self, struct rpc_call *call,
    const ProtobufCMessage *request)
{
    const struct banger_v1_auth_service_handlers *h = handlers;
    if (!h->list_identities)
        return false;
    h->list_identities(self, call, (const Banger__V1__ListIdentitiesRequest *)request);
    return true;
}

static bool
banger_v1_auth_service_revoke_identity_dispatch(
    const void *handlers, void *self, struct rpc_call *call,
    const ProtobufCMessage *request)
{
    const struct banger_v1_auth_service_handlers *h = handlers;
    if (!h->revoke_identity)
        return false;
    h->revoke_identity(self, call, (const Banger__V1__RevokeIdentityRequest *)request);
    return true;
}

static bool
banger_v1_auth_service_read_audit_log_dispatch(
    const void *handlers, void *self, struct rpc_call *call,
    const ProtobufCMessage *request)
{
    const struct banger_v1_auth_service_handlers *h = handlers;
    if (!h->read_audit_log)
        return false;
    h->read_audit_log(self, call, (const Banger__V1__ReadAuditLogRequest *)request);
    return true;
}

static const struct rpc_method banger_v1_auth_service_methods[] = {
    [BANGER_V1_AUTH_SERVICE_WHO_AM_I] = {
        .name = "WhoAmI",
        .path = "/banger.v1.AuthService/WhoAmI",
        .request = &banger__v1__who_am_irequest__descriptor,
        .response = &banger__v1__identity__descriptor,
        .dispatch = banger_v1_auth_service_who_am_i_dispatch,
        .role = RPC_ROLE_ANYONE,
        .effect = RPC_EFFECT_READ,
        .idempotent = true,
        .default_deadline_ms = 10000,
        .resource_kind = "auth",
        .summary = "Who the daemon takes the caller for",
    },
    [BANGER_V1_AUTH_SERVICE_INIT_AUTH] = {
        .name = "InitAuth",
        .path = "/banger.v1.AuthService/InitAuth",
        .request = &banger__v1__init_auth_request__descriptor,
        .response = &banger__v1__init_auth_response__descriptor,
        .dispatch = banger_v1_auth_service_init_auth_dispatch,
        .role = RPC_ROLE_ADMIN,
        .effect = RPC_EFFECT_CHANGE,
        .host_wide = true,
        .idempotent = true,
        .default_deadline_ms = 30000,
        .resource_kind = "auth",
        .summary = "Makes the host's CA and server certificate where they are missing, the latter anew each time, and opens the TCP listener",
    },
    [BANGER_V1_AUTH_SERVICE_CREATE_TOKEN] = {
        .name = "CreateToken",
        .path = "/banger.v1.AuthService/CreateToken",
        .request = &banger__v1__create_token_request__descriptor,
        .response = &banger__v1__create_token_response__descriptor,
        .dispatch = banger_v1_auth_service_create_token_dispatch,
        .role = RPC_ROLE_ADMIN,
        .effect = RPC_EFFECT_CHANGE,
        .host_wide = true,
        .default_deadline_ms = 10000,
        .resource_kind = "auth",
        .summary = "A one-time token with which a new client enrolls",
    },
    [BANGER_V1_AUTH_SERVICE_ENROLL] = {
        .name = "Enroll",
        .path = "/banger.v1.AuthService/Enroll",
        .request = &banger__v1__enroll_request__descriptor,
        .response = &banger__v1__enroll_response__descriptor,
        .dispatch = banger_v1_auth_service_enroll_dispatch,
        .role = RPC_ROLE_ANYONE,
        .effect = RPC_EFFECT_CHANGE,
        .default_deadline_ms = 10000,
        .resource_kind = "auth",
        .summary = "Certificate signing request in, certificate out",
    },
    [BANGER_V1_AUTH_SERVICE_ROTATE_CERTIFICATE] = {
        .name = "RotateCertificate",
        .path = "/banger.v1.AuthService/RotateCertificate",
        .request = &banger__v1__rotate_certificate_request__descriptor,
        .response = &banger__v1__enroll_response__descriptor,
        .dispatch = banger_v1_auth_service_rotate_certificate_dispatch,
        .role = RPC_ROLE_VIEWER,
        .effect = RPC_EFFECT_CHANGE,
        .default_deadline_ms = 10000,
        .resource_kind = "auth",
        .summary = "A new certificate for the caller's newest: FAILED_PRECONDITION (CERTIFICATE_SUPERSEDED) for the one before, which may call until the next rotation",
    },
    [BANGER_V1_AUTH_SERVICE_LIST_IDENTITIES] = {
        .name = "ListIdentities",
        .path = "/banger.v1.AuthService/ListIdentities",
        .request = &banger__v1__list_identities_request__descriptor,
        .response = &banger__v1__list_identities_response__descriptor,
        .dispatch = banger_v1_auth_service_list_identities_dispatch,
        .role = RPC_ROLE_ADMIN,
        .effect = RPC_EFFECT_READ,
        .host_wide = true,
        .idempotent = true,
        .default_deadline_ms = 10000,
        .resource_kind = "auth",
        .summary = "Who has a certificate, page by page, revoked ones too",
    },
    [BANGER_V1_AUTH_SERVICE_REVOKE_IDENTITY] = {
        .name = "RevokeIdentity",
        .path = "/banger.v1.AuthService/RevokeIdentity",
        .request = &banger__v1__revoke_identity_request__descriptor,
        .response = &banger__v1__identity__descriptor,
        .dispatch = banger_v1_auth_service_revoke_identity_dispatch,
        .role = RPC_ROLE_ADMIN,
        .effect = RPC_EFFECT_FREE,
        .host_wide = true,
        .idempotent = true,
        .default_deadline_ms = 10000,
        .resource_kind = "auth",
        .summary = "Revokes an identity and cuts its live streams",
    },
    [BANGER_V1_AUTH_SERVICE_READ_AUDIT_LOG] = {
        .name = "ReadAuditLog",
        .path = "/banger.v1.AuthService/ReadAuditLog",
        .request = &banger__v1__read_audit_log_request__descriptor,
        .response = &banger__v1__audit_entry__descriptor,
        .dispatch = banger_v1_auth_service_read_audit_log_dispatch,
        .streams = RPC_SERVER_STREAMS,
        .role = RPC_ROLE_ADMIN,
        .effect = RPC_EFFECT_READ,
        .host_wide = true,
        .idempotent = true,
        .resource_kind = "auth",
        .summary = "Who did what, from where, on what, with which result: every call of a method that changes something, and every one that was denied (docs/remote.md)",
    },
};

const struct rpc_service banger_v1_auth_service = {
    .name = "banger.v1.AuthService",
    .methods = banger_v1_auth_service_methods,
    .n_methods = BANGER_V1_AUTH_SERVICE_METHODS,
};
