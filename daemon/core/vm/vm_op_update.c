/* vm.update: waits for its turn among the VM's operations, and is checked then against the VM as it
 * is then; the change becomes true with the operation's last row.
 *
 * What is asked for outlives the daemon: it is in the operation's params, the labels in a row of
 * their own, which goes with the operation. */
#include <inttypes.h>
#include <jansson.h>
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
#include "daemon/core/vm/vm_hook.h"
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
    char old_name[NAME_BYTES]; /* to go back to; "": it was not renamed */
};

/* What params hold. */
struct vm_change {
    uint64_t if_generation;
    char name[NAME_BYTES]; /* "": as it is */
    uint32_t cpus;
    uint64_t memory_bytes;
    int64_t expire_after_ms, idle_stop_after_ms; /* -1: as it is */
    enum restart_policy restart;
    int autostart;                                          /* -1: as it is */
    int64_t memory_max_bytes, cpu_quota_percent, tasks_max; /* the same */
    bool host_key_given;
    char host_key[SSH_HOST_KEY_BYTES];
    struct vm_publish_change publish;
    bool stop_hook_given;
    struct vm_hook stop_hook; /* of what was read: owned */
};

static void vm_change_done(struct vm_change *c)
{
    free(c->stop_hook.argv.data);
}

/* To be freed. */
static char *vm_change_write(const struct vm_change *c, struct err *err)
{
    json_t *hook = c->stop_hook_given ? vm_hook_write(&c->stop_hook) : NULL;
    bool fits = hook || !c->stop_hook_given;
    json_t *o =
        json_pack("{s:I, s:s, s:I, s:I, s:I, s:I, s:i, s:i, s:I, s:I, s:I, s:s*, s:o*, s:o*}",
                  "if_generation", (json_int_t)c->if_generation, "name", c->name, "cpus",
                  (json_int_t)c->cpus, "memory_bytes", (json_int_t)c->memory_bytes,
                  "expire_after_ms", (json_int_t)c->expire_after_ms, "idle_stop_after_ms",
                  (json_int_t)c->idle_stop_after_ms, "restart", (int)c->restart, "autostart",
                  c->autostart, "memory_max_bytes", (json_int_t)c->memory_max_bytes,
                  "cpu_quota_percent", (json_int_t)c->cpu_quota_percent, "tasks_max",
                  (json_int_t)c->tasks_max, "ssh_host_key", c->host_key_given ? c->host_key : NULL,
                  "stop_hook", hook, "publish", vm_publish_change_pack(&c->publish));
    char *params = o && fits ? json_dumps(o, JSON_COMPACT) : NULL;
    json_decref(o);
    if (!params)
        err_set(err, ERR_LIMIT, "out of memory for an operation");
    return params;
}

static uint64_t vm_change_number(const json_t *o, const char *key)
{
    return (uint64_t)json_integer_value(json_object_get(o, key));
}

/* Where 0 says something, -1 says nothing. */
static int64_t vm_change_option(const json_t *o, const char *key)
{
    const json_t *value = json_object_get(o, key);
    return json_is_integer(value) ? json_integer_value(value) : -1;
}

/* To be done with. Without memory the daemon does not go on: only half of it would be done. */
static void vm_change_read(const struct operation_entry *op, struct vm_change *c)
{
    json_t *o = json_loads(text_get(operation_row(op)->params), 0, NULL);
    const char *name = json_string_value(json_object_get(o, "name"));
    const char *host_key = json_string_value(json_object_get(o, "ssh_host_key"));
    const json_t *hook = json_object_get(o, "stop_hook");
    *c = (struct vm_change){.if_generation = vm_change_number(o, "if_generation"),
                            .cpus = (uint32_t)vm_change_number(o, "cpus"),
                            .memory_bytes = vm_change_number(o, "memory_bytes"),
                            .expire_after_ms = vm_change_option(o, "expire_after_ms"),
                            .idle_stop_after_ms = vm_change_option(o, "idle_stop_after_ms"),
                            .restart = (enum restart_policy)vm_change_number(o, "restart"),
                            .autostart = (int)vm_change_option(o, "autostart"),
                            .memory_max_bytes = vm_change_option(o, "memory_max_bytes"),
                            .cpu_quota_percent = vm_change_option(o, "cpu_quota_percent"),
                            .tasks_max = vm_change_option(o, "tasks_max")};
    snprintf(c->name, sizeof(c->name), "%s", name ? name : "");
    c->host_key_given = host_key != NULL;
    snprintf(c->host_key, sizeof(c->host_key), "%s", host_key ? host_key : "");
    c->stop_hook_given = hook != NULL;
    if (hook && vm_hook_read(hook, &c->stop_hook) < 0)
        abort();
    vm_publish_change_read(&c->publish, json_object_get(o, "publish"));
    json_decref(o);
}

static void vm_change_policies(const struct vm_change *c, struct vm_spec *spec)
{
    if (c->expire_after_ms >= 0)
        spec->expire_after_ms = (uint64_t)c->expire_after_ms;
    if (c->idle_stop_after_ms >= 0)
        spec->idle_stop_after_ms = (uint64_t)c->idle_stop_after_ms;
    if (c->restart)
        spec->restart = c->restart;
    if (c->autostart >= 0)
        spec->autostart = c->autostart;
}

/* What its machine is made with; true: something of that is another now. */
static bool vm_change_machine(const struct vm_change *c, struct vm_spec *spec)
{
    const struct vm_spec was = *spec;
    if (c->cpus)
        spec->cpus = c->cpus;
    if (c->memory_bytes)
        spec->memory_bytes = c->memory_bytes;
    if (c->memory_max_bytes >= 0)
        spec->limits.memory_max_bytes = (uint64_t)c->memory_max_bytes;
    if (c->cpu_quota_percent >= 0)
        spec->limits.cpu_quota_percent = (uint32_t)c->cpu_quota_percent;
    if (c->tasks_max >= 0)
        spec->limits.tasks_max = (uint32_t)c->tasks_max;
    return spec->cpus != was.cpus || spec->memory_bytes != was.memory_bytes ||
           spec->limits.memory_max_bytes != was.limits.memory_max_bytes ||
           spec->limits.cpu_quota_percent != was.limits.cpu_quota_percent ||
           spec->limits.tasks_max != was.limits.tasks_max;
}

/* Checks: of the request by itself, and against the VM */

static int vm_change_check(const struct vm_change *c, const struct labels *set, struct err *err)
{
    if (c->name[0] && vm_name_check(c->name, err) < 0)
        return -1;
    if (c->cpus && vm_cpus_check(c->cpus, err) < 0)
        return -1;
    if (c->memory_bytes && vm_memory_check(c->memory_bytes, err) < 0)
        return -1;
    return labels_check(set, err);
}

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

/* The new name is taken here, so that nobody else does before the end is on disk. */
static void vm_update_admit(struct operation_entry *op)
{
    struct vm_entry *e = vm_run_find(op);
    struct vm_update *u = vm_update_get(op);
    struct err err = ERR_INIT;
    struct vm_change c;
    char old_name[NAME_BYTES];
    vm_change_read(op, &c);
    if (!u) {
        err_set(&err, ERR_LIMIT, "out of memory for an operation");
    } else if (!e) {
        err_set(&err, ERR_NOT_FOUND, "the VM is gone");
        err_tag(&err, "VM_NOT_FOUND", "%s", operation_row(op)->resource);
    } else if (vm_update_check(e, &c, &u->labels, &err) == 0 && c.name[0]) {
        snprintf(old_name, sizeof(old_name), "%s", e->vm.name);
        if (vm_rename(e, c.name, &err) == 0)
            snprintf(u->old_name, sizeof(u->old_name), "%s", old_name);
    }
    vm_change_done(&c);
    operation_step_done(op, err.code ? &err : NULL);
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
};

const struct operation_kind vm_update_kind = {
    .name = "vm.update",
    .steps = vm_update_steps,
    .n_steps = 1,
    .no_cancel = true,
    .record = vm_update_record,
    .finish = vm_update_finish,
    .free_data = free,
};

/* Start */

/* Beyond any bound it is refused by those. */
static int64_t vm_change_of(const uint64_t *value)
{
    return !value ? -1 : *value > INT64_MAX ? INT64_MAX : (int64_t)*value;
}

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
    struct vm_change c = {.if_generation = req->if_generation,
                          .cpus = req->cpus,
                          .memory_bytes = req->memory_bytes,
                          .expire_after_ms = vm_change_of(req->expire_after_ms),
                          .idle_stop_after_ms = vm_change_of(req->idle_stop_after_ms),
                          .restart = req->restart,
                          .autostart = req->autostart ? *req->autostart : -1,
                          .memory_max_bytes = vm_change_of(req->memory_max_bytes),
                          .cpu_quota_percent =
                              req->cpu_quota_percent ? (int64_t)*req->cpu_quota_percent : -1,
                          .tasks_max = req->tasks_max ? (int64_t)*req->tasks_max : -1};
    snprintf(c.name, sizeof(c.name), "%s", req->name ? req->name : "");
    c.host_key_given = req->ssh_host_key != NULL;
    snprintf(c.host_key, sizeof(c.host_key), "%s", req->ssh_host_key ? req->ssh_host_key : "");
    if (req->publish) {
        c.publish.given = true;
        c.publish.n = vm_publish_read(req->publish, c.publish.list);
    }
    if (req->stop_hook) {
        c.stop_hook_given = true;
        c.stop_hook = *req->stop_hook;
    }
    auto_free char *params = NULL;
    char resource[96];
    vm_resource(e, resource);
    /* What only its turn can tell is told at once where its turn is now. */
    bool waits = operation_pending(core, resource, NULL);
    if ((req->name && vm_name_check(req->name, err) < 0) ||
        (req->ssh_host_key && vm_ssh_host_key_check(req->ssh_host_key, err) < 0) ||
        (req->stop_hook && vm_hook_check(&c.stop_hook, err) < 0) ||
        vm_update_fill(u, req, scope, err) < 0 || vm_change_check(&c, &u->labels.set, err) < 0 ||
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
