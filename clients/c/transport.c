/* Unix sockets and TCP with TLS; see transport.h. */
#include "transport.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "rpc/wire/tls.h"
#include "target.h"

enum {
    REST_BYTES = 16 << 20,     /* more output than any peer lets us queue */
    PLAIN_BYTES = 1 << 20,     /* of one read */
    ADDRESS_TIMEOUT_MS = 3000, /* an address, where others follow */
    CONNECT_TIMEOUT_MS = 10000,
    HANDSHAKE_TIMEOUT_MS = 10000,
    HANDSHAKE_BYTES = 4 << 10, /* read at a time */
};

void transport_init(struct transport *t, const struct target *target, int epoll_fd)
{
    *t =
        (struct transport){.target = target, .epoll_fd = epoll_fd, .fd = -1, .until_ms = INT64_MAX};
    buf_init(&t->rest, REST_BYTES);
    buf_init(&t->plain, PLAIN_BYTES);
}

/* Keeps the socket in the epoll set for what is waited for. */
static int transport_watch(struct transport *t, struct err *err)
{
    bool connecting = t->phase == TRANSPORT_CONNECTING;
    struct epoll_event event = {.events = connecting || buf_len(&t->rest) > 0 ? EPOLLOUT | EPOLLIN
                                                                              : EPOLLIN};
    if (event.events == t->watched)
        return 0;
    if (epoll_ctl(t->epoll_fd, t->watched ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, t->fd, &event) < 0)
        return err_sys(err, errno, "watch the connection to %s", target_name(t->target));
    t->watched = event.events;
    return 0;
}

static void close_socket(struct transport *t)
{
    if (t->fd < 0)
        return;
    /* By hand: a copy of the socket, in a child forked meanwhile, would keep it in the set. */
    if (t->watched)
        (void)epoll_ctl(t->epoll_fd, EPOLL_CTL_DEL, t->fd, NULL);
    t->watched = 0;
    close(t->fd);
    t->fd = -1;
}

static void forget_addresses(struct transport *t)
{
    if (t->addresses)
        freeaddrinfo(t->addresses);
    t->addresses = t->address = NULL;
}

void transport_close(struct transport *t)
{
    struct err err;
    if (t->fd >= 0 && t->tls && buf_len(&t->rest) == 0)
        tls_close(t->tls, &t->rest);
    if (t->fd >= 0 && t->tls)
        (void)transport_flush(t, &err); /* an alert, or the farewell */
    tls_free(t->tls);
    t->tls = NULL;
    close_socket(t);
    forget_addresses(t);
    t->phase = TRANSPORT_CLOSED;
    t->until_ms = INT64_MAX;
    buf_reset(&t->rest);
    buf_reset(&t->plain);
}

void transport_done(struct transport *t)
{
    transport_close(t);
    buf_done(&t->rest);
    buf_done(&t->plain);
}

static int is_open(struct transport *t, struct err *err)
{
    t->phase = TRANSPORT_OPEN;
    t->until_ms = INT64_MAX;
    forget_addresses(t);
    return transport_watch(t, err) < 0 ? -1 : 1;
}

static int open_unix(struct transport *t, struct err *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, t->target->path, sizeof(address.sun_path));
    t->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (t->fd < 0)
        return err_sys(err, errno, "socket");
    if (connect(t->fd, (const struct sockaddr *)&address, sizeof(address)) == 0)
        return is_open(t, err);
    int errnum = errno;
    err_sys(err, errnum, "connect to %s", t->target->path);
    /* Nobody there, or too many at the door: both may pass. Forbidden stays. */
    if (errnum != EACCES && errnum != EPERM)
        err->code = ERR_UNAVAILABLE;
    return -1;
}

/* ---- TCP ---- */

static int shake_hands(struct transport *t, struct err *err)
{
    struct tls_context *context = target_load_tls(t->target, err);
    if (!context)
        return -1;
    const char *name = t->target->server_name ? t->target->server_name : t->target->host;
    t->tls = tls_new(context, name, err);
    tls_context_unref(context);
    if (!t->tls || tls_start(t->tls, &t->rest, err) < 0 || transport_flush(t, err) < 0)
        return -1;
    t->phase = TRANSPORT_SHAKING_HANDS;
    t->until_ms = clock_mono_ms() + HANDSHAKE_TIMEOUT_MS;
    return transport_watch(t, err);
}

/* Begins with one address: 0 under way or there, -1: not that one. */
static int connect_address(struct transport *t, const struct addrinfo *a, struct err *err)
{
    int one = 1, wait_ms = a->ai_next ? ADDRESS_TIMEOUT_MS : CONNECT_TIMEOUT_MS;
    t->fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (t->fd < 0)
        return err_sys(err, errno, "socket");
    (void)setsockopt(t->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    if (connect(t->fd, a->ai_addr, a->ai_addrlen) < 0 && errno != EINPROGRESS) {
        err_sys(err, errno, "connect to %s", t->target->authority);
        err->code = ERR_UNAVAILABLE;
        return -1;
    }
    t->phase = TRANSPORT_CONNECTING;
    t->until_ms = clock_mono_ms() + wait_ms;
    return transport_watch(t, err);
}

/* From address on, the first that can be begun with. */
static int connect_some(struct transport *t, struct err *err)
{
    for (; t->address; t->address = t->address->ai_next) {
        if (connect_address(t, t->address, err) == 0)
            return 0;
        close_socket(t);
    }
    return -1;
}

static int open_tcp(struct transport *t, struct err *err)
{
    const struct addrinfo hints = {.ai_family = AF_UNSPEC,
                                   .ai_socktype = SOCK_STREAM,
                                   .ai_flags = AI_ADDRCONFIG | AI_NUMERICSERV};
    int rv = getaddrinfo(t->target->host, t->target->port, &hints, &t->addresses);
    if (rv != 0) {
        t->addresses = NULL;
        return err_set(err, ERR_UNAVAILABLE, "no address of %s: %s", t->target->host,
                       gai_strerror(rv));
    }
    t->address = t->addresses;
    return connect_some(t, err);
}

/* 1: connected, 0: not yet, -1 with err. */
static int connect_result(const struct transport *t, struct err *err)
{
    struct pollfd p = {.fd = t->fd, .events = POLLOUT};
    int failed = 0;
    socklen_t len = sizeof(failed);
    if (poll(&p, 1, 0) <= 0) {
        if (clock_mono_ms() < t->until_ms)
            return 0;
        return err_set(err, ERR_UNAVAILABLE, "%s does not answer", t->target->authority);
    }
    if (getsockopt(t->fd, SOL_SOCKET, SO_ERROR, &failed, &len) < 0)
        failed = errno;
    if (!failed)
        return 1;
    err_sys(err, failed, "connect to %s", t->target->authority);
    err->code = ERR_UNAVAILABLE;
    return -1;
}

static int step_connect(struct transport *t, struct err *err)
{
    int rv = connect_result(t, err);
    if (rv > 0)
        return shake_hands(t, err);
    if (rv == 0)
        return 0;
    close_socket(t);
    t->address = t->address->ai_next;
    return connect_some(t, err);
}

static int step_handshake(struct transport *t, struct err *err)
{
    uint8_t input[HANDSHAKE_BYTES];
    const uint8_t *data;
    size_t len;
    if (clock_mono_ms() >= t->until_ms)
        return err_set(err, ERR_UNAVAILABLE, "%s does not finish the TLS handshake",
                       t->target->authority);
    if (transport_read(t, input, sizeof(input), &data, &len, err) < 0 ||
        transport_flush(t, err) < 0)
        return -1;
    return tls_is_ready(t->tls) ? is_open(t, err) : 0;
}

int transport_step(struct transport *t, struct err *err)
{
    enum transport_phase before;
    int rv;
    do {
        before = t->phase;
        rv = before == TRANSPORT_CONNECTING      ? step_connect(t, err)
             : before == TRANSPORT_SHAKING_HANDS ? step_handshake(t, err)
                                                 : 1;
    } while (rv == 0 && t->phase != before);
    if (rv < 0 && t->tls)
        err_wrap(err, "connect to %s", t->target->authority);
    return rv;
}

int transport_open(struct transport *t, struct err *err)
{
    return t->target->path[0] ? open_unix(t, err) : open_tcp(t, err);
}

/* ---- bytes ---- */

int transport_read(struct transport *t, uint8_t *input, size_t input_bytes, const uint8_t **data,
                   size_t *len, struct err *err)
{
    const char *who = target_name(t->target);
    ssize_t n;
    do
        n = recv(t->fd, input, input_bytes, 0);
    while (n < 0 && errno == EINTR);
    *len = 0;
    t->more = false;
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        return 0;
    if (n < 0) {
        err_sys(err, errno, "read from %s", who);
        err->code = ERR_UNAVAILABLE;
        return -1;
    }
    if (n == 0)
        return err_set(err, ERR_UNAVAILABLE, "the server at %s closed the connection", who);
    *data = input;
    *len = (size_t)n;
    t->more = (size_t)n == input_bytes;
    if (!t->tls)
        return 1;
    /* Once the handshake is done here, what it brought is HTTP/2's and waits for the next read. */
    if (tls_is_ready(t->tls))
        buf_reset(&t->plain);
    if (tls_receive(t->tls, input, (size_t)n, &t->plain, &t->rest, err) < 0)
        return -1;
    if (tls_is_closed(t->tls) && buf_len(&t->plain) == 0)
        return err_set(err, ERR_UNAVAILABLE, "the server at %s closed the connection", who);
    *data = buf_data(&t->plain);
    *len = buf_len(&t->plain);
    return 1;
}

/* Bytes sent, 0 when the socket is full, -1. */
static ssize_t send_some(struct transport *t, const uint8_t *data, size_t len, struct err *err)
{
    ssize_t n;
    do
        n = send(t->fd, data, len, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    if (n >= 0)
        return n;
    if (errno == EAGAIN || errno == EWOULDBLOCK)
        return 0;
    err_sys(err, errno, "write to %s", target_name(t->target));
    err->code = ERR_UNAVAILABLE;
    return -1;
}

int transport_flush(struct transport *t, struct err *err)
{
    while (buf_len(&t->rest) > 0) {
        ssize_t n = send_some(t, buf_data(&t->rest), buf_len(&t->rest), err);
        if (n < 0)
            return -1;
        if (n == 0)
            break;
        buf_consume(&t->rest, (size_t)n);
    }
    return t->phase == TRANSPORT_CLOSED ? 0 : transport_watch(t, err);
}

int transport_send(struct transport *t, const uint8_t *data, size_t len, struct err *err)
{
    if (t->tls)
        return tls_send(t->tls, data, len, &t->rest, err) < 0 ? -1 : transport_flush(t, err);
    ssize_t n = buf_len(&t->rest) == 0 ? send_some(t, data, len, err) : 0;
    if (n < 0)
        return -1;
    if ((size_t)n == len)
        return 0;
    if (buf_append(&t->rest, data + n, len - (size_t)n) < 0)
        return err_sys(err, errno, "queue output");
    return transport_watch(t, err);
}
