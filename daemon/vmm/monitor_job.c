/* Worker jobs of a monitor; see monitor_job.h. Nothing here touches the machine but the submit and
 * return ends, which are on the loop. */
#include "daemon/vmm/monitor_job.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "daemon/host/scope.h"
#include "daemon/vmm/census.h"
#include "daemon/vmm/devices.h"
#include "rpc/event/child.h"

void monitor_argv_add(struct monitor_argv *a, const char *fmt, ...)
{
    va_list ap;
    size_t room = sizeof(a->text) - a->used;
    va_start(ap, fmt);
    int n = vsnprintf(a->text + a->used, room, fmt, ap);
    va_end(ap);
    if (n < 0 || (size_t)n >= room || a->n >= MONITOR_ARGS_MAX) {
        a->overflow = true;
        return;
    }
    a->argv[a->n++] = a->text + a->used;
    a->argv[a->n] = NULL;
    a->used += (size_t)n + 1;
}

/* The folders that are worked on; the lock guards the list. One of a closed machine, which was told
 * to hurry, may be at it when the next machine's begins, which waits for its end. */
static struct {
    pthread_mutex_t lock;
    pthread_cond_t left;
    struct list jobs;
    int64_t launched_ns; /* by the last launch: an older look at processes tells nothing of it */
} monitor_work = {.lock = PTHREAD_MUTEX_INITIALIZER,
                  .left = PTHREAD_COND_INITIALIZER,
                  .jobs = {&monitor_work.jobs, &monitor_work.jobs}};

static bool monitor_work_on(const char *vm_dir)
{
    for (struct list *at = monitor_work.jobs.next; at != &monitor_work.jobs; at = at->next)
        if (strcmp(container_of(at, struct monitor_job, at_work)->config.vm_dir, vm_dir) == 0)
            return true;
    return false;
}

/* SIGKILL makes the wait short; what comes after must not find it. */
static void monitor_undo_launch(struct monitor_job *j)
{
    siginfo_t how;
    process_signal(j->pidfd, SIGKILL, NULL);
    while (waitid(P_PIDFD, (id_t)j->pidfd, &how, WEXITED) < 0 && errno == EINTR)
        ;
    close(j->pidfd);
    j->pidfd = -1;
    j->launched = false;
}

/* With the lock: a process that nobody will take is gone before the next job looks for one. */
static void monitor_end_orphan(struct monitor_job *j)
{
    if (j->orphan && j->worked && j->launched)
        monitor_undo_launch(j);
}

static void monitor_job_run(struct job *job)
{
    struct monitor_job *j = container_of(job, struct monitor_job, job);
    pthread_mutex_lock(&monitor_work.lock);
    while (monitor_work_on(j->config.vm_dir))
        pthread_cond_wait(&monitor_work.left, &monitor_work.lock);
    list_add_tail(&monitor_work.jobs, &j->at_work);
    if (j->asked_ns < monitor_work.launched_ns)
        j->asked_ns = monitor_work.launched_ns;
    pthread_mutex_unlock(&monitor_work.lock);
    j->work(j);
    if (j->pidfd >= 0)
        vmm_devices_look(&j->config, &j->devices);
    pthread_mutex_lock(&monitor_work.lock);
    j->worked = true;
    if (j->launched)
        monitor_work.launched_ns = clock_mono_ns();
    monitor_end_orphan(j);
    list_remove(&j->at_work);
    pthread_cond_broadcast(&monitor_work.left);
    pthread_mutex_unlock(&monitor_work.lock);
}

static void monitor_job_free(struct monitor_job *j)
{
    if (j->launched) /* and nobody took it */
        monitor_undo_launch(j);
    if (j->pidfd >= 0)
        close(j->pidfd);
    if (j->log_fd >= 0)
        close(j->log_fd);
    if (j->launch.fd >= 0)
        close(j->launch.fd);
    if (j->cancel_fd >= 0)
        close(j->cancel_fd);
    vmm_config_done(&j->config);
    free(j);
}

static void monitor_job_back(struct job *job)
{
    struct monitor_job *j = container_of(job, struct monitor_job, job);
    struct monitor *mon = j->mon;
    if (mon) {
        mon->job = NULL;
        j->done(mon, j);
    }
    monitor_job_free(j);
}

static void monitor_job_refused(void *arg)
{
    monitor_job_back(arg);
}

int monitor_submit(struct monitor *mon, enum monitor_job_kind kind,
                   void (*work)(struct monitor_job *j),
                   void (*done)(struct monitor *mon, struct monitor_job *j),
                   const struct vm_handles *hint, struct err *err)
{
    struct monitor_job *j = calloc(1, sizeof(*j));
    if (!j)
        return err_sys(err, ENOMEM, "cannot work for vm/%s", mon->machine.config.vm_id);
    j->pidfd = j->log_fd = j->launch.fd = -1;
    j->cancel_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (j->cancel_fd < 0) {
        err_sys(err, errno, "cannot work for vm/%s", mon->machine.config.vm_id);
        monitor_job_free(j);
        return -1;
    }
    j->job = (struct job){
        .run = monitor_job_run, .done = monitor_job_back, .frees = kind == MONITOR_FREES};
    j->mon = mon;
    j->ops = mon->ops;
    vmm_config_copy(&j->config, &mon->machine.config);
    j->hinted = hint != NULL;
    if (hint)
        j->hint = *hint;
    j->asked_ns = clock_mono_ns();
    j->sought = EVIDENCE_OURS;
    j->work = work;
    j->done = done;
    j->launch.config = &j->config;
    j->launch.host = mon->machine.host;
    j->launch.cancel_fd = j->cancel_fd;
    j->launch.kvm_known = mon->machine.host->kvm_known;
    j->launch.kvm_usable = mon->machine.host->kvm_usable;
    if (workers_submit(mon->machine.host->quick, &j->job, &j->err) < 0 &&
        loop_post(mon->machine.host->loop, monitor_job_refused, &j->job) < 0) {
        if (err)
            *err = j->err;
        monitor_job_free(j);
        return -1;
    }
    mon->job = j;
    return 0;
}

void monitor_job_cancel(struct monitor_job *j)
{
    uint64_t one = 1;
    while (write(j->cancel_fd, &one, sizeof(one)) < 0 && errno == EINTR)
        ;
    workers_hurry(j->launch.host->quick, &j->job);
}

void monitor_job_orphan(struct monitor_job *j)
{
    j->mon = NULL;
    pthread_mutex_lock(&monitor_work.lock);
    j->orphan = true;
    monitor_end_orphan(j);
    pthread_mutex_unlock(&monitor_work.lock);
    monitor_job_cancel(j);
}

/* On the worker */

/* Before what takes time or leaves something: is it still wanted? */
static bool monitor_job_cancelled(struct monitor_job *j)
{
    struct pollfd p = {.fd = j->cancel_fd, .events = POLLIN};
    if (poll(&p, 1, 0) <= 0)
        return false;
    err_set(&j->err, ERR_CANCELLED, "cancelled");
    return true;
}

static bool monitor_job_matches(void *arg, const struct process_info *info)
{
    const struct monitor_job *j = arg;
    return j->ops->matches(&j->config, info) >= j->sought;
}

static int monitor_unlink(const char *path, struct err *err)
{
    if (path[0] == '\0' || unlink(path) == 0 || errno == ENOENT)
        return 0;
    return err_sys(err, errno, "cannot remove %s", path);
}

static void monitor_remove_remains(struct monitor_job *j)
{
    char log[PATH_BYTES];
    monitor_log_path(&j->config, log);
    if (j->ops->clean)
        j->ops->clean(&j->config);
    struct err *err = j->err.code == ERR_NONE ? &j->err : NULL;
    monitor_unlink(j->config.api_sock_path, err);
    monitor_unlink(j->config.channel.path, err);
    monitor_unlink(log, err);
}

/* A FIFO that holds what the process says on stderr: the kernel bounds it (64 KiB), a full one
 * makes the process's writes fail instead of block (O_NONBLOCK), and being open for reading in the
 * process itself it neither breaks nor loses its content while no daemon is there. */
static int monitor_open_log(struct monitor_job *j, bool make)
{
    char path[PATH_BYTES];
    monitor_log_path(&j->config, path);
    if (make && (monitor_unlink(path, &j->err) < 0 ||
                 (mkfifo(path, 0600) < 0 && err_sys(&j->err, errno, "cannot make %s", path) < 0)))
        return -1;
    struct stat st;
    j->log_fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);
    if (j->log_fd >= 0 && fstat(j->log_fd, &st) == 0 && S_ISFIFO(st.st_mode))
        return 0;
    return err_sys(&j->err, j->log_fd < 0 ? errno : EINVAL, "cannot open %s", path);
}

/* A launch makes the FIFO before its process, and what cleans up removes these after it: without
 * any of them there certainly is none, and nobody needs to be asked. */
static bool monitor_left_something(const struct monitor_job *j)
{
    char log[PATH_BYTES];
    monitor_log_path(&j->config, log);
    const char *const paths[] = {j->config.api_sock_path, j->config.channel.path, log};
    for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++)
        if (paths[i][0] && (access(paths[i], F_OK) == 0 || errno != ENOENT))
            return true;
    return false;
}

static bool monitor_answers(const char *sock_path)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    if (sock_path[0] == '\0' || strlen(sock_path) >= sizeof(addr.sun_path))
        return false;
    strcpy(addr.sun_path, sock_path);
    auto_fd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    return fd < 0 || connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0 || errno == EAGAIN;
}

/* No process that could be looked at is this VM's. One that could not is a stranger's, unless
 * somebody holds this VM's sockets. */
static int monitor_judge_unread(const struct monitor_job *j, const struct process_unread *unread,
                                struct err *err)
{
    if (unread->n == 0)
        return err_set(err, ERR_NOT_FOUND, "no such process");
    if (monitor_answers(j->config.api_sock_path) || monitor_answers(j->config.channel.path))
        return err_set(err, ERR_UNAVAILABLE,
                       "something answers on its socket, and %zu processes cannot be looked at: %s",
                       unread->n, unread->first.message);
    log_debug(j->config.vm_id, "taken for strangers: %zu processes that cannot be looked at: %s",
              unread->n, unread->first.message);
    return err_set(err, ERR_NOT_FOUND, "no such process");
}

/* 0, or -1: ERR_NOT_FOUND where no process of the census has so much evidence. */
static int monitor_hold_one(struct monitor_job *j, const struct census *c, struct err *err)
{
    const struct vmm_found *f = census_find(c, j->config.vm_id);
    for (; f && f < c->found + c->n && strcmp(f->vm_id, j->config.vm_id) == 0; f++) {
        struct err why = ERR_INIT;
        if (process_hold(f->pid, 0, monitor_job_matches, j, &j->pidfd, &j->info, &why) == 0)
            return 0;
        if (why.code != ERR_NOT_FOUND) {
            if (err)
                *err = why;
            return -1;
        }
    }
    return err_set(err, ERR_NOT_FOUND, "no such process");
}

/* It cannot be spoken to, as its sockets went with its folder, and what it writes is lost. To begin
 * another beside it, or to end it, is for people to say. */
static int monitor_refuse_left(struct monitor_job *j, struct err *err)
{
    close(j->pidfd);
    j->pidfd = -1;
    return err_set(
        err, ERR_UNAVAILABLE,
        "process %d still runs it in %s, whose files are not these: the state folder was "
        "moved to another file system, or copied, meanwhile. What the guest writes is not "
        "kept; kill the VM to end it",
        (int)j->info.pid, j->info.cwd);
}

static int monitor_find_in(struct monitor_job *j, const struct census *c, struct err *err)
{
    struct err none = ERR_INIT;
    int rc = monitor_hold_one(j, c, &none);
    if (rc < 0 && none.code == ERR_NOT_FOUND) {
        err_clear(&none);
        j->sought = EVIDENCE_LEFT;
        rc = monitor_hold_one(j, c, &none);
        j->sought = EVIDENCE_OURS;
        if (rc == 0 && !j->left_too)
            return monitor_refuse_left(j, err);
    }
    if (rc < 0 && none.code == ERR_NOT_FOUND)
        return monitor_judge_unread(j, &c->unread, err);
    if (rc < 0 && err)
        *err = none;
    return rc;
}

static bool monitor_find_hinted(struct monitor_job *j)
{
    char boot_id[PROCESS_BOOT_ID_BYTES];
    struct err ignored = ERR_INIT;
    if (!j->hinted && j->launch.host->load_hint)
        j->launch.host->load_hint(j->config.vm_dir, &j->hint);
    return process_boot_id(boot_id, NULL) == 0 &&
           strncmp(boot_id, j->hint.host_boot_id, sizeof(j->hint.host_boot_id)) == 0 &&
           process_hold(j->hint.pid, j->hint.pid_start_time, monitor_job_matches, j, &j->pidfd,
                        &j->info, &ignored) == 0;
}

static int monitor_find(struct monitor_job *j, struct err *err)
{
    if (monitor_find_hinted(j))
        return 0;
    char folder[PATH_BYTES];
    snprintf(folder, sizeof(folder), "%s", j->config.vm_dir);
    struct census *c = census_take(dirname(folder), j->asked_ns, err);
    if (!c)
        return -1;
    int rc = monitor_find_in(j, c, err);
    census_unref(c);
    return rc;
}

void monitor_work_find(struct monitor_job *j)
{
    if (monitor_find(j, &j->err) == 0) {
        struct err ignored = j->err;
        monitor_open_log(j, false); /* without it we only know less when it ends */
        j->err = ignored;
    } else if (j->err.code == ERR_NOT_FOUND) {
        struct err found = j->err;
        monitor_remove_remains(j);
        j->err = found;
    }
}

void monitor_work_find_left(struct monitor_job *j)
{
    j->left_too = true;
    monitor_work_find(j);
}

/* Between fork and exec: nothing of it has run. */
static int monitor_place(void *arg, pid_t pid)
{
    struct monitor_job *j = arg;
    return host_scope_enter(j->config.scope, pid, &j->err) < 0 ? ECANCELED : 0;
}

/* From here on it is watched through its pidfd, as one that was adopted. */
static void monitor_spawn(struct monitor_job *j)
{
    struct err why = ERR_INIT;
    struct child_spec spec = {
        .argv = j->launch.args.argv,
        .cwd = j->config.vm_dir,
        .stdin_fd = -1,
        .log_fd = j->log_fd,
        .keep_fds = &j->launch.fd,
        .n_keep_fds = j->launch.fd >= 0,
        .detached = true,
        .hold = j->config.scope[0] ? monitor_place : NULL,
        .arg = j,
    };
    if (child_start_unwatched(&spec, &j->info.pid, &j->pidfd, &why) < 0) {
        if (j->err.code == ERR_NONE)
            j->err = why;
        else
            err_wrap(&j->err, "cannot put it into its scope");
        return;
    }
    j->launched = true;
    if (process_start_time(j->info.pid, &j->info.start_time, &j->err) < 0 ||
        monitor_job_cancelled(j))
        monitor_undo_launch(j);
}

void monitor_work_launch(struct monitor_job *j)
{
    struct err none = ERR_INIT;
    char boot_id[PROCESS_BOOT_ID_BYTES];
    process_boot_id(boot_id, NULL); /* read here once, and remembered for the loop */
    if (monitor_job_cancelled(j))
        return;
    if (!monitor_left_something(j))
        err_set(&none, ERR_NOT_FOUND, "no such process");
    else if (monitor_find(j, &none) == 0) {
        err_set(&j->err, ERR_PRECONDITION, "it runs already, as process %d", (int)j->info.pid);
        err_tag(&j->err, "VM_RUNNING", "vm/%s", j->config.vm_id);
        return;
    }
    if (none.code != ERR_NOT_FOUND) {
        j->err = none;
        err_wrap(&j->err, "cannot tell whether it runs already");
        return;
    }
    j->alone = true;
    monitor_remove_remains(j);
    if (j->err.code != ERR_NONE || monitor_open_log(j, true) < 0 ||
        j->ops->command(&j->launch, &j->err) < 0)
        return;
    if (j->launch.args.overflow)
        err_set(&j->err, ERR_LIMIT, "the command line of %s grew too long", j->ops->what);
    else if (!monitor_job_cancelled(j))
        monitor_spawn(j);
}

void monitor_work_clean(struct monitor_job *j)
{
    monitor_remove_remains(j);
}

void monitor_work_discard(struct monitor_job *j)
{
    struct err none = ERR_INIT;
    if (!monitor_left_something(j))
        err_set(&none, ERR_NOT_FOUND, "no such process");
    else if (monitor_find(j, &none) == 0) {
        err_set(&j->err, ERR_PRECONDITION, "it still runs, as process %d", (int)j->info.pid);
        return;
    }
    if (none.code != ERR_NOT_FOUND) {
        j->err = none;
        return;
    }
    monitor_remove_remains(j);
    j->ops->discard(&j->config, &j->err);
}
