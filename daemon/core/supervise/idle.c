/* Idle stop: a VM that runs and that nobody has used for long is stopped.
 *
 * Nothing is told of what begins; what ends leaves its time (vm_used). The timer looks when the VM
 * could be due at the earliest, and if it was used meanwhile, again when that makes it due. */
#include <stdio.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "daemon/core/core.h"
#include "daemon/core/session/session.h"
#include "daemon/core/supervise/supervise_internal.h"
#include "daemon/core/vm/vm_ops.h"

static bool idle_is_used(const struct vm_entry *e)
{
    char resource[96];
    vm_resource(e, resource);
    return vm_is_in_use(e) || session_vm_live(vm_core(e), vm_record(e)->id) > 0 ||
           operation_pending(vm_core(e), resource, NULL);
}

static void idle_act(struct supervised *s)
{
    struct vm_entry *e = s->vm;
    struct err err = ERR_INIT;
    char detail[80];
    struct vm_stop_request stop = {.vm = vm_record(e)->id, .grace_ms = -1};
    struct operation_entry *op = vm_ask_stop(vm_core(e), &stop, NULL, &err);
    /* Again, should it still run then: the stop may fail, or not come to be. */
    timer_start(&s->idle_timer, (int64_t)vm_record(e)->spec.idle_stop_after_ms);
    if (!op) {
        log_err(LOG_LEVEL_ERROR, vm_record(e)->id, &err, "it is idle, and cannot be stopped");
        return;
    }
    snprintf(detail, sizeof(detail), "nobody has used it for %lld s",
             (long long)(vm_record(e)->spec.idle_stop_after_ms / 1000));
    supervise_emit(vm_core(e), e, "vm.idle", detail, op);
}

static void idle_look(void *arg)
{
    struct supervised *s = arg;
    const struct vm_entry *e = s->vm;
    int64_t idle_ms = (int64_t)vm_record(e)->spec.idle_stop_after_ms, now = clock_mono_ms();
    if (idle_ms == 0 || vm_is_removed(e) || vm_record(e)->runtime.state != VM_RUNNING ||
        vm_core(e)->closing)
        return;
    int64_t from = vm_used_ms(e) > s->idle_from_ms ? vm_used_ms(e) : s->idle_from_ms;
    if (idle_is_used(e))
        from = now;
    if (from + idle_ms > now)
        timer_start(&s->idle_timer, from + idle_ms - now);
    else
        idle_act(s);
}

void idle_changed(struct supervised *s)
{
    int64_t idle_ms = (int64_t)vm_record(s->vm)->spec.idle_stop_after_ms;
    struct timer *t = &s->idle_timer;
    if (idle_ms == 0 || vm_record(s->vm)->runtime.state != VM_RUNNING) {
        timer_stop(t);
        s->idle_from_ms = 0;
        return;
    }
    if (s->idle_from_ms == 0)
        s->idle_from_ms = clock_mono_ms();
    /* Earlier than it was set for, where the policy has become shorter. */
    if (!timer_pending(t) || t->due_ns > clock_mono_ns() + idle_ms * 1000000)
        timer_start(t, idle_ms);
}

int idle_open(struct supervised *s)
{
    return timer_init(&s->idle_timer, s->of->core->loop, idle_look, s);
}

void idle_close(struct supervised *s)
{
    timer_done(&s->idle_timer);
}
