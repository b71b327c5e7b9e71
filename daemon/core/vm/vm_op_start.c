/* vm.create, vm.start, vm.restart: the ways to a running VM. */
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "daemon/core/core.h"
#include "daemon/core/event/event.h"
#include "daemon/core/record.h"
#include "daemon/core/vm/vm_machine.h"
#include "daemon/core/vm/vm_run.h"
#include "daemon/core/vm/vm_internal.h"
#include "daemon/vmm/vmm.h"

/* Steps */

static void vm_disks_made(struct vm_run *run, const struct err *err)
{
    if (!err)
        record_keep_vm(operation_core(run->op), &run->vm->vm);
    operation_step_done(run->op, err);
}

/* Of a VM that has had its disks they are looked at, and grown. Nothing that is gone is made. */
static void vm_disks_run(struct operation_entry *op)
{
    struct vm_run *run = vm_run_get_vm(op);
    struct err err = ERR_INIT;
    if (!run)
        return;
    if (vm_has_vmm(run->vm)) /* resumed: they were made, and it was started */
        operation_step_done(op, NULL);
    else if (vm_run_check_parts(run, &err) < 0)
        operation_step_done(op, &err);
    else
        vm_run_make_objects(run, vm_disks_made);
}

static void vm_discarded(struct vm_run *run, const struct err *err)
{
    if (err)
        operation_step_done(run->op, err);
    else
        vm_run_remove_objects(run, vm_run_step_done);
}

/* Not while a process of it lives, which the driver looks for. */
static void vm_disks_undo(struct operation_entry *op)
{
    struct vm_run *run = vm_run_get_vm(op);
    if (run)
        vm_run_call(run, vmm_discard, vm_discarded);
}

/* It is to run from now on; where somebody asks for that, what the restart policy has counted so
 * far is past. */
static bool vm_want(struct operation_entry *op, struct vm_entry *e)
{
    struct vm_runtime *rt = &e->vm.runtime;
    bool counted = operation_row(op)->principal[0] && rt->restarts > 0;
    if (e->vm.wanted == VM_WANTED_RUNNING && !counted)
        return false;
    vm_edit(e);
    e->vm.wanted = VM_WANTED_RUNNING;
    if (counted) {
        rt->restarts = rt->restart_streak = 0;
        rt->restart_reason[0] = '\0';
    }
    return true;
}

static void vm_journal_starting(struct operation_entry *op, struct store_txn *txn)
{
    struct vm_entry *e = vm_run_find(op);
    if (!e)
        return;
    bool wanted = vm_want(op, e);
    bool there = e->vm.runtime.state == VM_STARTING;
    vm_set_state(e, VM_STARTING, NULL, NULL, txn);
    if (wanted && there)
        vm_save(e, txn); /* the setter had nothing to write */
}

static void vm_launch_run(struct operation_entry *op)
{
    struct vm_run *run = vm_run_get_vm(op);
    if (run)
        vm_run_launch(run, vm_run_step_done);
}

static void vm_launch_undo(struct operation_entry *op)
{
    struct vm_run *run = vm_run_get_vm(op);
    if (run)
        vm_run_end(run, 0, vm_run_step_done);
}

static void vm_boot_run(struct operation_entry *op)
{
    struct vm_run *run = vm_run_get_vm(op);
    if (run)
        vm_run_boot(run);
}

/* It did boot, and may have ended again by now. */
static void vm_set_running(struct vm_entry *e, struct store_txn *txn)
{
    if (vm_has_vmm(e))
        vm_set_state(e, VM_RUNNING, NULL, NULL, txn);
    else
        vm_set_state(e, VM_FAILED, e->ended_by_panic ? "guest_panic" : "boot",
                     e->ended_detail[0] ? e->ended_detail : "it ended right after its start", txn);
}

/* The start that the guest's reset asked for has come to nothing: what refused it may pass; one
 * that had begun has failed like any other. */
static void vm_reboot_failed(struct vm_entry *e, const struct operation_entry *op)
{
    if (e->reboot != VM_REBOOT_BEGUN || operation_row(op)->principal[0])
        return;
    e->reboot = !operation_has_begun(op) && err_retryable(operation_error(op)) ? VM_REBOOT_OWED
                                                                               : VM_REBOOT_NONE;
    vm_notify(e);
}

static void vm_start_withdraw(struct operation_entry *op)
{
    struct vm_entry *e = vm_run_find(op);
    if (e)
        vm_reboot_failed(e, op);
}

/* Ends of start and restart; what is still STARTING or STOPPING has failed there. */
static void vm_start_finish(struct operation_entry *op, struct store_txn *txn)
{
    struct vm_entry *e = vm_run_find(op);
    if (e && operation_row(op)->state != OP_SUCCEEDED)
        vm_reboot_failed(e, op);
    if (!e || !operation_has_begun(op))
        return;
    enum vm_state state = e->vm.runtime.state;
    const struct err *why = operation_error(op);
    bool disk_missing = why && strcmp(why->reason, "DISK_MISSING") == 0;
    if (state == VM_RUNNING && operation_row(op)->state == OP_SUCCEEDED && vm_want(op, e))
        vm_save(e, txn); /* nothing was to be done, but to want it */
    if (state != VM_STARTING && state != VM_STOPPING && !disk_missing)
        return; /* as that, or it was not admitted */
    if (operation_row(op)->state == OP_SUCCEEDED)
        vm_set_running(e, txn);
    else if (vm_has_vmm(e))
        vm_set_state(e, VM_UNKNOWN, NULL, why->message, txn);
    else if (operation_row(op)->state == OP_CANCELLED)
        vm_set_state(e, VM_STOPPED, NULL, why->message, txn);
    else
        vm_set_state(e, VM_FAILED, why->stage, why->message, txn);
}

/* vm.create */

static bool vm_create_no_start(struct operation_entry *op)
{
    struct vm_params params;
    vm_run_params(op, &params);
    return !params.start;
}

static void vm_create_record(struct operation_entry *op, struct store_txn *txn)
{
    struct vm_entry *e = vm_run_find(op);
    vm_save(e, txn);
    event_emit(operation_core(op), txn, "vm.created", operation_row(op)->resource, e->vm.id,
               e->vm.name, operation_row(op)->id);
}

static void vm_create_withdraw(struct operation_entry *op)
{
    struct vm_entry *e = vm_run_find(op);
    if (e)
        vm_withdraw(e);
}

static void vm_create_preparing(struct operation_entry *op, struct store_txn *txn)
{
    struct vm_entry *e = vm_run_find(op);
    if (e && e->vm.runtime.state == VM_PENDING)
        vm_set_state(e, VM_PREPARING, NULL, NULL, txn);
}

/* All of it or nothing: a VM whose creation failed has no record. */
static void vm_create_finish(struct operation_entry *op, struct store_txn *txn)
{
    struct vm_entry *e = vm_run_find(op);
    if (!e)
        return;
    if (operation_row(op)->state != OP_SUCCEEDED)
        vm_remove(e, txn);
    else if (e->vm.runtime.state == VM_STARTING)
        vm_set_running(e, txn);
    else
        vm_set_state(e, VM_STOPPED, NULL, NULL, txn);
}

static const struct operation_step vm_create_steps[] = {
    {.name = "disks",
     .percent = 5,
     .journal = vm_create_preparing,
     .run = vm_disks_run,
     .undo = vm_disks_undo},
    {.name = "launch",
     .percent = 20,
     .skip = vm_create_no_start,
     .journal = vm_journal_starting,
     .run = vm_launch_run,
     .undo = vm_launch_undo},
    {.name = "boot", .percent = 30, .skip = vm_create_no_start, .run = vm_boot_run},
};

const struct operation_kind vm_create_kind = {
    .name = "vm.create",
    .steps = vm_create_steps,
    .n_steps = sizeof(vm_create_steps) / sizeof(vm_create_steps[0]),
    .record = vm_create_record,
    .withdraw = vm_create_withdraw,
    .finish = vm_create_finish,
    .abort = vm_run_abort,
    .free_data = vm_run_free,
};

/* vm.start */

static bool vm_start_nothing(struct operation_entry *op)
{
    const struct vm_run *run = operation_data(op);
    return run && run->nothing_to_do;
}

static void vm_start_admit(struct operation_entry *op)
{
    struct vm_run *run = vm_run_get_vm(op);
    if (!run)
        return;
    enum vm_state state = run->vm->vm.runtime.state;
    if (state == VM_RUNNING) {
        run->nothing_to_do = true;
        operation_step_done(op, NULL);
    } else if (state == VM_STOPPED || state == VM_FAILED) {
        vm_disks_run(op);
    } else {
        struct err err = ERR_INIT;
        err_set(&err, ERR_PRECONDITION, "the VM is %s; it can be started when STOPPED or FAILED",
                vm_state_name(state));
        err_tag(&err, "VM_WRONG_STATE", "%s", operation_row(op)->resource);
        operation_step_done(op, &err);
    }
}

static const struct operation_step vm_start_steps[] = {
    {.name = "disks", .percent = 5, .run = vm_start_admit},
    {.name = "launch",
     .percent = 10,
     .skip = vm_start_nothing,
     .journal = vm_journal_starting,
     .run = vm_launch_run,
     .undo = vm_launch_undo},
    {.name = "boot", .percent = 20, .skip = vm_start_nothing, .run = vm_boot_run},
};

const struct operation_kind vm_start_kind = {
    .name = "vm.start",
    .steps = vm_start_steps,
    .n_steps = sizeof(vm_start_steps) / sizeof(vm_start_steps[0]),
    .withdraw = vm_start_withdraw,
    .finish = vm_start_finish,
    .abort = vm_run_abort,
    .free_data = vm_run_free,
};

/* vm.restart */

static void vm_restart_stopping(struct operation_entry *op, struct store_txn *txn)
{
    struct vm_entry *e = vm_run_find(op);
    if (e && e->vm.runtime.state != VM_DELETING)
        vm_set_state(e, VM_STOPPING, NULL, NULL, txn);
}

static void vm_restart_stop(struct operation_entry *op)
{
    struct vm_run *run = vm_run_get_vm(op);
    if (run)
        vm_run_end(run, run->grace_ms, vm_run_step_done);
}

static const struct operation_step vm_restart_steps[] = {
    {.name = "hook", .percent = 5, .skip = vm_step_hook_skip, .run = vm_step_hook_run},
    {.name = "stop", .percent = 10, .journal = vm_restart_stopping, .run = vm_restart_stop},
    {.name = "disks", .percent = 30, .run = vm_disks_run},
    {.name = "launch",
     .percent = 40,
     .journal = vm_journal_starting,
     .run = vm_launch_run,
     .undo = vm_launch_undo},
    {.name = "boot", .percent = 50, .run = vm_boot_run},
};

const struct operation_kind vm_restart_kind = {
    .name = "vm.restart",
    .steps = vm_restart_steps,
    .n_steps = sizeof(vm_restart_steps) / sizeof(vm_restart_steps[0]),
    .finish = vm_start_finish,
    .abort = vm_run_abort,
    .free_data = vm_run_free,
};
