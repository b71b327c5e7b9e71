/* When certificates and lists count; see pki_dates.h. */
#include "daemon/host/pki_dates.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <string.h>
#include <time.h>

#include "base/err.h"
#include "daemon/host/pki_make.h"

enum { READ_MAX = 64 };

enum pki_when pki_when(const struct pki_dates *dates, int64_t now_s)
{
    if (now_s < dates->begins_s)
        return PKI_NOT_YET;
    return now_s > dates->ends_s ? PKI_EXPIRED : PKI_VALID;
}

bool pki_is_ending(const struct pki_dates *dates, int64_t now_s)
{
    return dates->ends_s != INT64_MAX &&
           dates->ends_s - now_s <= (dates->ends_s - dates->begins_s) / 3;
}

static int to_seconds(const ASN1_TIME *time, int64_t *time_s)
{
    struct tm tm;
    if (!ASN1_TIME_to_tm(time, &tm))
        return -1;
    *time_s = timegm(&tm);
    return 0;
}

/* Narrows *dates by these two. */
static int take(struct pki_dates *dates, const ASN1_TIME *begins, const ASN1_TIME *ends)
{
    int64_t begins_s, ends_s = INT64_MAX;
    if (to_seconds(begins, &begins_s) < 0 || (ends && to_seconds(ends, &ends_s) < 0))
        return -1;
    dates->begins_s = begins_s > dates->begins_s ? begins_s : dates->begins_s;
    dates->ends_s = ends_s < dates->ends_s ? ends_s : dates->ends_s;
    return 0;
}

int pki_dates_of_x509(X509 *x, struct pki_dates *dates)
{
    *dates = (struct pki_dates){.begins_s = INT64_MIN, .ends_s = INT64_MAX};
    return take(dates, X509_get0_notBefore(x), X509_get0_notAfter(x));
}

/* The next of a text: 1, 0 at its end, -1 for what cannot be read. */
static int take_next(BIO *bio, bool lists, struct pki_dates *dates)
{
    int rv = -1;
    if (lists) {
        X509_CRL *list = PEM_read_bio_X509_CRL(bio, NULL, NULL, NULL);
        if (list)
            rv = take(dates, X509_CRL_get0_lastUpdate(list), X509_CRL_get0_nextUpdate(list));
        X509_CRL_free(list);
        if (list)
            return rv < 0 ? -1 : 1;
    } else {
        X509 *x = PEM_read_bio_X509(bio, NULL, NULL, NULL);
        if (x)
            rv = take(dates, X509_get0_notBefore(x), X509_get0_notAfter(x));
        X509_free(x);
        if (x)
            return rv < 0 ? -1 : 1;
    }
    return ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE ? 0 : -1;
}

static int read_dates(const char *pem, bool lists, int max, struct pki_dates *dates,
                      struct err *err)
{
    int n = 0, rv = 1;
    *dates = (struct pki_dates){.begins_s = INT64_MIN, .ends_s = INT64_MAX};
    BIO *bio = BIO_new_mem_buf(pem, -1);
    ERR_clear_error();
    while (bio && n < max && (rv = take_next(bio, lists, dates)) > 0)
        n++;
    BIO_free(bio);
    ERR_clear_error();
    if (bio && rv >= 0 && n > 0)
        return 0;
    return err_set(err, ERR_INVALID, "%s",
                   lists ? "the revocation list cannot be read" : "no certificate can be read");
}

int pki_dates_of_certificates(const char *pem, struct pki_dates *dates, struct err *err)
{
    return read_dates(pem, false, READ_MAX, dates, err);
}

int pki_dates_of_lists(const char *pem, struct pki_dates *dates, struct err *err)
{
    return read_dates(pem, true, READ_MAX, dates, err);
}

int pki_dates_of_first(const char *pem, struct pki_dates *dates, struct err *err)
{
    return read_dates(pem, false, 1, dates, err);
}

const char *pki_time_text(char text[PKI_TIME_BYTES], int64_t time_s)
{
    time_t at = (time_t)time_s;
    struct tm tm;
    if (!gmtime_r(&at, &tm) || !strftime(text, PKI_TIME_BYTES, "%Y-%m-%d %H:%M:%S UTC", &tm))
        strcpy(text, "at a time that is none");
    return text;
}
