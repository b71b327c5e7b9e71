/* TLS under load, against a server process: certificates and CAs change all the time without one
 * failed call, a thousand half-open connections cost nobody a call, bytes come one at a time, and
 * every refused peer is named in the log with the reason. */
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "tests/integration/rpc/dial.h"
#include "tests/integration/rpc/served_echo.h"
#include "tests/support/check.h"
#include "tests/unit/rpc/tls_pair.h"

#define ALICE "URI:banger://principal/alice"

enum {
    ROTATIONS = 60,
    HALF_OPEN = 1000,
    HANDSHAKES_MAX = 64,
    WARM_CALLS = 20,
    GROWTH_MAX_KIB = 64 << 10,
};

/* Freed memory is not kept for long: what is resident is what is in use, about. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "quarantine_size_mb=4:thread_local_quarantine_size_kb=64";
}

static struct tls_certs certs;
static struct served_echo server;
static struct honest honest;

static struct served_tls first_tls(void)
{
    return (struct served_tls){certs.server.certificate, certs.server.key, certs.ca.certificate,
                               NULL};
}

static size_t said(const char *what)
{
    const char *texts[] = {what, NULL};
    return served_echo_log_lines(&server, texts);
}

/* Two CAs: each change of the server's trust has the one that clients show next in it, as who rolls
 * a CA over does it; its certificate is another each time, signed by either. */
static void test_rotation(void)
{
    char *both = NULL;
    struct cert ca = cert_make(NULL, &(struct cert_spec){.common_name = "next", .ca = true});
    struct cert next = cert_make(&ca, &(struct cert_spec){.names = "IP:127.0.0.1"});
    struct cert renewed = cert_make(&certs.ca, &(struct cert_spec){.names = "IP:127.0.0.1"});
    struct cert bob = cert_make(&ca, &(struct cert_spec){.names = "URI:banger://principal/bob"});
    CHECK(asprintf(&both, "%s%s", certs.ca.certificate, ca.certificate) > 0);
    const struct served_tls tls[] = {
        {certs.server.certificate, certs.server.key, both, NULL},
        {next.certificate, next.key, both, NULL},
        {renewed.certificate, renewed.key, both, NULL},
    };
    served_echo_start(&server, &(struct rpc_server_config){0}, tls, 3);
    honest = (struct honest){.server = &server,
                             .ca_pem = both,
                             .certs = {&certs.client, &bob},
                             .calls_per_connection = 5};
    honest_start(&honest);
    for (int i = 0; i < ROTATIONS; i++) {
        CHECK_INT(kill(server.pid, SIGHUP), 0);
        if (!CHECK(honest_await(&honest, 2)))
            break;
    }
    honest_end(&honest, "rotations");
    printf(", %d of them\n", ROTATIONS);
    CHECK_INT(said("subject"), 0);
    CHECK(served_echo_stop(&server));
    struct cert *all[] = {&ca, &next, &renewed, &bob};
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        cert_done(all[i]);
    free(both);
}

/* Half of them have begun a hello, the others say nothing. Honest clients come and go beside. */
static void test_half_open(void)
{
    static struct dial half[HALF_OPEN];
    struct served_tls tls = first_tls();
    struct rlimit files;
    CHECK_INT(getrlimit(RLIMIT_NOFILE, &files), 0);
    files.rlim_cur = files.rlim_max;
    CHECK_INT(setrlimit(RLIMIT_NOFILE, &files), 0);
    served_echo_start(&server,
                      &(struct rpc_server_config){.max_handshakes = HANDSHAKES_MAX,
                                                  .handshake_timeout_ms = 60000},
                      &tls, 1);
    honest = (struct honest){.server = &server,
                             .ca_pem = certs.ca.certificate,
                             .certs = {&certs.client, &certs.client},
                             .calls_per_connection = 10,
                             /* Of too many who say nothing one goes by chance: who was held up
                              * between its connection and its hello may be that one. */
                             .redials = 5};
    honest_start(&honest);
    CHECK(honest_await(&honest, WARM_CALLS));
    server.base_kib = served_echo_peak_kib(&server);
    for (int i = 0; i < HALF_OPEN; i++) {
        dial_tls(&half[i], server.port, certs.ca.certificate, &certs.client);
        if (i % 2)
            CHECK(send(half[i].fd, buf_data(&half[i].out), 100, MSG_NOSIGNAL) == 100);
        if (i % 100 == 99)
            CHECK(honest_await(&honest, 2));
    }
    CHECK(honest_await(&honest, WARM_CALLS));
    size_t grown_kib = served_echo_grown_kib(&server, server.base_kib);
    honest_end(&honest, "1,000 half-open");
    printf(", grown by %6.1f MiB\n", (double)grown_kib / 1024);
    CHECK(grown_kib < GROWTH_MAX_KIB);
    size_t n = said("one of too many handshakes at once");
    CHECK(n > 0 && n <= 100); /* the log counts the rest */
    for (int i = 0; i < HALF_OPEN; i++)
        dial_done(&half[i]);
    CHECK(served_echo_stop(&server));
}

/* Records in crumbs, and many in one piece: both ways of leftovers, over windows' size. */
static void test_trickle(void)
{
    static const size_t steps[] = {1, 7, 1000, 0};
    struct served_tls tls = first_tls();
    served_echo_start(&server, &(struct rpc_server_config){0}, &tls, 1);
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        struct dial d;
        dial_tls(&d, server.port, certs.ca.certificate, &certs.client);
        dial_client(&d);
        d.step = steps[i];
        if (!CHECK(dial_echo(&d, "crumbs", 5000)))
            fprintf(stderr, "  (%s)\n", d.why.message);
        if (steps[i] != 1 && steps[i] != 7)
            CHECK(dial_echo(&d, "larger than the windows", 3 << 20));
        dial_done(&d);
    }
    CHECK_INT(said("subject"), 0);
    CHECK(served_echo_stop(&server));
}

/* Refused, told so, and named in the log once (before it is told). */
static void refused(const struct cert *cert, const char *why)
{
    struct dial d;
    dial_tls(&d, server.port, certs.ca.certificate, cert);
    CHECK(dial_await_end(&d, DIAL_WAIT_MS));
    CHECK_INT(d.why.code, ERR_UNAUTHENTICATED);
    CHECK_INT(said(why), 1);
    dial_done(&d);
}

/* OpenSSL's own client with a good certificate: no TLS 1.3, or no HTTP/2. */
static void refused_foreign(int version, bool alpn, const char *why)
{
    struct dial d;
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_max_proto_version(ctx, version);
    BIO *pem = BIO_new_mem_buf(certs.client.certificate, -1);
    X509 *x = PEM_read_bio_X509(pem, NULL, NULL, NULL);
    BIO_free(pem);
    pem = BIO_new_mem_buf(certs.client.key, -1);
    EVP_PKEY *key = PEM_read_bio_PrivateKey(pem, NULL, NULL, NULL);
    BIO_free(pem);
    CHECK(SSL_CTX_use_certificate(ctx, x) && SSL_CTX_use_PrivateKey(ctx, key));
    X509_free(x);
    EVP_PKEY_free(key);
    dial_tls(&d, server.port, certs.ca.certificate, &certs.client); /* for its socket alone */
    SSL *ssl = SSL_new(ctx);
    if (alpn)
        SSL_set_alpn_protos(ssl, (const unsigned char *)"\2h2", 3);
    SSL_set_fd(ssl, d.fd);
    char byte;
    if (SSL_connect(ssl) == 1)
        CHECK(SSL_read(ssl, &byte, 1) <= 0);
    CHECK_INT(said(why), 1);
    SSL_free(ssl);
    SSL_CTX_free(ctx);
    dial_done(&d);
}

static void test_refusals_are_named(void)
{
    struct cert ca = cert_make(NULL, &(struct cert_spec){.common_name = "other", .ca = true});
    struct cert wrong = cert_make(&ca, &(struct cert_spec){.names = ALICE});
    struct cert expired =
        cert_make(&certs.ca, &(struct cert_spec){.names = ALICE, .begins_s = -7200, .ends_s = -60});
    struct cert early =
        cert_make(&certs.ca, &(struct cert_spec){.names = ALICE, .begins_s = 600, .ends_s = 7200});
    struct cert revoked = cert_make(&certs.ca, &(struct cert_spec){.names = ALICE});
    struct cert nobody = cert_make(&certs.ca, &(struct cert_spec){.names = "DNS:x.example"});
    char *list = cert_revoke(&certs.ca, &revoked);
    struct served_tls tls = first_tls();
    tls.crl_pem = list;
    served_echo_start(&server, &(struct rpc_server_config){0}, &tls, 1);
    refused(NULL, "no certificate");
    refused(&wrong, "unable to get local issuer");
    refused(&expired, "has expired");
    refused(&early, "not yet valid");
    refused(&revoked, "revoked");
    refused(&nobody, "names no principal");
    refused_foreign(TLS1_2_VERSION, true, "unsupported protocol");
    refused_foreign(TLS1_3_VERSION, false, "HTTP/2");
    CHECK_INT(said("misbehaviour of a stranger at 127.0.0.1:"), 8);
    CHECK_INT(said("subject"), 8);
    CHECK(served_echo_stop(&server));
    free(list);
    struct cert *all[] = {&ca, &wrong, &expired, &early, &revoked, &nobody};
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        cert_done(all[i]);
}

int main(void)
{
    tls_certs_make(&certs);
    RUN(test_rotation);
    RUN(test_half_open);
    RUN(test_trickle);
    RUN(test_refusals_are_named);
    tls_certs_done(&certs);
    return check_end();
}
