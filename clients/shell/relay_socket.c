/* See relay_socket.h. */
#include "relay_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { BACKLOG = 128, DIAL_SECONDS = 10 };

union relay_address {
    struct sockaddr any;
    struct sockaddr_un un;
    struct sockaddr_storage room;
};

static void relay_socket_say(const struct relay_end *end, bool quiet, const char *why)
{
    char text[RELAY_END_BYTES];
    if (!quiet)
        cli_usage("%s: %s", relay_end_text(text, end), why);
}

/* 0, or -1 with the error printed. */
static int relay_address(const struct relay_end *end, union relay_address *address, socklen_t *len,
                         bool quiet)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV}, *list;
    char port[8];
    memset(address, 0, sizeof(*address));
    if (end->path[0]) {
        address->un.sun_family = AF_UNIX;
        memcpy(address->un.sun_path, end->path, strlen(end->path));
        *len = sizeof(address->un);
        if (end->path[0] == '@') {
            address->un.sun_path[0] = '\0';
            *len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(end->path));
        }
        return 0;
    }
    snprintf(port, sizeof(port), "%u", end->port);
    int rc = getaddrinfo(end->host[0] ? end->host : "127.0.0.1", port, &hints, &list);
    if (rc != 0) {
        relay_socket_say(end, quiet, gai_strerror(rc));
        return -1;
    }
    *len = list->ai_addrlen;
    memcpy(address, list->ai_addr, list->ai_addrlen);
    freeaddrinfo(list);
    return 0;
}

/* Whether it is a socket that nobody listens on. */
static bool relay_socket_is_left(const union relay_address *address, socklen_t len)
{
    struct stat st;
    if (address->any.sa_family != AF_UNIX || !address->un.sun_path[0] ||
        lstat(address->un.sun_path, &st) < 0 || !S_ISSOCK(st.st_mode))
        return false;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool refused = fd >= 0 && connect(fd, &address->any, len) < 0 && errno == ECONNREFUSED;
    if (fd >= 0)
        close(fd);
    return refused;
}

int relay_socket_listen(const struct relay_end *end, uint16_t *bound, bool quiet)
{
    union relay_address address;
    socklen_t len;
    int on = 1;
    if (relay_address(end, &address, &len, quiet) < 0)
        return -1;
    int fd = socket(address.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0 && address.any.sa_family != AF_UNIX)
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    int rc = fd < 0 ? -1 : bind(fd, &address.any, len);
    if (rc < 0 && fd >= 0 && errno == EADDRINUSE && relay_socket_is_left(&address, len) &&
        unlink(end->path) == 0)
        rc = bind(fd, &address.any, len);
    if (rc < 0 || listen(fd, BACKLOG) < 0) {
        relay_socket_say(end, quiet, strerror(errno));
        if (fd >= 0)
            close(fd);
        return -1;
    }
    len = sizeof(address);
    *bound = 0;
    if (!end->path[0] && getsockname(fd, &address.any, &len) == 0)
        *bound = ntohs(address.any.sa_family == AF_INET6
                           ? ((struct sockaddr_in6 *)&address.room)->sin6_port
                           : ((struct sockaddr_in *)&address.room)->sin_port);
    return fd;
}

static void relay_socket_settle(int fd)
{
    int on = 1;
    fcntl(fd, F_SETFL, O_NONBLOCK);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)); /* of Unix: refused */
}

int relay_socket_dial(const struct relay_end *end)
{
    union relay_address address;
    socklen_t len;
    struct timeval limit = {.tv_sec = DIAL_SECONDS};
    if (relay_address(end, &address, &len, false) < 0)
        return -1;
    int fd = socket(address.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0)
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)); /* connect's too */
    if (fd < 0 || connect(fd, &address.any, len) < 0) {
        relay_socket_say(end, false, strerror(errno == EINPROGRESS ? ETIMEDOUT : errno));
        if (fd >= 0)
            close(fd);
        return -1;
    }
    relay_socket_settle(fd);
    return fd;
}

int relay_socket_accept(int listener)
{
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (fd >= 0)
        relay_socket_settle(fd);
    return fd;
}

void relay_socket_reset(int fd)
{
    const struct linger now = {.l_onoff = 1, .l_linger = 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    close(fd);
}
