/* Tokens, by which identities are enrolled, and who may give out which; see access_internal.h. */
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

enum { TOKENS_MAX = 1000, TTL_MAX_DAYS = 30 };

static const int64_t ns_per_ms = 1000000;

/* Of the principal, or, where that is NULL, expired ones. */
static bool goes(const struct access_change *c, const struct token_entry *t, const char *principal)
{
    if (!t->shown)
        return false;
    return principal ? strcmp(t->token.principal, principal) == 0
                     : t->token.expires_ns <= c->begun_ns;
}

size_t access_delete_tokens(struct access_change *c, struct access *access, struct store_txn *txn,
                            const char *principal)
{
    size_t at = 0, n = 0;
    for (struct token_entry *t; (t = map_next(&access->tokens, &at));)
        if (goes(c, t, principal)) {
            store_delete_token(txn, t->token.key);
            n++;
        }
    return n;
}

void access_drop_tokens(struct access_change *c, struct access *access, const char *principal)
{
    size_t at = 0;
    for (struct token_entry *t; (t = map_next(&access->tokens, &at));) {
        if (!goes(c, t, principal))
            continue;
        free(map_take(&access->tokens, t->token.key));
        at = 0; /* the table has moved */
    }
}

/* The highest role that the name stands for: enrolled, revoked or not, of a token that waits, or by
 * the configuration. */
static int role_of_name(const struct access *access, const char *principal, int64_t now_ns)
{
    const struct identity *i = access_find(access, principal);
    const struct access_peer *rule = access_rules_principal(access->rules, principal);
    int role = i ? i->role : RPC_ROLE_NONE;
    size_t at = 0;
    if (rule && (int)rule->role > role)
        role = (int)rule->role;
    for (const struct token_entry *t; (t = map_next(&access->tokens, &at));)
        if (t->shown && t->token.expires_ns > now_ns && t->token.role > role &&
            strcmp(t->token.principal, principal) == 0)
            role = t->token.role;
    return role;
}

/* Looked at when the change's turn comes: the one before may have given the name its role. */
int access_check_is_below(const struct access_change *c, const struct access *access,
                          const char *principal, struct err *err)
{
    if (role_of_name(access, principal, c->begun_ns) <= c->by_role)
        return 0;
    err_set(err, ERR_DENIED,
            "%s has a role above that of %s, who may neither take its place nor revoke it",
            principal, c->by);
    return err_tag(err, "ROLE_ABOVE_OWN", "identity/%.80s", principal);
}

void access_change_by(struct access_change *c, const struct rpc_peer *by)
{
    snprintf(c->by, sizeof(c->by), "%s", by->principal);
    c->by_role = (int)by->role;
}

static int access_no_ca(struct err *err)
{
    err_set(err, ERR_PRECONDITION, "this host has no CA: \"banger auth init\" makes it");
    return err_tag(err, "NO_CA", NULL);
}

static int token_begin(struct access_change *c, struct access *access, struct store_txn *txn,
                       struct err *err)
{
    uint8_t ca[PKI_HASH_BYTES], key[TLS_HASH_BYTES];
    const struct pki *pki = access_pki(c->core);
    if (!pki)
        return access_no_ca(err);
    if (access_check_is_below(c, access, c->token.principal, err) < 0)
        return -1;
    if (access->tokens.len - access_delete_tokens(c, access, txn, NULL) >= TOKENS_MAX)
        return err_set(err, ERR_LIMIT, "%d tokens wait to be used already", TOKENS_MAX);
    pki_ca_hash(pki, ca);
    if (tls_token_make(ca, c->text, key, err) < 0)
        return -1;
    access_key_text(key, c->token.key);
    if (!access_have_token(access, &c->token, err))
        return -1;
    *c->expires_ns = c->token.expires_ns;
    store_put_token(txn, &c->token);
    return 0;
}

static void token_show(struct access_change *c, struct access *access)
{
    struct token_entry *t = map_find(&access->tokens, c->token.key);
    access_drop_tokens(c, access, NULL);
    t->shown = true;
}

int access_create_token(struct core *core, const struct rpc_peer *by, const char *principal,
                        int role, const struct labels *scope, int64_t ttl_ms,
                        char text[TLS_TOKEN_BYTES], int64_t *expires_ns, access_done_fn *done,
                        void *arg, struct err *err)
{
    if (!access_pki(core))
        return access_no_ca(err);
    if (!tls_principal_is_valid(principal))
        return err_set(err, ERR_INVALID,
                       "a principal's name has 1 to 127 letters, digits and ._@-");
    if (role < RPC_ROLE_VIEWER || role > RPC_ROLE_FLEET)
        return err_set(err, ERR_INVALID, "the role is viewer, operator, admin or fleet");
    if (role > (int)by->role) {
        err_set(err, ERR_DENIED, "%s may not give out a role above its own", by->principal);
        return err_tag(err, "ROLE_ABOVE_OWN", "identity/%.80s", principal);
    }
    if (ttl_ms <= 0 || ttl_ms > TTL_MAX_DAYS * INT64_C(86400000))
        return err_set(err, ERR_INVALID, "a token lives for at most %d days", TTL_MAX_DAYS);
    struct access_change *c = access_change_new(core, done, arg, err);
    if (!c)
        return -1;
    access_change_by(c, by);
    c->begin = token_begin;
    c->show = token_show;
    c->text = text;
    c->expires_ns = expires_ns;
    c->token = (struct token){.role = role, .created_ns = clock_real_ns()};
    c->token.expires_ns = c->token.created_ns + ttl_ms * ns_per_ms;
    if (scope)
        c->token.scope = *scope;
    snprintf(c->token.principal, sizeof(c->token.principal), "%s", principal);
    return access_change_submit(core->access, c, err);
}
