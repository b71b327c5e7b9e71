/* A child that shares our memory until exec, as vfork has it, and writes none of it but its stack,
 * errno of the thread that made it, and what struct starting has for it; see launch.h. That thread
 * sleeps meanwhile, with its signals blocked, so that no handler of ours runs in the child: where
 * the child is held, it is a thread of its own. (A fork would copy the page tables of a daemon that
 * has a thousand VMs for each one more; launch_slots.h has the same of its descriptors.) */
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
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/launch_slots.h"
#include "base/open_files.h"

/* Sanitizers keep accounts of calls and frames in memory that is not the child's, whose frames
 * never end: it is not their business, and calls the kernel by itself where they watch libc. */
#define IN_CHILD __attribute__((noinline, no_sanitize("address", "thread")))
#if defined(__has_feature)
#define WITH_THREAD_SANITIZER __has_feature(thread_sanitizer)
#elif defined(__SANITIZE_THREAD__)
#define WITH_THREAD_SANITIZER 1
#else
#define WITH_THREAD_SANITIZER 0
#endif
#if WITH_THREAD_SANITIZER /* whose clone is a fork */
int __clone(int (*fn)(void *), void *stack, int flags, void *arg, ...);
#define clone __clone
#endif

enum { STACK_BYTES = 64 << 10, TOLD = 0, GATE = 1, OWN_FDS = 2 };

struct starting {
    const struct launch *l;
    pid_t parent, pid;
    int sys;                           /* why there is no program */
    int told_fd;                       /* TOLD, as we have it */
    int fds_end;                       /* 0: the child has a copy of all our descriptors */
    int fds[LAUNCH_FDS_MAX + OWN_FDS]; /* as the child finds them: l's, TOLD, GATE */
    _Atomic pid_t held;                /* the child's pid, when it has its own descriptors */
    _Atomic bool go;                   /* it is let go */
};

/* ---- the child ---- */

/* A signal tells it that we are gone. */
static IN_CHILD bool was_let_go(const struct starting *s)
{
    uint64_t n;
    long rc;
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != s->parent)
        return false;
    do {
        rc = syscall(SYS_read, s->fds[s->l->n_fds + GATE], &n, sizeof(n));
    } while (rc < 0 && errno == EINTR);
    return s->go && prctl(PR_SET_PDEATHSIG, 0) == 0;
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

static IN_CHILD void wake(int event_fd)
{
    const uint64_t one = 1;
    syscall(SYS_write, event_fd, &one, sizeof(one)); /* of an event's, which cannot fail */
}

static IN_CHILD int be_child(void *arg)
{
    struct starting *s = arg;
    if (s->fds_end && close_range((unsigned)s->fds_end, ~0U, CLOSE_RANGE_UNSHARE) < 0) {
        s->sys = errno;
        _exit(127);
    }
    if (s->l->hold) {
        s->held = getpid();
        wake(s->fds[s->l->n_fds + TOLD]);
    }
    s->sys = become(s);
    _exit(127);
}

/* ---- who makes it ---- */

/* Asleep until there is a program, or none. */
static void make_child(struct starting *s)
{
    char stack[STACK_BYTES] __attribute__((aligned(16)));
    const int flags = CLONE_VM | CLONE_VFORK | SIGCHLD | (s->fds_end ? CLONE_FILES : 0);
    s->pid = clone(be_child, stack + sizeof(stack), flags, s);
    if (s->pid < 0)
        s->sys = errno;
}

/* l's descriptors, and the child's own (NULL: none), as it is to find them. */
static void place_fds(struct starting *s, const int own[OWN_FDS])
{
    const size_t n = s->l->n_fds, all = n + (own ? OWN_FDS : 0);
    int fds[LAUNCH_FDS_MAX + OWN_FDS];
    for (size_t i = 0; i < all; i++)
        s->fds[i] = fds[i] = i < n ? s->l->fds[i] : own[i - n];
    s->fds_end = launch_slots_take(fds, all, s->fds);
}

static void take_fds_back(const struct starting *s)
{
    if (s->fds_end)
        launch_slots_give_back();
}

/* ---- one that is held ---- */

static void *make_held(void *arg)
{
    struct starting *s = arg;
    make_child(s);
    wake(s->told_fd); /* the child may not have come so far */
    return NULL;
}

/* An errno, which the child does not outlive. */
static int hold_child(struct starting *s, int gate_fd)
{
    uint64_t n;
    int sys = 0;
    while (sys == 0 && read(s->told_fd, &n, sizeof(n)) < 0)
        sys = errno == EINTR ? 0 : errno;
    take_fds_back(s); /* it has its own by now */
    if (sys == 0)
        sys = s->held > 0 ? s->l->hold(s->l->hold_arg, s->held) : ECHILD;
    s->go = sys == 0;
    wake(gate_fd);
    return sys;
}

static int launch_held(struct starting *s)
{
    const int own[OWN_FDS] = {eventfd(0, EFD_CLOEXEC), eventfd(0, EFD_CLOEXEC)};
    pthread_t thread;
    int sys = own[TOLD] < 0 || own[GATE] < 0 ? errno : 0;
    if (sys == 0) {
        s->told_fd = own[TOLD];
        place_fds(s, own);
        sys = pthread_create(&thread, NULL, make_held, s);
        if (sys != 0) {
            take_fds_back(s);
        } else {
            sys = hold_child(s, own[GATE]);
            pthread_join(thread, NULL);
            if (sys == 0 || s->held == 0)
                sys = s->sys ? s->sys : sys;
        }
    }
    for (int i = 0; i < OWN_FDS; i++)
        if (own[i] >= 0)
            close(own[i]);
    return sys;
}

static int launch_at_once(struct starting *s)
{
    place_fds(s, NULL);
    make_child(s);
    take_fds_back(s);
    return s->sys;
}

static void end_child(pid_t pid)
{
    kill(pid, SIGKILL);
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        continue;
}

int launch(const struct launch *l, pid_t *pid)
{
    struct starting s = {.l = l, .parent = getpid(), .pid = -1};
    sigset_t all, before;
    if (l->n_fds > LAUNCH_FDS_MAX)
        return EINVAL;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    int sys = l->hold ? launch_held(&s) : launch_at_once(&s);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (sys == 0)
        *pid = s.pid;
    else if (s.pid > 0)
        end_child(s.pid);
    return sys;
}
