/* Operations over a real store: order, undo, cancellation, requests, queues, resumption. */
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/log.h"
#include "daemon/core/core.h"
#include "daemon/core/event/event.h"
#include "daemon/core/operation/operation_internal.h"
#include "daemon/core/operation/request_past.h"
#include "daemon/store/store.h"
#include "rpc/event/loop.h"
#include "tests/support/check.h"
#include "tests/support/commit.h"

static char dir[64];
static char trace[512];
static const char *fail_step; /* its run() fails */
static enum err_code fail_code;
static const char *hold_step; /* its run() waits for release() */
static struct operation_entry *held;
static struct core core;
static struct timer deadline;

static void note(const char *what, const char *step)
{
    size_t n = strlen(trace);
    snprintf(trace + n, sizeof(trace) - n, "%s%s%s", n ? " " : "", what, step);
}

static const char *step_name(const struct operation_entry *op)
{
    return operation_kind_of(op)->steps[operation_row(op)->step].name;
}

static void run_step(struct operation_entry *op);

static void cancel_held(struct operation_entry *op)
{
    struct err err = ERR_INIT;
    err_set(&err, ERR_CANCELLED, "told to stop");
    held = NULL;
    operation_step_done(op, &err);
}

static void run_step(struct operation_entry *op)
{
    struct err err = ERR_INIT;
    note("", step_name(op));
    if (hold_step && strcmp(hold_step, step_name(op)) == 0) {
        held = op;
        operation_let_stop(op, cancel_held);
        loop_stop(core.loop);
        return;
    }
    if (fail_step && strcmp(fail_step, step_name(op)) == 0) {
        err_set(&err, fail_code, "as asked");
        err_tag(&err, "AS_ASKED", NULL);
        operation_step_done(op, &err);
        return;
    }
    operation_step_done(op, NULL);
}

static void undo_step(struct operation_entry *op)
{
    note("-", step_name(op));
    operation_step_done(op, NULL);
}

static bool skip_step(struct operation_entry *op)
{
    (void)op;
    return true;
}

static void finish(struct operation_entry *op, struct store_txn *txn)
{
    (void)txn;
    note("=", op_state_name(operation_row(op)->state));
}

static const struct operation_step steps[] = {
    {.name = "a", .percent = 10, .run = run_step, .undo = undo_step},
    {.name = "b", .percent = 20, .run = run_step},
    {.name = "never", .percent = 25, .skip = skip_step, .run = run_step, .undo = undo_step},
    {.name = "c", .percent = 30, .run = run_step, .undo = undo_step},
};
static const struct operation_kind forward = {
    .name = "test.forward", .steps = steps, .n_steps = 4, .finish = finish};
static const struct operation_kind back = {.name = "test.back",
                                           .steps = steps,
                                           .n_steps = 4,
                                           .after_crash = OPERATION_GO_BACK,
                                           .finish = finish};
static const struct operation_kind *const kinds[] = {&forward, &back, NULL};

static void on_late(void *arg)
{
    (void)arg;
    fprintf(stderr, "nothing came in time\n");
    check_failures++;
    loop_stop(core.loop);
}

static void run_loop(void)
{
    struct err err = ERR_INIT;
    timer_start(&deadline, 20000);
    loop_run(core.loop, &err);
    timer_stop(&deadline);
}

static void open_core(void)
{
    struct err err = ERR_INIT;
    char path[128];
    snprintf(path, sizeof(path), "%s/test.db", dir);
    core = (struct core){.closing = false};
    core.loop = loop_new(&err);
    timer_init(&deadline, core.loop, on_late, NULL);
    core.store = store_open(core.loop, path, &err);
    core.events = event_hub_new(&core, &err);
    core.operations = operation_engine_new(&core, kinds, &err);
    core.request_past = request_past_new(&core, &err);
    if (!CHECK(core.operations && core.request_past)) {
        fprintf(stderr, "%s\n", err.message);
        exit(1);
    }
    trace[0] = '\0';
    fail_step = hold_step = NULL;
    held = NULL;
}

static void close_core(void)
{
    struct operation_engine *engine = core.operations;
    timer_done(&deadline);
    core.operations = NULL;
    operation_engine_free(engine);
    request_past_free(core.request_past);
    core.request_past = NULL;
    struct event_hub *hub = core.events;
    store_close(core.store);
    core.events = NULL;
    event_hub_free(hub);
    loop_free(core.loop);
}

static void fresh(void)
{
    char path[128];
    const char *ends[] = {"", "-wal", "-shm"};
    for (int i = 0; i < 3; i++) {
        snprintf(path, sizeof(path), "%s/test.db%s", dir, ends[i]);
        unlink(path);
    }
    open_core();
    operation_resume_all(&core);
}

static void on_change(void *arg, struct operation_entry *op)
{
    (void)arg;
    if (operation_is_over(op))
        loop_stop(core.loop);
}

static void wait_for(struct operation_entry *op)
{
    struct operation_watch w;
    operation_watch(op, &w, on_change, NULL);
    if (!operation_is_over(op))
        run_loop();
    operation_unwatch(&w);
    CHECK(operation_is_over(op));
}

static struct operation_entry *start(const struct operation_kind *kind, const char *resource,
                                     const char *request_id, const char *digest, bool preempt)
{
    struct err err = ERR_INIT;
    struct request_meta meta = {.principal = "me"};
    snprintf(meta.request_id, sizeof(meta.request_id), "%s", request_id);
    snprintf(meta.digest, sizeof(meta.digest), "%s", digest);
    struct operation_new what = {
        .kind = kind, .resource = resource, .meta = &meta, .preempt = preempt};
    struct operation_entry *op = operation_start(&core, &what, &err);
    CHECK(op != NULL);
    return op;
}

static void test_forward(void)
{
    fresh();
    struct operation_entry *op = start(&forward, "vm/1", "", "", false);
    CHECK_INT(operation_row(op)->state, OP_PENDING);
    wait_for(op);
    CHECK_STR(trace, "a b c =SUCCEEDED");
    CHECK_INT(operation_row(op)->state, OP_SUCCEEDED);
    CHECK_INT(operation_row(op)->percent, 100);
    CHECK_STR(operation_row(op)->result, "vm/1");
    close_core();
}

/* What a client would see, wherever the engine is: its own view has what is on its way. */
static void note_shown(const char *where, const struct operation_entry *op)
{
    const struct operation *shown = operation_shown(op);
    char text[96];
    snprintf(text, sizeof(text), "%s,%s,%u%s", op_state_name(shown->state), shown->stage,
             shown->percent, shown->cancel_asked ? ",cancel" : "");
    note(where, text);
}

static void note_journal(struct operation_entry *op, struct store_txn *txn)
{
    (void)txn;
    note_shown("journal:", op);
}

static void run_shown(struct operation_entry *op)
{
    note_shown("run:", op);
    operation_progress(op, 42, NULL);
    note_shown("progress:", op);
    run_step(op);
}

static void undo_shown(struct operation_entry *op)
{
    note_shown("undo:", op);
    operation_step_done(op, NULL);
}

static void finish_shown(struct operation_entry *op, struct store_txn *txn)
{
    (void)txn;
    note_shown("finish:", op);
}

static const struct operation_step shown_steps[] = {
    {.name = "one", .percent = 10, .journal = note_journal, .run = run_shown, .undo = undo_shown},
};
static const struct operation_kind shown_kind = {
    .name = "test.shown", .steps = shown_steps, .n_steps = 1, .finish = finish_shown};

static void test_what_is_shown_is_on_disk(void)
{
    fresh();
    struct operation_entry *op = start(&shown_kind, "vm/1", "", "", false);
    wait_for(op);
    CHECK_STR(trace, "journal:PENDING,,0 run:RUNNING,one,10 progress:RUNNING,one,42 one "
                     "finish:RUNNING,one,42");
    CHECK_INT(operation_shown(op)->state, OP_SUCCEEDED);
    CHECK_INT(operation_shown(op)->percent, 100);
    trace[0] = '\0';
    hold_step = "one";
    op = start(&shown_kind, "vm/1", "", "", false);
    run_loop();
    trace[0] = '\0';
    operation_cancel(op);
    CHECK(!operation_shown(op)->cancel_asked); /* it is on its way */
    CHECK_INT(operation_shown(op)->error_code, 0);
    wait_for(op);
    CHECK_STR(trace, "undo:UNDOING,one,42,cancel finish:UNDOING,one,42,cancel");
    CHECK_INT(operation_shown(op)->state, OP_CANCELLED);
    close_core();
}

/* Thousands that have ended are kept for a quarter of an hour. */
static void test_an_ended_one_is_small(void)
{
    fresh();
    fail_step = "c";
    fail_code = ERR_LIMIT;
    struct operation_entry *op = start(&forward, "vm/1", "r1", "x", false);
    wait_for(op);
    CHECK(!operation_error(op));
    CHECK(text_get(operation_row(op)->error_message)[0]);
    CHECK(sizeof(struct operation_entry) <= 1024);
    CHECK(!op->step_err && !op->shown);
    close_core();
}

static void test_undo(void)
{
    fresh();
    fail_step = "c";
    fail_code = ERR_LIMIT;
    struct operation_entry *op = start(&forward, "vm/1", "", "", false);
    wait_for(op);
    CHECK_STR(trace, "a b c -c -a =FAILED");
    CHECK_INT(operation_row(op)->state, OP_FAILED);
    CHECK_STR(operation_row(op)->error_stage, "c");
    CHECK_STR(operation_row(op)->error_reason, "AS_ASKED");
    CHECK_INT(operation_row(op)->error_code, ERR_LIMIT);
    CHECK_STR(operation_row(op)->result, "");
    close_core();
}

static void test_cancel(void)
{
    fresh();
    hold_step = "b";
    struct operation_entry *op = start(&forward, "vm/1", "", "", false);
    run_loop();
    CHECK(held == op);
    struct operation_entry *behind = start(&forward, "vm/1", "", "", false);
    operation_ref(behind);
    operation_cancel(behind);
    wait_for(behind); /* without waiting for the first */
    CHECK_INT(operation_row(behind)->state, OP_CANCELLED);
    operation_unref(behind);
    trace[0] = '\0';
    operation_cancel(op);
    operation_cancel(op);
    wait_for(op);
    CHECK_STR(trace, "-a =CANCELLED");
    CHECK_INT(operation_row(op)->state, OP_CANCELLED);
    CHECK_INT(operation_row(op)->error_code, ERR_CANCELLED);
    operation_cancel(op);
    close_core();
}

static void test_queue(void)
{
    fresh();
    hold_step = "b";
    struct operation_entry *one = start(&forward, "vm/1", "", "", false);
    run_loop();
    hold_step = NULL;
    struct operation_entry *two = start(&forward, "vm/1", "", "", false);
    struct operation_entry *other = start(&forward, "vm/2", "", "", false);
    wait_for(other); /* another resource does not wait */
    CHECK_INT(operation_row(two)->state, OP_PENDING);
    CHECK(operation_running(&core, "vm/1") == one);
    CHECK(operation_pending(&core, "vm/1", "test.forward"));
    struct operation_entry *three = start(&forward, "vm/1", "", "", true);
    wait_for(three);
    CHECK_INT(operation_row(one)->state, OP_CANCELLED);
    CHECK_INT(operation_row(two)->state, OP_CANCELLED);
    CHECK_INT(operation_row(three)->state, OP_SUCCEEDED);
    CHECK_STR(operation_row(one)->error_reason, "PREEMPTED");
    CHECK(!operation_pending(&core, "vm/1", NULL));
    close_core();
}

static struct operation_entry *find_request(const char *id, const char *digest, const char *who,
                                            struct err *err)
{
    struct request_meta meta = {.request_id = ""};
    struct operation_entry *found = NULL;
    snprintf(meta.request_id, sizeof(meta.request_id), "%s", id);
    snprintf(meta.digest, sizeof(meta.digest), "%s", digest);
    snprintf(meta.principal, sizeof(meta.principal), "%s", who);
    err_clear(err);
    operation_find_request(&core, &meta, "test.forward", &found, err);
    return found;
}

static void test_requests(void)
{
    struct err err = ERR_INIT;
    fresh();
    struct operation_entry *op = start(&forward, "vm/1", "r1", "x", false);
    CHECK(find_request("r1", "x", "me", &err) == op);
    CHECK(find_request("r1", "y", "me", &err) == NULL);
    CHECK_INT(err.code, ERR_EXISTS);
    CHECK_STR(err.reason, "REQUEST_ID_REUSED");
    CHECK(find_request("r1", "x", "you", &err) == NULL);
    CHECK_INT(err.code, ERR_NONE);
    wait_for(op);
    fail_step = "b";
    fail_code = ERR_UNAVAILABLE;
    wait_for(start(&forward, "vm/1", "r2", "x", false));
    CHECK(find_request("r2", "x", "me", &err) == NULL);
    CHECK_INT(err.code, ERR_NONE); /* to be tried anew */
    fail_code = ERR_LIMIT;
    struct operation_entry *again = start(&forward, "vm/1", "r2", "x", false);
    wait_for(again);
    CHECK(find_request("r2", "x", "me", &err) == again);
    char id[ID_BYTES];
    snprintf(id, sizeof(id), "%s", operation_row(op)->id);
    close_core();
    open_core(); /* and by the next daemon */
    operation_resume_all(&core);
    op = find_request("r1", "x", "me", &err);
    if (CHECK(op != NULL))
        CHECK_STR(operation_row(op)->id, id);
    close_core();
}

/* n rows of operations that ended so long ago, with request ids; the first of them is the oldest.
 */
static void put_ended(int n, int64_t ago_ms, const char *request)
{
    struct operation row = {.kind = "test.forward", .resource = "vm/1", .state = OP_SUCCEEDED};
    struct store_txn *txn = store_txn_new();
    int64_t ended_ns = clock_real_ns() - ago_ms * 1000000;
    snprintf(row.principal, sizeof(row.principal), "me");
    snprintf(row.request_digest, sizeof(row.request_digest), "x");
    for (int i = 0; i < n; i++) {
        id_make(row.id);
        snprintf(row.request_id, sizeof(row.request_id), "%s%d", request, i);
        row.created_ns = row.ended_ns = ended_ns - n + i;
        store_put_operation(txn, &row);
    }
    commit_now(core.loop, core.store, txn);
}

static void reopen(void)
{
    close_core();
    open_core();
    operation_resume_all(&core);
}

/* Thousands of others, with and without request ids, do not push out one that has just ended. */
static void test_ended_stays_for_minutes(void)
{
    struct err err = ERR_INIT;
    fresh();
    put_ended(5500, 60000, "r");
    reopen();
    struct operation_entry *op = start(&forward, "vm/1", "", "", false);
    char id[ID_BYTES];
    snprintf(id, sizeof(id), "%s", operation_row(op)->id);
    wait_for(op);
    wait_for(start(&forward, "vm/1", "", "", false));
    CHECK(operation_find(&core, id, &err) != NULL);
    CHECK(find_request("r0", "x", "me", &err) != NULL);
    reopen();
    CHECK(operation_find(&core, id, &err) != NULL);
    CHECK(find_request("r0", "x", "me", &err) != NULL);
    close_core();
}

/* Memory has a limit all the same, and lets go of the oldest. */
static void test_memory_is_bounded(void)
{
    struct err err = ERR_INIT;
    fresh();
    put_ended(OPERATIONS_KEPT_MAX + 50, 60000, "r");
    reopen();
    CHECK(find_request("r49", "x", "me", &err) == NULL);
    CHECK(find_request("r50", "x", "me", &err) != NULL);
    wait_for(start(&forward, "vm/1", "", "", false));
    CHECK(find_request("r50", "x", "me", &err) == NULL);
    CHECK(request_past_may_have(&core, "me", "r50")); /* but knows that there was something */
    close_core();
}

static void on_found(void *arg, const struct err *err)
{
    *(struct err *)arg = err ? *err : (struct err)ERR_INIT;
    loop_stop(core.loop);
}

static void look_up(const char *who, const char *id)
{
    struct err err = ERR_INIT;
    CHECK_INT(request_past_find(&core, who, id, on_found, &err, NULL), 0);
    run_loop();
    CHECK_STR(err.message, "");
}

static void test_request_is_kept_for_a_day(void)
{
    struct err err = ERR_INIT;
    fresh();
    put_ended(1, 23 * 3600000, "old");
    put_ended(1, 25 * 3600000, "older");
    put_ended(OPERATIONS_KEPT, 3600000, "r");
    reopen();
    CHECK(find_request("old0", "x", "me", &err) == NULL);
    CHECK(request_past_may_have(&core, "me", "old0"));
    CHECK(!request_past_may_have(&core, "me", "older0"));
    CHECK(!request_past_may_have(&core, "you", "old0"));
    CHECK(!request_past_may_have(&core, "me", "new"));
    CHECK(!request_past_may_have(&core, "me", ""));
    look_up("me", "old0");
    struct operation_entry *op = find_request("old0", "x", "me", &err);
    if (CHECK(op != NULL))
        CHECK_INT(operation_row(op)->state, OP_SUCCEEDED);
    CHECK(find_request("old0", "y", "me", &err) == NULL);
    CHECK_STR(err.reason, "REQUEST_ID_REUSED");
    /* It can be followed: the next end does not push it out again. */
    wait_for(start(&forward, "vm/1", "", "", false));
    CHECK(find_request("old0", "x", "me", &err) == op);
    look_up("me", "old0"); /* once more: it is there */
    CHECK(find_request("old0", "x", "me", &err) == op);
    look_up("me", "never");
    CHECK(find_request("never", "x", "me", &err) == NULL);
    close_core();
}

/* The daemon ends while a step is under way. */
static void test_resume(void)
{
    fresh();
    hold_step = "b";
    char first[ID_BYTES], second[ID_BYTES], third[ID_BYTES];
    snprintf(first, sizeof(first), "%s", operation_row(start(&forward, "vm/1", "", "", false))->id);
    run_loop();
    snprintf(third, sizeof(third), "%s", operation_row(start(&forward, "vm/1", "", "", false))->id);
    snprintf(second, sizeof(second), "%s", operation_row(start(&back, "vm/2", "", "", false))->id);
    run_loop();
    close_core();
    open_core();
    struct err err = ERR_INIT;
    struct operation_entry *a = operation_find(&core, first, &err);
    struct operation_entry *b = operation_find(&core, second, &err);
    struct operation_entry *c = operation_find(&core, third, &err);
    if (!CHECK(a && b && c))
        return;
    CHECK_INT(operation_row(a)->state, OP_RUNNING);
    CHECK_INT(operation_row(a)->step, 1);
    CHECK(operation_is_resumed(a) && operation_has_begun(a) && operation_is_resumed(c) &&
          !operation_has_begun(c));
    operation_resume_all(&core);
    wait_for(a);
    wait_for(b);
    wait_for(c);
    CHECK_INT(operation_row(a)->state, OP_SUCCEEDED);
    CHECK_INT(operation_row(b)->state, OP_FAILED);
    CHECK_INT(operation_row(b)->error_code, ERR_UNAVAILABLE);
    CHECK_INT(operation_row(c)->state, OP_SUCCEEDED);
    CHECK_CONTAINS(trace, "-a =FAILED");
    close_core();
}

static void test_references(void)
{
    struct err err = ERR_INIT;
    fresh();
    struct operation_entry *op = start(&forward, "vm/1", "", "", false);
    wait_for(op);
    char prefix[9];
    memcpy(prefix, operation_row(op)->id, 8);
    prefix[8] = '\0';
    CHECK(operation_find(&core, prefix, &err) == op);
    CHECK(operation_find(&core, "", &err) == NULL);
    CHECK_STR(err.reason, "OPERATION_NOT_FOUND");
    CHECK(operation_find(&core, "%s'", &err) == NULL);
    CHECK(operation_next(&core, NULL) == op);
    CHECK(operation_next(&core, op) == NULL);
    close_core();
}

/* A kind that this program does not have: it ends all the same. */
static void test_unknown_kind(void)
{
    static const struct operation_kind *const none[] = {NULL};
    struct err err = ERR_INIT;
    fresh();
    hold_step = "a";
    start(&forward, "vm/1", "", "", false);
    run_loop();
    close_core();
    open_core();
    struct operation_engine *engine = core.operations;
    core.operations = NULL;
    operation_engine_free(engine);
    core.operations = operation_engine_new(&core, none, &err);
    operation_resume_all(&core);
    struct operation_entry *op = operation_next(&core, NULL);
    CHECK_INT(operation_row(op)->state, OP_FAILED);
    CHECK(!operation_is_over(op)); /* before it is on disk */
    commit_now(core.loop, core.store, store_txn_new());
    CHECK(operation_is_over(op));
    CHECK_INT(operation_active_count(&core), 0);
    close_core();
}

int main(void)
{
    snprintf(dir, sizeof(dir), "/tmp/banger-operation-XXXXXX");
    if (!mkdtemp(dir))
        return 1;
    log_set_level(LOG_LEVEL_ERROR);
    RUN(test_forward);
    RUN(test_what_is_shown_is_on_disk);
    RUN(test_an_ended_one_is_small);
    RUN(test_undo);
    RUN(test_cancel);
    RUN(test_queue);
    RUN(test_requests);
    RUN(test_ended_stays_for_minutes);
    RUN(test_memory_is_bounded);
    RUN(test_request_is_kept_for_a_day);
    RUN(test_resume);
    RUN(test_references);
    RUN(test_unknown_kind);
    fs_remove_tree(dir, NULL);
    return check_end();
}
