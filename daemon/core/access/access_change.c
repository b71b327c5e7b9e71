/* Changes of identities and tokens; see access_internal.h. On the loop's thread.
 *
 * One after the other: the next is looked at when the one before is on disk, or is known not to be.
 * So a token that two want at once goes to the first; if that one's commit fails it is still there
 * for the second. What a change will show is allocated before it is committed, hidden: showing it
 * cannot fail. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "daemon/core/access/access_internal.h"
#include "daemon/core/access/access_rules.h"
#include "daemon/core/core.h"
#include "daemon/core/event/event.h"
#include "daemon/store/store.h"
#include "rpc/event/server.h"

enum { IDENTITIES_MAX = 10000, TOKENS_MAX = 1000, TTL_MAX_DAYS = 30, CHANGES_MAX = 1000 };

static const int64_t ns_per_s = INT64_C(1000000000), ns_per_ms = 1000000;

struct access_change {
    struct list link;
    struct core *core;
    /* Fills the transaction; -1: nothing is changed. */
    int (*begin)(struct access_change *c, struct access *access, struct store_txn *txn,
                 struct err *err);
    /* It is on disk. Cannot fail. */
    void (*show)(struct access_change *c, struct access *access);
    access_done_fn *done;
    void *arg;
    struct identity identity; /* as it will be; at first the principal alone */
    struct token token;
    int64_t begun_ns;
    char by[PRINCIPAL_BYTES]; /* whose role decides, where that is asked for */
    int by_role;
    char serial[PKI_SERIAL_BYTES]; /* the peer's */
    void *csr;                     /* owned */
    size_t csr_len;
    /* What is filled for the caller. */
    struct pki_certificate *certificate;
    struct identity *copy;
    char *text;
    int64_t *expires_ns;
};

static void change_free(struct access_change *c)
{
    free(c->csr);
    free(c);
}

/* What began as hidden and did not come to be. */
static void hide(struct access_change *c, struct access *access)
{
    struct identity_entry *i = map_find(&access->identities, c->identity.principal);
    struct token_entry *t = map_find(&access->tokens, c->token.key);
    if (i && !i->shown)
        free(map_take(&access->identities, c->identity.principal));
    if (t && !t->shown)
        free(map_take(&access->tokens, c->token.key));
}

static void next_change(struct access *access);

static void committed(void *arg, const struct err *err)
{
    struct access_change *c = arg;
    struct access *access = c->core->access;
    if (access) {
        access->changing = NULL;
        if (err)
            hide(c, access);
        else
            c->show(c, access);
    }
    if (err && c->certificate)
        pki_certificate_done(c->certificate);
    c->done(c->arg, err);
    change_free(c);
    if (access)
        next_change(access);
}

static int begin(struct access *access, struct access_change *c, struct err *err)
{
    struct store_txn *txn = store_txn_new();
    if (!txn)
        return err_sys(err, ENOMEM, "identities");
    c->begun_ns = clock_real_ns();
    if (c->begin(c, access, txn, err) < 0) {
        store_txn_free(txn);
        hide(c, access);
        return -1;
    }
    access->changing = c;
    store_propose(access->core->store, txn, committed, c);
    return 0;
}

static void next_change(struct access *access)
{
    for (struct list *l; !access->changing && (l = list_first(&access->changes));) {
        struct access_change *c = container_of(l, struct access_change, link);
        struct err err = ERR_INIT;
        list_remove(l);
        if (begin(access, c, &err) == 0)
            return;
        c->done(c->arg, &err);
        change_free(c);
    }
}

/* Takes c; -1: done never comes. */
static int submit(struct access *access, struct access_change *c, struct err *err)
{
    size_t n = 0;
    list_foreach(at, &access->changes)
    {
        n++;
    }
    if (access->changing && n < CHANGES_MAX) {
        list_add_tail(&access->changes, &c->link);
        return 0;
    }
    if (!access->changing && begin(access, c, err) == 0)
        return 0;
    if (access->changing)
        err_set(err, ERR_UNAVAILABLE, "%d changes of identities wait for the disk", CHANGES_MAX);
    change_free(c);
    return -1;
}

void access_changes_close(struct access *access)
{
    struct err err = ERR_INIT;
    err_set(&err, ERR_UNAVAILABLE, "the daemon ends");
    for (struct list *l; (l = list_first(&access->changes));) {
        struct access_change *c = container_of(l, struct access_change, link);
        list_remove(l);
        c->done(c->arg, &err);
        change_free(c);
    }
}

static struct access_change *change_new(struct core *core, access_done_fn *done, void *arg,
                                        struct err *err)
{
    struct access_change *c = calloc(1, sizeof(*c));
    if (!c) {
        err_sys(err, ENOMEM, "identities");
        return NULL;
    }
    list_init(&c->link);
    c->core = core;
    c->done = done;
    c->arg = arg;
    return c;
}

static struct access_change *signing_new(struct core *core, const void *csr, size_t csr_len,
                                         struct pki_certificate *certificate, access_done_fn *done,
                                         void *arg, struct err *err)
{
    if (csr_len == 0 || csr_len > PKI_CSR_BYTES_MAX) {
        err_set(err, ERR_INVALID, "the signing request needs 1 to %d bytes", PKI_CSR_BYTES_MAX);
        return NULL;
    }
    struct access_change *c = change_new(core, done, arg, err);
    void *copy = c ? malloc(csr_len) : NULL;
    if (!copy) {
        free(c);
        err_sys(err, ENOMEM, "identities");
        return NULL;
    }
    memcpy(copy, csr, csr_len);
    c->csr = copy;
    c->csr_len = csr_len;
    c->certificate = certificate;
    return c;
}

/* Tokens ------------------------------------------------------------------------------------------
 */

/* Of the principal, or, where that is NULL, expired ones. */
static bool goes(const struct access_change *c, const struct token_entry *t, const char *principal)
{
    if (!t->shown)
        return false;
    return principal ? strcmp(t->token.principal, principal) == 0
                     : t->token.expires_ns <= c->begun_ns;
}

/* Returns how many. */
static size_t delete_tokens(struct access_change *c, struct access *access, struct store_txn *txn,
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

static void drop_tokens(struct access_change *c, struct access *access, const char *principal)
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

/* Nobody takes the place of who has more, nor shuts them out. Looked at when the change's turn
 * comes: the one before may have given the name its role. */
static int check_is_below(const struct access_change *c, const struct access *access,
                          const char *principal, struct err *err)
{
    if (role_of_name(access, principal, c->begun_ns) <= c->by_role)
        return 0;
    err_set(err, ERR_DENIED,
            "%s has a role above that of %s, who may neither take its place nor revoke it",
            principal, c->by);
    return err_tag(err, "ROLE_ABOVE_OWN", "identity/%.80s", principal);
}

static void change_by(struct access_change *c, const struct rpc_peer *by)
{
    snprintf(c->by, sizeof(c->by), "%s", by->principal);
    c->by_role = (int)by->role;
}

static int no_ca(struct err *err)
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
        return no_ca(err);
    if (check_is_below(c, access, c->token.principal, err) < 0)
        return -1;
    if (access->tokens.len - delete_tokens(c, access, txn, NULL) >= TOKENS_MAX)
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
    drop_tokens(c, access, NULL);
    t->shown = true;
}

int access_create_token(struct core *core, const struct rpc_peer *by, const char *principal,
                        int role, const struct labels *scope, int64_t ttl_ms,
                        char text[TLS_TOKEN_BYTES], int64_t *expires_ns, access_done_fn *done,
                        void *arg, struct err *err)
{
    if (!access_pki(core))
        return no_ca(err);
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
    struct access_change *c = change_new(core, done, arg, err);
    if (!c)
        return -1;
    change_by(c, by);
    c->begin = token_begin;
    c->show = token_show;
    c->text = text;
    c->expires_ns = expires_ns;
    c->token = (struct token){.role = role, .created_ns = clock_real_ns()};
    c->token.expires_ns = c->token.created_ns + ttl_ms * ns_per_ms;
    if (scope)
        c->token.scope = *scope;
    snprintf(c->token.principal, sizeof(c->token.principal), "%s", principal);
    return submit(core->access, c, err);
}

/* Identities --------------------------------------------------------------------------------------
 */

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
    delete_tokens(c, access, txn, c->identity.principal);
    event_emit(c->core, txn, "identity.enrolled", "identity", NULL, c->identity.principal, NULL);
    return 0;
}

static void enroll_show(struct access_change *c, struct access *access)
{
    identity_show(c, access);
    drop_tokens(c, access, c->identity.principal);
    cut(access, &c->identity);
    look_again(access);
}

int access_enroll(struct core *core, const struct rpc_peer *peer, const void *csr, size_t csr_len,
                  struct pki_certificate *certificate, access_done_fn *done, void *arg,
                  struct err *err)
{
    if (!peer->self_signed || !access_find_token(core->access, peer->key_sha256))
        return err_set(err, ERR_UNAUTHENTICATED, "enrolling takes a token that was not yet used");
    struct access_change *c = signing_new(core, csr, csr_len, certificate, done, arg, err);
    if (!c)
        return -1;
    c->begin = enroll_begin;
    c->show = enroll_show;
    access_key_text(peer->key_sha256, c->token.key);
    return submit(core->access, c, err);
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
    struct access_change *c = signing_new(core, csr, csr_len, certificate, done, arg, err);
    if (!c)
        return -1;
    c->begin = rotate_begin;
    c->show = rotate_show;
    snprintf(c->identity.principal, sizeof(c->identity.principal), "%s", peer->principal);
    snprintf(c->serial, sizeof(c->serial), "%s", peer->serial);
    return submit(core->access, c, err);
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
    if (check_is_below(c, access, c->identity.principal, err) < 0)
        return -1;
    c->identity = *identity;
    c->identity.revoked = true;
    *c->copy = c->identity;
    store_put_identity(txn, &c->identity);
    delete_tokens(c, access, txn, c->identity.principal);
    event_emit(c->core, txn, "identity.revoked", "identity", NULL, c->identity.principal, NULL);
    return 0;
}

static void revoke_show(struct access_change *c, struct access *access)
{
    identity_show(c, access);
    drop_tokens(c, access, c->identity.principal);
    log_info("bangerd", "%s is revoked, %zu connections are cut", c->identity.principal,
             cut(access, &c->identity));
}

int access_revoke(struct core *core, const struct rpc_peer *by, const char *principal,
                  struct identity *copy, access_done_fn *done, void *arg, struct err *err)
{
    if (strlen(principal) >= PRINCIPAL_BYTES)
        return not_found(principal, err);
    struct access_change *c = change_new(core, done, arg, err);
    if (!c)
        return -1;
    change_by(c, by);
    c->begin = revoke_begin;
    c->show = revoke_show;
    c->copy = copy;
    snprintf(c->identity.principal, sizeof(c->identity.principal), "%s", principal);
    return submit(core->access, c, err);
}
