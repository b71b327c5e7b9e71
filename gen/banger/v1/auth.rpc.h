/* Written by protoc-gen-banger-rpc from banger/v1/auth.proto; do not edit. */
#ifndef BANGER_V1_AUTH_RPC_H
#define BANGER_V1_AUTH_RPC_H

#include "banger/v1/auth.pb-c.h"
#include "rpc/wire/client.h"

/* AuthService */

extern const struct rpc_service banger_v1_auth_service;

enum banger_v1_auth_service_method {
    BANGER_V1_AUTH_SERVICE_WHO_AM_I,
    BANGER_V1_AUTH_SERVICE_INIT_AUTH,
    BANGER_V1_AUTH_SERVICE_CREATE_TOKEN,
    BANGER_V1_AUTH_SERVICE_ENROLL,
    BANGER_V1_AUTH_SERVICE_ROTATE_CERTIFICATE,
    BANGER_V1_AUTH_SERVICE_LIST_IDENTITIES,
    BANGER_V1_AUTH_SERVICE_REVOKE_IDENTITY,
    BANGER_V1_AUTH_SERVICE_READ_AUDIT_LOG,
    BANGER_V1_AUTH_SERVICE_METHODS /* their number */
};

/* WhoAmI: Banger__V1__WhoAmIRequest -> Banger__V1__Identity */
static inline struct rpc_call *
banger_v1_auth_service_who_am_i_start(
    struct rpc_client *client, const struct rpc_call_options *options,
    const Banger__V1__WhoAmIRequest *request,
    const struct rpc_call_events *events, void *arg, struct err *err)
{
    return rpc_client_start(client, &banger_v1_auth_service.methods[BANGER_V1_AUTH_SERVICE_WHO_AM_I],
                            options, &request->base, events, arg, err);
}

static inline const Banger__V1__Identity *
banger_v1_auth_service_who_am_i_response(const ProtobufCMessage *message)
{
    return (const Banger__V1__Identity *)message;
}

/* InitAuth: Banger__V1__InitAuthRequest -> Banger__V1__InitAuthResponse */
static inline struct rpc_call *
banger_v1_auth_service_init_auth_start(
    struct rpc_client *client, const struct rpc_call_options *options,
    const Banger__V1__InitAuthRequest *request,
    const struct rpc_call_events *events, void *arg, struct err *err)
{
    return rpc_client_start(client, &banger_v1_auth_service.methods[BANGER_V1_AUTH_SERVICE_INIT_AUTH],
                            options, &request->base, events, arg, err);
}

static inline const Banger__V1__InitAuthResponse *
banger_v1_auth_service_init_auth_response(const ProtobufCMessage *message)
{
    return (const Banger__V1__InitAuthResponse *)message;
}

/* CreateToken: Banger__V1__CreateTokenRequest -> Banger__V1__CreateTokenResponse */
static inline struct rpc_call *
banger_v1_auth_service_create_token_start(
    struct rpc_client *client, const struct rpc_call_options *options,
    const Banger__V1__CreateTokenRequest *request,
    const struct rpc_call_events *events, void *arg, struct err *err)
{
    return rpc_client_start(client, &banger_v1_auth_service.methods[BANGER_V1_AUTH_SERVICE_CREATE_TOKEN],
                            options, &request->base, events, arg, err);
}

static inline const Banger__V1__CreateTokenResponse *
banger_v1_auth_service_create_token_response(const ProtobufCMessage *message)
{
    return (const Banger__V1__CreateTokenResponse *)message;
}

/* Enroll: Banger__V1__EnrollRequest -> Banger__V1__EnrollResponse */
static inline struct rpc_call *
banger_v1_auth_service_enroll_start(
    struct rpc_client *client, const struct rpc_call_options *options,
    const Banger__V1__EnrollRequest *request,
    const struct rpc_call_events *events, void *arg, struct err *err)
{
    return rpc_client_start(client, &banger_v1_auth_service.methods[BANGER_V1_AUTH_SERVICE_ENROLL],
                            options, &request->base, events, arg, err);
}

static inline const Banger__V1__EnrollResponse *
banger_v1_auth_service_enroll_response(const ProtobufCMessage *message)
{
    return (const Banger__V1__EnrollResponse *)message;
}

/* RotateCertificate: Banger__V1__RotateCertificateRequest -> Banger__V1__EnrollResponse */
static inline struct rpc_call *
banger_v1_auth_service_rotate_certificate_start(
    struct rpc_client *client, const struct rpc_call_options *options,
    const Banger__V1__RotateCertificateRequest *request,
    const struct rpc_call_events *events, void *arg, struct err *err)
{
    return rpc_client_start(client, &banger_v1_auth_service.methods[BANGER_V1_AUTH_SERVICE_ROTATE_CERTIFICATE],
                            options, &request->base, events, arg, err);
}

static inline const Banger__V1__EnrollResponse *
banger_v1_auth_service_rotate_certificate_response(const ProtobufCMessage *message)
{
    return (const Banger__V1__EnrollResponse *)message;
}

/* ListIdentities: Banger__V1__ListIdentitiesRequest -> Banger__V1__ListIdentitiesResponse */
static inline struct rpc_call *
banger_v1_auth_service_list_identities_start(
    struct rpc_client *client, const struct rpc_call_options *options,
    const Banger__V1__ListIdentitiesRequest *request,
    const struct rpc_call_events *events, void *arg, struct err *err)
{
    return rpc_client_start(client, &banger_v1_auth_service.methods[BANGER_V1_AUTH_SERVICE_LIST_IDENTITIES],
                            options, &request->base, events, arg, err);
}

static inline const Banger__V1__ListIdentitiesResponse *
banger_v1_auth_service_list_identities_response(const ProtobufCMessage *message)
{
    return (const Banger__V1__ListIdentitiesResponse *)message;
}

/* RevokeIdentity: Banger__V1__RevokeIdentityRequest -> Banger__V1__Identity */
static inline struct rpc_call *
banger_v1_auth_service_revoke_identity_start(
    struct rpc_client *client, const struct rpc_call_options *options,
    const Banger__V1__RevokeIdentityRequest *request,
    const struct rpc_call_events *events, void *arg, struct err *err)
{
    return rpc_client_start(client, &banger_v1_auth_service.methods[BANGER_V1_AUTH_SERVICE_REVOKE_IDENTITY],
                            options, &request->base, events, arg, err);
}

static inline const Banger__V1__Identity *
banger_v1_auth_service_revoke_identity_response(const ProtobufCMessage *message)
{
    return (const Banger__V1__Identity *)message;
}

/* ReadAuditLog: Banger__V1__ReadAuditLogRequest -> stream of Banger__V1__AuditEntry */
static inline struct rpc_call *
banger_v1_auth_service_read_audit_log_start(
    struct rpc_client *client, const struct rpc_call_options *options,
    const Banger__V1__ReadAuditLogRequest *request,
    const struct rpc_call_events *events, void *arg, struct err *err)
{
    return rpc_client_start(client, &banger_v1_auth_service.methods[BANGER_V1_AUTH_SERVICE_READ_AUDIT_LOG],
                            options, &request->base, events, arg, err);
}

static inline const Banger__V1__AuditEntry *
banger_v1_auth_service_read_audit_log_response(const ProtobufCMessage *message)
{
    return (const Banger__V1__AuditEntry *)message;
}

#endif
