/* The TLS filter with buffers only: who gets in, who does not and what both sides are told. */
#include <openssl/pem.h>
#include <openssl/ssl.h>

#include "tests/support/check.h"
#include "tests/unit/rpc/tls_pair.h"

static struct tls_certs certs;

static struct tls_config server_config(void)
{
    return (struct tls_config){.server = true,
                               .certificate_pem = certs.server.certificate,
                               .key_pem = certs.server.key,
                               .ca_pem = certs.ca.certificate};
}

static struct tls_config client_config(const struct cert *cert)
{
    struct tls_config config = {.ca_pem = certs.ca.certificate};
    if (cert) {
        config.certificate_pem = cert->certificate;
        config.key_pem = cert->key;
    }
    return config;
}

static void open_pair(struct tls_pair *p, const struct tls_config *server,
                      const struct tls_config *client, const char *host)
{
    struct err err = ERR_INIT;
    CHECK_INT(tls_pair_open(p, server, client, host, &err), 0);
    CHECK_STR(err.message, "");
}

static void send_text(struct tls_side *from, const void *data, size_t len)
{
    struct err err = ERR_INIT;
    CHECK_INT(tls_send(from->tls, data, len, &from->cipher, &err), 0);
    CHECK_STR(err.message, "");
}

static void check_plain(const struct tls_side *side, const void *data, size_t len)
{
    CHECK_INT(buf_len(&side->plain), len);
    CHECK(buf_len(&side->plain) == len && memcmp(buf_data(&side->plain), data, len) == 0);
}

static void exchange(struct tls_pair *p, size_t len)
{
    static uint8_t up[300000], down[300000];
    for (size_t i = 0; i < len; i++) {
        up[i] = (uint8_t)(i * 7 + i / 251);
        down[i] = (uint8_t)(i * 13 + i / 127);
    }
    send_text(&p->client, up, len);
    send_text(&p->server, down, len);
    tls_pair_run(p);
    check_plain(&p->server, up, len);
    check_plain(&p->client, down, len);
    buf_reset(&p->server.plain);
    buf_reset(&p->client.plain);
}

static void test_mutual(void)
{
    struct tls_pair p;
    struct tls_config server = server_config(), client = client_config(&certs.client);
    open_pair(&p, &server, &client, "box.example");
    CHECK(!tls_is_ready(p.server.tls));
    tls_pair_run(&p);
    CHECK(tls_is_ready(p.server.tls));
    CHECK(tls_is_ready(p.client.tls));
    const struct tls_identity *peer = tls_peer(p.server.tls);
    CHECK_STR(peer->principal, "alice");
    CHECK_INT(strlen(peer->serial), 16);
    CHECK(!peer->self_signed);
    CHECK(peer->ends_s > 0);
    exchange(&p, 1);
    exchange(&p, 300000);
    tls_close(p.client.tls, &p.client.cipher);
    tls_pair_run(&p);
    CHECK(tls_is_closed(p.server.tls));
    CHECK(!tls_is_closed(p.client.tls));
    /* Half-closed: the other direction still works. */
    send_text(&p.server, "bye", 3);
    tls_pair_run(&p);
    check_plain(&p.client, "bye", 3);
    tls_pair_close(&p);
}

/* Every split of the handshake and of records, down to single bytes. */
static void test_trickle(void)
{
    static const size_t steps[] = {1, 2, 3, 5, 17, 1000, 16384 + 21};
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        struct tls_pair p;
        struct tls_config server = server_config(), client = client_config(&certs.client);
        open_pair(&p, &server, &client, "127.0.0.1");
        p.step = steps[i];
        tls_pair_run(&p);
        CHECK(tls_is_ready(p.server.tls) && tls_is_ready(p.client.tls));
        exchange(&p, 40000);
        tls_pair_close(&p);
    }
}

/* What comes in one piece with the end of the handshake is not left lying. */
static void test_leftovers(void)
{
    struct tls_pair p;
    struct tls_config server = server_config(), client = client_config(&certs.client);
    open_pair(&p, &server, &client, NULL);
    struct err err = ERR_INIT;
    CHECK_INT(tls_receive(p.server.tls, buf_data(&p.client.cipher), buf_len(&p.client.cipher),
                          &p.server.plain, &p.server.cipher, &err),
              0);
    buf_reset(&p.client.cipher);
    CHECK_INT(tls_receive(p.client.tls, buf_data(&p.server.cipher), buf_len(&p.server.cipher),
                          &p.client.plain, &p.client.cipher, &err),
              0);
    buf_reset(&p.server.cipher);
    CHECK(tls_is_ready(p.client.tls));
    CHECK(!tls_is_ready(p.server.tls));
    send_text(&p.client, "first", 5);
    send_text(&p.client, "second", 6);
    tls_close(p.client.tls, &p.client.cipher);
    CHECK_INT(tls_receive(p.server.tls, buf_data(&p.client.cipher), buf_len(&p.client.cipher),
                          &p.server.plain, &p.server.cipher, &err),
              0);
    check_plain(&p.server, "firstsecond", 11);
    CHECK(tls_is_closed(p.server.tls));
    tls_pair_close(&p);
}

/* Runs a handshake that the server refuses; the client learns of it after its own was done. */
static void refused_with(const struct tls_config *server, const struct cert *cert,
                         const char *why_server, const char *why_client, enum err_code code_client)
{
    struct tls_pair p;
    struct tls_config client = client_config(cert);
    open_pair(&p, server, &client, "box.example");
    tls_pair_run(&p);
    CHECK(p.server.failed);
    CHECK(!tls_is_ready(p.server.tls));
    CHECK_INT(p.server.err.code, ERR_UNAUTHENTICATED);
    CHECK_CONTAINS(p.server.err.message, why_server);
    CHECK(p.client.failed);
    CHECK_INT(p.client.err.code, code_client);
    CHECK_CONTAINS(p.client.err.message, why_client);
    CHECK_INT(buf_len(&p.server.plain), 0);
    struct err err;
    CHECK_INT(tls_send(p.server.tls, (const uint8_t *)"x", 1, &p.server.cipher, &err), -1);
    CHECK_INT(
        tls_receive(p.server.tls, (const uint8_t *)"x", 1, &p.server.plain, &p.server.cipher, &err),
        -1);
    tls_pair_close(&p);
}

static void refused(const struct tls_config *server, const struct cert *cert,
                    const char *why_server, const char *why_client)
{
    refused_with(server, cert, why_server, why_client, ERR_UNAUTHENTICATED);
}

static void test_refused_clients(void)
{
    const struct tls_config server = server_config();
    static const char alice[] = "URI:banger://principal/alice";
    struct cert other_ca = cert_make(NULL, &(struct cert_spec){.common_name = "other", .ca = true});
    struct cert same_name =
        cert_make(NULL, &(struct cert_spec){.common_name = "test CA", .ca = true});
    struct cert wrong = cert_make(&other_ca, &(struct cert_spec){.names = alice});
    struct cert forged = cert_make(&same_name, &(struct cert_spec){.names = alice});
    struct cert expired =
        cert_make(&certs.ca, &(struct cert_spec){.names = alice, .begins_s = -7200, .ends_s = -60});
    struct cert early =
        cert_make(&certs.ca, &(struct cert_spec){.names = alice, .begins_s = 600, .ends_s = 7200});
    struct cert self = cert_make(NULL, &(struct cert_spec){.names = alice});
    /* A client's certificate is no CA: what it signs is worth nothing. */
    struct cert below = cert_make(&certs.client, &(struct cert_spec){.names = alice});
    refused(&server, NULL, "no certificate", "required");
    refused(&server, &wrong, "unable to get local issuer", "unknown ca");
    refused(&server, &forged, "", "");
    refused(&server, &expired, "expired", "expired");
    refused(&server, &early, "not yet valid", "bad certificate");
    refused(&server, &self, "self-signed", "unknown ca");
    refused(&server, &below, "", "");
    struct cert *all[] = {&other_ca, &same_name, &wrong, &forged, &expired, &early, &self, &below};
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        cert_done(all[i]);
}

static bool map_name(void *arg, enum tls_name_kind kind, const char *name, char *principal)
{
    (void)arg;
    if (strcmp(name, "build.example") == 0)
        strcpy(principal, kind == TLS_NAME_DNS ? "builder" : "builder-by-cn");
    else if (strcmp(name, "evil.example") == 0)
        strcpy(principal, "unix:0");
    else
        return false;
    return true;
}

static void test_names(void)
{
    static const struct {
        const char *common_name, *names, *want, *why;
    } rows[] = {
        {"x", "URI:banger://principal/a.b@c-d_9", "a.b@c-d_9", NULL},
        {"x", "URI:https://example.com,URI:banger://principal/bob", "bob", NULL},
        {"build.example", "URI:banger://principal/bob,DNS:build.example", "bob", NULL},
        {"x", "DNS:other.example,DNS:build.example", "builder", NULL},
        {"build.example", NULL, "builder-by-cn", NULL},
        {"x", "DNS:other.example", NULL, "names no principal"},
        {"x", "DNS:evil.example", NULL, "names no principal"},
        {"x", "URI:banger://principal/", NULL, "no valid name"},
        {"x", "URI:banger://principal/unix:0", NULL, "no valid name"},
        {"x", "URI:banger://principal/a/b", NULL, "no valid name"},
        {"x", "URI:banger://principal/a,URI:banger://principal/b", NULL, "two principals"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct tls_config server = server_config();
        server.name = map_name;
        struct cert cert =
            cert_make(&certs.ca, &(struct cert_spec){.common_name = rows[i].common_name,
                                                     .names = rows[i].names});
        if (rows[i].want) {
            struct tls_pair p;
            struct tls_config client = client_config(&cert);
            open_pair(&p, &server, &client, NULL);
            tls_pair_run(&p);
            CHECK(tls_is_ready(p.server.tls));
            CHECK_STR(tls_peer(p.server.tls)->principal, rows[i].want);
            CHECK_INT(tls_peer(p.server.tls)->mapped, strncmp(rows[i].want, "builder", 7) == 0);
            tls_pair_close(&p);
        } else {
            refused(&server, &cert, rows[i].why, "bad certificate");
        }
        cert_done(&cert);
    }
}

/* Whoever speaks plain HTTP/2 is told apart from a broken handshake. */
static void test_no_tls(void)
{
    static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    struct tls_config server = server_config();
    struct err err = ERR_INIT;
    struct buf plain, cipher;
    struct tls_context *context = tls_context_new(&server, &err);
    struct tls *tls = tls_new(context, NULL, &err);
    buf_init(&plain, TLS_PLAIN_EXTRA_BYTES);
    buf_init(&cipher, TLS_CIPHER_EXTRA_BYTES);
    CHECK_INT(tls_receive(tls, (const uint8_t *)preface, strlen(preface), &plain, &cipher, &err),
              -1);
    CHECK_CONTAINS(err.message, "the client does not speak TLS");
    CHECK_INT(buf_len(&plain), 0);
    buf_done(&plain);
    buf_done(&cipher);
    tls_free(tls);
    tls_context_unref(context);
}

/* A CA beside our own: its certificates count by mapped names, and cannot claim a principal. */
static void test_mapped_ca(void)
{
    struct cert ca = cert_make(NULL, &(struct cert_spec){.common_name = "site CA", .ca = true});
    struct cert mapped = cert_make(&ca, &(struct cert_spec){.names = "DNS:build.example"});
    struct cert forged = cert_make(
        &ca, &(struct cert_spec){.names = "URI:banger://principal/admin,DNS:build.example"});
    struct tls_config server = server_config();
    server.name = map_name;
    refused(&server, &mapped, "unable to get", "unknown ca");
    server.mapped_ca_pem = ca.certificate;
    refused(&server, &forged, "which its CA may not", "bad certificate");
    const struct cert *fine[] = {&mapped, &certs.client};
    for (size_t i = 0; i < 2; i++) {
        struct tls_pair p;
        struct tls_config client = client_config(fine[i]);
        open_pair(&p, &server, &client, NULL);
        tls_pair_run(&p);
        CHECK(tls_is_ready(p.server.tls));
        CHECK_INT(tls_peer(p.server.tls)->mapped, i == 0);
        tls_pair_close(&p);
    }
    server.ca_pem = NULL; /* only that one */
    refused(&server, &certs.client, "unable to get", "unknown ca");
    refused(&server, &forged, "which its CA may not", "bad certificate");
    cert_done(&forged);
    cert_done(&mapped);
    cert_done(&ca);
}

struct admitted {
    int n_asked;
    bool admit;
    struct tls_identity last;
};

static int admit(void *arg, const struct tls_identity *peer, struct err *err)
{
    struct admitted *a = arg;
    a->n_asked++;
    a->last = *peer;
    return a->admit ? 0 : err_set(err, ERR_UNAUTHENTICATED, "%s was revoked", peer->principal);
}

static void test_admit(void)
{
    struct admitted a = {.admit = true};
    struct tls_config server = server_config(), client = client_config(&certs.client);
    server.admit = admit;
    server.arg = &a;
    struct tls_pair p;
    open_pair(&p, &server, &client, NULL);
    tls_pair_run(&p);
    CHECK(tls_is_ready(p.server.tls));
    CHECK_INT(a.n_asked, 1);
    CHECK_STR(a.last.principal, "alice");
    tls_pair_close(&p);
    a.admit = false;
    refused(&server, &certs.client, "alice was revoked", "revoked");
    /* One that no CA signed is known by its key alone; what it says of itself counts for nothing.
     */
    struct cert self = cert_make(NULL, &(struct cert_spec){.names = "URI:banger://principal/root"});
    refused(&server, &self, "was revoked", "unknown ca");
    CHECK(a.last.self_signed);
    CHECK_STR(a.last.principal, "");
    a.admit = true;
    client = client_config(&self);
    open_pair(&p, &server, &client, NULL);
    tls_pair_run(&p);
    CHECK(tls_is_ready(p.server.tls));
    CHECK(tls_peer(p.server.tls)->self_signed);
    tls_pair_close(&p);
    struct cert old = cert_make(NULL, &(struct cert_spec){.begins_s = -7200, .ends_s = -60});
    refused(&server, &old, "expired", "expired");
    cert_done(&self);
    cert_done(&old);
}

static void test_revocation_list(void)
{
    struct cert bob =
        cert_make(&certs.ca, &(struct cert_spec){.names = "URI:banger://principal/bob"});
    char *list = cert_revoke(&certs.ca, &bob);
    struct tls_config server = server_config(), client = client_config(&certs.client);
    server.crl_pem = list;
    refused(&server, &bob, "revoked", "revoked");
    struct tls_pair p;
    open_pair(&p, &server, &client, NULL);
    tls_pair_run(&p);
    CHECK(tls_is_ready(p.server.tls));
    tls_pair_close(&p);
    /* A key known by admit() is no matter for a CA's list. */
    struct admitted a = {.admit = true};
    struct cert self = cert_make(NULL, &(struct cert_spec){0});
    server.admit = admit;
    server.arg = &a;
    client = client_config(&self);
    open_pair(&p, &server, &client, NULL);
    tls_pair_run(&p);
    CHECK(tls_is_ready(p.server.tls));
    tls_pair_close(&p);
    free(list);
    cert_done(&self);
    cert_done(&bob);
}

/* A list that does not count now is the server's trouble: the client is not told that its own
 * certificate is wrong, the server's error says what is, and when. */
static void test_a_revocation_list_out_of_its_time(void)
{
    static const struct {
        long begins_s, ends_s;
        const char *why;
    } lists[] = {{-7200, -60, "has expired: it ended at"},
                 {3600, 7200, "is not yet valid: it begins at"}};
    for (size_t i = 0; i < 2; i++) {
        struct tls_config server = server_config();
        char *list = cert_revoke_at(&certs.ca, NULL, lists[i].begins_s, lists[i].ends_s);
        server.crl_pem = list;
        refused_with(&server, &certs.client, lists[i].why, "its log says which", ERR_UNAVAILABLE);
        refused_with(&server, &certs.client, "the revocation list of the CA \"", "internal error",
                     ERR_UNAVAILABLE);
        refused_with(&server, &certs.client, "and the clock here says 2", "internal error",
                     ERR_UNAVAILABLE);
        free(list);
    }
}

static void test_certificates_out_of_their_time(void)
{
    const struct tls_config server = server_config();
    struct cert early = cert_make(
        &certs.ca, &(struct cert_spec){
                       .names = "URI:banger://principal/bob", .begins_s = 3600, .ends_s = 7200});
    refused(&server, &early, "it is not yet valid: it begins at", "bad certificate");
    cert_done(&early);
    struct cert ca = cert_make(
        NULL,
        &(struct cert_spec){.common_name = "old", .ca = true, .begins_s = -7200, .ends_s = -60});
    struct cert of_old_ca =
        cert_make(&ca, &(struct cert_spec){.names = "URI:banger://principal/bob"});
    struct tls_config old = server_config();
    old.ca_pem = ca.certificate;
    refused(&old, &of_old_ca, "its CA's certificate has expired: it ended at", "expired");
    cert_done(&of_old_ca);
    cert_done(&ca);
}

/* The client does not take just any server. */
static void server_refused(const struct tls_config *server, const struct tls_config *client,
                           const char *host, const char *why)
{
    struct tls_pair p;
    open_pair(&p, server, client, host);
    tls_pair_run(&p);
    CHECK(p.client.failed);
    CHECK(!tls_is_ready(p.client.tls));
    CHECK_INT(p.client.err.code, ERR_UNAUTHENTICATED);
    CHECK_CONTAINS(p.client.err.message, why);
    CHECK(p.server.failed);
    tls_pair_close(&p);
}

static void test_refused_servers(void)
{
    struct tls_config server = server_config(), client = client_config(&certs.client);
    server_refused(&server, &client, "other.example", "ostname mismatch");
    server_refused(&server, &client, "127.0.0.2", "IP address mismatch");
    struct cert ca = cert_make(NULL, &(struct cert_spec){.common_name = "other", .ca = true});
    client.ca_pem = ca.certificate;
    server_refused(&server, &client, "box.example", "unable to get local issuer");
    cert_done(&ca);
}

static void test_pinned(void)
{
    uint8_t pin[TLS_HASH_BYTES];
    char *chain = NULL;
    CHECK(asprintf(&chain, "%s%s", certs.server.certificate, certs.ca.certificate) > 0);
    struct tls_config server = server_config(), client = client_config(&certs.client);
    server.certificate_pem = chain;
    client.ca_pem = NULL;
    client.pin_sha256 = pin;
    cert_hash(&certs.ca, pin);
    struct tls_pair p;
    open_pair(&p, &server, &client, "box.example");
    tls_pair_run(&p);
    CHECK(tls_is_ready(p.server.tls) && tls_is_ready(p.client.tls));
    tls_pair_close(&p);
    server_refused(&server, &client, "other.example", "ostname mismatch");
    /* Its own certificate is no CA, whatever was pinned. */
    cert_hash(&certs.server, pin);
    server_refused(&server, &client, "box.example", "");
    memset(pin, 0, sizeof(pin));
    server_refused(&server, &client, "box.example", "self-signed");
    free(chain);
}

/* OpenSSL's own client with alice's certificate, as far as we let it: an older version, no HTTP/2,
 * no ALPN at all. Then nobody calls the server's callback: it is looked at after the handshake. */
static void foreign_client(int version, const char *alpn, const char *why)
{
    struct err err = ERR_INIT;
    struct tls_config config = server_config();
    struct tls_context *context = tls_context_new(&config, &err);
    struct tls *server = tls_new(context, NULL, &err);
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
    SSL *ssl = SSL_new(ctx);
    BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
    SSL_set_bio(ssl, in, out);
    if (alpn)
        SSL_set_alpn_protos(ssl, (const uint8_t *)alpn, (unsigned)strlen(alpn));
    struct buf plain, cipher;
    buf_init(&plain, 1 << 20);
    buf_init(&cipher, 1 << 20);
    bool failed = false;
    for (int i = 0; i < 8 && !failed; i++) {
        char *data;
        (void)SSL_connect(ssl);
        long n = BIO_get_mem_data(out, &data);
        failed = tls_receive(server, (const uint8_t *)data, (size_t)n, &plain, &cipher, &err) < 0;
        (void)BIO_reset(out);
        if (buf_len(&cipher) > 0)
            BIO_write(in, buf_data(&cipher), (int)buf_len(&cipher));
        buf_reset(&cipher);
    }
    CHECK(failed);
    CHECK(!tls_is_ready(server));
    CHECK_CONTAINS(err.message, why);
    SSL_free(ssl);
    SSL_CTX_free(ctx);
    buf_done(&plain);
    buf_done(&cipher);
    tls_free(server);
    tls_context_unref(context);
}

static void test_foreign(void)
{
    foreign_client(TLS1_2_VERSION, "\2h2", "unsupported protocol");
    foreign_client(TLS1_3_VERSION, "\10http/1.1", "protocol");
    foreign_client(TLS1_3_VERSION, NULL, "ALPN");
}

static void test_garbage(void)
{
    static const char *const inputs[] = {
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        "\x16\x03\x01\xff\xff\x01",
        "\x16\x03\x01\x40\x01zzzzzzzzzzzz",
        "\x80\x2e\x01\x03\x01",
        "\x17\x03\x03\x01\x01zzzzzzzzzzzzzzzzzzzzzzzzzzzzzz",
        "\x15\x03\x03\x01\x02\x02\x28",
    };
    struct tls_config config = server_config();
    struct err err = ERR_INIT;
    struct tls_context *context = tls_context_new(&config, &err);
    for (size_t i = 0; i < sizeof(inputs) / sizeof(inputs[0]); i++) {
        struct tls *tls = tls_new(context, NULL, &err);
        struct buf plain, cipher;
        buf_init(&plain, 1 << 20);
        buf_init(&cipher, 1 << 20);
        int rv = 0;
        for (int n = 0; n < 2000 && rv == 0; n++)
            rv = tls_receive(tls, (const uint8_t *)inputs[i], strlen(inputs[i]), &plain, &cipher,
                             &err);
        CHECK_INT(rv, -1);
        CHECK_INT(buf_len(&plain), 0);
        buf_done(&plain);
        buf_done(&cipher);
        tls_free(tls);
    }
    tls_context_unref(context);
}

/* One byte of a record changed on its way: nothing of it gets through. */
static void test_tampered(void)
{
    struct tls_pair p;
    struct tls_config server = server_config(), client = client_config(&certs.client);
    open_pair(&p, &server, &client, NULL);
    tls_pair_run(&p);
    send_text(&p.client, "pay 1", 5);
    p.client.cipher.block[p.client.cipher.head + 8] ^= 1;
    tls_pair_run(&p);
    CHECK(p.server.failed);
    CHECK_INT(buf_len(&p.server.plain), 0);
    tls_pair_close(&p);
}

static void test_no_room(void)
{
    struct tls_pair p;
    struct tls_config server = server_config(), client = client_config(&certs.client);
    open_pair(&p, &server, &client, NULL);
    tls_pair_run(&p);
    static uint8_t data[100000];
    struct err err = ERR_INIT;
    p.client.cipher.max = 50000;
    CHECK_INT(tls_send(p.client.tls, data, sizeof(data), &p.client.cipher, &err), -1);
    CHECK_INT(err.code, ERR_LIMIT);
    CHECK_INT(tls_send(p.client.tls, data, 1, &p.client.cipher, &err), -1);
    tls_pair_close(&p);
}

static void bad_context(const struct tls_config *config, const char *why)
{
    struct err err = ERR_INIT;
    struct tls_context *context = tls_context_new(config, &err);
    CHECK(context == NULL);
    CHECK_INT(err.code, ERR_INVALID);
    CHECK_CONTAINS(err.message, why);
    tls_context_unref(context);
}

static void test_contexts(void)
{
    struct tls_config c = server_config();
    c.ca_pem = "";
    bad_context(&c, "the CA has no certificate in it");
    c.ca_pem = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    bad_context(&c, "the CA cannot be read");
    c.ca_pem = certs.client.certificate;
    bad_context(&c, "not one of a CA");
    c.ca_pem = NULL;
    bad_context(&c, "no CA");
    c = server_config();
    c.certificate_pem = NULL;
    bad_context(&c, "needs a certificate");
    c.certificate_pem = "nothing";
    bad_context(&c, "our certificate cannot be read");
    c.certificate_pem = certs.client.certificate;
    bad_context(&c, "do not belong together");
    c = server_config();
    c.key_pem = "";
    bad_context(&c, "our key cannot be read");
    c = server_config();
    c.crl_pem = "";
    bad_context(&c, "no list in it");
    struct cert old = cert_make(&certs.ca, &(struct cert_spec){.begins_s = -7200, .ends_s = -60});
    c = server_config();
    c.certificate_pem = old.certificate;
    c.key_pem = old.key;
    bad_context(&c, "has expired");
    cert_done(&old);
}

int main(void)
{
    tls_certs_make(&certs);
    RUN(test_mutual);
    RUN(test_trickle);
    RUN(test_leftovers);
    RUN(test_refused_clients);
    RUN(test_names);
    RUN(test_no_tls);
    RUN(test_mapped_ca);
    RUN(test_admit);
    RUN(test_revocation_list);
    RUN(test_a_revocation_list_out_of_its_time);
    RUN(test_certificates_out_of_their_time);
    RUN(test_refused_servers);
    RUN(test_pinned);
    RUN(test_foreign);
    RUN(test_garbage);
    RUN(test_tampered);
    RUN(test_no_room);
    RUN(test_contexts);
    tls_certs_done(&certs);
    return check_end();
}
