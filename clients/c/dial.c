/* Several addresses at once; see dial.h. */
#include "dial.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"

/* In the resolver's order, but the families by turns, beginning with that of the first. */
static size_t order_addresses(const struct addrinfo *addresses, const struct addrinfo **order)
{
    const struct addrinfo *same = addresses, *other = addresses;
    size_t n = 0;
    int family = addresses->ai_family;
    for (bool turn = true; (same || other) && n < DIAL_ADDRESSES; turn = !turn) {
        const struct addrinfo **from = turn ? &same : &other;
        while (*from && ((*from)->ai_family == family) != turn)
            *from = (*from)->ai_next;
        if (!*from)
            continue;
        order[n++] = *from;
        *from = (*from)->ai_next;
    }
    return n;
}

void dial_start(struct dial *dial, int epoll_fd, const char *name, struct addrinfo *addresses)
{
    int64_t now = clock_mono_ms();
    *dial = (struct dial){.epoll_fd = epoll_fd,
                          .name = name,
                          .addresses = addresses,
                          .next_ms = now,
                          .until_ms = now + DIAL_TIMEOUT_MS};
    dial->n = order_addresses(addresses, dial->order);
    for (size_t i = 0; i < DIAL_ADDRESSES; i++)
        dial->fds[i] = -1;
}

/* Out of the epoll set by hand: a copy of the socket, in a child forked meanwhile, would keep it
 * in.
 */
static int take_out(struct dial *dial, size_t i)
{
    int fd = dial->fds[i];
    if (fd >= 0)
        (void)epoll_ctl(dial->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
    dial->fds[i] = -1;
    return fd;
}

static void drop(struct dial *dial, size_t i)
{
    int fd = take_out(dial, i);
    if (fd >= 0)
        close(fd);
}

void dial_stop(struct dial *dial)
{
    if (!dial->addresses)
        return;
    for (size_t i = 0; i < dial->n_begun; i++)
        drop(dial, i);
    freeaddrinfo(dial->addresses);
    dial->addresses = NULL;
}

static int note(struct dial *dial, int errnum, const char *what)
{
    err_sys(&dial->why, errnum, "%s %s", what, dial->name);
    dial->why.code = ERR_UNAVAILABLE;
    return -1;
}

/* Begins with the next address; -1: that one is over already. */
static int begin(struct dial *dial)
{
    const struct addrinfo *a = dial->order[dial->n_begun];
    struct epoll_event event = {.events = EPOLLOUT};
    int one = 1, fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    size_t i = dial->n_begun++;
    if (fd < 0)
        return note(dial, errno, "a socket for");
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    if (epoll_ctl(dial->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0) {
        int errnum = errno;
        close(fd);
        return note(dial, errnum, "watch the connection to");
    }
    dial->fds[i] = fd;
    if (connect(fd, a->ai_addr, a->ai_addrlen) == 0 || errno == EINPROGRESS)
        return 0;
    note(dial, errno, "connect to");
    drop(dial, i);
    return -1;
}

/* 1: connected, 0: not yet, -1: over. */
static int look(struct dial *dial, size_t i)
{
    struct pollfd p = {.fd = dial->fds[i], .events = POLLOUT};
    int failed = 0;
    socklen_t len = sizeof(failed);
    if (poll(&p, 1, 0) <= 0)
        return 0;
    if (getsockopt(p.fd, SOL_SOCKET, SO_ERROR, &failed, &len) < 0)
        failed = errno;
    if (!failed)
        return 1;
    note(dial, failed, "connect to");
    drop(dial, i);
    return -1;
}

/* Looks at those under way: the first that is connected, or -1; *n: how many are left. */
static int look_at_all(struct dial *dial, size_t *n)
{
    *n = 0;
    for (size_t i = 0; i < dial->n_begun; i++) {
        if (dial->fds[i] < 0)
            continue;
        int rv = look(dial, i);
        if (rv > 0)
            return take_out(dial, i);
        if (rv < 0)
            dial->next_ms = 0;
        *n += rv == 0;
    }
    return -1;
}

int dial_step(struct dial *dial, int *fd, struct err *err)
{
    size_t n_open;
    int64_t now = clock_mono_ms();
    *fd = look_at_all(dial, &n_open);
    if (*fd >= 0) {
        dial_stop(dial);
        return 1;
    }
    while (dial->n_begun < dial->n && now >= dial->next_ms) {
        if (begin(dial) < 0)
            continue;
        dial->next_ms = now + DIAL_NEXT_MS;
        n_open++;
    }
    if (n_open > 0 && now < dial->until_ms)
        return 0;
    if (n_open > 0)
        return err_set(err, ERR_UNAVAILABLE, "%s does not answer", dial->name);
    *err = dial->why;
    return -1;
}

int64_t dial_due_ms(const struct dial *dial)
{
    return dial->n_begun < dial->n && dial->next_ms < dial->until_ms ? dial->next_ms
                                                                     : dial->until_ms;
}
