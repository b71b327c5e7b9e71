/* The host's CA: made once, never replaced when broken, signs what it should and nothing else; and
 * that a TLS server takes who it signed. */
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <sys/stat.h>
#include <time.h>

#include "base/err.h"
#include "base/fs.h"
#include "daemon/host/pki.h"
#include "rpc/wire/tls_token.h"
#include "tests/support/check.h"
#include "tests/unit/rpc/tls_pair.h"

static char dir[64], folder[96];

static void path_of(char path[160], const char *file)
{
    snprintf(path, 160, "%s/%s", folder, file);
}

/* A signing request of a fresh key; the key as PEM. */
static int make_request(uint8_t **der, char **key_pem, const char *curve)
{
    EVP_PKEY *key = curve ? EVP_EC_gen(curve) : EVP_RSA_gen(1024);
    X509_REQ *request = X509_REQ_new();
    X509_REQ_set_pubkey(request, key);
    CHECK(X509_REQ_sign(request, key, EVP_sha256()) > 0);
    *der = NULL;
    int len = i2d_X509_REQ(request, der);
    if (key_pem) {
        char *data;
        BIO *bio = BIO_new(BIO_s_mem());
        CHECK(PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL));
        long n = BIO_get_mem_data(bio, &data);
        *key_pem = strndup(data, (size_t)n);
        BIO_free(bio);
    }
    X509_REQ_free(request);
    EVP_PKEY_free(key);
    return len;
}

static char *to_pem(const uint8_t *der, size_t len)
{
    char *data;
    const uint8_t *at = der;
    X509 *x = d2i_X509(NULL, &at, (long)len);
    BIO *bio = BIO_new(BIO_s_mem());
    CHECK(x && PEM_write_bio_X509(bio, x));
    long n = BIO_get_mem_data(bio, &data);
    char *text = strndup(data, (size_t)n);
    BIO_free(bio);
    X509_free(x);
    return text;
}

static struct pki *open_pki(void)
{
    struct err err = ERR_INIT;
    struct pki *pki = pki_open(folder, &err);
    CHECK_STR(err.message, "");
    return pki;
}

static void test_init(void)
{
    static const char *const names[] = {"box.example", "192.0.2.7", "2001:db8::7"};
    static const char *const bad[] = {"", "a b", "x,DNS:evil.example", "x\nDNS:y", "*.example"};
    uint8_t first[PKI_HASH_BYTES], second[PKI_HASH_BYTES];
    struct err err = ERR_INIT;
    struct stat st;
    char path[160];
    CHECK_INT(pki_init(folder, names, 3, time(NULL), &err), 0);
    CHECK_STR(err.message, "");
    CHECK_INT(stat(folder, &st), 0);
    CHECK_INT(st.st_mode & 0777, 0700);
    static const char *const files[] = {"ca.pem", "ca.key", "server.pem", "server.key"};
    for (size_t i = 0; i < 4; i++) {
        path_of(path, files[i]);
        CHECK_INT(stat(path, &st), 0);
        CHECK_INT(st.st_mode & 0777, 0600);
    }
    struct pki *pki = open_pki();
    pki_ca_hash(pki, first);
    char *server = strdup(pki_server_pem(pki));
    pki_close(pki);
    CHECK_INT(pki_init(folder, names, 3, time(NULL), &err),
              0); /* the CA stays, the server's is renewed */
    pki = open_pki();
    pki_ca_hash(pki, second);
    CHECK(memcmp(first, second, sizeof(first)) == 0);
    CHECK(strcmp(server, pki_server_pem(pki)) != 0);
    free(server);
    pki_close(pki);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        CHECK_INT(pki_init(folder, &bad[i], 1, time(NULL), &err), -1);
        CHECK_INT(err.code, ERR_INVALID);
    }
}

/* A handshake between the host's server and a client of this certificate and key. */
static void shake(const struct pki *pki, const char *certificate, const char *key, const char *host,
                  const char *principal)
{
    const struct tls_config server = {.server = true,
                                      .certificate_pem = pki_server_pem(pki),
                                      .key_pem = pki_server_key_pem(pki),
                                      .ca_pem = pki_ca_pem(pki)};
    const struct tls_config client = {
        .certificate_pem = certificate, .key_pem = key, .ca_pem = pki_ca_pem(pki)};
    struct tls_pair p;
    struct err err = ERR_INIT;
    CHECK_INT(tls_pair_open(&p, &server, &client, host, &err), 0);
    tls_pair_run(&p);
    CHECK(tls_is_ready(p.client.tls) == (principal != NULL) || p.client.failed);
    CHECK_INT(tls_is_ready(p.server.tls), principal != NULL);
    if (principal)
        CHECK_STR(tls_peer(p.server.tls)->principal, principal);
    tls_pair_close(&p);
}

static void test_sign(void)
{
    struct pki *pki = open_pki();
    struct pki_certificate certificate;
    struct err err = ERR_INIT;
    uint8_t *csr;
    char *key;
    int len = make_request(&csr, &key, "P-256");
    CHECK_INT(pki_sign(pki, csr, (size_t)len, "alice@example.org", &certificate, &err), 0);
    CHECK_INT(strlen(certificate.serial), 32);
    char *pem = to_pem(certificate.der, certificate.der_len);
    shake(pki, pem, key, "box.example", "alice@example.org");
    shake(pki, pem, key, "192.0.2.7", "alice@example.org");
    shake(pki, pem, key, "other.example", NULL);
    /* The server's own certificate is good for no client. */
    shake(pki, pki_server_pem(pki), pki_server_key_pem(pki), "box.example", NULL);
    free(pem);
    pki_certificate_done(&certificate);
    csr[len - 3] ^= 1; /* the signature is not of that key any more */
    CHECK_INT(pki_sign(pki, csr, (size_t)len, "alice", &certificate, &err), -1);
    CHECK_INT(err.code, ERR_INVALID);
    CHECK_INT(pki_sign(pki, csr, (size_t)len - 1, "alice", &certificate, &err), -1);
    CHECK_INT(pki_sign(pki, csr, 0, "alice", &certificate, &err), -1);
    CHECK_INT(pki_sign(pki, csr, PKI_CSR_BYTES_MAX + 1, "alice", &certificate, &err), -1);
    OPENSSL_free(csr);
    free(key);
    len = make_request(&csr, NULL, NULL); /* RSA of 1024 bits */
    CHECK_INT(pki_sign(pki, csr, (size_t)len, "alice", &certificate, &err), -1);
    CHECK_INT(err.code, ERR_INVALID);
    OPENSSL_free(csr);
    pki_close(pki);
}

static void test_broken(void)
{
    struct err err = ERR_INIT;
    char path[160], *kept;
    size_t len;
    path_of(path, "ca.pem");
    CHECK_INT(fs_read(path, 1 << 20, &kept, &len, &err), 0);
    CHECK_INT(fs_write_atomic(path, "", 0, 0600, &err), 0);
    CHECK(pki_open(folder, &err) == NULL);
    CHECK_INT(err.code, ERR_PRECONDITION);
    CHECK_CONTAINS(err.message, "ca.pem is empty");
    CHECK_INT(pki_init(folder, NULL, 0, time(NULL), &err),
              -1); /* never replaced: clients trust it */
    CHECK_CONTAINS(err.message, "cannot be read");
    CHECK_INT(fs_write_atomic(path, kept, len, 0600, &err), 0);
    free(kept);
    path_of(path, "ca.key");
    CHECK_INT(fs_read(path, 1 << 20, &kept, &len, &err), 0);
    CHECK_INT(remove(path), 0);
    CHECK(pki_open(folder, &err) == NULL);
    CHECK_CONTAINS(err.message, "ca.key");
    struct cert other = cert_make(NULL, &(struct cert_spec){0});
    CHECK_INT(fs_write_atomic(path, other.key, strlen(other.key), 0600, &err), 0);
    CHECK(pki_open(folder, &err) == NULL);
    CHECK_CONTAINS(err.message, "not the key of ca.pem");
    CHECK_INT(fs_write_atomic(path, kept, len, 0600, &err), 0);
    cert_done(&other);
    free(kept);
}

static int admit(void *arg, const struct tls_identity *peer, struct err *err)
{
    if (peer->self_signed && memcmp(peer->key_sha256, arg, TLS_HASH_BYTES) == 0)
        return 0;
    return err_set(err, ERR_UNAUTHENTICATED, "no such token");
}

/* Both sides make the same of a token, without it ever being sent. */
static void test_token(void)
{
    struct pki *pki = open_pki();
    struct err err = ERR_INIT;
    uint8_t ca[PKI_HASH_BYTES], key[TLS_HASH_BYTES], other[TLS_HASH_BYTES];
    char text[TLS_TOKEN_BYTES], text2[TLS_TOKEN_BYTES];
    struct tls_token token;
    struct tls_pair p;
    pki_ca_hash(pki, ca);
    CHECK_INT(tls_token_make(ca, text, key, &err), 0);
    CHECK_INT(tls_token_make(ca, text2, other, &err), 0);
    CHECK(strcmp(text, text2) != 0 && memcmp(key, other, sizeof(key)) != 0);
    CHECK_INT(strlen(text), 91);
    CHECK_INT(tls_token_open(&token, text, &err), 0);
    CHECK(memcmp(token.ca_sha256, ca, sizeof(ca)) == 0);
    struct tls_config server = {.server = true,
                                .certificate_pem = pki_server_pem(pki),
                                .key_pem = pki_server_key_pem(pki),
                                .ca_pem = pki_ca_pem(pki),
                                .admit = admit,
                                .arg = key};
    const struct tls_config client = {.certificate_pem = token.certificate_pem,
                                      .key_pem = token.key_pem,
                                      .pin_sha256 = token.ca_sha256};
    CHECK_INT(tls_pair_open(&p, &server, &client, "box.example", &err), 0);
    tls_pair_run(&p);
    CHECK(tls_is_ready(p.server.tls) && tls_is_ready(p.client.tls));
    tls_pair_close(&p);
    server.arg = other;
    CHECK_INT(tls_pair_open(&p, &server, &client, "box.example", &err), 0);
    tls_pair_run(&p);
    CHECK(!tls_is_ready(p.server.tls));
    CHECK_INT(p.client.err.code, ERR_UNAUTHENTICATED);
    tls_pair_close(&p);
    tls_token_done(&token);
    static const char *const bad[] = {"", "bgr1.", "bgr2.AAAA", "hello", "bgr1.AAAA", "bgr1.!"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        CHECK_INT(tls_token_open(&token, bad[i], &err), -1);
    text[90] = '\0';
    CHECK_INT(tls_token_open(&token, text, &err), -1);
    CHECK_INT(err.code, ERR_INVALID);
    pki_close(pki);
}

int main(void)
{
    snprintf(dir, sizeof(dir), "/tmp/banger-pki.XXXXXX");
    CHECK(mkdtemp(dir) != NULL);
    snprintf(folder, sizeof(folder), "%s/pki", dir);
    RUN(test_init);
    RUN(test_sign);
    RUN(test_broken);
    RUN(test_token);
    CHECK_INT(fs_remove_tree(dir, NULL), 0);
    return check_end();
}
