/* Identities and tokens; see access.h. */
#include "daemon/core/access.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "daemon/core/access_internal.h"
#include "daemon/core/access_rules.h"
#include "daemon/core/core.h"
#include "daemon/core/event.h"
#include "daemon/core/vm_spec.h"
#include "daemon/store/store.h"
#include "rpc/event/server.h"
#include "rpc/wire/tls.h"

enum { IDENTITIES_MAX = 10000, TOKENS_MAX = 1000, TTL_MAX_DAYS = 30 };

static const int64_t ns_per_s = INT64_C(1000000000), ns_per_ms = 1000000;

/* Copies row into the map under the key inside the copy; what was there is freed. */
static int put(struct map *map, const void *row, size_t bytes, size_t key_offset, struct err *err)
{
    char *copy = malloc(bytes);
    if (!copy)
        return err_sys(err, ENOMEM, "identities");
    memcpy(copy, row, bytes);
    free(map_take(map, copy + key_offset));
    if (map_put(map, copy + key_offset, copy) == 0)
        return 0;
    free(copy);
    return err_sys(err, ENOMEM, "identities");
}

static int put_identity(struct access *access, const struct identity *row, struct err *err)
{
    return put(&access->identities, row, sizeof(*row), offsetof(struct identity, principal), err);
}

static int put_token(struct access *access, const struct token *row, struct err *err)
{
    return put(&access->tokens, row, sizeof(*row), offsetof(struct token, key), err);
}

static int load_identity(void *arg, const struct identity *identity)
{
    return put_identity(arg, identity, NULL);
}

static int load_token(void *arg, const struct token *token)
{
    return put_token(arg, token, NULL);
}

struct access *access_new(struct core *core, struct err *err)
{
    struct access *access = calloc(1, sizeof(*access));
    if (!access) {
        err_sys(err, ENOMEM, "identities");
        return NULL;
    }
    access->core = core;
    map_init(&access->identities);
    map_init(&access->tokens);
    if (store_load_identities(core->store, load_identity, access, err) == 0 &&
        store_load_tokens(core->store, load_token, access, err) == 0)
        return access;
    access_free(access);
    return NULL;
}

static void free_all(struct map *map)
{
    size_t at = 0;
    for (void *row; (row = map_next(map, &at));)
        free(row);
    map_done(map);
}

void access_free(struct access *access)
{
    if (!access)
        return;
    free_all(&access->identities);
    free_all(&access->tokens);
    access_rules_free(access->rules);
    tls_context_unref(access->tls);
    pki_close(access->pki);
    free(access);
}

struct identity *access_find(const struct access *access, const char *principal)
{
    return map_find(&access->identities, principal);
}

static void hex(const uint8_t hash[TLS_HASH_BYTES], char text[KEY_HASH_BYTES])
{
    for (size_t i = 0; i < TLS_HASH_BYTES; i++)
        snprintf(text + 2 * i, 3, "%02x", hash[i]);
}

struct token *access_find_token(const struct access *access,
                                const uint8_t key_sha256[TLS_HASH_BYTES])
{
    char key[KEY_HASH_BYTES];
    hex(key_sha256, key);
    struct token *token = map_find(&access->tokens, key);
    return token && token->expires_ns > clock_real_ns() ? token : NULL;
}

bool access_certificate_counts(const struct access *access, const char *principal,
                               const char *serial)
{
    const struct identity *i = access_find(access, principal);
    return i && !i->revoked && *serial &&
           (strcmp(i->serial, serial) == 0 || strcmp(i->previous_serial, serial) == 0);
}

static int identify_unix(const struct access *access, struct rpc_peer *peer, struct err *err)
{
    bool owner = peer->uid == geteuid() || peer->uid == 0;
    peer->role = owner ? RPC_ROLE_FLEET
                       : access_rules_of_unix(access->rules, peer->uid, peer->gid, peer->groups,
                                              peer->n_groups);
    if (peer->role == RPC_ROLE_NONE)
        return err_set(err, ERR_DENIED, "user %u may not use this daemon", (unsigned)peer->uid);
    snprintf(peer->principal, sizeof(peer->principal), "unix:%u", (unsigned)peer->uid);
    return 0;
}

/* Revoking a principal that is also in the rules counts for it there, too. */
const struct access_peer *access_find_mapped(const struct access *access, const char *principal)
{
    const struct identity *i = access_find(access, principal);
    return i && i->revoked ? NULL : access_rules_principal(access->rules, principal);
}

static int identify_mapped(const struct access *access, struct rpc_peer *peer, struct err *err)
{
    const struct access_peer *rule = access_find_mapped(access, peer->principal);
    if (!rule)
        return err_set(err, ERR_UNAUTHENTICATED, "%s may not use this daemon", peer->principal);
    peer->role = rule->role;
    return 0;
}

int access_identify(struct core *core, struct rpc_peer *peer, struct err *err)
{
    const struct access *access = core->access;
    if (peer->kind == RPC_PEER_UNIX)
        return identify_unix(access, peer, err);
    if (peer->kind != RPC_PEER_TLS)
        return err_set(err, ERR_DENIED, "this daemon takes no callers without a certificate");
    if (peer->mapped)
        return identify_mapped(access, peer, err);
    if (peer->self_signed && peer->again) {
        /* Used meanwhile, maybe by the call that is about to answer. */
        peer->role = RPC_ROLE_ANYONE;
        return 0;
    }
    if (peer->self_signed) {
        const struct token *token = access_find_token(access, peer->key_sha256);
        if (!token)
            return err_set(err, ERR_UNAUTHENTICATED, "the token was used or has expired");
        /* A colon: no certificate's principal can look like this. */
        snprintf(peer->principal, sizeof(peer->principal), "enroll:%.120s", token->principal);
        peer->role = RPC_ROLE_ANYONE;
        return 0;
    }
    /* Rotations shut certificates out, not connections that began with them; what does, revoking
     * and enrolling anew, has cut these already. */
    const struct identity *identity = access_find(access, peer->principal);
    if (!identity || identity->revoked ||
        (!peer->again && !access_certificate_counts(access, peer->principal, peer->serial)))
        return err_set(err, ERR_UNAUTHENTICATED, "%s may not use this daemon", peer->principal);
    peer->role = (enum rpc_role)identity->role;
    peer->scoped = identity->scope.n > 0;
    return 0;
}

const struct labels *access_scope(const struct core *core, const struct rpc_peer *peer)
{
    static const struct labels nothing = {.n = 1}; /* no VM has a label without a key */
    if (!peer->scoped)
        return NULL;
    const struct identity *identity = access_find(core->access, peer->principal);
    return identity ? &identity->scope : &nothing;
}

static bool is_of(void *arg, const struct rpc_peer *peer)
{
    return peer->kind == RPC_PEER_TLS && strcmp(peer->principal, arg) == 0;
}

/* Unused tokens of a principal (NULL: of anyone, if expired) go. */
static void drop_tokens(struct access *access, struct store_txn *txn, const char *principal)
{
    int64_t now = clock_real_ns();
    size_t at = 0;
    for (struct token *token; (token = map_next(&access->tokens, &at));) {
        if (principal ? strcmp(token->principal, principal) != 0 : token->expires_ns > now)
            continue;
        store_delete_token(txn, token->key);
        free(map_take(&access->tokens, token->key));
        at = 0; /* the table has moved */
    }
}

static struct store_txn *begin(struct err *err)
{
    struct store_txn *txn = store_txn_new();
    if (!txn)
        err_sys(err, ENOMEM, "identities");
    return txn;
}

int access_create_token(struct core *core, const char *principal, int role,
                        const struct labels *scope, int64_t ttl_ms, char text[TLS_TOKEN_BYTES],
                        int64_t *expires_ns, access_done_fn *done, void *arg, struct err *err)
{
    struct access *access = core->access;
    struct token token = {.role = role, .created_ns = clock_real_ns()};
    if (scope)
        token.scope = *scope;
    uint8_t ca[PKI_HASH_BYTES], key[TLS_HASH_BYTES];
    if (!access->pki) {
        err_set(err, ERR_PRECONDITION, "this host has no CA yet: \"banger auth init\" makes it");
        return err_tag(err, "NO_CA", NULL);
    }
    if (!tls_principal_is_valid(principal))
        return err_set(err, ERR_INVALID,
                       "a principal's name has 1 to 127 letters, digits and ._@-");
    if (role < RPC_ROLE_VIEWER || role > RPC_ROLE_FLEET)
        return err_set(err, ERR_INVALID, "the role is viewer, operator, admin or fleet");
    if (ttl_ms <= 0 || ttl_ms > TTL_MAX_DAYS * INT64_C(86400000))
        return err_set(err, ERR_INVALID, "a token lives for at most %d days", TTL_MAX_DAYS);
    struct store_txn *txn = begin(err);
    if (!txn)
        return -1;
    drop_tokens(access, txn, NULL);
    pki_ca_hash(access->pki, ca);
    snprintf(token.principal, sizeof(token.principal), "%s", principal);
    token.expires_ns = *expires_ns = token.created_ns + ttl_ms * ns_per_ms;
    int rv = access->tokens.len >= TOKENS_MAX
                 ? err_set(err, ERR_LIMIT, "%d tokens wait to be used already", TOKENS_MAX)
                 : tls_token_make(ca, text, key, err);
    if (rv == 0) {
        hex(key, token.key);
        rv = put_token(access, &token, err);
    }
    if (rv == 0)
        store_put_token(txn, &token);
    if (rv == 0)
        store_commit(core->store, txn, done, arg);
    else
        store_txn_free(txn);
    return rv;
}

/* The certificate, and the identity row that goes with it. */
static int sign(struct access *access, struct identity *identity, const void *csr, size_t csr_len,
                struct pki_certificate *certificate, struct err *err)
{
    if (!access->pki)
        return err_set(err, ERR_PRECONDITION, "this host has no CA any more");
    if (pki_sign(access->pki, csr, csr_len, identity->principal, certificate, err) < 0)
        return -1;
    _Static_assert(sizeof(identity->serial) == sizeof(certificate->serial), "serial");
    memcpy(identity->serial, certificate->serial, sizeof(identity->serial));
    identity->expires_ns = certificate->not_after_s * ns_per_s;
    return 0;
}

int access_enroll(struct core *core, const struct rpc_peer *peer, const void *csr, size_t csr_len,
                  struct pki_certificate *certificate, access_done_fn *done, void *arg,
                  struct err *err)
{
    struct access *access = core->access;
    struct token *token = peer->self_signed ? access_find_token(access, peer->key_sha256) : NULL;
    if (!token)
        return err_set(err, ERR_UNAUTHENTICATED, "enrolling takes a token that was not yet used");
    struct identity identity = {
        .role = token->role, .scope = token->scope, .created_ns = clock_real_ns()};
    const struct identity *old = access_find(access, token->principal);
    memcpy(identity.principal, token->principal, sizeof(identity.principal));
    if (old)
        identity.created_ns = old->created_ns;
    else if (access->identities.len >= IDENTITIES_MAX)
        return err_set(err, ERR_LIMIT, "there are %d identities already", IDENTITIES_MAX);
    if (sign(access, &identity, csr, csr_len, certificate, err) < 0)
        return -1;
    struct store_txn *txn = begin(err);
    if (!txn || put_identity(access, &identity, err) < 0) {
        store_txn_free(txn);
        free(certificate->der);
        return -1;
    }
    store_put_identity(txn, &identity);
    store_delete_token(txn, token->key);
    free(map_take(&access->tokens, token->key));
    event_emit(core, txn, "identity.enrolled", "identity", identity.principal, NULL);
    rpc_server_cut(core->rpc_server, is_of, identity.principal);
    store_commit(core->store, txn, done, arg);
    return 0;
}

int access_rotate(struct core *core, const struct rpc_peer *peer, const void *csr, size_t csr_len,
                  struct pki_certificate *certificate, access_done_fn *done, void *arg,
                  struct err *err)
{
    struct access *access = core->access;
    struct identity *identity = peer->kind == RPC_PEER_TLS && !peer->self_signed && !peer->mapped
                                    ? access_find(access, peer->principal)
                                    : NULL;
    if (!identity || identity->revoked)
        return err_set(err, ERR_PRECONDITION, "only who came with a certificate can renew it");
    struct identity next = *identity;
    snprintf(next.previous_serial, sizeof(next.previous_serial), "%s", peer->serial);
    if (sign(access, &next, csr, csr_len, certificate, err) < 0)
        return -1;
    struct store_txn *txn = begin(err);
    if (!txn) {
        free(certificate->der);
        return -1;
    }
    *identity = next;
    store_put_identity(txn, identity);
    event_emit(core, txn, "identity.rotated", "identity", identity->principal, NULL);
    store_commit(core->store, txn, done, arg);
    return 0;
}

int access_revoke(struct core *core, const char *principal, struct identity *copy,
                  access_done_fn *done, void *arg, struct err *err)
{
    struct access *access = core->access;
    struct identity *identity = access_find(access, principal);
    if (!identity) {
        err_set(err, ERR_NOT_FOUND, "there is no identity \"%.127s\"", principal);
        return err_tag(err, "IDENTITY_NOT_FOUND", "identity/%.80s", principal);
    }
    struct store_txn *txn = begin(err);
    if (!txn)
        return -1;
    identity->revoked = true;
    store_put_identity(txn, identity);
    drop_tokens(access, txn, identity->principal);
    event_emit(core, txn, "identity.revoked", "identity", identity->principal, NULL);
    size_t n = rpc_server_cut(core->rpc_server, is_of, identity->principal);
    log_info("bangerd", "%s is revoked, %zu connections are cut", identity->principal, n);
    *copy = *identity;
    store_commit(core->store, txn, done, arg);
    return 0;
}

struct relabelled {
    const struct core *core;
    const struct labels *old, *now;
};

static bool has_lost_it(void *arg, const struct rpc_peer *peer)
{
    const struct relabelled *r = arg;
    const struct labels *scope = access_scope(r->core, peer);
    return scope && labels_have(r->old, scope) && !labels_have(r->now, scope);
}

void access_labels_changed(struct core *core, const struct labels *old, const struct labels *now)
{
    struct relabelled r = {core, old, now};
    size_t n = core->rpc_server ? rpc_server_cut(core->rpc_server, has_lost_it, &r) : 0;
    if (n > 0)
        log_info("bangerd", "a VM has left the scope of %zu connections, which are cut", n);
}

size_t access_set_rules(struct core *core, struct access_rules *rules)
{
    access_rules_free(core->access->rules);
    core->access->rules = rules;
    return core->rpc_server ? rpc_server_identify_again(core->rpc_server) : 0;
}

const struct identity *access_next(const struct core *core, const char *after)
{
    const struct identity *best = NULL;
    size_t at = 0;
    for (const struct identity *i; (i = map_next(&core->access->identities, &at));)
        if (strcmp(i->principal, after) > 0 && (!best || strcmp(i->principal, best->principal) < 0))
            best = i;
    return best;
}
