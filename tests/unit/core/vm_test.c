/* References, names, states, order, handles.json, images of VMs: without any machine. */
#include "daemon/core/image/image.h"
#include "daemon/core/vm/handles.h"
#include "tests/unit/core/vm_world.h"

static void test_references(void)
{
    struct err err = ERR_INIT;
    open_fresh();
    struct vm_entry *a = add("aaaa000000000001", "box"), *b = add("aaaa000000000002", "aaaa");
    struct vm_entry *c = add("bbbb000000000001", "aaaa000000000001x");
    CHECK(vm_find(&core, "box", &err) == a);
    CHECK(vm_find(&core, "aaaa000000000001", &err) == a);
    CHECK(vm_find(&core, "aaaa", &err) == b); /* a name goes before a prefix */
    CHECK(vm_find(&core, "b", &err) == c);
    CHECK(vm_find(&core, "aaaa0", &err) == NULL);
    CHECK_INT(err.code, ERR_INVALID);
    CHECK_STR(err.reason, "AMBIGUOUS_REFERENCE");
    CHECK_CONTAINS(err.message, "aaaa000000000001 (box)");
    CHECK(vm_find(&core, "nobody", &err) == NULL);
    CHECK_INT(err.code, ERR_NOT_FOUND);
    CHECK_STR(err.reason, "VM_NOT_FOUND");
    CHECK(vm_find(&core, "", &err) == NULL);
    CHECK_INT(err.code, ERR_INVALID);
    CHECK(add("cccc000000000001", "box") == NULL);
    CHECK_INT(vm_rename(a, "aaaa", &err), -1);
    CHECK_STR(err.reason, "VM_NAME_TAKEN");
    CHECK(vm_next(&core, NULL) == a && vm_next(&core, a) == b);
    CHECK_INT(vm_count(&core), 3);
    close_core();
}

static void save(struct vm_entry *e)
{
    struct store_txn *txn = store_txn_new();
    vm_save(e, txn);
    commit_now(core.loop, core.store, txn);
}

static bool is_free(const char *name)
{
    return vm_name_check_free(&core, NULL, name, NULL) == 0;
}

/* Until the row with the new name is on disk, the old one is there. */
static void test_a_rename_is_seen_and_frees_the_old_name_when_it_is_on_disk(void)
{
    struct err err = ERR_INIT;
    open_fresh();
    struct vm_entry *e = add("aaaa000000000001", "box");
    struct store_txn *before = store_txn_new();
    vm_save(e, before); /* a version with the old name, on its way */
    CHECK_INT(vm_rename(e, "crate", &err), 0);
    CHECK(!is_free("crate") && !is_free("box"));
    CHECK(vm_find(&core, "box", NULL) == e && vm_find(&core, "crate", NULL) == NULL);
    commit_now(core.loop, core.store, before);
    CHECK(!is_free("crate") && !is_free("box"));
    CHECK(vm_find(&core, "box", NULL) == e && vm_find(&core, "crate", NULL) == NULL);
    save(e);
    CHECK(!is_free("crate") && is_free("box"));
    CHECK(vm_find(&core, "crate", NULL) == e && vm_find(&core, "box", NULL) == NULL);
    CHECK(add("aaaa000000000002", "box") != NULL);
    /* And back, whether or not the name has been on disk meanwhile. */
    CHECK_INT(vm_rename(e, "chest", &err), 0);
    CHECK_INT(vm_rename(e, "crate", &err), 0);
    CHECK(!is_free("crate") && !is_free("chest"));
    save(e);
    CHECK(!is_free("crate") && is_free("chest"));
    CHECK_INT(vm_rename(e, "chest", &err), 0);
    vm_save(e, NULL);
    CHECK_INT(vm_rename(e, "crate", &err), 0);
    CHECK(!is_free("crate") && !is_free("chest"));
    save(e);
    CHECK(!is_free("crate") && is_free("chest"));
    CHECK(vm_find(&core, "crate", NULL) == e);
    close_core();
}

/* What is changed while an older version is on its way to the disk is not shown with that. */
static void test_shown_is_what_is_on_disk(void)
{
    open_fresh();
    struct vm_entry *e = add("aaaa000000000001", "box");
    struct store_txn *txn = store_txn_new();
    vm_edit(e)->generation = 7;
    vm_save(e, txn);
    CHECK_INT(vm_shown(e)->generation, 0);
    vm_edit(e)->generation = 8;
    commit_now(core.loop, core.store, txn);
    CHECK_INT(vm_shown(e)->generation, 7);
    txn = store_txn_new();
    vm_save(e, txn);
    commit_now(core.loop, core.store, txn);
    CHECK_INT(vm_shown(e)->generation, 8);
    close_core();
}

static void test_states(void)
{
    open_fresh();
    struct vm_entry *e = add("aaaa000000000001", "box");
    log_set_level(LOG_LEVEL_ERROR + 1);
    CHECK_INT(vm_set_state(e, VM_RUNNING, NULL, NULL, NULL), -1);
    CHECK_INT(vm_record(e)->runtime.state, VM_STOPPED);
    log_set_level(LOG_LEVEL_ERROR);
    CHECK_INT(vm_set_state(e, VM_STARTING, NULL, NULL, NULL), 0);
    CHECK_INT(vm_set_state(e, VM_FAILED, "boot", "no word", NULL), 0);
    CHECK_STR(vm_record(e)->runtime.failed_stage, "boot");
    CHECK_STR(vm_record(e)->runtime.last_error, "no word");
    CHECK(vm_record(e)->stopped_ns > 0);
    CHECK_INT(vm_set_state(e, VM_STARTING, NULL, NULL, NULL), 0);
    CHECK_STR(vm_record(e)->runtime.last_error, "");
    CHECK_STR(vm_record(e)->runtime.failed_stage, "");
    CHECK_INT(vm_set_state(e, VM_RUNNING, NULL, NULL, NULL), 0);
    CHECK(vm_record(e)->started_ns > 0);
    /* From UNKNOWN to STOPPED only by evidence; never from DELETING back to life. */
    CHECK(!vm_state_may_move(VM_DELETING, VM_STOPPED));
    CHECK(!vm_state_may_move(VM_DELETING, VM_RUNNING));
    CHECK(!vm_state_may_move(VM_STOPPED, VM_RUNNING));
    CHECK(!vm_state_may_move(VM_FAILED, VM_RUNNING));
    struct vm_condition c[VM_CONDITIONS_MAX];
    CHECK_INT(vm_get_conditions(e, c), 2);
    CHECK_STR(c[0].type, "AgentReady");
    CHECK(!c[0].status);
    close_core();
}

/* A clock that was set back between two VMs must hide none from a client that reads page by page.
 */
static void test_order_is_that_of_creation_times(void)
{
    static const struct {
        const char *id;
        int64_t created_ns;
    } made[] = {{"00000000000000a1", 300},
                {"00000000000000a2", 100}, /* set back */
                {"00000000000000a4", 200},
                {"00000000000000a3", 200}};
    open_fresh();
    for (size_t i = 0; i < 4; i++) {
        struct vm vm = {.created_ns = made[i].created_ns};
        snprintf(vm.id, sizeof(vm.id), "%s", made[i].id);
        snprintf(vm.name, sizeof(vm.name), "vm-%zu", i);
        CHECK(vm_add(&core, &vm, NULL) != NULL);
    }
    CHECK_INT(vm_order_after(&core, INT64_MIN, ""), 0);
    CHECK_STR(vm_record(vm_at(&core, 0))->id, made[1].id);
    CHECK_STR(vm_record(vm_at(&core, 1))->id, made[3].id);
    CHECK_STR(vm_record(vm_at(&core, 2))->id, made[2].id);
    CHECK_STR(vm_record(vm_at(&core, 3))->id, made[0].id);
    CHECK(!vm_at(&core, 4));
    CHECK_INT(vm_order_after(&core, 200, made[3].id), 2);
    CHECK_INT(vm_order_after(&core, 250, "gone"), 3);
    close_core();
}

/* Lists of thousands walk them all. */
static void test_a_record_is_small(void)
{
    CHECK(sizeof(struct vm_entry) <= 4096);
}

static void test_handles(void)
{
    struct vm_handles h = {.pid = 42, .pid_start_time = 77, .host_boot_id = "boot"}, back;
    struct err err = ERR_INIT;
    char *text = handles_to_json(&h);
    CHECK_INT(handles_from_json(text, strlen(text), &back, &err), 0);
    CHECK_INT(back.pid, 42);
    CHECK_INT(back.pid_start_time, 77);
    CHECK_STR(back.host_boot_id, "boot");
    /* Cut anywhere it is no handles file, and never a wrong one. */
    for (size_t n = 0; n + 1 < strlen(text); n++)
        CHECK_INT(handles_from_json(text, n, &back, &err), -1);
    CHECK_INT(back.pid, 0);
    free(text);
    static const char *const odd[] = {
        "null",
        "[]",
        "{}",
        "{\"pid\": 1}",
        "{\"pid\": -5}",
        "{\"pid\": 99999999999}",
        "{\"pid\": \"12\"}",
        "{\"pid\": 12, \"pid_start_time\": -1}",
        "{\"pid\": 12, \"tap_device\": \"a-name-that-is-far-too-long-for-a-tap\"}",
        "{\"pid\": 12, \"dm_name\": 7}",
        "{\"pid\": 12, \"pid\": 13}"};
    for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
        CHECK_INT(handles_from_json(odd[i], strlen(odd[i]), &back, &err), -1);
        CHECK_INT(back.pid, 0);
    }
}

static void on_tagged(void *arg, const struct image *image, const struct err *err)
{
    (void)arg;
    CHECK(image && !err);
    loop_stop(core.loop);
}

static void test_images(void)
{
    struct err err = ERR_INIT;
    open_fresh();
    CHECK(image_default(&core, &err) == NULL);
    CHECK_CONTAINS(err.message, "banger image build");
    struct image a = {
        .id = "aaaa000000000001", .name = "debian", .digest = "sha256:0123456789abcdef"};
    struct image b = {
        .id = "aaaa000000000002", .name = "debian", .digest = "sha256:fedcba9876543210"};
    struct kernel k = {.id = "cccc000000000001", .name = "linux"};
    struct store_txn *txn = store_txn_new();
    CHECK_INT(image_publish(&core, &a, txn, &err), 0);
    CHECK_INT(image_publish(&core, &b, txn, &err), 0);
    CHECK_INT(kernel_publish(&core, &k, txn, &err), 0);
    commit_now(core.loop, core.store, txn);
    CHECK_STR(image_find(&core, "debian", &err)->id, b.id); /* the name has moved */
    CHECK_STR(image_find(&core, "sha256:0123456789ab", &err)->id, a.id);
    CHECK(image_find(&core, "sha256:01", &err) == NULL);
    CHECK(image_find(&core, "aaaa", &err) == NULL);
    CHECK_STR(err.reason, "AMBIGUOUS_REFERENCE");
    CHECK(image_find(&core, "", &err) == NULL);
    CHECK_STR(err.reason, "IMAGE_NOT_FOUND");
    CHECK_STR(kernel_default(&core, &err)->id, k.id);
    struct vm made = {.id = "bbbb000000000001", .name = "box", .spec.image_id = "aaaa000000000001"};
    struct vm_entry *e = vm_add(&core, &made, &err);
    CHECK_INT(image_vm_count(&core, a.id), 1);
    CHECK_INT(image_delete(&core, a.id, NULL, NULL, &err), -1);
    CHECK_STR(err.reason, "IMAGE_IN_USE");
    vm_withdraw(e);
    CHECK_INT(image_vm_count(&core, a.id), 0);
    CHECK_INT(image_tag(&core, a.id, "first", on_tagged, NULL, &err), 0);
    loop_run(core.loop, &err);
    CHECK_STR(image_find(&core, "first", &err)->id, a.id);
    CHECK_INT(image_tag(&core, a.id, "No Good", on_tagged, NULL, &err), -1);
    close_core();
    open_core();
    CHECK_STR(image_find(&core, "first", &err)->id, a.id);
    CHECK_STR(image_find(&core, "debian", &err)->id, b.id);
    close_core();
}

int main(void)
{
    vm_world_begin();
    RUN(test_references);
    RUN(test_a_rename_is_seen_and_frees_the_old_name_when_it_is_on_disk);
    RUN(test_shown_is_what_is_on_disk);
    RUN(test_states);
    RUN(test_order_is_that_of_creation_times);
    RUN(test_a_record_is_small);
    RUN(test_handles);
    RUN(test_images);
    vm_world_end();
    return check_end();
}
