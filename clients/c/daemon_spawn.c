/* Starting bangerd; see daemon_spawn.h. */
#include "daemon_spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fs.h"
#include "internal.h"

/* What the child tells before the pipe closes at its exec: the daemon's pid, then perhaps an errno.
 */
struct spawn_report {
    pid_t pid;
    int errnum;
};

/* In the child: only calls that are safe after fork. Never returns. */
static void spawn_exec_daemon(const char *program, int log_fd, int report_fd)
{
    /* The daemon starts with nothing blocked and nothing ignored. */
    for (int signo = 1; signo < 32; signo++)
        signal(signo, SIG_DFL);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    setsid();
    pid_t pid = fork();
    if (pid != 0)
        _exit(pid < 0 ? 1 : 0);
    struct spawn_report report = {.pid = getpid()};
    (void)!write(report_fd, &report.pid, sizeof(report.pid));
    int null_fd = open("/dev/null", O_RDONLY);
    if (null_fd >= 0 && dup2(null_fd, 0) >= 0 && dup2(log_fd, 1) >= 0 && dup2(log_fd, 2) >= 0 &&
        chdir("/") == 0)
        execl(program, program, (char *)NULL);
    report.errnum = errno;
    (void)!write(report_fd, &report.errnum, sizeof(report.errnum));
    _exit(127);
}

/* Reads until the pipe closes: the exec has happened, or failed. */
static int spawn_read_report(int fd, const char *program, struct spawn_report *report,
                             struct banger_error *error)
{
    char bytes[2 * sizeof(int)];
    size_t have = 0;
    while (have < sizeof(bytes)) {
        ssize_t n = read(fd, bytes + have, sizeof(bytes) - have);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        have += (size_t)n;
    }
    if (have < sizeof(report->pid))
        return error_set(error, BANGER_RESOURCE_EXHAUSTED, "start %s: no process", program);
    memcpy(&report->pid, bytes, sizeof(report->pid));
    if (have < sizeof(bytes))
        return 0;
    memcpy(&report->errnum, bytes + sizeof(report->pid), sizeof(report->errnum));
    return error_set(error, BANGER_NOT_FOUND, "start %s: %s", program, strerror(report->errnum));
}

int daemon_spawn(const char *program, const char *log, struct banger_error *error)
{
    struct err err = ERR_INIT;
    auto_fd int log_fd = fs_open_own(log, O_WRONLY | O_CREAT | O_APPEND, 0600, &err);
    if (log_fd < 0) {
        error_of_err(error, &err);
        return -1;
    }
    int fds[2];
    if (pipe2(fds, O_CLOEXEC) < 0)
        return error_set(error, BANGER_RESOURCE_EXHAUSTED, "pipe: %s", strerror(errno));
    auto_fd int read_fd = fds[0];
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    pid_t pid = fork();
    if (pid == 0)
        spawn_exec_daemon(program, log_fd, fds[1]);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    close(fds[1]);
    if (pid < 0)
        return error_set(error, BANGER_RESOURCE_EXHAUSTED, "fork: %s", strerror(errno));
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ;
    struct spawn_report report = {0};
    if (spawn_read_report(read_fd, program, &report, error) < 0)
        return -1;
    int pidfd = (int)syscall(SYS_pidfd_open, report.pid, 0);
    if (pidfd < 0)
        return error_set(error, BANGER_UNAVAILABLE, "bangerd ended at once (see %s)", log);
    return pidfd;
}

void daemon_quote_log(const char *log, struct banger_error *error)
{
    char text[400] = "";
    auto_fd int fd = fs_open_own(log, O_RDONLY, 0, NULL);
    off_t size = fd < 0 ? 0 : lseek(fd, 0, SEEK_END);
    off_t from = size < (off_t)sizeof(text) ? 0 : size - (off_t)sizeof(text) + 1;
    ssize_t len = fd < 0 ? 0 : pread(fd, text, sizeof(text) - 1, from);
    while (len > 0 && text[len - 1] == '\n')
        text[--len] = '\0';
    const char *line = strrchr(text, '\n');
    error_set(error, BANGER_UNAVAILABLE, "bangerd ended at once: %s (log: %s)",
              line ? line + 1 : text, log);
}
