/* Changes of identities and tokens; see access_internal.h. On the loop's thread.
 *
 * One after the other: the next is looked at when the one before is on disk, or is known not to be.
 * So a token that two want at once goes to the first; if that one's commit fails it is still there
 * for the second. What a change will show is allocated before it is committed, hidden: showing it
 * cannot fail. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "daemon/core/access/access_change.h"
#include "daemon/core/core.h"
#include "daemon/store/store.h"

enum { CHANGES_MAX = 1000 };

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

int access_change_submit(struct access *access, struct access_change *c, struct err *err)
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

struct access_change *access_change_new(struct core *core, access_done_fn *done, void *arg,
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

struct access_change *access_signing_new(struct core *core, const void *csr, size_t csr_len,
                                         struct pki_certificate *certificate, access_done_fn *done,
                                         void *arg, struct err *err)
{
    if (csr_len == 0 || csr_len > PKI_CSR_BYTES_MAX) {
        err_set(err, ERR_INVALID, "the signing request needs 1 to %d bytes", PKI_CSR_BYTES_MAX);
        return NULL;
    }
    struct access_change *c = access_change_new(core, done, arg, err);
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
