/* The bytes of a connected Unix socket; see channel_socket.h.
 *
 * The one trick: whatever ends the channel shuts the socket down in both directions. So it becomes
 * readable, gives what the other end had sent before, and then its end: one place to report all. */
#include "daemon/guest/channel_socket.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int connect_unix(const char *path, struct err *err)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    size_t n = strlen(path);
    if (n == 0 || n >= sizeof(addr.sun_path))
        return err_set(err, ERR_INVALID, "socket path of %zu bytes", n);
    memcpy(addr.sun_path, path, n + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return err_sys(err, errno, "socket");
    if (connect(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0) {
        err_sys(err, errno, "connect to %s", path);
        close(fd);
        return -1;
    }
    return fd;
}

int channel_socket_open(struct channel_socket *s, const struct channel_kind *kind,
                        struct loop *loop, const char *path, channel_ready_fn *ready, void *arg,
                        struct err *err)
{
    *s = (struct channel_socket){.base = {kind}, .fd = connect_unix(path, err)};
    if (s->fd < 0)
        return -1;
    if (watch_init(&s->watch, loop, s->fd, ready, arg) < 0) {
        close(s->fd);
        return err_sys(err, ENOMEM, "watching the guest channel");
    }
    return 0;
}

void channel_socket_done(struct channel_socket *s)
{
    watch_done(&s->watch);
    close(s->fd);
}

void channel_socket_fail(struct channel_socket *s, const struct err *why)
{
    if (s->why.code != ERR_NONE)
        return;
    s->why = *why;
    shutdown(s->fd, SHUT_RDWR);
}

size_t channel_socket_send(struct channel *c, const struct iovec *iov, size_t n)
{
    struct channel_socket *s = (struct channel_socket *)c;
    struct msghdr m = {.msg_iov = (struct iovec *)(uintptr_t)iov, .msg_iovlen = n};
    while (s->why.code == ERR_NONE) {
        ssize_t done = sendmsg(s->fd, &m, MSG_NOSIGNAL);
        if (done >= 0)
            return (size_t)done;
        if (errno == EINTR)
            continue;
        if (errno == EAGAIN)
            break;
        struct err why = ERR_INIT;
        err_sys(&why, errno, "writing to the agent");
        channel_socket_fail(s, &why);
    }
    return 0;
}

ssize_t channel_socket_recv(struct channel *c, void *room, size_t len, struct err *err)
{
    struct channel_socket *s = (struct channel_socket *)c;
    ssize_t n;
    do
        n = read(s->fd, room, len);
    while (n < 0 && errno == EINTR);
    if (n > 0)
        return n;
    if (n < 0 && errno == EAGAIN)
        return 0;
    struct err why = ERR_INIT;
    if (n < 0)
        err_sys(&why, errno, "reading from the agent");
    else
        err_set(&why, ERR_UNAVAILABLE, "the guest channel was closed at its other end");
    channel_socket_fail(s, &why);
    if (err)
        *err = s->why;
    return -1;
}

void channel_socket_want(struct channel *c, int events)
{
    watch_want(&((struct channel_socket *)c)->watch, events);
}

bool channel_socket_is_alive(const struct channel *c)
{
    return ((const struct channel_socket *)c)->why.code == ERR_NONE;
}
