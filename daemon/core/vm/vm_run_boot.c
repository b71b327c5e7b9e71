/* Booting: the process, then its guest's agent, with one more try; see vm_run.h. */
#include "base/err.h"
#include "base/log.h"
#include "daemon/core/core.h"
#include "daemon/core/vm/vm_machine.h"
#include "daemon/core/vm/vm_run.h"
#include "daemon/core/vm/vm_ssh.h"

static void vm_run_boot_end(struct vm_run *run, const struct err *err)
{
    timer_stop(&run->timer);
    vm_unwatch(&run->watch);
    operation_let_stop(run->op, NULL);
    if (err && !run->cancelled)
        vm_run_fail_at_boot(run, err);
    else
        operation_step_done(run->op, err);
}

static void vm_run_boot_look(struct vm_run *run)
{
    struct vm_entry *e = run->vm;
    struct err err = ERR_INIT;
    if (run->calling)
        return;
    if (run->cancelled) {
        err_set(&err, ERR_CANCELLED, "cancelled");
        vm_run_boot_end(run, &err);
    } else if (vm_guest_is_ready(e)) {
        vm_run_boot_end(run, NULL);
    } else if (e->guest == VM_GUEST_BROKEN) {
        err_set(&err, ERR_PRECONDITION, "the guest cannot be used: %s", e->agent_error);
        err_tag(&err, "GUEST_FAILED", "vm/%s", e->vm.id);
        vm_run_boot_end(run, &err);
    } else if (!vm_has_vmm(e)) {
        err_set(&err, ERR_PRECONDITION, "the VM ended while it booted%s%.300s",
                e->ended_detail[0] ? ": " : "", e->ended_detail);
        err_tag(&err, e->ended_by_panic ? "GUEST_PANIC" : "BOOT_FAILED", "vm/%s", e->vm.id);
        vm_run_boot_end(run, &err);
    }
}

static void vm_run_boot_changed(void *arg, struct vm_entry *e)
{
    (void)e;
    vm_run_boot_look(arg);
}

static void vm_run_boot_cancel(struct operation_entry *op)
{
    struct vm_run *run = operation_data(op);
    run->cancelled = true;
    vm_run_boot_look(run);
}

static int64_t vm_run_boot_ms(const struct vm_run *run)
{
    return vm_ssh_patience(&run->vm->vm.spec, operation_core(run->op)->config.boot_timeout_ms);
}

static void vm_run_boot_launched(struct vm_run *run, const struct err *err)
{
    if (err) {
        vm_run_boot_end(run, err);
        return;
    }
    timer_start(&run->timer, vm_run_boot_ms(run));
    vm_run_boot_look(run);
}

static void vm_run_boot_killed(void *arg, const struct err *err)
{
    struct vm_run *run = arg;
    run->calling = false;
    if (err || run->cancelled) {
        struct err cancelled = ERR_INIT;
        err_set(&cancelled, ERR_CANCELLED, "cancelled");
        vm_run_boot_end(run, err ? err : &cancelled);
        return;
    }
    vm_run_launch(run, vm_run_boot_launched);
}

/* The watchdog: a guest may hang at boot at random (emulated ones do), so it is tried once more. */
static void vm_run_boot_late(void *arg)
{
    struct vm_run *run = arg;
    struct vm_entry *e = run->vm;
    struct err err = ERR_INIT;
    if (run->calling)
        return;
    if (run->tries++ == 0) {
        log_warn(operation_row(run->op)->resource,
                 "no word of the agent after %lld ms: booting once more",
                 (long long)vm_run_boot_ms(run));
        operation_progress(run->op, operation_row(run->op)->percent,
                           "no answer; booting once more");
        run->calling = true;
        if (vm_machine_kill(e, vm_run_boot_killed, run, &err) == 0)
            return;
        run->calling = false;
    } else {
        err_set(&err, ERR_DEADLINE, "the guest's agent did not answer within %lld ms, twice%s%s",
                (long long)vm_run_boot_ms(run), e->agent_error[0] ? ": " : "", e->agent_error);
        err_tag(&err, "BOOT_TIMEOUT", "vm/%s", e->vm.id);
    }
    vm_run_boot_end(run, &err);
}

void vm_run_boot(struct vm_run *run)
{
    struct err err = ERR_INIT;
    run->cancelled = false;
    if (!run->timer_made) {
        if (timer_init(&run->timer, operation_core(run->op)->loop, vm_run_boot_late, run) < 0) {
            err_set(&err, ERR_LIMIT, "out of memory for a timer");
            operation_step_done(run->op, &err);
            return;
        }
        run->timer_made = true;
    }
    vm_watch(run->vm, &run->watch, vm_run_boot_changed, run);
    operation_let_stop(run->op, vm_run_boot_cancel);
    vm_run_launch(run, vm_run_boot_launched);
}
