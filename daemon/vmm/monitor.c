/* The life of a VMM; see monitor.h.
 *
 * Calls end in few places: monitor_settle, when the process is gone and its remains are removed,
 * ends whatever call is open; the jobs' done functions end the calls that need no process;
 * monitor_ready ends a start. kill on top of another call marks `killing` and lets the same places
 * end both. */
#include "daemon/vmm/monitor.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "daemon/vmm/monitor_job.h"

static struct monitor *monitor_of(struct vmm_machine *m)
{
    return (struct monitor *)m;
}

static void monitor_deadline_fired(void *arg)
{
    struct monitor *mon = arg;
    mon->on_deadline(mon);
}

static void monitor_wait(struct monitor *mon, int64_t ms, void (*then)(struct monitor *mon))
{
    mon->on_deadline = then;
    timer_start(&mon->deadline, ms);
}

static void monitor_end_aborted(struct monitor *mon)
{
    struct err err = ERR_INIT;
    err_set(&err, ERR_ABORTED, "the machine was killed meanwhile");
    driver_call_end(&mon->call, &err);
}

static void monitor_end_state(struct driver_call *c, const char *text)
{
    struct err err = ERR_INIT;
    err_set(&err, ERR_PRECONDITION, "%s", text);
    driver_call_end(c, &err);
}

/* Opening and closing */

int monitor_init(struct monitor *mon, const struct monitor_ops *ops, struct vmm_host *host,
                 const struct vmm_config *config, struct err *err)
{
    mon->ops = ops;
    mon->machine.host = host;
    mon->machine.config = *config;
    mon->pidfd = mon->log_fd = -1;
    buf_init(&mon->tail, MONITOR_TAIL_BYTES);
    if (driver_call_init(&mon->call, host->loop) < 0 ||
        driver_call_init(&mon->kill, host->loop) < 0 ||
        timer_init(&mon->deadline, host->loop, monitor_deadline_fired, mon) < 0)
        return err_sys(err, ENOMEM, "cannot open vm/%s", config->vm_id);
    return 0;
}

static void monitor_drop_process(struct monitor *mon)
{
    watch_done(&mon->gone);
    watch_done(&mon->log);
    mon->gone = mon->log = (struct watch){.fd = -1};
    if (mon->pidfd >= 0)
        close(mon->pidfd);
    if (mon->log_fd >= 0)
        close(mon->log_fd);
    mon->pidfd = mon->log_fd = -1;
    mon->pid = 0;
    mon->start_time = 0;
    timer_stop(&mon->deadline);
}

void monitor_close(struct vmm_machine *m)
{
    struct monitor *mon = monitor_of(m);
    if (mon->job)
        monitor_job_orphan(mon->job);
    if (mon->pidfd >= 0)
        mon->ops->detach(mon);
    monitor_drop_process(mon);
    driver_call_done(&mon->call);
    driver_call_done(&mon->kill);
    timer_done(&mon->deadline);
    buf_done(&mon->tail);
    mon->ops->free(mon);
}

/* The process is gone */

/* Its remains are removed: end what is open. */
static void monitor_settle(struct monitor *mon)
{
    bool report = mon->was_running;
    struct vmm_exit exit = mon->exit;
    mon->state = MONITOR_NONE;
    mon->was_running = mon->killing = mon->ended_by_us = false;
    if (driver_call_open(&mon->kill))
        monitor_end_aborted(mon);
    else if (mon->start_err.code != ERR_NONE)
        driver_call_end(&mon->call, &mon->start_err);
    else
        driver_call_end(&mon->call, NULL); /* a stop: pause and resume were ended before */
    driver_call_end(&mon->kill, NULL);
    const struct vmm_machine *m = &mon->machine;
    if (report && m->events && m->events->exited)
        m->events->exited(m->events_arg, &exit); /* last: the machine may be closed in it */
}

static void monitor_cleaned(struct monitor *mon, struct monitor_job *j)
{
    if (j->err.code != ERR_NONE)
        log_err(LOG_LEVEL_WARN, mon->machine.config.vm_id, &j->err, "remains of the VMM stay");
    monitor_settle(mon);
}

static void monitor_explain_start(struct monitor *mon, const struct process_exit *how)
{
    char tail[320];
    monitor_tail(mon, tail, sizeof(tail));
    struct err *e = &mon->start_err;
    if (e->code != ERR_NONE)
        err_wrap(e, "%s did not start%s%s", mon->ops->what, tail[0] ? ", it said: " : "", tail);
    else if (how->signo)
        err_set(e, ERR_UNAVAILABLE, "%s was ended by signal %d (%s) while starting: %s",
                mon->ops->what, how->signo, strsignal(how->signo), tail);
    else
        err_set(e, ERR_UNAVAILABLE, "%s ended with code %d while starting: %s", mon->ops->what,
                how->code, tail);
    err_tag(e, "VMM_START_FAILED", "vm/%s", mon->machine.config.vm_id);
}

static void monitor_clean(struct monitor *mon)
{
    struct err err = ERR_INIT;
    if (monitor_submit(mon, MONITOR_FREES, monitor_work_clean, monitor_cleaned, NULL, &err) == 0)
        return;
    log_err(LOG_LEVEL_WARN, mon->machine.config.vm_id, &err, "remains of the VMM stay");
    monitor_settle(mon);
}

static void monitor_gone(void *arg, int events)
{
    (void)events;
    struct monitor *mon = arg;
    if (!process_gone(mon->pidfd))
        return;
    struct process_exit how;
    process_reap(mon->pidfd, &how);
    for (int i = 0; i < 64 && monitor_read_log(mon); i++)
        ;
    mon->ops->detach(mon);
    bool starting = mon->state == MONITOR_STARTING;
    monitor_drop_process(mon);
    mon->state = MONITOR_ENDED;
    if (starting) {
        monitor_explain_start(mon, &how);
    } else {
        err_clear(&mon->start_err);
        mon->exit = (struct vmm_exit){.kind = VMM_EXIT_CRASHED};
        mon->ops->judge(mon, &how, &mon->exit);
    }
    if (!mon->job) /* else a driver's, which ends in monitor_flushed */
        monitor_clean(mon);
}

/* Killing */

static void monitor_not_dying(struct monitor *mon)
{
    struct err err = ERR_INIT;
    err_set(&err, ERR_DEADLINE,
            "process %d was killed %d s ago and is still there: the kernel "
            "holds it, look at /proc/%d/stack",
            (int)mon->pid, MONITOR_KILL_MS / 1000, (int)mon->pid);
    err_tag(&err, "VMM_UNKILLABLE", "vm/%s", mon->machine.config.vm_id);
    driver_call_end(&mon->call, &err);
    driver_call_end(&mon->kill, &err);
}

static void monitor_kill_now(struct monitor *mon)
{
    struct err err = ERR_INIT;
    mon->ended_by_us = true;
    if (process_signal(mon->pidfd, SIGKILL, &err) < 0 && err.code != ERR_NOT_FOUND)
        log_err(LOG_LEVEL_ERROR, mon->machine.config.vm_id, &err, "cannot kill the monitor");
    monitor_wait(mon, MONITOR_KILL_MS, monitor_not_dying);
}

void monitor_flushed(struct monitor *mon)
{
    if (mon->state == MONITOR_ENDED && !mon->job)
        monitor_clean(mon);
    else if (mon->killing && mon->pidfd >= 0)
        monitor_kill_now(mon);
}

static void monitor_begin_kill(struct monitor *mon)
{
    if (mon->killing) { /* again: the flush is under way, or the kernel holds it */
        monitor_kill_now(mon);
        return;
    }
    mon->killing = true;
    timer_stop(&mon->deadline);
    if (!mon->ops->flush || !mon->ops->flush(mon))
        monitor_kill_now(mon);
}

void monitor_end(struct monitor *mon)
{
    if (mon->killing || mon->pidfd < 0)
        return;
    mon->ended_by_us = true;
    mon->ops->end(mon);
    monitor_wait(mon, MONITOR_END_MS, monitor_begin_kill);
}

/* The process is there */

static void monitor_log_ready(void *arg, int events)
{
    (void)events;
    monitor_read_log(arg);
}

static int monitor_watch(struct monitor *mon, int pidfd, int log_fd, struct err *err)
{
    struct loop *loop = mon->machine.host->loop;
    mon->pidfd = pidfd;
    mon->log_fd = log_fd;
    if (watch_init(&mon->gone, loop, pidfd, monitor_gone, mon) < 0 ||
        (log_fd >= 0 && watch_init(&mon->log, loop, log_fd, monitor_log_ready, mon) < 0))
        return err_sys(err, ENOMEM, "cannot watch the VMM");
    watch_want(&mon->gone, WATCH_READ);
    if (log_fd >= 0)
        watch_want(&mon->log, WATCH_READ);
    return 0;
}

/* What a find job found becomes our process. */
static int monitor_take_found(struct monitor *mon, struct monitor_job *j, struct err *err)
{
    int pidfd = j->pidfd, log_fd = j->log_fd;
    j->pidfd = j->log_fd = -1;
    mon->pid = j->info.pid;
    mon->start_time = j->info.start_time;
    mon->devices = j->devices;
    if (monitor_watch(mon, pidfd, log_fd, err) < 0) {
        monitor_drop_process(mon);
        return -1;
    }
    mon->state = MONITOR_RUNNING;
    mon->was_running = true;
    mon->ops->attach(mon, true);
    return 0;
}

void monitor_ready(struct monitor *mon)
{
    if (mon->state != MONITOR_STARTING || mon->killing)
        return;
    timer_stop(&mon->deadline);
    mon->state = MONITOR_RUNNING;
    mon->was_running = true;
    driver_call_end(&mon->call, NULL);
}

void monitor_fail(struct monitor *mon, const struct err *err)
{
    if (mon->state != MONITOR_STARTING || mon->killing)
        return;
    mon->start_err = *err;
    monitor_begin_kill(mon);
}

int64_t monitor_ready_ms(const struct monitor *mon)
{
    const int64_t *boot_ms = mon->machine.host->boot_timeout_ms;
    return boot_ms && *boot_ms > MONITOR_READY_MS ? *boot_ms : MONITOR_READY_MS;
}

static void monitor_not_ready(struct monitor *mon)
{
    struct err err = ERR_INIT;
    err_set(&err, ERR_DEADLINE, "%s did not answer within %d s", mon->ops->what,
            (int)(monitor_ready_ms(mon) / 1000));
    monitor_fail(mon, &err);
}

static void monitor_found(struct monitor *mon, struct monitor_job *j)
{
    struct err err = j->err;
    if (err.code == ERR_NONE && monitor_take_found(mon, j, &err) == 0) {
        if (mon->killing) {
            monitor_end_aborted(mon);
            mon->killing = false;
            monitor_begin_kill(mon);
        } else {
            driver_call_end(&mon->call, NULL);
        }
        return;
    }
    driver_call_end(&mon->call, &err);
    if (mon->killing && err.code != ERR_NOT_FOUND && !j->left_too &&
        monitor_submit(mon, MONITOR_FREES, monitor_work_find_left, monitor_found, NULL, NULL) == 0)
        return; /* what cannot be adopted may still be killed */
    driver_call_end(&mon->kill, err.code == ERR_NOT_FOUND ? NULL : &err);
    mon->killing = false;
}

/* Starting */

/* The launch job has started the process: it becomes ours. */
static int monitor_take_launched(struct monitor *mon, struct monitor_job *j, struct err *err)
{
    int pidfd = j->pidfd, log_fd = j->log_fd;
    j->pidfd = j->log_fd = -1;
    j->launched = false;
    mon->pid = j->info.pid;
    mon->start_time = j->info.start_time;
    mon->devices = j->devices;
    buf_reset(&mon->tail);
    mon->state = MONITOR_STARTING;
    if (monitor_watch(mon, pidfd, log_fd, err) == 0)
        return 0;
    process_signal(pidfd, SIGKILL, NULL);
    monitor_drop_process(mon);
    mon->state = MONITOR_NONE;
    return -1;
}

static void monitor_launched(struct monitor *mon, struct monitor_job *j)
{
    if (j->launch.kvm_known && !mon->machine.host->kvm_known) {
        mon->machine.host->kvm_known = true;
        mon->machine.host->kvm_usable = j->launch.kvm_usable;
    }
    struct err err = ERR_INIT;
    if (mon->killing) {
        monitor_end_aborted(mon);
        if (j->launched && monitor_take_launched(mon, j, &err) == 0) {
            monitor_kill_now(mon);
            return;
        }
        /* Look again: the job may have found one that runs. */
        if (monitor_submit(mon, MONITOR_FREES, monitor_work_find, monitor_found, NULL, &err) < 0)
            driver_call_end(&mon->kill, &err);
        return;
    }
    err = j->err;
    if (err.code == ERR_NONE) {
        if (monitor_take_launched(mon, j, &err) == 0) {
            monitor_wait(mon, monitor_ready_ms(mon), monitor_not_ready);
            mon->ops->attach(mon, false);
            return;
        }
    }
    err_wrap(&err, "cannot start vm/%s", j->config.vm_id);
    mon->start_err = err;
    if (!j->alone || /* what is there is of one that runs, or may */
        monitor_submit(mon, MONITOR_FREES, monitor_work_clean, monitor_cleaned, NULL, NULL) < 0)
        monitor_settle(mon);
}

void monitor_start(struct vmm_machine *m, vmm_done_fn *done, void *arg)
{
    struct monitor *mon = monitor_of(m);
    struct err err = ERR_INIT;
    driver_call_begin(&mon->call, done, arg);
    err_clear(&mon->start_err);
    if (mon->state != MONITOR_NONE)
        monitor_end_state(&mon->call, "it runs already");
    else if (monitor_submit(mon, MONITOR_TAKES, monitor_work_launch, monitor_launched, NULL, &err) <
             0)
        driver_call_end(&mon->call, &err);
}

/* Adopting */

void monitor_adopt(struct vmm_machine *m, const struct vm_handles *hint, vmm_done_fn *done,
                   void *arg)
{
    struct monitor *mon = monitor_of(m);
    struct err err = ERR_INIT;
    driver_call_begin(&mon->call, done, arg);
    if (mon->state == MONITOR_RUNNING)
        driver_call_end(&mon->call, NULL);
    else if (mon->state != MONITOR_NONE)
        monitor_end_state(&mon->call, "it is just ending");
    else if (monitor_submit(mon, MONITOR_FREES, monitor_work_find, monitor_found, hint, &err) < 0)
        driver_call_end(&mon->call, &err);
}

/* Stopping */

static void monitor_power_down(struct monitor *mon)
{
    mon->ops->power_down(mon);
    monitor_wait(mon, mon->grace_left_ms, monitor_end);
}

static void monitor_wait_for_guest(struct monitor *mon, int64_t grace_ms)
{
    mon->grace_left_ms = grace_ms - grace_ms / 2;
    if (mon->ops->power_down)
        monitor_wait(mon, grace_ms / 2, monitor_power_down);
    else
        monitor_wait(mon, grace_ms, monitor_end);
}

void monitor_stop(struct vmm_machine *m, int64_t grace_ms, vmm_done_fn *done, void *arg)
{
    struct monitor *mon = monitor_of(m);
    driver_call_begin(&mon->call, done, arg);
    if (mon->state == MONITOR_NONE)
        driver_call_end(&mon->call, NULL);
    else if (mon->state == MONITOR_RUNNING && !mon->killing && !timer_pending(&mon->deadline))
        monitor_wait_for_guest(mon, grace_ms);
    /* else it is ending already, and the call ends with it */
}

void monitor_kill(struct vmm_machine *m, vmm_done_fn *done, void *arg)
{
    struct monitor *mon = monitor_of(m);
    struct err err = ERR_INIT;
    driver_call_begin(&mon->kill, done, arg);
    if (mon->pidfd >= 0) {
        monitor_begin_kill(mon);
    } else if (mon->job) {
        /* Its done function sees `killing`, and ends both calls. */
        mon->killing = true;
        monitor_job_cancel(mon->job);
    } else if (monitor_submit(mon, MONITOR_FREES, monitor_work_find_left, monitor_found, NULL,
                              &err) < 0) {
        driver_call_end(&mon->kill, &err);
    } else {
        mon->killing = true;
    }
}

/* Files */

static void monitor_files_done(struct monitor *mon, struct monitor_job *j)
{
    bool failed = j->err.code != ERR_NONE;
    if (failed)
        err_wrap(&j->err, "vm/%s", j->config.vm_id);
    driver_call_end(&mon->call, failed ? &j->err : NULL);
    driver_call_end(&mon->kill, NULL);
    mon->killing = false;
}

static void monitor_files(struct monitor *mon, enum monitor_job_kind kind,
                          void (*work)(struct monitor_job *j), vmm_done_fn *done, void *arg)
{
    struct err err = ERR_INIT;
    driver_call_begin(&mon->call, done, arg);
    if (mon->state != MONITOR_NONE)
        monitor_end_state(&mon->call, "the machine runs: stop it first");
    else if (monitor_submit(mon, kind, work, monitor_files_done, NULL, &err) < 0)
        driver_call_end(&mon->call, &err);
}

void monitor_discard(struct vmm_machine *m, vmm_done_fn *done, void *arg)
{
    monitor_files(monitor_of(m), MONITOR_FREES, monitor_work_discard, done, arg);
}

void monitor_get_handles(const struct vmm_machine *m, struct vm_handles *handles)
{
    const struct monitor *mon = (const struct monitor *)m;
    if (mon->pidfd < 0)
        return;
    *handles = mon->devices;
    handles->pid = mon->pid;
    handles->pid_start_time = mon->start_time;
    if (process_boot_id(handles->host_boot_id, NULL) < 0)
        handles->host_boot_id[0] = '\0';
}
