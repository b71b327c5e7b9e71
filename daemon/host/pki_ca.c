/* The CA's certificate and key: made once, signed anew before it ends; see pki.h. */
#include <stdio.h>

#include "base/err.h"
#include "daemon/host/pki_dates.h"
#include "daemon/host/pki_make.h"

enum { CA_DAYS = 3650, CA_NAME_BYTES = 80 };

int pki_have_ca(const char *folder, const char *host, int64_t now_s, struct pki_ca *ca,
                struct err *err)
{
    char name[CA_NAME_BYTES];
    *ca = (struct pki_ca){.n = 0};
    if (pki_has_file(folder, "ca.pem")) {
        if (pki_ca_read(ca, folder, err) == 0)
            return 0;
        return err_wrap(err,
                        "the CA in %s cannot be read (bring it back from a backup, or remove "
                        "the folder, and enroll all clients anew)",
                        folder);
    }
    snprintf(name, sizeof(name), "banger CA %.60s", host);
    const struct pki_spec spec = {.common_name = name, .now_s = now_s, .days = CA_DAYS};
    ca->key = EVP_EC_gen("P-256");
    ca->all[0] = ca->key ? pki_make_certificate(&spec, ca->key, NULL, NULL, err) : NULL;
    if (!ca->key)
        pki_error(err, "cannot make a key");
    ca->n = ca->all[0] != NULL;
    /* The key first: ca.pem there means that both are. */
    if (ca->n == 1 && pki_write_keys(folder, "ca.key", &ca->key, 1, err) == 0 &&
        pki_write_certificates(folder, "ca.pem", ca->all, 1, err) == 0)
        return 0;
    pki_ca_done(ca);
    return -1;
}

/* In front; of the others those that count still, for clients and tokens that know only them. */
static void put_first(struct pki_ca *ca, X509 *x, int64_t now_s)
{
    struct pki_ca next = {.all = {x}, .n = 1, .key = ca->key};
    for (size_t i = 0; i < ca->n; i++) {
        struct pki_dates dates;
        bool counts =
            pki_dates_of_x509(ca->all[i], &dates) == 0 && pki_when(&dates, now_s) != PKI_EXPIRED;
        if (counts && next.n < PKI_CAS_MAX)
            next.all[next.n++] = ca->all[i];
        else
            X509_free(ca->all[i]);
    }
    *ca = next;
}

int pki_renew_ca(const char *folder, struct pki_ca *ca, int64_t now_s, bool *renewed,
                 struct err *err)
{
    struct pki_dates dates;
    *renewed = false;
    if (pki_dates_of_x509(ca->all[0], &dates) < 0 || !pki_is_ending(&dates, now_s))
        return 0;
    const struct pki_spec spec = {.like = ca->all[0],
                                  .now_s = now_s,
                                  .begins_s = dates.begins_s, /* a clock set back finds it valid */
                                  .days = CA_DAYS};
    X509 *x = pki_make_certificate(&spec, ca->key, NULL, NULL, err);
    if (!x)
        return -1;
    put_first(ca, x, now_s);
    if (pki_write_certificates(folder, "ca.pem", ca->all, ca->n, err) < 0)
        return -1;
    *renewed = true;
    return 0;
}
