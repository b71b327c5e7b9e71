/* The qemu driver: a microvm machine per VM, controlled over QMP.
 *
 * monitor.c owns the process; here are its command line (with qemu_args.c) and its QMP connection;
 * qemu_console.c has its console. With shutdown=pause qemu does not exit when its guest does: the
 * SHUTDOWN event, or query-status after a reconnect, tells that the guest is over; then the console
 * is read to its end and qemu told to quit. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "base/fs.h"
#include "daemon/host/kvm_probe.h"
#include "daemon/host/ssh_key.h"
#include "daemon/host/tsc.h"
#include "daemon/vmm/console_log.h"
#include "daemon/vmm/evidence.h"
#include "daemon/vmm/last_words.h"
#include "daemon/vmm/monitor.h"
#include "daemon/vmm/qemu_args.h"
#include "daemon/vmm/qemu_console.h"
#include "daemon/vmm/qemu_dial.h"
#include "daemon/vmm/qemu_probe.h"
#include "daemon/vmm/qmp.h"
#include "daemon/vmm/user_net.h"

enum {
    QEMU_COMMAND_MS = 5000,
    QEMU_WORDS_BYTES = 420, /* of the console, in an explanation */
    QEMU_FLUSH_MS = 200,    /* the console is not worth more before a kill */
};

enum qemu_over { QEMU_GUEST_RUNS, QEMU_GUEST_OFF, QEMU_GUEST_RESET, QEMU_GUEST_UNSEEN };

/* What the kernel left at QEMU_MARK_ADDRESS before its reset; see qemu_args_kernel. */
enum qemu_mark { QEMU_MARK_UNREAD, QEMU_MARK_ORDERED, QEMU_MARK_NONE };

struct qemu {
    struct monitor mon; /* first */
    struct qmp qmp;
    struct qemu_console console;
    struct qemu_dial dial;
    bool flushing; /* a kill waits for the console */
    enum qemu_over over;
    enum qemu_mark mark;
    bool host_signal; /* qemu said that a signal ends it */
};

static struct qemu *qemu_of(struct monitor *mon)
{
    return (struct qemu *)mon;
}

/* Console */

static void qemu_flushed(void *arg, const json_t *value, const struct err *err)
{
    struct qemu *q = arg;
    q->flushing = false;
    qemu_console_take(&q->console, value, err);
    if (!err || err->code != ERR_ABORTED) /* else qemu is gone already */
        monitor_flushed(&q->mon);
}

static bool qemu_flush(struct monitor *mon)
{
    struct qemu *q = qemu_of(mon);
    if (!qmp_is_up(&q->qmp) || q->flushing)
        return false;
    q->flushing = qemu_console_read(&q->console, QEMU_FLUSH_MS, qemu_flushed, q) == 0;
    return q->flushing;
}

/* The guest is over */

static void qemu_last_words(void *arg, const json_t *value, const struct err *err)
{
    struct qemu *q = arg;
    qemu_console_take(&q->console, value, err);
    if (!err || err->code != ERR_ABORTED)
        monitor_end(&q->mon);
}

/* "0000000000000472: 0x1234" */
static void qemu_take_mark(void *arg, const json_t *value, const struct err *err)
{
    struct qemu *q = arg;
    const char *text = err ? NULL : json_string_value(value);
    const char *number = text ? strstr(text, ": 0x") : NULL;
    if (number)
        q->mark =
            strtoul(number + 2, NULL, 16) == QEMU_MARK_WARM ? QEMU_MARK_ORDERED : QEMU_MARK_NONE;
}

/* Its memory is as the guest left it. */
static void qemu_read_mark(struct qemu *q)
{
    char line[32];
    snprintf(line, sizeof(line), "xp /1hx 0x%x", QEMU_MARK_ADDRESS);
    json_t *args = json_pack("{s:s}", "command-line", line);
    qmp_call(&q->qmp, "human-monitor-command", args, QEMU_COMMAND_MS, qemu_take_mark, q, NULL);
}

static void qemu_guest_over(struct qemu *q, enum qemu_over how)
{
    if (q->over != QEMU_GUEST_RUNS)
        return;
    q->over = how;
    qemu_console_end(&q->console);
    if (how == QEMU_GUEST_RESET)
        qemu_read_mark(q); /* answered before the console, which ends it */
    if (qemu_console_read(&q->console, QEMU_COMMAND_MS, qemu_last_words, q) < 0)
        monitor_end(&q->mon);
}

static void qemu_on_event(void *arg, const char *name, const json_t *data)
{
    struct qemu *q = arg;
    if (strcmp(name, "NETDEV_STREAM_DISCONNECTED") == 0)
        log_warn(q->mon.machine.config.vm_id,
                 "the guest's network has ended: its passt or banger-net is gone, and comes back "
                 "when the VM is started again");
    if (strcmp(name, "SHUTDOWN") != 0)
        return;
    const char *reason = json_string_value(json_object_get(data, "reason"));
    if (!reason)
        reason = "";
    if (strcmp(reason, "guest-reset") == 0)
        qemu_guest_over(q, QEMU_GUEST_RESET);
    else if (json_is_true(json_object_get(data, "guest")))
        qemu_guest_over(q, QEMU_GUEST_OFF);
    else
        q->host_signal = strcmp(reason, "host-signal") == 0;
}

static void qemu_on_status(void *arg, const json_t *value, const struct err *err)
{
    struct qemu *q = arg;
    if (err) {
        /* After a start monitor.c's deadline, and a lost connection comes back by itself. */
        if (err->code == ERR_DEADLINE || err->code == ERR_UNKNOWN)
            monitor_fail(&q->mon, err);
        return;
    }
    const char *status = json_string_value(json_object_get(value, "status"));
    monitor_ready(&q->mon);
    if (status && strcmp(status, "shutdown") == 0)
        qemu_guest_over(q, QEMU_GUEST_UNSEEN);
    else
        qemu_console_begin(&q->console);
}

static void qemu_on_up(void *arg)
{
    struct qemu *q = arg;
    qmp_call(&q->qmp, "query-status", NULL, QEMU_COMMAND_MS, qemu_on_status, q, NULL);
}

static const struct qmp_events qemu_qmp_events = {.up = qemu_on_up, .event = qemu_on_event};

/* What monitor.c asks, on the loop */

static void qemu_attach(struct monitor *mon, bool adopted)
{
    struct qemu *q = qemu_of(mon);
    (void)adopted;
    q->over = QEMU_GUEST_RUNS;
    q->mark = QEMU_MARK_UNREAD;
    q->host_signal = false;
    qemu_console_reset(&q->console);
    qmp_open(&q->qmp);
}

static void qemu_detach(struct monitor *mon)
{
    struct qemu *q = qemu_of(mon);
    qmp_close(&q->qmp);
    qemu_console_end(&q->console);
}

/* What its driver of the power button makes of it. The agent has been asked before. */
static void qemu_power_down(struct monitor *mon)
{
    struct qemu *q = qemu_of(mon);
    if (mon->machine.config.is_own_boot)
        qmp_call(&q->qmp, "system_powerdown", NULL, QEMU_COMMAND_MS, NULL, NULL, NULL);
}

static int qemu_dial_guest(struct vmm_machine *m, uint32_t port, vmm_dialed_fn *done, void *arg,
                           struct err *err)
{
    return qemu_dial_start(&((struct qemu *)m)->dial, port, done, arg, err);
}

static void qemu_hang_up(struct vmm_machine *m)
{
    qemu_dial_cancel(&((struct qemu *)m)->dial);
}

static void qemu_end(struct monitor *mon)
{
    struct qemu *q = qemu_of(mon);
    qmp_call(&q->qmp, "quit", NULL, QEMU_COMMAND_MS, NULL, NULL, NULL);
}

static enum last_words_end qemu_last_words_say(const struct qemu *q)
{
    return last_words_judge((const char *)buf_data(&q->console.last), buf_len(&q->console.last));
}

/* An order to reboot leaves its mark, whatever the console says. A guest that was started without
 * the option for it (by an older daemon), or whose memory could not be read, has only its words. */
static bool qemu_reset_was_ordered(const struct qemu *q)
{
    return q->mark == QEMU_MARK_ORDERED || qemu_last_words_say(q) == LAST_WORDS_REBOOT;
}

static void qemu_judge_reset(struct qemu *q, const char *words, struct vmm_exit *exit)
{
    bool ordered = qemu_reset_was_ordered(q);
    exit->kind = ordered ? VMM_EXIT_REBOOT : VMM_EXIT_PANIC;
    snprintf(exit->detail, sizeof(exit->detail), "%s; its console: %s",
             ordered                                      ? "the guest rebooted"
             : qemu_last_words_say(q) == LAST_WORDS_PANIC ? "the guest's kernel panicked"
                                                          : "the guest was reset without an order",
             words);
}

static void qemu_judge_unseen(struct qemu *q, const char *words, struct vmm_exit *exit)
{
    bool panic = qemu_last_words_say(q) == LAST_WORDS_PANIC;
    exit->kind = panic ? VMM_EXIT_PANIC : VMM_EXIT_UNSEEN;
    snprintf(exit->detail, sizeof(exit->detail),
             "the guest%s while no daemon looked; its console: %s",
             panic ? "'s kernel panicked" : " ended", words);
}

static void qemu_judge(struct monitor *mon, const struct process_exit *how, struct vmm_exit *exit)
{
    struct qemu *q = qemu_of(mon);
    char tail[320], words[QEMU_WORDS_BYTES];
    monitor_tail(mon, tail, sizeof(tail));
    last_words_write((const char *)buf_data(&q->console.last), buf_len(&q->console.last), words,
                     sizeof(words));
    if (q->over == QEMU_GUEST_OFF) {
        exit->kind = VMM_EXIT_POWER_OFF;
        snprintf(exit->detail, sizeof(exit->detail), "the guest powered off");
    } else if (q->over == QEMU_GUEST_RESET) {
        qemu_judge_reset(q, words, exit);
    } else if (q->over == QEMU_GUEST_UNSEEN) {
        qemu_judge_unseen(q, words, exit);
    } else if (mon->ended_by_us) {
        exit->kind = VMM_EXIT_KILLED;
        snprintf(exit->detail, sizeof(exit->detail), "ended by the daemon");
    } else if (how->signo || q->host_signal) {
        exit->kind = VMM_EXIT_CRASHED;
        snprintf(exit->detail, sizeof(exit->detail), "qemu was ended by a signal (%s): %s",
                 how->signo ? strsignal(how->signo) : "asked to terminate", tail);
    } else {
        exit->kind = VMM_EXIT_CRASHED;
        snprintf(exit->detail, sizeof(exit->detail), "qemu ended by itself, code %d: %s", how->code,
                 tail);
    }
}

/* Pause and resume */

static void qemu_paused(void *arg, const json_t *value, const struct err *err)
{
    struct qemu *q = arg;
    (void)value;
    driver_call_end(&q->mon.call, err);
}

static void qemu_switch(struct vmm_machine *m, const char *command, vmm_done_fn *done, void *arg)
{
    struct qemu *q = (struct qemu *)m;
    struct err err = ERR_INIT;
    driver_call_begin(&q->mon.call, done, arg);
    if (q->mon.state != MONITOR_RUNNING) {
        err_set(&err, ERR_PRECONDITION, "the machine does not run");
        driver_call_end(&q->mon.call, &err);
    } else if (qmp_call(&q->qmp, command, NULL, QEMU_COMMAND_MS, qemu_paused, q, &err) < 0) {
        driver_call_end(&q->mon.call, &err);
    }
}

static void qemu_pause(struct vmm_machine *m, vmm_done_fn *done, void *arg)
{
    qemu_switch(m, "stop", done, arg);
}

static void qemu_resume(struct vmm_machine *m, vmm_done_fn *done, void *arg)
{
    qemu_switch(m, "cont", done, arg);
}

/* On the worker */

static int qemu_need_file(const char *what, const char *path, struct err *err)
{
    if (access(path, R_OK) == 0)
        return 0;
    return err_sys(err, errno, "cannot read the %s %s", what, path);
}

/* The public half of the key that the guest is to let in; "" where there is none. */
static int qemu_read_key(const struct vmm_config *c, char line[SSH_PUBLIC_BYTES], struct err *err)
{
    auto_free char *text = NULL;
    line[0] = '\0';
    if (!c->is_own_boot || !c->own_boot.key_path[0])
        return 0;
    if (fs_read(c->own_boot.key_path, SSH_KEY_BYTES, &text, NULL, err) < 0)
        return -1;
    int rc = ssh_key_public(text, line, err);
    explicit_bzero(text, strlen(text));
    return rc < 0 ? err_wrap(err, "%s", c->own_boot.key_path) : 0;
}

static int qemu_command(struct monitor_launch *l, struct err *err)
{
    const struct vmm_config *c = l->config;
    char key[SSH_PUBLIC_BYTES];
    char program[PATH_BYTES];
    if (qemu_args_check(c, err) < 0 || qemu_find_program(l->host, program, err) < 0 ||
        qemu_need_file("kernel", c->vmlinux_path, err) < 0 ||
        qemu_need_file("initramfs", c->initramfs_path, err) < 0 || qemu_read_key(c, key, err) < 0)
        return -1;
    for (size_t i = 0; i < c->n_disks; i++) {
        char what[32];
        snprintf(what, sizeof(what), "%s disk", vmm_disk_role_name(c->disks[i].role));
        if (qemu_need_file(what, c->disks[i].path, err) < 0)
            return -1;
    }
    if (!l->kvm_known) {
        struct kvm_verdict verdict;
        if (kvm_probe(program, c->vmlinux_path, l->host->state_dir, l->cancel_fd, &verdict, err) <
            0)
            return -1;
        l->kvm_known = true;
        l->kvm_usable = verdict.usable;
        log_info(c->vm_id, "KVM is %s: %s", verdict.usable ? "used" : "not used", verdict.reason);
    }
    if (l->host->slirp && c->n_nics > 0 && c->nics[0].backend == NET_USER &&
        c->nics[0].egress == EGRESS_LIST) /* as the core has refused it before */
        return err_set(err, ERR_PRECONDITION,
                       "slirp knows no list of where a guest may connect to");
    bool has_net_fd = c->n_nics > 0 && c->nics[0].backend == NET_USER && !l->host->slirp;
    if (has_net_fd && user_net_start(l->host, c, l->cancel_fd, &l->fd, err) < 0)
        return -1;
    struct qemu_choice choice = {
        .qemu = program, .kvm = l->kvm_usable, .has_net_fd = has_net_fd, .authorized_key = key};
    if (!choice.kvm)
        choice.tsc_khz = tsc_khz();
    qemu_args_build(&l->args, c, &choice);
    return 0;
}

static enum evidence qemu_matches(const struct vmm_config *c, const struct process_info *info)
{
    char mark[QEMU_MARK_BYTES];
    qemu_args_mark(c, mark);
    char name[QEMU_NAME_BYTES];
    const char *qmp = process_arg_after(info, "-qmp"), *found = process_arg_after(info, "-name");
    snprintf(name, sizeof(name), QEMU_NAME_PREFIX "%s", c->vm_id);
    if (!qmp || !found || strcmp(found, name) != 0 ||
        (info->exe[0] != '\0' && !strstr(info->exe, "qemu")))
        return EVIDENCE_NONE;
    return evidence_works_in(info, c->vm_dir, strcmp(qmp, mark) == 0);
}

static enum evidence qemu_claims(const struct process_info *info, const char *folder,
                                 char vm_id[ID_BYTES])
{
    static const char prefix[] = QEMU_NAME_PREFIX;
    const char *name = process_arg_after(info, "-name");
    size_t len = strlen(folder);
    if (!name || strncmp(name, prefix, sizeof(prefix) - 1) != 0 ||
        !id_is_valid(name + sizeof(prefix) - 1))
        return EVIDENCE_NONE;
    memcpy(vm_id, name + sizeof(prefix) - 1, ID_BYTES);
    return evidence_works_below(info, folder,
                                strncmp(info->cwd, folder, len) == 0 && info->cwd[len] == '/');
}

static void qemu_clean(const struct vmm_config *c)
{
    qemu_console_clean(c);
    user_net_clean(c);
}

static void qemu_discard(const struct vmm_config *c, struct err *err)
{
    console_log_remove(c->console.log_path, err->code == ERR_NONE ? err : NULL);
}

static void qemu_free(struct monitor *mon)
{
    struct qemu *q = qemu_of(mon);
    qmp_done(&q->qmp);
    qemu_console_done(&q->console);
    free(q);
}

static const struct monitor_ops qemu_ops = {
    .what = "qemu",
    .command = qemu_command,
    .matches = qemu_matches,
    .clean = qemu_clean,
    .discard = qemu_discard,
    .attach = qemu_attach,
    .detach = qemu_detach,
    .power_down = qemu_power_down,
    .end = qemu_end,
    .flush = qemu_flush,
    .judge = qemu_judge,
    .free = qemu_free,
};

static struct vmm_machine *qemu_open(struct vmm_host *host, const struct vmm_config *config,
                                     const struct vmm_events *events, void *arg, struct err *err)
{
    (void)events; /* vmm.c keeps them */
    (void)arg;
    struct qemu *q = calloc(1, sizeof(*q));
    if (!q) {
        err_sys(err, ENOMEM, "cannot open vm/%s", config->vm_id);
        return NULL;
    }
    if (monitor_init(&q->mon, &qemu_ops, host, config, err) < 0 ||
        qmp_init(&q->qmp, host->loop, config->api_sock_path, &qemu_qmp_events, q) < 0 ||
        qemu_console_init(&q->console, host, config, &q->qmp) < 0) {
        if (err && err->code == ERR_NONE)
            err_sys(err, ENOMEM, "cannot open vm/%s", config->vm_id);
        monitor_close(&q->mon.machine);
        return NULL;
    }
    qemu_dial_init(&q->dial, &q->qmp);
    return &q->mon.machine;
}

static uint64_t qemu_overhead_bytes(const struct vmm_host *host)
{
    bool emulated = !host->kvm_known || !host->kvm_usable;
    return (uint64_t)(QEMU_SELF_MIB + (host->slirp ? 0 : QEMU_NET_MIB) +
                      (emulated ? QEMU_TB_MIB : 0))
           << 20;
}

const struct vmm_driver qemu_driver = {
    .name = "qemu",
    .version = VMM_DRIVER_VERSION,
    .can = {.boots = true,
            .pause = true,
            .console_input = true,
            .uses_kvm = true,
            .disk_formats = 1u << VMM_DISK_RAW | 1u << VMM_DISK_QCOW2,
            .nics = 1u << NET_USER | 1u << NET_TAP,
            .channels = 1u << GUEST_CHANNEL_UNIX | 1u << GUEST_CHANNEL_SSH},
    .install = "install qemu-system-x86",
    .overhead_bytes = qemu_overhead_bytes,
    .probe = qemu_probe,
    .open = qemu_open,
    .close = monitor_close,
    .start = monitor_start,
    .adopt = monitor_adopt,
    .stop = monitor_stop,
    .kill = monitor_kill,
    .pause = qemu_pause,
    .resume = qemu_resume,
    .discard = monitor_discard,
    .dial = qemu_dial_guest,
    .hang_up = qemu_hang_up,
    .get_handles = monitor_get_handles,
    .claims = qemu_claims,
};
