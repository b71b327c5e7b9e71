/* TCP: with TLS on any interface, without on loopback; see server.h and connection.h. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "rpc/event/connection.h"

enum { BACKLOG = 1024 }; /* one that is left out tries again after a second */

union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    struct sockaddr_storage storage;
};

static int parse_port(const char *text, uint16_t *port)
{
    char *end;
    errno = 0;
    unsigned long n = strtoul(text, &end, 10);
    if (*text < '0' || *text > '9' || *end || errno || n > UINT16_MAX)
        return -1;
    *port = (uint16_t)n;
    return 0;
}

/* "HOST:PORT" with a numeric host, in brackets for IPv6. Returns the address's length, 0 for
 * nonsense. */
static socklen_t parse_address(const char *text, union address *to)
{
    char host[INET6_ADDRSTRLEN];
    bool v6 = text[0] == '[';
    const char *colon = strrchr(text, ':'), *start = text + v6;
    uint16_t port;
    memset(to, 0, sizeof(*to));
    if (!colon || parse_port(colon + 1, &port) < 0)
        return 0;
    const char *end = v6 ? colon - 1 : colon;
    if (end <= start || (v6 && *end != ']') || (size_t)(end - start) >= sizeof(host))
        return 0;
    memcpy(host, start, (size_t)(end - start));
    host[end - start] = '\0';
    if (v6) {
        to->v6.sin6_family = AF_INET6;
        to->v6.sin6_port = htons(port);
        return inet_pton(AF_INET6, host, &to->v6.sin6_addr) == 1 ? sizeof(to->v6) : 0;
    }
    to->v4.sin_family = AF_INET;
    to->v4.sin_port = htons(port);
    return inet_pton(AF_INET, host, &to->v4.sin_addr) == 1 ? sizeof(to->v4) : 0;
}

bool rpc_address_is_valid(const char *address)
{
    union address addr;
    return parse_address(address, &addr) > 0;
}

static bool is_loopback(const union address *a)
{
    if (a->any.sa_family == AF_INET6)
        return IN6_IS_ADDR_LOOPBACK(&a->v6.sin6_addr);
    return ntohl(a->v4.sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
}

static uint16_t port_of(const union address *a)
{
    return ntohs(a->any.sa_family == AF_INET6 ? a->v6.sin6_port : a->v4.sin_port);
}

static int tcp_bind(struct listener *l, union address *addr, socklen_t len, struct err *err)
{
    int one = 1;
    auto_fd int fd = socket(addr->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return err_sys(err, errno, "socket");
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
        bind(fd, &addr->any, len) < 0 || listen(fd, BACKLOG) < 0 ||
        getsockname(fd, &addr->any, &len) < 0)
        return err_sys(err, errno, "listen on %s", l->path);
    l->fd = take_fd(&fd);
    return 0;
}

int rpc_server_listen_tls(struct rpc_server *server, const char *address,
                          struct tls_context *context, uint16_t *port, struct err *err)
{
    union address addr;
    socklen_t len = parse_address(address, &addr);
    if (len == 0)
        return err_set(err, ERR_INVALID,
                       "%s is no address: write 0.0.0.0:PORT, 192.0.2.1:PORT or [::]:PORT",
                       address);
    struct listener *l = listener_new(server, RPC_PEER_TLS, address, err);
    if (!l)
        return -1;
    l->tls = context ? tls_context_ref(context) : NULL;
    if (tcp_bind(l, &addr, len, err) == 0 && listener_start(l, err) == 0) {
        if (context)
            rpc_server_verify_again(server, context);
        if (port)
            *port = port_of(&addr);
        return 0;
    }
    listener_close(l);
    return -1;
}

int rpc_server_listen_tcp_insecure(struct rpc_server *server, const char *address, uint16_t *port,
                                   struct err *err)
{
    union address addr;
    socklen_t len = parse_address(address, &addr);
    if (len == 0)
        return err_set(err, ERR_INVALID, "%s is no address: write 127.0.0.1:PORT or [::1]:PORT",
                       address);
    if (!is_loopback(&addr))
        return err_set(err, ERR_INVALID, "%s: without TLS only on the loopback interface", address);
    struct listener *l = listener_new(server, RPC_PEER_INSECURE, address, err);
    if (!l)
        return -1;
    if (tcp_bind(l, &addr, len, err) == 0 && listener_start(l, err) == 0) {
        if (port)
            *port = port_of(&addr);
        return 0;
    }
    listener_close(l);
    return -1;
}

int listener_tcp_peer(int fd, struct rpc_peer *peer, struct err *err)
{
    int one = 1;
    union address addr;
    socklen_t len = sizeof(addr);
    char host[INET6_ADDRSTRLEN];
    memset(&addr, 0, sizeof(addr));
    if (getpeername(fd, &addr.any, &len) < 0 ||
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) < 0)
        return err_sys(err, errno, "address of the peer");
    bool v6 = addr.any.sa_family == AF_INET6;
    const void *from = v6 ? (const void *)&addr.v6.sin6_addr : &addr.v4.sin_addr;
    if (!inet_ntop(addr.any.sa_family, from, host, sizeof(host)))
        return err_sys(err, errno, "address of the peer");
    snprintf(peer->address, sizeof(peer->address), v6 ? "[%s]:%u" : "%s:%u", host,
             (unsigned)port_of(&addr));
    return 0;
}

void listener_tcp_source(int fd, uint8_t source[HANDSHAKE_SOURCE_BYTES])
{
    enum { NETWORK_BYTES = 8 }; /* what one customer has at least (RFC 6177) */
    static const uint8_t v4_in_v6[] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    union address addr;
    socklen_t len = sizeof(addr);
    memset(&addr, 0, sizeof(addr));
    memset(source, 0, HANDSHAKE_SOURCE_BYTES);
    if (getpeername(fd, &addr.any, &len) < 0)
        return;
    const uint8_t *v6 = addr.v6.sin6_addr.s6_addr;
    if (addr.any.sa_family == AF_INET)
        memcpy(source + sizeof(v4_in_v6), &addr.v4.sin_addr, sizeof(addr.v4.sin_addr));
    else if (memcmp(v6, v4_in_v6, sizeof(v4_in_v6)) == 0)
        memcpy(source + sizeof(v4_in_v6), v6 + sizeof(v4_in_v6), sizeof(addr.v4.sin_addr));
    else
        memcpy(source, v6, NETWORK_BYTES);
}
