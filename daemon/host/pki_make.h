/* Inside of the PKI: what pki_init.c, pki_ca.c and pki_server.c share. */
#ifndef BANGER_DAEMON_HOST_PKI_MAKE_H
#define BANGER_DAEMON_HOST_PKI_MAKE_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/host/pki_files.h"
#include "daemon/host/pki_x509.h"

struct pki_dates;

int pki_dates_of_x509(X509 *x, struct pki_dates *dates);

/* The CA that is there, or a new one. A broken one is never replaced: every client trusts it. */
int pki_have_ca(const char *folder, const char *host, int64_t now_s, struct pki_ca *ca,
                struct err *err);
/* Signs it anew, with the same key and name, when a third of its time is left; *ca is that then. */
int pki_renew_ca(const char *folder, struct pki_ca *ca, int64_t now_s, bool *renewed,
                 struct err *err);
/* A new key and certificate, in use when it returns. names: names, or like; and now_s. */
int pki_make_server(const char *folder, const struct pki_spec *names, const struct pki_ca *ca,
                    struct err *err);

#endif
