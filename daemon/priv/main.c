/* banger-priv: makes, for a bangerd that is an ordinary user, the few things of the host that need
 * privileges. See proto/banger/priv/v1/priv.proto and docs/security.md.
 *
 *   banger-priv [--pool ADDRESS/PREFIX]
 *   banger-priv --check | --fix    says what of this host is in the way of taps, and mends it
 *
 * Descriptor 3 is a SOCK_SEQPACKET socket: one that listens, as systemd gives it, or one
 * connection, as a bangerd that is root gives it to a helper of its own, which ends with it.
 * Requests are done one after the other. */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/err.h"
#include "base/log.h"
#include "daemon/priv/priv_call.h"
#include "daemon/priv/priv_doctor.h"
#include "daemon/priv/priv_serve.h"

enum { GIVEN_FD = 3, CONNECTIONS_MAX = 64 };

static struct priv_settings settings;

struct connection {
    int fd;
    uint32_t uid;
    bool failed;
};

/* Whatever runs here keeps no more than it needs for taps and rules, and gets no more back. */
static int drop_privileges(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2] = {0};
    for (int cap = 0; prctl(PR_CAPBSET_READ, cap) >= 0; cap++)
        if (cap != CAP_NET_ADMIN && prctl(PR_CAPBSET_DROP, cap) < 0 && errno != EPERM)
            return -1;
    data[0].effective = data[0].permitted = 1u << CAP_NET_ADMIN;
    if (syscall(SYS_capset, &header, data) < 0)
        return -1;
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

static void send_packet(void *arg, const uint8_t *packet, size_t len)
{
    struct connection *c = arg;
    if (send(c->fd, packet, len, MSG_NOSIGNAL | MSG_DONTWAIT) != (ssize_t)len)
        c->failed = true;
}

/* False: it is over. */
static bool serve(struct connection *c)
{
    uint8_t request[PRIV_REQUEST_BYTES + 1]; /* one more: a longer one is no request */
    ssize_t n = recv(c->fd, request, sizeof(request), MSG_DONTWAIT);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR;
    if (n == 0)
        return false;
    priv_serve(&settings, c->uid, request, (size_t)n, send_packet, c);
    return !c->failed;
}

static bool know_peer(int fd, struct connection *c)
{
    struct ucred who;
    socklen_t len = sizeof(who);
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) < 0)
        return false;
    *c = (struct connection){.fd = fd, .uid = (uint32_t)who.uid};
    return true;
}

static struct connection connections[CONNECTIONS_MAX];
static size_t n_connections;

static void take_connection(int listener)
{
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (fd < 0)
        return;
    if (n_connections == CONNECTIONS_MAX || !know_peer(fd, &connections[n_connections]))
        close(fd);
    else
        n_connections++;
}

/* Until its connection ends (of a listener: never). */
static void run(int listener)
{
    while (listener >= 0 || n_connections > 0) {
        struct pollfd fds[CONNECTIONS_MAX + 1];
        size_t n = n_connections;
        for (size_t i = 0; i < n; i++)
            fds[i] = (struct pollfd){.fd = connections[i].fd, .events = POLLIN};
        fds[n] = (struct pollfd){.fd = listener, .events = POLLIN};
        if (poll(fds, n + 1, -1) < 0)
            continue;
        if (fds[n].revents)
            take_connection(listener);
        for (size_t i = n; i-- > 0;) {
            if (!fds[i].revents || serve(&connections[i]))
                continue;
            close(connections[i].fd);
            connections[i] = connections[--n_connections];
        }
    }
}

static bool is_listening(int fd)
{
    int yes = 0;
    socklen_t len = sizeof(yes);
    return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &yes, &len) == 0 && yes;
}

int main(int argc, char **argv)
{
    const char *pool = PRIV_POOL;
    if (argc == 2 && (strcmp(argv[1], "--check") == 0 || strcmp(argv[1], "--fix") == 0))
        return priv_doctor(strcmp(argv[1], "--fix") == 0);
    if (argc == 3 && strcmp(argv[1], "--pool") == 0)
        pool = argv[2];
    else if (argc != 1) {
        fprintf(stderr,
                "usage: banger-priv [--pool ADDRESS/PREFIX], with a socket as descriptor 3\n");
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    if (!priv_pool_read(pool, &settings.pool)) {
        log_error("priv", "%s is no pool of addresses: an IPv4 network, /%d to /%d", pool,
                  PRIV_POOL_PREFIX_MIN, PRIV_PREFIX);
        return 2;
    }
    bool listens = is_listening(GIVEN_FD);
    if (!listens && know_peer(GIVEN_FD, &connections[0]))
        n_connections = 1;
    if (!listens && n_connections == 0) {
        log_error("priv", "descriptor %d is no socket", GIVEN_FD);
        return 2;
    }
    if (fcntl(GIVEN_FD, F_SETFD, FD_CLOEXEC) < 0 || drop_privileges() < 0) {
        log_error("priv", "cannot drop privileges: %s", strerror(errno));
        return 1;
    }
    run(listens ? GIVEN_FD : -1);
    return 0;
}
