/* Making certificates; see pki_x509.h. */
#include "daemon/host/pki_x509.h"

#include <openssl/err.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdbool.h>
#include <string.h>

#include "base/err.h"

enum { SERIAL_BYTES = 16, DAY_S = 24 * 3600, CLOCK_SKEW_S = 3600 };

int pki_error(struct err *err, const char *what)
{
    unsigned long e = ERR_peek_last_error();
    const char *why = e ? ERR_reason_error_string(e) : NULL;
    err_set(err, ERR_INTERNAL, "%s%s%s", what, why ? ": " : "", why ? why : "");
    ERR_clear_error();
    return -1;
}

/* Random, positive, 127 bits: nobody can guess or repeat one (RFC 5280 4.1.2.2). */
static bool set_serial(X509 *x)
{
    uint8_t bytes[SERIAL_BYTES];
    if (RAND_bytes(bytes, sizeof(bytes)) != 1)
        return false;
    bytes[0] = (uint8_t)((bytes[0] & 0x7f) | 0x40);
    BIGNUM *number = BN_bin2bn(bytes, sizeof(bytes), NULL);
    bool ok = number && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(x));
    BN_free(number);
    return ok;
}

static bool add_extension(X509 *x, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509V3_set_ctx(&ctx, issuer, x, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    bool ok = extension && X509_add_ext(x, extension, -1);
    X509_EXTENSION_free(extension);
    return ok;
}

static bool copy_alternative_names(X509 *x, X509 *from)
{
    int at = X509_get_ext_by_NID(from, NID_subject_alt_name, -1);
    return at < 0 || X509_add_ext(x, X509_get_ext(from, at), -1);
}

static bool add_extensions(X509 *x, X509 *issuer, const struct pki_spec *spec)
{
    if (!spec->purpose)
        return add_extension(x, issuer, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") &&
               add_extension(x, issuer, NID_key_usage, "critical,keyCertSign,cRLSign") &&
               add_extension(x, issuer, NID_subject_key_identifier, "hash");
    return add_extension(x, issuer, NID_basic_constraints, "critical,CA:FALSE") &&
           add_extension(x, issuer, NID_key_usage, "critical,digitalSignature") &&
           add_extension(x, issuer, NID_ext_key_usage, spec->purpose) &&
           add_extension(x, issuer, NID_authority_key_identifier, "keyid") &&
           (spec->like ? copy_alternative_names(x, spec->like)
                       : add_extension(x, issuer, NID_subject_alt_name, spec->alternative_names));
}

static bool set_dates(X509 *x, const struct pki_spec *spec)
{
    int64_t begins_s = spec->begins_s ? spec->begins_s : spec->now_s - CLOCK_SKEW_S;
    return ASN1_TIME_set(X509_getm_notBefore(x), (time_t)begins_s) &&
           ASN1_TIME_set(X509_getm_notAfter(x), (time_t)(spec->now_s + spec->days * DAY_S));
}

static bool set_name(X509 *x, const struct pki_spec *spec)
{
    if (spec->like)
        return X509_set_subject_name(x, X509_get_subject_name(spec->like));
    return X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_UTF8,
                                      (const uint8_t *)spec->common_name, -1, -1, 0);
}

X509 *pki_make_certificate(const struct pki_spec *spec, EVP_PKEY *key, X509 *ca, EVP_PKEY *ca_key,
                           struct err *err)
{
    X509 *x = X509_new(), *issuer = ca ? ca : x;
    if (x && X509_set_version(x, X509_VERSION_3) && set_serial(x) && set_dates(x, spec) &&
        set_name(x, spec) && X509_set_issuer_name(x, X509_get_subject_name(issuer)) &&
        X509_set_pubkey(x, key) && add_extensions(x, issuer, spec) &&
        X509_sign(x, ca ? ca_key : key, EVP_sha256()) > 0)
        return x;
    pki_error(err, "cannot make a certificate");
    X509_free(x);
    return NULL;
}
