/* Changes of what a VM is: all of one or nothing, in their turn, and after a crash. */
#include "daemon/core/operation/operation.h"
#include "daemon/core/vm/vm_ops.h"
#include "tests/unit/core/vm_world.h"

static void on_operation(void *arg, struct operation_entry *op)
{
    if (operation_is_over(op))
        loop_stop(arg);
}

/* Lets operations run, and waits for the end of this one. */
static void finish(struct operation_entry *op)
{
    struct operation_watch watch;
    operation_watch(op, &watch, on_operation, core.loop);
    if (!operation_is_over(op))
        loop_run(core.loop, NULL);
    operation_unwatch(&watch);
}

static struct vm_entry *add_saved(const char *id, const char *name)
{
    struct vm_entry *e = add(id, name);
    e->vm.generation = 1;
    label_list_set(&e->vm.labels, &(struct labels){.n = 1, .at = {{"old", "1"}}});
    vm_save(e, NULL);
    return e;
}

static const char *const gone[] = {"old"};
static const struct labels set = {.n = 1, .at = {{"new", "2"}}};
static const uint64_t minute = 60000;
static const bool yes = true;
static uint8_t hook_argv[] = "sh\0-c\0sync \"a b\"";
static const struct vm_hook hook = {.argv = {hook_argv, sizeof(hook_argv)}, .timeout_ms = 1500};
static const struct vm_update_request update = {.vm = "box",
                                                .if_generation = 1,
                                                .name = "crate",
                                                .cpus = 2,
                                                .idle_stop_after_ms = &minute,
                                                .restart = RESTART_ALWAYS,
                                                .autostart = &yes,
                                                .stop_hook = &hook,
                                                .set_labels = &set,
                                                .remove_labels = gone,
                                                .n_remove_labels = 1};

static void check_updated(const struct vm_entry *e)
{
    CHECK_STR(vm_record(e)->name, "crate");
    CHECK_INT(vm_record(e)->generation, 2);
    CHECK_INT(vm_record(e)->spec.cpus, 2);
    CHECK_INT(vm_record(e)->labels.n, 1);
    CHECK_STR(vm_record(e)->labels.at[0].key, "new");
    CHECK_INT(vm_record(e)->spec.idle_stop_after_ms, 60000);
    CHECK_INT(vm_record(e)->spec.restart, RESTART_ALWAYS);
    CHECK(vm_record(e)->spec.autostart);
    CHECK_INT(vm_record(e)->expires_ns, 0);
    const struct vm_hook *kept = &vm_record(e)->spec.stop_hook;
    CHECK(kept->argv.len == sizeof(hook_argv) &&
          memcmp(kept->argv.data, hook_argv, sizeof(hook_argv)) == 0);
    CHECK_INT(kept->timeout_ms, 1500);
    CHECK(!e->restart_required); /* it does not run */
}

static void test_update(void)
{
    struct err err = ERR_INIT;
    open_fresh();
    operation_resume_all(&core);
    struct vm_entry *e = add_saved("aaaa000000000001", "box");
    struct vm_update_request late = update;
    late.if_generation = 7;
    CHECK(vm_ask_update(&core, &late, NULL, &err) == NULL);
    CHECK_STR(err.reason, "GENERATION_MISMATCH");
    CHECK_INT(err.code, ERR_ABORTED);
    CHECK_STR(vm_record(e)->name, "box");
    struct operation_entry *op = vm_ask_update(&core, &update, NULL, &err);
    if (CHECK(op != NULL)) {
        finish(op);
        CHECK_INT(operation_row(op)->state, OP_SUCCEEDED);
    }
    check_updated(e);
    CHECK(vm_find(&core, "crate", &err) == e && vm_find(&core, "box", NULL) == NULL);
    close_core();
    open_core();
    check_updated(vm_find(&core, "crate", &err));
    close_core();
}

/* It waits, and what it asks for is looked at when its turn comes. */
static void test_update_waits_for_its_turn(void)
{
    struct err err = ERR_INIT;
    open_fresh();
    struct vm_entry *e = add_saved("aaaa000000000001", "box");
    struct vm_update_request cpus = {.vm = "box", .cpus = 3};
    struct vm_update_request taken = {.vm = "box", .name = "crate"};
    struct operation_entry *first = vm_ask_update(&core, &update, NULL, &err);
    struct operation_entry *late = vm_ask_update(&core, &update, NULL, &err);
    struct operation_entry *last = vm_ask_update(&core, &cpus, NULL, &err);
    struct vm_entry *other = add_saved("aaaa000000000002", "other");
    taken.vm = "other";
    struct operation_entry *too_late = vm_ask_update(&core, &taken, NULL, &err);
    if (!CHECK(first && late && last && too_late))
        return;
    CHECK_STR(vm_record(e)->name, "box"); /* nothing has changed yet */
    CHECK_INT(vm_record(e)->generation, 1);
    operation_resume_all(&core);
    finish(last);
    finish(too_late);
    CHECK_INT(operation_row(first)->state, OP_SUCCEEDED);
    CHECK_INT(operation_row(late)->state, OP_FAILED);
    CHECK_STR(operation_row(late)->error_reason, "GENERATION_MISMATCH");
    CHECK_INT(operation_row(last)->state, OP_SUCCEEDED);
    CHECK_STR(operation_row(too_late)->error_reason, "VM_NAME_TAKEN");
    CHECK_STR(vm_record(e)->name, "crate");
    CHECK_INT(vm_record(e)->spec.cpus, 3);
    CHECK_INT(vm_record(e)->generation, 3);
    CHECK_STR(vm_record(other)->name, "other");
    close_core();
}

/* What was accepted is done by the next daemon: labels too. */
static void test_update_outlives_the_daemon(void)
{
    struct err err = ERR_INIT;
    open_fresh();
    add_saved("aaaa000000000001", "box");
    struct operation_entry *op = vm_ask_update(&core, &update, NULL, &err);
    if (!CHECK(op != NULL))
        return;
    char id[ID_BYTES];
    snprintf(id, sizeof(id), "%s", operation_row(op)->id);
    close_core();
    open_core();
    op = operation_find(&core, id, &err);
    struct vm_entry *e = vm_find(&core, "box", &err);
    if (!CHECK(op && e))
        return;
    operation_resume_all(&core);
    finish(op);
    CHECK_INT(operation_row(op)->state, OP_SUCCEEDED);
    check_updated(e);
    close_core();
    open_core();
    check_updated(vm_find(&core, "crate", &err));
    close_core();
}

/* Who is bound to a scope cannot reach, by waiting, what has left it. */
static void test_update_keeps_to_its_scope_when_its_turn_comes(void)
{
    struct err err = ERR_INIT;
    static const struct labels scope = {.n = 1, .at = {{"old", "1"}}};
    struct request_meta meta = {.principal = "bound", .scope = &scope};
    struct vm_update_request cpus = {.vm = "box", .cpus = 3};
    open_fresh();
    struct vm_entry *e = add_saved("aaaa000000000001", "box");
    struct operation_entry *out = vm_ask_update(&core, &update, NULL, &err);
    struct operation_entry *late = vm_ask_update(&core, &cpus, &meta, &err);
    if (!CHECK(out && late))
        return;
    CHECK(vm_ask_update(&core, &update, &meta, &err) == NULL);
    CHECK_STR(err.reason, "OUT_OF_SCOPE");
    operation_resume_all(&core);
    finish(late);
    CHECK_STR(operation_row(late)->error_reason, "VM_NOT_FOUND");
    CHECK_INT(vm_record(e)->spec.cpus, 2);
    close_core();
}

int main(void)
{
    vm_world_begin();
    RUN(test_update);
    RUN(test_update_waits_for_its_turn);
    RUN(test_update_outlives_the_daemon);
    RUN(test_update_keeps_to_its_scope_when_its_turn_comes);
    vm_world_end();
    return check_end();
}
