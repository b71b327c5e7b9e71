/* Each attack from one and from twenty connections at once, which come again as soon as they are
 * sent away, half of them over TLS: what the server works before it answers the worst call of
 * honest clients beside them, and what memory it has in the meantime. The aim is 100 ms on a
 * release build; the bound is for busy machines, where that is work of several rounds. crowd_test
 * [MILLISECONDS [ATTACK]] */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "rpc/wire/gzip.h"
#include "rpc/wire/tls_internal.h"
#include "tests/integration/rpc/dial.h"
#include "tests/integration/rpc/served_echo.h"
#include "tests/support/attacks.h"
#include "tests/support/check.h"
#include "tests/unit/rpc/tls_pair.h"

enum {
    CROWD = 20,
    CHUNK_BYTES = 64 << 10,
    KEY_UPDATES = 300,
    SMALL_BOMBS = 60,
    SMALL_BOMB_BYTES = 1 << 20,
#if defined(__SANITIZE_ADDRESS__)
    WORST_MAX_MS = 3000,
    GROWTH_MAX_KIB = 300 << 10,
    DEFAULT_MS = 200,
#else
    WORST_MAX_MS = 300,
    GROWTH_MAX_KIB = 150 << 10,
    DEFAULT_MS = 1000,
#endif
};

static struct tls_certs certs;
static struct served_echo server;
static int64_t time_ms = DEFAULT_MS;
static const char *only; /* an attack; NULL: all */

struct attacker {
    struct dial d;
    size_t at;
    bool there, tls;
};

struct crowd {
    struct attacker all[CROWD];
    int n, n_ended;
    struct raw bytes;
    bool key_updates; /* TLS alone, and no bytes */
};

static void leave(struct attacker *a)
{
    if (a->there)
        dial_done(&a->d);
    a->there = false;
}

static void come(struct attacker *a)
{
    a->at = 0;
    a->there = true;
    if (!a->tls) {
        dial_unix(&a->d, server.socket);
        return;
    }
    dial_tls(&a->d, server.port, certs.ca.certificate, &certs.client);
    (void)dial_shake(&a->d);
}

static void change_keys(struct dial *d)
{
    d->tls->out = &d->out;
    for (int i = 0; i < KEY_UPDATES; i++)
        if (SSL_key_update(d->tls->ssl, SSL_KEY_UPDATE_NOT_REQUESTED) != 1 ||
            SSL_do_handshake(d->tls->ssl) != 1)
            break;
    d->tls->out = NULL;
}

static void go_on(struct crowd *c, struct attacker *a)
{
    bool said_all = c->key_updates ? a->at > 0 : a->at == c->bytes.len;
    if (a->there && (a->d.lost || (said_all && buf_len(&a->d.out) == 0))) {
        c->n_ended += a->d.lost;
        leave(a);
    }
    if (!a->there)
        come(a);
    if (a->d.lost)
        return;
    if (c->key_updates && a->at == 0) {
        change_keys(&a->d);
        a->at = 1;
    } else if (!c->key_updates && buf_len(&a->d.out) < CHUNK_BYTES && a->at < c->bytes.len) {
        size_t n = c->bytes.len - a->at < CHUNK_BYTES ? c->bytes.len - a->at : CHUNK_BYTES;
        dial_queue(&a->d, c->bytes.data + a->at, n);
        a->at += n;
    }
    dial_turn(&a->d, 0);
}

static void attack(struct crowd *c, const char *name, int n)
{
    const struct served_tls tls = {certs.server.certificate, certs.server.key, certs.ca.certificate,
                                   NULL};
    struct honest honest;
    char what[64];
    served_echo_start(&server, &(struct rpc_server_config){0}, &tls, 1);
    honest = (struct honest){.server = &server,
                             .ca_pem = certs.ca.certificate,
                             .certs = {&certs.client, &certs.client},
                             .patient = true};
    honest_start(&honest);
    CHECK(honest_await(&honest, 10));
    size_t base_kib = served_echo_peak_kib(&server);
    c->n_ended = 0;
    for (int i = 0; i < n; i++)
        c->all[i] = (struct attacker){.tls = c->key_updates || i % 2};
    for (int64_t end_ms = clock_mono_ms() + time_ms; clock_mono_ms() < end_ms;)
        for (int i = 0; i < n; i++)
            go_on(c, &c->all[i]);
    for (int i = 0; i < n; i++)
        leave(&c->all[i]);
    size_t grown_kib = served_echo_grown_kib(&server, base_kib);
    snprintf(what, sizeof(what), "%s, %d", name, n);
    double worst_ms = honest_end(&honest, what);
    printf(", %5d ended, grown by %6.1f MiB\n", c->n_ended, (double)grown_kib / 1024);
    CHECK(worst_ms < WORST_MAX_MS);
    CHECK(grown_kib < GROWTH_MAX_KIB);
    CHECK(served_echo_stop(&server));
}

static void one_and_twenty(struct crowd *c, const char *name)
{
    attack(c, name, 1);
    attack(c, name, CROWD);
}

static void test_attacks(void)
{
    for (const struct attack *a = attacks; a->name; a++) {
        struct crowd c = {.n = 0};
        if (only && strcmp(only, a->name) != 0)
            continue;
        a->make(&c.bytes);
        one_and_twenty(&c, a->name);
        raw_done(&c.bytes);
    }
}

/* Each within its limit. */
static void test_small_bombs(void)
{
    uint8_t *zeros = calloc(1, SMALL_BOMB_BYTES), packed[4096];
    struct crowd c = {.n = 0};
    memcpy(zeros, "\x12\xfc\xff\x3f", 4); /* payload: the rest */
    size_t n = gzip_compress(packed + 5, sizeof(packed) - 5, zeros, SMALL_BOMB_BYTES);
    CHECK(n > 0);
    packed[0] = 1;
    packed[1] = packed[2] = 0;
    packed[3] = (uint8_t)(n >> 8);
    packed[4] = (uint8_t)n;
    raw_begin(&c.bytes);
    raw_accept(&c.bytes);
    for (uint32_t i = 0; i < SMALL_BOMBS; i++) {
        raw_headers_and(&c.bytes, 2 * i + 1, "/banger.test.v1.EchoService/ClientStream",
                        "grpc-encoding", "gzip");
        raw_frame(&c.bytes, RAW_DATA, RAW_END_STREAM, 2 * i + 1, packed, n + 5);
    }
    one_and_twenty(&c, "small gzip bombs");
    raw_done(&c.bytes);
    free(zeros);
}

static void test_key_updates(void)
{
    struct crowd c = {.key_updates = true};
    one_and_twenty(&c, "TLS key updates");
}

int main(int argc, char **argv)
{
    if (argc > 1)
        time_ms = strtol(argv[1], NULL, 10);
    only = argc > 2 ? argv[2] : NULL;
    tls_certs_make(&certs);
    if (!only) {
        RUN(test_key_updates);
        RUN(test_small_bombs);
    }
    RUN(test_attacks);
    tls_certs_done(&certs);
    return check_end();
}
