/* AuthService: who the caller is, and who may come over TLS. */
#include "daemon/service/service.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "banger/v1/auth.server.rpc.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "daemon/core/access/access.h"
#include "daemon/core/core.h"
#include "daemon/service/page.h"
#include "daemon/service/request.h"
#include "daemon/service/view.h"
#include "rpc/wire/call.h"

enum { TOKEN_TTL_MS = 3600 * 1000 };

/* What waits for the disk. */
struct pending {
    struct rpc_call *call; /* counted */
    struct core *core;
    char token[TLS_TOKEN_BYTES];
    int64_t expires_ns;
    struct pki_certificate certificate; /* der owned */
    struct identity identity;
};

static struct pending *pending_new(struct core *core, struct rpc_call *call)
{
    struct pending *p = calloc(1, sizeof(*p));
    if (!p) {
        service_out_of_memory(call);
        return NULL;
    }
    p->core = core;
    p->call = rpc_call_ref(call);
    return p;
}

static void pending_free(struct pending *p)
{
    rpc_call_unref(p->call);
    pki_certificate_done(&p->certificate);
    free(p);
}

/* What was asked for was refused at once. */
static void pending_refuse(struct pending *p, const struct err *err)
{
    rpc_call_finish(p->call, err);
    pending_free(p);
}

/* An identity as a message, with what it points at. */
struct identity_view {
    Banger__V1__Identity identity;
    Google__Protobuf__Timestamp expires;
    Banger__V1__LabelSelector scope;
    struct labels_view labels;
};

static void fill_scope(struct identity_view *view, const struct labels *scope)
{
    if (!scope || scope->n == 0)
        return;
    banger__v1__label_selector__init(&view->scope);
    view->scope.n_match = labels_view_fill(&view->labels, scope->at, scope->n);
    view->scope.match = view->labels.pointers;
    view->identity.scope = &view->scope;
}

static void fill_identity(struct identity_view *view, const struct identity *from)
{
    Banger__V1__Identity *to = &view->identity;
    banger__v1__identity__init(to);
    to->principal = (char *)from->principal;
    to->role = (Banger__V1__Role)from->role;
    to->serial = (char *)from->serial;
    to->revoked = from->revoked;
    to->expires = view_time(&view->expires, from->expires_ns);
    fill_scope(view, &from->scope);
}

static void handle_who_am_i(void *self, struct rpc_call *call,
                            const Banger__V1__WhoAmIRequest *request)
{
    (void)request;
    const struct rpc_peer *peer = rpc_call_peer(call);
    struct identity_view view;
    Banger__V1__Identity *identity = &view.identity;
    banger__v1__identity__init(identity);
    identity->principal = (char *)peer->principal;
    identity->role = (Banger__V1__Role)peer->role;
    identity->address = (char *)peer->address;
    identity->serial = (char *)peer->serial;
    fill_scope(&view, request_scope(self, call));
    banger_v1_auth_service_who_am_i_reply(call, identity);
}

static void certificates_made(void *arg, const struct err *err)
{
    struct pending *p = arg;
    struct err own = ERR_INIT;
    uint8_t hash[PKI_HASH_BYTES];
    char text[2 * PKI_HASH_BYTES + 1] = "";
    if (!err && !access_pki(p->core)) {
        err_set(&own, ERR_PRECONDITION, "the site's own authority is in use, and none of ours");
        err = &own;
    }
    if (err) {
        rpc_call_finish(p->call, err);
        pending_free(p);
        return;
    }
    struct access_status status;
    access_status(p->core, &status);
    pki_ca_hash(access_pki(p->core), hash);
    for (size_t i = 0; i < sizeof(hash); i++)
        snprintf(text + 2 * i, 3, "%02x", hash[i]);
    Banger__V1__InitAuthResponse response = BANGER__V1__INIT_AUTH_RESPONSE__INIT;
    response.ca_sha256 = text;
    response.listen = (char *)status.address;
    response.problem = (char *)status.problem;
    banger_v1_auth_service_init_auth_reply(p->call, &response);
    pending_free(p);
}

static void handle_init(void *self, struct rpc_call *call,
                        const Banger__V1__InitAuthRequest *request)
{
    struct err err = ERR_INIT;
    struct pending *p = pending_new(self, call);
    if (p && access_init(self, (const char *const *)request->names, request->n_names,
                         request->listen, certificates_made, p, &err) < 0)
        pending_refuse(p, &err);
}

static void token_stored(void *arg, const struct err *err)
{
    struct pending *p = arg;
    Google__Protobuf__Timestamp expires;
    Banger__V1__CreateTokenResponse response = BANGER__V1__CREATE_TOKEN_RESPONSE__INIT;
    response.token = p->token;
    response.expires = view_time(&expires, p->expires_ns);
    if (err)
        rpc_call_finish(p->call, err);
    else
        banger_v1_auth_service_create_token_reply(p->call, &response);
    pending_free(p);
}

static void handle_create_token(void *self, struct rpc_call *call,
                                const Banger__V1__CreateTokenRequest *request)
{
    struct err err = ERR_INIT;
    int64_t ttl_ms = request->ttl_ms > INT64_MAX / 2 ? -1 : (int64_t)request->ttl_ms;
    struct labels scope = {.n = 0};
    if (request->scope &&
        request_labels(&scope, request->scope->match, request->scope->n_match, &err) < 0) {
        rpc_call_finish(call, &err);
        return;
    }
    struct pending *p = pending_new(self, call);
    if (p && access_create_token(self, rpc_call_peer(call), request->principal, (int)request->role,
                                 &scope, ttl_ms ? ttl_ms : TOKEN_TTL_MS, p->token, &p->expires_ns,
                                 token_stored, p, &err) < 0)
        pending_refuse(p, &err);
}

static void certificate_stored(void *arg, const struct err *err)
{
    struct pending *p = arg;
    if (err) {
        rpc_call_finish(p->call, err);
    } else {
        ProtobufCBinaryData chain = {p->certificate.ca_der_len, p->certificate.ca_der};
        Banger__V1__EnrollResponse response = BANGER__V1__ENROLL_RESPONSE__INIT;
        response.certificate_der =
            (ProtobufCBinaryData){p->certificate.der_len, p->certificate.der};
        response.n_chain_der = 1;
        response.chain_der = &chain;
        rpc_call_reply(p->call, &response.base);
    }
    pending_free(p);
}

static void handle_enroll(void *self, struct rpc_call *call,
                          const Banger__V1__EnrollRequest *request)
{
    struct err err = ERR_INIT;
    struct pending *p = pending_new(self, call);
    if (p && access_enroll(self, rpc_call_peer(call), request->csr_der.data, request->csr_der.len,
                           &p->certificate, certificate_stored, p, &err) < 0)
        pending_refuse(p, &err);
}

static void handle_rotate(void *self, struct rpc_call *call,
                          const Banger__V1__RotateCertificateRequest *request)
{
    struct err err = ERR_INIT;
    struct pending *p = pending_new(self, call);
    if (p && access_rotate(self, rpc_call_peer(call), request->csr_der.data, request->csr_der.len,
                           &p->certificate, certificate_stored, p, &err) < 0)
        pending_refuse(p, &err);
}

static void handle_list(void *self, struct rpc_call *call,
                        const Banger__V1__ListIdentitiesRequest *request)
{
    struct err err = ERR_INIT;
    size_t max, n = 0;
    if (page_size(&max, request->page_size, &err) < 0) {
        rpc_call_finish(call, &err);
        return;
    }
    auto_free struct identity_view *rows = calloc(max, sizeof(*rows));
    auto_free Banger__V1__Identity **list = calloc(max, sizeof(*list));
    if (!rows || !list) {
        service_out_of_memory(call);
        return;
    }
    const struct identity *identity = access_next(self, request->page_token);
    for (; identity && n < max; identity = access_next(self, identity->principal)) {
        fill_identity(&rows[n], identity);
        list[n] = &rows[n].identity;
        n++;
    }
    Banger__V1__ListIdentitiesResponse response = BANGER__V1__LIST_IDENTITIES_RESPONSE__INIT;
    response.n_identities = n;
    response.identities = list;
    if (identity)
        response.next_page_token = rows[n - 1].identity.principal;
    banger_v1_auth_service_list_identities_reply(call, &response);
}

static void revocation_stored(void *arg, const struct err *err)
{
    struct pending *p = arg;
    struct identity_view view;
    fill_identity(&view, &p->identity);
    if (err)
        rpc_call_finish(p->call, err);
    else
        banger_v1_auth_service_revoke_identity_reply(p->call, &view.identity);
    pending_free(p);
}

static void handle_revoke(void *self, struct rpc_call *call,
                          const Banger__V1__RevokeIdentityRequest *request)
{
    struct err err = ERR_INIT;
    struct pending *p = pending_new(self, call);
    if (p && access_revoke(self, rpc_call_peer(call), request->principal, &p->identity,
                           revocation_stored, p, &err) < 0)
        pending_refuse(p, &err);
}

int auth_service_register(struct rpc_server *server, struct core *core, struct err *err)
{
    static const struct banger_v1_auth_service_handlers handlers = {
        .who_am_i = handle_who_am_i,
        .init_auth = handle_init,
        .create_token = handle_create_token,
        .enroll = handle_enroll,
        .rotate_certificate = handle_rotate,
        .list_identities = handle_list,
        .revoke_identity = handle_revoke,
        .read_audit_log = auth_service_read_audit_log,
    };
    return banger_v1_auth_service_register(server, &handlers, core, err);
}
