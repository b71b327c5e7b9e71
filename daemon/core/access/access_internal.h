/* What the files of access share.
 *
 *   access.c             identities and tokens, who a peer is
 *   access_change.c      changes of them: one after the other, visible when on disk
 *   access_credentials.c what the certificates' files say, read and renewed on a worker
 *   access_listen.c      the TCP listener: open, or closed for a reason that passes
 *   access_job.c         the worker: start, reload, access_init, what time brings
 *   access_status.c      what doctor says of all that, and what is told ahead of time
 *   access_tls.c         who is let in by a handshake */
#ifndef BANGER_DAEMON_CORE_ACCESS_ACCESS_INTERNAL_H
#define BANGER_DAEMON_CORE_ACCESS_ACCESS_INTERNAL_H

#include <stdbool.h>

#include "base/err.h"
#include "base/list.h"
#include "base/map.h"
#include "daemon/core/access/access.h"
#include "daemon/host/pki_dates.h"
#include "rpc/event/loop.h"
#include "rpc/event/worker.h"

struct access_change;
struct tls_identity;

enum {
    ACCESS_DATED_MAX = 5,
    ACCESS_PATH_BYTES = 4096,
    ACCESS_LOOK_MS = 3600 * 1000,   /* how often dates are held against the clock */
    ACCESS_RETRY_FIRST_MS = 1000,   /* while TCP is closed for a reason … */
    ACCESS_RETRY_MAX_MS = 60 * 1000 /* … doubled up to this */
};

enum access_what {
    ACCESS_OWN_CA,
    ACCESS_OWN_SERVER,
    ACCESS_SITE_CA,
    ACCESS_SITE_SERVER,
    ACCESS_CRL
};

/* A file whose content counts for a time. */
struct access_dated {
    enum access_what what;
    struct pki_dates dates;
    char path[ACCESS_PATH_BYTES];
    int told; /* enum access_ahead: what the log has of it */
};

/* What the files say together. Made on a worker, then the loop's. */
struct access_credentials {
    struct pki *pki;         /* NULL: no CA of ours */
    struct tls_context *tls; /* NULL: none could be made; why */
    struct err why;          /* reason named */
    struct err not_renewed;  /* code 0: nothing to renew, or done */
    unsigned renewed;        /* PKI_RENEWED_… */
    bool nothing;            /* there is no CA and nothing that asks for one */
    size_t n_dated;
    struct access_dated dated[ACCESS_DATED_MAX];
    char kept_address[ACCESS_ADDRESS_BYTES]; /* in pki/listen; "": none */
};

void access_credentials_free(struct access_credentials *c);
/* Renews what is due, reads the rest. Blocking; access is not looked at. NULL: no memory. */
struct access_credentials *access_credentials_read(struct access *access, const char *folder,
                                                   const struct access_files *files, int64_t now_s);
/* Of the certificate that clients are shown, and of what signed it if that is ours: 0 when it
 * counts now, else the named reason. */
int access_credentials_count(const struct access_credentials *c, int64_t now_s, struct err *err);
/* Something of ours is to be made anew. */
bool access_credentials_are_due(const struct access_credentials *c, int64_t now_s);

struct access_listen {
    char address[ACCESS_ADDRESS_BYTES]; /* "": nowhere */
    bool may_open;                      /* access_open was called */
    bool open;
    bool initialising; /* an access_init is on its way */
    size_t n_jobs;     /* on the worker, or on their way back */
    struct err closed; /* why, while not open */
    struct err failed; /* why what was read last is not in use; code 0: it is */
    char told[40];     /* the reason that the log has; "": none */
    int64_t retry_ms;
    struct timer look;
    void (*settled)(void *arg); /* somebody waits for the files to be read; NULL: nobody */
    void *settled_arg;
    struct timer settle;
};

struct access {
    struct core *core;
    struct map identities;          /* struct identity_entry by principal; owned */
    struct map tokens;              /* struct token_entry by key; owned */
    struct list changes;            /* access_change that wait; in order */
    struct access_change *changing; /* with the store; NULL: none */
    bool closing;
    struct workers *workers; /* one thread: files change one after the other; made when needed */
    struct access_files files;
    struct access_credentials *now; /* in use; NULL: none yet */
    struct access_listen listen;
    struct access_rules *rules; /* owned; NULL: nobody comes by them */
};

/* access.c */
struct identity_entry {
    struct identity identity;
    bool shown; /* on disk */
};

struct token_entry {
    struct token token;
    bool shown;
};

/* The entry of that principal, or a new one, not shown; NULL: no memory. */
struct identity_entry *access_have_identity(struct access *access, const char *principal,
                                            struct err *err);
/* A new one, not shown. */
struct token_entry *access_have_token(struct access *access, const struct token *token,
                                      struct err *err);
/* Those that are on disk. */
struct identity *access_find(const struct access *access, const char *principal);
/* The live token of that key, or NULL. */
struct token *access_find_token(const struct access *access,
                                const uint8_t key_sha256[TLS_HASH_BYTES]);
/* The rule by which a mapped principal may come, or NULL. */
const struct access_peer *access_find_mapped(const struct access *access, const char *principal);
/* That very certificate counts. */
bool access_certificate_counts(const struct access *access, const char *principal,
                               const char *serial);
void access_key_text(const uint8_t hash[TLS_HASH_BYTES], char text[KEY_HASH_BYTES]);

/* access_change.c: what is on its way is told that the daemon ends, or finds access gone. */
void access_changes_close(struct access *access);

/* access_tls.c: NULL with err. Any thread; the context asks access on the loop's. */
struct tls_context *access_make_context(struct access *access, const struct access_files *files,
                                        const struct pki *pki, struct err *err);

/* access_listen.c */
int access_listen_init(struct access *access, struct err *err);
void access_listen_done(struct access *access);
/* Takes what was read; what was in use stays there if that still counts and the new does not. */
void access_listen_take(struct access *access, struct access_credentials *c);
/* Opens, closes, or leaves as it is, by what is in use and what time it is. */
void access_listen_decide(struct access *access);
/* Answers access_settle, where somebody waits. */
void access_listen_settled(struct access *access);
/* What access_init has bound and kept is served. */
void access_listen_adopt(struct access *access, const char *address, uint16_t port);

/* access_job.c */
/* Renews and reads, then access_listen_take. Nothing while there is such a job already. */
void access_job_refresh(struct access *access);

/* access_status.c: logs what ends soon or has ended, once each; takes over what was told before. */
void access_tell_ahead(struct access *access, int64_t now_s);
void access_keep_told(struct access_credentials *next, const struct access_credentials *before);

#endif
