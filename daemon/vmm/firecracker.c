/* The Firecracker driver: a process per VM, configured and started by its API.
 *
 * monitor.c owns the process; here are the requests that make the machine (firecracker_parts.c) and
 * what tells how a guest ended. A reset ends the process, with status 0. There is no way to power
 * off: the kernel says so on the console and halts, and its process stays, which is seen here by
 * those last words and by processors that do not run any more.
 *
 * Its console (firecracker_console.c) cannot be typed into: what Firecracker takes from its stdin
 * it only takes when console and log share one stream. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/log.h"
#include "daemon/vmm/console_log.h"
#include "daemon/vmm/evidence.h"
#include "daemon/vmm/firecracker_api.h"
#include "daemon/vmm/firecracker_console.h"
#include "daemon/vmm/firecracker_jail.h"
#include "daemon/vmm/firecracker_parts.h"
#include "daemon/vmm/firecracker_probe.h"
#include "daemon/vmm/last_words.h"
#include "daemon/vmm/monitor.h"

enum {
    FIRECRACKER_SELF_MIB = 16, /* of a VMM, beside its guest's memory */
    CALL_MS = 5000,
    WORDS_BYTES = 420, /* of the console, in an explanation */
};

struct firecracker {
    struct monitor mon; /* first */
    struct firecracker_api api;
    struct vmm_config told; /* of a start: the machine as its process sees it */
    size_t next_part;       /* of a start: the one that is asked for next */
    struct firecracker_console console;
    bool cut_off; /* its start was, by the end of the daemon that made it */
};

static struct firecracker *firecracker_of(struct monitor *mon)
{
    return (struct firecracker *)mon;
}

/* Making the machine */

static void ask_next(struct firecracker *f);

static void on_part(void *arg, const json_t *value, const struct err *err)
{
    struct firecracker *f = arg;
    (void)value;
    if (!err) {
        firecracker_jail_show(&f->mon.machine.config, f->mon.machine.config.channel.path);
        ask_next(f);
    } else if (err->code != ERR_ABORTED) { /* else the machine goes, or is closed */
        struct err why = *err;
        why.code = ERR_UNAVAILABLE;
        monitor_fail(&f->mon, &why);
    }
}

/* Not for longer than the start may take; with the last part it loads the kernel. */
static void ask_next(struct firecracker *f)
{
    int64_t limit_ms = monitor_ready_ms(&f->mon);
    struct firecracker_part part;
    struct err err = ERR_INIT;
    if (!firecracker_part_at(&f->told, f->next_part, &part)) {
        monitor_ready(&f->mon);
        return;
    }
    f->next_part++;
    if (!part.body)
        err_sys(&err, ENOMEM, "cannot ask firecracker for %s", part.what);
    else if (firecracker_api_call(&f->api, "PUT", part.path, part.body, part.what, limit_ms,
                                  on_part, f, &err) == 0)
        return;
    monitor_fail(&f->mon, &err);
}

static const char *text_of(const json_t *value, const char *name)
{
    const char *text = json_string_value(json_object_get(value, name));
    return text ? text : "";
}

static void on_started_info(void *arg, const json_t *value, const struct err *err)
{
    struct firecracker *f = arg;
    struct err why = ERR_INIT;
    if (err && err->code == ERR_ABORTED)
        return;
    if (err)
        why = *err;
    else if (strcmp(text_of(value, "app_name"), "Firecracker") != 0)
        err_set(&why, ERR_UNAVAILABLE, "what answers on its socket is not Firecracker");
    if (why.code == ERR_NONE && firecracker_is_old(text_of(value, "vmm_version")))
        log_warn(f->mon.machine.config.vm_id,
                 "Firecracker %.32s is older than 1.16.2: guests may get out of it "
                 "(CVE-2026-122192, CVE-2026-1386)",
                 text_of(value, "vmm_version"));
    if (why.code == ERR_NONE)
        ask_next(f);
    else
        monitor_fail(&f->mon, &why);
}

/* A daemon that was killed while it made the machine has left a process without a guest. */
static void on_adopted_info(void *arg, const json_t *value, const struct err *err)
{
    struct firecracker *f = arg;
    if (err || strcmp(text_of(value, "state"), "Not started") != 0)
        return;
    f->cut_off = true;
    monitor_end(&f->mon);
}

static void show_api(void *arg)
{
    const struct firecracker *f = arg;
    const struct vmm_config *c = &f->mon.machine.config;
    firecracker_jail_show(c, c->api_sock_path);
}

static void firecracker_attach(struct monitor *mon, bool adopted)
{
    struct firecracker *f = firecracker_of(mon);
    const struct vmm_machine *m = &mon->machine;
    struct err err = ERR_INIT;
    if (m->host->firecracker_jailed)
        firecracker_jail_inside(&m->config, &f->told);
    else
        f->told = m->config;
    f->next_part = 0;
    f->cut_off = false;
    firecracker_console_open(&f->console);
    firecracker_api_open(&f->api);
    if (firecracker_api_call(&f->api, "GET", "/", NULL, "what it is", monitor_ready_ms(mon),
                             adopted ? on_adopted_info : on_started_info, f, &err) < 0 &&
        !adopted)
        monitor_fail(mon, &err);
}

/* The end */

static void firecracker_detach(struct monitor *mon)
{
    struct firecracker *f = firecracker_of(mon);
    firecracker_console_end(&f->console);
    firecracker_api_close(&f->api);
}

/* There is nothing to be asked for that ends it: what it does not do by itself, a signal does. */
static void firecracker_end(struct monitor *mon)
{
    process_signal(mon->pidfd, SIGTERM, NULL);
    process_signal(mon->pidfd, SIGCONT, NULL);
}

static void judge_reset(struct firecracker *f, const char *words, struct vmm_exit *exit)
{
    enum last_words_end say = firecracker_console_judge(&f->console);
    exit->kind = say == LAST_WORDS_REBOOT ? VMM_EXIT_REBOOT : VMM_EXIT_PANIC;
    snprintf(exit->detail, sizeof(exit->detail), "%s; its console: %s",
             say == LAST_WORDS_REBOOT  ? "the guest rebooted"
             : say == LAST_WORDS_PANIC ? "the guest's kernel panicked"
                                       : "the guest was reset without an order",
             words);
}

static void firecracker_judge(struct monitor *mon, const struct process_exit *how,
                              struct vmm_exit *exit)
{
    struct firecracker *f = firecracker_of(mon);
    char tail[320], words[WORDS_BYTES];
    monitor_tail(mon, tail, sizeof(tail));
    firecracker_console_words(&f->console, words, sizeof(words));
    if (f->console.halted) {
        exit->kind = VMM_EXIT_POWER_OFF;
        snprintf(exit->detail, sizeof(exit->detail), "the guest powered off");
    } else if (f->cut_off) {
        exit->kind = VMM_EXIT_UNSEEN;
        snprintf(exit->detail, sizeof(exit->detail), "its start was cut off: no guest ran");
    } else if (mon->ended_by_us) {
        exit->kind = VMM_EXIT_KILLED;
        snprintf(exit->detail, sizeof(exit->detail), "ended by the daemon");
    } else if (how->signo) {
        exit->kind = VMM_EXIT_CRASHED;
        snprintf(exit->detail, sizeof(exit->detail), "firecracker was ended by a signal (%s): %s",
                 strsignal(how->signo), tail);
    } else if (how->known ? how->code == 0
                          : firecracker_console_judge(&f->console) != LAST_WORDS_NONE) {
        judge_reset(f, words, exit);
    } else if (how->known) {
        exit->kind = VMM_EXIT_CRASHED;
        snprintf(exit->detail, sizeof(exit->detail), "firecracker ended by itself, code %d: %s",
                 how->code, tail);
    } else { /* another daemon's child */
        exit->kind = VMM_EXIT_UNSEEN;
        snprintf(exit->detail, sizeof(exit->detail),
                 "firecracker ended, it is not known how; it said: %s", tail);
    }
}

/* Pause and resume */

static void on_switched(void *arg, const json_t *value, const struct err *err)
{
    struct firecracker *f = arg;
    (void)value;
    driver_call_end(&f->mon.call, err);
}

static void switch_to(struct vmm_machine *m, const char *state, const char *what, vmm_done_fn *done,
                      void *arg)
{
    struct firecracker *f = (struct firecracker *)m;
    struct err err = ERR_INIT;
    driver_call_begin(&f->mon.call, done, arg);
    if (f->mon.state != MONITOR_RUNNING)
        err_set(&err, ERR_PRECONDITION, "the machine does not run");
    else if (firecracker_api_call(&f->api, "PATCH", "/vm", json_pack("{s:s}", "state", state), what,
                                  CALL_MS, on_switched, f, &err) == 0)
        return;
    driver_call_end(&f->mon.call, &err);
}

static void firecracker_pause(struct vmm_machine *m, vmm_done_fn *done, void *arg)
{
    switch_to(m, "Paused", "the pause", done, arg);
}

static void firecracker_resume(struct vmm_machine *m, vmm_done_fn *done, void *arg)
{
    switch_to(m, "Resumed", "the resumption", done, arg);
}

/* On the worker */

static int need_file(const char *what, const char *path, struct err *err)
{
    if (access(path, R_OK) == 0)
        return 0;
    return err_sys(err, errno, "cannot read the %s %s", what, path);
}

static int firecracker_command(struct monitor_launch *l, struct err *err)
{
    const struct vmm_config *c = l->config;
    char program[PATH_BYTES];
    if (firecracker_parts_check(c, err) < 0 ||
        firecracker_find_program(l->host, program, err) < 0 ||
        firecracker_check(l->host, err) < 0 || need_file("kernel", c->vmlinux_path, err) < 0 ||
        need_file("initramfs", c->initramfs_path, err) < 0)
        return -1;
    for (size_t i = 0; i < c->n_disks; i++) {
        char what[32];
        snprintf(what, sizeof(what), "%s disk", vmm_disk_role_name(c->disks[i].role));
        if (need_file(what, c->disks[i].path, err) < 0)
            return -1;
    }
    if (firecracker_console_make(c, err) < 0)
        return -1;
    if (l->host->firecracker_jailed)
        return firecracker_jail_make(l, program, err);
    firecracker_args_build(&l->args, c, program);
    return 0;
}

/* Its jailer has the same on its command line, before it becomes it. */
static enum evidence firecracker_matches(const struct vmm_config *c,
                                         const struct process_info *info)
{
    char id[sizeof(FIRECRACKER_ID_PREFIX) + ID_BYTES];
    const char *found = process_arg_after(info, "--id"),
               *socket = process_arg_after(info, "--api-sock");
    snprintf(id, sizeof(id), FIRECRACKER_ID_PREFIX "%s", c->vm_id);
    if (!found || !socket || strcmp(found, id) != 0)
        return EVIDENCE_NONE;
    enum evidence jailed = firecracker_jail_evidence(info, c->vm_dir);
    return jailed == EVIDENCE_OURS
               ? jailed
               : evidence_works_in(info, c->vm_dir, strcmp(socket, c->api_sock_path) == 0);
}

static enum evidence firecracker_claims(const struct process_info *info, const char *folder,
                                        char vm_id[ID_BYTES])
{
    static const char prefix[] = FIRECRACKER_ID_PREFIX;
    const char *id = process_arg_after(info, "--id");
    size_t len = strlen(folder);
    if (!id || !process_arg_after(info, "--api-sock") ||
        strncmp(id, prefix, sizeof(prefix) - 1) != 0 || !id_is_valid(id + sizeof(prefix) - 1))
        return EVIDENCE_NONE;
    memcpy(vm_id, id + sizeof(prefix) - 1, ID_BYTES);
    char vm_dir[PATH_BYTES];
    if (snprintf(vm_dir, sizeof(vm_dir), "%s/%s", folder, vm_id) < PATH_BYTES &&
        firecracker_jail_evidence(info, vm_dir) == EVIDENCE_OURS)
        return EVIDENCE_OURS;
    return evidence_works_below(info, folder,
                                strncmp(info->cwd, folder, len) == 0 && info->cwd[len] == '/');
}

static void firecracker_clean(const struct vmm_config *c)
{
    firecracker_jail_remove(c);
    firecracker_console_remove(c);
}

static void firecracker_discard(const struct vmm_config *c, struct err *err)
{
    console_log_remove(c->console.log_path, err->code == ERR_NONE ? err : NULL);
}

/* The table */

static void firecracker_free(struct monitor *mon)
{
    struct firecracker *f = firecracker_of(mon);
    firecracker_api_done(&f->api);
    firecracker_console_done(&f->console);
    free(f);
}

static const struct monitor_ops firecracker_ops = {
    .what = "firecracker",
    .command = firecracker_command,
    .matches = firecracker_matches,
    .clean = firecracker_clean,
    .discard = firecracker_discard,
    .attach = firecracker_attach,
    .detach = firecracker_detach,
    .end = firecracker_end,
    .judge = firecracker_judge,
    .free = firecracker_free,
};

static struct vmm_machine *firecracker_open(struct vmm_host *host, const struct vmm_config *config,
                                            const struct vmm_events *events, void *arg,
                                            struct err *err)
{
    (void)events; /* vmm.c keeps them */
    (void)arg;
    struct firecracker *f = calloc(1, sizeof(*f));
    if (!f) {
        err_sys(err, ENOMEM, "cannot open vm/%s", config->vm_id);
        return NULL;
    }
    if (monitor_init(&f->mon, &firecracker_ops, host, config, err) < 0 ||
        firecracker_console_init(&f->console, &f->mon) < 0 ||
        firecracker_api_init(&f->api, host->loop, config->api_sock_path, show_api, f) < 0) {
        if (err && err->code == ERR_NONE)
            err_sys(err, ENOMEM, "cannot open vm/%s", config->vm_id);
        monitor_close(&f->mon.machine);
        return NULL;
    }
    return &f->mon.machine;
}

static uint64_t firecracker_overhead_bytes(const struct vmm_host *host)
{
    (void)host;
    return (uint64_t)FIRECRACKER_SELF_MIB << 20;
}

const struct vmm_driver firecracker_driver = {
    .name = "firecracker",
    .version = VMM_DRIVER_VERSION,
    .can = {.boots = true,
            .pause = true,
            .disk_formats = 1u << VMM_DISK_RAW,
            .nics = 1u << NET_TAP,
            .channels = 1u << GUEST_CHANNEL_VSOCK},
    .install = "put a release of Firecracker into PATH",
    .overhead_bytes = firecracker_overhead_bytes,
    .probe = firecracker_probe,
    .open = firecracker_open,
    .close = monitor_close,
    .start = monitor_start,
    .adopt = monitor_adopt,
    .stop = monitor_stop,
    .kill = monitor_kill,
    .pause = firecracker_pause,
    .resume = firecracker_resume,
    .discard = monitor_discard,
    .get_handles = monitor_get_handles,
    .claims = firecracker_claims,
};
