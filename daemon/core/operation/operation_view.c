/* Looking at operations: facts, references, order, watchers; see operation.h. */
#include <stdio.h>
#include <string.h>

#include "base/id.h"
#include "daemon/core/core.h"
#include "daemon/core/operation/operation_internal.h"
#include "daemon/core/reference.h"
#include "daemon/core/access/scope.h"

struct core *operation_core(const struct operation_entry *op)
{
    return op->core;
}

const struct operation *operation_row(const struct operation_entry *op)
{
    return &op->op;
}

const struct operation_kind *operation_kind_of(const struct operation_entry *op)
{
    return op->kind;
}

const struct err *operation_error(const struct operation_entry *op)
{
    return op->err && op->err->code != ERR_NONE ? op->err : NULL;
}

bool operation_is_recorded(const struct operation_entry *op)
{
    return op->phase != OPERATION_RECORDING && op->phase != OPERATION_WITHDRAWN;
}

bool operation_is_over(const struct operation_entry *op)
{
    return op->phase == OPERATION_OVER || op->phase == OPERATION_WITHDRAWN;
}

bool operation_is_resumed(const struct operation_entry *op)
{
    return op->resumed;
}

bool operation_has_begun(const struct operation_entry *op)
{
    return op->course != OPERATION_NOT_BEGUN;
}

void *operation_data(const struct operation_entry *op)
{
    return op->data;
}

void operation_set_data(struct operation_entry *op, void *data)
{
    op->data = data;
}

void operation_let_stop(struct operation_entry *op, void (*stop)(struct operation_entry *op))
{
    op->cancel_step = stop;
}

void operation_set_result(struct operation_entry *op, const char *type, const char *id)
{
    snprintf(op->op.result, sizeof(op->op.result), "%s/%s", type, id);
}

const char *operation_vm_id(const struct operation_entry *op)
{
    return strncmp(op->op.resource, "vm/", 3) == 0 ? op->op.resource + 3 : "";
}

bool operation_is_within(const struct operation_entry *op, const struct labels *scope,
                         const char *principal)
{
    if (!scope || strcmp(op->op.principal, principal) == 0)
        return true;
    return scope_has_vm_id(op->core, scope, operation_vm_id(op));
}

struct operation_entry *operation_find(struct core *core, const char *ref, struct err *err)
{
    return operation_find_within(core, NULL, "", ref, err);
}

static void operation_offer(struct reference *r, const struct labels *scope, const char *principal,
                            struct operation_entry *op)
{
    if (op && operation_is_recorded(op) && operation_is_within(op, scope, principal))
        reference_offer(r, op, op->op.id, NULL, NULL);
}

struct operation_entry *operation_find_within(struct core *core, const struct labels *scope,
                                              const char *principal, const char *ref,
                                              struct err *err)
{
    struct operation_engine *engine = core->operations;
    struct reference r = {
        .ref = ref, .what = "operation", .kind = "operation", .not_found = "OPERATION_NOT_FOUND"};
    operation_offer(&r, scope, principal, map_find(&engine->by_id, ref));
    bool walk = r.n == 0 && id_is_prefix(ref);
    for (struct operation_entry *op = NULL; walk && (op = operation_next(core, op));)
        operation_offer(&r, scope, principal, op);
    return reference_end(&r, err);
}

const struct operation *operation_shown(const struct operation_entry *op)
{
    return op->shown ? op->shown : &op->op;
}

struct operation_entry *operation_next(struct core *core, const struct operation_entry *after)
{
    struct list *all = &core->operations->all;
    struct list *l = after ? after->link.prev : all->prev;
    return l == all ? NULL : container_of(l, struct operation_entry, link);
}

size_t operation_order_before(const struct core *core, int64_t created_ns, const char *id)
{
    return order_before(&core->operations->order, created_ns, id);
}

struct operation_entry *operation_at(const struct core *core, size_t index)
{
    return order_at(&core->operations->order, index);
}

struct operation_entry *operation_running(struct core *core, const char *resource)
{
    struct operation_queue *q = map_find(&core->operations->queues, resource);
    if (!q || list_empty(&q->ops))
        return NULL;
    struct operation_entry *op =
        container_of(list_first(&q->ops), struct operation_entry, queue_link);
    return op->phase == OPERATION_QUEUED || op->phase == OPERATION_RECORDING ? NULL : op;
}

bool operation_pending(struct core *core, const char *resource, const char *kind)
{
    struct operation_queue *q = map_find(&core->operations->queues, resource);
    if (!q)
        return false;
    list_foreach(l, &q->ops)
    {
        struct operation_entry *op = container_of(l, struct operation_entry, queue_link);
        if (!kind || strcmp(op->op.kind, kind) == 0)
            return true;
    }
    return false;
}

size_t operation_active_count(const struct core *core)
{
    return core->operations->n_active;
}

void operation_watch(struct operation_entry *op, struct operation_watch *w,
                     void (*changed)(void *arg, struct operation_entry *op), void *arg)
{
    *w = (struct operation_watch){.op = operation_ref(op), .changed = changed, .arg = arg};
    list_init(&w->link);
    list_add_tail(&op->watches, &w->link);
}

void operation_unwatch(struct operation_watch *w)
{
    if (!w->op)
        return;
    struct operation_entry *op = w->op;
    w->op = NULL;
    list_remove(&w->link);
    operation_unref(op);
}

void operation_notify(struct operation_entry *op)
{
    struct list turn;
    operation_ref(op);
    list_turn_begin(&turn, &op->watches);
    for (struct list *l; (l = list_turn_next(&turn, &op->watches));) {
        struct operation_watch *w = container_of(l, struct operation_watch, link);
        w->changed(w->arg, op);
    }
    operation_unref(op);
}
