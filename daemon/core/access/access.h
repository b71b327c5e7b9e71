/* Who may come over TCP: the host's CA in use, the identities it signed for, one-time tokens, the
 * listener. On the loop's thread; files and keys are a worker's.
 *
 * Identities and tokens are in memory; each change is in force, and reported to its caller, when it
 * is on disk. Changes are made one after the other, so a token is used up once. */
#ifndef BANGER_DAEMON_CORE_ACCESS_ACCESS_H
#define BANGER_DAEMON_CORE_ACCESS_ACCESS_H

#include <stddef.h>
#include <stdint.h>

#include "daemon/host/pki.h"
#include "daemon/model/model.h"
#include "rpc/wire/tls_token.h"

struct access;
struct access_rules;
struct core;
struct err;
struct host_check;
struct rpc_peer;

enum { ACCESS_ADDRESS_BYTES = 108, ACCESS_FILE_BYTES = 4096 };

/* PEM files of the site's own, "" where there is none. */
struct access_files {
    char ca[ACCESS_FILE_BYTES];          /* authorities whose clients come by the rules' peers */
    char certificate[ACCESS_FILE_BYTES]; /* what clients see instead of pki/server.pem … */
    char key[ACCESS_FILE_BYTES];         /* … with its key */
};

/* Loads the store's identities and tokens. */
struct access *access_new(struct core *core, struct err *err);
void access_free(struct access *access);

/* Who may come by the configuration; takes the rules. Those who are here are looked at again, and
 * cut where they may do something else now. Returns how many. */
size_t access_set_rules(struct core *core, struct access_rules *rules);
/* done comes once, later, on the loop; unless what takes it returns -1: then never. */
typedef void access_done_fn(void *arg, const struct err *err);

/* Where to listen: listen, or where that is "" what access_init has kept; "" again: nowhere. Begins
 * to read the files, and to renew what is the host's own and due. */
void access_prepare(struct core *core, const char *listen, const struct access_files *files);
/* done comes once, at once or later: when the files have been read, well or not, or after
 * ACCESS_SETTLE_MS: whoever finds the daemon on its socket then finds it on TCP as well. */
enum { ACCESS_SETTLE_MS = 2000 };
void access_settle(struct core *core, void (*done)(void *arg), void *arg);
/* Listens there, if anywhere, as soon as that can be. It never fails: until then TCP is closed with
 * a reason (access_status), and tried again by itself. */
void access_open(struct core *core);
/* Reads certificates, CA and revocation list again, and holds those who are here against them
 * (rpc_server_verify_again). What was there before stays in use on failure, files included. */
int access_reload(struct core *core, const struct access_files *files, access_done_fn *done,
                  void *arg, struct err *err);
/* Makes the CA and the server's certificate; listen "" or an address to listen on from now on and
 * at every start. When it fails nothing listens that did not before. ERR_ABORTED: there is another
 * one on its way. */
int access_init(struct core *core, const char *const *names, size_t n_names, const char *listen,
                access_done_fn *done, void *arg, struct err *err);
/* The CA in use; NULL: none. Borrowed until the next return to the loop. */
const struct pki *access_pki(const struct core *core);

struct access_status {
    const char *address; /* where TLS clients are served; "": nowhere */
    const char *problem; /* why not, though it should be; "": none */
};

/* Borrowed until the next return to the loop. */
void access_status(const struct core *core, struct access_status *status);
/* Fills checks for doctor, max at most; returns how many. */
size_t access_diagnose(const struct core *core, struct host_check *checks, size_t max);

/* Fills principal and role of any peer; -1: not known, or not any more. The daemon's own user and
 * root may do everything, other Unix peers what the rules say. */
int access_identify(struct core *core, struct rpc_peer *peer, struct err *err);

/* What a peer's role is bound to (scope.h), or NULL: everything. Borrowed for the turn of the loop:
 * who keeps a call asks again. */
const struct labels *access_scope(const struct core *core, const struct rpc_peer *peer);
/* A VM's labels are others now: connections of those whose scope it has left are cut, for they may
 * be looking at it. */
void access_labels_changed(struct core *core, const struct labels *old, const struct labels *now);

/* What these fill is borrowed until done, and whole then. */
/* Gives out a token for a principal; text is to be shown once. scope may be NULL. ERR_DENIED
 * (ROLE_ABOVE_OWN) where the role is above that of `by`, or that of who has the name: by having
 * enrolled, revoked or not, by a token that waits, by the configuration. */
int access_create_token(struct core *core, const struct rpc_peer *by, const char *principal,
                        int role, const struct labels *scope, int64_t ttl_ms,
                        char text[TLS_TOKEN_BYTES], int64_t *expires_ns, access_done_fn *done,
                        void *arg, struct err *err);
/* Uses up the token that peer came with, and all others of its principal: a certificate for that.
 * Its certificates from before count no more, their connections are cut. Tokens are used up when
 * that is on disk; csr is copied. */
int access_enroll(struct core *core, const struct rpc_peer *peer, const void *csr, size_t csr_len,
                  struct pki_certificate *certificate, access_done_fn *done, void *arg,
                  struct err *err);
/* A new certificate for who has the newest of its principal; both count until the new one is
 * rotated in turn. ERR_PRECONDITION (CERTIFICATE_SUPERSEDED) for the one before. */
int access_rotate(struct core *core, const struct rpc_peer *peer, const void *csr, size_t csr_len,
                  struct pki_certificate *certificate, access_done_fn *done, void *arg,
                  struct err *err);
/* Also throws away its unused tokens, and cuts its connections, all of it when it is on disk: who
 * is cut before could come back. *copy is it then. ERR_DENIED (ROLE_ABOVE_OWN) as for a token. */
int access_revoke(struct core *core, const struct rpc_peer *by, const char *principal,
                  struct identity *copy, access_done_fn *done, void *arg, struct err *err);
/* In order of principals: the first after `after` ("": the first of all), or NULL. */
const struct identity *access_next(const struct core *core, const char *after);

#endif
