/* Leases: a VM that is its creator's alone is deleted when that was not heard of for so long.
 *
 * On disk is that there is a lease, how long it is and whose. When it ends is a clock of the daemon
 * that runs: signs of life cost no write, a wrong clock of the host ends nothing, and whoever
 * waited for a daemon that was down has all of a lease to come back. */
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "daemon/core/core.h"
#include "daemon/core/supervise/supervise.h"
#include "daemon/core/supervise/supervise_internal.h"
#include "daemon/core/vm/vm_ops.h"

static void lease_act(struct supervised *s)
{
    struct vm_entry *e = s->vm;
    struct err err = ERR_INIT;
    char resource[96];
    vm_resource(e, resource);
    s->lease_due_ms =
        clock_mono_ms() + (int64_t)vm_record(e)->spec.lease_ms; /* again, should that fail */
    timer_start(&s->lease_timer, (int64_t)vm_record(e)->spec.lease_ms);
    if (vm_record(e)->runtime.state == VM_DELETING ||
        operation_pending(vm_core(e), resource, "vm.delete"))
        return;
    struct vm_delete_request request = {.vm = vm_record(e)->id, .force = true};
    struct operation_entry *op = vm_ask_delete(vm_core(e), &request, NULL, &err);
    if (!op)
        log_err(LOG_LEVEL_ERROR, resource, &err, "its creator is gone, and it cannot be deleted");
    else
        supervise_emit(vm_core(e), e, "vm.abandoned", "its creator was not heard of any more", op);
}

static void lease_look(void *arg)
{
    struct supervised *s = arg;
    const struct vm_entry *e = s->vm;
    int64_t left_ms = s->lease_due_ms - clock_mono_ms();
    if (vm_record(e)->spec.lease_ms == 0 || vm_is_removed(e) || vm_core(e)->closing)
        return;
    if (left_ms > 0)
        timer_start(&s->lease_timer, left_ms);
    else
        lease_act(s);
}

void lease_changed(struct supervised *s)
{
    int64_t lease_ms = (int64_t)vm_record(s->vm)->spec.lease_ms;
    if (lease_ms == 0 || s->lease_due_ms > 0)
        return;
    s->lease_due_ms = clock_mono_ms() + lease_ms;
    timer_start(&s->lease_timer, lease_ms);
}

int lease_renew(struct vm_entry *e, const char *principal, struct err *err)
{
    struct supervised *s = vm_slot(e, VM_SLOT_SUPERVISE);
    if (vm_record(e)->spec.lease_ms == 0 || !s) {
        err_set(err, ERR_PRECONDITION, "VM %s has no lease", vm_record(e)->name);
        return err_tag(err, "NO_LEASE", NULL);
    }
    if (strcmp(vm_record(e)->lease_holder, principal) != 0) {
        err_set(err, ERR_DENIED, "the lease of VM %s is another's", vm_record(e)->name);
        return err_tag(err, "LEASE_HELD", NULL);
    }
    s->lease_due_ms = clock_mono_ms() + (int64_t)vm_record(e)->spec.lease_ms;
    return 0;
}

int lease_open(struct supervised *s)
{
    return timer_init(&s->lease_timer, s->of->core->loop, lease_look, s);
}

void lease_close(struct supervised *s)
{
    timer_done(&s->lease_timer);
}
