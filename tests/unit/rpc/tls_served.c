/* See tls_served.h. */
#include "tests/unit/rpc/tls_served.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/support/check.h"

struct tls_certs certs;

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

struct tls_context *server_context(const struct cert *server, const struct cert *ca)
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

void open_fixture(struct fixture *f, int64_t handshake_ms)
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

void close_fixture(struct fixture *f)
{
    rpc_server_free(f->server);
    tls_context_unref(f->context);
    timer_done(&f->limit);
    loop_free(f->loop);
}

/* Runs the loop until somebody stops it. */
void run(struct fixture *f)
{
    struct err err;
    timer_start(&f->limit, WAIT_MS);
    CHECK_INT(loop_run(f->loop, &err), 0);
    CHECK(!f->late);
    timer_stop(&f->limit);
}

int dial(const struct fixture *f)
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

void client_flush(struct client *c)
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
void connect_client(struct client *c, struct fixture *f, const struct cert *cert)
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

void open_client(struct client *c, struct fixture *f, const struct cert *cert)
{
    connect_client(c, f, cert);
    client_flush(c);
}

void close_client(struct client *c)
{
    rpc_client_free(c->rpc);
    tls_free(c->tls);
    tls_context_unref(c->context);
    watch_done(&c->watch);
    close(c->fd);
    buf_done(&c->plain);
    buf_done(&c->cipher);
}

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

struct rpc_call *start(struct client *c, int method, const echo_request *r, struct wait *w)
{
    struct err err;
    *w = (struct wait){.f = c->f};
    struct rpc_call *call =
        rpc_client_start(c->rpc, echo_method(method), NULL, &r->base, &wait_events, w, &err);
    CHECK(call != NULL);
    client_flush(c);
    return call;
}

struct err call(struct client *c, int method, const echo_request *r, int *n_messages)
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

void check_works(struct client *c)
{
    echo_request r = REQUEST_INIT;
    r.text = "over TLS";
    CHECK_INT(call(c, ECHO_UNARY, &r, NULL).code, ERR_NONE);
}
