/* Identities: enrolled by a token, renewed by their newest certificate, revoked; see
 * access_internal.h. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "daemon/core/access/access_change.h"
#include "daemon/core/access/access_rules.h"
#include "daemon/core/core.h"
#include "daemon/core/event/event.h"
#include "daemon/store/store.h"
#include "rpc/event/server.h"

enum { IDENTITIES_MAX = 10000 };

static const int64_t ns_per_s = INT64_C(1000000000);

static bool is_of(void *arg, const struct rpc_peer *peer)
{
    return peer->kind == RPC_PEER_TLS && strcmp(peer->principal, arg) == 0;
}

/* Certificates and tokens that count no more have no further calls. */
static void look_again(struct access *access)
{
    if (access->core->rpc_server)
        (void)rpc_server_identify_again(access->core->rpc_server);
}

static size_t cut(struct access *access, struct identity *identity)
{
    struct rpc_server *server = access->core->rpc_server;
    return server ? rpc_server_cut(server, is_of, identity->principal) : 0;
}

static void identity_show(struct access_change *c, struct access *access)
{
    struct identity_entry *entry = map_find(&access->identities, c->identity.principal);
    entry->identity = c->identity;
    entry->shown = true;
}

/* The certificate, and the identity row that goes with it. */
static int sign(struct access_change *c, struct err *err)
{
    const struct pki *pki = access_pki(c->core);
    struct identity *identity = &c->identity;
    if (!pki)
        return err_set(err, ERR_PRECONDITION, "this host has no CA any more");
    if (pki_sign(pki, c->csr, c->csr_len, identity->principal, c->certificate, err) < 0)
        return -1;
    _Static_assert(sizeof(identity->serial) == sizeof(c->certificate->serial), "serial");
    memcpy(identity->serial, c->certificate->serial, sizeof(identity->serial));
    identity->expires_ns = c->certificate->not_after_s * ns_per_s;
    return 0;
}

/* Uses up all tokens of its name: an older one is no way to take the place of who has enrolled. */
static int enroll_begin(struct access_change *c, struct access *access, struct store_txn *txn,
                        struct err *err)
{
    struct token_entry *t = map_find(&access->tokens, c->token.key);
    if (!t || !t->shown || t->token.expires_ns <= c->begun_ns)
        return err_set(err, ERR_UNAUTHENTICATED, "enrolling takes a token that was not yet used");
    c->token = t->token;
    c->identity = (struct identity){
        .role = c->token.role, .scope = c->token.scope, .created_ns = c->begun_ns};
    memcpy(c->identity.principal, c->token.principal, sizeof(c->identity.principal));
    const struct identity *old = access_find(access, c->identity.principal);
    if (old)
        c->identity.created_ns = old->created_ns;
    else if (access->identities.len >= IDENTITIES_MAX)
        return err_set(err, ERR_LIMIT, "there are %d identities already", IDENTITIES_MAX);
    if (!access_have_identity(access, c->identity.principal, err) || sign(c, err) < 0)
        return -1;
    store_put_identity(txn, &c->identity);
    access_delete_tokens(c, access, txn, c->identity.principal);
    event_emit(c->core, txn, "identity.enrolled", "identity", NULL, c->identity.principal, NULL);
    return 0;
}

static void enroll_show(struct access_change *c, struct access *access)
{
    identity_show(c, access);
    access_drop_tokens(c, access, c->identity.principal);
    cut(access, &c->identity);
    look_again(access);
}

int access_enroll(struct core *core, const struct rpc_peer *peer, const void *csr, size_t csr_len,
                  struct pki_certificate *certificate, access_done_fn *done, void *arg,
                  struct err *err)
{
    if (!peer->self_signed || !access_find_token(core->access, peer->key_sha256))
        return err_set(err, ERR_UNAUTHENTICATED, "enrolling takes a token that was not yet used");
    struct access_change *c = access_signing_new(core, csr, csr_len, certificate, done, arg, err);
    if (!c)
        return -1;
    c->begin = enroll_begin;
    c->show = enroll_show;
    access_key_text(peer->key_sha256, c->token.key);
    return access_change_submit(core->access, c, err);
}

/* The pair before the newest may call, but not renew: whoever has a copy of it could shut out its
 * owner for good. */
static int check_is_newest(const struct identity *identity, const char *serial, struct err *err)
{
    if (!identity || identity->revoked)
        return err_set(err, ERR_PRECONDITION, "only who came with a certificate can renew it");
    if (strcmp(identity->serial, serial) == 0)
        return 0;
    err_set(err, ERR_PRECONDITION,
            "a newer certificate of %s has taken this one's place: only that can be renewed; where "
            "it is lost, enroll anew",
            identity->principal);
    return err_tag(err, "CERTIFICATE_SUPERSEDED", "identity/%.80s", identity->principal);
}

static int rotate_begin(struct access_change *c, struct access *access, struct store_txn *txn,
                        struct err *err)
{
    const struct identity *identity = access_find(access, c->identity.principal);
    if (check_is_newest(identity, c->serial, err) < 0)
        return -1;
    c->identity = *identity;
    snprintf(c->identity.previous_serial, sizeof(c->identity.previous_serial), "%s", c->serial);
    if (sign(c, err) < 0)
        return -1;
    store_put_identity(txn, &c->identity);
    event_emit(c->core, txn, "identity.rotated", "identity", NULL, c->identity.principal, NULL);
    return 0;
}

static void rotate_show(struct access_change *c, struct access *access)
{
    identity_show(c, access);
    look_again(access);
}

int access_rotate(struct core *core, const struct rpc_peer *peer, const void *csr, size_t csr_len,
                  struct pki_certificate *certificate, access_done_fn *done, void *arg,
                  struct err *err)
{
    if (peer->kind != RPC_PEER_TLS || peer->self_signed || peer->mapped)
        return err_set(err, ERR_PRECONDITION, "only who came with a certificate can renew it");
    if (check_is_newest(access_find(core->access, peer->principal), peer->serial, err) < 0)
        return -1;
    struct access_change *c = access_signing_new(core, csr, csr_len, certificate, done, arg, err);
    if (!c)
        return -1;
    c->begin = rotate_begin;
    c->show = rotate_show;
    snprintf(c->identity.principal, sizeof(c->identity.principal), "%s", peer->principal);
    snprintf(c->serial, sizeof(c->serial), "%s", peer->serial);
    return access_change_submit(core->access, c, err);
}

static int not_found(const char *principal, struct err *err)
{
    err_set(err, ERR_NOT_FOUND, "there is no identity \"%.127s\"", principal);
    return err_tag(err, "IDENTITY_NOT_FOUND", "identity/%.80s", principal);
}

static int revoke_begin(struct access_change *c, struct access *access, struct store_txn *txn,
                        struct err *err)
{
    const struct identity *identity = access_find(access, c->identity.principal);
    if (!identity)
        return not_found(c->identity.principal, err);
    if (access_check_is_below(c, access, c->identity.principal, err) < 0)
        return -1;
    c->identity = *identity;
    c->identity.revoked = true;
    *c->copy = c->identity;
    store_put_identity(txn, &c->identity);
    access_delete_tokens(c, access, txn, c->identity.principal);
    event_emit(c->core, txn, "identity.revoked", "identity", NULL, c->identity.principal, NULL);
    return 0;
}

static void revoke_show(struct access_change *c, struct access *access)
{
    identity_show(c, access);
    access_drop_tokens(c, access, c->identity.principal);
    log_info("bangerd", "%s is revoked, %zu connections are cut", c->identity.principal,
             cut(access, &c->identity));
}

int access_revoke(struct core *core, const struct rpc_peer *by, const char *principal,
                  struct identity *copy, access_done_fn *done, void *arg, struct err *err)
{
    if (strlen(principal) >= PRINCIPAL_BYTES)
        return not_found(principal, err);
    struct access_change *c = access_change_new(core, done, arg, err);
    if (!c)
        return -1;
    access_change_by(c, by);
    c->begin = revoke_begin;
    c->show = revoke_show;
    c->copy = copy;
    snprintf(c->identity.principal, sizeof(c->identity.principal), "%s", principal);
    return access_change_submit(core->access, c, err);
}
