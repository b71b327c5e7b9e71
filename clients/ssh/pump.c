/* See pump.h. */
#include "pump.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

int pump_open(struct pump *p)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
        return -1;
    p->in.from = STDIN_FILENO;
    p->in.to = p->out.from = pair[0];
    p->out.to = STDOUT_FILENO;
    p->fd = pair[1];
    fcntl(STDIN_FILENO, F_SETFL, O_NONBLOCK);
    fcntl(STDOUT_FILENO, F_SETFL, O_NONBLOCK);
    return 0;
}

void pump_close(struct pump *p)
{
    close(p->in.to);
}

static void pump_wants_way(const struct pump_way *w, struct pollfd *from, struct pollfd *to)
{
    bool reads = !w->ended && w->len == 0;
    *from = (struct pollfd){.fd = reads ? w->from : -1, .events = POLLIN};
    *to = (struct pollfd){.fd = w->len > 0 ? w->to : -1, .events = POLLOUT};
}

void pump_wants(const struct pump *p, struct pollfd fds[PUMP_FDS])
{
    pump_wants_way(&p->in, &fds[0], &fds[1]);
    pump_wants_way(&p->out, &fds[2], &fds[3]);
}

static bool pump_waits(void)
{
    return errno == EAGAIN || errno == EINTR;
}

static void pump_way_turn(struct pump_way *w)
{
    while (!w->ended || w->len > 0) {
        if (w->len == 0) {
            ssize_t n = read(w->from, w->data, sizeof(w->data));
            if (n < 0 && pump_waits())
                return;
            w->ended |= n <= 0;
            w->at = 0;
            w->len = n > 0 ? (size_t)n : 0;
            continue;
        }
        ssize_t n = write(w->to, w->data + w->at, w->len);
        if (n < 0 && pump_waits())
            return;
        if (n < 0) {
            w->ended = true;
            w->len = 0;
            return;
        }
        w->at += (size_t)n;
        w->len -= (size_t)n;
    }
}

void pump_turn(struct pump *p)
{
    pump_way_turn(&p->in);
    pump_way_turn(&p->out);
}

bool pump_has_ended(const struct pump *p)
{
    return (p->in.ended && p->in.len == 0) || p->out.ended;
}

bool pump_is_empty(const struct pump *p)
{
    return p->out.len == 0;
}
