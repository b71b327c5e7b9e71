/* vm.update: the change is made, in memory and in the operation's first transaction, at once;
 * nothing of a VM's is waited for. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "daemon/core/core.h"
#include "daemon/core/access.h"
#include "daemon/core/event.h"
#include "daemon/core/record.h"
#include "daemon/core/scope.h"
#include "daemon/core/vm_ops.h"
#include "daemon/core/vm_run.h"
#include "daemon/core/vm_spec.h"

/* What it was before, for the case that the change cannot be written down. */
struct vm_update {
    struct vm_spec spec;
    struct labels labels;
    char name[NAME_BYTES];
    uint64_t generation;
    bool restart_required;
};

static int vm_update_labels(struct labels *labels, const struct vm_update_request *req,
                            struct err *err)
{
    for (size_t r = 0; r < req->n_remove_labels; r++) {
        for (uint32_t i = 0; i < labels->n; i++) {
            if (strcmp(labels->at[i].key, req->remove_labels[r]) != 0)
                continue;
            memmove(&labels->at[i], &labels->at[i + 1],
                    (labels->n - i - 1) * sizeof(labels->at[0]));
            labels->n--;
            break;
        }
    }
    for (uint32_t s = 0; req->set_labels && s < req->set_labels->n; s++) {
        const struct label *set = &req->set_labels->at[s];
        uint32_t i = 0;
        while (i < labels->n && strcmp(labels->at[i].key, set->key) != 0)
            i++;
        if (i == LABELS_MAX) {
            err_set(err, ERR_INVALID, "a VM can have %d labels", LABELS_MAX);
            return err_tag(err, "INVALID_LABEL", NULL);
        }
        labels->at[i] = *set;
        if (i == labels->n)
            labels->n++;
    }
    return 0;
}

static int vm_update_check(const struct vm_entry *e, const struct vm_update_request *req,
                           struct labels *labels, struct err *err)
{
    if (req->if_generation != 0 && req->if_generation != e->vm.generation) {
        err_set(err, ERR_ABORTED,
                "the VM has changed: its generation is %" PRIu64 ", not %" PRIu64 "; read it again",
                e->vm.generation, req->if_generation);
        return err_tag(err, "GENERATION_MISMATCH", "vm/%s", e->vm.id);
    }
    if (req->name && vm_name_check(req->name, err) < 0)
        return -1;
    if (req->cpus && vm_cpus_check(req->cpus, err) < 0)
        return -1;
    if (req->memory_bytes && vm_memory_check(req->memory_bytes, err) < 0)
        return -1;
    if (req->set_labels && vm_labels_check(req->set_labels, err) < 0)
        return -1;
    *labels = e->vm.labels;
    return vm_update_labels(labels, req, err);
}

static void vm_update_apply(struct vm_entry *e, const struct vm_update_request *req,
                            const struct labels *labels)
{
    struct vm_spec *spec = &e->vm.spec;
    vm_edit(e);
    uint32_t cpus = req->cpus ? req->cpus : spec->cpus;
    uint64_t memory_bytes = req->memory_bytes ? req->memory_bytes : spec->memory_bytes;
    bool machine_changes = cpus != spec->cpus || memory_bytes != spec->memory_bytes;
    spec->cpus = cpus;
    spec->memory_bytes = memory_bytes;
    e->vm.labels = *labels;
    e->vm.generation++;
    if (machine_changes && e->machine_live) {
        e->restart_required = true;
        e->restart_changed_ns = clock_real_ns();
    }
    vm_notify(e);
}

static void vm_update_record(struct operation_entry *op, struct store_txn *txn)
{
    struct vm_entry *e = vm_run_find(op);
    if (!e)
        return;
    vm_save(e, txn);
    event_emit(op->core, txn, "vm.updated", op->op.resource, e->vm.name, op->op.id);
}

static void vm_update_withdraw(struct operation_entry *op)
{
    const struct vm_update *old = op->data;
    struct vm_entry *e = vm_run_find(op);
    if (!e)
        return;
    vm_rename(e, old->name, NULL);
    access_labels_changed(op->core, &e->vm.labels, &old->labels);
    e->vm.spec = old->spec;
    e->vm.labels = old->labels;
    e->vm.generation = old->generation;
    e->restart_required = old->restart_required;
    vm_notify(e);
}

static void vm_update_run(struct operation_entry *op)
{
    const struct vm_entry *e = vm_run_find(op);
    if (e)
        record_keep_vm(op->core, &e->vm);
    operation_step_done(op, NULL);
}

static void vm_update_undo(struct operation_entry *op)
{
    const struct vm_update *old = op->data;
    struct vm_entry *e = vm_run_find(op);
    struct err err = ERR_INIT;
    if (!old || !e || vm_rename(e, old->name, &err) < 0) {
        operation_step_done(op, err.code ? &err : NULL);
        return;
    }
    access_labels_changed(op->core, &e->vm.labels, &old->labels);
    vm_edit(e);
    e->vm.spec = old->spec;
    e->vm.labels = old->labels;
    e->vm.generation = old->generation;
    e->restart_required = old->restart_required;
    vm_save(e, NULL);
    vm_notify(e);
    operation_step_done(op, NULL);
}

static const struct operation_step vm_update_steps[] = {
    {.name = "apply", .percent = 50, .run = vm_update_run, .undo = vm_update_undo},
};

const struct operation_kind vm_update_kind = {
    .name = "vm.update",
    .steps = vm_update_steps,
    .n_steps = 1,
    .unqueued = true,
    .record = vm_update_record,
    .withdraw = vm_update_withdraw,
    .free_data = free,
};

struct operation_entry *vm_update_start(struct core *core, const struct vm_update_request *req,
                                        const struct request_meta *meta, struct err *err)
{
    struct operation_entry *found;
    if (operation_find_request(core, meta, vm_update_kind.name, &found, err) < 0 || found)
        return found;
    const struct labels *scope = meta ? meta->scope : NULL;
    struct vm_entry *e = vm_find_within(core, scope, req->vm, err);
    struct labels labels;
    if (!e || vm_update_check(e, req, &labels, err) < 0 ||
        scope_check_labels(scope, &labels, err) < 0 ||
        (req->name && strcmp(req->name, e->vm.name) != 0 &&
         vm_name_check_free(core, scope, req->name, err) < 0))
        return NULL;
    struct vm_update *old = malloc(sizeof(*old));
    if (!old) {
        err_set(err, ERR_LIMIT, "out of memory for an operation");
        return NULL;
    }
    *old = (struct vm_update){.spec = e->vm.spec,
                              .labels = e->vm.labels,
                              .generation = e->vm.generation,
                              .restart_required = e->restart_required};
    snprintf(old->name, sizeof(old->name), "%s", e->vm.name);
    if (req->name && vm_rename(e, req->name, err) < 0) {
        free(old);
        return NULL;
    }
    vm_update_apply(e, req, &labels);
    struct vm_update keep = *old;
    char resource[96];
    vm_resource(e, resource);
    struct operation_new what = {
        .kind = &vm_update_kind, .resource = resource, .meta = meta, .data = old};
    struct operation_entry *op = operation_start(core, &what, err);
    if (!op) {
        e->vm.spec = keep.spec;
        e->vm.labels = keep.labels;
        e->vm.generation = keep.generation;
        e->restart_required = keep.restart_required;
        vm_rename(e, keep.name, NULL);
        return NULL;
    }
    access_labels_changed(core, &keep.labels, &labels);
    return op;
}
