/* See keeper.h. */
#include "agent/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/reboot.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/spawn.h"
#include "base/clock.h"
#include "base/log.h"

enum {
    MAX_ARGS = 32,
    REAPS_PER_TURN = 256,
    REAP_AGAIN_MS = 1,
    LIVED_MS = 100, /* an agent that ends sooner has failed */
    DELAY_FIRST_MS = 10,
    DELAY_MAX_MS = 2000,
    FD_CEILING = 1 << 20,
};

struct keeper {
    struct store store;
    char *const *argv; /* of later agents */
    int own_file,
        new_file; /* what agents are run from: ours, and one that was handed over, or -1 */
    int signal_fd;
    pid_t agent;
    bool ready, first, terminating;
    int64_t started_ms;
    unsigned n_failed; /* in a row */
};

/* Files */

static void hold(struct keeper *k, uint32_t slot, int kind, int fd)
{
    int32_t *at = &k->store.head->fds[slot][kind];
    int old = *at - 1;
    *at = fd + 1;
    if (old >= 0)
        close(old);
}

static void drop(struct keeper *k, uint32_t slot, uint32_t mask)
{
    for (int kind = 0; kind < STORE_FDS; kind++)
        if (mask & 1u << kind)
            hold(k, slot, kind, -1);
}

static void take_files(struct keeper *k, const struct store_message *m, const int *fds, int n)
{
    int i = 0;
    if (m->op == STORE_OP_FILE && n > 0) {
        if (k->new_file >= 0)
            close(k->new_file);
        k->new_file = fcntl(fds[i++], F_DUPFD_CLOEXEC, 3);
        close(fds[0]);
    }
    for (int kind = 0; m->op == STORE_OP_PUT && kind < STORE_FDS; kind++)
        if (m->mask & 1u << kind && i < n)
            hold(k, m->slot, kind, fds[i++]);
    for (; i < n; i++)
        close(fds[i]);
}

/* One message of the agent's; false: there is none. The fds are not close-on-exec: the next agent
 * is to have them, and nothing else is run here. */
static bool take_message(struct keeper *k)
{
    struct store_message m;
    struct iovec iov = {&m, sizeof(m)};
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int) * STORE_FDS)];
    } control;
    struct msghdr h = {.msg_iov = &iov,
                       .msg_iovlen = 1,
                       .msg_control = &control,
                       .msg_controllen = sizeof(control)};
    ssize_t got = recvmsg(k->store.keeper_fd, &h, MSG_DONTWAIT);
    if (got <= 0)
        return false;
    const struct cmsghdr *c = CMSG_FIRSTHDR(&h);
    int fds[STORE_FDS], n = 0;
    if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS) {
        n = (int)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
        memcpy(fds, CMSG_DATA(c), sizeof(int) * (size_t)n);
    }
    bool sane = got == (ssize_t)sizeof(m) && m.slot < STORE_SLOTS;
    take_files(k, sane ? &m : &(struct store_message){0}, fds, n);
    if (sane && m.op == STORE_OP_DROP)
        drop(k, m.slot, m.mask);
    else if (sane && m.op == STORE_OP_READY)
        k->ready = true;
    else if (sane && m.op == STORE_OP_DROP_ALL)
        for (uint32_t slot = 0; slot < STORE_SLOTS; slot++)
            drop(k, slot, STORE_ALL);
    return true;
}

/* Agents */

static _Noreturn void exec_agent(const struct keeper *k, int keeper_fd)
{
    char kept[48], *argv[MAX_ARGS + 3];
    int n = 0;
    for (; n < MAX_ARGS && k->argv[n]; n++)
        argv[n] = k->argv[n];
    snprintf(kept, sizeof(kept), "%d,%d", k->store.fd, keeper_fd);
    argv[n++] = (char[]){"--kept"};
    argv[n++] = kept;
    argv[n] = NULL;
    fcntl(k->store.fd, F_SETFD, 0);
    fcntl(keeper_fd, F_SETFD, 0);
    spawn_restore_files(); /* what it finds is what it gives to its sessions */
    int file = k->new_file >= 0 ? k->new_file : k->own_file;
    syscall(SYS_execveat, file, "", argv, environ, AT_EMPTY_PATH);
    log_error("keeper", "cannot run the agent: %s", strerror(errno));
    _exit(127);
}

/* In the agent: it ends with the keeper. */
static void follow(pid_t keeper)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != keeper)
        _exit(0);
}

/* fork, with a new pair of sockets; in the child *keeper_fd is its end. -1 with errno. */
static pid_t fork_agent(struct keeper *k, int *keeper_fd)
{
    int ends[2];
    pid_t keeper = getpid();
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
        return -1;
    pid_t pid = fork();
    if (pid == 0) {
        follow(keeper);
        close(ends[0]);
        *keeper_fd = ends[1];
        return 0;
    }
    close(ends[1]);
    if (pid < 0) {
        close(ends[0]);
        return -1;
    }
    k->store.keeper_fd = ends[0];
    k->agent = pid;
    k->ready = false;
    k->started_ms = clock_mono_ms();
    return pid;
}

static void start_agent(struct keeper *k)
{
    int keeper_fd = -1;
    pid_t pid = fork_agent(k, &keeper_fd);
    if (pid == 0)
        exec_agent(k, keeper_fd);
    if (pid < 0)
        k->n_failed++; /* tried again, like one that has failed */
}

static int64_t delay_ms(const struct keeper *k)
{
    if (k->n_failed == 0)
        return 0;
    unsigned doublings = k->n_failed < 9 ? k->n_failed - 1 : 8;
    int64_t ms = (int64_t)DELAY_FIRST_MS << doublings;
    return ms < DELAY_MAX_MS ? ms : DELAY_MAX_MS;
}

static void fall_back(struct keeper *k)
{
    if (k->new_file < 0 || k->n_failed < KEEPER_TRIES)
        return;
    log_error("keeper", "the new agent fails: back to the earlier one");
    close(k->new_file);
    k->new_file = -1;
    k->n_failed = 0;
    k->store.head->fell_back++;
}

/* The agent has ended. True: with the keeper, whose exit code *code is. */
static bool agent_ended(struct keeper *k, int status, int *code)
{
    bool again = WIFEXITED(status) && WEXITSTATUS(status) == KEEPER_AGAIN;
    while (take_message(k))
        continue;
    close(k->store.keeper_fd);
    k->store.keeper_fd = -1;
    k->agent = 0;
    *code = WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_FAILURE;
    if (k->terminating || !k->argv || (WIFEXITED(status) && !again && (k->ready || k->first)))
        return true;
    bool failed = !again && (!k->ready || clock_mono_ms() - k->started_ms < LIVED_MS);
    k->n_failed = failed ? k->n_failed + 1 : 0;
    k->first = false;
    k->store.head->restarts++;
    if (!again)
        log_error("keeper", "the agent was ended by signal %d (code %d): another one goes on",
                  WIFSIGNALED(status) ? WTERMSIG(status) : 0, *code);
    fall_back(k);
    return false;
}

/* The loop */

static void take_signals(struct keeper *k)
{
    struct signalfd_siginfo info;
    while (read(k->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
        if (info.ssi_signo != SIGTERM && info.ssi_signo != SIGINT)
            continue;
        k->terminating = true;
        if (k->agent > 0)
            kill(k->agent, (int)info.ssi_signo);
    }
}

/* Milliseconds until the next turn is due; -1: none is. */
static int reap(struct keeper *k)
{
    bool again = false;
    if (store_reap(&k->store, REAPS_PER_TURN, k->agent, &again) > 0 && k->agent > 0)
        send(k->store.keeper_fd, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL); /* others wait already */
    return again ? REAP_AGAIN_MS : -1;
}

static int loop(struct keeper *k)
{
    int wait_ms = -1, code = 0, status;
    int64_t start_at_ms = 0;
    for (;;) {
        struct pollfd fds[] = {{.fd = k->signal_fd, .events = POLLIN},
                               {.fd = k->store.keeper_fd, .events = POLLIN}};
        poll(fds, k->agent > 0 ? 2 : 1, wait_ms);
        take_signals(k);
        while (k->agent > 0 && take_message(k))
            continue;
        wait_ms = reap(k);
        if (k->agent > 0 && waitpid(k->agent, &status, WNOHANG) == k->agent) {
            if (agent_ended(k, status, &code))
                return code;
            start_at_ms = clock_mono_ms() + delay_ms(k);
        }
        if (k->agent > 0)
            continue;
        if (k->terminating)
            return EXIT_FAILURE;
        int64_t left = start_at_ms - clock_mono_ms();
        if (left > 0) {
            wait_ms = wait_ms < 0 || left < wait_ms ? (int)left : wait_ms;
            continue;
        }
        start_agent(k);
        start_at_ms = clock_mono_ms() + delay_ms(k);
        wait_ms = k->agent > 0 ? wait_ms : (int)delay_ms(k);
    }
}

static int begin(struct keeper *k)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigprocmask(SIG_BLOCK, &set, NULL);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    k->own_file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    k->new_file = -1;
    k->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return k->own_file < 0 || k->signal_fd < 0 ? -1 : 0;
}

int keeper_run(char *const *argv)
{
    static struct keeper k;
    k.argv = argv;
    k.first = true;
    if (store_make(&k.store) < 0 || begin(&k) < 0) {
        log_error("keeper", "cannot start: %s", strerror(errno));
        return EXIT_FAILURE;
    }
    start_agent(&k);
    return loop(&k);
}

/* Whatever else the first agent has open is its own. */
static void close_others(const struct keeper *k)
{
    int kept[] = {k->store.fd, k->store.keeper_fd, k->own_file, k->signal_fd};
    for (int from = 3;;) {
        int next = FD_CEILING;
        for (size_t i = 0; i < sizeof(kept) / sizeof(*kept); i++)
            if (kept[i] >= from && kept[i] < next)
                next = kept[i];
        syscall(SYS_close_range, from, next - 1, 0);
        if (next == FD_CEILING)
            return;
        from = next + 1;
    }
}

int keeper_split(struct store *store, char *const *argv)
{
    static struct keeper k;
    int keeper_fd = -1;
    k.store = *store;
    k.argv = argv;
    k.first = true;
    pid_t pid = begin(&k) < 0 ? -1 : fork_agent(&k, &keeper_fd);
    if (pid < 0)
        return -1;
    if (pid == 0) {
        close(k.own_file);
        close(k.signal_fd);
        store->keeper_fd = keeper_fd;
        return 0;
    }
    close_others(&k);
    int code = loop(&k);
    if (getpid() != 1)
        exit(code);
    sync();
    reboot(RB_POWER_OFF);
    for (;;)
        pause();
}
