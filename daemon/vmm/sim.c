/* The sim driver: a VM that is a process tree on this host, for tests and benchmarks of all above
 * it.
 *
 * The machine is a banger-agent that listens on the agent socket, which is to say its keeper with
 * the agent below it; its sessions are local processes. monitor.c owns the keeper. Nothing isolates
 * it, so it is no driver for guests of others.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fs.h"
#include "daemon/vmm/console.h"
#include "daemon/vmm/console_log.h"
#include "daemon/vmm/evidence.h"
#include "daemon/vmm/monitor.h"
#include "daemon/vmm/monitor_job.h"

enum { SIM_READY_POLL_MS = 5 };

struct sim {
    struct monitor mon; /* first */
    struct console console;
    struct timer poll; /* until the agent listens */
};

static struct sim *sim_of(struct monitor *mon)
{
    return (struct sim *)mon;
}

/* On the worker */

static int sim_command(struct monitor_launch *l, struct err *err)
{
    const struct vmm_config *c = l->config;
    if (!l->host->agent_path || access(l->host->agent_path, X_OK) < 0)
        return err_set(err, ERR_UNAVAILABLE, "cannot run the agent %s",
                       l->host->agent_path ? l->host->agent_path : "(no path is configured)");
    const struct vmm_disk *system = vmm_config_disk(c, VMM_DISK_SYSTEM);
    if (system && access(system->path, F_OK) < 0)
        return err_sys(err, errno, "cannot read the system disk %s", system->path);
    char spool[PATH_BYTES + 8];
    snprintf(spool, sizeof(spool), "%s/spool", c->vm_dir);
    if (fs_make_dirs(spool, 0700, err) < 0)
        return -1;
    monitor_argv_add(&l->args, "%s", l->host->agent_path);
    monitor_argv_add(&l->args, "--listen");
    monitor_argv_add(&l->args, "%s", c->channel.path);
    monitor_argv_add(&l->args, "--spool");
    monitor_argv_add(&l->args, "%s", spool);
    monitor_argv_add(&l->args, "--no-system");
    return 0;
}

/* The machine is the agent's keeper: agents may follow each other below it. */
static bool sim_is_agent(const struct process_info *info)
{
    return process_has_arg(info, "--kept");
}

static enum evidence sim_matches(const struct vmm_config *c, const struct process_info *info)
{
    const char *found = process_arg_after(info, "--listen");
    if (!found || !evidence_same_tail(found, c->channel.path) ||
        !process_has_arg(info, "--no-system") || sim_is_agent(info))
        return EVIDENCE_NONE;
    return evidence_works_in(info, c->vm_dir, strcmp(found, c->channel.path) == 0);
}

static enum evidence sim_claims(const struct process_info *info, const char *folder,
                                char vm_id[ID_BYTES])
{
    const char *spool = process_arg_after(info, "--spool");
    size_t len = strlen(folder);
    if (!spool || !process_arg_after(info, "--listen") || !process_has_arg(info, "--no-system") ||
        sim_is_agent(info) || strlen(spool) <= strlen("/spool") + ID_CHARS)
        return EVIDENCE_NONE;
    const char *id = spool + strlen(spool) - strlen("/spool") - ID_CHARS;
    if (id[-1] != '/' || strcmp(id + ID_CHARS, "/spool") != 0)
        return EVIDENCE_NONE;
    snprintf(vm_id, ID_BYTES, "%s", id);
    if (!id_is_valid(vm_id))
        return EVIDENCE_NONE;
    return evidence_works_below(info, folder,
                                strncmp(spool, folder, len) == 0 && spool[len] == '/');
}

static void sim_discard(const struct vmm_config *c, struct err *err)
{
    char spool[PATH_BYTES + 8];
    snprintf(spool, sizeof(spool), "%s/spool", c->vm_dir);
    console_log_remove(c->console.log_path, err->code == ERR_NONE ? err : NULL);
    fs_remove_tree(spool, err->code == ERR_NONE ? err : NULL);
}

/* The keeper is stopped first, so that nothing new starts meanwhile; it is the reaper of all below
 * it, so they stay there whatever their parents did. */
static void sim_work_kill_tree(struct monitor_job *j)
{
    kill(j->hint.pid, SIGSTOP);
    process_signal_descendants(j->hint.pid, SIGKILL, &j->err);
}

static void sim_work_stop_tree(struct monitor_job *j)
{
    kill(j->hint.pid, SIGSTOP);
    process_signal_descendants(j->hint.pid, SIGSTOP, &j->err);
}

static void sim_work_continue_tree(struct monitor_job *j)
{
    process_signal_descendants(j->hint.pid, SIGCONT, &j->err);
    kill(j->hint.pid, SIGCONT);
}

/* On the loop */

static bool sim_listens(const struct sim *s)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    memcpy(addr.sun_path, s->mon.machine.config.channel.path, sizeof(addr.sun_path));
    auto_fd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    return fd >= 0 && connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0;
}

static void sim_poll(void *arg)
{
    struct sim *s = arg;
    if (sim_listens(s))
        monitor_ready(&s->mon);
    else
        timer_start(&s->poll, SIM_READY_POLL_MS);
}

static void sim_attach(struct monitor *mon, bool adopted)
{
    if (!adopted)
        timer_start(&sim_of(mon)->poll, SIM_READY_POLL_MS);
}

static void sim_detach(struct monitor *mon)
{
    timer_stop(&sim_of(mon)->poll);
}

static void sim_end(struct monitor *mon)
{
    process_signal(mon->pidfd, SIGTERM, NULL);
    process_signal(mon->pidfd, SIGCONT, NULL);
}

static void sim_flushed(struct monitor *mon, struct monitor_job *j)
{
    (void)j; /* a failure leaves descendants, and the agent's end is what counts */
    monitor_flushed(mon);
}

/* While our process is not reaped its pid is its own, so that plain kill() is exact. An adopted one
 * is another's child and may go at any time: the window is that of one job. */
static bool sim_flush(struct monitor *mon)
{
    struct vm_handles self = {.pid = mon->pid};
    if (mon->job) /* a pause or resume: sim_switched comes back here */
        return true;
    return monitor_submit(mon, MONITOR_FREES, sim_work_kill_tree, sim_flushed, &self, NULL) == 0;
}

static void sim_output(struct monitor *mon, const char *text, size_t len)
{
    console_append(&sim_of(mon)->console, text, len);
}

/* An agent that ends in good order removes its socket: evidence where the status is another's. */
static bool sim_ended_well(const struct monitor *mon, const struct process_exit *how)
{
    if (how->known)
        return how->code == 0;
    return access(mon->machine.config.channel.path, F_OK) < 0;
}

static void sim_judge(struct monitor *mon, const struct process_exit *how, struct vmm_exit *exit)
{
    char tail[320];
    monitor_tail(mon, tail, sizeof(tail));
    if (mon->ended_by_us) {
        exit->kind = VMM_EXIT_KILLED;
        snprintf(exit->detail, sizeof(exit->detail), "ended by the daemon");
    } else if (sim_ended_well(mon, how)) {
        exit->kind = VMM_EXIT_POWER_OFF;
        snprintf(exit->detail, sizeof(exit->detail), "the agent shut down");
    } else if (how->signo) {
        exit->kind = VMM_EXIT_CRASHED;
        snprintf(exit->detail, sizeof(exit->detail), "the agent was ended by a signal (%s): %s",
                 strsignal(how->signo), tail);
    } else {
        exit->kind = VMM_EXIT_CRASHED;
        snprintf(exit->detail, sizeof(exit->detail), "the agent ended, code %d: %s", how->code,
                 tail);
    }
}

static void sim_switched(struct monitor *mon, struct monitor_job *j)
{
    driver_call_end(&mon->call, j->err.code == ERR_NONE ? NULL : &j->err);
    if (mon->state == MONITOR_ENDED || (mon->killing && !sim_flush(mon)))
        monitor_flushed(mon);
}

static void sim_switch(struct vmm_machine *m, void (*work)(struct monitor_job *j),
                       vmm_done_fn *done, void *arg)
{
    struct monitor *mon = (struct monitor *)m;
    struct vm_handles self = {.pid = mon->pid};
    struct err err = ERR_INIT;
    driver_call_begin(&mon->call, done, arg);
    if (mon->state != MONITOR_RUNNING || mon->killing)
        err_set(&err, ERR_PRECONDITION, "the machine does not run");
    else if (monitor_submit(mon, MONITOR_TAKES, work, sim_switched, &self, &err) == 0)
        return;
    driver_call_end(&mon->call, &err);
}

static void sim_pause(struct vmm_machine *m, vmm_done_fn *done, void *arg)
{
    sim_switch(m, sim_work_stop_tree, done, arg);
}

static void sim_resume(struct vmm_machine *m, vmm_done_fn *done, void *arg)
{
    sim_switch(m, sim_work_continue_tree, done, arg);
}

static void sim_free(struct monitor *mon)
{
    struct sim *s = sim_of(mon);
    console_done(&s->console);
    timer_done(&s->poll);
    free(s);
}

static const struct monitor_ops sim_ops = {
    .what = "the agent",
    .command = sim_command,
    .matches = sim_matches,
    .discard = sim_discard,
    .attach = sim_attach,
    .detach = sim_detach,
    .end = sim_end,
    .flush = sim_flush,
    .output = sim_output,
    .judge = sim_judge,
    .free = sim_free,
};

static struct vmm_machine *sim_open(struct vmm_host *host, const struct vmm_config *config,
                                    const struct vmm_events *events, void *arg, struct err *err)
{
    (void)events; /* vmm.c keeps them */
    (void)arg;
    struct sim *s = calloc(1, sizeof(*s));
    if (!s) {
        err_sys(err, ENOMEM, "cannot open vm/%s", config->vm_id);
        return NULL;
    }
    console_init(&s->console, host, config->console.log_path);
    if (monitor_init(&s->mon, &sim_ops, host, config, err) < 0 ||
        timer_init(&s->poll, host->loop, sim_poll, s) < 0) {
        if (err && err->code == ERR_NONE)
            err_sys(err, ENOMEM, "cannot open vm/%s", config->vm_id);
        monitor_close(&s->mon.machine);
        return NULL;
    }
    return &s->mon.machine;
}

struct sim_probe {
    struct timer timer;
    struct vmm_probe_result result;
    void (*done)(void *arg, const struct vmm_probe_result *result);
    void *arg;
};

static void sim_probed(void *arg)
{
    struct sim_probe *p = arg;
    p->done(p->arg, &p->result);
    timer_done(&p->timer);
    free(p);
}

static void sim_probe(struct vmm_host *host,
                      void (*done)(void *arg, const struct vmm_probe_result *result), void *arg)
{
    struct sim_probe *p = calloc(1, sizeof(*p));
    if (!p || timer_init(&p->timer, host->loop, sim_probed, p) < 0)
        abort(); /* at start-up, with nothing under way */
    p->done = done;
    p->arg = arg;
    p->result.usable = host->agent_path && access(host->agent_path, X_OK) == 0;
    snprintf(p->result.accelerator, sizeof(p->result.accelerator), "none");
    snprintf(p->result.version, sizeof(p->result.version), "1");
    if (!p->result.usable)
        snprintf(p->result.explanation, sizeof(p->result.explanation), "cannot run the agent %s",
                 host->agent_path ? host->agent_path : "(no path is configured)");
    timer_start(&p->timer, 0);
}

const struct vmm_driver sim_driver = {
    .name = "sim",
    .version = VMM_DRIVER_VERSION,
    /* Its disks are files, a tap is made as for any other, and its network is the host's: it looks
     * into none of them. */
    .can = {.pause = true,
            .disk_formats = 1u << VMM_DISK_RAW | 1u << VMM_DISK_QCOW2,
            .nics = 1u << NET_USER | 1u << NET_TAP,
            .channels = 1u << GUEST_CHANNEL_UNIX},
    .install = "put banger's agent for this host beside bangerd",
    .probe = sim_probe,
    .open = sim_open,
    .close = monitor_close,
    .start = monitor_start,
    .adopt = monitor_adopt,
    .stop = monitor_stop,
    .kill = monitor_kill,
    .pause = sim_pause,
    .resume = sim_resume,
    .discard = monitor_discard,
    .get_handles = monitor_get_handles,
    .claims = sim_claims,
};
