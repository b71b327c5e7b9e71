/* Operations: registry, requests, queues; see operation.h. The steps are in operation_run.c, what a
 * daemon finds at its start in operation_load.c. */
#include "daemon/core/operation/operation.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "daemon/core/core.h"
#include "daemon/core/memory.h"
#include "daemon/core/operation/operation_internal.h"
#include "daemon/core/operation/request_past.h"
#include "daemon/store/store.h"
#include "rpc/event/loop.h"

enum { TRIM_EVERY = 100 };

struct operation_entry *operation_ref(struct operation_entry *op)
{
    op->refs++;
    return op;
}

void operation_drop_errors(struct operation_entry *op)
{
    free(op->err);
    free(op->step_err);
    op->err = op->step_err = NULL;
}

void operation_unref(struct operation_entry *op)
{
    if (--op->refs > 0)
        return;
    if (op->data && op->kind && op->kind->free_data)
        op->kind->free_data(op->data);
    operation_show_all(op);
    operation_drop_errors(op);
    operation_done(&op->op);
    free(op->request_key);
    free(op);
}

void operation_request_key(char key[OPERATION_REQUEST_KEY_BYTES], const char *principal,
                           const char *request_id)
{
    snprintf(key, OPERATION_REQUEST_KEY_BYTES, "%s\n%s", principal, request_id);
}

static struct operation_queue *operation_queue_get(struct operation_engine *engine,
                                                   const char *resource)
{
    struct operation_queue *q = map_find(&engine->queues, resource);
    if (q)
        return q;
    q = calloc(1, sizeof(*q));
    if (!q)
        return NULL;
    snprintf(q->resource, sizeof(q->resource), "%s", resource);
    list_init(&q->ops);
    if (map_put(&engine->queues, q->resource, q) < 0) {
        free(q);
        return NULL;
    }
    return q;
}

static void operation_keep(struct operation_engine *engine, struct operation_entry *op)
{
    op->kept_ms = clock_mono_ms();
    list_add_tail(&engine->ended, &op->ended_link);
    engine->n_ended++;
}

/* The later of two with the same id is the one tried anew. */
static int operation_enter_request(struct operation_engine *engine, struct operation_entry *op)
{
    char key[OPERATION_REQUEST_KEY_BYTES];
    if (!op->op.request_id[0])
        return 0;
    operation_request_key(key, op->op.principal, op->op.request_id);
    if (text_set(&op->request_key, key) < 0)
        return -1;
    map_take(&engine->by_request, key);
    return map_put(&engine->by_request, op->request_key, op);
}

int operation_enter(struct operation_engine *engine, struct operation_entry *op)
{
    bool active = !op_is_terminal(op->op.state);
    struct operation_queue *q = NULL;
    if (active && op->op.resource[0] && !op->kind->unqueued) {
        q = operation_queue_get(engine, op->op.resource);
        if (!q)
            return -1;
    }
    if (map_put(&engine->by_id, op->op.id, op) < 0)
        return -1;
    if (order_add(&engine->order, op->op.created_ns, op->op.id, op) < 0) {
        map_take(&engine->by_id, op->op.id);
        return -1;
    }
    if (operation_enter_request(engine, op) < 0) {
        map_take(&engine->by_id, op->op.id);
        order_remove(&engine->order, op->op.created_ns, op->op.id);
        return -1;
    }
    list_add_tail(&engine->all, &op->link);
    if (q)
        list_add_tail(&q->ops, &op->queue_link);
    if (active)
        engine->n_active++;
    else
        operation_keep(engine, op);
    return 0;
}

struct operation_entry *operation_alloc(struct core *core, const struct operation_kind *kind)
{
    struct operation_entry *op = calloc(1, sizeof(*op));
    if (!op)
        return NULL;
    op->core = core;
    op->kind = kind;
    op->refs = 1;
    list_init(&op->link);
    list_init(&op->queue_link);
    list_init(&op->ready_link);
    list_init(&op->ended_link);
    list_init(&op->watches);
    op->err = calloc(1, sizeof(*op->err));
    op->step_err = calloc(1, sizeof(*op->step_err));
    if (!op->err || !op->step_err) {
        operation_unref(op);
        return NULL;
    }
    return op;
}

#define TO(phase) (1u << (phase))

static const unsigned phase_moves[OPERATION_PHASES] = {
    [OPERATION_RECORDING] = TO(OPERATION_QUEUED) | TO(OPERATION_WITHDRAWN),
    [OPERATION_QUEUED] = TO(OPERATION_READY) | TO(OPERATION_STEPPED) | TO(OPERATION_FINISHING),
    [OPERATION_READY] = TO(OPERATION_JOURNALING) | TO(OPERATION_FINISHING),
    [OPERATION_JOURNALING] = TO(OPERATION_STEPPING) | TO(OPERATION_STEPPED),
    [OPERATION_STEPPING] = TO(OPERATION_STEPPED),
    [OPERATION_STEPPED] = TO(OPERATION_JOURNALING) | TO(OPERATION_FINISHING),
    [OPERATION_FINISHING] = TO(OPERATION_OVER),
};

void operation_move(struct operation_entry *op, enum operation_phase to)
{
    assert(phase_moves[op->phase] & TO(to));
    op->phase = to;
}

static void operation_run_ready(void *arg)
{
    struct core *core = arg;
    struct operation_engine *engine = core->operations;
    if (!engine)
        return;
    engine->posted = false;
    while (!list_empty(&engine->ready)) {
        struct operation_entry *op =
            container_of(list_first(&engine->ready), struct operation_entry, ready_link);
        list_remove(&op->ready_link);
        operation_ref(op);
        operation_turn(op);
        operation_unref(op);
    }
}

void operation_schedule(struct operation_entry *op)
{
    struct operation_engine *engine = op->core->operations;
    list_remove(&op->ready_link);
    list_add_tail(&engine->ready, &op->ready_link);
    if (!engine->posted)
        engine->posted = loop_post(op->core->loop, operation_run_ready, op->core) == 0;
}

void operation_queue_next(struct operation_entry *op)
{
    struct operation_engine *engine = op->core->operations;
    struct operation_queue *q =
        op->kind->unqueued ? NULL : map_find(&engine->queues, op->op.resource);
    struct operation_entry *first = op;
    if (q) {
        if (list_empty(&q->ops)) {
            map_take(&engine->queues, q->resource);
            free(q);
            return;
        }
        first = container_of(list_first(&q->ops), struct operation_entry, queue_link);
    }
    if (!engine->open || first->phase != OPERATION_QUEUED)
        return;
    operation_move(first, OPERATION_READY);
    operation_schedule(first);
}

static void operation_trimmed(void *arg, const struct err *err)
{
    (void)arg, (void)err; /* the next time is soon enough */
}

void operation_drop(struct operation_entry *op)
{
    struct operation_engine *engine = op->core->operations;
    if (map_find(&engine->by_id, op->op.id) != op)
        return;
    map_take(&engine->by_id, op->op.id);
    order_remove(&engine->order, op->op.created_ns, op->op.id);
    if (op->request_key && map_find(&engine->by_request, op->request_key) == op)
        map_take(&engine->by_request, op->request_key);
    list_remove(&op->link);
    list_remove(&op->ended_link);
    engine->n_ended--;
    request_past_add(op->core, op->op.principal, op->op.request_id);
    operation_unref(op);
}

static bool operation_is_kept(const struct operation_engine *engine,
                              const struct operation_entry *op)
{
    return engine->n_ended <= OPERATIONS_KEPT ||
           (engine->n_ended <= OPERATIONS_KEPT_MAX &&
            clock_mono_ms() - op->kept_ms < OPERATIONS_KEPT_MS);
}

/* Forgets ended ones beyond what is kept, here and (by age) in the store. */
static void operation_forget(struct operation_engine *engine)
{
    for (struct list *l; (l = list_first(&engine->ended));) {
        struct operation_entry *op = container_of(l, struct operation_entry, ended_link);
        if (operation_is_kept(engine, op))
            break;
        operation_drop(op);
    }
    if (++engine->ended_since_trim < TRIM_EVERY)
        return;
    engine->ended_since_trim = 0;
    int64_t now = clock_real_ns();
    struct store_txn *txn = store_txn_new();
    store_trim(txn, 0, now - request_kept_ns, now - request_kept_ns);
    store_commit(engine->core->store, txn, operation_trimmed, NULL);
}

void operation_retire(struct operation_entry *op)
{
    struct operation_engine *engine = op->core->operations;
    if (op->data && op->kind->free_data)
        op->kind->free_data(op->data);
    op->data = NULL;
    list_remove(&op->queue_link);
    engine->n_active--;
    operation_keep(engine, op);
    operation_queue_next(op);
    memory_let_go(op->core);
    operation_ref(op);
    operation_forget(engine);
    operation_unref(op);
}

int operation_find_request(struct core *core, const struct request_meta *meta, const char *kind,
                           struct operation_entry **found, struct err *err)
{
    *found = NULL;
    if (!meta || !meta->request_id[0])
        return 0;
    char key[OPERATION_REQUEST_KEY_BYTES];
    operation_request_key(key, meta->principal, meta->request_id);
    struct operation_entry *op = map_find(&core->operations->by_request, key);
    if (!op)
        return 0;
    if (strcmp(op->op.kind, kind) != 0 || strcmp(op->op.request_digest, meta->digest) != 0) {
        err_set(err, ERR_EXISTS,
                "request id %s was used for another request (%s, operation %s); choose a new one",
                meta->request_id, op->op.kind, op->op.id);
        return err_tag(err, "REQUEST_ID_REUSED", "operation/%s", op->op.id);
    }
    bool again =
        operation_is_over(op) && op->op.state == OP_FAILED && op->op.error_code == ERR_UNAVAILABLE;
    *found = again ? NULL : op;
    return 0;
}

void operation_preempt(struct operation_entry *by)
{
    struct operation_queue *q = map_find(&by->core->operations->queues, by->op.resource);
    if (!q)
        return;
    list_foreach(l, &q->ops)
    {
        struct operation_entry *op = container_of(l, struct operation_entry, queue_link);
        if (op == by)
            break;
        bool begun = op->phase != OPERATION_QUEUED && op->phase != OPERATION_RECORDING;
        op->preempted = true;
        operation_cancel(op);
        if (begun && op->phase == OPERATION_STEPPING && !operation_is_undoing(op) &&
            op->kind->abort)
            op->kind->abort(op);
    }
}

struct operation_entry *operation_start(struct core *core, const struct operation_new *what,
                                        struct err *err)
{
    struct operation_engine *engine = core->operations;
    struct operation_entry *op = NULL;
    if (engine->n_active >= OPERATIONS_ACTIVE_MAX)
        err_set(err, ERR_UNAVAILABLE, "%zu operations are under way; try again later",
                engine->n_active);
    else if (!(op = operation_alloc(core, what->kind)))
        err_set(err, ERR_LIMIT, "out of memory for an operation");
    if (!op) {
        if (what->data && what->kind->free_data)
            what->kind->free_data(what->data);
        return NULL;
    }
    op->data = what->data;
    struct operation *row = &op->op;
    id_make(row->id);
    snprintf(row->kind, sizeof(row->kind), "%s", what->kind->name);
    snprintf(row->resource, sizeof(row->resource), "%s", what->resource);
    snprintf(row->result, sizeof(row->result), "%s", what->result ? what->result : what->resource);
    if (what->meta) {
        snprintf(row->request_id, sizeof(row->request_id), "%s", what->meta->request_id);
        snprintf(row->request_digest, sizeof(row->request_digest), "%s", what->meta->digest);
        snprintf(row->principal, sizeof(row->principal), "%s", what->meta->principal);
    }
    row->state = OP_PENDING;
    row->created_ns = clock_real_ns();
    op->preempts = what->preempt;
    if (text_set(&row->params, what->params) < 0 || operation_enter(engine, op) < 0) {
        err_set(err, ERR_LIMIT, "out of memory for an operation");
        operation_unref(op);
        return NULL;
    }
    operation_record(op);
    return op;
}

static void operation_cancel_noted(void *arg, const struct err *err)
{
    struct operation_entry *op = arg;
    if (op->core->operations && !err) /* it is cancelled all the same; its end says so */
        operation_notify(op);
    operation_unref(op);
}

void operation_cancel(struct operation_entry *op)
{
    if (operation_is_over(op) || op->phase == OPERATION_FINISHING || operation_is_undoing(op))
        return;
    bool begun = op->phase != OPERATION_QUEUED && op->phase != OPERATION_RECORDING;
    if (begun && op->kind->no_cancel)
        return;
    if (!op->op.cancel_asked) {
        operation_edit(op);
        op->op.cancel_asked = true;
        /* One that may never come to the disk is not written by the way; operation_recorded does.
         */
        if (op->phase == OPERATION_RECORDING)
            return;
        struct store_txn *txn = store_txn_new();
        operation_put(op, txn);
        store_commit(op->core->store, txn, operation_cancel_noted, operation_ref(op));
    }
    if (op->phase == OPERATION_QUEUED && op->core->operations->open) {
        /* It has done nothing yet, so it need not wait for its turn to undo nothing. */
        list_remove(&op->queue_link);
        operation_move(op, OPERATION_READY);
        operation_schedule(op);
    } else if (op->phase == OPERATION_STEPPING && op->cancel_step) {
        op->cancel_step(op);
    }
}
