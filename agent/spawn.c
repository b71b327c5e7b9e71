/* Fork and exec; see spawn.h. The agent has one thread, so the child may use all of libc. */
#include "agent/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "agent/users.h"
#include "base/cleanup.h"

/* Part n of PATH with name behind it; false at the end of PATH. An empty part is the folder we are
 * in, as POSIX has it. */
static bool path_candidate(const char **path, const char *name, char *out, size_t size)
{
    if (!*path)
        return false;
    size_t n = strcspn(*path, ":");
    int len = n == 0 ? snprintf(out, size, "./%s", name)
                     : snprintf(out, size, "%.*s/%s", (int)n, *path, name);
    *path = (*path)[n] == ':' ? *path + n + 1 : NULL;
    if (len < 0 || (size_t)len >= size)
        out[0] = '\0';
    return true;
}

static bool is_executable(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

bool spawn_can_find(const char *name, const char *path)
{
    if (strchr(name, '/'))
        return is_executable(name);
    char candidate[PATH_MAX];
    while (*name && path_candidate(&path, name, candidate, sizeof(candidate)))
        if (is_executable(candidate))
            return true;
    return false;
}

/* A file that is executable but nothing the kernel knows is a script for the shell (POSIX execvp).
 */
static void exec_file(const char *file, const struct spawn_plan *plan)
{
    execve(file, plan->argv, plan->envp);
    if (errno != ENOEXEC)
        return;
    char *script[64] = {"sh", (char *)(uintptr_t)file};
    int n = 2;
    for (int i = 1; plan->argv[i] && n < 63; i++)
        script[n++] = plan->argv[i];
    if (n < 63)
        execve("/bin/sh", script, plan->envp);
    errno = ENOEXEC;
}

/* Returns only when it fails, with the errno that says most. */
static void exec_plan(const struct spawn_plan *plan)
{
    const char *name = plan->argv[0];
    if (strchr(name, '/')) {
        exec_file(name, plan);
        return;
    }
    int worst = ENOENT;
    const char *path = plan->path;
    char candidate[PATH_MAX];
    while (*name && path_candidate(&path, name, candidate, sizeof(candidate))) {
        exec_file(candidate, plan);
        if (errno != ENOENT && errno != ENOTDIR)
            worst = errno;
        if (errno != ENOENT && errno != ENOTDIR && errno != EACCES)
            break;
    }
    errno = worst;
}

static int become(const struct user *user)
{
    if (!user)
        return 0;
    if (setgroups((size_t)user->n_groups, user->groups) < 0 || setgid(user->gid) < 0)
        return -1;
    return setuid(user->uid);
}

static int place_fds(const struct spawn_plan *plan)
{
    int high[3];
    for (int i = 0; i < 3; i++) /* out of the way of 0 to 2 first */
        if ((high[i] = fcntl(plan->fds[i], F_DUPFD_CLOEXEC, 3)) < 0)
            return -1;
    for (int i = 0; i < 3; i++)
        if (dup2(high[i], i) < 0)
            return -1;
    return plan->tty ? ioctl(0, TIOCSCTTY, 0) : 0;
}

enum { FILES_WANTED = 65536, FILES_SOFT = 1024, FILES_HARD = 524288 };

/* Of processes in a guest of ours, as in a container; the kernel gives process 1's children 4,096
 * files, and processes by the guest's memory, which pids.max bounds for all of them. The soft limit
 * of files is what programs that use select() expect. */
static const struct {
    int what;
    struct rlimit limit;
} guest_limits[] = {
    {RLIMIT_NOFILE, {FILES_SOFT, FILES_HARD}},
    {RLIMIT_NPROC, {RLIM_INFINITY, RLIM_INFINITY}},
    {RLIMIT_CORE, {0, RLIM_INFINITY}},
};

static struct rlimit inherited_files;
static bool limits_raised, in_a_guest;

static void set_oom_score(const char *score)
{
    auto_fd int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : write(fd, score, strlen(score));
    (void)n; /* it is a precaution */
}

void spawn_protect_self(bool in_guest)
{
    if (!limits_raised && getrlimit(RLIMIT_NOFILE, &inherited_files) == 0) {
        /* Ended sessions keep the files of their output; the kernel gives process 1 too few. */
        struct rlimit most = {inherited_files.rlim_max, inherited_files.rlim_max}, more = most;
        if (more.rlim_max < FILES_WANTED)
            more = (struct rlimit){FILES_WANTED, FILES_WANTED};
        limits_raised =
            setrlimit(RLIMIT_NOFILE, &more) == 0 || setrlimit(RLIMIT_NOFILE, &most) == 0;
    }
    if (in_guest)
        set_oom_score("-1000");
    in_a_guest = in_guest;
}

static void unprotect(void)
{
    if (limits_raised)
        setrlimit(RLIMIT_NOFILE, &inherited_files);
    if (!in_a_guest)
        return;
    for (size_t i = 0; i < sizeof(guest_limits) / sizeof(*guest_limits); i++)
        setrlimit(guest_limits[i].what, &guest_limits[i].limit);
    set_oom_score("0");
}

static void reset_signals(void)
{
    for (int signo = 1; signo < NSIG; signo++)
        signal(signo, SIG_DFL);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

static _Noreturn void run_child(const struct spawn_plan *plan, int report_fd)
{
    struct spawn_report report = {.stage = SPAWN_FDS};
    setsid();
    reset_signals();
    unprotect();
    umask(plan->umask);
    if (place_fds(plan) == 0) {
        if (become(plan->user) < 0)
            report.stage = SPAWN_USER;
        else if (chdir(plan->cwd) < 0 && (!plan->cwd_optional || chdir("/") < 0))
            report.stage = SPAWN_CWD;
        else {
            prctl(PR_SET_PDEATHSIG, SIGKILL); /* an agent that is killed leaves nothing behind it */
            exec_plan(plan);
            report.stage = SPAWN_EXEC;
        }
    }
    report.sys = errno;
    ssize_t n = write(report_fd, &report, sizeof(report));
    _exit(n < 0 ? 125 : 127);
}

/* fork, straight into the cgroup where the kernel can (5.7). */
static pid_t fork_into(int cgroup_fd)
{
    if (cgroup_fd >= 0) {
        struct clone_args args = {
            .flags = CLONE_INTO_CGROUP,
            .exit_signal = SIGCHLD,
            .cgroup = (uint64_t)cgroup_fd,
        };
        long pid = syscall(SYS_clone3, &args, sizeof(args));
        if (pid >= 0)
            return (pid_t)pid;
    }
    pid_t pid = fork();
    if (pid == 0 && cgroup_fd >= 0) {
        auto_fd int procs = openat(cgroup_fd, "cgroup.procs", O_WRONLY | O_CLOEXEC);
        ssize_t n = procs < 0 ? -1 : write(procs, "0", 1);
        (void)n; /* without it the session is found through /proc */
    }
    return pid;
}

pid_t spawn_start(const struct spawn_plan *plan, int *report_fd)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
        return -1;
    auto_fd int reader = ends[0];
    auto_fd int writer = fcntl(ends[1], F_DUPFD_CLOEXEC, 3); /* clear of what place_fds covers */
    close(ends[1]);
    if (writer < 0 || fcntl(reader, F_SETFL, O_NONBLOCK) < 0)
        return -1;
    pid_t pid = fork_into(plan->cgroup_fd);
    if (pid == 0)
        run_child(plan, writer);
    if (pid > 0)
        *report_fd = take_fd(&reader);
    return pid;
}

int spawn_read_report(int report_fd, struct spawn_report *report)
{
    ssize_t n;
    do {
        n = read(report_fd, report, sizeof(*report));
    } while (n < 0 && errno == EINTR);
    if (n < 0)
        return errno == EAGAIN ? -1 : 0;
    return n == (ssize_t)sizeof(*report) ? 1 : 0;
}
