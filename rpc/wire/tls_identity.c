/* Who a certificate names; see tls.h. */
#include <openssl/evp.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

#include "rpc/wire/tls_internal.h"

static const char uri_prefix[] = "banger://principal/";

/* Letters, digits and what e-mail addresses and host names are made of. A colon is not among them:
 * the principals of Unix peers and of tokens have one, so no certificate can claim to be such. */
bool tls_principal_is_valid(const char *name)
{
    size_t len = strlen(name);
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "0123456789._@-";
    return len > 0 && len < TLS_PRINCIPAL_BYTES && strspn(name, allowed) == len;
}

/* The text of a name without NUL bytes inside, or NULL. */
static const char *plain_text(const ASN1_STRING *s)
{
    const char *text = (const char *)ASN1_STRING_get0_data(s);
    return strlen(text) == (size_t)ASN1_STRING_length(s) ? text : NULL;
}

/* 1: found, 0: there is none of ours, -1. */
static int find_uri(const GENERAL_NAMES *names, char *principal, struct err *err)
{
    int found = 0;
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        if (name->type != GEN_URI)
            continue;
        const char *uri = plain_text(name->d.uniformResourceIdentifier);
        if (!uri)
            return err_set(err, ERR_UNAUTHENTICATED, "the certificate has a NUL in a name");
        if (strncmp(uri, uri_prefix, sizeof(uri_prefix) - 1) != 0)
            continue;
        const char *text = uri + sizeof(uri_prefix) - 1;
        if (found || !tls_principal_is_valid(text))
            return err_set(err, ERR_UNAUTHENTICATED,
                           found ? "the certificate names two principals"
                                 : "the certificate's principal is no valid name");
        strcpy(principal, text);
        found = 1;
    }
    return found;
}

static bool map_name(const struct tls_context *context, enum tls_name_kind kind,
                     const ASN1_STRING *s, char *principal)
{
    const char *text = s ? plain_text(s) : NULL;
    return text && context->name && context->name(context->arg, kind, text, principal) &&
           tls_principal_is_valid(principal);
}

static bool map_names(const struct tls_context *context, X509 *certificate,
                      const GENERAL_NAMES *names, char *principal)
{
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        if (name->type == GEN_DNS && map_name(context, TLS_NAME_DNS, name->d.dNSName, principal))
            return true;
    }
    const X509_NAME *subject = X509_get_subject_name(certificate);
    int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
    return at >= 0 &&
           map_name(context, TLS_NAME_COMMON,
                    X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)), principal);
}

static bool is_own_ca(const struct tls_context *context, const X509 *ca)
{
    for (int i = 0; ca && i < sk_X509_num(context->own_cas); i++)
        if (X509_cmp(sk_X509_value(context->own_cas, i), ca) == 0)
            return true;
    return false;
}

static int find_principal(const struct tls_context *context, X509 *certificate, const X509 *ca,
                          struct tls_identity *identity, struct err *err)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    int found = find_uri(names, identity->principal, err);
    if (found > 0 && !is_own_ca(context, ca))
        found = err_set(err, ERR_UNAUTHENTICATED,
                        "the certificate names a principal, which its CA may not");
    identity->mapped = found == 0;
    if (found == 0 && !map_names(context, certificate, names, identity->principal))
        found = err_set(err, ERR_UNAUTHENTICATED, "the certificate names no principal");
    GENERAL_NAMES_free(names);
    return found < 0 ? -1 : 0;
}

static int set_serial(struct tls_identity *identity, const X509 *certificate)
{
    const ASN1_INTEGER *serial = X509_get0_serialNumber(certificate);
    int n = ASN1_STRING_length(serial);
    if (n > (TLS_SERIAL_BYTES - 2) / 2)
        return -1;
    for (int i = 0; i < n; i++)
        snprintf(identity->serial + 2 * i, 3, "%02x", ASN1_STRING_get0_data(serial)[i]);
    return 0;
}

static int set_key_hash(struct tls_identity *identity, X509 *certificate)
{
    uint8_t *der = NULL;
    int len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &der);
    int ok =
        len > 0 && EVP_Digest(der, (size_t)len, identity->key_sha256, NULL, EVP_sha256(), NULL);
    OPENSSL_free(der);
    return ok ? 0 : -1;
}

int tls_identity_of(const struct tls_context *context, X509 *certificate, X509 *ca,
                    struct tls_identity *identity, struct err *err)
{
    bool self_signed = identity->self_signed;
    *identity = (struct tls_identity){.self_signed = self_signed};
    if (set_serial(identity, certificate) < 0)
        return err_set(err, ERR_UNAUTHENTICATED, "the certificate's serial number is too long");
    if (set_key_hash(identity, certificate) < 0 ||
        tls_seconds(X509_get0_notAfter(certificate), &identity->ends_s) < 0)
        return err_set(err, ERR_UNAUTHENTICATED, "the certificate cannot be read");
    return self_signed ? 0 : find_principal(context, certificate, ca, identity, err);
}
