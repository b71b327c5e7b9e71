/* vm.delete, and vm.prune, which is many of them. */
#include <stdio.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/log.h"
#include "daemon/core/core.h"
#include "daemon/core/vm/vm_machine.h"
#include "daemon/core/vm/vm_ops.h"
#include "daemon/core/vm/vm_run.h"
#include "daemon/core/vm/vm_spec.h"
#include "daemon/core/vm/vm_internal.h"
#include "daemon/vmm/vmm.h"

/* vm.delete: there is no way back, so nothing is undone; what failed can be asked for again. */

static void vm_delete_deleting(struct operation_entry *op, struct store_txn *txn)
{
    struct vm_entry *e = vm_run_find(op);
    if (!e)
        return;
    vm_edit(e);
    e->vm.wanted = VM_WANTED_STOPPED;
    e->reboot = VM_REBOOT_NONE;
    vm_set_state(e, VM_DELETING, NULL, NULL, txn);
}

static void vm_delete_end(struct operation_entry *op)
{
    struct vm_run *run = vm_run_get_vm(op);
    if (run)
        vm_run_end(run, run->force ? 0 : run->grace_ms, vm_run_step_done);
}

static void vm_delete_discard(struct operation_entry *op)
{
    struct vm_run *run = vm_run_get_vm(op);
    if (run)
        vm_run_call(run, vmm_discard, vm_run_step_done);
}

static void vm_delete_remove(struct operation_entry *op)
{
    struct vm_run *run = vm_run_get_vm(op);
    if (run)
        vm_run_remove_objects(run, vm_run_step_done);
}

static void vm_delete_finish(struct operation_entry *op, struct store_txn *txn)
{
    struct vm_entry *e = vm_run_find(op);
    if (!e)
        return;
    if (operation_row(op)->state == OP_SUCCEEDED)
        vm_remove(e, txn);
    else if (operation_has_begun(op) && e->vm.runtime.state == VM_DELETING)
        vm_set_state(e, VM_FAILED, operation_error(op)->stage, operation_error(op)->message, txn);
}

enum { DELETE_HOOK, DELETE_STOP };

/* What waits for the guest to end is hurried; the rest is on its way anyhow. */
static void vm_delete_abort(struct operation_entry *op)
{
    if (operation_row(op)->step <= DELETE_STOP)
        vm_run_abort(op);
}

static const struct operation_step vm_delete_steps[] = {
    [DELETE_HOOK] = {.name = "hook",
                     .percent = 5,
                     .skip = vm_step_hook_skip,
                     .journal = vm_step_hook_journal,
                     .run = vm_step_hook_run},
    [DELETE_STOP] = {.name = "stop",
                     .percent = 10,
                     .journal = vm_delete_deleting,
                     .run = vm_delete_end},
    {.name = "discard", .percent = 60, .run = vm_delete_discard},
    {.name = "remove", .percent = 80, .run = vm_delete_remove},
};

const struct operation_kind vm_delete_kind = {
    .name = "vm.delete",
    .steps = vm_delete_steps,
    .n_steps = sizeof(vm_delete_steps) / sizeof(vm_delete_steps[0]),
    .no_cancel = true,
    .finish = vm_delete_finish,
    .abort = vm_delete_abort,
    .free_data = vm_run_free,
};

/* vm.prune */

struct vm_prune {
    struct operation_entry *op;
    struct labels selector, scope;
    bool dry_run;
    size_t deleted, failed;
    struct operation_watch watch;
    int64_t until_ns; /* VMs created later are not meant */
};

struct vm_entry *vm_prune_next(struct core *core, const struct labels *selector,
                               const struct vm_entry *after)
{
    for (struct vm_entry *e = vm_next(core, after); e; e = vm_next(core, e)) {
        enum vm_state state = e->vm.runtime.state;
        if ((state == VM_STOPPED || state == VM_FAILED) &&
            (!selector || label_list_have(&e->vm.labels, selector)))
            return e;
    }
    return NULL;
}

static void vm_prune_on(struct vm_prune *p);
static void vm_prune_end(struct vm_prune *p, const struct err *why);

static void vm_prune_changed(void *arg, struct operation_entry *deletion)
{
    struct vm_prune *p = arg;
    if (!operation_is_over(deletion))
        return;
    if (!operation_is_recorded(deletion)) { /* the store refuses: so it would all the others */
        struct err err = *operation_error(deletion);
        operation_unwatch(&p->watch);
        vm_prune_end(p, &err);
        return;
    }
    if (operation_row(deletion)->state == OP_SUCCEEDED)
        p->deleted++;
    else
        p->failed++;
    operation_unwatch(&p->watch);
    vm_prune_on(p);
}

static void vm_prune_end(struct vm_prune *p, const struct err *why)
{
    char text[128];
    snprintf(text, sizeof(text), "%zu VMs %s%s", p->deleted,
             p->dry_run ? "would be deleted" : "deleted", p->failed ? ", some could not be" : "");
    operation_progress(p->op, 99, text);
    operation_step_done(p->op, why);
}

/* The next that was there from the start and has not been tried. One that could not be deleted
 * FAILED later than until_ns, by its stopped_ns. */
static void vm_prune_on(struct vm_prune *p)
{
    struct core *core = operation_core(p->op);
    struct err err = ERR_INIT;
    for (struct vm_entry *e = NULL; (e = vm_prune_next(core, &p->selector, e));) {
        if (e->vm.created_ns > p->until_ns || e->vm.stopped_ns > p->until_ns ||
            !label_list_have(&e->vm.labels, &p->scope))
            continue;
        if (p->dry_run) {
            p->deleted++;
            continue;
        }
        if (operation_row(p->op)->cancel_asked)
            break;
        struct operation_entry *deletion =
            vm_ask_delete(core, &(struct vm_delete_request){.vm = e->vm.id}, NULL, &err);
        if (!deletion) {
            vm_prune_end(p, &err);
            return;
        }
        operation_watch(deletion, &p->watch, vm_prune_changed, p);
        return;
    }
    vm_prune_end(p, NULL);
}

static void vm_prune_run(struct operation_entry *op)
{
    vm_prune_on(operation_data(op));
}

static void vm_prune_free(void *data)
{
    struct vm_prune *p = data;
    operation_unwatch(&p->watch);
    free(p);
}

static const struct operation_step vm_prune_steps[] = {
    {.name = "delete", .percent = 5, .run = vm_prune_run},
};

/* What it selects lives in memory only: after a crash it ends, and the deletions go on by
 * themselves. */
const struct operation_kind vm_prune_kind = {
    .name = "vm.prune",
    .steps = vm_prune_steps,
    .n_steps = 1,
    .after_crash = OPERATION_GO_BACK,
    .unqueued = true,
    .free_data = vm_prune_free,
};

struct operation_entry *vm_ask_prune(struct core *core, const struct vm_prune_request *req,
                                     const struct request_meta *meta, struct err *err)
{
    struct operation_entry *found;
    if (operation_find_request(core, meta, vm_prune_kind.name, &found, err) < 0 || found)
        return found;
    struct vm_prune *p = calloc(1, sizeof(*p));
    if (!p) {
        err_set(err, ERR_LIMIT, "out of memory for an operation");
        return NULL;
    }
    if (req->selector)
        p->selector = *req->selector;
    if (req->scope)
        p->scope = *req->scope;
    p->dry_run = req->dry_run;
    struct operation_new what = {
        .kind = &vm_prune_kind, .resource = "vms", .meta = meta, .data = p};
    struct operation_entry *op = operation_start(core, &what, err);
    if (op) {
        p->op = op;
        p->until_ns = operation_row(op)->created_ns;
    }
    return op;
}
