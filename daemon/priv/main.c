/* banger-priv: makes, for a bangerd that is an ordinary user, the few things of the host that need
 * privileges. See proto/banger/priv/v1/priv.proto and docs/security.md.
 *
 *   banger-priv [--pool ADDRESS/PREFIX] [--disks]
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
#include "daemon/priv/priv_serve.h"

enum { GIVEN_FD = 3, CONNECTIONS_MAX = 64 };

static struct priv_settings settings;

struct connection {
    int fd;
    uint32_t uid;
    bool failed;
};

/* Whatever runs here keeps no more than it needs for taps and rules, and gets no more back. Disks
 * take more, so they are asked for when the helper is started. */
static int drop_privileges(void)
{
    uint32_t keep = 1u << CAP_NET_ADMIN;
    if (settings.disks)
        keep |= 1u << CAP_SYS_ADMIN | 1u << CAP_MKNOD | 1u << CAP_CHOWN;
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2] = {0};
    for (int cap = 0; prctl(PR_CAPBSET_READ, cap) >= 0; cap++)
        if ((cap > 31 || !(keep >> cap & 1)) && prctl(PR_CAPBSET_DROP, cap) < 0 && errno != EPERM)
            return -1;
    data[0].effective = data[0].permitted = keep;
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

/* As recvmsg; fds gets the files that came with it, -1 for what did not. More of them than that the
 * kernel closes. */
static ssize_t receive(int from, void *request, size_t size, int fds[PRIV_FDS])
{
    union {
        struct cmsghdr align;
        char room[CMSG_SPACE(PRIV_FDS * sizeof(int))];
    } control;
    struct iovec data = {request, size};
    struct msghdr m = {.msg_iov = &data,
                       .msg_iovlen = 1,
                       .msg_control = control.room,
                       .msg_controllen = sizeof(control.room)};
    memset(fds, -1, PRIV_FDS * sizeof(int));
    ssize_t n = recvmsg(from, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    struct cmsghdr *c = n >= 0 ? CMSG_FIRSTHDR(&m) : NULL;
    if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS)
        memcpy(fds, CMSG_DATA(c), c->cmsg_len - CMSG_LEN(0));
    return n;
}

/* False: it is over. */
static bool serve(struct connection *c)
{
    uint8_t request[PRIV_REQUEST_BYTES + 1]; /* one more: a longer one is no request */
    int fds[PRIV_FDS];
    ssize_t n = receive(c->fd, request, sizeof(request), fds);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR;
    if (n > 0)
        priv_serve(&settings, c->uid, request, (size_t)n, fds, send_packet, c);
    for (int i = 0; i < PRIV_FDS; i++)
        if (fds[i] >= 0)
            close(fds[i]);
    return n > 0 && !c->failed;
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
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--pool") == 0 && i + 1 < argc) {
            pool = argv[++i];
        } else if (strcmp(argv[i], "--disks") == 0) {
            settings.disks = true;
        } else {
            fprintf(stderr, "usage: banger-priv [--pool ADDRESS/PREFIX] [--disks], with a socket "
                            "as descriptor 3\n");
            return 2;
        }
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
