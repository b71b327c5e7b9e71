/* Certificates for tests; see certs.h. */
#include "tests/support/certs.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HOUR_S = 3600 };

static void must(bool ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "certs: %s failed\n", what);
    exit(EXIT_FAILURE);
}

static X509 *read_certificate(const struct cert *cert)
{
    BIO *bio = BIO_new_mem_buf(cert->certificate, -1);
    X509 *x = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    must(x != NULL, "read certificate");
    BIO_free(bio);
    return x;
}

static EVP_PKEY *read_key(const struct cert *cert)
{
    BIO *bio = BIO_new_mem_buf(cert->key, -1);
    EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
    must(key != NULL, "read key");
    BIO_free(bio);
    return key;
}

static char *text_of(BIO *bio)
{
    char *data;
    long len = BIO_get_mem_data(bio, &data);
    char *text = strndup(data, (size_t)len);
    must(text != NULL, "memory");
    BIO_free(bio);
    return text;
}

static void add_extension(X509 *x, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509V3_set_ctx(&ctx, issuer, x, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    must(extension && X509_add_ext(x, extension, -1), value);
    X509_EXTENSION_free(extension);
}

static void set_names(X509 *x, const struct cert_spec *spec, X509 *issuer)
{
    X509_NAME *name = X509_get_subject_name(x);
    const char *common = spec->common_name ? spec->common_name : "test";
    must(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const uint8_t *)common, -1, -1, 0),
         "name");
    must(X509_set_issuer_name(x, X509_get_subject_name(issuer ? issuer : x)), "issuer");
    if (spec->names)
        add_extension(x, issuer ? issuer : x, NID_subject_alt_name, spec->names);
}

struct cert cert_make(const struct cert *issuer, const struct cert_spec *spec)
{
    X509 *x = X509_new(), *by = issuer ? read_certificate(issuer) : NULL;
    EVP_PKEY *key = EVP_EC_gen("P-256"), *with = issuer ? read_key(issuer) : key;
    uint8_t serial[8];
    must(x && key && RAND_bytes(serial, sizeof(serial)) == 1, "key");
    serial[0] &= 0x7f;
    BIGNUM *number = BN_bin2bn(serial, sizeof(serial), NULL);
    must(X509_set_version(x, X509_VERSION_3) &&
             BN_to_ASN1_INTEGER(number, X509_get_serialNumber(x)) &&
             X509_gmtime_adj(X509_getm_notBefore(x), spec->begins_s ? spec->begins_s : -HOUR_S) &&
             X509_gmtime_adj(X509_getm_notAfter(x), spec->ends_s ? spec->ends_s : HOUR_S) &&
             X509_set_pubkey(x, key),
         "certificate");
    BN_free(number);
    set_names(x, spec, by);
    add_extension(x, by ? by : x, NID_basic_constraints,
                  spec->ca ? "critical,CA:TRUE" : "critical,CA:FALSE");
    if (spec->ca)
        add_extension(x, by ? by : x, NID_key_usage, "critical,keyCertSign,cRLSign");
    must(X509_sign(x, with, EVP_sha256()) > 0, "sign");
    struct cert cert;
    BIO *bio = BIO_new(BIO_s_mem());
    must(PEM_write_bio_X509(bio, x), "write certificate");
    cert.certificate = text_of(bio);
    bio = BIO_new(BIO_s_mem());
    must(PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL), "write key");
    cert.key = text_of(bio);
    X509_free(x);
    X509_free(by);
    if (with != key)
        EVP_PKEY_free(with);
    EVP_PKEY_free(key);
    return cert;
}

void cert_done(struct cert *cert)
{
    free(cert->certificate);
    free(cert->key);
    *cert = (struct cert){0};
}

char *cert_revoke(const struct cert *issuer, const struct cert *revoked)
{
    return cert_revoke_at(issuer, revoked, -60, HOUR_S);
}

char *cert_revoke_at(const struct cert *issuer, const struct cert *revoked, long begins_s,
                     long ends_s)
{
    X509_CRL *crl = X509_CRL_new();
    X509 *by = read_certificate(issuer);
    EVP_PKEY *key = read_key(issuer);
    ASN1_TIME *now = X509_gmtime_adj(NULL, begins_s), *next = X509_gmtime_adj(NULL, ends_s);
    must(crl && X509_CRL_set_version(crl, X509_CRL_VERSION_2) &&
             X509_CRL_set_issuer_name(crl, X509_get_subject_name(by)) &&
             X509_CRL_set1_lastUpdate(crl, now) && X509_CRL_set1_nextUpdate(crl, next),
         "revocation list");
    if (revoked) {
        X509 *x = read_certificate(revoked);
        X509_REVOKED *entry = X509_REVOKED_new();
        must(X509_REVOKED_set_serialNumber(entry, X509_get_serialNumber(x)) &&
                 X509_REVOKED_set_revocationDate(entry, now) && X509_CRL_add0_revoked(crl, entry),
             "revoke");
        X509_free(x);
    }
    must(X509_CRL_sign(crl, key, EVP_sha256()) > 0, "sign list");
    BIO *bio = BIO_new(BIO_s_mem());
    must(PEM_write_bio_X509_CRL(bio, crl), "write list");
    ASN1_TIME_free(now);
    ASN1_TIME_free(next);
    EVP_PKEY_free(key);
    X509_free(by);
    X509_CRL_free(crl);
    return text_of(bio);
}

size_t cert_request(uint8_t *der, size_t size)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509_REQ *request = X509_REQ_new();
    uint8_t *made = NULL;
    must(key && request && X509_REQ_set_pubkey(request, key) &&
             X509_REQ_sign(request, key, EVP_sha256()) > 0,
         "signing request");
    int len = i2d_X509_REQ(request, &made);
    must(len > 0 && (size_t)len <= size, "write signing request");
    memcpy(der, made, (size_t)len);
    OPENSSL_free(made);
    X509_REQ_free(request);
    EVP_PKEY_free(key);
    return (size_t)len;
}

void cert_hash(const struct cert *cert, uint8_t hash[32])
{
    X509 *x = read_certificate(cert);
    must(X509_digest(x, EVP_sha256(), hash, NULL), "hash");
    X509_free(x);
}
