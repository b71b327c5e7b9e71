/* Certificates as OpenSSL objects, for the PKI's files. */
#ifndef BANGER_DAEMON_HOST_PKI_X509_H
#define BANGER_DAEMON_HOST_PKI_X509_H

#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stdint.h>

struct err;

struct pki_spec {
    const char *common_name;
    const char *alternative_names; /* as OpenSSL writes them, or NULL */
    X509 *like;                    /* has the two above, as they are there; NULL: they are said */
    const char *purpose;           /* "serverAuth", "clientAuth"; NULL: a CA */
    int64_t now_s;                 /* seconds since 1970 */
    int64_t begins_s;              /* 0: an hour before now, for clocks that are late */
    long days;                     /* from now */
};

/* Signed by ca with ca_key; NULL: by itself. NULL with err. */
X509 *pki_make_certificate(const struct pki_spec *spec, EVP_PKEY *key, X509 *ca, EVP_PKEY *ca_key,
                           struct err *err);
/* err with OpenSSL's reason behind what; -1. */
int pki_error(struct err *err, const char *what);

#endif
