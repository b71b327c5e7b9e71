/* Restart policy: a VM that is wanted and has ended is started again, the later the oftener.
 *
 * Counts are in the record, so that a loop of crashes is as slow after a restart of the daemon. */
#include <stdio.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "daemon/core/core.h"
#include "daemon/core/event/event.h"
#include "daemon/core/supervise/supervise_internal.h"
#include "daemon/core/vm/vm_ops.h"
#include "daemon/store/store.h"

enum { RESTART_FIRST_MS = 1000, RESTART_MAX_MS = 300000, RESTART_DOUBLINGS = 9 };
static const int64_t restart_calm_ns = (int64_t)600 * 1000000000;

/* It has ended without being told to. Where a guest that powers itself off is let go, that makes it
 * unwanted (vm_machine.c). */
static bool restart_is_due(const struct supervised *s)
{
    const struct vm_entry *e = s->vm;
    enum vm_state state = vm_record(e)->runtime.state;
    return vm_record(e)->spec.restart > RESTART_NEVER &&
           vm_record(e)->wanted == VM_WANTED_RUNNING &&
           (state == VM_FAILED || state == VM_STOPPED) && !vm_reboot(e) && !vm_is_removed(e) &&
           !vm_core(e)->closing && !autostart_waits(s) && !s->restart_watch.op;
}

static int64_t restart_wait_ms(uint32_t streak)
{
    int64_t wait_ms = (int64_t)RESTART_FIRST_MS
                      << (streak < RESTART_DOUBLINGS ? streak : RESTART_DOUBLINGS);
    return wait_ms > RESTART_MAX_MS ? RESTART_MAX_MS : wait_ms;
}

static void restart_set_waiting(struct supervised *s, bool waiting)
{
    vm_set_condition(s->vm, VM_SLOT_SUPERVISE, waiting ? &s->restarting : NULL);
    if (!waiting)
        timer_stop(&s->restart_timer);
}

static void restart_wait(struct supervised *s)
{
    struct vm_entry *e = s->vm;
    struct vm_runtime *rt = &vm_edit(e)->runtime;
    struct store_txn *txn = store_txn_new();
    char resource[96];
    vm_resource(e, resource);
    if (s->ran_from_ns > 0 && vm_record(e)->stopped_ns - s->ran_from_ns >= restart_calm_ns)
        rt->restart_streak = 0;
    s->ran_from_ns = 0;
    int64_t wait_ms = restart_wait_ms(rt->restart_streak);
    snprintf(rt->restart_reason, sizeof(rt->restart_reason), "%.127s",
             rt->last_error[0] ? rt->last_error : "its guest powered off");
    struct vm_condition *c = &s->restarting;
    *c = (struct vm_condition){.type = "Restarting",
                               .status = true,
                               .changed_ns = clock_real_ns(),
                               .reason = rt->restart_streak == 0 ? "Ended" : "EndedAgain",
                               .message = s->restarting_text};
    snprintf(s->restarting_text, sizeof(s->restarting_text), "restart %u, in %lld s: %.127s",
             rt->restarts + 1, (long long)wait_ms / 1000, rt->restart_reason);
    log_warn(vm_record(e)->id, "%s", c->message);
    vm_save(e, txn);
    event_emit(vm_core(e), txn, "vm.restarting", resource, vm_record(e)->id, c->message, NULL);
    store_commit(vm_core(e)->store, txn, supervise_written, NULL);
    restart_set_waiting(s, true);
    timer_start(&s->restart_timer, wait_ms);
    vm_notify(e); /* its conditions have changed */
}

/* Draining, out of room: it is tried again, and not counted. */
static void restart_put_off(struct supervised *s, const struct err *err)
{
    log_err(LOG_LEVEL_WARN, vm_record(s->vm)->id, err, "cannot restart it now");
    timer_start(&s->restart_timer, restart_wait_ms(vm_record(s->vm)->runtime.restart_streak));
}

/* It has not come to be, so it was none. */
static void restart_refused(struct supervised *s, const struct err *err)
{
    if (!restart_is_due(s))
        return;
    restart_set_waiting(s, true);
    restart_put_off(s, err);
    vm_notify(s->vm);
}

static void restart_count(struct supervised *s)
{
    struct vm_entry *e = s->vm;
    s->restart_counted = true;
    struct vm *vm = vm_edit(e);
    vm->runtime.restarts++;
    vm->runtime.restart_streak++;
    vm_save(e, NULL);
    restart_set_waiting(s, false);
    vm_notify(e);
}

/* Counted when it is sure to be tried. One that failed before it was STARTING leaves the VM as it
 * was: nothing else tells. */
static void restart_started(void *arg, struct operation_entry *op)
{
    struct supervised *s = arg;
    if (operation_is_recorded(op) && !s->restart_counted)
        restart_count(s);
    if (!operation_is_over(op))
        return;
    operation_unwatch(&s->restart_watch);
    if (operation_is_recorded(op))
        restart_changed(s);
    else
        restart_refused(s, operation_error(op));
}

static void restart_act(void *arg)
{
    struct supervised *s = arg;
    struct vm_entry *e = s->vm;
    struct err err = ERR_INIT;
    char resource[96];
    vm_resource(e, resource);
    if (!restart_is_due(s)) {
        restart_set_waiting(s, false);
    } else if (operation_pending(vm_core(e), resource, NULL)) {
        timer_start(&s->restart_timer, RESTART_FIRST_MS);
    } else {
        struct vm_start_request start = {.vm = vm_record(e)->id};
        struct operation_entry *op = vm_ask_start(vm_core(e), &start, NULL, &err);
        s->restart_counted = false;
        if (op)
            operation_watch(op, &s->restart_watch, restart_started, s);
        else
            restart_put_off(s, &err);
    }
}

void restart_changed(struct supervised *s)
{
    const struct vm *vm = vm_record(s->vm);
    if (vm->runtime.state == VM_RUNNING)
        s->ran_from_ns = vm->started_ns;
    if (!restart_is_due(s))
        restart_set_waiting(s, false);
    else if (!timer_pending(&s->restart_timer))
        restart_wait(s);
}

int restart_open(struct supervised *s)
{
    return timer_init(&s->restart_timer, s->of->core->loop, restart_act, s);
}

void restart_close(struct supervised *s)
{
    restart_set_waiting(s, false);
    operation_unwatch(&s->restart_watch);
    timer_done(&s->restart_timer);
}
