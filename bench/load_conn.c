/* A connection of the load generator: socket, TLS filter, rpc/wire's client; see load.h. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fs.h"
#include "bench/load.h"
#include "rpc/wire/client.h"
#include "rpc/wire/tls.h"

enum {
    CONNECT_S = 20,
    PEM_BYTES_MAX = 1 << 20,
    PATH_BYTES = 4096,
    UNSENT_BYTES_MAX = 64 << 20, /* more than a client ever queues */
};

static int read_pem(const struct load *load, const char *name, char **text, struct err *err)
{
    char path[PATH_BYTES];
    if ((size_t)snprintf(path, sizeof(path), "%s/%s", load->o.certs, name) >= sizeof(path))
        return err_set(err, ERR_INVALID, "%s is too long", load->o.certs);
    return fs_read(path, PEM_BYTES_MAX, text, NULL, err);
}

int load_tls_init(struct load *load, struct err *err)
{
    auto_free char *ca = NULL, *certificate = NULL, *key = NULL;
    if (read_pem(load, "ca.pem", &ca, err) < 0 ||
        read_pem(load, "client.pem", &certificate, err) < 0 ||
        read_pem(load, "client.key", &key, err) < 0)
        return -1;
    const struct tls_config config = {.certificate_pem = certificate, .key_pem = key, .ca_pem = ca};
    load->tls_context = tls_context_new(&config, err);
    return load->tls_context ? 0 : -1;
}

/* Waits for a server with many at its door. */
static int conn_connect(struct load_conn *c, struct err *err)
{
    const struct load_options *o = &c->load->o;
    const struct timeval limit = {.tv_sec = CONNECT_S};
    int one = 1;
    c->fd = socket(o->address.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->fd < 0)
        return err_sys(err, errno, "socket");
    if (setsockopt(c->fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)) < 0 ||
        (o->tcp && setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) < 0))
        return err_sys(err, errno, "socket options");
    if (connect(c->fd, &o->address.any, o->address_len) < 0)
        return err_sys(err, errno, "connect");
    if (fcntl(c->fd, F_SETFL, O_NONBLOCK) < 0)
        return err_sys(err, errno, "fcntl");
    return 0;
}

int load_conn_open(struct load_conn *c, struct err *err)
{
    struct load *load = c->load;
    buf_init(&c->unsent, UNSENT_BYTES_MAX);
    c->events = EPOLLIN;
    if (conn_connect(c, err) < 0)
        return -1;
    struct epoll_event event = {.events = c->events, .data.ptr = c};
    if (epoll_ctl(load->epoll_fd, EPOLL_CTL_ADD, c->fd, &event) < 0)
        return err_sys(err, errno, "epoll_ctl");
    c->client = rpc_client_new("localhost", err);
    if (!c->client)
        return -1;
    if (load->tls_context) {
        c->tls = tls_new(load->tls_context, "127.0.0.1", err);
        if (!c->tls || tls_start(c->tls, &c->unsent, err) < 0)
            return -1;
    }
    load_calls_greet(c);
    return load_conn_flush(c, err);
}

static ssize_t conn_write(const struct load_conn *c, const uint8_t *data, size_t len,
                          struct err *err)
{
    ssize_t n = send(c->fd, data, len, MSG_NOSIGNAL);
    if (n >= 0)
        return n;
    return errno == EAGAIN || errno == EINTR ? 0 : err_sys(err, errno, "send");
}

/* Writes at once, keeps what the socket does not take. */
static int conn_send(struct load_conn *c, const uint8_t *data, size_t len, struct err *err)
{
    ssize_t n = conn_write(c, data, len, err);
    if (n < 0)
        return -1;
    if ((size_t)n < len && buf_append(&c->unsent, data + n, len - (size_t)n) < 0)
        return err_sys(err, errno, "queue output");
    return 0;
}

/* False: the socket is full. */
static int conn_send_unsent(struct load_conn *c, struct err *err)
{
    if (buf_len(&c->unsent) == 0)
        return true;
    ssize_t n = conn_write(c, buf_data(&c->unsent), buf_len(&c->unsent), err);
    if (n < 0)
        return -1;
    buf_consume(&c->unsent, (size_t)n);
    return buf_len(&c->unsent) == 0;
}

/* What the client has to say next, through TLS where there is one. Returns whether there was any.
 */
static int conn_send_next(struct load_conn *c, struct err *err)
{
    struct buf *cipher = &c->load->cipher;
    const uint8_t *data;
    if (c->tls && !tls_is_ready(c->tls))
        return false;
    ssize_t n = rpc_client_output(c->client, &data, err);
    if (n <= 0)
        return (int)n;
    if (!c->tls)
        return conn_send(c, data, (size_t)n, err) < 0 ? -1 : true;
    int rv = tls_send(c->tls, data, (size_t)n, cipher, err);
    if (rv == 0)
        rv = conn_send(c, buf_data(cipher), buf_len(cipher), err);
    buf_reset(cipher);
    return rv < 0 ? -1 : true;
}

static int conn_watch(struct load_conn *c, struct err *err)
{
    uint32_t events = EPOLLIN | (buf_len(&c->unsent) > 0 ? EPOLLOUT : 0);
    if (events == c->events)
        return 0;
    c->events = events;
    struct epoll_event event = {.events = events, .data.ptr = c};
    if (epoll_ctl(c->load->epoll_fd, EPOLL_CTL_MOD, c->fd, &event) < 0)
        return err_sys(err, errno, "epoll_ctl");
    return 0;
}

int load_conn_flush(struct load_conn *c, struct err *err)
{
    int more = true;
    while (more > 0) {
        more = conn_send_unsent(c, err);
        if (more > 0)
            more = conn_send_next(c, err);
    }
    return more < 0 ? -1 : conn_watch(c, err);
}

static int conn_take(struct load_conn *c, const uint8_t *data, size_t len, struct err *err)
{
    struct buf *plain = &c->load->plain;
    if (!c->tls)
        return rpc_client_receive(c->client, data, len, err);
    /* What is to be answered goes behind what is unsent: records have an order. */
    int rv = tls_receive(c->tls, data, len, plain, &c->unsent, err);
    if (rv == 0 && buf_len(plain) > 0)
        rv = rpc_client_receive(c->client, buf_data(plain), buf_len(plain), err);
    buf_reset(plain);
    return rv;
}

static int conn_read(struct load_conn *c, struct err *err)
{
    uint8_t *input = c->load->input;
    ssize_t n = recv(c->fd, input, LOAD_INPUT_BYTES, 0);
    if (n > 0)
        return conn_take(c, input, (size_t)n, err);
    if (n == 0)
        return err_set(err, ERR_UNAVAILABLE, "the server closed the connection");
    return errno == EAGAIN || errno == EINTR ? 0 : err_sys(err, errno, "recv");
}

int load_conn_ready(struct load_conn *c, uint32_t events, struct err *err)
{
    if ((events & ~(uint32_t)EPOLLOUT) && conn_read(c, err) < 0)
        return -1;
    if (load_conn_flush(c, err) < 0)
        return -1;
    if (rpc_client_next_tick_ms(c->client) != 0)
        return 0;
    rpc_client_tick(c->client);
    return load_conn_flush(c, err);
}

void load_conn_close(struct load_conn *c)
{
    rpc_client_free(c->client);
    tls_free(c->tls);
    if (c->fd >= 0)
        close(c->fd);
    buf_done(&c->unsent);
}
