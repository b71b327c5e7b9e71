/* Fork and exec; see spawn.h. The agent has one thread, so the child may use all of libc. */
#include "agent/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "agent/limits.h"
#include "agent/pace.h"
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
        /* execve makes a new memory before it looks for the file */
        if (access(candidate, F_OK) == 0)
            exec_file(candidate, plan);
        if (errno != ENOENT && errno != ENOTDIR)
            worst = errno;
        if (errno != ENOENT && errno != ENOTDIR && errno != EACCES)
            break;
    }
    errno = worst;
}

static int self_fd = -1; /* the agent's own program, also when its name has gone */

/* As exec_plan. */
static void exec_tool(const struct spawn_plan *plan)
{
    char *argv[SPAWN_TOOL_ARGS + 3] = {"banger-agent", "--tool"};
    int n = 0;
    while (n < SPAWN_TOOL_ARGS && plan->argv[n]) {
        argv[n + 2] = plan->argv[n];
        n++;
    }
    errno = E2BIG;
    if (!plan->argv[n])
        syscall(SYS_execveat, self_fd, "", argv, plan->envp, AT_EMPTY_PATH);
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

void spawn_protect_self(bool in_guest)
{
    for (int signo = 1; signo < NSIG; signo++)
        if (signo != SIGPIPE)
            signal(signo, SIG_DFL);
    if (self_fd < 0)
        self_fd = open("/proc/self/exe", O_PATH | O_CLOEXEC);
    if (!limits_raised && getrlimit(RLIMIT_NOFILE, &inherited_files) == 0) {
        /* Ended sessions keep the files of their output; the kernel gives process 1 too few. */
        struct rlimit most = {inherited_files.rlim_max, inherited_files.rlim_max}, more = most;
        if (more.rlim_max < FILES_WANTED)
            more = (struct rlimit){FILES_WANTED, FILES_WANTED};
        limits_raised =
            setrlimit(RLIMIT_NOFILE, &more) == 0 || setrlimit(RLIMIT_NOFILE, &most) == 0;
    }
    if (in_guest)
        limits_set_oom_score(-1000); /* a precaution */
    in_a_guest = in_guest;
}

void spawn_restore_files(void)
{
    if (limits_raised)
        setrlimit(RLIMIT_NOFILE, &inherited_files);
}

/* What an ordinary process has, then what was asked for. The agent's open files are ours until exec
 * and may be more than that: nothing is opened below the limit of files. -1, or what failed. */
static int set_limits(const struct limits *wanted)
{
    if (in_a_guest)
        limits_set_oom_score(0);
    int what = limits_set_scores(wanted);
    spawn_restore_files();
    for (size_t i = 0; in_a_guest && i < sizeof(guest_limits) / sizeof(*guest_limits); i++)
        setrlimit(guest_limits[i].what, &guest_limits[i].limit);
    return what >= 0 ? what : limits_set_rlimits(wanted);
}

/* Those that are ignored stay so over exec: the agent's one, and what its parent left it with,
 * which spawn_protect_self has ended once for all. */
static void reset_signals(void)
{
    signal(SIGPIPE, SIG_DFL);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

static _Noreturn void run_child(const struct spawn_plan *plan)
{
    uint32_t stage = SPAWN_FDS;
    if (!plan->claim(plan->claim_arg, getpid()))
        _exit(127);
    setsid();
    pace_leave();
    reset_signals();
    umask(plan->umask);
    if (place_fds(plan) == 0) {
        int what = set_limits(plan->limits);
        *plan->what = what;
        if (what >= 0)
            stage = SPAWN_LIMITS;
        else if (become(plan->user) < 0)
            stage = SPAWN_USER;
        else if (chdir(plan->cwd) < 0 && (!plan->cwd_optional || chdir("/") < 0))
            stage = SPAWN_CWD;
        else {
            prctl(PR_SET_PDEATHSIG, SIGKILL); /* a parent that is killed leaves nothing behind it */
            if (plan->tool)
                exec_tool(plan);
            else
                exec_plan(plan);
            stage = SPAWN_EXEC;
        }
    }
    *plan->sys = errno;
    atomic_signal_fence(memory_order_seq_cst);
    *plan->stage = stage;
    _exit(127);
}

/* fork, straight into the cgroup where the kernel can (5.7). */
static pid_t fork_into(int cgroup_fd, bool as_sibling)
{
    if (cgroup_fd >= 0) {
        struct clone_args args = {
            .flags = CLONE_INTO_CGROUP | (as_sibling ? CLONE_PARENT : 0),
            .exit_signal = as_sibling ? 0 : SIGCHLD, /* a sibling's is ours */
            .cgroup = (uint64_t)cgroup_fd,
        };
        long pid = syscall(SYS_clone3, &args, sizeof(args));
        if (pid >= 0)
            return (pid_t)pid;
    }
    pid_t pid = as_sibling ? (pid_t)syscall(SYS_clone, CLONE_PARENT | SIGCHLD, 0, 0, 0, 0) : fork();
    if (pid == 0 && cgroup_fd >= 0) {
        auto_fd int procs = openat(cgroup_fd, "cgroup.procs", O_WRONLY | O_CLOEXEC);
        ssize_t n = procs < 0 ? -1 : write(procs, "0", 1);
        (void)n; /* without it the session is found through /proc */
    }
    return pid;
}

int spawn_open_report(int ends[2])
{
    int made[2];
    if (pipe2(made, O_CLOEXEC) < 0)
        return -1;
    auto_fd int reader = made[0];
    auto_fd int writer = fcntl(made[1], F_DUPFD_CLOEXEC, 3); /* clear of what place_fds covers */
    close(made[1]);
    if (writer < 0 || fcntl(reader, F_SETFL, O_NONBLOCK) < 0)
        return -1;
    ends[0] = take_fd(&reader);
    ends[1] = take_fd(&writer);
    return 0;
}

pid_t spawn_start(const struct spawn_plan *plan)
{
    pid_t pid = fork_into(plan->cgroup_fd, plan->as_sibling);
    if (pid == 0)
        run_child(plan);
    return pid;
}

int spawn_read_report(int report_fd)
{
    char byte;
    ssize_t n;
    do {
        n = read(report_fd, &byte, 1);
    } while (n < 0 && errno == EINTR);
    return n < 0 && errno == EAGAIN ? -1 : 0;
}
