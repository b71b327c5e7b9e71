/* Calls on a VM's machine; see vm_machine.h.
 *
 * One is under way at a time, and is kept in the entry; a kill comes beside it, and ends it with an
 * error. */
#include <stdlib.h>

#include "base/err.h"
#include "base/log.h"
#include "daemon/core/vm/handles.h"
#include "daemon/core/vm/vm_internal.h"
#include "daemon/core/vm/vm_machine.h"
#include "daemon/guest/agent_client.h"

enum { POWER_OFF_MS = 1500 }; /* of a grace, for the guest to power off in */

/* Refused beside another, as vmm.h would: reconcile's look, say, that an operation meets. One whose
 * process has ended is opened anew, with the record as it is now. */
static int vm_call_begin(struct vm_entry *e, vmm_done_fn *done, void *arg, struct err *err)
{
    if (e->call.done) {
        err_set(err, ERR_PRECONDITION, "another call on its machine is under way");
        return err_tag(err, "VMM_BUSY", "vm/%s", e->vm.id);
    }
    if (!vm_has_vmm(e))
        vm_machine_release(e);
    if (vm_machine_open(e, err) < 0)
        return -1;
    e->call = (struct vm_call){.done = done, .arg = arg};
    return 0;
}

static void vm_call_end(void *arg, const struct err *err)
{
    struct vm_entry *e = arg;
    vmm_done_fn *done = e->call.done;
    e->call.done = NULL;
    vm_machine_release(e);
    done(e->call.arg, err);
}

int vm_machine_call(struct vm_entry *e,
                    void (*call)(struct vmm_machine *m, vmm_done_fn *done, void *arg),
                    vmm_done_fn *done, void *arg, struct err *err)
{
    if (vm_call_begin(e, done, arg, err) < 0)
        return -1;
    call(e->machine, vm_call_end, e);
    return 0;
}

/* Launch and adoption */

static void vm_call_started(void *arg, const struct err *err)
{
    struct vm_entry *e = arg;
    struct err why = ERR_INIT;
    if (!err && vm_machine_started(e, &why) < 0)
        err = &why;
    vm_call_end(e, err);
}

static void vm_call_looked(void *arg, const struct err *err)
{
    struct vm_entry *e = arg;
    if (err && err->code == ERR_NOT_FOUND) {
        handles_save(e); /* takes away what an earlier daemon wrote */
        vm_machine_gone(e, "vm_lost");
    }
    vm_call_started(e, err);
}

int vm_machine_adopt(struct vm_entry *e, vmm_done_fn *done, void *arg, struct err *err)
{
    if (vm_call_begin(e, done, arg, err) < 0)
        return -1;
    vmm_adopt(e->machine, NULL, vm_call_looked, e);
    return 0;
}

static void vm_call_looked_first(void *arg, const struct err *err)
{
    struct vm_entry *e = arg;
    if (err && err->code == ERR_NOT_FOUND)
        vmm_start(e->machine, vm_call_started, e);
    else
        vm_call_started(e, err);
}

int vm_machine_launch(struct vm_entry *e, bool look_first, vmm_done_fn *done, void *arg,
                      struct err *err)
{
    if (vm_call_begin(e, done, arg, err) < 0)
        return -1;
    if (look_first)
        vmm_adopt(e->machine, NULL, vm_call_looked_first, e);
    else
        vmm_start(e->machine, vm_call_started, e);
    return 0;
}

/* Stop */

/* The link may come (again) while we wait: the guest is asked then. */
static void vm_stop_changed(void *arg, struct vm_entry *e)
{
    (void)arg;
    struct err err = ERR_INIT;
    if (e->call.shutdown_sent || !e->agent || !agent_client_is_up(e->agent))
        return;
    /* All of it within the grace: the sessions end, their output is read, the guest powers off. */
    int64_t ms = e->call.grace_ms < INT32_MAX ? e->call.grace_ms : INT32_MAX;
    uint32_t linger_ms = (uint32_t)(ms / 4 < POWER_OFF_MS ? ms - ms / 4 : ms - POWER_OFF_MS);
    uint32_t grace_ms = linger_ms - linger_ms / 4;
    e->call.shutdown_sent = agent_client_shutdown(e->agent, false, grace_ms, linger_ms, &err) == 0;
}

static void vm_stop_ended(void *arg, const struct err *err)
{
    struct vm_entry *e = arg;
    struct err why = ERR_INIT;
    vm_unwatch(&e->call.watch);
    /* A kill from elsewhere ended our call; its end is ours. */
    if (err && e->kill && vm_machine_kill(e, e->call.done, e->call.arg, &why) == 0) {
        e->call.done = NULL;
        return;
    }
    if (err && vm_has_vmm(e)) {
        vm_call_end(e, err);
        return;
    }
    vm_machine_gone(e, "vm_stopped");
    vm_call_end(e, NULL);
}

static void vm_stop_gently(struct vm_entry *e)
{
    vm_watch(e, &e->call.watch, vm_stop_changed, NULL);
    vm_stop_changed(NULL, e);
    vmm_stop(e->machine, e->call.grace_ms, vm_stop_ended, e);
}

static void vm_stop_resumed(void *arg, const struct err *err)
{
    struct vm_entry *e = arg;
    /* Still paused, it cannot hear us: vmm_stop forces it in the end. */
    if (err)
        log_err(LOG_LEVEL_WARN, e->vm.id, err, "cannot resume it to stop it");
    vm_stop_gently(e);
}

int vm_machine_stop(struct vm_entry *e, int64_t grace_ms, vmm_done_fn *done, void *arg,
                    struct err *err)
{
    if (grace_ms <= 0 || !vm_has_vmm(e))
        return vm_machine_kill(e, done, arg, err);
    if (vm_call_begin(e, done, arg, err) < 0)
        return -1;
    e->call.grace_ms = grace_ms;
    if (e->paused)
        vmm_resume(e->machine, vm_stop_resumed, e);
    else
        vm_stop_gently(e);
    return 0;
}

/* Kill: SIGKILL what we hold, and where we hold nothing, look for evidence first. */

struct vm_kill_waiter {
    struct list link;
    vmm_done_fn *done;
    void *arg;
};

struct vm_kill {
    struct vm_entry *vm; /* referenced */
    struct list waiters;
    bool sure; /* what is killed now is all there can be */
};

static void vm_kill_end(struct vm_kill *k, const struct err *err)
{
    struct vm_entry *e = k->vm;
    e->kill = NULL;
    if (!err)
        vm_machine_gone(e, "vm_stopped");
    vm_machine_release(e);
    while (!list_empty(&k->waiters)) {
        struct vm_kill_waiter *w =
            container_of(list_first(&k->waiters), struct vm_kill_waiter, link);
        list_remove(&w->link);
        vmm_done_fn *done = w->done;
        void *arg = w->arg;
        free(w);
        done(arg, err);
    }
    free(k);
    vm_unref(e);
}

static void vm_kill_search(struct vm_kill *k);

static void vm_kill_killed(void *arg, const struct err *err)
{
    struct vm_kill *k = arg;
    if (err || k->sure || k->vm->machine->busy)
        vm_kill_end(k, err);
    else
        vm_kill_search(k);
}

static void vm_kill_found(void *arg, const struct err *err)
{
    struct vm_kill *k = arg;
    if (!err || err->code != ERR_NOT_FOUND) { /* what cannot be adopted may still be killed */
        k->sure = true;
        vmm_kill(k->vm->machine, vm_kill_killed, k);
    } else {
        vm_kill_end(k, NULL);
    }
}

static void vm_kill_search(struct vm_kill *k)
{
    struct vm_entry *e = k->vm;
    vmm_adopt(e->machine, e->handles.pid ? &e->handles : NULL, vm_kill_found, k);
}

static struct vm_kill *vm_kill_new(struct vm_entry *e, struct err *err)
{
    if (vm_machine_open(e, err) < 0)
        return NULL;
    struct vm_kill *k = calloc(1, sizeof(*k));
    if (!k) {
        err_set(err, ERR_LIMIT, "out of memory killing a VM");
        return NULL;
    }
    k->vm = vm_ref(e);
    list_init(&k->waiters);
    return k;
}

int vm_machine_kill(struct vm_entry *e, vmm_done_fn *done, void *arg, struct err *err)
{
    struct vm_kill_waiter *w = malloc(sizeof(*w));
    if (!w)
        return err_set(err, ERR_LIMIT, "out of memory killing a VM");
    *w = (struct vm_kill_waiter){.done = done, .arg = arg};
    if (e->kill) {
        list_add_tail(&e->kill->waiters, &w->link);
        return 0;
    }
    struct vm_kill *k = vm_kill_new(e, err);
    if (!k) {
        free(w);
        return -1;
    }
    e->kill = k;
    list_add_tail(&k->waiters, &w->link);
    if (vm_has_vmm(e) || e->machine->busy) {
        k->sure = vm_has_vmm(e);
        vmm_kill(e->machine, vm_kill_killed, k);
    } else {
        vm_kill_search(k);
    }
    return 0;
}

void vm_machine_drop_calls(struct vm_entry *e)
{
    vm_unwatch(&e->call.watch);
    e->call.done = NULL;
    struct vm_kill *k = e->kill;
    e->kill = NULL;
    if (!k)
        return;
    list_foreach(l, &k->waiters) free(container_of(l, struct vm_kill_waiter, link));
    free(k);
    vm_unref(e);
}
