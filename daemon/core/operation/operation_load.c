/* Operations that an earlier daemon left: read, gone on with, or given up; see operation.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "daemon/core/core.h"
#include "daemon/core/operation/operation_internal.h"
#include "daemon/core/operation/request_past.h"
#include "daemon/store/store.h"

static const struct operation_kind *operation_find_kind(const struct operation_engine *engine,
                                                        const char *name)
{
    for (size_t i = 0; engine->kinds[i]; i++)
        if (strcmp(engine->kinds[i]->name, name) == 0)
            return engine->kinds[i];
    return NULL;
}

/* Kinds that this daemon does not know can only be called failed. */
static const struct operation_kind operation_unknown_kind = {.name = "", .n_steps = 0};

static int operation_load_each(void *arg, const struct operation *row)
{
    struct operation_engine *engine = arg;
    const struct operation_kind *kind = operation_find_kind(engine, row->kind);
    struct operation_entry *op =
        operation_alloc(engine->core, kind ? kind : &operation_unknown_kind);
    if (!op || operation_copy(&op->op, row) < 0) {
        if (op)
            operation_unref(op);
        return -1;
    }
    op->resumed = true;
    if (op_is_terminal(row->state)) {
        op->phase = OPERATION_OVER;
        operation_drop_errors(op);
    } else {
        op->phase = OPERATION_QUEUED;
        op->course = row->state == OP_UNDOING   ? OPERATION_BACK
                     : row->state != OP_PENDING ? OPERATION_FORWARD
                                                : OPERATION_NOT_BEGUN;
        op->err->code = (enum err_code)row->error_code;
        snprintf(op->err->reason, sizeof(op->err->reason), "%s", row->error_reason);
        snprintf(op->err->stage, sizeof(op->err->stage), "%s", row->error_stage);
        snprintf(op->err->message, sizeof(op->err->message), "%s", text_get(row->error_message));
    }
    if (operation_enter(engine, op) < 0) {
        operation_unref(op);
        return -1;
    }
    return 0;
}

static int operation_load(struct operation_engine *engine, struct err *err)
{
    struct store *store = engine->core->store;
    int64_t since_ns = clock_real_ns() - (int64_t)OPERATIONS_KEPT_MS * 1000000;
    size_t n;
    if (store_count_operations(store, since_ns, &n, err) < 0)
        return -1;
    n = n < OPERATIONS_KEPT ? OPERATIONS_KEPT : n > OPERATIONS_KEPT_MAX ? OPERATIONS_KEPT_MAX : n;
    return store_load_operations(store, n, operation_load_each, engine, err);
}

int operation_remember(struct core *core, const struct operation *row)
{
    struct operation_engine *engine = core->operations;
    char key[OPERATION_REQUEST_KEY_BYTES];
    operation_request_key(key, row->principal, row->request_id);
    if (!op_is_terminal(row->state) || map_find(&engine->by_id, row->id) ||
        map_find(&engine->by_request, key))
        return 0;
    return operation_load_each(engine, row);
}

struct operation_engine *
operation_engine_new(struct core *core, const struct operation_kind *const *kinds, struct err *err)
{
    struct operation_engine *engine = calloc(1, sizeof(*engine));
    if (!engine) {
        err_set(err, ERR_LIMIT, "out of memory for operations");
        return NULL;
    }
    engine->core = core;
    engine->kinds = kinds;
    list_init(&engine->all);
    list_init(&engine->ready);
    list_init(&engine->ended);
    map_init(&engine->by_id);
    map_init(&engine->by_request);
    map_init(&engine->queues);
    order_init(&engine->order);
    if (operation_load(engine, err) < 0) {
        operation_engine_free(engine);
        return NULL;
    }
    return engine;
}

void operation_engine_free(struct operation_engine *engine)
{
    if (!engine)
        return;
    size_t at = 0;
    for (struct operation_queue *q; (q = map_next(&engine->queues, &at));)
        list_foreach(l, &q->ops) list_remove(l);
    list_foreach(l, &engine->all)
    {
        struct operation_entry *op = container_of(l, struct operation_entry, link);
        list_remove(&op->link);
        list_remove(&op->ready_link);
        list_remove(&op->ended_link);
        operation_unref(op);
    }
    at = 0;
    for (struct operation_queue *q; (q = map_next(&engine->queues, &at));)
        free(q);
    map_done(&engine->queues);
    map_done(&engine->by_request);
    map_done(&engine->by_id);
    order_done(&engine->order);
    free(engine);
}

static void operation_given_up(void *arg, const struct err *err)
{
    struct operation_entry *op = arg;
    if (op->core->operations && !err) {
        operation_move(op, OPERATION_OVER);
        operation_retire(op);
        operation_notify(op);
    }
    operation_unref(op);
}

/* The row of a kind that is gone, or with a step that is, cannot go anywhere. */
static void operation_give_up(struct operation_entry *op)
{
    op->kind = &operation_unknown_kind;
    operation_edit(op);
    op->op.state = OP_FAILED;
    op->op.error_code = ERR_INTERNAL;
    op->op.ended_ns = clock_real_ns();
    char message[TEXT_BYTES];
    snprintf(message, sizeof(message), "this daemon does not know how to go on with %s, step %u",
             op->op.kind, op->op.step);
    text_set(&op->op.error_message, message); /* it is in the log as well */
    log_error(op->op.resource, "operation %s: %s", op->op.id, message);
    struct store_txn *txn = store_txn_new();
    operation_put(op, txn);
    operation_move(op, OPERATION_FINISHING);
    store_commit(op->core->store, txn, operation_given_up, operation_ref(op));
}

/* Those that cannot go on. */
static void operation_give_up_all(struct operation_engine *engine)
{
    list_foreach(l, &engine->all)
    {
        struct operation_entry *op = container_of(l, struct operation_entry, link);
        if (op->phase == OPERATION_QUEUED && op->op.step >= op->kind->n_steps)
            operation_give_up(op);
    }
}

void operation_resume_all(struct core *core)
{
    struct operation_engine *engine = core->operations;
    engine->open = true;
    operation_give_up_all(engine);
    list_foreach(l, &engine->all)
    {
        struct operation_entry *op = container_of(l, struct operation_entry, link);
        if (op->phase != OPERATION_QUEUED)
            continue;
        /* Also of one that had not begun: what it was to do lived in memory. */
        if (op->resumed && !operation_is_undoing(op) &&
            op->kind->after_crash == OPERATION_GO_BACK) {
            err_set(op->step_err, ERR_UNAVAILABLE, "the daemon ended meanwhile; try again");
            operation_move(op, OPERATION_STEPPED);
            operation_schedule(op);
        } else {
            operation_queue_next(op);
        }
    }
}
