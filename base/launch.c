/* vfork and exec; see launch.h. The child shares our memory until exec and touches none of it but
 * its own frame; all signals are blocked meanwhile, so that no handler of ours runs in it. One that
 * is held is forked, as a vfork lets us do nothing until exec. */
#include "base/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/open_files.h"

/* In the child that is held. Our end is its only one: no byte will come once we are gone. */
static bool was_let_go(const int gate[2])
{
    char byte;
    ssize_t n;
    close(gate[1]);
    do {
        n = read(gate[0], &byte, 1);
    } while (n < 0 && errno == EINTR);
    return n == 1;
}

static int become(const struct launch *l, const int gate[2])
{
    const struct sigaction by_default = {.sa_handler = SIG_DFL};
    sigset_t none;
    if (l->hold && !was_let_go(gate))
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

/* Closes on exec, and carries an errno where there is none. */
static __attribute__((noinline)) pid_t fork_into(const struct launch *l, int report_fd,
                                                 const int gate[2])
{
    pid_t pid = l->hold ? fork() : vfork(); /* NOLINT: what posix_spawn does */
    if (pid == 0) {
        int sys = become(l, gate);
        ssize_t n = write(report_fd, &sys, sizeof(sys));
        _exit(n < 0 ? 125 : 127);
    }
    return pid;
}

static int read_report(int report_fd)
{
    int sys = 0;
    ssize_t n;
    do {
        n = read(report_fd, &sys, sizeof(sys));
    } while (n < 0 && errno == EINTR);
    return n == (ssize_t)sizeof(sys) ? sys : 0;
}

/* 0 or hold's errno. The child ends by itself where it is not let go. */
static int hold_child(const struct launch *l, pid_t child, int gate_fd)
{
    int sys = l->hold(l->hold_arg, child);
    if (sys == 0 && write(gate_fd, "", 1) < 0) /* the reading end is open here too: no SIGPIPE */
        sys = errno;
    return sys;
}

static void close_pipe(const int ends[2])
{
    for (int i = 0; i < 2; i++)
        if (ends[i] >= 0)
            close(ends[i]);
}

int launch(const struct launch *l, pid_t *pid)
{
    sigset_t all, before;
    int report[2], gate[2] = {-1, -1};
    if (pipe2(report, O_CLOEXEC) < 0)
        return errno;
    if (l->hold && pipe2(gate, O_CLOEXEC) < 0) {
        int no_pipe = errno;
        close_pipe(report);
        return no_pipe;
    }
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    pid_t child = fork_into(l, report[1], gate);
    int sys = child < 0 ? errno : 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    close(report[1]);
    int held = l->hold && child > 0 ? hold_child(l, child, gate[1]) : 0;
    close_pipe(gate);
    if (child > 0)
        sys = read_report(report[0]);
    if (held != 0)
        sys = held;
    close(report[0]);
    if (sys != 0 && child > 0)
        while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
            continue;
    if (sys == 0)
        *pid = child;
    return sys;
}
