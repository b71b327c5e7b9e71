/* The server's certificate and key: made, and renewed before they end; see pki.h.
 *
 * Two files cannot be replaced at once. server.key gets the new key before the old one, server.pem
 * the new certificate, then server.key the new key alone: whatever step is the last, the key of the
 * certificate is there. */
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdlib.h>

#include "base/err.h"
#include "daemon/host/pki.h"
#include "daemon/host/pki_dates.h"
#include "daemon/host/pki_files.h"
#include "daemon/host/pki_make.h"

enum { SERVER_DAYS = 825 };

/* The certificate that is there and its key, or NULLs. */
static void read_pair(const char *folder, X509 **certificate, EVP_PKEY **key)
{
    char *text = NULL, *secret = NULL;
    *key = NULL;
    *certificate =
        pki_has_file(folder, "server.pem") && pki_read_text(folder, "server.pem", &text, NULL) == 0
            ? pki_parse_certificate(text)
            : NULL;
    if (*certificate && pki_read_text(folder, "server.key", &secret, NULL) == 0)
        *key = pki_find_key(secret, *certificate);
    free(text);
    pki_free_secret(secret);
    ERR_clear_error();
}

static int replace_pair(const char *folder, X509 *certificate, EVP_PKEY *key, EVP_PKEY *old_key,
                        const struct pki_ca *ca, struct err *err)
{
    EVP_PKEY *keys[] = {key, old_key};
    X509 *chain[1 + PKI_CAS_MAX] = {certificate};
    for (size_t i = 0; i < ca->n; i++)
        chain[1 + i] = ca->all[i];
    if (pki_write_keys(folder, "server.key", keys, old_key ? 2 : 1, err) < 0 ||
        pki_write_certificates(folder, "server.pem", chain, 1 + ca->n, err) < 0)
        return -1;
    return old_key ? pki_write_keys(folder, "server.key", keys, 1, err) : 0;
}

int pki_make_server(const char *folder, const struct pki_spec *names, const struct pki_ca *ca,
                    struct err *err)
{
    struct pki_spec spec = *names;
    X509 *old = NULL;
    EVP_PKEY *old_key = NULL, *key = EVP_EC_gen("P-256");
    spec.purpose = "serverAuth";
    spec.days = SERVER_DAYS;
    X509 *x = key ? pki_make_certificate(&spec, key, ca->all[0], ca->key, err) : NULL;
    if (!key)
        pki_error(err, "cannot make a key");
    read_pair(folder, &old, &old_key);
    int rv = x ? replace_pair(folder, x, key, old_key, ca, err) : -1;
    X509_free(x);
    X509_free(old);
    EVP_PKEY_free(key);
    EVP_PKEY_free(old_key);
    return rv;
}

static bool is_due(X509 *x, int64_t now_s)
{
    struct pki_dates dates;
    return pki_dates_of_x509(x, &dates) == 0 &&
           (pki_is_ending(&dates, now_s) || pki_when(&dates, now_s) == PKI_NOT_YET);
}

/* What the administrator has put there is left alone: it is signed by another. */
static int renew_server(const char *folder, const struct pki_ca *ca, bool ca_is_new, int64_t now_s,
                        unsigned *renewed, struct err *err)
{
    X509 *x = NULL;
    EVP_PKEY *key = NULL;
    int rv = 0;
    read_pair(folder, &x, &key);
    bool ours = x && X509_verify(x, ca->key) == 1;
    ERR_clear_error();
    if (ours && (!key || ca_is_new || is_due(x, now_s))) {
        rv = pki_make_server(folder, &(struct pki_spec){.like = x, .now_s = now_s}, ca, err);
        *renewed |= rv == 0 ? PKI_RENEWED_SERVER : 0;
    }
    X509_free(x);
    EVP_PKEY_free(key);
    return rv;
}

int pki_renew(const char *folder, int64_t now_s, unsigned *renewed, struct err *err)
{
    struct pki_ca ca;
    bool ca_is_new = false;
    *renewed = 0;
    if (!pki_has_file(folder, "ca.pem"))
        return 0;
    if (pki_ca_read(&ca, folder, err) < 0)
        return -1;
    struct pki_dates dates;
    int rv = pki_dates_of_x509(ca.all[0], &dates);
    /* A CA of the future: the clock is wrong, and what is made by it would be, too. */
    if (rv < 0 || pki_when(&dates, now_s) == PKI_NOT_YET)
        goto end;
    rv = pki_renew_ca(folder, &ca, now_s, &ca_is_new, err);
    *renewed |= ca_is_new ? PKI_RENEWED_CA : 0;
    if (rv == 0)
        rv = renew_server(folder, &ca, ca_is_new, now_s, renewed, err);
end:
    pki_ca_done(&ca);
    return rv;
}
