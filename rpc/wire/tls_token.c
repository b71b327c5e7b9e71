/* One-time tokens; see tls_token.h. */
#include "rpc/wire/tls_token.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/base64.h"
#include "rpc/wire/tls_internal.h"

enum { SECRET_BYTES = 32, CERTIFICATE_S = 24 * 3600, CLOCK_SKEW_S = 24 * 3600 };

static const char prefix[] = "bgr1."; /* says what it is, and its version */
static const char purpose[] = "banger enroll key";

struct content {
    uint8_t ca_sha256[TLS_HASH_BYTES];
    uint8_t secret[SECRET_BYTES];
};

/* URL-safe, as RFC 4648 5 has it: no shell or mail client breaks it. */
static void make_url_safe(char *text)
{
    for (; *text; text++)
        *text = *text == '+' ? '-' : *text == '/' ? '_' : *text;
}

static EVP_PKEY *derive_key(const uint8_t secret[SECRET_BYTES])
{
    uint8_t text[sizeof(purpose) + SECRET_BYTES], seed[TLS_HASH_BYTES];
    memcpy(text, purpose, sizeof(purpose));
    memcpy(text + sizeof(purpose), secret, SECRET_BYTES);
    EVP_PKEY *key = NULL;
    if (EVP_Digest(text, sizeof(text), seed, NULL, EVP_sha256(), NULL))
        key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, sizeof(seed));
    OPENSSL_cleanse(text, sizeof(text));
    OPENSSL_cleanse(seed, sizeof(seed));
    return key;
}

static int hash_key(EVP_PKEY *key, uint8_t key_sha256[TLS_HASH_BYTES])
{
    uint8_t *der = NULL;
    int len = i2d_PUBKEY(key, &der);
    int ok = len > 0 && EVP_Digest(der, (size_t)len, key_sha256, NULL, EVP_sha256(), NULL);
    OPENSSL_free(der);
    return ok ? 0 : -1;
}

int tls_token_make(const uint8_t ca_sha256[TLS_HASH_BYTES], char text[TLS_TOKEN_BYTES],
                   uint8_t key_sha256[TLS_HASH_BYTES], struct err *err)
{
    struct content content;
    memcpy(content.ca_sha256, ca_sha256, TLS_HASH_BYTES);
    EVP_PKEY *key =
        RAND_bytes(content.secret, SECRET_BYTES) == 1 ? derive_key(content.secret) : NULL;
    int rv = key && hash_key(key, key_sha256) == 0
                 ? 0
                 : tls_openssl_error(err, ERR_INTERNAL, "cannot make a token");
    EVP_PKEY_free(key);
    memset(text, 0, TLS_TOKEN_BYTES);
    memcpy(text, prefix, sizeof(prefix) - 1);
    base64_encode(text + sizeof(prefix) - 1, (const uint8_t *)&content, sizeof(content));
    make_url_safe(text);
    OPENSSL_cleanse(&content, sizeof(content));
    return rv;
}

static int decode(const char *text, struct content *content)
{
    size_t len = strlen(text), head = sizeof(prefix) - 1;
    if (len >= TLS_TOKEN_BYTES || strncmp(text, prefix, head) != 0)
        return -1;
    ssize_t n = base64_decode((uint8_t *)content, sizeof(*content), text + head, len - head);
    return n == (ssize_t)sizeof(*content) ? 0 : -1;
}

/* Writes with the PEM function that is given; NULL: out of memory. */
static char *to_pem(X509 *certificate, EVP_PKEY *key)
{
    char *data, *text = NULL;
    BIO *bio = BIO_new(BIO_s_mem());
    int ok = bio && (certificate ? PEM_write_bio_X509(bio, certificate)
                                 : PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL));
    if (ok) {
        long len = BIO_get_mem_data(bio, &data);
        text = strndup(data, (size_t)len);
    }
    BIO_free(bio);
    return text;
}

static int self_sign(struct tls_token *token, EVP_PKEY *key)
{
    X509 *x = X509_new();
    X509_NAME *name = x ? X509_get_subject_name(x) : NULL;
    if (x && X509_set_version(x, X509_VERSION_3) && ASN1_INTEGER_set(X509_get_serialNumber(x), 1) &&
        X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const uint8_t *)"enroll", -1, -1,
                                   0) &&
        X509_set_issuer_name(x, name) && X509_gmtime_adj(X509_getm_notBefore(x), -CLOCK_SKEW_S) &&
        X509_gmtime_adj(X509_getm_notAfter(x), CERTIFICATE_S) && X509_set_pubkey(x, key) &&
        X509_sign(x, key, NULL)) {
        token->certificate_pem = to_pem(x, NULL);
        token->key_pem = to_pem(NULL, key);
    }
    X509_free(x);
    return token->certificate_pem && token->key_pem ? 0 : -1;
}

int tls_token_open(struct tls_token *token, const char *text, struct err *err)
{
    struct content content;
    *token = (struct tls_token){0};
    if (decode(text, &content) < 0)
        return err_set(err, ERR_INVALID, "that is no token: it begins with %s and has 91 letters",
                       prefix);
    memcpy(token->ca_sha256, content.ca_sha256, TLS_HASH_BYTES);
    EVP_PKEY *key = derive_key(content.secret);
    int rv = key && self_sign(token, key) == 0
                 ? 0
                 : tls_openssl_error(err, ERR_INTERNAL, "cannot use the token");
    OPENSSL_cleanse(&content, sizeof(content));
    EVP_PKEY_free(key);
    if (rv < 0)
        tls_token_done(token);
    return rv;
}

void tls_token_done(struct tls_token *token)
{
    if (token->key_pem)
        OPENSSL_cleanse(token->key_pem, strlen(token->key_pem));
    free(token->certificate_pem);
    free(token->key_pem);
    *token = (struct tls_token){0};
}
