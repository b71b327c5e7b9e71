/* What certificates and revocation lists say of time, told with both times: whoever reads it sees
 * whether the thing or the clock is wrong. See tls_internal.h. */
#include <openssl/x509v3.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "rpc/wire/tls_internal.h"

enum { TIME_BYTES = 40, NAME_BYTES_MAX = 80 };

int tls_seconds(const ASN1_TIME *time, int64_t *seconds)
{
    struct tm tm;
    if (!ASN1_TIME_to_tm(time, &tm))
        return -1;
    *seconds = timegm(&tm);
    return 0;
}

static void time_text(char text[TIME_BYTES], const struct tm *tm)
{
    if (!strftime(text, TIME_BYTES, "%Y-%m-%d %H:%M:%S UTC", tm))
        strcpy(text, "?");
}

static int tell(struct err *err, enum err_code code, const char *what, const char *how,
                const ASN1_TIME *at)
{
    char then[TIME_BYTES], now[TIME_BYTES];
    struct tm tm = {.tm_mday = 1};
    time_t clock = time(NULL);
    if (ASN1_TIME_to_tm(at, &tm))
        time_text(then, &tm);
    else
        strcpy(then, "a time that is none");
    gmtime_r(&clock, &tm);
    time_text(now, &tm);
    return err_set(err, code, "%s %s %s, and the clock here says %s", what, how, then, now);
}

int tls_expired(struct err *err, enum err_code code, const char *what, const ASN1_TIME *ended)
{
    return tell(err, code, what, "has expired: it ended at", ended);
}

int tls_early(struct err *err, enum err_code code, const char *what, const ASN1_TIME *begins)
{
    return tell(err, code, what, "is not yet valid: it begins at", begins);
}

/* "revocation list of the CA \"NAME\"". */
static void list_name(char what[NAME_BYTES_MAX + 40], const X509_NAME *issuer)
{
    char name[NAME_BYTES_MAX] = "";
    X509_NAME_get_text_by_NID((X509_NAME *)(uintptr_t)issuer, NID_commonName, name, sizeof(name));
    snprintf(what, NAME_BYTES_MAX + 40, "the revocation list of the CA \"%s\"", name);
}

bool tls_tell_dates(X509_STORE_CTX *store, struct err *why)
{
    char list[NAME_BYTES_MAX + 40];
    const X509 *x = X509_STORE_CTX_get_current_cert(store);
    const X509_CRL *crl = X509_STORE_CTX_get0_current_crl(store);
    const char *what = X509_STORE_CTX_get_error_depth(store) > 0 ? "its CA's certificate" : "it";
    switch (X509_STORE_CTX_get_error(store)) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
        tls_expired(why, ERR_UNAUTHENTICATED, what, X509_get0_notAfter(x));
        return false;
    case X509_V_ERR_CERT_NOT_YET_VALID:
        tls_early(why, ERR_UNAUTHENTICATED, what, X509_get0_notBefore(x));
        return false;
    case X509_V_ERR_CRL_HAS_EXPIRED:
        list_name(list, X509_CRL_get_issuer(crl));
        tls_expired(why, ERR_UNAUTHENTICATED, list, X509_CRL_get0_nextUpdate(crl));
        return true;
    case X509_V_ERR_CRL_NOT_YET_VALID:
        list_name(list, X509_CRL_get_issuer(crl));
        tls_early(why, ERR_UNAUTHENTICATED, list, X509_CRL_get0_lastUpdate(crl));
        return true;
    case X509_V_ERR_UNABLE_TO_GET_CRL:
        list_name(list, X509_get_issuer_name(x));
        err_set(why, ERR_UNAUTHENTICATED, "%s is missing, and there are others", list);
        return true;
    default:
        return false;
    }
}
