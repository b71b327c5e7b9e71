/* Who may come over TCP: the host's CA in use, the identities it signed for, one-time tokens, the
 * listener. On the loop's thread.
 *
 * Identities and tokens are in memory; each change is in force at once and reported to its caller
 * when it is on disk. */
#ifndef BANGER_DAEMON_CORE_ACCESS_H
#define BANGER_DAEMON_CORE_ACCESS_H

#include <stddef.h>
#include <stdint.h>

#include "daemon/host/pki.h"
#include "daemon/model/model.h"
#include "rpc/wire/tls_token.h"

struct access;
struct core;
struct err;
struct rpc_peer;

enum { ACCESS_ADDRESS_BYTES = 108 };

/* Loads the store's identities and tokens. */
struct access *access_new(struct core *core, struct err *err);
void access_free(struct access *access);

/* Where to listen: listen, or where that is "" what access_init has kept; "" again: nowhere. Reads
 * the CA. ERR_PRECONDITION, with the reason, when there is one to listen on but the CA is missing,
 * empty or unreadable. */
int access_prepare(struct core *core, const char *listen, struct err *err);
/* Listens there, if anywhere. */
int access_open(struct core *core, struct err *err);
/* Reads certificates, CA and revocation list again; connections that are there stay. What was there
 * before stays in use on failure. */
int access_reload(struct core *core, struct err *err);
/* Makes the CA and the server's certificate; listen "" or an address to listen on from now on and
 * at every start. */
int access_init(struct core *core, const char *const *names, size_t n_names, const char *listen,
                struct err *err);
/* NULL before access_init. */
const struct pki *access_pki(const struct core *core);
/* Where the TCP listener is, or "". */
const char *access_address(const struct core *core);

/* Fills principal and role of a TLS peer; -1: not known, or not any more. */
int access_identify(struct core *core, struct rpc_peer *peer, struct err *err);

/* What a peer's role is bound to (scope.h), or NULL: everything. Borrowed for the turn of the loop:
 * who keeps a call asks again. */
const struct labels *access_scope(const struct core *core, const struct rpc_peer *peer);
/* A VM's labels are others now: connections of those whose scope it has left are cut, for they may
 * be looking at it. */
void access_labels_changed(struct core *core, const struct labels *old, const struct labels *now);

/* done as in store_commit: once, later, unless these return -1. */
typedef void access_done_fn(void *arg, const struct err *err);
/* Gives out a token for a principal; text is to be shown once. scope may be NULL. */
int access_create_token(struct core *core, const char *principal, int role,
                        const struct labels *scope, int64_t ttl_ms, char text[TLS_TOKEN_BYTES],
                        int64_t *expires_ns, access_done_fn *done, void *arg, struct err *err);
/* Uses up the token that peer came with: a certificate for its principal. Certificates of that
 * principal from before count no more, their connections are cut. */
int access_enroll(struct core *core, const struct rpc_peer *peer, const void *csr, size_t csr_len,
                  struct pki_certificate *certificate, access_done_fn *done, void *arg,
                  struct err *err);
/* A new certificate for who has one; both count until the new one is rotated in turn. */
int access_rotate(struct core *core, const struct rpc_peer *peer, const void *csr, size_t csr_len,
                  struct pki_certificate *certificate, access_done_fn *done, void *arg,
                  struct err *err);
/* Also throws away its unused tokens, and cuts its connections. *copy is it then. */
int access_revoke(struct core *core, const char *principal, struct identity *copy,
                  access_done_fn *done, void *arg, struct err *err);
/* In order of principals: the first after `after` ("": the first of all), or NULL. */
const struct identity *access_next(const struct core *core, const char *after);

#endif
