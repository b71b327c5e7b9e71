/* The CA in use; see pki.h. */
#include "daemon/host/pki.h"

#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/err.h"
#include "daemon/host/pki_files.h"
#include "daemon/host/pki_x509.h"

enum { CLIENT_DAYS = 365, PRINCIPAL_URI_BYTES = 200 };

struct pki {
    char *ca_pem, *server_pem, *server_key_pem, *crl_pem; /* owned; crl_pem may be NULL */
    struct pki_ca ca;
};

static int read_ca(struct pki *pki, const char *folder, struct err *err)
{
    char *key = NULL;
    if (pki_read_text(folder, "ca.pem", &pki->ca_pem, err) < 0 ||
        pki_read_text(folder, "ca.key", &key, err) < 0)
        return -1;
    int rv = pki_ca_parse(&pki->ca, pki->ca_pem, key, err);
    pki_free_secret(key);
    return rv < 0 ? err_wrap(err, "%s", folder) : 0;
}

/* Of the keys in text the certificate's alone, as text. */
static char *key_text(const char *text, X509 *certificate)
{
    EVP_PKEY *key = pki_find_key(text, certificate);
    BIO *bio = BIO_new(BIO_s_secmem());
    char *data, *copy = NULL;
    if (key && bio && PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL)) {
        long len = BIO_get_mem_data(bio, &data);
        copy = strndup(data, (size_t)len);
    }
    BIO_free(bio);
    EVP_PKEY_free(key);
    return copy;
}

static int read_server(struct pki *pki, const char *folder, struct err *err)
{
    char *keys = NULL;
    if (pki_read_text(folder, "server.pem", &pki->server_pem, err) < 0 ||
        pki_read_text(folder, "server.key", &keys, err) < 0)
        return -1;
    X509 *x = pki_parse_certificate(pki->server_pem);
    pki->server_key_pem = x ? key_text(keys, x) : NULL;
    int rv = 0;
    if (!pki->server_key_pem) {
        rv = pki_error(err, x ? "server.key is not the key of server.pem"
                              : "server.pem holds no certificate");
        if (err)
            err->code = ERR_PRECONDITION;
        err_wrap(err, "%s", folder);
    }
    X509_free(x);
    pki_free_secret(keys);
    return rv;
}

struct pki *pki_open(const char *folder, struct err *err)
{
    struct pki *pki = calloc(1, sizeof(*pki));
    if (!pki) {
        err_set(err, ERR_LIMIT, "out of memory");
        return NULL;
    }
    if (read_ca(pki, folder, err) == 0 && read_server(pki, folder, err) == 0 &&
        (!pki_has_file(folder, "crl.pem") ||
         pki_read_text(folder, "crl.pem", &pki->crl_pem, err) == 0))
        return pki;
    pki_close(pki);
    return NULL;
}

void pki_close(struct pki *pki)
{
    if (!pki)
        return;
    pki_free_secret(pki->server_key_pem);
    free(pki->ca_pem);
    free(pki->server_pem);
    free(pki->crl_pem);
    pki_ca_done(&pki->ca);
    free(pki);
}

const char *pki_ca_pem(const struct pki *pki)
{
    return pki->ca_pem;
}

const char *pki_server_pem(const struct pki *pki)
{
    return pki->server_pem;
}

const char *pki_server_key_pem(const struct pki *pki)
{
    return pki->server_key_pem;
}

const char *pki_crl_pem(const struct pki *pki)
{
    return pki->crl_pem;
}

void pki_ca_hash(const struct pki *pki, uint8_t hash[PKI_HASH_BYTES])
{
    X509_digest(pki->ca.all[0], EVP_sha256(), hash, NULL);
}

/* DER in memory of malloc's, as everything else here is freed. */
static int to_der(X509 *x, uint8_t **der, size_t *len, struct err *err)
{
    int n = i2d_X509(x, NULL);
    uint8_t *at = n > 0 ? malloc((size_t)n) : NULL;
    if (!at)
        return pki_error(err, "cannot write a certificate");
    *der = at;
    *len = (size_t)i2d_X509(x, &at);
    return 0;
}

/* Keys that TLS 1.3 signs with and that are not weak. */
static bool key_is_good(EVP_PKEY *key)
{
    switch (EVP_PKEY_get_base_id(key)) {
    case EVP_PKEY_EC:
    case EVP_PKEY_ED25519:
        return EVP_PKEY_get_bits(key) >= 253;
    case EVP_PKEY_RSA:
        return EVP_PKEY_get_bits(key) >= 2048 && EVP_PKEY_get_bits(key) <= 8192;
    default:
        return false;
    }
}

static EVP_PKEY *key_of_request(const void *csr_der, size_t csr_len, struct err *err)
{
    const uint8_t *at = csr_der;
    if (csr_len == 0 || csr_len > PKI_CSR_BYTES_MAX) {
        err_set(err, ERR_INVALID, "the signing request needs 1 to %d bytes", PKI_CSR_BYTES_MAX);
        return NULL;
    }
    X509_REQ *request = d2i_X509_REQ(NULL, &at, (long)csr_len);
    EVP_PKEY *key = request ? X509_REQ_get_pubkey(request) : NULL;
    bool good = key && at == (const uint8_t *)csr_der + csr_len && key_is_good(key) &&
                X509_REQ_verify(request, key) == 1;
    X509_REQ_free(request);
    if (good)
        return key;
    EVP_PKEY_free(key);
    pki_error(err, "that is no good signing request (PKCS #10, EC or RSA of 2048 bits and more)");
    if (err)
        err->code = ERR_INVALID;
    return NULL;
}

static int describe(X509 *x, X509 *ca, struct pki_certificate *c, struct err *err)
{
    const ASN1_INTEGER *serial = X509_get0_serialNumber(x);
    struct tm tm;
    int n = ASN1_STRING_length(serial);
    if (n > (PKI_SERIAL_BYTES - 2) / 2 || !ASN1_TIME_to_tm(X509_get0_notAfter(x), &tm))
        return err_set(err, ERR_INTERNAL, "the certificate came out wrong");
    for (int i = 0; i < n; i++)
        snprintf(c->serial + 2 * i, 3, "%02x", ASN1_STRING_get0_data(serial)[i]);
    c->not_after_s = timegm(&tm);
    if (to_der(x, &c->der, &c->der_len, err) == 0 &&
        to_der(ca, &c->ca_der, &c->ca_der_len, err) == 0)
        return 0;
    pki_certificate_done(c);
    return -1;
}

void pki_certificate_done(struct pki_certificate *certificate)
{
    free(certificate->der);
    free(certificate->ca_der);
    certificate->der = certificate->ca_der = NULL;
}

int pki_sign(const struct pki *pki, const void *csr_der, size_t csr_len, const char *principal,
             struct pki_certificate *certificate, struct err *err)
{
    char uri[PRINCIPAL_URI_BYTES], name[65];
    *certificate = (struct pki_certificate){0};
    EVP_PKEY *key = key_of_request(csr_der, csr_len, err);
    if (!key)
        return -1;
    snprintf(uri, sizeof(uri), "URI:banger://principal/%s", principal);
    snprintf(name, sizeof(name), "%s", principal);
    const struct pki_spec spec = {.common_name = name,
                                  .alternative_names = uri,
                                  .purpose = "clientAuth",
                                  .now_s = clock_real_ns() / 1000000000,
                                  .days = CLIENT_DAYS};
    X509 *x = pki_make_certificate(&spec, key, pki->ca.all[0], pki->ca.key, err);
    int rv = x ? describe(x, pki->ca.all[0], certificate, err) : -1;
    X509_free(x);
    EVP_PKEY_free(key);
    return rv;
}
