/* Scopes: VMs that are there, that have gone, and whose labels change; whose a session, an
 * operation and an event are. */
#include <unistd.h>

#include "base/err.h"
#include "base/fs.h"
#include "base/log.h"
#include "daemon/core/core.h"
#include "daemon/core/event/event.h"
#include "daemon/core/operation/operation.h"
#include "daemon/core/access/scope.h"
#include "daemon/core/session/session.h"
#include "daemon/core/session/session_internal.h"
#include "daemon/core/vm/vm.h"
#include "daemon/core/vm/vm_ops.h"
#include "daemon/store/store.h"
#include "daemon/vmm/vmm.h"
#include "rpc/event/loop.h"
#include "rpc/event/worker.h"
#include "tests/support/check.h"
#include "tests/support/commit.h"

static const struct labels ci = {.n = 1, .at = {{"env", "ci"}}};
static const struct labels ci_blue = {.n = 2, .at = {{"team", "blue"}, {"env", "ci"}}};
static const struct labels production = {.n = 1, .at = {{"env", "production"}}};

static char dir[64];
static struct core core;
static struct vmm_host host;

static void open_core(void)
{
    struct err err = ERR_INIT;
    char path[128];
    fs_remove_tree(dir, NULL);
    fs_make_dirs(dir, 0700, NULL);
    snprintf(path, sizeof(path), "%s/test.db", dir);
    core = (struct core){.config = {.stop_grace_ms = 1000}};
    snprintf(core.config.state_dir, sizeof(core.config.state_dir), "%s", dir);
    snprintf(core.config.default_driver, sizeof(core.config.default_driver), "sim");
    core.loop = loop_new(&err);
    core.quick = workers_new(core.loop, "work", 1, 100, &err);
    core.store = store_open(core.loop, path, &err);
    host = (struct vmm_host){.loop = core.loop, .quick = core.quick};
    core.vmm_host = &host;
    if (core_open(&core, &err) < 0) {
        fprintf(stderr, "%s\n", err.message);
        exit(1);
    }
}

static void close_core(void)
{
    workers_close(core.quick);
    core_close(&core);
    store_close(core.store);
    loop_free(core.loop);
}

/* The id is made of a number. */
static struct vm_entry *add(unsigned number, const struct labels *labels)
{
    struct err err = ERR_INIT;
    struct vm vm = {.runtime.state = VM_STOPPED};
    snprintf(vm.id, sizeof(vm.id), "%016x", number);
    snprintf(vm.name, sizeof(vm.name), "vm-%u", number);
    CHECK_INT(label_list_set(&vm.labels, labels), 0);
    struct vm_entry *e = vm_add(&core, &vm, &err);
    vm_done(&vm);
    CHECK(e != NULL);
    struct store_txn *txn = store_txn_new();
    vm_save(e, txn);
    commit_now(core.loop, core.store, txn);
    return e;
}

static void remove_vm(struct vm_entry *e)
{
    struct store_txn *txn = store_txn_new();
    vm_remove(e, txn);
    commit_now(core.loop, core.store, txn);
}

static void test_labels_decide(void)
{
    open_core();
    struct vm_entry *a = add(1, &ci_blue), *b = add(2, &ci), *c = add(3, &production);
    CHECK(scope_has_vm(&ci, vm_record(a)) && scope_has_vm(&ci, vm_record(b)) &&
          !scope_has_vm(&ci, vm_record(c)));
    CHECK(scope_has_vm(&ci_blue, vm_record(a)) && !scope_has_vm(&ci_blue, vm_record(b)));
    CHECK(scope_has_vm(NULL, vm_record(c)));
    CHECK(scope_has_vm_id(&core, &ci, vm_record(a)->id) &&
          !scope_has_vm_id(&core, &ci, vm_record(c)->id));
    CHECK(!scope_has_vm_id(&core, &ci, "") && scope_has_vm_id(&core, NULL, ""));
    CHECK(!scope_has_vm_id(&core, &ci, "00000000000000ff"));
    label_list_set(&vm_edit(a)->labels,
                   &production); /* while somebody watches: asked anew each time */
    label_list_set(&vm_edit(c)->labels, &ci);
    CHECK(!scope_has_vm_id(&core, &ci, vm_record(a)->id) &&
          scope_has_vm_id(&core, &ci, vm_record(c)->id));
    close_core();
}

static void test_labels_that_are_needed(void)
{
    struct err err = ERR_INIT;
    CHECK_INT(scope_check_labels(NULL, NULL, &err), 0);
    CHECK_INT(scope_check_labels(&ci, &ci_blue, &err), 0);
    CHECK_INT(scope_check_labels(&ci_blue, &ci, &err), -1);
    CHECK_INT(err.code, ERR_DENIED);
    CHECK_STR(err.reason, "OUT_OF_SCOPE");
    CHECK_CONTAINS(err.message, "team=blue");
    CHECK_INT(scope_check_labels(&ci, NULL, &err), -1);
    CHECK_INT(scope_check_labels(&ci, &production, &err), -1);
}

/* Those who saw a VM hear of its end; the latest are remembered, and no more. */
static void test_departed(void)
{
    static const struct labels none = {.n = 0};
    open_core();
    char first[ID_BYTES], bare[ID_BYTES];
    struct vm_entry *e = add(1, &ci);
    snprintf(first, sizeof(first), "%s", vm_record(e)->id);
    remove_vm(e);
    CHECK(scope_has_vm_id(&core, &ci, first) && !scope_has_vm_id(&core, &production, first));
    CHECK(!scope_has_vm_id(&core, &ci_blue, first));
    e = add(2, &none);
    snprintf(bare, sizeof(bare), "%s", vm_record(e)->id);
    remove_vm(e); /* takes no room */
    CHECK(!scope_has_vm_id(&core, &ci, bare));
    for (unsigned i = 1; i < SCOPE_REMEMBERED; i++)
        remove_vm(add(100 + i, i % 2 ? &ci : &production));
    CHECK(scope_has_vm_id(&core, &ci, first)); /* the oldest of them */
    remove_vm(add(50, &ci));
    CHECK(!scope_has_vm_id(&core, &ci, first));
    CHECK(scope_has_vm_id(&core, &ci, "0000000000000065") /* 101 */);
    for (unsigned i = 0; i < 2 * SCOPE_REMEMBERED; i++)
        remove_vm(add(10000 + i, &ci));
    CHECK(!scope_has_vm_id(&core, &ci, "0000000000000065"));
    for (unsigned i = 0; i < 2 * SCOPE_REMEMBERED; i++) {
        char id[ID_BYTES];
        snprintf(id, sizeof(id), "%016x", 10000 + i);
        if (!CHECK_INT(scope_has_vm_id(&core, &ci, id), i >= SCOPE_REMEMBERED))
            break;
    }
    close_core();
}

static struct session_entry *add_session(const struct vm_entry *vm, const char *id)
{
    struct session record = {.state = SESSION_EXITED};
    snprintf(record.id, sizeof(record.id), "%s", id);
    snprintf(record.vm_id, sizeof(record.vm_id), "%s", vm_record(vm)->id);
    struct session_vm *of = session_vm_get(&core, vm_record(vm)->id);
    struct session_entry *e = of ? session_add(&core, &record, of) : NULL;
    if (CHECK(e != NULL))
        e->stored = true;
    return e;
}

/* The VM that the latest event names. */
static void check_event_vm(const char *kind, const char *vm_id)
{
    struct event e;
    commit_now(core.loop, core.store, store_txn_new());
    if (CHECK(event_load(&core, event_last_seq(&core), &e))) {
        CHECK_STR(e.kind, kind);
        CHECK_STR(e.vm_id, vm_id);
    }
}

static void test_sessions(void)
{
    struct err err = ERR_INIT;
    open_core();
    struct vm_entry *a = add(1, &ci), *b = add(2, &production);
    add_session(a, "aaaa000000000001");
    struct session_entry *on_b = add_session(b, "bbbb000000000001");
    struct store_txn *txn = store_txn_new();
    session_emit(on_b, txn, SESSION_EXITED);
    commit_now(core.loop, core.store, txn);
    check_event_vm("session.state", vm_record(b)->id);

    struct session_entry *found = session_find_within(&core, &ci, NULL, "aaaa", &err);
    CHECK(found && strcmp(found->session.id, "aaaa000000000001") == 0);
    CHECK(session_find_within(&core, &ci, NULL, "bbbb000000000001", &err) == NULL);
    CHECK_STR(err.reason, "SESSION_NOT_FOUND");
    CHECK(session_find_within(&core, &ci, a, "bbbb000000000001", &err) == NULL);
    CHECK(session_find_within(&core, NULL, NULL, "bbbb000000000001", &err) != NULL);
    label_list_set(&vm_edit(a)->labels, &production);
    CHECK(session_find_within(&core, &ci, NULL, "aaaa", &err) == NULL);
    close_core();
}

/* Those on VMs of the scope, and the principal's own. */
static void test_operations(void)
{
    struct err err = ERR_INIT;
    open_core();
    struct vm_entry *a = add(1, &ci), *b = add(2, &production);
    const struct request_meta alice = {.principal = "alice"};
    struct operation_entry *on_a = vm_ask_stop(
        &core, &(struct vm_stop_request){.vm = vm_record(a)->id, .grace_ms = -1}, &alice, &err);
    struct operation_entry *on_b = vm_ask_stop(
        &core, &(struct vm_stop_request){.vm = vm_record(b)->id, .grace_ms = -1}, &alice, &err);
    struct operation_entry *all =
        vm_ask_prune(&core, &(struct vm_prune_request){.dry_run = true}, &alice, &err);
    if (!CHECK(on_a && on_b && all))
        return;
    CHECK(operation_find_within(&core, NULL, "alice", operation_row(on_a)->id, &err) ==
          NULL); /* not on disk */
    commit_now(core.loop, core.store, store_txn_new());
    CHECK_STR(operation_vm_id(on_b), vm_record(b)->id);
    CHECK_STR(operation_vm_id(all), "");
    CHECK(operation_is_within(on_a, &ci, "bob") && !operation_is_within(on_b, &ci, "bob"));
    CHECK(!operation_is_within(all, &ci, "bob") && operation_is_within(all, NULL, "bob"));
    CHECK(operation_is_within(on_b, &ci, "alice") && operation_is_within(all, &ci, "alice"));
    CHECK(operation_find_within(&core, &ci, "bob", operation_row(on_a)->id, &err) == on_a);
    CHECK(operation_find_within(&core, &ci, "bob", operation_row(on_b)->id, &err) == NULL);
    CHECK_STR(err.reason, "OPERATION_NOT_FOUND");
    label_list_set(&vm_edit(a)->labels, &production);
    CHECK(!operation_is_within(on_a, &ci, "bob"));
    close_core();
}

static void test_events(void)
{
    open_core();
    struct vm_entry *a = add(1, &ci);
    struct event e = {.resource = "vm/0000000000000001", .vm_id = "0000000000000001"};
    CHECK(scope_has_event(&core, &ci, &e) && !scope_has_event(&core, &production, &e));
    remove_vm(a);
    CHECK(scope_has_event(&core, &ci, &e) && !scope_has_event(&core, &production, &e));
    static const struct {
        const char *resource;
        bool shown;
    } others[] = {{"image/1", true}, {"kernel/1", true},     {"identity", false},
                  {"host", false},   {"operation/1", false}, {"imagery", false}};
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        e = (struct event){.seq = 1};
        snprintf(e.resource, sizeof(e.resource), "%s", others[i].resource);
        CHECK_INT(scope_has_event(&core, &ci, &e), others[i].shown);
        CHECK(scope_has_event(&core, NULL, &e));
    }
    close_core();
}

int main(void)
{
    log_set_level(LOG_LEVEL_ERROR);
    snprintf(dir, sizeof(dir), "/tmp/banger-scope-XXXXXX");
    if (!mkdtemp(dir))
        return 1;
    RUN(test_labels_decide);
    RUN(test_labels_that_are_needed);
    RUN(test_departed);
    RUN(test_sessions);
    RUN(test_operations);
    RUN(test_events);
    fs_remove_tree(dir, NULL);
    return check_end();
}
