/* Connections; see priv_clients.h. */
#include "daemon/priv/priv_clients.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/err.h"
#include "daemon/priv/priv_serve.h"

/* Connections that are taken a round. */
enum { TAKEN_MAX = 16 };

struct client {
    int fd;
    uint32_t uid;
    uint64_t asked; /* number of its last request, or of its coming */
    bool failed;
};

static struct {
    int listener; /* -1: there is one connection, and no other comes */
    struct client at[PRIV_CLIENTS_MAX];
    size_t n;
    uint64_t count; /* of requests, and of connections */
} clients;

/* Descriptors that a caller has attached are closed by the kernel while we receive, or close: such
 * as a connection that lingers would hold us up for as long as its owner likes, but for a signal.
 */
static void wait_no_longer(bool begins)
{
    const struct itimerval soon = {.it_value.tv_usec = 100000, .it_interval.tv_usec = 100000};
    const struct itimerval never = {0};
    setitimer(ITIMER_REAL, begins ? &soon : &never, NULL);
}

static void on_alarm(int signo)
{
    (void)signo;
}

static void end(size_t i)
{
    wait_no_longer(true);
    close(clients.at[i].fd);
    wait_no_longer(false);
    clients.at[i] = clients.at[--clients.n];
}

static void send_packet(void *arg, const uint8_t *packet, size_t len)
{
    struct client *c = arg;
    if (send(c->fd, packet, len, MSG_NOSIGNAL | MSG_DONTWAIT) != (ssize_t)len)
        c->failed = true;
}

/* False: it is over. */
static bool serve(const struct priv_settings *settings, struct client *c)
{
    uint8_t request[PRIV_REQUEST_BYTES + 1]; /* one more: a longer one is no request */
    struct iovec io = {.iov_base = request, .iov_len = sizeof(request)};
    struct msghdr m = {.msg_iov = &io, .msg_iovlen = 1};
    wait_no_longer(true);
    ssize_t n = recvmsg(c->fd, &m, MSG_DONTWAIT);
    int sys = errno;
    wait_no_longer(false);
    if (n < 0)
        return sys == EAGAIN || sys == EINTR;
    if (n == 0 || m.msg_flags & MSG_CTRUNC) /* no request has descriptors */
        return false;
    c->asked = ++clients.count;
    priv_serve(settings, c->uid, request, (size_t)n, send_packet, c);
    return !c->failed;
}

static bool know_peer(int fd, struct client *c)
{
    struct ucred who;
    socklen_t len = sizeof(who);
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) < 0)
        return false;
    *c = (struct client){.fd = fd, .uid = (uint32_t)who.uid, .asked = ++clients.count};
    return true;
}

/* The one that asked for nothing the longest, of that user or of all. */
static size_t most_idle(const struct client *of)
{
    size_t found = clients.n;
    for (size_t i = 0; i < clients.n; i++) {
        const struct client *c = &clients.at[i];
        if ((!of || c->uid == of->uid) &&
            (found == clients.n || c->asked < clients.at[found].asked))
            found = i;
    }
    return found;
}

static void make_room(const struct client *c)
{
    size_t n = 0;
    for (size_t i = 0; i < clients.n; i++)
        n += clients.at[i].uid == c->uid;
    if (n >= PRIV_CLIENTS_PER_USER)
        end(most_idle(c));
    else if (clients.n == PRIV_CLIENTS_MAX)
        end(most_idle(NULL));
}

static void take_new(void)
{
    for (int i = 0; i < TAKEN_MAX; i++) {
        struct client c;
        int fd = accept4(clients.listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd < 0)
            return;
        if (!know_peer(fd, &c)) {
            close(fd);
            continue;
        }
        make_room(&c);
        clients.at[clients.n++] = c;
    }
}

int priv_clients_open(int fd, struct err *err)
{
    struct sigaction alarm = {.sa_handler = on_alarm}; /* no SA_RESTART: it is to interrupt */
    int listens = 0;
    socklen_t len = sizeof(listens);
    sigaction(SIGALRM, &alarm, NULL);
    if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len) < 0 ||
        (!listens && !know_peer(fd, &clients.at[0])))
        return err_set(err, ERR_INVALID, "descriptor %d is no Unix socket", fd);
    if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 || fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
        return err_sys(err, errno, "cannot set up descriptor %d", fd);
    clients.listener = listens ? fd : -1;
    clients.n = listens ? 0 : 1;
    return 0;
}

/* Requests before connections: one that has asked is not the most idle of all. */
void priv_clients_run(const struct priv_settings *settings)
{
    while (clients.listener >= 0 || clients.n > 0) {
        struct pollfd fds[PRIV_CLIENTS_MAX + 1];
        size_t n = clients.n;
        for (size_t i = 0; i < n; i++)
            fds[i] = (struct pollfd){.fd = clients.at[i].fd, .events = POLLIN};
        fds[n] = (struct pollfd){.fd = clients.listener, .events = POLLIN};
        if (poll(fds, n + 1, -1) < 0)
            continue;
        for (size_t i = n; i-- > 0;) {
            if (fds[i].revents && !serve(settings, &clients.at[i]))
                end(i);
        }
        if (fds[n].revents)
            take_new();
    }
}
