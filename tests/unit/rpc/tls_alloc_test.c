/* Every allocation of a TLS handshake and exchange failed in turn, ours and OpenSSL's: both sides
 * end with an error or succeed, nothing crashes. */
#include <openssl/crypto.h>
#include <openssl/ssl.h>
#include <stdlib.h>

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

/* True when everything went well. */
static bool scenario(void)
{
    const struct tls_config server = {.server = true,
                                      .certificate_pem = certs.server.certificate,
                                      .key_pem = certs.server.key,
                                      .ca_pem = certs.ca.certificate};
    const struct tls_config client = {.certificate_pem = certs.client.certificate,
                                      .key_pem = certs.client.key,
                                      .ca_pem = certs.ca.certificate};
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
            CHECK_STR(tls_peer(p.server.tls)->principal, "alice");
    } else {
        CHECK(err.code != ERR_NONE);
    }
    tls_pair_close(&p);
    return well;
}

static void test_every_allocation(void)
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

int main(void)
{
    CHECK(CRYPTO_set_mem_functions(test_malloc, test_realloc, test_free));
    tls_certs_make(&certs);
    RUN(test_every_allocation);
    tls_certs_done(&certs);
    return check_end();
}
