/* vfork and exec; see launch.h. The child shares our memory until exec and touches none of it but
 * its own frame; all signals are blocked meanwhile, so that no handler of ours runs in it. A vfork
 * lets its caller do nothing until exec: where the child is held, a thread of its own calls it. (A
 * fork would copy the page tables of a daemon that has a thousand VMs for each one more.) */
#include "base/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/open_files.h"

/* In the child that is held. A signal tells it that we are gone: the end of the gate would not
 * while another that is held has a copy of our end. */
static bool was_let_go(const int gate[2], pid_t parent)
{
    char byte;
    ssize_t n;
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent)
        return false;
    close(gate[1]);
    do {
        n = read(gate[0], &byte, 1);
    } while (n < 0 && errno == EINTR);
    return n == 1 && prctl(PR_SET_PDEATHSIG, 0) == 0;
}

static int become(const struct launch *l, const int gate[2], pid_t parent)
{
    const struct sigaction by_default = {.sa_handler = SIG_DFL};
    sigset_t none;
    if (l->hold && !was_let_go(gate, parent))
        return ECANCELED;
    for (int signo = 1; signo < NSIG; signo++)
        sigaction(signo, &by_default, NULL); /* the few that cannot be set are so */
    if ((l->session ? setsid() : setpgid(0, 0)) < 0)
        return errno;
    open_files_restore();
    for (size_t i = 0; i < l->n_fds; i++)
        if (dup2(l->fds[i], (int)i) < 0)
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

/* report_fd closes on exec: nothing comes out of it where there is a program, else an errno. Of one
 * that is held its pid comes first. */
static __attribute__((noinline)) pid_t start(const struct launch *l, int report_fd,
                                             const int gate[2])
{
    pid_t parent = getpid();
    pid_t pid = vfork(); /* NOLINT: what posix_spawn does */
    if (pid == 0) {
        int self = getpid();
        int sys =
            l->hold && write(report_fd, &self, sizeof(self)) < 0 ? errno : become(l, gate, parent);
        ssize_t n = write(report_fd, &sys, sizeof(sys));
        _exit(n < 0 ? 125 : 127);
    }
    return pid;
}

/* 0 at the end. */
static int read_report(int report_fd)
{
    int value = 0;
    ssize_t n;
    do {
        n = read(report_fd, &value, sizeof(value));
    } while (n < 0 && errno == EINTR);
    return n == (ssize_t)sizeof(value) ? value : 0;
}

static void reap(pid_t pid)
{
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        continue;
}

static int launch_at_once(const struct launch *l, const int report[2], pid_t *pid)
{
    const int no_gate[2] = {-1, -1};
    *pid = start(l, report[1], no_gate);
    int sys = *pid < 0 ? errno : 0;
    close(report[1]);
    return sys ? sys : read_report(report[0]);
}

/* ---- one that is held ---- */

struct starter {
    const struct launch *l;
    const int *gate;
    int report_fd; /* its own */
    int sys;       /* of vfork */
    sem_t over;    /* there is a program, or none */
};

/* Asleep in vfork until then; but a vfork may be a fork (ThreadSanitizer makes it one), and who is
 * held would end with the thread that called it. */
static void *start_and_sleep(void *arg)
{
    struct starter *s = arg;
    s->sys = start(s->l, s->report_fd, s->gate) < 0 ? errno : 0;
    close(s->report_fd);
    while (sem_wait(&s->over) < 0)
        continue;
    return NULL;
}

/* The child ends by itself where it is not let go. */
static int hold_child(const struct launch *l, pid_t child, int gate_fd)
{
    int sys = l->hold(l->hold_arg, child);
    if (sys == 0 && write(gate_fd, "", 1) < 0) /* the reading end is open here too: no SIGPIPE */
        sys = errno;
    return sys;
}

static int launch_held(const struct launch *l, const int report[2], pid_t *pid)
{
    int gate[2];
    struct starter s = {.l = l, .gate = gate, .report_fd = report[1]};
    pthread_t thread;
    int sys = pipe2(gate, O_CLOEXEC) < 0 ? errno : 0;
    sem_init(&s.over, 0, 0);
    if (sys == 0 && (sys = pthread_create(&thread, NULL, start_and_sleep, &s)) != 0) {
        close(gate[0]);
        close(gate[1]);
    }
    if (sys != 0) {
        close(report[1]);
        return sys;
    }
    *pid =
        read_report(report[0]); /* none where vfork failed: the thread has closed the other end */
    int held = *pid > 0 ? hold_child(l, *pid, gate[1]) : 0;
    close(gate[0]);
    close(gate[1]);
    sys = read_report(report[0]);
    sem_post(&s.over);
    pthread_join(thread, NULL);
    sem_destroy(&s.over);
    return s.sys ? s.sys : held ? held : sys;
}

int launch(const struct launch *l, pid_t *pid)
{
    sigset_t all, before;
    int report[2];
    pid_t child = -1;
    if (pipe2(report, O_CLOEXEC) < 0)
        return errno;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    int sys = l->hold ? launch_held(l, report, &child) : launch_at_once(l, report, &child);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    close(report[0]);
    if (sys == 0)
        *pid = child;
    else if (child > 0)
        reap(child);
    return sys;
}
