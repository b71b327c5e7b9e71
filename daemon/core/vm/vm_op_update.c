/* vm.update: waits for its turn among the VM's operations, and is checked then against the VM as it
 * is then; the change becomes true with the operation's last row.
 *
 * What is asked for outlives the daemon: it is in the operation's params, the labels in a row of
 * their own, which goes with the operation. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "daemon/core/access/access.h"
#include "daemon/core/core.h"
#include "daemon/core/event/event.h"
#include "daemon/core/record.h"
#include "daemon/core/access/scope.h"
#include "daemon/core/vm/vm_change.h"
#include "daemon/core/vm/vm_egress.h"
#include "daemon/core/vm/vm_hook.h"
#include "daemon/core/vm/vm_objects.h"
#include "daemon/core/vm/vm_op_publish.h"
#include "daemon/core/vm/vm_ops.h"
#include "daemon/core/vm/vm_run.h"
#include "daemon/core/vm/vm_spec.h"
#include "daemon/core/vm/vm_ssh.h"
#include "daemon/core/vm/vm_internal.h"
#include "daemon/store/store.h"

/* operation_data(op). */
struct vm_update {
    struct vm_update_labels labels;
    bool taken;                /* by this daemon */
    char old_name[NAME_BYTES]; /* to go back to; "": it was not renamed */
};

/* Checks: of the request by itself, and against the VM */

static int vm_update_labels(struct labels *labels, const struct vm_update_labels *change,
                            struct err *err)
{
    for (uint32_t r = 0; r < change->remove.n; r++) {
        for (uint32_t i = 0; i < labels->n; i++) {
            if (strcmp(labels->at[i].key, change->remove.at[r].key) != 0)
                continue;
            memmove(&labels->at[i], &labels->at[i + 1],
                    (labels->n - i - 1) * sizeof(labels->at[0]));
            labels->n--;
            break;
        }
    }
    for (uint32_t s = 0; s < change->set.n; s++) {
        const struct label *set = &change->set.at[s];
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

/* What of it holds for whoever asks, whatever else is on its way. */
static int vm_update_check_scope(const struct vm_entry *e, const struct vm_update_labels *labels,
                                 struct err *err)
{
    const struct labels *scope = labels->scope.n ? &labels->scope : NULL;
    struct labels after;
    label_list_get(&e->vm.labels, &after);
    if (!scope_has_vm(scope, &e->vm)) {
        err_set(err, ERR_NOT_FOUND, "no VM %s", e->vm.id);
        return err_tag(err, "VM_NOT_FOUND", "vm/%s", e->vm.id);
    }
    return vm_update_labels(&after, labels, NULL) < 0 ? 0 : scope_check_labels(scope, &after, err);
}

static int vm_update_check(struct vm_entry *e, const struct vm_change *c,
                           const struct vm_update_labels *labels, struct err *err)
{
    struct labels after;
    label_list_get(&e->vm.labels, &after);
    if (vm_update_check_scope(e, labels, err) < 0)
        return -1;
    if (c->if_generation != 0 && c->if_generation != e->vm.generation) {
        err_set(err, ERR_ABORTED,
                "the VM has changed: its generation is %" PRIu64 ", not %" PRIu64 "; read it again",
                e->vm.generation, c->if_generation);
        return err_tag(err, "GENERATION_MISMATCH", "vm/%s", e->vm.id);
    }
    struct vm_spec spec = e->vm.spec;
    vm_change_policies(c, &spec);
    if (vm_update_labels(&after, labels, err) < 0 || vm_policies_check(&spec, err) < 0 ||
        (vm_change_machine(c, &spec) && vm_limits_check(&spec, err) < 0) ||
        (c->egress && vm_egress_check_host(e->core, &spec, c->egress, err) < 0) ||
        vm_publish_change_check(&c->publish, e, err) < 0)
        return -1;
    if (c->host_key_given && !vm_is_over_ssh(&spec)) {
        err_set(err, ERR_INVALID, "VM %s is not reached over SSH: it has no host key", e->vm.name);
        return err_tag(err, "INVALID_SPEC", NULL);
    }
    const struct labels *scope = labels->scope.n ? &labels->scope : NULL;
    if (c->name[0] && strcmp(c->name, e->vm.name) != 0)
        return vm_name_check_free(e->core, scope, c->name, err);
    return 0;
}

/* Steps */

static struct vm_update *vm_update_get(struct operation_entry *op)
{
    if (!operation_data(op))
        operation_set_data(op, calloc(1, sizeof(struct vm_update)));
    return operation_data(op);
}

static void vm_update_record(struct operation_entry *op, struct store_txn *txn)
{
    struct vm_update *u = operation_data(op);
    const struct vm_update_labels *l = &u->labels;
    snprintf(u->labels.operation_id, sizeof(u->labels.operation_id), "%s", operation_row(op)->id);
    if (l->set.n || l->remove.n || l->scope.n)
        store_put_vm_update(txn, l);
}

/* Whether it may be. The new name is taken here, so that nobody else does before the end is on
 * disk; by each daemon that takes the operation up, in whatever step. */
static int vm_update_take(struct operation_entry *op, struct err *err)
{
    struct vm_entry *e = vm_run_find(op);
    struct vm_update *u = vm_update_get(op);
    struct vm_change c;
    char old_name[NAME_BYTES];
    int rc = -1;
    if (!u)
        return err_set(err, ERR_LIMIT, "out of memory for an operation");
    if (u->taken)
        return 0;
    if (!e) {
        err_set(err, ERR_NOT_FOUND, "the VM is gone");
        return err_tag(err, "VM_NOT_FOUND", "%s", operation_row(op)->resource);
    }
    vm_change_read(op, &c);
    snprintf(old_name, sizeof(old_name), "%s", e->vm.name);
    if (vm_update_check(e, &c, &u->labels, err) == 0)
        rc = c.name[0] ? vm_rename(e, c.name, err) : 0;
    if (rc == 0 && c.name[0])
        snprintf(u->old_name, sizeof(u->old_name), "%s", old_name);
    u->taken = rc == 0;
    vm_change_done(&c);
    return rc;
}

static void vm_update_admit(struct operation_entry *op)
{
    struct err err = ERR_INIT;
    operation_step_done(op, vm_update_take(op, &err) < 0 ? &err : NULL);
}

/* Its name may have got to the disk with a change of another kind. */
static void vm_update_undo(struct operation_entry *op)
{
    struct vm_entry *e = vm_run_find(op);
    const struct vm_update *u = operation_data(op);
    struct err err = ERR_INIT;
    if (e && u && u->old_name[0] && vm_rename(e, u->old_name, &err) == 0)
        vm_save(e, NULL);
    operation_step_done(op, err.code ? &err : NULL);
}

/* What the guest behind a tap may reach is another at once, in one transaction; before it is on
 * disk, so that nobody is told of rules that do not hold. */

/* Its VM, if that has rules and they are to change: it may have gone between the steps. */
static struct vm_entry *vm_update_ruled_vm(struct operation_entry *op, struct vm_change *c)
{
    struct vm_entry *e = vm_run_find(op);
    vm_change_read(op, c);
    return e && e->vm.spec.net == NET_TAP && c->egress ? e : NULL;
}

static void vm_update_ruled(void *arg, const struct err *err)
{
    struct operation_entry *op = arg;
    struct vm_entry *e = operation_core(op)->operations ? vm_run_find(op) : NULL;
    if (e) {
        e->rules_made++;
        vm_notify(e);
    }
    if (operation_core(op)->operations) /* else the next daemon does it again */
        operation_step_done(op, err);
    operation_unref(op);
}

static void vm_update_rule(struct operation_entry *op, const struct vm *vm)
{
    struct core *core = operation_core(op);
    struct vm_objects o;
    struct err err = ERR_INIT;
    if (vm_objects_of_rules(core, vm, &o, &err) < 0 ||
        !vm_objects_make(core, &o, true, vm_update_ruled, op, &err))
        operation_step_done(op, &err);
    else
        operation_ref(op);
}

static void vm_update_rules(struct operation_entry *op)
{
    struct vm_change c;
    struct err err = ERR_INIT;
    if (vm_update_take(op, &err) < 0) {
        operation_step_done(op, &err);
        return;
    }
    struct vm_entry *e = vm_update_ruled_vm(op, &c);
    if (!e) {
        vm_change_done(&c);
        operation_step_done(op, NULL);
        return;
    }
    struct vm after = e->vm; /* all but its list is borrowed */
    after.spec.egress.allow = (struct blob){0};
    int rc = vm_egress_set(&after.spec.egress, c.egress, &c.allow, &err);
    vm_change_done(&c);
    if (rc < 0)
        operation_step_done(op, &err);
    else
        vm_update_rule(op, &after);
    free(after.spec.egress.allow.data);
}

static void vm_update_rules_undo(struct operation_entry *op)
{
    struct vm_change c;
    struct vm_entry *e = vm_update_ruled_vm(op, &c);
    vm_change_done(&c);
    if (e)
        vm_update_rule(op, &e->vm);
    else
        operation_step_done(op, NULL);
}

/* Who must not see it any more is cut off once its labels are on disk. */
struct vm_relabel {
    struct core *core;
    struct labels before, after;
};

/* For so little the daemon does not go on without memory: someone would look on. */
static struct vm_relabel *vm_update_relabel(struct vm_entry *e,
                                            const struct vm_update_labels *change)
{
    struct vm_relabel *r = malloc(sizeof(*r));
    if (!r)
        abort();
    r->core = e->core;
    label_list_get(&e->vm.labels, &r->before);
    label_list_get(&e->vm.labels, &r->after);
    vm_update_labels(&r->after, change, NULL); /* it was tried in the step */
    if (label_list_set(&e->vm.labels, &r->after) < 0)
        abort();
    return r;
}

static void vm_update_apply(struct vm_entry *e, struct vm_change *c)
{
    struct vm_spec *spec = &e->vm.spec;
    bool machine_changes = vm_change_machine(c, spec);
    int egress_changes = vm_change_egress(c, spec, NULL);
    if (egress_changes < 0) /* as above: a guest would connect to where it must not any more */
        abort();
    machine_changes |= egress_changes && spec->net == NET_USER;
    vm_change_policies(c, spec);
    if (c->host_key_given) {
        memcpy(e->vm.ssh_host_key, c->host_key, SSH_HOST_KEY_BYTES);
        vm_ssh_trusted(e);
    }
    if (c->stop_hook_given) {
        const struct vm_hook was = spec->stop_hook;
        spec->stop_hook = c->stop_hook;
        c->stop_hook = was;
    }
    if (vm_publish_change_apply(&c->publish, e) < 0)
        abort(); /* as for labels */
    if (c->expire_after_ms >= 0)
        vm_spec_set_expiry(&e->vm, clock_real_ns());
    e->vm.generation++;
    if (machine_changes && vm_has_vmm(e)) {
        e->restart_required = true;
        e->restart_changed_ns = clock_real_ns();
    }
}

static void vm_update_relabeled(void *arg, const struct err *err)
{
    struct vm_relabel *r = arg;
    if (!err && r->core->operations) /* else the daemon has closed */
        access_labels_changed(r->core, &r->before, &r->after);
    free(r);
}

static void vm_update_finish(struct operation_entry *op, struct store_txn *txn)
{
    struct vm_entry *e = vm_run_find(op);
    const struct vm_update *u = operation_data(op);
    store_delete_vm_update(txn, operation_row(op)->id);
    if (operation_row(op)->state != OP_SUCCEEDED || !e || !u)
        return;
    struct vm_change c;
    vm_change_read(op, &c);
    vm_edit(e);
    struct vm_relabel *r = vm_update_relabel(e, &u->labels);
    vm_update_apply(e, &c);
    vm_change_done(&c);
    vm_save(e, txn);
    record_keep_vm_with(operation_core(op), &e->vm, txn);
    event_emit(operation_core(op), txn, "vm.updated", operation_row(op)->resource, e->vm.id,
               e->vm.name, operation_row(op)->id);
    store_on_commit(txn, vm_update_relabeled, r);
    vm_notify(e);
}

static const struct operation_step vm_update_steps[] = {
    {.name = "apply", .percent = 50, .run = vm_update_admit, .undo = vm_update_undo},
    {.name = "rules", .percent = 75, .run = vm_update_rules, .undo = vm_update_rules_undo},
};

const struct operation_kind vm_update_kind = {
    .name = "vm.update",
    .steps = vm_update_steps,
    .n_steps = 2,
    .no_cancel = true,
    .record = vm_update_record,
    .finish = vm_update_finish,
    .free_data = free,
};

/* Start */

static int vm_update_fill(struct vm_update *u, const struct vm_update_request *req,
                          const struct labels *scope, struct err *err)
{
    if (req->set_labels)
        u->labels.set = *req->set_labels;
    if (scope)
        u->labels.scope = *scope;
    for (size_t i = 0; i < req->n_remove_labels; i++) {
        const char *key = req->remove_labels[i];
        struct labels *remove = &u->labels.remove;
        if (remove->n == LABELS_MAX || strlen(key) >= LABEL_KEY_BYTES) {
            err_set(err, ERR_INVALID, "no VM has a label \"%.80s\"%s", key,
                    remove->n == LABELS_MAX ? ", or so many" : "");
            return err_tag(err, "INVALID_LABEL", NULL);
        }
        snprintf(remove->at[remove->n++].key, LABEL_KEY_BYTES, "%s", key);
    }
    return 0;
}

struct operation_entry *vm_ask_update(struct core *core, const struct vm_update_request *req,
                                      const struct request_meta *meta, struct err *err)
{
    struct operation_entry *found;
    if (operation_find_request(core, meta, vm_update_kind.name, &found, err) < 0 || found)
        return found;
    const struct labels *scope = meta ? meta->scope : NULL;
    struct vm_entry *e = vm_find_within(core, scope, req->vm, err);
    struct vm_update *u = e ? calloc(1, sizeof(*u)) : NULL;
    if (!u) {
        if (e)
            err_set(err, ERR_LIMIT, "out of memory for an operation");
        return NULL;
    }
    struct vm_change c;
    char resource[96];
    vm_resource(e, resource);
    /* What only its turn can tell is told at once where its turn is now. */
    bool waits = operation_pending(core, resource, NULL);
    auto_free char *params = NULL;
    if (vm_change_fill(&c, req, err) < 0 || vm_update_fill(u, req, scope, err) < 0 ||
        labels_check(&u->labels.set, err) < 0 ||
        (waits ? vm_update_check_scope(e, &u->labels, err)
               : vm_update_check(e, &c, &u->labels, err)) < 0 ||
        !(params = vm_change_write(&c, err))) {
        free(u);
        return NULL;
    }
    struct operation_new what = {
        .kind = &vm_update_kind, .resource = resource, .params = params, .meta = meta, .data = u};
    return operation_start(core, &what, err);
}

/* Start of the daemon */

struct vm_updates_load {
    struct core *core;
    struct store_txn *txn; /* takes away what no operation waits for */
};

static int vm_updates_load_each(void *arg, const struct vm_update_labels *labels)
{
    struct vm_updates_load *load = arg;
    struct operation_entry *op = operation_find(load->core, labels->operation_id, NULL);
    if (!op || operation_is_over(op)) {
        store_delete_vm_update(load->txn, labels->operation_id);
        return 0;
    }
    struct vm_update *u = vm_update_get(op);
    if (!u)
        return -1;
    u->labels = *labels;
    return 0;
}

static void vm_updates_tidied(void *arg, const struct err *err)
{
    (void)arg, (void)err; /* the next daemon finds them again */
}

int vm_updates_load(struct core *core, struct err *err)
{
    struct vm_updates_load load = {core, store_txn_new()};
    int rv = store_load_vm_updates(core->store, vm_updates_load_each, &load, err);
    store_commit(core->store, load.txn, vm_updates_tidied, NULL);
    return rv;
}
