/* Every allocation of a TLS handshake and exchange failed in turn, ours and OpenSSL's, with
 * certificates and with a token, from its making on: both sides end with an error or succeed,
 * nothing crashes. */
#include <openssl/crypto.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>

#include "rpc/wire/tls_token.h"
#include "tests/support/check.h"
#include "tests/unit/rpc/tls_pair.h"

enum { MAX_ALLOCATIONS = 100000, STRIDE_FROM = 200, STRIDE = 61 };

static size_t n_allocations, fail_at;

static bool fails(void)
{
    return ++n_allocations == fail_at;
}

static void *test_malloc(size_t n, const char *file, int line)
{
    (void)file;
    (void)line;
    return fails() ? NULL : malloc(n);
}

static void *test_realloc(void *p, size_t n, const char *file, int line)
{
    (void)file;
    (void)line;
    return fails() ? NULL : realloc(p, n);
}

static void test_free(void *p, const char *file, int line)
{
    (void)file;
    (void)line;
    free(p);
}

static struct tls_certs certs;
static char *chain; /* the server's certificate and the CA's, for who knows that by its hash */
static uint8_t ca_sha256[TLS_HASH_BYTES];

/* Lets in who has the token's key. */
static int admit(void *arg, const struct tls_identity *peer, struct err *err)
{
    if (peer->self_signed && memcmp(peer->key_sha256, arg, TLS_HASH_BYTES) == 0)
        return 0;
    return err_set(err, ERR_UNAUTHENTICATED, "not the token's key");
}

/* True when everything went well. token: it is the client's, instead of a certificate. */
static bool exchange(const struct tls_token *token, uint8_t key_sha256[TLS_HASH_BYTES])
{
    const struct tls_config server = {.server = true,
                                      .certificate_pem = chain,
                                      .key_pem = certs.server.key,
                                      .ca_pem = certs.ca.certificate,
                                      .admit = token ? admit : NULL,
                                      .arg = key_sha256};
    const struct tls_config client = {.certificate_pem =
                                          token ? token->certificate_pem : certs.client.certificate,
                                      .key_pem = token ? token->key_pem : certs.client.key,
                                      .ca_pem = token ? NULL : certs.ca.certificate,
                                      .pin_sha256 = token ? token->ca_sha256 : NULL};
    struct tls_pair p;
    struct err err = ERR_INIT;
    bool well = tls_pair_open(&p, &server, &client, "box.example", &err) == 0;
    if (well) {
        tls_pair_run(&p);
        well = tls_is_ready(p.client.tls) &&
               tls_send(p.client.tls, (const uint8_t *)"hello", 5, &p.client.cipher, &err) == 0;
        tls_pair_run(&p);
        well = well && buf_len(&p.server.plain) == 5;
        /* Refused is one thing, let in without having been looked at would be another. */
        if (tls_is_ready(p.server.tls))
            CHECK_STR(tls_peer(p.server.tls)->principal, token ? "" : "alice");
    } else {
        CHECK(err.code != ERR_NONE);
    }
    tls_pair_close(&p);
    return well;
}

static bool by_certificate(void)
{
    return exchange(NULL, NULL);
}

static bool by_token(void)
{
    uint8_t key[TLS_HASH_BYTES];
    char text[TLS_TOKEN_BYTES];
    struct tls_token token;
    struct err err = ERR_INIT;
    if (tls_token_make(ca_sha256, text, key, &err) < 0 || tls_token_open(&token, text, &err) < 0) {
        CHECK(err.code != ERR_NONE);
        return false;
    }
    bool well = exchange(&token, key);
    tls_token_done(&token);
    return well;
}

static void fail_each(bool (*scenario)(void))
{
    CHECK(scenario()); /* what OpenSSL makes once and keeps */
    size_t n_failed = 0, n_well = 0;
    bool done = false;
    for (size_t at = 1; at < MAX_ALLOCATIONS && !done; at += at < STRIDE_FROM ? 1 : STRIDE) {
        n_allocations = 0;
        fail_at = at;
        bool well = scenario();
        done = n_allocations < at;
        n_well += well;
        n_failed++;
        CHECK(well || !done);
    }
    fail_at = 0;
    CHECK(done);
    printf("%zu runs, %zu of them fine without\n", n_failed, n_well);
}

static void test_certificate(void)
{
    fail_each(by_certificate);
}

static void test_token(void)
{
    fail_each(by_token);
}

int main(void)
{
    CHECK(CRYPTO_set_mem_functions(test_malloc, test_realloc, test_free));
    tls_certs_make(&certs);
    cert_hash(&certs.ca, ca_sha256);
    CHECK(asprintf(&chain, "%s%s", certs.server.certificate, certs.ca.certificate) > 0);
    RUN(test_certificate);
    RUN(test_token);
    free(chain);
    tls_certs_done(&certs);
    return check_end();
}
