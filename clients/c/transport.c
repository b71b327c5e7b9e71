/* Unix sockets and TCP with TLS; see transport.h. */
#include "transport.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "lookup.h"
#include "rpc/wire/tls.h"
#include "target.h"

enum {
    REST_BYTES = 16 << 20, /* more output than any peer lets us queue */
    PLAIN_BYTES = 1 << 20, /* of one read */
    LOOKUP_TIMEOUT_MS = 10000,
    LOOKUP_AGE_MS = 60000, /* one that hangs for so long has another beside it */
    HANDSHAKE_TIMEOUT_MS = 10000,
    HANDSHAKE_BYTES = 4 << 10, /* read at a time */
};

void transport_init(struct transport *t, struct target *target, int epoll_fd)
{
    *t =
        (struct transport){.target = target, .epoll_fd = epoll_fd, .fd = -1, .until_ms = INT64_MAX};
    buf_init(&t->rest, REST_BYTES);
    buf_init(&t->plain, PLAIN_BYTES);
}

/* Keeps the socket in the epoll set for what is waited for. */
static int transport_watch(struct transport *t, struct err *err)
{
    struct epoll_event event = {.events = buf_len(&t->rest) > 0 ? EPOLLOUT | EPOLLIN : EPOLLIN};
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

static void stop_looking(struct transport *t)
{
    if (t->phase == TRANSPORT_LOOKING_UP)
        (void)epoll_ctl(t->epoll_fd, EPOLL_CTL_DEL, lookup_fd(t->target->lookup), NULL);
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
    stop_looking(t);
    dial_stop(&t->dial);
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

/* The slot in the target outlives connections: one that gives up leaves its look-up to the next,
 * so that a resolver that hangs has one thread of ours, or a few over time. */
static int open_by_name(struct transport *t, struct err *err)
{
    struct target *target = t->target;
    struct lookup *left = target->lookup;
    struct epoll_event event = {.events = EPOLLIN};
    if (left && (lookup_is_over(left) || lookup_age_ms(left) > LOOKUP_AGE_MS)) {
        lookup_leave(left);
        target->lookup = NULL;
    }
    if (!target->lookup)
        target->lookup = lookup_start(target->host, target->port, err);
    if (!target->lookup)
        return -1;
    if (epoll_ctl(t->epoll_fd, EPOLL_CTL_ADD, lookup_fd(target->lookup), &event) < 0)
        return err_sys(err, errno, "watch the look-up of %s", target->host);
    t->phase = TRANSPORT_LOOKING_UP;
    t->until_ms = clock_mono_ms() + LOOKUP_TIMEOUT_MS;
    return 0;
}

static int step_dial(struct transport *t, struct err *err)
{
    int rv = dial_step(&t->dial, &t->fd, err);
    t->until_ms = dial_due_ms(&t->dial);
    return rv > 0 ? shake_hands(t, err) : rv;
}

static int dial(struct transport *t, struct addrinfo *addresses, struct err *err)
{
    dial_start(&t->dial, t->epoll_fd, t->target->authority, addresses);
    t->phase = TRANSPORT_CONNECTING;
    return step_dial(t, err);
}

static int step_lookup(struct transport *t, struct err *err)
{
    struct addrinfo *addresses;
    struct target *target = t->target;
    if (lookup_is_over(target->lookup)) {
        stop_looking(t);
        t->phase = TRANSPORT_CLOSED;
        int rv = lookup_take(target->lookup, &addresses, err);
        lookup_leave(target->lookup);
        target->lookup = NULL;
        return rv < 0 ? -1 : dial(t, addresses, err);
    }
    if (clock_mono_ms() < t->until_ms)
        return 0;
    return err_set(err, ERR_UNAVAILABLE, "the address of %s was not found within %d seconds",
                   target->host, LOOKUP_TIMEOUT_MS / 1000);
}

static int open_tcp(struct transport *t, struct err *err)
{
    struct addrinfo *addresses = lookup_numeric(t->target->host, t->target->port);
    return addresses ? dial(t, addresses, err) : open_by_name(t, err);
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
        rv = before == TRANSPORT_LOOKING_UP      ? step_lookup(t, err)
             : before == TRANSPORT_CONNECTING    ? step_dial(t, err)
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
