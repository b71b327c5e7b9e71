/* See tool_socket.h. */
#include "agent/tool_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/tool.h"

enum { LISTEN_BACKLOG = 128, LOOPBACKS = 2 };

static const char *const loopbacks[LOOPBACKS] = {"127.0.0.1", "::1"};

/* 0, or an errno. */
static int socket_connect_within(int fd, const struct sockaddr *address, socklen_t len, int ms)
{
    if (connect(fd, address, len) == 0)
        return 0;
    if (errno != EINPROGRESS)
        return errno;
    struct pollfd p = {.fd = fd, .events = POLLOUT};
    int n = poll(&p, 1, ms), sys = 0;
    socklen_t size = sizeof(sys);
    if (n == 0)
        return ETIMEDOUT;
    if (n < 0 || getsockopt(fd, SOL_SOCKET, SO_ERROR, &sys, &size) < 0)
        return errno;
    return sys;
}

/* NULL: sys is set to why. */
static struct addrinfo *socket_look_up(const char *host, const char *port, int flags, int *sys)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV | flags};
    struct addrinfo *list = NULL;
    int rc = getaddrinfo(host, port, &hints, &list);
    if (rc == 0)
        return list;
    if (rc == EAI_SERVICE)
        tool_fail(EINVAL, "%s is not a port", port);
    *sys = rc == EAI_SYSTEM ? errno : EHOSTUNREACH;
    return NULL;
}

static int socket_try_all(const struct addrinfo *list, int *sys)
{
    int tried = 0;
    for (const struct addrinfo *a = list; a && tried < SOCKET_ADDRESSES; a = a->ai_next, tried++) {
        int fd = socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        *sys =
            fd < 0 ? errno : socket_connect_within(fd, a->ai_addr, a->ai_addrlen, SOCKET_DIAL_MS);
        if (fd >= 0 && *sys == 0)
            return fd;
        if (fd >= 0)
            close(fd);
    }
    return -1;
}

int socket_dial_tcp(const char *host, const char *port)
{
    int sys = EHOSTUNREACH, first = 0, fd = -1, on = 1;
    for (int i = 0; fd < 0 && i < (*host ? 1 : LOOPBACKS); i++) {
        struct addrinfo *list =
            socket_look_up(*host ? host : loopbacks[i], port, *host ? 0 : AI_NUMERICHOST, &sys);
        if (list) {
            fd = socket_try_all(list, &sys);
            freeaddrinfo(list);
        } else if (*host) {
            tool_fail(sys, "no address of %.200s", host);
        }
        first = first ? first : sys; /* a guest without IPv6 is not why */
    }
    if (fd < 0)
        tool_fail(first, "port %s of %.200s: %s", port, *host ? host : "the guest",
                  strerror(first));
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    return fd;
}

socklen_t socket_unix_address(struct sockaddr_un *address, const char *path)
{
    size_t len = strlen(path);
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (len == 0 || len >= sizeof(address->sun_path))
        tool_fail(len ? ENAMETOOLONG : EINVAL, "%.200s: a path of a socket has 1 to %zu bytes",
                  path, sizeof(address->sun_path) - 1);
    memcpy(address->sun_path, path, len + 1);
    if (path[0] != '@')
        return sizeof(*address);
    address->sun_path[0] = '\0';
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
}

static int socket_open_unix(void)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        tool_fail(errno, "cannot make a socket: %s", strerror(errno));
    return fd;
}

int socket_dial_unix(const char *path)
{
    struct sockaddr_un address;
    socklen_t len = socket_unix_address(&address, path);
    int fd = socket_open_unix();
    struct timeval limit = {.tv_sec = SOCKET_DIAL_MS / 1000};
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)); /* a full backlog */
    if (connect(fd, (struct sockaddr *)&address, len) < 0)
        tool_fail(errno == EAGAIN ? ETIMEDOUT : errno, "%.200s: %s", path, strerror(errno));
    fcntl(fd, F_SETFL, O_NONBLOCK);
    return fd;
}

static int socket_listen_at(int fd, const struct sockaddr *address, socklen_t len)
{
    int on = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(fd, address, len) == 0 && listen(fd, LISTEN_BACKLOG) == 0)
        return 0;
    return errno;
}

int socket_listen_tcp(const char *host, const char *port)
{
    int sys = EHOSTUNREACH;
    struct addrinfo *list = socket_look_up(*host ? host : loopbacks[0], port, AI_PASSIVE, &sys);
    int fd = -1;
    if (list) {
        fd = socket(list->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        sys = fd < 0 ? errno : socket_listen_at(fd, list->ai_addr, list->ai_addrlen);
        freeaddrinfo(list);
    }
    if (sys)
        tool_fail(sys, "port %s of %.200s: %s", port, *host ? host : loopbacks[0], strerror(sys));
    return fd;
}

/* Whether it is a socket that nobody listens on. */
static bool socket_is_left(const struct sockaddr_un *address, socklen_t len)
{
    struct stat st;
    if (address->sun_path[0] == '\0' || lstat(address->sun_path, &st) < 0 || !S_ISSOCK(st.st_mode))
        return false;
    int fd = socket_open_unix();
    fcntl(fd, F_SETFL, O_NONBLOCK);
    bool refused = connect(fd, (const struct sockaddr *)address, len) < 0 && errno == ECONNREFUSED;
    close(fd);
    return refused;
}

int socket_listen_unix(const char *path)
{
    struct sockaddr_un address;
    socklen_t len = socket_unix_address(&address, path);
    int fd = socket_open_unix();
    fcntl(fd, F_SETFL, O_NONBLOCK);
    int sys = socket_listen_at(fd, (struct sockaddr *)&address, len);
    if (sys == EADDRINUSE && socket_is_left(&address, len) && unlink(path) == 0)
        sys = socket_listen_at(fd, (struct sockaddr *)&address, len);
    if (sys)
        tool_fail(sys, "%.200s: %s", path, strerror(sys));
    return fd;
}

/* ---- file descriptors over a Unix socket ---- */

union socket_rights {
    struct cmsghdr align;
    char room[CMSG_SPACE(sizeof(int))];
};

int socket_give(int sock, int fd)
{
    char byte = fd >= 0 ? 1 : 0;
    struct iovec iov = {&byte, 1};
    union socket_rights rights = {.room = {0}};
    struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};
    if (fd >= 0) {
        message.msg_control = rights.room;
        message.msg_controllen = sizeof(rights.room);
        struct cmsghdr *c = CMSG_FIRSTHDR(&message);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(c), &fd, sizeof(int));
    }
    return sendmsg(sock, &message, MSG_NOSIGNAL | MSG_DONTWAIT) == 1 ? 0 : -1;
}

int socket_take(int sock)
{
    char byte = 0;
    int fd = -1;
    struct iovec iov = {&byte, 1};
    union socket_rights rights = {.room = {0}};
    struct msghdr message = {.msg_iov = &iov,
                             .msg_iovlen = 1,
                             .msg_control = rights.room,
                             .msg_controllen = sizeof(rights.room)};
    if (recvmsg(sock, &message, MSG_CMSG_CLOEXEC) != 1)
        return -1;
    struct cmsghdr *c = CMSG_FIRSTHDR(&message);
    if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS &&
        c->cmsg_len == CMSG_LEN(sizeof(int)))
        memcpy(&fd, CMSG_DATA(c), sizeof(int));
    return fd;
}
