/* A change of identities or tokens; for access_change.c, which takes them one after the other,
 * access_token.c and access_identity.c. */
#ifndef BANGER_DAEMON_CORE_ACCESS_ACCESS_CHANGE_H
#define BANGER_DAEMON_CORE_ACCESS_ACCESS_CHANGE_H

#include "daemon/core/access/access_internal.h"

struct store_txn;

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

/* Takes c; 0: done comes once, at once or later; -1: never. */
int access_change_submit(struct access *access, struct access_change *c, struct err *err);
/* NULL: out of memory. */
struct access_change *access_change_new(struct core *core, access_done_fn *done, void *arg,
                                        struct err *err);
/* One that makes a certificate for csr (copied). NULL: also ERR_INVALID. */
struct access_change *access_signing_new(struct core *core, const void *csr, size_t csr_len,
                                         struct pki_certificate *certificate, access_done_fn *done,
                                         void *arg, struct err *err);
/* access_token.c. Rows of the principal's tokens, or, where that is NULL, of expired ones; how
 * many. */
size_t access_delete_tokens(struct access_change *c, struct access *access, struct store_txn *txn,
                            const char *principal);
/* The same of what is shown: they are gone from the disk. */
void access_drop_tokens(struct access_change *c, struct access *access, const char *principal);
/* Nobody takes the place of who has more, nor shuts them out. ERR_DENIED (ROLE_ABOVE_OWN). */
int access_check_is_below(const struct access_change *c, const struct access *access,
                          const char *principal, struct err *err);
/* Whose role decides. */
void access_change_by(struct access_change *c, const struct rpc_peer *by);

#endif
