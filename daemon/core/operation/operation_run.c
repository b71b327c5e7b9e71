/* Operations, step by step; see operation.h.
 *
 * Each move is: commit the row that says what comes (journal), then do it, then look at the result
 * in a turn of its own, so that a step may end from inside run() without any recursion. */
#include "daemon/core/operation/operation_internal.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "daemon/core/core.h"
#include "daemon/core/crash_point.h"
#include "daemon/core/event/event.h"
#include "daemon/store/store.h"

static const struct operation_step *operation_step(const struct operation_entry *op)
{
    return &op->kind->steps[op->op.step];
}

static void operation_emit(struct operation_entry *op, struct store_txn *txn)
{
    char resource[96];
    snprintf(resource, sizeof(resource), "operation/%s", op->op.id);
    event_emit(op->core, txn, "operation.state", resource, operation_vm_id(op),
               op_state_name(op->op.state), op->op.id);
}

void operation_edit(struct operation_entry *op)
{
    if (!operation_is_recorded(op) || op->shown)
        return;
    op->shown = malloc(sizeof(*op->shown));
    if (op->shown && operation_copy(op->shown, &op->op) < 0)
        free(take_ptr(&op->shown));
    if (!op->shown)
        log_error(op->op.id, "out of memory: a change is shown before it is on disk");
}

void operation_show_all(struct operation_entry *op)
{
    if (op->shown)
        operation_done(op->shown);
    free(take_ptr(&op->shown));
}

/* A version on its way to the disk. */
struct operation_version {
    struct operation_entry *op; /* referenced */
    struct operation row;
};

static void operation_written(void *arg, const struct err *err)
{
    struct operation_version *v = arg;
    struct operation_entry *op = v->op;
    op->n_unwritten--;
    if (!err && op->n_unwritten == 0) {
        operation_show_all(op);
    } else if (!err && op->shown) {
        operation_done(op->shown);
        *op->shown = v->row;
        v->row = (struct operation){0};
    }
    operation_done(&v->row);
    operation_unref(op);
    free(v);
}

void operation_put(struct operation_entry *op, struct store_txn *txn)
{
    struct operation_version *v = malloc(sizeof(*v));
    op->op.updated_ns = clock_real_ns();
    store_put_operation(txn, &op->op);
    if (!v || operation_copy(&v->row, &op->op) < 0) { /* then it is shown now */
        free(v);
        operation_show_all(op);
        return;
    }
    v->op = operation_ref(op);
    op->n_unwritten++;
    store_on_commit(txn, operation_written, v);
}

/* Every commit holds a reference: the entry may be dropped by the time it comes back. */
static void operation_commit(struct operation_entry *op, struct store_txn *txn,
                             void (*done)(void *arg, const struct err *err))
{
    operation_ref(op);
    store_commit(op->core->store, txn, done, op);
}

static void operation_set_error(struct operation_entry *op)
{
    op->op.error_code = (int)op->err->code;
    snprintf(op->op.error_reason, sizeof(op->op.error_reason), "%s", op->err->reason);
    snprintf(op->op.error_stage, sizeof(op->op.error_stage), "%s", op->err->stage);
    if (text_set(&op->op.error_message, op->err->message) < 0)
        log_error(op->op.id, "out of memory: %s", op->err->message);
}

static void operation_end(struct operation_entry *op, enum operation_phase to)
{
    operation_move(op, to);
    operation_show_all(op);
    operation_retire(op);
    operation_notify(op);
    if (to == OPERATION_OVER)
        operation_drop_errors(op);
}

/* Nothing of it is on disk, and it has not begun: as if it had never been asked for. */
static void operation_withdraw(struct operation_entry *op, const struct err *err)
{
    *op->err = *err;
    op->op.state = OP_FAILED;
    op->op.result[0] = '\0';
    op->op.ended_ns = clock_real_ns();
    operation_set_error(op);
    if (op->kind->withdraw)
        op->kind->withdraw(op);
    log_err(LOG_LEVEL_WARN, op->op.resource, err, "%s was not begun", op->op.kind);
    operation_end(op, OPERATION_WITHDRAWN);
    operation_drop(op);
}

static void operation_recorded(void *arg, const struct err *err)
{
    struct operation_entry *op = arg;
    if (op->core->operations && err) {
        operation_withdraw(op, err);
    } else if (op->core->operations) {
        operation_move(op, OPERATION_QUEUED);
        if (op->preempts)
            operation_preempt(op);
        if (op->op.cancel_asked) {
            list_remove(&op->queue_link);
            operation_move(op, OPERATION_READY);
            operation_schedule(op);
        }
        operation_queue_next(op);
        operation_notify(op);
    }
    operation_unref(op);
}

void operation_record(struct operation_entry *op)
{
    struct store_txn *txn = store_txn_new();
    if (op->kind->record)
        op->kind->record(op, txn);
    operation_put(op, txn);
    operation_emit(op, txn);
    store_propose(op->core->store, txn, operation_recorded, operation_ref(op));
}

static void operation_finished(void *arg, const struct err *err)
{
    struct operation_entry *op = arg;
    if (op->core->operations) {
        crash_point(op->op.kind, "end", "after", operation_is_undoing(op));
        if (err) {
            /* The next daemon finds it under way, so nobody is told another end. */
            *op->err = *err;
            op->op.state = OP_FAILED;
            op->op.result[0] = '\0';
            operation_set_error(op);
        }
        operation_end(op, OPERATION_OVER);
    }
    operation_unref(op);
}

static void operation_finish(struct operation_entry *op, enum op_state state)
{
    crash_point(op->op.kind, "end", "before", operation_is_undoing(op));
    operation_move(op, OPERATION_FINISHING);
    operation_edit(op);
    op->op.state = state;
    op->op.ended_ns = clock_real_ns();
    if (state == OP_SUCCEEDED) {
        op->op.percent = 100;
        op->op.stage[0] = '\0';
    } else {
        op->op.result[0] = '\0';
        log_err(LOG_LEVEL_WARN, op->op.resource, op->err, "%s %s ended %s", op->op.kind, op->op.id,
                op_state_name(state));
    }
    struct store_txn *txn = store_txn_new();
    if (op->kind->finish)
        op->kind->finish(op, txn);
    operation_put(op, txn);
    operation_emit(op, txn);
    operation_commit(op, txn, operation_finished);
}

static void operation_begin_step(struct operation_entry *op)
{
    operation_move(op, OPERATION_STEPPING);
    if (operation_is_undoing(op)) {
        operation_step(op)->undo(op);
        return;
    }
    op->course = OPERATION_FORWARD;
    if (crash_point_fails(op->op.kind, operation_step(op)->name))
        operation_step_done(
            op, &(struct err){.code = ERR_INTERNAL, .message = "failed as BANGER_FAIL_AT asks"});
    else
        operation_step(op)->run(op);
    /* Pre-empted while the journal was being written. */
    if (op->preempted && op->phase == OPERATION_STEPPING && op->kind->abort)
        op->kind->abort(op);
}

static void operation_journaled(void *arg, const struct err *err)
{
    struct operation_entry *op = arg;
    if (op->core->operations) {
        crash_point(op->op.kind, operation_step(op)->name, "journaled", operation_is_undoing(op));
        operation_notify(op);
        if (operation_is_undoing(op)) {
            /* What cannot be written down is cleaned up all the same. */
            if (err)
                log_err(LOG_LEVEL_ERROR, op->op.id, err, "cannot write the journal");
            operation_begin_step(op);
        } else if (err || (op->op.cancel_asked && !op->kind->no_cancel)) {
            operation_move(op, OPERATION_STEPPED);
            *op->step_err = err ? *err : (struct err)ERR_INIT;
            if (!err)
                err_set(op->step_err, ERR_CANCELLED, "cancelled");
            operation_schedule(op);
        } else {
            operation_begin_step(op);
        }
    }
    operation_unref(op);
}

static void operation_journal(struct operation_entry *op)
{
    const struct operation_step *step = operation_step(op);
    crash_point(op->op.kind, step->name, "before", operation_is_undoing(op));
    enum op_state state = operation_is_undoing(op) ? OP_UNDOING : OP_RUNNING;
    bool changed = op->op.state != state;
    operation_edit(op);
    op->op.state = state;
    snprintf(op->op.stage, sizeof(op->op.stage), "%s", step->name);
    if (!operation_is_undoing(op) && op->op.percent < step->percent)
        op->op.percent = step->percent;
    struct store_txn *txn = store_txn_new();
    if (!operation_is_undoing(op) && step->journal)
        step->journal(op, txn);
    operation_put(op, txn);
    if (changed)
        operation_emit(op, txn);
    operation_move(op, OPERATION_JOURNALING);
    operation_commit(op, txn, operation_journaled);
}

/* The next step backward from op.step, or the end. */
static void operation_undo_on(struct operation_entry *op)
{
    for (;;) {
        const struct operation_step *step = operation_step(op);
        if (step->undo && !(step->skip && step->skip(op))) {
            op->course = OPERATION_BACK;
            operation_journal(op);
            return;
        }
        if (op->op.step == 0)
            break;
        op->op.step--;
    }
    operation_finish(op, op->err->code == ERR_CANCELLED ? OP_CANCELLED : OP_FAILED);
}

static void operation_fail(struct operation_entry *op, const struct err *err)
{
    *op->err = *err;
    snprintf(op->err->stage, sizeof(op->err->stage), "%s", operation_step(op)->name);
    if (op->op.cancel_asked && !op->kind->no_cancel) {
        /* Whatever the step made of being cancelled. */
        err_set(op->err, ERR_CANCELLED, op->preempted ? "ended by a later request" : "cancelled");
        if (op->preempted)
            err_tag(op->err, "PREEMPTED", "%s", op->op.resource);
        snprintf(op->err->stage, sizeof(op->err->stage), "%s", operation_step(op)->name);
    }
    operation_edit(op);
    operation_set_error(op);
    operation_undo_on(op);
}

static void operation_go_on(struct operation_entry *op)
{
    if (operation_is_undoing(op)) {
        operation_undo_on(op);
        return;
    }
    bool begun = op->op.state != OP_PENDING;
    if (op->op.cancel_asked && !(begun && op->kind->no_cancel) && op->op.step < op->kind->n_steps) {
        struct err err = ERR_INIT;
        err_set(&err, ERR_CANCELLED, "cancelled");
        operation_fail(op, &err);
        return;
    }
    while (op->op.step < op->kind->n_steps && operation_step(op)->skip &&
           operation_step(op)->skip(op))
        op->op.step++;
    if (op->op.step == op->kind->n_steps)
        operation_finish(op, OP_SUCCEEDED);
    else
        operation_journal(op);
}

static void operation_stepped(struct operation_entry *op)
{
    bool failed = op->step_err->code != ERR_NONE;
    if (operation_is_undoing(op)) {
        /* A piece that cannot be undone is named, and the rest is undone. */
        if (failed)
            log_err(LOG_LEVEL_ERROR, op->op.resource, op->step_err, "%s: cannot undo %s", op->op.id,
                    operation_step(op)->name);
        if (op->op.step == 0) {
            operation_finish(op, op->err->code == ERR_CANCELLED ? OP_CANCELLED : OP_FAILED);
            return;
        }
        op->op.step--;
        operation_undo_on(op);
    } else if (failed) {
        operation_fail(op, op->step_err);
    } else {
        op->op.step++;
        operation_go_on(op);
    }
}

void operation_turn(struct operation_entry *op)
{
    if (op->phase == OPERATION_READY)
        operation_go_on(op);
    else if (op->phase == OPERATION_STEPPED)
        operation_stepped(op);
}

void operation_step_done(struct operation_entry *op, const struct err *err)
{
    assert(op->phase == OPERATION_STEPPING);
    crash_point(op->op.kind, operation_step(op)->name, "after", operation_is_undoing(op));
    *op->step_err = err ? *err : (struct err)ERR_INIT;
    op->cancel_step = NULL;
    operation_move(op, OPERATION_STEPPED);
    operation_schedule(op);
}

void operation_progress(struct operation_entry *op, uint32_t percent, const char *message)
{
    if (percent > 99)
        percent = 99; /* 100 is the end */
    if (op->op.percent < percent)
        op->op.percent = percent;
    if (message) {
        char line[TEXT_BYTES];
        snprintf(line, sizeof(line), "%s", message);
        text_set(&op->op.message, line); /* without memory the last one stays */
    }
    op->op.updated_ns = clock_real_ns();
    operation_notify(op);
}
