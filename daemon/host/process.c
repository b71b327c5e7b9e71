/* Processes by evidence; see process.h. */
#include "daemon/host/process.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fs.h"

enum {
    PROCESS_STAT_BYTES = 4096,
    PROCESS_ENV_BYTES = 256 * 1024,
};

static int process_read_boot_id(char id[PROCESS_BOOT_ID_BYTES], struct err *err)
{
    auto_free char *text = NULL;
    size_t len;
    if (fs_read("/proc/sys/kernel/random/boot_id", 128, &text, &len, err) < 0)
        return err_wrap(err, "cannot tell this boot of the host");
    len = strcspn(text, "\n");
    if (len == 0 || len >= PROCESS_BOOT_ID_BYTES)
        return err_set(err, ERR_INTERNAL, "the host's boot id has %zu characters", len);
    memcpy(id, text, len);
    id[len] = '\0';
    return 0;
}

int process_boot_id(char id[PROCESS_BOOT_ID_BYTES], struct err *err)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static char known[PROCESS_BOOT_ID_BYTES];
    pthread_mutex_lock(&lock);
    int rc = known[0] ? 0 : process_read_boot_id(known, err);
    memcpy(id, known, sizeof(known));
    pthread_mutex_unlock(&lock);
    return rc;
}

/* Reading one process */

static pid_t process_hidden;

void process_hide(pid_t pid)
{
    process_hidden = pid;
}

static int process_fail(struct err *err, pid_t pid, int cause)
{
    if (cause == ENOENT || cause == ESRCH)
        return err_set(err, ERR_NOT_FOUND, "no process %d", (int)pid);
    return err_sys(err, cause, "cannot look at process %d", (int)pid);
}

/* At most size - 1 bytes of /proc/PID/name, NUL-terminated. Length or -1 with errno. */
static ssize_t process_read_file(pid_t pid, const char *name, char *text, size_t size)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
    auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    size_t n = 0;
    while (n < size - 1) {
        ssize_t got = read(fd, text + n, size - 1 - n);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -1;
        if (got == 0)
            break;
        n += (size_t)got;
    }
    text[n] = '\0';
    return (ssize_t)n;
}

static void process_read_link(pid_t pid, const char *name, char out[PROCESS_PATH_BYTES])
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
    ssize_t n = readlink(path, out, PROCESS_PATH_BYTES - 1);
    out[n < 0 ? 0 : n] = '\0';
}

struct process_stat {
    char state;
    pid_t ppid;
    uint64_t start_time;
};

/* proc(5): the command in parentheses may hold anything, so fields count from the last ')'. */
static int process_read_stat(pid_t pid, struct process_stat *st, struct err *err)
{
    char text[PROCESS_STAT_BYTES];
    if (process_read_file(pid, "stat", text, sizeof(text)) < 0)
        return process_fail(err, pid, errno);
    const char *rest = strrchr(text, ')');
    int ppid;
    unsigned long long start;
    if (!rest || sscanf(rest + 1,
                        " %c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d "
                        "%*d %llu",
                        &st->state, &ppid, &start) != 3)
        return err_set(err, ERR_INTERNAL, "cannot read /proc/%d/stat", (int)pid);
    st->ppid = ppid;
    st->start_time = start;
    return 0;
}

int process_start_time(pid_t pid, uint64_t *start_time, struct err *err)
{
    struct process_stat st;
    if (process_read_stat(pid, &st, err) < 0)
        return -1;
    *start_time = st.start_time;
    return 0;
}

static int process_owner(pid_t pid, uid_t *uid, struct err *err)
{
    char path[32];
    struct stat st;
    snprintf(path, sizeof(path), "/proc/%d", (int)pid);
    if (stat(path, &st) < 0)
        return process_fail(err, pid, errno);
    *uid = st.st_uid;
    return 0;
}

/* Owner, parent and start time: what a tree is made of. */
static int process_read_place(pid_t pid, struct process_info *info, struct err *err)
{
    struct process_stat st;
    info->pid = pid;
    if (pid == process_hidden)
        return err_sys(err, EACCES, "cannot look at process %d", (int)pid);
    if (process_owner(pid, &info->uid, err) < 0 || process_read_stat(pid, &st, err) < 0)
        return -1;
    if (st.state == 'Z' || st.state == 'X')
        return err_set(err, ERR_NOT_FOUND, "process %d has ended", (int)pid);
    info->ppid = st.ppid;
    info->start_time = st.start_time;
    return 0;
}

int process_read(pid_t pid, struct process_info *info, struct err *err)
{
    if (process_read_place(pid, info, err) < 0)
        return -1;
    ssize_t n = process_read_file(pid, "cmdline", info->cmdline, sizeof(info->cmdline));
    if (n < 0)
        return process_fail(err, pid, errno);
    info->cmdline_len = (size_t)n;
    process_read_link(pid, "exe", info->exe);
    process_read_link(pid, "cwd", info->cwd);
    return 0;
}

int process_read_env(pid_t pid, const char *name, char *value, size_t size, struct err *err)
{
    auto_free char *text = malloc(PROCESS_ENV_BYTES);
    if (!text)
        return err_sys(err, ENOMEM, "cannot look at process %d", (int)pid);
    ssize_t len = process_read_file(pid, "environ", text, PROCESS_ENV_BYTES);
    if (len < 0)
        return process_fail(err, pid, errno);
    size_t name_len = strlen(name);
    for (const char *at = text; at < text + len; at += strlen(at) + 1) {
        if (strncmp(at, name, name_len) != 0 || at[name_len] != '=')
            continue;
        if (strlen(at + name_len + 1) >= size)
            break;
        strcpy(value, at + name_len + 1);
        return 0;
    }
    return err_set(err, ERR_NOT_FOUND, "process %d has no %s", (int)pid, name);
}

bool process_has_arg(const struct process_info *info, const char *arg)
{
    const char *end = info->cmdline + info->cmdline_len;
    for (const char *at = info->cmdline; at < end; at += strlen(at) + 1)
        if (strcmp(at, arg) == 0)
            return true;
    return false;
}

const char *process_arg_after(const struct process_info *info, const char *option)
{
    const char *end = info->cmdline + info->cmdline_len;
    for (const char *at = info->cmdline; at < end; at += strlen(at) + 1) {
        const char *next = at + strlen(at) + 1;
        if (strcmp(at, option) == 0 && next < end)
            return next;
    }
    return NULL;
}

/* Looking at all */

/* Next pid of an open /proc, 0 at its end, -1 with errno. */
static pid_t process_next(DIR *proc)
{
    for (;;) {
        errno = 0;
        struct dirent *e = readdir(proc);
        if (!e)
            return errno ? -1 : 0;
        char *end;
        long pid = strtol(e->d_name, &end, 10);
        if (pid > 0 && *end == '\0')
            return (pid_t)pid;
    }
}

/* A process of our own user; ERR_NOT_FOUND also for another user's. Root has those of all: one that
 * it has put into a jail is of the jail's user. */
static int process_check_owner(pid_t pid, uid_t *uid, struct err *err)
{
    if (process_owner(pid, uid, err) < 0)
        return -1;
    if (*uid != geteuid() && geteuid() != 0)
        return err_set(err, ERR_NOT_FOUND, "process %d is another user's", (int)pid);
    return 0;
}

static int process_read_own(pid_t pid, struct process_info *info, struct err *err)
{
    return process_check_owner(pid, &info->uid, err) < 0 ? -1 : process_read(pid, info, err);
}

/* What runs out here runs out for all processes: none that follows would be seen either. */
static bool process_is_starved(const struct err *err)
{
    return err->sys == EMFILE || err->sys == ENFILE || err->sys == ENOMEM;
}

int process_each(bool (*look)(void *arg, const struct process_info *info), void *arg,
                 struct process_unread *unread, struct err *err)
{
    auto_free struct process_info *info = malloc(sizeof(*info));
    auto_dir DIR *proc = opendir("/proc");
    *unread = (struct process_unread){.n = 0};
    if (!info || !proc)
        return err_sys(err, errno, "cannot list processes");
    pid_t pid;
    while ((pid = process_next(proc)) > 0) {
        struct err why = ERR_INIT;
        if (process_read_own(pid, info, &why) == 0) {
            if (!look(arg, info))
                return 0;
        } else if (process_is_starved(&why)) {
            if (err)
                *err = why;
            return -1;
        } else if (why.code != ERR_NOT_FOUND && unread->n++ == 0) {
            unread->first = why;
        }
    }
    return pid < 0 ? err_sys(err, errno, "cannot list processes") : 0;
}

/* The pidfd first: what is read afterwards of a process that is still alive behind the pidfd is of
 * that very process. */
int process_hold(pid_t pid, uint64_t start_time,
                 bool (*match)(void *arg, const struct process_info *info), void *arg, int *pidfd,
                 struct process_info *info, struct err *err)
{
    if (pid <= 0)
        return err_set(err, ERR_NOT_FOUND, "no process %d", (int)pid);
    auto_fd int fd = pidfd_open(pid, 0);
    if (fd < 0)
        return errno == ESRCH || errno == EINVAL
                   ? err_set(err, ERR_NOT_FOUND, "no process %d", (int)pid)
                   : err_sys(err, errno, "cannot hold on to process %d", (int)pid);
    if (process_read_own(pid, info, err) < 0)
        return -1;
    if ((start_time && info->start_time != start_time) || !match(arg, info) || process_gone(fd))
        return err_set(err, ERR_NOT_FOUND, "process %d is another", (int)pid);
    *pidfd = take_fd(&fd);
    return 0;
}

/* Through a pidfd */

bool process_gone(int pidfd)
{
    struct pollfd p = {.fd = pidfd, .events = POLLIN};
    return poll(&p, 1, 0) > 0 && (p.revents & POLLIN);
}

int process_signal(int pidfd, int signo, struct err *err)
{
    if (pidfd_send_signal(pidfd, signo, NULL, 0) == 0)
        return 0;
    if (errno == ESRCH)
        return err_set(err, ERR_NOT_FOUND, "the process has ended");
    return err_sys(err, errno, "cannot send signal %d", signo);
}

void process_reap(int pidfd, struct process_exit *how)
{
    siginfo_t info = {.si_pid = 0};
    *how = (struct process_exit){.known = false, .code = -1};
    if (waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED | WNOHANG) < 0 || info.si_pid == 0)
        return;
    how->known = true;
    if (info.si_code == CLD_EXITED)
        how->code = info.si_status;
    else
        how->signo = info.si_status;
}
