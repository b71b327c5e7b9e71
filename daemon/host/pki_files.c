/* Reading and writing the PKI's files; see pki_files.h. */
#include "daemon/host/pki_files.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fs.h"
#include "daemon/host/pki_x509.h"

enum { KEYS_MAX = 8 };

static void path_of(char path[PKI_PATH_BYTES], const char *folder, const char *file)
{
    snprintf(path, PKI_PATH_BYTES, "%.600s/%s", folder, file);
}

static int precondition(struct err *err)
{
    if (err)
        err->code = ERR_PRECONDITION;
    return -1;
}

bool pki_has_file(const char *folder, const char *file)
{
    char path[PKI_PATH_BYTES];
    path_of(path, folder, file);
    return access(path, F_OK) == 0;
}

int pki_read_text(const char *folder, const char *file, char **text, struct err *err)
{
    char path[PKI_PATH_BYTES];
    size_t len = 0;
    path_of(path, folder, file);
    if (fs_read_own(path, PKI_FILE_BYTES_MAX, text, &len, err) < 0)
        return precondition(err);
    return len > 0 ? 0 : err_set(err, ERR_PRECONDITION, "%s is empty", path);
}

void pki_free_secret(char *text)
{
    if (text)
        OPENSSL_cleanse(text, strlen(text));
    free(text);
}

X509 *pki_parse_certificate(const char *pem)
{
    BIO *bio = pem ? BIO_new_mem_buf(pem, -1) : NULL;
    X509 *x = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
    BIO_free(bio);
    return x;
}

EVP_PKEY *pki_find_key(const char *pem, X509 *certificate)
{
    BIO *bio = pem ? BIO_new_mem_buf(pem, -1) : NULL;
    EVP_PKEY *key = NULL;
    for (int i = 0; bio && i < KEYS_MAX; i++) {
        key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
        if (!key || X509_check_private_key(certificate, key) == 1)
            break;
        EVP_PKEY_free(key);
        key = NULL;
    }
    BIO_free(bio);
    return key;
}

void pki_ca_done(struct pki_ca *ca)
{
    for (size_t i = 0; i < ca->n; i++)
        X509_free(ca->all[i]);
    EVP_PKEY_free(ca->key);
    *ca = (struct pki_ca){.n = 0};
}

int pki_ca_parse(struct pki_ca *ca, const char *certificates_pem, const char *key_pem,
                 struct err *err)
{
    *ca = (struct pki_ca){.n = 0};
    BIO *bio = BIO_new_mem_buf(certificates_pem, -1);
    while (bio && ca->n < PKI_CAS_MAX &&
           (ca->all[ca->n] = PEM_read_bio_X509(bio, NULL, NULL, NULL)))
        ca->n++;
    BIO_free(bio);
    if (ca->n == 0) {
        pki_error(err, "ca.pem holds no certificate");
        return precondition(err);
    }
    ERR_clear_error(); /* there were no more than those */
    ca->key = pki_find_key(key_pem, ca->all[0]);
    if (!ca->key) {
        pki_error(err, "ca.key is not the key of ca.pem");
        pki_ca_done(ca);
        return precondition(err);
    }
    return 0;
}

int pki_ca_read(struct pki_ca *ca, const char *folder, struct err *err)
{
    char *certificates = NULL, *key = NULL;
    *ca = (struct pki_ca){.n = 0};
    int rv = pki_read_text(folder, "ca.pem", &certificates, err) == 0 &&
                     pki_read_text(folder, "ca.key", &key, err) == 0
                 ? pki_ca_parse(ca, certificates, key, err)
                 : -1;
    free(certificates);
    pki_free_secret(key);
    return rv;
}

static int write_bio(const char *folder, const char *file, BIO *bio, bool ok, struct err *err)
{
    char path[PKI_PATH_BYTES], *data;
    path_of(path, folder, file);
    long len = ok ? BIO_get_mem_data(bio, &data) : 0;
    int rv = ok ? fs_write_atomic(path, data, (size_t)len, 0600, err) : pki_error(err, path);
    BIO_free(bio);
    return rv;
}

int pki_write_certificates(const char *folder, const char *file, X509 *const *all, size_t n,
                           struct err *err)
{
    BIO *bio = BIO_new(BIO_s_mem());
    bool ok = bio != NULL;
    for (size_t i = 0; ok && i < n; i++)
        ok = PEM_write_bio_X509(bio, all[i]) == 1;
    return write_bio(folder, file, bio, ok, err);
}

int pki_write_keys(const char *folder, const char *file, EVP_PKEY *const *all, size_t n,
                   struct err *err)
{
    BIO *bio = BIO_new(BIO_s_secmem());
    bool ok = bio != NULL;
    for (size_t i = 0; ok && i < n; i++)
        ok = PEM_write_bio_PKCS8PrivateKey(bio, all[i], NULL, NULL, 0, NULL, NULL) == 1;
    return write_bio(folder, file, bio, ok, err);
}
