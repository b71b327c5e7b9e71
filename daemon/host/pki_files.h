/* The PKI's files as OpenSSL objects. Blocking. */
#ifndef BANGER_DAEMON_HOST_PKI_FILES_H
#define BANGER_DAEMON_HOST_PKI_FILES_H

#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stdbool.h>
#include <stddef.h>

struct err;

enum { PKI_PATH_BYTES = 640, PKI_FILE_BYTES_MAX = 1 << 20, PKI_CAS_MAX = 3 };

/* The first in force, the others earlier ones with the same name and key, kept for clients that
 * know only those. */
struct pki_ca {
    X509 *all[PKI_CAS_MAX];
    size_t n;
    EVP_PKEY *key;
};

void pki_ca_done(struct pki_ca *ca);
/* Of texts. ERR_PRECONDITION with the reason: no certificate in it, not its key. */
int pki_ca_parse(struct pki_ca *ca, const char *certificates_pem, const char *key_pem,
                 struct err *err);
int pki_ca_read(struct pki_ca *ca, const char *folder, struct err *err);

bool pki_has_file(const char *folder, const char *file);
/* ERR_PRECONDITION for what is missing, empty or unreadable; caller frees, and cleanses a key. */
int pki_read_text(const char *folder, const char *file, char **text, struct err *err);
/* First of the text, or NULL. */
X509 *pki_parse_certificate(const char *pem);
/* The key among those of the text that is the certificate's, or NULL. There are two while the pair
 * is being replaced (pki_server.c). */
EVP_PKEY *pki_find_key(const char *pem, X509 *certificate);
void pki_free_secret(char *text);

/* Whole or not at all, on disk when they return. */
int pki_write_certificates(const char *folder, const char *file, X509 *const *all, size_t n,
                           struct err *err);
int pki_write_keys(const char *folder, const char *file, EVP_PKEY *const *all, size_t n,
                   struct err *err);

#endif
