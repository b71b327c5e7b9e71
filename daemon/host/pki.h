/* The host's own certificate authority: files in a folder, and certificates signed with it.
 *
 *   ca.pem ca.key          the CA, ten years; the key never leaves. Earlier certificates of it may
 *                          follow: same name, same key
 *   server.pem server.key  what TLS clients see: certificate, then the CA's
 *   crl.pem                a revocation list, if the administrator puts one there
 *   listen                 where to listen (written by auth init)
 *
 * All of it is 0600 in a folder of 0700. Blocking, but short: a P-256 signature and small files. */
#ifndef BANGER_DAEMON_HOST_PKI_H
#define BANGER_DAEMON_HOST_PKI_H

#include <stddef.h>
#include <stdint.h>

struct err;

enum { PKI_HASH_BYTES = 32, PKI_SERIAL_BYTES = 44, PKI_CSR_BYTES_MAX = 16 << 10 };

struct pki; /* a CA in memory */

/* Makes what is missing in folder: the CA once, the server's certificate whenever asked, for the
 * host's names and addresses and those given. now_s: seconds since 1970. A crash at any point
 * leaves files that belong together, or a folder that the next time completes. */
int pki_init(const char *folder, const char *const *names, size_t n_names, int64_t now_s,
             struct err *err);

enum { PKI_RENEWED_CA = 1, PKI_RENEWED_SERVER = 2 };

/* What this CA made for the host itself is made anew when no more than a third of its time is left,
 * with the same names: the CA's certificate with the same key, the server's with a new one.
 * *renewed says which. Nothing is done without a CA, or while its time has not come. */
int pki_renew(const char *folder, int64_t now_s, unsigned *renewed, struct err *err);

/* ERR_PRECONDITION with the reason where a file is missing, empty, unreadable or no CA. */
struct pki *pki_open(const char *folder, struct err *err);
void pki_close(struct pki *pki);

/* PEM texts, borrowed; crl NULL where there is none. */
const char *pki_ca_pem(const struct pki *pki);
const char *pki_server_pem(const struct pki *pki);
const char *pki_server_key_pem(const struct pki *pki);
const char *pki_crl_pem(const struct pki *pki);
void pki_ca_hash(const struct pki *pki, uint8_t hash[PKI_HASH_BYTES]);

struct pki_certificate {
    uint8_t *der, *ca_der; /* owned; ca_der: of the CA that signed it */
    size_t der_len, ca_der_len;
    char serial[PKI_SERIAL_BYTES]; /* lower-case hex */
    int64_t not_after_s;
};

void pki_certificate_done(struct pki_certificate *certificate);

/* A client's certificate for principal with the request's key; nothing else of the request counts,
 * but that it proves the key. ERR_INVALID for a bad request. */
int pki_sign(const struct pki *pki, const void *csr_der, size_t csr_len, const char *principal,
             struct pki_certificate *certificate, struct err *err);

#endif
