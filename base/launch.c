/* A child that shares our memory until exec, as vfork has it, and touches none of it but its own
 * stack; see launch.h. All signals are blocked meanwhile, so that no handler of ours runs in it.
 * Who makes it does nothing until exec: where the child is held, that is a thread of its own. (A
 * fork would copy the page tables of a daemon that has a thousand VMs for each one more;
 * launch_slots.h has the same of its descriptors.)
 *
 * Through one pipe come, as ints: the child's pid if it is held, its errno negated if it fails, and
 * from who made it, when the child is a program or gone, 0 or the errno of clone. Nothing is told
 * by the end of a pipe, of which somebody else may have a copy. */
#include "base/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/launch_slots.h"
#include "base/open_files.h"

/* Sanitizers keep accounts of calls and frames in memory that is not the child's, whose frames
 * never end: it is not their business, and calls the kernel by itself where they watch libc. */
#define IN_CHILD __attribute__((noinline, no_sanitize("address", "thread")))
#ifdef __SANITIZE_THREAD__
/* Whose clone is a fork. */
int __clone(int (*fn)(void *), void *stack, int flags, void *arg, ...);
#define clone __clone
#endif

enum { STACK_BYTES = 64 << 10, FDS_MAX = 16, REPORT = 0, GATE = 1, OWN_FDS = 2 };

struct starting {
    const struct launch *l;
    pid_t parent, pid;
    int made_fd;                /* the report's writing end, of who makes the child */
    int low;                    /* 0: the child has a copy of all our descriptors */
    int fds[FDS_MAX + OWN_FDS]; /* as the child finds them: l's, REPORT, GATE */
};

/* ---- the child ---- */

/* A signal tells it that we are gone. */
static IN_CHILD bool was_let_go(const struct starting *s)
{
    char verdict = 0;
    ssize_t n;
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != s->parent)
        return false;
    do {
        n = syscall(SYS_read, s->fds[s->l->n_fds + GATE], &verdict, 1);
    } while (n < 0 && errno == EINTR);
    return n == 1 && verdict && prctl(PR_SET_PDEATHSIG, 0) == 0;
}

static IN_CHILD int become(const struct starting *s)
{
    static const uint64_t by_default[4]; /* the kernel's struct sigaction with SIG_DFL, 0 */
    const struct launch *l = s->l;
    sigset_t none;
    if (l->hold && !was_let_go(s))
        return ECANCELED;
    for (int signo = 1; signo < NSIG; signo++)
        syscall(SYS_rt_sigaction, signo, by_default, NULL, NSIG / 8);
    if ((l->session ? setsid() : setpgid(0, 0)) < 0)
        return errno;
    open_files_restore();
    for (size_t i = 0; i < l->n_fds; i++)
        if (syscall(SYS_dup3, s->fds[i], (int)i, 0) < 0)
            return errno;
    if (close_range((unsigned)l->n_fds, ~0U, CLOSE_RANGE_CLOEXEC) < 0)
        return errno;
    if (l->cwd && chdir(l->cwd) < 0)
        return errno;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    execvpe(l->file ? l->file : l->argv[0], (char *const *)l->argv, l->env);
    return errno;
}

static IN_CHILD bool tell(int report_fd, int value)
{
    return syscall(SYS_write, report_fd, &value, sizeof(value)) == (ssize_t)sizeof(value);
}

/* First of all it has a table of descriptors of its own. */
static IN_CHILD int be_child(void *arg)
{
    const struct starting *s = arg;
    const int report_fd = s->fds[s->l->n_fds + REPORT];
    int sys = 0;
    if ((s->low && close_range((unsigned)s->low, ~0U, CLOSE_RANGE_UNSHARE) < 0) ||
        (s->l->hold && !tell(report_fd, getpid())))
        sys = errno;
    if (sys == 0)
        sys = become(s);
    _exit(tell(report_fd, -sys) ? 127 : 125);
}

/* ---- who makes it ---- */

/* Asleep until there is a program, or none. */
static void make_child(struct starting *s)
{
    char stack[STACK_BYTES] __attribute__((aligned(16)));
    const int flags = CLONE_VM | CLONE_VFORK | SIGCHLD | (s->low ? CLONE_FILES : 0);
    s->pid = clone(be_child, stack + sizeof(stack), flags, s);
    tell(s->made_fd, s->pid < 0 ? -errno : 0);
}

static void *make_held(void *arg)
{
    make_child(arg);
    return NULL;
}

static int read_report(int report_fd)
{
    int value = 0;
    ssize_t n;
    do {
        n = read(report_fd, &value, sizeof(value));
    } while (n < 0 && errno == EINTR);
    return n == (ssize_t)sizeof(value) ? value : n < 0 ? -errno : -EPIPE;
}

/* l's descriptors, and the child's own, as it is to find them. */
static void place_fds(struct starting *s, int gate_fd)
{
    const size_t n = s->l->n_fds, all = n + (s->l->hold ? OWN_FDS : 1);
    int fds[FDS_MAX + OWN_FDS];
    memcpy(fds, s->l->fds, n * sizeof(fds[0]));
    fds[n + REPORT] = s->made_fd;
    fds[n + GATE] = gate_fd;
    s->low = launch_slots_take(fds, all, s->fds);
    if (!s->low)
        memcpy(s->fds, fds, all * sizeof(fds[0]));
}

static void take_fds_back(const struct starting *s)
{
    if (s->low)
        launch_slots_give_back();
}

static int launch_at_once(struct starting *s, int report_fd)
{
    place_fds(s, -1);
    make_child(s);
    take_fds_back(s);
    return -read_report(report_fd);
}

/* The child ends by itself where it is not let go. An errno. */
static int let_go(int gate_fd, bool go)
{
    const char verdict = go;
    return write(gate_fd, &verdict, 1) < 0 ? errno : 0; /* its other end is open here: no SIGPIPE */
}

static int hold_child(struct starting *s, int report_fd, int gate_fd)
{
    int pid = read_report(report_fd);
    take_fds_back(s); /* it has its own by now */
    int sys = pid > 0 ? s->l->hold(s->l->hold_arg, pid) : pid < 0 ? -pid : ECHILD; /* was killed */
    int gate = let_go(gate_fd, sys == 0);
    if (gate != 0 && pid > 0)
        kill(pid, SIGKILL);
    return sys != 0 ? sys : gate != 0 ? gate : -read_report(report_fd);
}

static int launch_held(struct starting *s, int report_fd)
{
    int gate[2];
    pthread_t thread;
    if (pipe2(gate, O_CLOEXEC) < 0)
        return errno;
    place_fds(s, gate[0]);
    int sys = pthread_create(&thread, NULL, make_held, s);
    if (sys == 0) {
        sys = hold_child(s, report_fd, gate[1]);
        pthread_join(thread, NULL);
    } else {
        take_fds_back(s);
    }
    close(gate[0]);
    close(gate[1]);
    return sys;
}

static void end(pid_t pid)
{
    kill(pid, SIGKILL);
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        continue;
}

int launch(const struct launch *l, pid_t *pid)
{
    sigset_t all, before;
    int report[2];
    if (l->n_fds > FDS_MAX)
        return EINVAL;
    if (pipe2(report, O_CLOEXEC) < 0)
        return errno;
    struct starting s = {.l = l, .parent = getpid(), .made_fd = report[1], .pid = -1};
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    int sys = l->hold ? launch_held(&s, report[0]) : launch_at_once(&s, report[0]);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    close(report[0]);
    close(report[1]);
    if (sys == 0)
        *pid = s.pid;
    else if (s.pid > 0)
        end(s.pid);
    return sys;
}
