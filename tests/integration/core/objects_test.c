/* What a VM has on its host, through the operations that make and remove it: each kind fails at
 * each call, making is cancelled, killed and cut off. Over the sim engine and a real store. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fs.h"
#include "daemon/core/vm/vm_objects.h"
#include "daemon/core/vm/vm_ops.h"
#include "tests/integration/core/world.h"
#include "tests/support/check.h"
#include "tests/support/object_fault.h"

#define MIB ((uint64_t)1 << 20)

static char dir[PATH_BYTES];
static struct world w;

/* VMs of which each kind is part. */
static const struct vm_spec specs[] = {
    {.work_disk_bytes = 16 * MIB},
};

enum { SPECS = sizeof(specs) / sizeof(specs[0]) };

static struct operation_entry *begin_create(const struct vm_spec *spec)
{
    struct err err = ERR_INIT;
    struct vm_create_request req = {.name = "box", .start = true, .spec = *spec};
    struct operation_entry *op = vm_ask_create(&w.core, &req, NULL, &err);
    if (!CHECK(op != NULL))
        fprintf(stderr, "%s\n", err.message);
    return op ? operation_ref(op) : NULL;
}

static struct operation_entry *begin_delete(void)
{
    struct err err = ERR_INIT;
    struct vm_delete_request req = {.vm = "box", .force = true};
    struct operation_entry *op = vm_ask_delete(&w.core, &req, NULL, &err);
    if (!CHECK(op != NULL))
        fprintf(stderr, "%s\n", err.message);
    return op ? operation_ref(op) : NULL;
}

static bool succeeds(struct operation_entry *op)
{
    bool ok = world_wait(&w, op) && operation_row(op)->state == OP_SUCCEEDED;
    if (!ok && op)
        fprintf(stderr, "%s: %s\n", operation_row(op)->kind,
                text_get(operation_row(op)->error_message));
    if (op)
        operation_unref(op);
    return ok;
}

static bool exists(const char *path)
{
    struct stat st;
    return lstat(path, &st) == 0;
}

static void check_nothing_is_left(void)
{
    CHECK_INT(vm_count(&w.core), 0);
    CHECK_INT(world_count_monitors(&w), 0);
    CHECK_INT(world_count_entries(dir, "vms"), 0);
}

/* The kinds of a spec's objects, in the order of making. */
static size_t kinds_of(const struct vm_spec *spec, const char *kinds[VM_OBJECTS_MAX])
{
    struct vm_objects o;
    struct vm vm = {.id = "0123456789abcdef", .spec = *spec};
    struct err err = ERR_INIT;
    snprintf(vm.spec.driver, sizeof(vm.spec.driver), "sim");
    CHECK_INT(vm_objects_of(&w.core, &vm, &o, &err), 0);
    for (size_t i = 0; i < o.n; i++)
        kinds[i] = o.at[i].kind->name;
    return o.n;
}

static void test_a_creation_fails_at_the_making_of_each(void)
{
    if (!CHECK(world_open(&w, dir, "sim")))
        return;
    for (size_t s = 0; s < SPECS; s++) {
        const char *kinds[VM_OBJECTS_MAX];
        size_t n = kinds_of(&specs[s], kinds);
        for (size_t i = 0; i < 2 * n; i++) {
            enum object_fault at = i % 2 ? OBJECT_FAULT_MADE : OBJECT_FAULT_MAKE;
            object_fault_set(kinds[i / 2], at, ERR_LIMIT, 1);
            struct operation_entry *op = begin_create(&specs[s]);
            CHECK(world_wait(&w, op));
            CHECK_INT(object_fault_met(), 1);
            CHECK_INT(operation_row(op)->state, OP_FAILED);
            CHECK_INT(operation_row(op)->error_code, ERR_LIMIT);
            CHECK_STR(operation_row(op)->error_stage, "disks");
            CHECK_CONTAINS(text_get(operation_row(op)->error_message), "injected");
            operation_unref(op);
            check_nothing_is_left();
        }
        CHECK(succeeds(begin_create(&specs[s])));
        CHECK(succeeds(begin_delete()));
        check_nothing_is_left();
        object_fault_clear();
    }
    world_close(&w);
}

/* The deletion fails there, and what is left goes with the next one. */
static void test_a_deletion_fails_at_the_removal_of_each(void)
{
    if (!CHECK(world_open(&w, dir, "sim")))
        return;
    for (size_t s = 0; s < SPECS; s++) {
        const char *kinds[VM_OBJECTS_MAX];
        size_t n = kinds_of(&specs[s], kinds);
        for (size_t i = 0; i < 2 * n; i++) {
            CHECK(succeeds(begin_create(&specs[s])));
            enum object_fault at = i % 2 ? OBJECT_FAULT_REMOVED : OBJECT_FAULT_REMOVE;
            object_fault_set(kinds[i / 2], at, ERR_DENIED, 1);
            struct operation_entry *op = begin_delete();
            CHECK(world_wait(&w, op));
            CHECK_INT(object_fault_met(), 1);
            CHECK_INT(operation_row(op)->state, OP_FAILED);
            CHECK_STR(operation_row(op)->error_stage, "remove");
            CHECK_CONTAINS(text_get(operation_row(op)->error_message), "injected");
            operation_unref(op);
            const struct vm_entry *e = vm_find(&w.core, "box", NULL);
            if (CHECK(e != NULL)) {
                CHECK_INT(vm_record(e)->runtime.state, VM_FAILED);
                CHECK_STR(vm_record(e)->runtime.failed_stage, "remove");
            }
            CHECK(succeeds(begin_delete()));
            check_nothing_is_left();
            object_fault_clear();
        }
    }
    world_close(&w);
}

/* What an undo could not take back is a leak that the next start sweeps. */
static void test_what_an_undo_leaves_goes_at_the_next_start(void)
{
    if (!CHECK(world_open(&w, dir, "sim")))
        return;
    object_fault_set("folder", OBJECT_FAULT_REMOVE, ERR_DENIED, 1);
    struct vm_spec too_much = {.work_disk_bytes = 16 * MIB};
    struct vm_create_request req = {.name = "box", .start = true, .spec = too_much};
    w.vmm_host.agent_path = "/nonexistent";
    struct operation_entry *op = vm_ask_create(&w.core, &req, NULL, NULL);
    CHECK(world_wait(&w, op));
    CHECK_INT(vm_count(&w.core), 0);
    CHECK_INT(object_fault_met(), 1);
    CHECK_INT(world_count_entries(dir, "vms"), 1);
    object_fault_clear();
    world_close(&w);
    if (!CHECK(world_open(&w, dir, "sim")))
        return;
    check_nothing_is_left();
    world_close(&w);
}

static bool is_making(void *arg)
{
    (void)arg;
    return object_fault_met() > 0;
}

/* Cancelled, or killed, while a disk is made. */
static void test_making_ends_when_it_is_told_to(void)
{
    if (!CHECK(world_open(&w, dir, "sim")))
        return;
    for (int kill = 0; kill < 2; kill++) {
        object_fault_set("empty", OBJECT_FAULT_HANG, ERR_INTERNAL, 1);
        struct operation_entry *op = begin_create(&specs[0]);
        CHECK(world_wait_until(&w, is_making, NULL));
        struct err err = ERR_INIT;
        struct operation_entry *killing = NULL;
        if (kill)
            CHECK((killing = vm_ask_kill(&w.core, "box", NULL, &err)) != NULL);
        else
            operation_cancel(op);
        CHECK(world_wait(&w, op));
        CHECK_INT(operation_row(op)->state, OP_CANCELLED);
        CHECK_STR(operation_row(op)->error_stage, "disks");
        CHECK_STR(operation_row(op)->error_reason, kill ? "PREEMPTED" : "");
        operation_unref(op);
        CHECK(world_wait_all(&w));
        check_nothing_is_left();
        object_fault_clear();
    }
    world_close(&w);
}

static void find_missing(const char *name)
{
    struct err err = ERR_INIT;
    struct vm_start_request start = {.vm = "box"};
    struct operation_entry *op = vm_ask_start(&w.core, &start, NULL, &err);
    if (!CHECK(op != NULL))
        return;
    operation_ref(op);
    CHECK(world_wait(&w, op));
    CHECK_INT(operation_row(op)->state, OP_FAILED);
    CHECK_STR(operation_row(op)->error_reason, "DISK_MISSING");
    CHECK_CONTAINS(text_get(operation_row(op)->error_message), name);
    operation_unref(op);
    CHECK(!exists(name));
}

/* Whichever disk it is: none is made in its place, at a start or a restart of the daemon. */
static void test_a_disk_that_is_gone_is_missed(void)
{
    if (!CHECK(world_open(&w, dir, "sim")))
        return;
    for (size_t s = 0; s < SPECS; s++) {
        struct err err = ERR_INIT;
        struct vm_objects o;
        char away[PATH_BYTES + 8];
        snprintf(away, sizeof(away), "%s/away", dir);
        CHECK(succeeds(begin_create(&specs[s])));
        struct vm_stop_request stop = {.vm = "box", .grace_ms = 0};
        CHECK(succeeds(operation_ref(vm_ask_stop(&w.core, &stop, NULL, &err))));
        CHECK_INT(vm_objects_of(&w.core, vm_record(vm_find(&w.core, "box", NULL)), &o, &err), 0);
        for (size_t i = 0; i < o.n; i++) {
            if (!o.at[i].kind->keeps_data)
                continue;
            CHECK_INT(rename(o.at[i].name, away), 0);
            find_missing(o.at[i].name);
            CHECK_INT(rename(away, o.at[i].name), 0);
        }
        struct vm_start_request start = {.vm = "box"};
        CHECK(succeeds(operation_ref(vm_ask_start(&w.core, &start, NULL, &err))));
        CHECK(succeeds(begin_delete()));
    }
    world_close(&w);
}

int main(void)
{
    world_make_dir(dir);
    RUN(test_a_creation_fails_at_the_making_of_each);
    RUN(test_a_deletion_fails_at_the_removal_of_each);
    RUN(test_what_an_undo_leaves_goes_at_the_next_start);
    RUN(test_making_ends_when_it_is_told_to);
    RUN(test_a_disk_that_is_gone_is_missed);
    world_remove_dir(dir);
    return check_end();
}
