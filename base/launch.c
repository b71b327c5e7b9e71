/* vfork and exec; see launch.h. The child shares our memory until exec and touches none of it but
 * its own frame; all signals are blocked meanwhile, so that no handler of ours runs in it. */
#include "base/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/open_files.h"

static int become(const struct launch *l)
{
    const struct sigaction by_default = {.sa_handler = SIG_DFL};
    sigset_t none;
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
static __attribute__((noinline)) pid_t fork_into(const struct launch *l, int report_fd)
{
    pid_t pid = vfork(); /* NOLINT: what posix_spawn does */
    if (pid == 0) {
        int sys = become(l);
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

int launch(const struct launch *l, pid_t *pid)
{
    sigset_t all, before;
    int report[2];
    if (pipe2(report, O_CLOEXEC) < 0)
        return errno;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    pid_t child = fork_into(l, report[1]);
    int sys = child < 0 ? errno : 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    close(report[1]);
    if (child > 0)
        sys = read_report(report[0]);
    close(report[0]);
    if (sys != 0 && child > 0)
        while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
            continue;
    if (sys == 0)
        *pid = child;
    return sys;
}
