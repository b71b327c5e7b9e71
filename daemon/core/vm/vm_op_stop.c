/* vm.stop, vm.kill, vm.pause, vm.resume, vm.recover. */
#include <stdio.h>

#include "base/err.h"
#include "daemon/core/core.h"
#include "daemon/core/vm/handles.h"
#include "daemon/core/vm/vm_clock.h"
#include "daemon/core/vm/vm_machine.h"
#include "daemon/core/vm/vm_run.h"
#include "daemon/core/vm/vm_internal.h"
#include "daemon/guest/agent_client.h"
#include "daemon/vmm/vmm.h"

#define N(steps) (sizeof(steps) / sizeof((steps)[0]))

static void vm_wrong_state(struct operation_entry *op, const struct vm_entry *e, const char *wanted)
{
    struct err err = ERR_INIT;
    err_set(&err, ERR_PRECONDITION, "the VM is %s; it must be %s",
            vm_state_name(e->vm.runtime.state), wanted);
    err_tag(&err, "VM_WRONG_STATE", "%s", operation_row(op)->resource);
    operation_step_done(op, &err);
}

/* vm.stop and vm.kill */

static bool vm_is_down(const struct vm_entry *e)
{
    return !vm_has_vmm(e) && !vm_state_is_active(e->vm.runtime.state);
}

static void vm_journal_stopping(struct operation_entry *op, struct store_txn *txn)
{
    struct vm_entry *e = vm_run_find(op);
    if (!e)
        return;
    bool was_wanted = e->vm.wanted != VM_WANTED_STOPPED;
    if (was_wanted)
        vm_edit(e);
    e->vm.wanted = VM_WANTED_STOPPED;
    e->reboot = VM_REBOOT_NONE;
    bool moves =
        !vm_is_down(e) && e->vm.runtime.state != VM_DELETING && e->vm.runtime.state != VM_STOPPING;
    if (moves) {
        vm_set_state(e, VM_STOPPING, NULL, NULL, txn);
    } else if (was_wanted) {
        vm_save(e, txn);
        vm_notify(e); /* it may have been waiting for a restart */
    }
}

static void vm_stop_run(struct operation_entry *op)
{
    struct vm_run *run = vm_run_get_vm(op);
    if (!run)
        return;
    if (vm_is_down(run->vm))
        operation_step_done(op, NULL);
    else
        vm_run_end(run, run->grace_ms, vm_run_step_done);
}

static void vm_kill_run(struct operation_entry *op)
{
    struct vm_run *run = vm_run_get(op);
    if (!run)
        return;
    if (!run->vm || run->vm->removed || vm_is_down(run->vm))
        operation_step_done(op, NULL);
    else
        vm_run_end(run, 0, vm_run_step_done);
}

static void vm_stop_finish(struct operation_entry *op, struct store_txn *txn)
{
    struct vm_entry *e = vm_run_find(op);
    if (!e || !operation_has_begun(op) || e->vm.runtime.state != VM_STOPPING)
        return;
    if (operation_row(op)->state == OP_SUCCEEDED || !vm_has_vmm(e))
        vm_set_state(e, VM_STOPPED, NULL, NULL, txn);
    else
        vm_set_state(e, VM_UNKNOWN, NULL, operation_error(op)->message, txn);
}

static const struct operation_step vm_stop_steps[] = {
    {.name = "hook",
     .percent = 5,
     .skip = vm_step_hook_skip,
     .journal = vm_step_hook_journal,
     .run = vm_step_hook_run},
    {.name = "stop", .percent = 10, .journal = vm_journal_stopping, .run = vm_stop_run},
};

const struct operation_kind vm_stop_kind = {
    .name = "vm.stop",
    .steps = vm_stop_steps,
    .n_steps = N(vm_stop_steps),
    .no_cancel = true,
    .finish = vm_stop_finish,
    .abort = vm_run_abort,
    .free_data = vm_run_free,
};

static const struct operation_step vm_kill_steps[] = {
    {.name = "kill", .percent = 10, .journal = vm_journal_stopping, .run = vm_kill_run},
};

const struct operation_kind vm_kill_kind = {
    .name = "vm.kill",
    .steps = vm_kill_steps,
    .n_steps = N(vm_kill_steps),
    .no_cancel = true,
    .finish = vm_stop_finish,
    .free_data = vm_run_free,
};

/* vm.pause and vm.resume */

static void vm_pause_run(struct operation_entry *op)
{
    struct vm_run *run = vm_run_get_vm(op);
    if (!run)
        return;
    enum vm_state state = run->vm->vm.runtime.state;
    if (state == VM_PAUSED && !operation_is_resumed(op)) {
        operation_step_done(op, NULL);
    } else if ((state != VM_RUNNING && state != VM_PAUSED) || !vm_has_vmm(run->vm)) {
        vm_wrong_state(op, run->vm, "RUNNING");
    } else {
        vm_run_call(run, vmm_pause, vm_run_step_done);
    }
}

static void vm_resumed(struct vm_run *run, const struct err *err)
{
    if (!err && run->vm->agent)
        agent_client_stood_still(run->vm->agent);
    if (!err)
        vm_clock_set(run->vm); /* it stood still meanwhile */
    vm_run_step_done(run, err);
}

static void vm_resume_run(struct operation_entry *op)
{
    struct vm_run *run = vm_run_get_vm(op);
    if (!run)
        return;
    enum vm_state state = run->vm->vm.runtime.state;
    if (state == VM_RUNNING && !operation_is_resumed(op)) {
        operation_step_done(op, NULL);
    } else if ((state != VM_RUNNING && state != VM_PAUSED) || !vm_has_vmm(run->vm)) {
        vm_wrong_state(op, run->vm, "PAUSED");
    } else {
        vm_run_call(run, vmm_resume, vm_resumed);
    }
}

static void vm_pause_finish(struct operation_entry *op, struct store_txn *txn)
{
    struct vm_entry *e = vm_run_find(op);
    if (e && operation_row(op)->state == OP_SUCCEEDED && e->vm.runtime.state == VM_RUNNING)
        vm_set_state(e, VM_PAUSED, NULL, NULL, txn);
}

static void vm_resume_finish(struct operation_entry *op, struct store_txn *txn)
{
    struct vm_entry *e = vm_run_find(op);
    if (e && operation_row(op)->state == OP_SUCCEEDED && e->vm.runtime.state == VM_PAUSED)
        vm_set_state(e, VM_RUNNING, NULL, NULL, txn);
}

static const struct operation_step vm_pause_steps[] = {
    {.name = "pause", .percent = 10, .run = vm_pause_run, .undo = vm_resume_run},
};
static const struct operation_step vm_resume_steps[] = {
    {.name = "resume", .percent = 10, .run = vm_resume_run},
};

const struct operation_kind vm_pause_kind = {
    .name = "vm.pause",
    .steps = vm_pause_steps,
    .n_steps = N(vm_pause_steps),
    .no_cancel = true,
    .finish = vm_pause_finish,
    .abort = vm_run_abort,
    .free_data = vm_run_free,
};

const struct operation_kind vm_resume_kind = {
    .name = "vm.resume",
    .steps = vm_resume_steps,
    .n_steps = N(vm_resume_steps),
    .no_cancel = true,
    .finish = vm_resume_finish,
    .abort = vm_run_abort,
    .free_data = vm_run_free,
};

/* vm.recover */

static void vm_recovered(struct vm_run *run, const struct err *err)
{
    struct vm_entry *e = run->vm;
    if (!err)
        vm_set_state(e, e->paused ? VM_PAUSED : VM_RUNNING, NULL, NULL, NULL);
    bool gone = err && err->code == ERR_NOT_FOUND;
    if (gone)
        vm_set_state(e, VM_STOPPED, NULL, "its process is gone", NULL);
    operation_step_done(run->op, gone ? NULL : err);
}

static void vm_recover_run(struct operation_entry *op)
{
    struct vm_run *run = vm_run_get_vm(op);
    if (!run)
        return;
    if (run->vm->vm.runtime.state != VM_UNKNOWN)
        operation_step_done(op, NULL);
    else if (vm_has_vmm(run->vm)) /* we hold its process after all */
        vm_recovered(run, NULL);
    else
        vm_run_adopt(run, vm_recovered);
}

static const struct operation_step vm_recover_steps[] = {
    {.name = "adopt", .percent = 10, .run = vm_recover_run},
};

const struct operation_kind vm_recover_kind = {
    .name = "vm.recover",
    .steps = vm_recover_steps,
    .n_steps = N(vm_recover_steps),
    .no_cancel = true,
    .abort = vm_run_abort,
    .free_data = vm_run_free,
};
