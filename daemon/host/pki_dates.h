/* When certificates and revocation lists count, by what is written in them. No clock in here: who
 * asks says what time it is. */
#ifndef BANGER_DAEMON_HOST_PKI_DATES_H
#define BANGER_DAEMON_HOST_PKI_DATES_H

#include <stdbool.h>
#include <stdint.h>

struct err;

enum { PKI_TIME_BYTES = 32 };

/* Seconds since 1970. Of several in one text: the latest beginning and the earliest end, so that
 * what is between them holds for all. */
struct pki_dates {
    int64_t begins_s;
    int64_t ends_s; /* INT64_MAX: a list that does not say */
};

enum pki_when { PKI_VALID, PKI_NOT_YET, PKI_EXPIRED };

enum pki_when pki_when(const struct pki_dates *dates, int64_t now_s);
/* No more than a third of the time is left. */
bool pki_is_ending(const struct pki_dates *dates, int64_t now_s);

/* Of all certificates (revocation lists) of a PEM text. -1, ERR_INVALID: there is none, or one that
 * cannot be read. */
int pki_dates_of_certificates(const char *pem, struct pki_dates *dates, struct err *err);
int pki_dates_of_lists(const char *pem, struct pki_dates *dates, struct err *err);
/* Of the first certificate alone. */
int pki_dates_of_first(const char *pem, struct pki_dates *dates, struct err *err);

/* "2031-02-03 04:05:06 UTC". Returns text. */
const char *pki_time_text(char text[PKI_TIME_BYTES], int64_t time_s);

#endif
