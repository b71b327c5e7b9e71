/* Bytes between a socket and a tool's stdin and stdout, until both directions have ended.
 *
 * stdout is records: four bytes of length, most significant first, then so many bytes. The first is
 * empty and says that the connection stands; another empty one that its other side sends no more,
 * while ours may go on. The end of stdin is passed on (shutdown). A connection that is reset, or
 * that takes no more while we have more, is a failure of the tool. */
#include "agent/tool_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/tool.h"

enum { RELAY_BYTES = 64 * 1024, RELAY_LENGTH = 4 };

/* One direction. */
struct flow {
    int from, to;
    size_t at, len; /* of data: what is still to be written */
    bool ended;     /* nothing more comes from `from` */
    bool done;      /* and nothing is left */
    int sys;        /* errno of the end, or 0 */
    uint8_t data[RELAY_BYTES];
};

static struct flow into, out; /* not on the stack */

static void flow_end(struct flow *f, int sys)
{
    f->ended = f->done = true;
    f->sys = sys;
}

/* Writes what is left. */
static void flow_write(struct flow *f)
{
    ssize_t n = f->at < f->len ? write(f->to, f->data + f->at, f->len - f->at) : 0;
    if (n < 0 && errno != EAGAIN && errno != EINTR) {
        flow_end(f, errno);
        f->at = f->len = 0;
        return;
    }
    f->at += n > 0 ? (size_t)n : 0;
    if (f->at == f->len) {
        f->at = f->len = 0;
        f->done = f->ended;
    }
}

static void record_begin(struct flow *f, size_t len)
{
    for (int i = 0; i < RELAY_LENGTH; i++)
        f->data[i] = (uint8_t)(len >> (8 * (RELAY_LENGTH - 1 - i)));
    f->at = 0;
    f->len = RELAY_LENGTH + len;
}

/* room: bytes kept free before what is read. */
static void flow_read(struct flow *f, size_t room)
{
    ssize_t n = read(f->from, f->data + room, sizeof(f->data) - room);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n < 0) {
        flow_end(f, errno);
        return;
    }
    f->ended = n == 0;
    if (room)
        record_begin(f, (size_t)n);
    else
        f->len = (size_t)n;
    flow_write(f);
}

static short flow_wants_read(const struct flow *f)
{
    return !f->ended && f->len == 0 ? POLLIN : 0;
}

static short flow_wants_write(const struct flow *f)
{
    return f->len > 0 ? POLLOUT : 0;
}

/* -1 is left out by poll; one without events would still tell of a hang-up, again and again. */
static struct pollfd wait_for(int fd, short events)
{
    return (struct pollfd){.fd = events ? fd : -1, .events = events};
}

/* The other side has closed, or reset, what it had still been reading from. */
static void relay_hang_up(int sock)
{
    int sys = 0;
    socklen_t size = sizeof(sys);
    getsockopt(sock, SOL_SOCKET, SO_ERROR, &sys, &size);
    flow_end(&into, sys ? sys : into.len > 0 ? EPIPE : 0);
}

static void relay_turn(int sock, bool *told)
{
    bool one_way = out.ended && !into.done;
    struct pollfd p[3] = {
        wait_for(STDIN_FILENO, flow_wants_read(&into)),
        wait_for(STDOUT_FILENO, flow_wants_write(&out)),
        wait_for(sock, (short)(flow_wants_write(&into) | flow_wants_read(&out))),
    };
    if (one_way)
        p[2].fd = sock;
    if (poll(p, 3, -1) < 0 && errno != EINTR)
        tool_fail(errno, "cannot wait: %s", strerror(errno));
    if (one_way && (p[2].revents & (POLLHUP | POLLERR))) {
        relay_hang_up(sock);
        return;
    }
    if (p[1].revents)
        flow_write(&out);
    if (p[2].revents && flow_wants_write(&into))
        flow_write(&into);
    if (p[2].revents && flow_wants_read(&out))
        flow_read(&out, RELAY_LENGTH);
    if (p[0].revents && flow_wants_read(&into))
        flow_read(&into, 0);
    if (into.done && !*told) {
        shutdown(sock, SHUT_WR);
        *told = true;
    }
}

_Noreturn void socket_relay(int sock)
{
    bool told = false;
    into.from = STDIN_FILENO;
    into.to = out.from = sock;
    out.to = STDOUT_FILENO;
    fcntl(sock, F_SETFL, O_NONBLOCK);
    fcntl(STDIN_FILENO, F_SETFL, O_NONBLOCK);
    fcntl(STDOUT_FILENO, F_SETFL, O_NONBLOCK);
    record_begin(&out, 0);
    while ((!into.done || !out.done) && !out.sys)
        relay_turn(sock, &told);
    int sys = out.sys ? out.sys : into.sys;
    if (sys)
        tool_fail(sys == EPIPE ? ECONNRESET : sys, "the connection was cut: %s",
                  strerror(sys == EPIPE ? ECONNRESET : sys));
    _exit(0);
}
