/* Certificates for tests, made on the spot with P-256 keys. Every failure ends the program. */
#ifndef BANGER_TESTS_CERTS_H
#define BANGER_TESTS_CERTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* PEM texts, owned. */
struct cert {
    char *certificate, *key;
};

struct cert_spec {
    const char *common_name; /* "test" where NULL */
    const char *names; /* subjectAltName as OpenSSL writes it: "URI:banger://principal/a,DNS:b" */
    long begins_s, ends_s; /* from now; ends_s 0: in an hour */
    bool ca;
};

/* Signed by issuer, or by itself where that is NULL. */
struct cert cert_make(const struct cert *issuer, const struct cert_spec *spec);
void cert_done(struct cert *cert);
/* A revocation list of issuer's; revoked may be NULL: an empty one. PEM, caller frees. */
char *cert_revoke(const struct cert *issuer, const struct cert *revoked);
/* The same, of other times from now; by default it begins a minute ago and ends in an hour. */
char *cert_revoke_at(const struct cert *issuer, const struct cert *revoked, long begins_s,
                     long ends_s);
/* A signing request with a key of its own, DER; returns its length. */
size_t cert_request(uint8_t *der, size_t size);
/* SHA-256 of a certificate. */
void cert_hash(const struct cert *cert, uint8_t hash[32]);

#endif
