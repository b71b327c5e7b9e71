/* Programs run to their end; see run.h. */
#include "daemon/host/run.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/launch.h"
#include "base/search_path.h"

extern char **environ;

/* An ordinary user's PATH has no sbin, where mke2fs is. */
static bool run_find(const char *program, char path[PATH_MAX])
{
    return search_path(program, "/usr/sbin", path, PATH_MAX);
}

bool run_finds(const char *program)
{
    char path[PATH_MAX];
    return run_find(program, path);
}

/* 0 or an errno. */
static int run_spawn(pid_t *pid, const char *const *argv, int stdin_fd, int out_fd)
{
    char path[PATH_MAX];
    if (!strchr(argv[0], '/') && !run_find(argv[0], path))
        return ENOENT;
    auto_fd int null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (null_fd < 0)
        return errno;
    const int fds[] = {stdin_fd >= 0 ? stdin_fd : null_fd, out_fd, out_fd};
    const struct launch l = {
        .argv = argv,
        .file = strchr(argv[0], '/') ? argv[0] : path,
        .env = environ,
        .fds = fds,
        .n_fds = 3,
    };
    return launch(&l, pid);
}

static void run_keep(struct run_result *r, const char *text, size_t len)
{
    size_t room = sizeof(r->out) - 1;
    if (len > room) {
        text += len - room;
        len = room;
    }
    if (r->out_len + len > room) {
        size_t drop = r->out_len + len - room;
        memmove(r->out, r->out + drop, r->out_len - drop);
        r->out_len -= drop;
    }
    memcpy(r->out + r->out_len, text, len);
    r->out_len += len;
    r->out[r->out_len] = '\0';
}

/* False at the end of output. */
static bool run_read(int fd, struct run_result *r)
{
    char text[4096];
    ssize_t n = read(fd, text, sizeof(text));
    if (n > 0)
        run_keep(r, text, (size_t)n);
    return n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR));
}

/* Until the process is over (0), it is cancelled or out of time (the error). A grandchild may hold
 * the pipe open, so its end is not waited for. */
static int run_wait(int pidfd, int out_fd, int cancel_fd, int64_t deadline_ms, struct run_result *r,
                    const char *name, struct err *err)
{
    int64_t until = clock_mono_ms() + deadline_ms;
    struct pollfd p[3] = {{.fd = pidfd, .events = POLLIN},
                          {.fd = out_fd, .events = POLLIN},
                          {.fd = cancel_fd, .events = POLLIN}};
    for (;;) {
        int64_t left = until - clock_mono_ms();
        if (left <= 0)
            return err_set(err, ERR_DEADLINE, "%s took longer than %lld ms", name,
                           (long long)deadline_ms);
        if (poll(p, 3, (int)(left > 60000 ? 60000 : left)) < 0 && errno != EINTR)
            return err_sys(err, errno, "cannot wait for %s", name);
        if (p[2].revents)
            return err_set(err, ERR_ABORTED, "%s was cancelled", name);
        if (p[1].revents && !run_read(out_fd, r))
            p[1].fd = -1;
        if (p[0].revents)
            return 0;
    }
}

int run_program_on(const char *const *argv, int stdin_fd, int64_t deadline_ms, int cancel_fd,
                   struct run_result *result, struct err *err)
{
    *result = (struct run_result){.code = -1};
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
        return err_sys(err, errno, "cannot start %s", argv[0]);
    auto_fd int read_end = ends[0];
    auto_fd int write_end = ends[1];
    fcntl(read_end, F_SETFL, O_NONBLOCK);
    pid_t pid;
    int rc = run_spawn(&pid, argv, stdin_fd, write_end);
    if (rc != 0)
        return err_sys(err, rc, "cannot start %s", argv[0]);
    close(take_fd(&write_end));
    auto_fd int pidfd = pidfd_open(pid, 0);
    int failed = pidfd < 0
                     ? err_sys(err, errno, "cannot watch %s", argv[0])
                     : run_wait(pidfd, read_end, cancel_fd, deadline_ms, result, argv[0], err);
    if (failed < 0)
        kill(-pid, SIGKILL); /* not reaped yet, so the group is still its own */
    siginfo_t info = {.si_pid = 0};
    while (waitid(P_PID, (id_t)pid, &info, WEXITED) < 0 && errno == EINTR)
        ;
    for (int i = 0; i < 16 && run_read(read_end, result); i++)
        ; /* what the pipe still holds, at most its 64 KiB */
    if (info.si_code == CLD_EXITED)
        result->code = info.si_status;
    else
        result->signo = info.si_status;
    return failed;
}

int run_program(const char *const *argv, int64_t deadline_ms, int cancel_fd,
                struct run_result *result, struct err *err)
{
    return run_program_on(argv, -1, deadline_ms, cancel_fd, result, err);
}

int run_checked(const char *const *argv, int64_t deadline_ms, int cancel_fd, struct err *err)
{
    auto_free struct run_result *r = malloc(sizeof(*r));
    if (!r)
        return err_sys(err, ENOMEM, "cannot start %s", argv[0]);
    if (run_program(argv, deadline_ms, cancel_fd, r, err) < 0)
        return -1;
    if (r->code == 0)
        return 0;
    while (r->out_len > 0 && r->out[r->out_len - 1] == '\n')
        r->out[--r->out_len] = '\0';
    const char *tail = r->out_len > 300 ? r->out + r->out_len - 300 : r->out;
    if (r->signo)
        return err_set(err, ERR_INTERNAL, "%s was ended by signal %d: %s", argv[0], r->signo, tail);
    return err_set(err, ERR_INTERNAL, "%s failed with code %d: %s", argv[0], r->code, tail);
}
