/* rpc/event's TLS listener over real sockets: who is served, who is not, and what that does to the
 * others. */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "rpc/event/connection.h"
#include "rpc/event/loop.h"
#include "rpc/event/server.h"
#include "tests/support/check.h"
#include "tests/unit/rpc/pair.h"
#include "tests/unit/rpc/tls_pair.h"

#define REQUEST_INIT BANGER__TEST__V1__ECHO_REQUEST__INIT

enum { WAIT_MS = 20000, HALF_OPEN = 1000, HANDSHAKES_MAX = 16 };

static struct tls_certs certs;

struct fixture {
    struct loop *loop;
    struct rpc_server *server;
    struct tls_context *context;
    struct echo_stats stats;
    struct timer limit;
    uint16_t port;
    bool late, drained;
    char principal[TLS_PRINCIPAL_BYTES]; /* whom identify saw last */
};

/* A client in the same loop. */
struct client {
    struct fixture *f;
    struct rpc_client *rpc;
    struct tls_context *context;
    struct tls *tls;
    struct watch watch;
    struct buf plain, cipher;
    int fd;
    bool lost;
    struct err why;
};

static void on_limit(void *arg)
{
    struct fixture *f = arg;
    f->late = true;
    loop_stop(f->loop);
}

static int identify(void *arg, struct rpc_peer *peer, struct err *err)
{
    struct fixture *f = arg;
    (void)err;
    CHECK_INT(peer->kind, RPC_PEER_TLS);
    CHECK_INT(peer->uid, (uid_t)-1);
    CHECK_CONTAINS(peer->address, "127.0.0.1:");
    CHECK(strlen(peer->serial) > 0);
    strcpy(f->principal, peer->principal);
    if (strcmp(peer->principal, "mallory") == 0)
        return err_set(err, ERR_DENIED, "mallory is not known");
    peer->role = RPC_ROLE_OPERATOR;
    return 0;
}

static struct tls_context *server_context(const struct cert *server, const struct cert *ca)
{
    struct err err = ERR_INIT;
    const struct tls_config config = {.server = true,
                                      .certificate_pem = server->certificate,
                                      .key_pem = server->key,
                                      .ca_pem = ca->certificate};
    struct tls_context *context = tls_context_new(&config, &err);
    CHECK_STR(err.message, "");
    return context;
}

static void open_fixture(struct fixture *f, int64_t handshake_ms)
{
    struct err err = ERR_INIT;
    *f = (struct fixture){0};
    f->loop = loop_new(&err);
    const struct rpc_server_config config = {.identify = identify,
                                             .arg = f,
                                             .handshake_timeout_ms = handshake_ms,
                                             .max_handshakes = HANDSHAKES_MAX,
                                             .max_connections = 8};
    f->server = rpc_server_new(f->loop, &config, &err);
    timer_init(&f->limit, f->loop, on_limit, f);
    f->context = server_context(&certs.server, &certs.ca);
    CHECK_INT(rpc_server_add(f->server, &echo_rpc_service, &echo_handlers, &f->stats, &err), 0);
    CHECK_INT(rpc_server_listen_tls(f->server, "127.0.0.1:0", f->context, &f->port, &err), 0);
    CHECK_STR(err.message, "");
}

static void close_fixture(struct fixture *f)
{
    rpc_server_free(f->server);
    tls_context_unref(f->context);
    timer_done(&f->limit);
    loop_free(f->loop);
}

/* Runs the loop until somebody stops it. */
static void run(struct fixture *f)
{
    struct err err;
    timer_start(&f->limit, WAIT_MS);
    CHECK_INT(loop_run(f->loop, &err), 0);
    CHECK(!f->late);
    timer_stop(&f->limit);
}

static int dial(const struct fixture *f)
{
    struct sockaddr_in addr = {
        .sin_family = AF_INET, .sin_port = htons(f->port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_INT(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
    return fd;
}

static void client_lose(struct client *c, const struct err *why)
{
    c->lost = true;
    c->why = *why;
    watch_want(&c->watch, 0);
    rpc_client_lost(c->rpc, why);
    loop_stop(c->f->loop);
}

static void client_flush(struct client *c)
{
    struct err err = ERR_INIT;
    const uint8_t *data;
    ssize_t n;
    while (!c->lost && tls_is_ready(c->tls) && (n = rpc_client_output(c->rpc, &data, &err)) > 0)
        CHECK_INT(tls_send(c->tls, data, (size_t)n, &c->cipher, &err), 0);
    while (buf_len(&c->cipher) > 0) {
        n = send(c->fd, buf_data(&c->cipher), buf_len(&c->cipher), MSG_NOSIGNAL);
        if (n < 0) {
            buf_reset(&c->cipher); /* what the server had to say can still be read */
            return;
        }
        buf_consume(&c->cipher, (size_t)n);
    }
}

static void client_ready(void *arg, int events)
{
    (void)events;
    struct client *c = arg;
    struct err err = ERR_INIT;
    uint8_t block[16384];
    ssize_t n = recv(c->fd, block, sizeof(block), MSG_DONTWAIT);
    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0) {
        err_set(&err, ERR_UNAVAILABLE, "the server closed the connection");
        client_lose(c, &err);
        return;
    }
    if (tls_receive(c->tls, block, (size_t)n, &c->plain, &c->cipher, &err) < 0) {
        client_lose(c, &err);
        return;
    }
    if (buf_len(&c->plain) > 0)
        (void)rpc_client_receive(c->rpc, buf_data(&c->plain), buf_len(&c->plain), &err);
    buf_reset(&c->plain);
    client_flush(c);
}

/* Says nothing yet. */
static void connect_client(struct client *c, struct fixture *f, const struct cert *cert)
{
    struct err err = ERR_INIT;
    const struct tls_config config = {.ca_pem = certs.ca.certificate,
                                      .certificate_pem = cert ? cert->certificate : NULL,
                                      .key_pem = cert ? cert->key : NULL};
    *c = (struct client){.f = f};
    c->context = tls_context_new(&config, &err);
    c->tls = tls_new(c->context, "127.0.0.1", &err);
    c->rpc = rpc_client_new("box", &err);
    buf_init(&c->plain, 1 << 20);
    buf_init(&c->cipher, 1 << 20);
    CHECK_INT(tls_start(c->tls, &c->cipher, &err), 0);
    c->fd = dial(f);
    watch_init(&c->watch, f->loop, c->fd, client_ready, c);
    watch_want(&c->watch, WATCH_READ);
}

static void open_client(struct client *c, struct fixture *f, const struct cert *cert)
{
    connect_client(c, f, cert);
    client_flush(c);
}

static void close_client(struct client *c)
{
    rpc_client_free(c->rpc);
    tls_free(c->tls);
    tls_context_unref(c->context);
    watch_done(&c->watch);
    close(c->fd);
    buf_done(&c->plain);
    buf_done(&c->cipher);
}

struct wait {
    struct fixture *f;
    struct err status;
    int n_messages, n_closed;
};

static void wait_message(void *arg, struct rpc_call *call, const ProtobufCMessage *message)
{
    (void)call;
    (void)message;
    ((struct wait *)arg)->n_messages++;
}

static void wait_closed(void *arg, struct rpc_call *call, const struct err *status)
{
    (void)call;
    struct wait *w = arg;
    w->status = *status;
    w->n_closed++;
    loop_stop(w->f->loop);
}

static const struct rpc_call_events wait_events = {.message = wait_message, .closed = wait_closed};

static struct rpc_call *start(struct client *c, int method, const echo_request *r, struct wait *w)
{
    struct err err;
    *w = (struct wait){.f = c->f};
    struct rpc_call *call =
        rpc_client_start(c->rpc, echo_method(method), NULL, &r->base, &wait_events, w, &err);
    CHECK(call != NULL);
    client_flush(c);
    return call;
}

static struct err call(struct client *c, int method, const echo_request *r, int *n_messages)
{
    struct wait w;
    struct rpc_call *call = start(c, method, r, &w);
    while (w.n_closed == 0 && !c->f->late)
        run(c->f);
    rpc_call_unref(call);
    if (n_messages)
        *n_messages = w.n_messages;
    return w.status;
}

static void check_works(struct client *c)
{
    echo_request r = REQUEST_INIT;
    r.text = "over TLS";
    CHECK_INT(call(c, ECHO_UNARY, &r, NULL).code, ERR_NONE);
}

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
 * have begun, and begin nothing: a call is refused as not begun, to be tried elsewhere. */
static void test_reload(void)
{
    struct fixture f;
    struct client old, c;
    struct wait open, late;
    struct cert both = {0};
    echo_request hang = REQUEST_INIT;
    hang.hang = true;
    open_fixture(&f, 0);
    open_client(&old, &f, &certs.client);
    check_works(&old);
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

/* A client that has a call open, so that it is not idle. */
static struct rpc_call *keep_busy(struct client *c, struct wait *w)
{
    echo_request r = REQUEST_INIT;
    r.hang = true;
    struct rpc_call *call = start(c, ECHO_UNARY, &r, w);
    check_works(c); /* behind it: it has come */
    return call;
}

static void free_again(struct client *c, struct rpc_call *call)
{
    rpc_call_cancel(call);
    rpc_call_unref(call);
    check_works(c);
}

/* One in four of eight. */
static void test_a_principal_has_its_share_of_connections(void)
{
    struct fixture f;
    struct client alice[4], bob;
    struct wait waits[2];
    struct rpc_call *busy[2];
    echo_request r = REQUEST_INIT;
    open_fixture(&f, 0);
    struct cert cert =
        cert_make(&certs.ca, &(struct cert_spec){.names = "URI:banger://principal/bob"});
    for (int i = 0; i < 2; i++) {
        open_client(&alice[i], &f, &certs.client);
        busy[i] = keep_busy(&alice[i], &waits[i]);
    }
    /* She is told, and by an answer to her call; others are served. */
    open_client(&alice[2], &f, &certs.client);
    struct err err = call(&alice[2], ECHO_UNARY, &r, NULL);
    CHECK_INT(err.code, ERR_LIMIT);
    CHECK_CONTAINS(err.message, "too many connections: alice has 2, and all are in use");
    while (!alice[2].lost && !f.late)
        run(&f);
    open_client(&bob, &f, &cert);
    check_works(&bob);
    /* Of hers the idle one goes. */
    free_again(&alice[0], busy[0]);
    open_client(&alice[3], &f, &certs.client);
    check_works(&alice[3]);
    while (!alice[0].lost && !f.late)
        run(&f);
    CHECK_INT(waits[1].n_closed, 0);
    check_works(&bob);
    free_again(&alice[1], busy[1]);
    for (int i = 0; i < 4; i++)
        close_client(&alice[i]);
    close_client(&bob);
    cert_done(&cert);
    close_fixture(&f);
}

/* All places are taken: of who has most the longest idle goes, and without an idle one the newcomer
 * is told. */
static void test_the_idle_make_room_for_others(void)
{
    enum { CROWD = 8 };
    struct fixture f;
    struct client crowd[CROWD], late, later;
    struct wait waits[CROWD];
    struct rpc_call *busy[CROWD];
    struct cert crowd_certs[5];
    echo_request r = REQUEST_INIT;
    open_fixture(&f, 0);
    for (int i = 0; i < 5; i++) {
        char name[64];
        snprintf(name, sizeof(name), "URI:banger://principal/p%d", i);
        crowd_certs[i] = cert_make(&certs.ca, &(struct cert_spec){.names = name});
    }
    for (int i = 0; i < CROWD; i++) { /* p0, p1, p2, p3, two each */
        open_client(&crowd[i], &f, &crowd_certs[i / 2]);
        busy[i] = keep_busy(&crowd[i], &waits[i]);
    }
    open_client(&late, &f, &crowd_certs[4]);
    CHECK_CONTAINS(call(&late, ECHO_UNARY, &r, NULL).message,
                   "too many connections: 8 are open, and all are in use");
    free_again(&crowd[5], busy[5]);
    open_client(&later, &f, &crowd_certs[4]);
    check_works(&later);
    while (!crowd[5].lost && !f.late)
        run(&f);
    for (int i = 0; i < CROWD; i++) {
        CHECK_INT(crowd[i].lost, i == 5);
        if (i != 5)
            free_again(&crowd[i], busy[i]);
        close_client(&crowd[i]);
    }
    close_client(&late);
    close_client(&later);
    for (int i = 0; i < 5; i++)
        cert_done(&crowd_certs[i]);
    close_fixture(&f);
}

static bool is_alice(void *arg, const struct rpc_peer *peer)
{
    (void)arg;
    return strcmp(peer->principal, "alice") == 0;
}

static void test_cut(void)
{
    struct fixture f;
    struct client alice, bob;
    struct wait w;
    open_fixture(&f, 0);
    struct cert cert =
        cert_make(&certs.ca, &(struct cert_spec){.names = "URI:banger://principal/bob"});
    open_client(&alice, &f, &certs.client);
    open_client(&bob, &f, &cert);
    check_works(&alice);
    check_works(&bob);
    echo_request r = REQUEST_INIT;
    r.hang = true;
    struct rpc_call *stream = start(&alice, ECHO_UNARY, &r, &w);
    check_works(&alice); /* the hanging call has arrived */
    CHECK_INT(rpc_server_cut(f.server, is_alice, NULL), 1);
    CHECK_INT(rpc_server_cut(f.server, is_alice, NULL), 0);
    while (w.n_closed == 0 && !f.late)
        run(&f);
    CHECK_INT(w.status.code, ERR_UNAVAILABLE);
    CHECK_INT(f.stats.last_code, ERR_UNAUTHENTICATED);
    check_works(&bob);
    CHECK_INT(rpc_server_connections(f.server), 1);
    rpc_call_unref(stream);
    close_client(&alice);
    close_client(&bob);
    cert_done(&cert);
    close_fixture(&f);
}

static void on_drained(void *arg)
{
    struct fixture *f = arg;
    f->drained = true;
    loop_stop(f->loop);
}

/* Handshakes in flight do not hold up the end. */
static void test_drain(void)
{
    struct fixture f;
    struct client c;
    open_fixture(&f, 0);
    open_client(&c, &f, &certs.client);
    int fd = dial(&f);
    check_works(&c);
    rpc_server_drain(f.server, 10 * WAIT_MS, on_drained, &f);
    while (!f.drained && !f.late)
        run(&f);
    CHECK_INT(rpc_server_connections(f.server), 0);
    close(fd);
    close_client(&c);
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
    RUN(test_a_principal_has_its_share_of_connections);
    RUN(test_the_idle_make_room_for_others);
    RUN(test_cut);
    RUN(test_drain);
    RUN(test_addresses);
    tls_certs_done(&certs);
    return check_end();
}
