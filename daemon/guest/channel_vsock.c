/* A port of the guest's vsock, behind a Unix socket of the VMM as Firecracker's (and others')
 * device has it: say "CONNECT <port>\n", hear "OK <port of the host's end>\n", and from then on the
 * bytes are the guest's (firecracker, docs/vsock.md). Where nobody listens on the port the VMM
 * hangs up.
 *
 * Who answers is not trusted: one line, short, of that form, before the deadline. What lies behind
 * the line is the guest's already: the answer is looked at where it lies, and no byte more than its
 * line is taken. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "daemon/guest/channel_socket.h"

enum { ANSWER_BYTES = 32 }; /* "OK 4294967295\n" has 14 */

struct vsock {
    struct channel_socket socket; /* first: it is the channel */
    struct timer deadline;
    channel_ready_fn *ready;
    void *arg;
    uint32_t port;
    int64_t open_ms;
    int wanted;   /* by the caller; the socket is watched for it once this is open */
    bool is_open; /* it was answered; else failed, or still waiting */
    char answer[ANSWER_BYTES];
    size_t answer_len;
};

/* The handshake is over, well or not: the caller's wishes are the socket's now. */
static void hand_over(struct vsock *v)
{
    timer_stop(&v->deadline);
    channel_socket_want(&v->socket.base, v->wanted);
}

static void refuse(struct vsock *v, const struct err *why)
{
    channel_socket_fail(&v->socket, why);
    hand_over(v);
}

static void on_deadline(void *arg)
{
    struct vsock *v = arg;
    struct err why = ERR_INIT;
    err_set(&why, ERR_DEADLINE, "no answer for port %" PRIu32 " of the guest's vsock in %d ms",
            v->port, (int)v->open_ms);
    refuse(v, &why);
}

/* "OK " and a number, without the newline. */
static bool is_ok(const char *line, size_t len)
{
    if (len < 4 || len > 13 || memcmp(line, "OK ", 3) != 0)
        return false;
    for (size_t i = 3; i < len; i++) {
        if (line[i] < '0' || line[i] > '9')
            return false;
    }
    return true;
}

/* 1: whole, and good; 0: more has to come; -1 with err. */
static int read_answer(struct vsock *v, struct err *err)
{
    char *at = v->answer + v->answer_len;
    size_t room = sizeof(v->answer) - v->answer_len;
    ssize_t n = recv(v->socket.fd, at, room, MSG_PEEK);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (n < 0)
        return err_sys(err, errno, "reading the answer for port %" PRIu32 " of the guest's vsock",
                       v->port);
    if (n == 0)
        return err_set(err, ERR_UNAVAILABLE,
                       "nothing listens on port %" PRIu32 " of the guest's vsock", v->port);
    const char *newline = memchr(at, '\n', (size_t)n);
    size_t take = newline ? (size_t)(newline - at) + 1 : (size_t)n;
    if (recv(v->socket.fd, at, take, 0) != (ssize_t)take)
        return err_set(err, ERR_INTERNAL, "the answer of the guest's vsock went away");
    v->answer_len += take;
    if (newline && is_ok(v->answer, v->answer_len - 1))
        return 1;
    if (newline || v->answer_len == sizeof(v->answer))
        return err_set(err, ERR_INVALID,
                       "the answer for port %" PRIu32 " of the guest's vsock is not OK", v->port);
    return 0;
}

static void on_ready(void *arg, int events)
{
    struct vsock *v = arg;
    if (v->is_open || v->socket.why.code != ERR_NONE) {
        v->ready(v->arg, events);
        return;
    }
    struct err why = ERR_INIT;
    int found = read_answer(v, &why);
    if (found < 0) {
        refuse(v, &why);
    } else if (found > 0) {
        v->is_open = true;
        hand_over(v);
    }
}

static int ask(struct vsock *v, struct err *err)
{
    char line[32];
    struct iovec iov = {line,
                        (size_t)snprintf(line, sizeof(line), "CONNECT %" PRIu32 "\n", v->port)};
    /* The first bytes of a new socket: it takes all of them. */
    if (channel_socket_send(&v->socket.base, &iov, 1) == iov.iov_len)
        return 0;
    if (v->socket.why.code == ERR_NONE)
        return err_set(err, ERR_UNAVAILABLE, "the guest's vsock takes no request");
    if (err)
        *err = v->socket.why;
    return -1;
}

static void vsock_close(struct channel *c)
{
    struct vsock *v = (struct vsock *)c;
    timer_done(&v->deadline);
    channel_socket_done(&v->socket);
    free(v);
}

static struct channel *vsock_open(struct loop *loop, const struct channel_config *config,
                                  channel_ready_fn *ready, void *arg, struct err *err)
{
    struct vsock *v = calloc(1, sizeof(*v));
    if (!v || timer_init(&v->deadline, loop, on_deadline, v) < 0) {
        free(v);
        err_sys(err, ENOMEM, "guest channel");
        return NULL;
    }
    v->ready = ready;
    v->arg = arg;
    v->port = config->port;
    v->open_ms = channel_open_ms(config);
    if (channel_socket_open(&v->socket, &channel_vsock, loop, config->socket_path, on_ready, v,
                            err) < 0) {
        timer_done(&v->deadline);
        free(v);
        return NULL;
    }
    if (ask(v, err) < 0) {
        vsock_close(&v->socket.base);
        return NULL;
    }
    timer_start(&v->deadline, v->open_ms);
    channel_socket_want(&v->socket.base, WATCH_READ);
    return &v->socket.base;
}

static size_t vsock_send(struct channel *c, const struct iovec *iov, size_t n)
{
    return ((struct vsock *)c)->is_open ? channel_socket_send(c, iov, n) : 0;
}

static ssize_t vsock_recv(struct channel *c, void *room, size_t len, struct err *err)
{
    struct vsock *v = (struct vsock *)c;
    if (v->is_open)
        return channel_socket_recv(c, room, len, err);
    if (v->socket.why.code == ERR_NONE)
        return 0;
    if (err)
        *err = v->socket.why;
    return -1;
}

static void vsock_want(struct channel *c, int events)
{
    struct vsock *v = (struct vsock *)c;
    v->wanted = events;
    if (v->is_open || v->socket.why.code != ERR_NONE)
        channel_socket_want(c, events);
}

const struct channel_kind channel_vsock = {
    .name = "vsock",
    .open_ms = CHANNEL_OPEN_MS,
    .open = vsock_open,
    .send = vsock_send,
    .recv = vsock_recv,
    .want = vsock_want,
    .is_alive = channel_socket_is_alive,
    .close = vsock_close,
};
