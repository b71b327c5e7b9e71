/* What the TLS files share: the context and a filter's inside. */
#ifndef BANGER_RPC_WIRE_TLS_INTERNAL_H
#define BANGER_RPC_WIRE_TLS_INTERNAL_H

#include <openssl/ssl.h>

#include "base/err.h"
#include "rpc/wire/tls.h"

struct tls_context {
    SSL_CTX *ssl;
    BIO_METHOD *bio; /* how OpenSSL reads and writes our buffers */
    bool server, pinned;
    uint8_t pin_sha256[TLS_HASH_BYTES];
    STACK_OF(X509) * own_cas; /* owned: those of ca_pem */
    bool (*name)(void *arg, enum tls_name_kind kind, const char *name, char *principal);
    int (*admit)(void *arg, const struct tls_identity *peer, struct err *err);
    void *arg;
    unsigned n_refs;
};

struct tls {
    SSL *ssl;
    struct tls_context *context; /* counted */
    const uint8_t *in;           /* what is being fed */
    size_t in_len;
    struct buf *out; /* where output goes, during a call */
    struct tls_identity peer;
    struct err refused;  /* why admit() or the certificate's names refused the peer */
    size_t idle_records; /* and messages of TLS itself, without data for us */
    int64_t idle_since_ms;
    bool ready, closed, failed, no_room, self_signed;
    bool flooded;      /* by those */
    bool seen, no_tls; /* something came; that was no TLS */
};

/* tls_identity.c */
/* ca: at the end of its chain; NULL where self_signed. */
int tls_identity_of(const struct tls_context *context, X509 *certificate, X509 *ca,
                    struct tls_identity *identity, struct err *err);

/* tls_again.c: when the first of them ends. */
int64_t tls_chain_ends_s(const STACK_OF(X509) * chain);

/* tls.c: how OpenSSL says it is done; the context makes it. */
BIO_METHOD *tls_bio_new(void);
/* tls_context.c: OpenSSL's reason behind the text, and its queue emptied. */
int tls_openssl_error(struct err *err, enum err_code code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* tls_dates.c */
/* Seconds since 1970; -1: it is no time. */
int tls_seconds(const ASN1_TIME *time, int64_t *seconds);
/* -1 with the text, which has both times. */
int tls_expired(struct err *err, enum err_code code, const char *what, const ASN1_TIME *ended);
int tls_early(struct err *err, enum err_code code, const char *what, const ASN1_TIME *begins);
/* Fills *why where a check of the chain failed for the time, or for want of a list. True where that
 * is our own trouble, not the peer's: a revocation list that does not count now, or is not there.
 */
bool tls_tell_dates(X509_STORE_CTX *store, struct err *why);

#endif
