/* What an audit of this host says of what is there, and what a collection removes: what is of an id
 * that no record has, no folder and no process, once it is old enough; never more. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fs.h"
#include "daemon/core/core.h"
#include "daemon/core/supervise/garbage.h"
#include "daemon/core/vm/vm_objects.h"
#include "daemon/core/vm/vm_ops.h"
#include "daemon/host/scope.h"
#include "daemon/priv/priv_call.h"
#include "tests/integration/core/world.h"
#include "tests/support/check.h"
#include "tests/support/host_objects.h"
#include "tests/support/object_fault.h"

#define NOBODY_ID "00000000000000aa"
#define FOLDER_ID "00000000000000bb"

static char dir[PATH_BYTES];
static struct world w;
static struct harness host; /* what it shows, without a daemon */

/* One look */

enum { THINGS_MAX = 100 };

static struct answer {
    struct host_thing at[THINGS_MAX];
    size_t n;
    bool there, failed;
} answer;

static void on_things(void *arg, struct host_thing *const *things, size_t n, const struct err *err)
{
    (void)arg;
    answer.n = n < THINGS_MAX ? n : THINGS_MAX;
    for (size_t i = 0; i < answer.n; i++)
        answer.at[i] = *things[i];
    answer.failed = err != NULL;
    if (err)
        fprintf(stderr, "%s\n", err->message);
    answer.there = true;
}

static bool is_there(void *arg)
{
    (void)arg;
    return answer.there;
}

static bool wait_for_answer(int begun)
{
    return CHECK_INT(begun, 0) && CHECK(world_wait_until(&w, is_there, NULL)) &&
           CHECK(!answer.failed);
}

static bool audit(void)
{
    answer.there = false;
    return wait_for_answer(host_audit_start(&w.core, false, on_things, NULL, NULL));
}

static bool collect(bool dry_run, int64_t min_age_ms)
{
    answer.there = false;
    return wait_for_answer(garbage_collect(&w.core, dry_run, min_age_ms, on_things, NULL, NULL));
}

static const struct host_thing *thing(const char *vm_id, const char *kind)
{
    static const struct host_thing none;
    for (size_t i = 0; i < answer.n; i++)
        if (strcmp(answer.at[i].vm_id, vm_id) == 0 &&
            strcmp(host_thing_kind(&answer.at[i]), kind) == 0)
            return &answer.at[i];
    return &none;
}

static size_t count(enum host_thing_state state)
{
    size_t n = 0;
    for (size_t i = 0; i < answer.n; i++)
        n += answer.at[i].state == state;
    return n;
}

static size_t count_removed(void)
{
    size_t n = 0;
    for (size_t i = 0; i < answer.n; i++)
        n += answer.at[i].removed;
    return n;
}

/* What is there */

static void scope_of(const char *vm_id, struct object *o)
{
    struct err err = ERR_INIT;
    if (!CHECK_INT(object_init(o, "scope", dir, vm_id, OBJECT_SCOPE, &err), 0))
        fprintf(stderr, "%s\n", err.message);
}

static void make_scope(const char *vm_id, struct object *o)
{
    struct err err = ERR_INIT;
    scope_of(vm_id, o);
    if (!CHECK_INT(o->kind->make(o, -1, &err), 0))
        fprintf(stderr, "%s\n", err.message);
}

static bool exists(const struct object *o)
{
    struct stat st;
    return stat(o->name, &st) == 0;
}

static bool succeeds(struct operation_entry *op)
{
    if (!CHECK(op != NULL))
        return false;
    operation_ref(op);
    bool ok = world_wait(&w, op) && operation_row(op)->state == OP_SUCCEEDED;
    operation_unref(op);
    return CHECK(ok);
}

static void stop_vm(const char *vm)
{
    struct vm_stop_request req = {.vm = vm};
    succeeds(vm_ask_stop(&w.core, &req, NULL, NULL));
}

static void delete_vm(const char *vm)
{
    struct vm_delete_request req = {.vm = vm, .force = true};
    succeeds(vm_ask_delete(&w.core, &req, NULL, NULL));
}

/* Tests */

static void nothing_is_wrong_where_nothing_is(void)
{
    CHECK(audit());
    CHECK_INT(answer.n, 0);
    CHECK(collect(false, 0));
    CHECK_INT(answer.n, 0);
}

static void a_VM_has_what_it_should_have(void)
{
    struct object scope;
    struct vm_entry *e = world_create(&w, "box", true);
    if (!CHECK(e != NULL) || !audit())
        return;
    const char *id = vm_record(e)->id;
    CHECK_INT(count(HOST_THING_OK), answer.n);
    CHECK_INT(answer.n, 4); /* process, folder, disk, scope */
    CHECK_INT(answer.at[0].pid, vm_handles(e)->pid);
    CHECK_STR(answer.at[0].vm_name, "box");
    CHECK_STR(thing(id, "folder")->name, vm_record(e)->runtime.vm_dir);
    CHECK(thing(id, "folder")->since_ns > 0);
    stop_vm("box");
    scope_of(id, &scope);
    CHECK_INT(object_scope.remove(&scope, NULL), 0); /* when its last process has left it */
    CHECK(audit());
    CHECK_INT(thing(id, "scope")->state, HOST_THING_MISSING);
    CHECK_CONTAINS(thing(id, "scope")->message, "makes it again");
    CHECK_INT(answer.n, 3);
}

/* A name of ours with another's thing behind it is told of, and stays. */
static void a_strangers_is_none_of_ours(void)
{
    struct object scope;
    const char *id = vm_record(vm_find(&w.core, "box", NULL))->id;
    scope_of(id, &scope);
    CHECK_INT(mkdir(scope.name, 0755), 0);
    CHECK_INT(chown(scope.name, 12345, 12345), 0);
    CHECK(collect(false, 0));
    CHECK_INT(thing(id, "scope")->state, HOST_THING_STRANGER);
    CHECK(exists(&scope));
    CHECK_INT(rmdir(scope.name), 0);
    delete_vm("box");
    make_scope(NOBODY_ID, &scope);
    CHECK_INT(chown(scope.name, 12345, 12345), 0);
    CHECK(collect(false, 0));
    CHECK_INT(answer.n, 0);
    CHECK(exists(&scope));
    CHECK_INT(rmdir(scope.name), 0);
}

static void what_no_VM_has_goes_when_it_is_old(void)
{
    struct object scope;
    make_scope(NOBODY_ID, &scope);
    CHECK(audit());
    CHECK_INT(thing(NOBODY_ID, "scope")->state, HOST_THING_ORPHAN);
    int64_t since_ns = thing(NOBODY_ID, "scope")->since_ns;
    CHECK(since_ns > 0);
    CHECK(collect(false, 3600000));
    CHECK_INT(thing(NOBODY_ID, "scope")->since_ns, since_ns);
    CHECK_CONTAINS(thing(NOBODY_ID, "scope")->message, "it goes when");
    CHECK_INT(count_removed(), 0);
    CHECK(exists(&scope));
    CHECK(collect(true, 0));
    CHECK_INT(count_removed(), 1);
    CHECK(exists(&scope));
    CHECK(collect(false, 0));
    CHECK_INT(count_removed(), 1);
    CHECK(!exists(&scope));
    CHECK(audit());
    CHECK_INT(answer.n, 0);
}

static bool is_known(void *arg)
{
    (void)arg;
    return garbage_count(&w.core) > 0;
}

/* By itself the daemon sees it, and waits; of what is in order it says nothing. */
static void what_no_VM_has_is_looked_for_by_itself(void)
{
    struct object scope;
    make_scope(NOBODY_ID, &scope);
    CHECK(world_create(&w, "box", true) != NULL);
    CHECK_INT(garbage_count(&w.core), 0);
    garbage_start(&w.core, 0);
    CHECK(world_wait_until(&w, is_known, NULL));
    answer.there = false;
    CHECK(wait_for_answer(host_audit_start(&w.core, true, on_things, NULL, NULL)));
    CHECK_INT(answer.n, 1);
    CHECK_INT(thing(NOBODY_ID, "scope")->state, HOST_THING_ORPHAN);
    CHECK(exists(&scope));
    CHECK_INT(rmdir(scope.name), 0);
    CHECK(audit());
    CHECK_INT(garbage_count(&w.core), 0);
    delete_vm("box");
}

/* A VM that the database does not have is not garbage: what becomes of it is said to recover. */
static void what_a_folder_belongs_to_stays(void)
{
    struct object scope, folder;
    CHECK_INT(object_init(&folder, "folder", dir, FOLDER_ID, OBJECT_FOLDER, NULL), 0);
    CHECK_INT(folder.kind->make(&folder, -1, NULL), 0);
    make_scope(FOLDER_ID, &scope);
    CHECK(collect(false, 0));
    CHECK_INT(count_removed(), 0);
    CHECK_INT(answer.n, 2);
    CHECK_INT(thing(FOLDER_ID, "scope")->state, HOST_THING_UNLISTED);
    CHECK_CONTAINS(thing(FOLDER_ID, "folder")->message, "recover");
    CHECK(exists(&scope));
    CHECK(exists(&folder));
    CHECK_INT(rmdir(folder.name), 0);
    CHECK(collect(false, 0));
    CHECK_INT(count_removed(), 1);
    CHECK(!exists(&scope));
}

static void what_cannot_be_removed_is_told(void)
{
    struct object scope;
    make_scope(NOBODY_ID, &scope);
    object_fault_set("scope", OBJECT_FAULT_REMOVE, ERR_PRECONDITION, 1);
    CHECK(collect(false, 0));
    CHECK_INT(object_fault_met(), 1);
    object_fault_clear();
    CHECK_INT(count_removed(), 0);
    CHECK_CONTAINS(thing(NOBODY_ID, "scope")->message, "injected");
    CHECK(collect(false, 0));
    CHECK_INT(count_removed(), 1);
    CHECK(!exists(&scope));
}

/* A tap and rules, of a VM that has a record without them; its disk is none of that. */
static void what_a_VM_should_not_have_goes_too(void)
{
    struct object tap, rules;
    struct vm_entry *e = world_create(&w, "box", true);
    if (!CHECK(e != NULL))
        return;
    const char *id = vm_record(e)->id;
    pid_t pid = vm_handles(e)->pid;
    CHECK_INT(object_init(&tap, "tap", dir, id, OBJECT_TAP, NULL), 0);
    CHECK_INT(object_init(&rules, "rules", dir, id, OBJECT_TAP_RULES, NULL), 0);
    tap.address = 10u << 24 | 213u << 16 | 2;
    CHECK_INT(tap.kind->make(&tap, -1, NULL), 0);
    CHECK_INT(rules.kind->make(&rules, -1, NULL), 0);
    CHECK(host_objects_are_of(&host, 1));
    CHECK(collect(false, 3600000));
    CHECK_INT(count_removed(), 0);
    CHECK_INT(thing(id, "tap")->state, HOST_THING_EXTRA);
    CHECK_CONTAINS(thing(id, "rules")->message, "it goes when");
    int64_t since_ns = thing(id, "tap")->since_ns;
    answer.there = false; /* as it looks by itself: that is not forgotten meanwhile */
    CHECK(wait_for_answer(host_audit_start(&w.core, true, on_things, NULL, NULL)));
    CHECK_INT(answer.n, 0);
    CHECK(collect(false, 0));
    CHECK_INT(thing(id, "tap")->since_ns, since_ns);
    CHECK_INT(count_removed(), 2);
    CHECK_INT(count(HOST_THING_OK), 4);
    CHECK(audit());
    CHECK_INT(answer.n, 4);
    CHECK_INT(vm_handles(e)->pid, pid);
    delete_vm("box");
    CHECK(host_objects_are_of(&host, 0));
}

/* Whatever is made and deleted beside it. */
static void a_living_daemon_is_no_harm(void)
{
    enum { VMS = 8, ROUNDS = 3 };
    size_t removed = 0;
    for (int round = 0; round < ROUNDS; round++) {
        char name[VMS][16];
        struct operation_entry *ops[VMS];
        for (int i = 0; i < VMS; i++) {
            struct vm_create_request req = {.name = name[i], .start = true};
            snprintf(name[i], sizeof(name[i]), "vm-%d", i);
            ops[i] = vm_ask_create(&w.core, &req, NULL, NULL);
            CHECK(ops[i] != NULL);
            if (ops[i])
                operation_ref(ops[i]);
        }
        for (int i = 0; i < VMS; i++) {
            CHECK(collect(false, 0));
            removed += count_removed();
            CHECK_INT(count(HOST_THING_OK), answer.n);
            CHECK(world_wait(&w, ops[i]) && operation_row(ops[i])->state == OP_SUCCEEDED);
            if (ops[i])
                operation_unref(ops[i]);
        }
        CHECK(audit());
        CHECK_INT(answer.n, 4 * VMS);
        CHECK_INT(count(HOST_THING_OK), answer.n);
        for (int i = 0; i < VMS; i++) {
            struct vm_delete_request req = {.vm = name[i], .force = true};
            CHECK(vm_ask_delete(&w.core, &req, NULL, NULL) != NULL);
            CHECK(collect(false, 0));
            removed += count_removed();
        }
        CHECK(world_wait_all(&w));
        CHECK(audit());
        CHECK_INT(answer.n, 0);
    }
    CHECK_INT(removed, 0);
}

int main(void)
{
    host_objects_want(&host);
    if (!host.groups || getuid() != 0)
        return check_skip("needs root and cgroup v2 without systemd");
    world_make_dir(dir);
    snprintf(host.state, sizeof(host.state), "%s", dir);
    CHECK_INT(priv_use(
                  &(struct priv_config){
                      .state_dir = dir, .socket = "", .pool = PRIV_POOL, .program = PRIV_FILE},
                  NULL),
              0);
    if (CHECK(world_open(&w, dir, "sim"))) {
        RUN(nothing_is_wrong_where_nothing_is);
        RUN(a_VM_has_what_it_should_have);
        RUN(a_strangers_is_none_of_ours);
        RUN(what_no_VM_has_goes_when_it_is_old);
        RUN(what_no_VM_has_is_looked_for_by_itself);
        RUN(what_a_folder_belongs_to_stays);
        RUN(what_cannot_be_removed_is_told);
        if (host.tap)
            RUN(what_a_VM_should_not_have_goes_too);
        RUN(a_living_daemon_is_no_harm);
    }
    world_close(&w);
    priv_end();
    world_remove_dir(dir);
    return check_end();
}
