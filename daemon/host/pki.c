/* The CA in use; see pki.h. */
#include "daemon/host/pki.h"

#include <errno.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fs.h"
#include "daemon/host/pki_x509.h"

enum { CLIENT_DAYS = 365, PRINCIPAL_URI_BYTES = 200 };

struct pki {
    char *ca_pem, *server_pem, *server_key_pem, *crl_pem; /* owned; crl_pem may be NULL */
    X509 *ca;
    EVP_PKEY *ca_key;
};

static int read_file(const char *folder, const char *file, char **text, struct err *err)
{
    char path[PKI_PATH_BYTES];
    size_t len = 0;
    snprintf(path, sizeof(path), "%.600s/%s", folder, file);
    if (fs_read_own(path, PKI_FILE_BYTES_MAX, text, &len, err) < 0) {
        if (err)
            err->code = ERR_PRECONDITION;
        return -1;
    }
    return len > 0 ? 0 : err_set(err, ERR_PRECONDITION, "%s is empty", path);
}

static BIO *open_text(const char *text)
{
    return text ? BIO_new_mem_buf(text, -1) : NULL;
}

static int parse_ca(struct pki *pki, const char *folder, const char *key_pem, struct err *err)
{
    BIO *bio = open_text(pki->ca_pem);
    pki->ca = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
    BIO_free(bio);
    bio = open_text(key_pem);
    pki->ca_key = bio ? PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL) : NULL;
    BIO_free(bio);
    if (!pki->ca) {
        pki_error(err, "ca.pem holds no certificate");
        goto bad;
    }
    if (!pki->ca_key || X509_check_private_key(pki->ca, pki->ca_key) != 1) {
        pki_error(err, "ca.key is not the key of ca.pem");
        goto bad;
    }
    return 0;
bad:
    if (err)
        err->code = ERR_PRECONDITION;
    return err_wrap(err, "%s", folder);
}

struct pki *pki_open(const char *folder, struct err *err)
{
    char path[PKI_PATH_BYTES], *key = NULL;
    struct pki *pki = calloc(1, sizeof(*pki));
    if (!pki) {
        err_set(err, ERR_LIMIT, "out of memory");
        return NULL;
    }
    snprintf(path, sizeof(path), "%.600s/crl.pem", folder);
    int rv = -1;
    if (read_file(folder, "ca.pem", &pki->ca_pem, err) == 0 &&
        read_file(folder, "ca.key", &key, err) == 0 &&
        read_file(folder, "server.pem", &pki->server_pem, err) == 0 &&
        read_file(folder, "server.key", &pki->server_key_pem, err) == 0 &&
        (access(path, F_OK) < 0 || read_file(folder, "crl.pem", &pki->crl_pem, err) == 0))
        rv = parse_ca(pki, folder, key, err);
    if (key)
        OPENSSL_cleanse(key, strlen(key));
    free(key);
    if (rv == 0)
        return pki;
    pki_close(pki);
    return NULL;
}

void pki_close(struct pki *pki)
{
    if (!pki)
        return;
    if (pki->server_key_pem)
        OPENSSL_cleanse(pki->server_key_pem, strlen(pki->server_key_pem));
    free(pki->ca_pem);
    free(pki->server_pem);
    free(pki->server_key_pem);
    free(pki->crl_pem);
    X509_free(pki->ca);
    EVP_PKEY_free(pki->ca_key);
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
    X509_digest(pki->ca, EVP_sha256(), hash, NULL);
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

int pki_ca_der(const struct pki *pki, uint8_t **der, size_t *len, struct err *err)
{
    return to_der(pki->ca, der, len, err);
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

static int describe(X509 *x, struct pki_certificate *c, struct err *err)
{
    const ASN1_INTEGER *serial = X509_get0_serialNumber(x);
    struct tm tm;
    int n = ASN1_STRING_length(serial);
    if (n > (PKI_SERIAL_BYTES - 2) / 2 || !ASN1_TIME_to_tm(X509_get0_notAfter(x), &tm))
        return err_set(err, ERR_INTERNAL, "the certificate came out wrong");
    for (int i = 0; i < n; i++)
        snprintf(c->serial + 2 * i, 3, "%02x", ASN1_STRING_get0_data(serial)[i]);
    c->not_after_s = timegm(&tm);
    return to_der(x, &c->der, &c->der_len, err);
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
                                  .days = CLIENT_DAYS};
    X509 *x = pki_make_certificate(&spec, key, pki->ca, pki->ca_key, err);
    int rv = x ? describe(x, certificate, err) : -1;
    X509_free(x);
    EVP_PKEY_free(key);
    return rv;
}
