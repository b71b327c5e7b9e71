/* A guest's own SSH server: for one that boots by its own kernel and init, without an agent of
 * ours. What speaks SSH is a process of its own (daemon/guest/ssh/ssh.h), which has the connection
 * and one end of a socket pair; the other is the channel. It says "OK KEY" when the agent has been
 * reached, "CHANGED KEY" where the guest showed another host key than it has to, or "ERR WHY", one
 * line, and from then on the bytes are the guest's. It is as little trusted as the guest.
 *
 * The process ends by itself when its channel is closed, within seconds, so that what was sent
 * still goes out; one that has not said OK is killed. It is reaped when another one begins or ends.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/list.h"
#include "base/utf8.h"
#include "daemon/guest/channel_socket.h"
#include "rpc/event/child.h"

enum {
    ANSWER_BYTES = 640, /* of one line: an error's message */
    CONNECT_MS = 5,     /* to a port of this host; the process waits for it else */
};

struct ssh {
    struct channel_socket socket; /* first: it is the channel */
    struct timer deadline;
    const struct channel_ssh_config *config; /* borrowed */
    channel_ready_fn *ready;
    void *arg;
    int64_t open_ms;
    int wanted;   /* by the caller; the socket is watched for it once this is open */
    bool is_open; /* it was answered; else failed, or still waiting */
    bool dialing; /* for the connection */
    int theirs;   /* owned: the process's end of the pair, until it has it; -1 */
    char answer[ANSWER_BYTES];
    size_t answer_len;
    struct list link; /* of those that end */
    pid_t pid;        /* 0: not yet */
};

/* Closed, and their processes not yet reaped; without file descriptors. On the loop's thread. */
static struct list ending = {&ending, &ending};

static void reap_ended(void)
{
    struct list turn;
    list_turn_begin(&turn, &ending);
    for (struct list *pos; (pos = list_turn_next(&turn, &ending));) {
        struct ssh *s = container_of(pos, struct ssh, link);
        if (waitpid(s->pid, NULL, WNOHANG) == 0)
            continue;
        list_remove(&s->link);
        free(s);
    }
}

/* The handshake is over, well or not: the caller's wishes are the socket's now. */
static void hand_over(struct ssh *s)
{
    timer_stop(&s->deadline);
    channel_socket_want(&s->socket.base, s->wanted);
}

static void refuse(struct ssh *s, const struct err *why)
{
    channel_socket_fail(&s->socket, why);
    hand_over(s);
}

static void on_deadline(void *arg)
{
    struct ssh *s = arg;
    struct err why = ERR_INIT;
    err_set(&why, ERR_DEADLINE, "the guest's SSH server has not come so far in %d ms",
            (int)s->open_ms);
    refuse(s, &why);
}

/* "TYPE SHA256:…", of what such words are made of. */
static bool is_host_key(const char *text)
{
    static const char plain[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+/@.-";
    size_t type = strspn(text, plain);
    const char *hash = text + type;
    return type > 0 && strncmp(hash, " SHA256:", 8) == 0 && hash[8] != '\0' &&
           hash[8 + strspn(hash + 8, plain)] == '\0' && strlen(text) < SSH_HOST_KEY_BYTES;
}

static int judge_answer(struct ssh *s, struct err *err)
{
    const struct channel_ssh_config *c = s->config;
    bool fine = strncmp(s->answer, "OK ", 3) == 0;
    bool changed = strncmp(s->answer, "CHANGED ", 8) == 0;
    const char *key = s->answer + (fine ? 3 : 8);
    if (strncmp(s->answer, "ERR ", 4) == 0)
        return err_set(err, ERR_UNAVAILABLE, "%s", s->answer + 4);
    if ((!fine && !changed) || !is_host_key(key) ||
        (c->host_key[0] && fine != (strcmp(key, c->host_key) == 0)))
        return err_set(err, ERR_UNAVAILABLE, "banger-ssh speaks nonsense");
    if (changed)
        err_set(err, ERR_UNAUTHENTICATED,
                "the guest's SSH host key has changed: it is %s now, and was %s. Another machine "
                "may be answering; if the guest was meant to get a new key, accept it",
                key, c->host_key);
    if (c->saw_host_key)
        c->saw_host_key(c->arg, key, changed);
    return fine ? 1 : -1;
}

/* 1: "OK"; 0: more has to come; -1 with err. No byte behind the line is taken. */
static int read_answer(struct ssh *s, struct err *err)
{
    char *at = s->answer + s->answer_len;
    size_t room = sizeof(s->answer) - 1 - s->answer_len;
    ssize_t n = recv(s->socket.fd, at, room, MSG_PEEK);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (n <= 0)
        return err_set(err, ERR_UNAVAILABLE, "banger-ssh ended without a word");
    const char *newline = memchr(at, '\n', (size_t)n);
    size_t take = newline ? (size_t)(newline - at) + 1 : (size_t)n;
    if (recv(s->socket.fd, at, take, 0) != (ssize_t)take)
        return err_set(err, ERR_INTERNAL, "the answer of banger-ssh went away");
    s->answer_len += take;
    s->answer[s->answer_len] = '\0';
    if (!newline && s->answer_len < sizeof(s->answer) - 1)
        return 0;
    s->answer[strcspn(s->answer, "\n")] = '\0';
    utf8_mend(s->answer);
    return judge_answer(s, err);
}

static void on_ready(void *arg, int events)
{
    struct ssh *s = arg;
    if (s->is_open || s->socket.why.code != ERR_NONE) {
        s->ready(s->arg, events);
        return;
    }
    struct err why = ERR_INIT;
    int found = read_answer(s, &why);
    if (found < 0) {
        refuse(s, &why);
    } else if (found > 0) {
        s->is_open = true;
        hand_over(s);
    }
}

/* 0, or what has become of it. On the loopback that is known at once. */
static int connected(int fd)
{
    int error = 0;
    socklen_t len = sizeof(error);
    struct pollfd p = {.fd = fd, .events = POLLOUT};
    if (poll(&p, 1, CONNECT_MS) > 0)
        getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len);
    return error;
}

static int dial(uint32_t port, struct err *err)
{
    struct sockaddr_in addr = {.sin_family = AF_INET,
                               .sin_port = htons((uint16_t)port),
                               .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return err_sys(err, errno, "socket");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    int error = connect(fd, (const struct sockaddr *)&addr, sizeof(addr)) == 0 ? 0 : errno;
    if (error == EINPROGRESS)
        error = connected(fd);
    if (error == 0)
        return fd;
    err_sys(err, error, "connect to the guest's SSH server, port %u", (unsigned)port);
    close(fd);
    return -1;
}

/* Takes tcp_fd. */
static int start_process(struct ssh *s, int tcp_fd, struct err *err)
{
    const struct channel_ssh_config *c = s->config;
    const char *argv[] = {c->program,  "--user",  c->user,
                          "--key",     c->key,    "--host-key",
                          c->host_key, "--agent", c->agent,
                          "--folder",  c->folder, c->no_system ? "--no-system" : NULL,
                          NULL};
    const struct child_spec spec = {.argv = argv, .stdin_fd = tcp_fd, .log_fd = s->theirs};
    int pidfd, rc = child_start_unwatched(&spec, &s->pid, &pidfd, err);
    if (rc == 0)
        close(pidfd);
    close(tcp_fd);
    close(s->theirs);
    s->theirs = -1;
    return rc;
}

static void on_dialed(void *arg, int fd, const struct err *err)
{
    struct ssh *s = arg;
    struct err why = ERR_INIT;
    s->dialing = false;
    if (fd < 0)
        refuse(s, err);
    else if (start_process(s, fd, &why) < 0)
        refuse(s, &why);
}

static int reach(struct ssh *s, uint32_t port, struct err *err)
{
    const struct channel_ssh_config *c = s->config;
    if (c->dial) {
        s->dialing = c->dial(c->arg, on_dialed, s, err) == 0;
        return s->dialing ? 0 : -1;
    }
    int fd = dial(port, err);
    return fd < 0 ? -1 : start_process(s, fd, err);
}

static void ssh_close(struct channel *c)
{
    struct ssh *s = (struct ssh *)c;
    timer_done(&s->deadline);
    channel_socket_done(&s->socket);
    if (s->dialing)
        s->config->hang_up(s->config->arg);
    if (s->theirs >= 0)
        close(s->theirs);
    if (s->pid == 0) {
        free(s);
        return;
    }
    if (!s->is_open)
        kill(s->pid, SIGKILL); /* ours, and not reaped: it is no other's */
    list_add_tail(&ending, &s->link);
    reap_ended();
}

static struct channel *ssh_open(struct loop *loop, const struct channel_config *config,
                                channel_ready_fn *ready, void *arg, struct err *err)
{
    struct ssh *s = calloc(1, sizeof(*s));
    int pair[2];
    if (!s || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0) {
        err_sys(err, s ? errno : ENOMEM, "guest channel");
        free(s);
        return NULL;
    }
    *s = (struct ssh){.socket = {.base = {&channel_ssh}, .fd = pair[0]},
                      .theirs = pair[1],
                      .config = config->ssh,
                      .ready = ready,
                      .arg = arg,
                      .open_ms = channel_open_ms(config)};
    list_init(&s->link);
    reap_ended();
    int rc = watch_init(&s->socket.watch, loop, s->socket.fd, on_ready, s) < 0 ||
                     timer_init(&s->deadline, loop, on_deadline, s) < 0
                 ? err_sys(err, ENOMEM, "guest channel")
                 : reach(s, config->port, err);
    if (rc < 0) {
        ssh_close(&s->socket.base);
        return NULL;
    }
    timer_start(&s->deadline, s->open_ms);
    channel_socket_want(&s->socket.base, WATCH_READ);
    return &s->socket.base;
}

static size_t ssh_send(struct channel *c, const struct iovec *iov, size_t n)
{
    return ((struct ssh *)c)->is_open ? channel_socket_send(c, iov, n) : 0;
}

static ssize_t ssh_recv(struct channel *c, void *room, size_t len, struct err *err)
{
    struct ssh *s = (struct ssh *)c;
    if (s->is_open)
        return channel_socket_recv(c, room, len, err);
    if (s->socket.why.code == ERR_NONE)
        return 0;
    if (err)
        *err = s->socket.why;
    return -1;
}

static void ssh_want(struct channel *c, int events)
{
    struct ssh *s = (struct ssh *)c;
    s->wanted = events;
    if (s->is_open || s->socket.why.code != ERR_NONE)
        channel_socket_want(c, events);
}

const struct channel_kind channel_ssh = {
    .name = "ssh",
    .open_ms = CHANNEL_SSH_OPEN_MS,
    .open = ssh_open,
    .send = ssh_send,
    .recv = ssh_recv,
    .want = ssh_want,
    .is_alive = channel_socket_is_alive,
    .close = ssh_close,
};
