/* Every attack against a server in a process of its own, over its Unix socket and over TLS, while
 * honest clients call: all their calls are right and come back in time, the server's memory stays
 * within bounds, its log names each attacker once with the reason, and it drains and ends without a
 * leak. */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "tests/integration/rpc/dial.h"
#include "tests/integration/rpc/served_echo.h"
#include "tests/support/attacks.h"
#include "tests/support/check.h"
#include "tests/unit/rpc/tls_pair.h"

#define SERVICE "/banger.test.v1.EchoService/"

enum {
    ATTACKERS = 4,   /* every other one over TLS */
    SHORT_MS = 1500, /* for what must not last; honest clients on a busy machine are faster */
    SLOW_READERS = 6,
    WARM_CALLS = 20,
    CALLS_BESIDE = 30,
#if defined(__SANITIZE_ADDRESS__)
    GROWTH_MAX_KIB = 160 << 10, /* the sanitizer keeps what was freed */
#else
    GROWTH_MAX_KIB = 64 << 10,
#endif
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

static void begin(const struct rpc_server_config *config)
{
    const struct served_tls tls = {certs.server.certificate, certs.server.key, certs.ca.certificate,
                                   NULL};
    served_echo_start(&server, config, &tls, 1);
    honest = (struct honest){
        .server = &server, .ca_pem = certs.ca.certificate, .certs = {&certs.client, &certs.client}};
    honest_start(&honest);
    CHECK(honest_await(&honest, WARM_CALLS));
    server.base_kib = served_echo_peak_kib(&server);
}

/* reason: what n lines of the log must say, and no other of their kind. */
static void end(const char *what, const char *reason, size_t n)
{
    CHECK(honest_await(&honest, CALLS_BESIDE));
    size_t grown_kib = served_echo_grown_kib(&server, server.base_kib);
    honest_end(&honest, what);
    printf(", grown by %6.1f MiB\n", (double)grown_kib / 1024);
    CHECK(grown_kib < GROWTH_MAX_KIB);
    const char *any[] = {"subject=\"rpc\"", NULL}, *said[] = {"subject=\"rpc\"", reason, NULL};
    CHECK_INT(served_echo_log_lines(&server, said), n);
    CHECK_INT(served_echo_log_lines(&server, any), n);
    CHECK(served_echo_stop(&server));
}

static void connect_attacker(struct dial *d, bool tls)
{
    if (!tls) {
        dial_unix(d, server.socket);
        return;
    }
    dial_tls(d, server.port, certs.ca.certificate, &certs.client);
    CHECK(dial_shake(d));
}

/* Until the log has said it n times; d goes on reading. */
static void await_log(struct dial *d, const char *reason, size_t n)
{
    const char *said[] = {reason, NULL};
    int64_t end_ms = clock_mono_ms() + DIAL_WAIT_MS;
    while (served_echo_log_lines(&server, said) < n && clock_mono_ms() < end_ms)
        dial_turn(d, 10);
}

/* One after another. */
static void attack(const struct attack *a)
{
    struct raw r = {0};
    a->make(&r);
    begin(&(struct rpc_server_config){0});
    for (int i = 0; i < ATTACKERS; i++) {
        struct dial d;
        connect_attacker(&d, i % 2);
        dial_push(&d, r.data, r.len);
        if (a->ends)
            CHECK(dial_await_end(&d, DIAL_WAIT_MS));
        else
            await_log(&d, a->reason, (size_t)i + 1);
        CHECK_INT(d.lost, a->ends);
        CHECK_INT(d.goaway, a->ends);
        dial_done(&d);
    }
    end(a->name, a->reason, ATTACKERS);
    raw_done(&r);
}

static void test_attacks(void)
{
    for (const struct attack *a = attacks; a->name; a++)
        attack(a);
}

/* What does not end in time, from all of them at once: bytes, then silence, until the server has
 * enough. */
static void silence(const char *what, const struct raw *r, const char *reason)
{
    struct dial d[ATTACKERS];
    begin(&(struct rpc_server_config){.handshake_timeout_ms = SHORT_MS});
    for (int i = 0; i < ATTACKERS; i++) {
        connect_attacker(&d[i], i % 2);
        dial_push(&d[i], r->data, r->len);
    }
    for (int i = 0; i < ATTACKERS; i++) {
        CHECK(dial_await_end(&d[i], DIAL_WAIT_MS));
        CHECK(!d[i].goaway);
        dial_done(&d[i]);
    }
    end(what, reason, ATTACKERS);
}

static void test_silence(void)
{
    struct raw nothing = {0}, preface = {0}, headers = {0};
    raw_add(&preface, RAW_PREFACE, sizeof(RAW_PREFACE) - 1);
    raw_begin(&headers);
    raw_frame(&headers, RAW_HEADERS, 0, 1, "\x83", 1);
    silence("preface alone", &preface, "HTTP/2 did not begin in time");
    silence("headers without end", &headers, "headers did not end in time");
    silence("nothing", &nothing, "HTTP/2 did not begin in time");
    raw_done(&preface);
    raw_done(&headers);
}

/* Requests that never end: answered, and the connection lives. */
static void test_endless_requests(void)
{
    struct raw r;
    raw_begin(&r);
    for (uint32_t i = 0; i < 100; i++) {
        raw_headers(&r, 2 * i + 1, SERVICE "Unary");
        raw_message(&r, 2 * i + 1, 20000, 100);
    }
    struct dial d[ATTACKERS];
    begin(&(struct rpc_server_config){.request_timeout_ms = SHORT_MS});
    for (int i = 0; i < ATTACKERS; i++) {
        connect_attacker(&d[i], i % 2);
        dial_push(&d[i], r.data, r.len);
    }
    for (int i = 0; i < ATTACKERS; i++) {
        await_log(&d[i], "Unary: the request did not end in time", ATTACKERS);
        CHECK(!d[i].lost);
        dial_done(&d[i]);
    }
    end("requests without end", "Unary: the request did not end in time", ATTACKERS);
    raw_done(&r);
}

/* Clients that ask for gigabytes and read none of it: bounded, and sent away. */
static void test_slow_readers(void)
{
    static const uint8_t message[] = {0x12, 0x80, 0x80, 0x04, /* payload: 64 KiB follow */ 0};
    size_t payload = 65536, len = 4 + payload + 6;
    uint8_t *body = calloc(1, 5 + len);
    const uint8_t head[5] = {0, 0, (uint8_t)(len >> 16), (uint8_t)(len >> 8), (uint8_t)len};
    struct raw r;
    memcpy(body, head, sizeof(head));
    memcpy(body + 5, message, 4);
    memcpy(body + 5 + 4 + payload, "\x18\xff\xff\xff\xff\x0f", 6); /* count: for ever */
    raw_begin(&r);
    raw_accept(&r);
    /* A connection window of 2 GiB, and streams' as large. */
    raw_frame(&r, RAW_SETTINGS, 0, 0, "\0\4\x7f\xff\xff\xff", 6);
    raw_frame(&r, RAW_WINDOW_UPDATE, 0, 0, "\x7f\xfe\0\0", 4);
    for (uint32_t i = 0; i < 10; i++) {
        raw_headers(&r, 2 * i + 1, SERVICE "ServerStream");
        for (size_t at = 0, n; at < 5 + len; at += n) {
            n = 5 + len - at < 16384 ? 5 + len - at : 16384;
            raw_frame(&r, RAW_DATA, at + n == 5 + len ? RAW_END_STREAM : 0, 2 * i + 1, body + at,
                      n);
        }
    }
    begin(&(struct rpc_server_config){.idle_timeout_ms = SHORT_MS});
    struct dial d[SLOW_READERS];
    for (int i = 0; i < SLOW_READERS; i++) {
        connect_attacker(&d[i], i % 2);
        int64_t give_up = clock_mono_ms() + DIAL_WAIT_MS;
        if (d[i].tls)
            CHECK_INT(tls_send(d[i].tls, r.data, r.len, &d[i].out, &d[i].why), 0);
        else
            CHECK_INT(buf_append(&d[i].out, r.data, r.len), 0);
        while (buf_len(&d[i].out) > 0 && clock_mono_ms() < give_up) { /* without reading */
            ssize_t n = send(d[i].fd, buf_data(&d[i].out), buf_len(&d[i].out), MSG_NOSIGNAL);
            CHECK(n > 0);
            if (n <= 0)
                break;
            buf_consume(&d[i].out, (size_t)n);
        }
    }
    const char *said[] = {"the peer does not read", NULL};
    int64_t give_up = clock_mono_ms() + DIAL_WAIT_MS;
    while (served_echo_log_lines(&server, said) < SLOW_READERS && clock_mono_ms() < give_up)
        if (!honest_await(&honest, 1))
            break;
    end("slow readers", "the peer does not read", SLOW_READERS);
    for (int i = 0; i < SLOW_READERS; i++)
        dial_done(&d[i]);
    raw_done(&r);
    free(body);
}

int main(void)
{
    tls_certs_make(&certs);
    RUN(test_attacks);
    RUN(test_silence);
    RUN(test_endless_requests);
    RUN(test_slow_readers);
    tls_certs_done(&certs);
    return check_end();
}
