/* rpc/event's TLS listener over real sockets: who is served, who is not, and what that does to the
 * others. */
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "rpc/event/connection.h"
#include "tests/support/check.h"
#include "tests/unit/rpc/tls_served.h"

enum { HALF_OPEN = 1000 };

static void test_calls(void)
{
    struct fixture f;
    struct client c;
    open_fixture(&f, 0);
    open_client(&c, &f, &certs.client);
    check_works(&c);
    CHECK_STR(f.principal, "alice");
    echo_request r = REQUEST_INIT;
    CHECK_INT(call(&c, ECHO_ADMIN, &r, NULL).code, ERR_DENIED);
    static uint8_t payload[30000];
    int n;
    r.payload = (ProtobufCBinaryData){sizeof(payload), payload};
    r.count = 500;
    CHECK_INT(call(&c, ECHO_SERVER_STREAM, &r, &n).code, ERR_NONE);
    CHECK_INT(n, 500);
    close_client(&c);
    close_fixture(&f);
}

/* The refusal arrives as such although the client, by then, has sent its first request. */
static void check_refused(struct fixture *f, const struct cert *cert, const char *why)
{
    struct client c;
    struct wait w;
    open_client(&c, f, cert);
    echo_request r = REQUEST_INIT;
    struct rpc_call *started = start(&c, ECHO_UNARY, &r, &w);
    while (!c.lost && !f->late)
        run(f);
    CHECK_INT(c.why.code, ERR_UNAUTHENTICATED);
    CHECK_CONTAINS(c.why.message, why);
    CHECK_INT(w.n_closed, 1);
    CHECK_INT(f->stats.n_started, 0);
    rpc_call_unref(started);
    close_client(&c);
}

static void test_refused(void)
{
    struct fixture f;
    open_fixture(&f, 0);
    struct cert ca = cert_make(NULL, &(struct cert_spec){.common_name = "other", .ca = true});
    struct cert other =
        cert_make(&ca, &(struct cert_spec){.names = "URI:banger://principal/alice"});
    struct cert expired = cert_make(
        &certs.ca, &(struct cert_spec){
                       .names = "URI:banger://principal/alice", .begins_s = -7200, .ends_s = -60});
    check_refused(&f, &other, "unknown ca");
    check_refused(&f, &expired, "expired");
    check_refused(&f, NULL, "required");
    CHECK_STR(f.principal, "");
    /* The hook's word counts, too. */
    struct cert mallory =
        cert_make(&certs.ca, &(struct cert_spec){.names = "URI:banger://principal/mallory"});
    struct client c;
    open_client(&c, &f, &mallory);
    while (!c.lost && !f.late)
        run(&f);
    CHECK_STR(f.principal, "mallory");
    close_client(&c);
    cert_done(&ca);
    cert_done(&other);
    cert_done(&expired);
    cert_done(&mallory);
    close_fixture(&f);
}

/* Connections that begin a handshake, or nothing, and stay: beside them a client comes and works.
 */
static void test_half_open(void)
{
    struct fixture f;
    struct client old, c;
    static int fds[HALF_OPEN];
    struct rlimit files;
    CHECK_INT(getrlimit(RLIMIT_NOFILE, &files), 0);
    files.rlim_cur = files.rlim_max;
    CHECK_INT(setrlimit(RLIMIT_NOFILE, &files), 0);
    open_fixture(&f, 60000);
    open_client(&old, &f, &certs.client);
    check_works(&old);
    for (int i = 0; i < HALF_OPEN; i++) {
        fds[i] = dial(&f);
        if (i % 2)
            CHECK_INT(send(fds[i], "\x16\x03\x01\x02\x00\x01", 6, MSG_NOSIGNAL), 6);
        if (i % 100 == 50) {
            check_works(&old);
            open_client(&c, &f, &certs.client);
            check_works(&c);
            CHECK(rpc_server_connections(f.server) <= HANDSHAKES_MAX + 2);
            close_client(&c);
        }
    }
    check_works(&old);
    for (int i = 0; i < HALF_OPEN; i++)
        close(fds[i]);
    close_client(&old);
    close_fixture(&f);
}

/* Far away, a handshake takes its time: who has said hello is not pushed out by who says nothing.
 */
static void test_a_slow_handshake_outlives_silent_connects(void)
{
    enum { SILENT = 20 * HANDSHAKES_MAX };
    struct fixture f;
    struct client old, slow;
    static int fds[SILENT];
    open_fixture(&f, 60000);
    open_client(&old, &f, &certs.client);
    open_client(&slow, &f, &certs.client);
    watch_want(&slow.watch, 0);
    check_works(&old);
    for (int i = 0; i < SILENT; i++) {
        fds[i] = dial(&f);
        if (i % 8 == 7)
            check_works(&old); /* the loop has run */
    }
    CHECK(rpc_server_connections(f.server) <= HANDSHAKES_MAX + 1);
    watch_want(&slow.watch, WATCH_READ);
    check_works(&slow);
    for (int i = 0; i < SILENT; i++)
        close(fds[i]);
    close_client(&slow);
    close_client(&old);
    close_fixture(&f);
}

static void test_not_tls(void)
{
    static const char *const knocks[] = {"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
                                         "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"};
    struct fixture f;
    open_fixture(&f, 0);
    for (size_t i = 0; i < 2; i++) {
        struct client c;
        open_client(&c, &f, &certs.client);
        int fd = dial(&f);
        CHECK(send(fd, knocks[i], strlen(knocks[i]), MSG_NOSIGNAL) > 0);
        check_works(&c); /* the loop has run */
        char answer[64];
        ssize_t n = recv(fd, answer, sizeof(answer), 0);
        if (n == 7 && answer[0] == 21) /* an alert, for what looked like TLS */
            n = recv(fd, answer, sizeof(answer), 0);
        CHECK_INT(n, 0);
        close(fd);
        close_client(&c);
    }
    close_fixture(&f);
}

static void test_handshake_timeout(void)
{
    struct fixture f;
    open_fixture(&f, 50);
    struct client c;
    open_client(&c, &f, &certs.client);
    buf_reset(&c.plain);
    tls_free(c.tls); /* has said hello, will never answer */
    struct err err;
    c.tls = tls_new(c.context, NULL, &err);
    watch_want(&c.watch, 0);
    int64_t until = clock_mono_ms() + WAIT_MS;
    /* On a busy machine it comes and goes within one turn of the loop. */
    while ((f.server->n_opened == 0 || rpc_server_connections(f.server) > 0) &&
           clock_mono_ms() < until) {
        timer_start(&f.limit, 10);
        CHECK_INT(loop_run(f.loop, &err), 0);
        f.late = false;
    }
    CHECK_INT(f.server->n_opened, 1);
    CHECK_INT(rpc_server_connections(f.server), 0);
    close_client(&c);
    close_fixture(&f);
}

static void set_tls(struct fixture *f, const struct cert *server, const struct cert *ca)
{
    struct tls_context *next = server_context(server, ca);
    rpc_server_set_tls(f->server, next);
    tls_context_unref(next);
}

/* A CA is rolled over. While both count, who is there stays; without theirs they may end what they
 * have begun, and begin nothing: a call is refused as not begun, to be tried elsewhere. Who does
 * not call is told as well. */
static void test_reload(void)
{
    struct fixture f;
    struct client old, idle, c;
    struct wait open, late;
    struct cert both = {0};
    echo_request hang = REQUEST_INIT;
    hang.hang = true;
    open_fixture(&f, 0);
    open_client(&old, &f, &certs.client);
    check_works(&old);
    open_client(&idle, &f, &certs.client);
    check_works(&idle);
    struct rpc_call *begun = start(&old, ECHO_UNARY, &hang, &open);
    struct cert ca = cert_make(NULL, &(struct cert_spec){.common_name = "next", .ca = true});
    struct cert server = cert_make(&certs.ca, &(struct cert_spec){.names = "IP:127.0.0.1"});
    struct cert client = cert_make(&ca, &(struct cert_spec){.names = "URI:banger://principal/new"});
    CHECK(asprintf(&both.certificate, "%s%s", certs.ca.certificate, ca.certificate) > 0);
    set_tls(&f, &server, &both);
    check_works(&old);
    set_tls(&f, &server, &ca);
    struct rpc_call *refused = start(&old, ECHO_UNARY, &hang, &late);
    while (late.n_closed == 0 && !f.late)
        run(&f);
    CHECK_INT(late.status.code, ERR_UNAVAILABLE);
    CHECK(rpc_call_was_refused(refused));
    while (!idle.lost && !f.late)
        run(&f);
    CHECK(idle.lost);
    open_client(&c, &f, &client);
    check_works(&c);
    CHECK_STR(f.principal, "new");
    close_client(&c);
    f.stats.n_started = 0;
    check_refused(&f, &certs.client, "unknown ca");
    CHECK_INT(open.n_closed, 0);
    rpc_call_cancel(begun);
    rpc_call_unref(begun);
    rpc_call_unref(refused);
    close_client(&idle);
    close_client(&old);
    cert_done(&both);
    cert_done(&ca);
    cert_done(&server);
    cert_done(&client);
    close_fixture(&f);
}

/* Who connects and then reads the file that says by what to come, as clients do, may find a newer
 * one there than what counted as they connected. */
static void test_a_handshake_goes_by_what_counts_when_it_begins(void)
{
    struct fixture f;
    struct client old, c;
    open_fixture(&f, 0);
    open_client(&old, &f, &certs.client);
    struct cert ca = cert_make(NULL, &(struct cert_spec){.common_name = "next", .ca = true});
    struct cert client = cert_make(&ca, &(struct cert_spec){.names = "URI:banger://principal/new"});
    connect_client(&c, &f, &client);
    for (int i = 0; i < WAIT_MS && f.server->n_opened < 2; i++)
        check_works(&old);
    CHECK_INT(f.server->n_handshakes, 1);
    set_tls(&f, &certs.server, &ca);
    client_flush(&c);
    check_works(&c);
    CHECK_STR(f.principal, "new");
    close_client(&c);
    close_client(&old);
    cert_done(&ca);
    cert_done(&client);
    close_fixture(&f);
}

/* An address that is taken and serves nobody yet: whoever connects meanwhile is served then. Given
 * back, it is free for others, and who is there stays. */
static void test_an_address_is_taken_before_it_serves(void)
{
    struct fixture f;
    struct client early, other;
    struct err err = ERR_INIT;
    char address[32];
    open_fixture(&f, 0);
    rpc_server_close_tls(f.server);
    CHECK_INT(rpc_server_listen_tls(f.server, "127.0.0.1:0", NULL, &f.port, &err), 0);
    snprintf(address, sizeof(address), "127.0.0.1:%u", f.port);
    CHECK_INT(rpc_server_listen_tls(f.server, address, NULL, NULL, &err), -1);
    open_client(&early, &f, &certs.client);
    timer_start(&f.limit, 50);
    CHECK_INT(loop_run(f.loop, &err), 0);
    f.late = false;
    CHECK_INT(rpc_server_connections(f.server), 0);
    rpc_server_set_tls(f.server, f.context);
    check_works(&early);
    rpc_server_close_tls(f.server);
    check_works(&early);
    CHECK_INT(rpc_server_listen_tls(f.server, address, f.context, NULL, &err), 0);
    open_client(&other, &f, &certs.client);
    check_works(&other);
    close_client(&early);
    close_client(&other);
    close_fixture(&f);
}

static void test_addresses(void)
{
    static const char *const bad[] = {"",           "localhost:1", "127.0.0.1",
                                      "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:65536",
                                      "[::1:1",     "::1:1",       ":1"};
    struct fixture f;
    open_fixture(&f, 0);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct err err;
        CHECK_INT(rpc_server_listen_tls(f.server, bad[i], f.context, NULL, &err), -1);
        CHECK_INT(err.code, ERR_INVALID);
    }
    char taken[32];
    struct err err;
    snprintf(taken, sizeof(taken), "127.0.0.1:%u", f.port);
    CHECK_INT(rpc_server_listen_tls(f.server, taken, f.context, NULL, &err), -1);
    close_fixture(&f);
}

int main(void)
{
    tls_certs_make(&certs);
    RUN(test_calls);
    RUN(test_refused);
    RUN(test_half_open);
    RUN(test_a_slow_handshake_outlives_silent_connects);
    RUN(test_not_tls);
    RUN(test_handshake_timeout);
    RUN(test_reload);
    RUN(test_a_handshake_goes_by_what_counts_when_it_begins);
    RUN(test_an_address_is_taken_before_it_serves);
    RUN(test_addresses);
    tls_certs_done(&certs);
    return check_end();
}
