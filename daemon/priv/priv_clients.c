/* Connections; see priv_clients.h. */
#include "daemon/priv/priv_clients.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"
#include "daemon/priv/priv_addresses.h"
#include "daemon/priv/priv_serve.h"

/* Connections that are taken a round. */
enum { TAKEN_MAX = 16 };

struct client {
    int fd;
    uint32_t uid;
    int worker;     /* descriptor of the process that does its request; -1: none does */
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

/* With files */

/* As recvmsg; fds gets the files that came with it, -1 for what did not. */
static ssize_t receive(int from, void *request, size_t size, int fds[PRIV_FDS])
{
    union {
        struct cmsghdr align;
        char room[CMSG_SPACE(PRIV_FDS * sizeof(int))];
    } control;
    struct iovec io = {.iov_base = request, .iov_len = size};
    struct msghdr m = {.msg_iov = &io,
                       .msg_iovlen = 1,
                       .msg_control = control.room,
                       .msg_controllen = sizeof(control.room)};
    memset(fds, -1, PRIV_FDS * sizeof(int));
    ssize_t n = recvmsg(from, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    struct cmsghdr *c = n > 0 ? CMSG_FIRSTHDR(&m) : NULL;
    if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS)
        memcpy(fds, CMSG_DATA(c), c->cmsg_len - CMSG_LEN(0));
    return n;
}

static _Noreturn void work(const struct priv_settings *settings, struct client *c)
{
    uint8_t request[PRIV_REQUEST_BYTES + 1];
    int fds[PRIV_FDS];
    for (size_t i = 0; i < clients.n; i++)
        if (&clients.at[i] != c)
            close(clients.at[i].fd);
    if (clients.listener >= 0)
        close(clients.listener);
    addresses_forget();
    ssize_t n = receive(c->fd, request, sizeof(request), fds);
    if (n > 0)
        priv_serve(settings, c->uid, request, (size_t)n, fds, send_packet, c);
    _exit(0);
}

/* In a process of its own: where another process serves a file system, it holds up whoever looks at
 * a file of it, or closes one, for as long as it likes. */
static bool serve_apart(const struct priv_settings *settings, struct client *c)
{
    pid_t child = fork();
    if (child == 0)
        work(settings, c);
    if (child > 0)
        c->worker = pidfd_open(child, 0);
    return c->worker >= 0;
}

/* False: it has died, and most likely without an answer. */
static bool end_worker(struct client *c)
{
    siginfo_t info = {.si_status = 1};
    bool well = waitid(P_PIDFD, (id_t)c->worker, &info, WEXITED) == 0 && info.si_status == 0;
    close(c->worker);
    c->worker = -1;
    return well;
}

/* What one user has done apart the rest of his requests wait for, so that they are done in order.
 */
static bool is_held(const struct client *c)
{
    for (size_t i = 0; i < clients.n; i++)
        if (clients.at[i].uid == c->uid && clients.at[i].worker >= 0)
            return true;
    return false;
}

static bool has_files(const struct client *c)
{
    uint8_t byte;
    struct iovec io = {.iov_base = &byte, .iov_len = sizeof(byte)};
    struct msghdr m = {.msg_iov = &io, .msg_iovlen = 1};
    return recvmsg(c->fd, &m, MSG_DONTWAIT | MSG_PEEK) > 0 && m.msg_flags & MSG_CTRUNC;
}

/* Without */

/* False: it is over. */
static bool serve(const struct priv_settings *settings, struct client *c)
{
    uint8_t request[PRIV_REQUEST_BYTES + 1]; /* one more: a longer one is no request */
    struct iovec io = {.iov_base = request, .iov_len = sizeof(request)};
    struct msghdr m = {.msg_iov = &io, .msg_iovlen = 1};
    static const int no_files[PRIV_FDS] = {-1, -1};
    if (is_held(c)) /* by what came in this round */
        return true;
    if (settings->disks && has_files(c)) {
        c->asked = ++clients.count;
        return serve_apart(settings, c);
    }
    wait_no_longer(true);
    ssize_t n = recvmsg(c->fd, &m, MSG_DONTWAIT);
    int sys = errno;
    wait_no_longer(false);
    if (n < 0)
        return sys == EAGAIN || sys == EINTR;
    if (n == 0 || m.msg_flags & MSG_CTRUNC) /* nothing but disks comes with files */
        return false;
    c->asked = ++clients.count;
    priv_serve(settings, c->uid, request, (size_t)n, no_files, send_packet, c);
    return !c->failed;
}

static bool know_peer(int fd, struct client *c)
{
    struct ucred who;
    socklen_t len = sizeof(who);
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) < 0)
        return false;
    *c =
        (struct client){.fd = fd, .worker = -1, .uid = (uint32_t)who.uid, .asked = ++clients.count};
    return true;
}

/* The one that asked for nothing the longest, of that user or of all, and is not waited for. */
static size_t most_idle(const struct client *of)
{
    size_t found = clients.n;
    for (size_t i = 0; i < clients.n; i++) {
        const struct client *c = &clients.at[i];
        if ((!of || c->uid == of->uid) && c->worker < 0 &&
            (found == clients.n || c->asked < clients.at[found].asked))
            found = i;
    }
    return found;
}

/* A user has at most one that is waited for, so there is one that is not, but for a crowd of users.
 */
static bool make_room(const struct client *c)
{
    size_t n = 0, idle = clients.n;
    for (size_t i = 0; i < clients.n; i++)
        n += clients.at[i].uid == c->uid;
    if (n >= PRIV_CLIENTS_PER_USER)
        idle = most_idle(c);
    else if (clients.n == PRIV_CLIENTS_MAX)
        idle = most_idle(NULL);
    if (idle < clients.n)
        end(idle);
    return clients.n < PRIV_CLIENTS_MAX;
}

static void take_new(void)
{
    for (int i = 0; i < TAKEN_MAX; i++) {
        struct client c;
        int fd = accept4(clients.listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd < 0)
            return;
        if (!know_peer(fd, &c) || !make_room(&c)) {
            close(fd);
            continue;
        }
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

static int poll_of(const struct client *c)
{
    if (c->worker >= 0)
        return c->worker;
    return is_held(c) ? -1 : c->fd;
}

/* Requests before connections: one that has asked is not the most idle of all. */
void priv_clients_run(const struct priv_settings *settings)
{
    while (clients.listener >= 0 || clients.n > 0) {
        struct pollfd fds[PRIV_CLIENTS_MAX + 1];
        size_t n = clients.n;
        for (size_t i = 0; i < n; i++)
            fds[i] = (struct pollfd){.fd = poll_of(&clients.at[i]), .events = POLLIN};
        fds[n] = (struct pollfd){.fd = clients.listener, .events = POLLIN};
        if (poll(fds, n + 1, -1) < 0)
            continue;
        for (size_t i = n; i-- > 0;) {
            struct client *c = &clients.at[i];
            if (fds[i].revents && !(c->worker >= 0 ? end_worker(c) : serve(settings, c)))
                end(i);
        }
        if (fds[n].revents)
            take_new();
    }
}
