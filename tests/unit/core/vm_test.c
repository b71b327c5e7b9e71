/* What a VM may be, references, states, handles.json: without any machine. */
#include <unistd.h>

#include "base/err.h"
#include "base/fs.h"
#include "base/log.h"
#include "daemon/core/core.h"
#include "daemon/core/event/event.h"
#include "daemon/core/vm/handles.h"
#include "daemon/core/image/image.h"
#include "daemon/core/operation/operation.h"
#include "daemon/core/vm/vm_internal.h"
#include "daemon/core/vm/vm_ops.h"
#include "daemon/core/vm/vm_egress.h"
#include "daemon/core/vm/vm_network.h"
#include "daemon/core/vm/vm_spec.h"
#include "daemon/store/store.h"
#include "daemon/vmm/vmm.h"
#include "rpc/event/loop.h"
#include "rpc/event/worker.h"
#include "tests/support/check.h"
#include "tests/support/commit.h"

#define MIB ((uint64_t)1 << 20)

static char dir[64];
static struct core core;
static struct vmm_host host;

static void open_core(void)
{
    struct err err = ERR_INIT;
    char path[128];
    snprintf(path, sizeof(path), "%s/test.db", dir);
    core = (struct core){.config = {.max_vms = 4, .stop_grace_ms = 1000}};
    snprintf(core.config.state_dir, sizeof(core.config.state_dir), "%s", dir);
    snprintf(core.config.default_driver, sizeof(core.config.default_driver), "sim");
    core.loop = loop_new(&err);
    core.quick = workers_new(core.loop, "work", 1, 100, &err);
    core.slow = workers_new(core.loop, "slow", 1, 100, &err);
    core.store = store_open(core.loop, path, &err);
    host = (struct vmm_host){.loop = core.loop, .quick = core.quick};
    core.vmm_host = &host;
    if (core_open(&core, &err) < 0) {
        fprintf(stderr, "%s\n", err.message);
        exit(1);
    }
}

static void open_fresh(void)
{
    fs_remove_tree(dir, NULL);
    fs_make_dirs(dir, 0700, NULL);
    open_core();
}

static void close_core(void)
{
    workers_close(core.quick);
    workers_close(core.slow);
    core_close(&core);
    store_close(core.store);
    loop_free(core.loop);
}

static struct vm_entry *add(const char *id, const char *name)
{
    struct err err = ERR_INIT;
    struct vm vm = {.runtime.state = VM_STOPPED,
                    .spec = {.memory_bytes = 256 * MIB, .restart = RESTART_NEVER}};
    snprintf(vm.id, sizeof(vm.id), "%s", id);
    snprintf(vm.name, sizeof(vm.name), "%s", name);
    struct vm_entry *e = vm_add(&core, &vm, &err);
    if (!e) {
        fprintf(stderr, "%s\n", err.message);
        return NULL;
    }
    CHECK(vm_shown(e) == NULL && vm_find(&core, id, &err) == NULL); /* not before it is on disk */
    struct store_txn *txn = store_txn_new();
    vm_save(e, txn);
    commit_now(core.loop, core.store, txn);
    CHECK(vm_shown(e) == vm_record(e));
    return e;
}

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

static void refuse(struct vm_spec spec, const char *part)
{
    struct err err = ERR_INIT;
    if (CHECK_INT(vm_spec_check(&core, &spec, NULL, &err), -1))
        CHECK_CONTAINS(err.message, part);
    CHECK(err.code == ERR_INVALID || err.code == ERR_NOT_FOUND || err.code == ERR_UNIMPLEMENTED);
}

static void test_spec(void)
{
    struct err err = ERR_INIT;
    open_fresh();
    struct vm_spec spec = {.cpus = 0};
    CHECK_INT(vm_spec_check(&core, &spec, NULL, &err), 0);
    CHECK_INT(spec.cpus, 1);
    CHECK_INT(spec.memory_bytes, 256 * MIB);
    CHECK_INT(spec.net, NET_USER);
    CHECK_STR(spec.driver, "sim");
    CHECK_INT(spec.restart, RESTART_NEVER);
    refuse((struct vm_spec){.cpus = 65}, "cpus");
    refuse((struct vm_spec){.memory_bytes = 1}, "memory");
    refuse((struct vm_spec){.memory_bytes = 64 * MIB + 1}, "memory");
    refuse((struct vm_spec){.memory_bytes = UINT64_MAX}, "memory");
    refuse((struct vm_spec){.limits = {.memory_max_bytes = 64 * MIB}}, "its guest has");
    refuse((struct vm_spec){.limits = {.memory_max_bytes = UINT64_MAX}}, "memory_max_bytes");
    refuse((struct vm_spec){.limits = {.cpu_quota_percent = 12801}}, "cpu_quota_percent");
    refuse((struct vm_spec){.limits = {.tasks_max = 15}}, "tasks_max");
    refuse((struct vm_spec){.work_disk_bytes = 1}, "work disk");
    refuse((struct vm_spec){.disk_bytes = 513 * MIB + 1}, "system disk");
    refuse((struct vm_spec){.disk_bytes = UINT64_MAX - 511}, "system disk");
    refuse((struct vm_spec){.driver = "none"}, "no driver");
    refuse((struct vm_spec){.image = "nothing"}, "no image nothing");
    refuse((struct vm_spec){.driver = "qemu"}, "banger image build");
    refuse((struct vm_spec){.net = NET_BRIDGE}, "\"bridge\" is not built");
    refuse((struct vm_spec){.expire_after_ms = 999}, "expiry");
    refuse((struct vm_spec){.expire_after_ms = UINT64_MAX}, "expiry");
    refuse((struct vm_spec){.idle_stop_after_ms = 1}, "idle stop");
    refuse((struct vm_spec){.restart = (enum restart_policy)4}, "restart policy");
    refuse((struct vm_spec){.ephemeral = true, .restart = RESTART_ALWAYS}, "no restart policy");
    refuse((struct vm_spec){.ephemeral = true, .autostart = true}, "no autostart");
    CHECK_INT(vm_name_check("Box", &err), -1);
    CHECK_STR(err.reason, "INVALID_NAME");
    CHECK_INT(vm_name_check("", &err), -1);
    CHECK_INT(vm_name_check("a-b", &err), 0);
    char name[NAME_BYTES];
    vm_name_make(&core, name);
    CHECK_INT(vm_name_check(name, &err), 0);
    struct labels labels = {.n = 2, .at = {{"a", "1"}, {"a", "2"}}};
    CHECK_INT(labels_check(&labels, &err), -1);
    snprintf(labels.at[1].key, sizeof(labels.at[1].key), "b");
    CHECK_INT(labels_check(&labels, &err), 0);
    struct labels some = {.n = 1, .at = {{"b", "2"}}}, other = {.n = 1, .at = {{"b", "3"}}};
    CHECK(labels_have(&labels, &some) && !labels_have(&labels, &other));
    close_core();
}

#define ENTRIES(text)                                                                              \
    {                                                                                              \
        (uint8_t *)(uintptr_t)(text), sizeof(text)                                                 \
    }

static void refuse_egress(struct vm_spec spec, enum err_code code, const char *part)
{
    struct err err = ERR_INIT;
    if (CHECK_INT(vm_egress_check(&core, &spec, &err), -1))
        CHECK_CONTAINS(err.message, part);
    CHECK_INT(err.code, code);
    CHECK_STR(err.reason, code == ERR_INVALID ? "INVALID_SPEC" : "EGRESS_UNAVAILABLE");
}

static void test_egress(void)
{
    struct err err = ERR_INIT;
    open_fresh();
    const struct vm_spec any = {.driver = "qemu", .net = NET_USER};
    struct vm_spec spec = any;
    CHECK_INT(vm_egress_check(&core, &spec, &err), 0);
    CHECK_INT(spec.egress.mode, EGRESS_ALL);
    spec.egress.mode = EGRESS_LIST;
    refuse_egress(spec, ERR_INVALID, "without entries");
    spec.egress.allow = (struct blob)ENTRIES("192.0.2.1/24");
    refuse_egress(spec, ERR_INVALID, "egress: 192.0.2.1/24 has bits");
    spec.egress.allow = (struct blob)ENTRIES("192.0.2.0/24:443\0example.com");
    refuse_egress(spec, ERR_INVALID, "\"example.com\" is no");
    spec.egress.allow = (struct blob)ENTRIES("192.0.2.0/24:443");
    CHECK_INT(vm_egress_check(&core, &spec, &err), 0);
    host.slirp = true;
    refuse_egress(spec, ERR_PRECONDITION, "needs passt");
    spec.net = NET_TAP;
    CHECK_INT(vm_egress_check(&core, &spec, &err), 0);
    spec.net = NET_NONE;
    refuse_egress(spec, ERR_INVALID, "no network");
    spec = any;
    spec.egress.mode = EGRESS_NONE;
    CHECK_INT(vm_egress_check(&core, &spec, &err), 0);
    host.slirp = false;
    snprintf(spec.driver, sizeof(spec.driver), "sim");
    refuse_egress(spec, ERR_PRECONDITION, "a process of this host");
    spec = any;
    spec.egress.mode = (enum egress_mode)4;
    refuse_egress(spec, ERR_INVALID, "no mode");
    spec.egress = (struct vm_egress){EGRESS_ALL, ENTRIES("192.0.2.1")};
    refuse_egress(spec, ERR_INVALID, "not LIST");
    close_core();
}

/* What it comes to for the guest: the resolver is open with a list, and not given with none. */
static void test_egress_of_a_guest(void)
{
    struct vm vm = {.spec = {.driver = "qemu", .net = NET_USER}};
    struct egress_list list;
    struct guest_network net;
    open_fresh();
    vm_net_of_guest(&vm, &net);
    CHECK_STR(net.dns, "10.0.2.3");
    CHECK_INT(net.window_bytes, 65535);
    vm.spec.egress.mode = EGRESS_NONE;
    vm_net_of_guest(&vm, &net);
    CHECK_STR(net.dns, "");
    CHECK_STR(net.address, "10.0.2.15");
    vm_egress_of(&vm, &list);
    CHECK_INT(list.n, 0);
    vm.spec.egress = (struct vm_egress){EGRESS_LIST, ENTRIES("192.0.2.0/24:443\0"
                                                             "192.0.2.1/32")};
    vm_egress_of(&vm, &list);
    CHECK_INT(list.n, 2);
    vm.spec.net = NET_TAP;
    snprintf(vm.runtime.guest_ip, sizeof(vm.runtime.guest_ip), "10.213.0.2");
    vm_net_of_guest(&vm, &net);
    vm_egress_of(&vm, &list);
    struct egress_entry own;
    char text[EGRESS_TEXT_BYTES], want[EGRESS_TEXT_BYTES];
    snprintf(want, sizeof(want), "%s:53", net.dns);
    if (egress_entry_parse(want, &own, NULL) == 0 && CHECK_INT(list.n, 3)) {
        egress_entry_text(&list.at[2], text);
        CHECK_STR(text, want);
    }
    CHECK_INT(net.window_bytes, 0);
    close_core();
}

/* A limit that the VMMs' own memory is not counted against is none: a VM of 64 MiB under TCG
 * takes four times that. */
static void test_memory_of_monitors_is_promised_too(void)
{
    struct vm_spec spec = {.driver = "qemu", .memory_bytes = 64 * MIB};
    struct err err = ERR_INIT;
    open_fresh();
    CHECK_INT(vm_memory_promised(&core, &spec),
              (64 + 64 + 128 + 24) * MIB); /* as long as nobody knows */
    host.kvm_known = true;
    CHECK_INT(vm_memory_promised(&core, &spec), (64 + 64 + 128 + 24) * MIB);
    host.kvm_usable = true;
    CHECK_INT(vm_memory_promised(&core, &spec), (64 + 64 + 24) * MIB); /* with its passt */
    snprintf(spec.driver, sizeof(spec.driver), "sim");
    CHECK_INT(vm_memory_promised(&core, &spec), 64 * MIB);
    struct vm_entry *e = add("aaaa000000000001", "box");
    snprintf(vm_edit(e)->spec.driver, sizeof(vm_record(e)->spec.driver), "qemu");
    vm_edit(e)->spec.memory_bytes = 64 * MIB;
    core.config.max_memory_bytes = 127 * MIB;
    CHECK(vm_ask_start(&core, &(struct vm_start_request){.vm = "box"}, NULL, &err) == NULL);
    CHECK_STR(err.reason, "CAPACITY_EXCEEDED");
    CHECK_CONTAINS(err.message, "152 MiB are asked for");
    close_core();
}

static void test_bad_requests(void)
{
    struct err err = ERR_INIT;
    open_fresh();
    struct vm_entry *e = add("aaaa000000000001", "box");
    struct vm_create_request taken = {.name = "box"}, bad = {.name = "no_good"};
    struct vm_create_request fine = {.name = "fresh"};
    CHECK(vm_ask_create(&core, &taken, NULL, &err) == NULL);
    CHECK_STR(err.reason, "VM_NAME_TAKEN");
    CHECK(vm_ask_create(&core, &bad, NULL, &err) == NULL);
    CHECK_STR(err.reason, "INVALID_NAME");
    struct vm made;
    CHECK_INT(vm_create_check(&core, &fine, &made, &err), 0);
    CHECK_STR(made.name, "fresh");
    vm_done(&made);
    CHECK_INT(vm_count(&core), 1); /* a dry run makes nothing */
    CHECK(vm_ask_pause(&core, "box", NULL, &err) == NULL);
    CHECK_STR(err.reason, "VM_WRONG_STATE");
    CHECK(vm_ask_kill(&core, "nobody", NULL, &err) == NULL);
    CHECK_STR(err.reason, "VM_NOT_FOUND");
    core.settings.draining = true;
    CHECK(vm_ask_start(&core, &(struct vm_start_request){.vm = "box"}, NULL, &err) == NULL);
    CHECK_STR(err.reason, "HOST_DRAINING");
    core.settings.draining = false;
    core.config.max_files = DAEMON_FILES + VM_FILES - 1;
    CHECK(vm_ask_start(&core, &(struct vm_start_request){.vm = "box"}, NULL, &err) == NULL);
    CHECK_STR(err.reason, "FILES_LIMIT");
    CHECK_CONTAINS(err.message, "LimitNOFILE");
    core.config.max_files++;
    CHECK_INT(vm_files_fit(&core, 0), 1);
    CHECK_INT(vm_files_fit(&core, 1), 0);
    core.config.max_memory_bytes = 100 * MIB;
    CHECK(vm_ask_start(&core, &(struct vm_start_request){.vm = "box"}, NULL, &err) == NULL);
    CHECK_STR(err.reason, "CAPACITY_EXCEEDED");
    core.config.max_vms = 1;
    CHECK_INT(vm_create_check(&core, &fine, NULL, &err), -1);
    CHECK_STR(err.reason, "CAPACITY_EXCEEDED");
    CHECK_INT(vm_record(e)->runtime.state, VM_STOPPED);
    close_core();
}

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
    snprintf(dir, sizeof(dir), "/tmp/banger-vm-XXXXXX");
    if (!mkdtemp(dir))
        return 1;
    log_set_level(LOG_LEVEL_ERROR);
    RUN(test_references);
    RUN(test_a_rename_is_seen_and_frees_the_old_name_when_it_is_on_disk);
    RUN(test_shown_is_what_is_on_disk);
    RUN(test_states);
    RUN(test_order_is_that_of_creation_times);
    RUN(test_spec);
    RUN(test_egress);
    RUN(test_egress_of_a_guest);
    RUN(test_memory_of_monitors_is_promised_too);
    RUN(test_bad_requests);
    RUN(test_update);
    RUN(test_update_waits_for_its_turn);
    RUN(test_update_outlives_the_daemon);
    RUN(test_update_keeps_to_its_scope_when_its_turn_comes);
    RUN(test_a_record_is_small);
    RUN(test_handles);
    RUN(test_images);
    fs_remove_tree(dir, NULL);
    return check_end();
}
