/* Identities and tokens in force, and who a peer is; see access.h. */
#include "daemon/core/access/access.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "daemon/core/access/access_internal.h"
#include "daemon/core/access/access_rules.h"
#include "daemon/core/core.h"
#include "daemon/store/store.h"
#include "rpc/event/server.h"
#include "rpc/wire/tls.h"

struct identity_entry *access_have_identity(struct access *access, const char *principal,
                                            struct err *err)
{
    struct identity_entry *entry = map_find(&access->identities, principal);
    if (entry)
        return entry;
    entry = calloc(1, sizeof(*entry));
    if (entry)
        snprintf(entry->identity.principal, sizeof(entry->identity.principal), "%s", principal);
    if (entry && map_put(&access->identities, entry->identity.principal, entry) == 0)
        return entry;
    free(entry);
    err_sys(err, ENOMEM, "identities");
    return NULL;
}

struct token_entry *access_have_token(struct access *access, const struct token *token,
                                      struct err *err)
{
    struct token_entry *entry = calloc(1, sizeof(*entry));
    if (entry)
        entry->token = *token;
    if (entry && map_put(&access->tokens, entry->token.key, entry) == 0)
        return entry;
    free(entry);
    err_sys(err, ENOMEM, "tokens");
    return NULL;
}

static int load_identity(void *arg, const struct identity *identity)
{
    struct identity_entry *entry = access_have_identity(arg, identity->principal, NULL);
    if (!entry)
        return -1;
    entry->identity = *identity;
    entry->shown = true;
    return 0;
}

static int load_token(void *arg, const struct token *token)
{
    struct token_entry *entry = access_have_token(arg, token, NULL);
    if (!entry)
        return -1;
    entry->shown = true;
    return 0;
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
    list_init(&access->changes);
    if (access_listen_init(access, err) == 0 &&
        store_load_identities(core->store, load_identity, access, err) == 0 &&
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
    access->closing = true;
    workers_close(access->workers); /* what it brings back finds access still there */
    access_changes_close(access);
    access_listen_done(access);
    free_all(&access->identities);
    free_all(&access->tokens);
    access_rules_free(access->rules);
    access_credentials_free(access->now);
    free(access);
}

struct identity *access_find(const struct access *access, const char *principal)
{
    struct identity_entry *entry = map_find(&access->identities, principal);
    return entry && entry->shown ? &entry->identity : NULL;
}

void access_key_text(const uint8_t hash[TLS_HASH_BYTES], char text[KEY_HASH_BYTES])
{
    for (size_t i = 0; i < TLS_HASH_BYTES; i++)
        snprintf(text + 2 * i, 3, "%02x", hash[i]);
}

struct token *access_find_token(const struct access *access,
                                const uint8_t key_sha256[TLS_HASH_BYTES])
{
    char key[KEY_HASH_BYTES];
    access_key_text(key_sha256, key);
    struct token_entry *entry = map_find(&access->tokens, key);
    return entry && entry->shown && entry->token.expires_ns > clock_real_ns() ? &entry->token
                                                                              : NULL;
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

/* Used meanwhile, maybe by the call that is about to answer: that one may end. */
static int identify_token(const struct access *access, struct rpc_peer *peer, struct err *err)
{
    const struct token *token = access_find_token(access, peer->key_sha256);
    if (!token && !peer->again)
        return err_set(err, ERR_UNAUTHENTICATED, "the token was used or has expired");
    peer->finishing = !token;
    peer->role = RPC_ROLE_ANYONE;
    if (!token)
        return 0;
    /* A colon: no certificate's principal can look like this. */
    snprintf(peer->principal, sizeof(peer->principal), "enroll:%.120s", token->principal);
    peer->ends_s = token->expires_ns / 1000000000;
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
    if (peer->self_signed)
        return identify_token(access, peer, err);
    /* What a certificate has begun may end after a rotation has replaced it twice; what ends that,
     * revoking and enrolling anew, cuts connections itself. */
    const struct identity *identity = access_find(access, peer->principal);
    bool counts = access_certificate_counts(access, peer->principal, peer->serial);
    if (!identity || identity->revoked || (!counts && !peer->again))
        return err_set(err, ERR_UNAUTHENTICATED, "%s may not use this daemon", peer->principal);
    peer->finishing = !counts;
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
    if (!core->rpc_server)
        return 0;
    rpc_server_verify_again(core->rpc_server, NULL); /* they also say whom a certificate names */
    return rpc_server_identify_again(core->rpc_server);
}

const struct identity *access_next(const struct core *core, const char *after)
{
    const struct identity *best = NULL;
    size_t at = 0;
    for (const struct identity_entry *e; (e = map_next(&core->access->identities, &at));) {
        const struct identity *i = &e->identity;
        if (e->shown && strcmp(i->principal, after) > 0 &&
            (!best || strcmp(i->principal, best->principal) < 0))
            best = i;
    }
    return best;
}

const struct pki *access_pki(const struct core *core)
{
    return core->access->now ? core->access->now->pki : NULL;
}
