/* What a VM has on its host, through the operations that make and remove it: each kind fails at
 * each call, making is cancelled, killed and cut off. Over the sim driver and a real store. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fs.h"
#include "daemon/core/core.h"
#include "daemon/core/event/event.h"
#include "daemon/core/vm/vm_objects.h"
#include "daemon/core/vm/vm_ops.h"
#include "daemon/priv/priv_call.h"
#include "rpc/event/loop.h"
#include "tests/integration/core/objects.h"
#include "tests/support/check.h"
#include "tests/support/host_objects.h"
#include "tests/support/object_fault.h"

/* A spec's objects, in the order of making. */
static void objects_of(const struct vm_spec *spec, struct vm_objects *o)
{
    struct vm vm = {.id = "0123456789abcdef", .spec = *spec};
    snprintf(vm.spec.driver, sizeof(vm.spec.driver), "sim");
    if (vm.spec.storage == 0)
        vm.spec.storage = STORAGE_EMPTY;
    CHECK_INT(vm_objects_of(&w.core, &vm, o, NULL), 0);
}

/* At the call for that one, and not for one of the same kind before it; or of those behind it,
 * where they are removed. */
static void fail_at(const struct vm_objects *o, size_t i, enum object_fault at, enum err_code code)
{
    bool back = at == OBJECT_FAULT_REMOVE || at == OBJECT_FAULT_REMOVED;
    int before = 0;
    for (size_t k = 0; k < o->n; k++)
        before += o->at[k].kind == o->at[i].kind && (back ? k > i : k < i);
    object_fault_set(o->at[i].kind->name, at, code, 1);
    object_fault_skip(before);
}

static void check_failed(struct operation_entry *op, const char *stage, const struct object *o)
{
    CHECK(world_wait(&w, op));
    CHECK_INT(object_fault_met(), 1);
    CHECK_INT(operation_row(op)->state, OP_FAILED);
    CHECK_STR(operation_row(op)->error_stage, stage);
    CHECK_CONTAINS(text_get(operation_row(op)->error_message), "injected");
    CHECK_CONTAINS(text_get(operation_row(op)->error_message), object_role_name(o->role));
}

/* A work disk with a file system and a key are VMs' that boot: tests/unit/host has those. */
static void tell_what_no_VM_has(void)
{
    const struct object_kind *kind;
    if (!open_world())
        return;
    for (size_t i = 0; (kind = object_kind_at(i)); i++) {
        bool found = false;
        for (size_t s = 0; s < n_specs; s++) {
            struct vm_objects o;
            objects_of(&specs[s], &o);
            for (size_t k = 0; k < o.n; k++)
                found |= strcmp(o.at[k].kind->name, kind->name) == 0;
        }
        if (!found)
            printf("     no VM of this test has a %s\n", kind->name);
    }
    world_close(&w);
}

static void test_a_creation_fails_at_the_making_of_each(void)
{
    if (!open_world())
        return;
    for (size_t s = 0; s < n_specs; s++) {
        struct vm_objects o;
        objects_of(&specs[s], &o);
        for (size_t i = 0; i < 2 * o.n; i++) {
            fail_at(&o, i / 2, i % 2 ? OBJECT_FAULT_MADE : OBJECT_FAULT_MAKE, ERR_LIMIT);
            struct operation_entry *op = begin_create(&specs[s]);
            check_failed(op, "disks", &o.at[i / 2]);
            CHECK_INT(operation_row(op)->error_code, ERR_LIMIT);
            operation_unref(op);
            check_nothing_is_left();
            object_fault_clear();
        }
        CHECK(succeeds(begin_create(&specs[s])));
        CHECK(succeeds(begin_delete()));
        check_nothing_is_left();
    }
    world_close(&w);
}

/* The deletion fails there, and what is left goes with the next one. */
static void test_a_deletion_fails_at_the_removal_of_each(void)
{
    if (!open_world())
        return;
    for (size_t s = 0; s < n_specs; s++) {
        struct vm_objects o;
        objects_of(&specs[s], &o);
        for (size_t i = 0; i < 2 * o.n; i++) {
            CHECK(succeeds(begin_create(&specs[s])));
            fail_at(&o, i / 2, i % 2 ? OBJECT_FAULT_REMOVED : OBJECT_FAULT_REMOVE, ERR_DENIED);
            struct operation_entry *op = begin_delete();
            check_failed(op, "remove", &o.at[i / 2]);
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

/* Where it is not known whether a disk is there, and where what is made anew cannot be made. */
static void test_a_start_fails_at_each(void)
{
    struct err err = ERR_INIT;
    struct vm_stop_request stop = {.vm = "box", .grace_ms = 0};
    struct vm_start_request start = {.vm = "box"};
    if (!open_world())
        return;
    for (size_t s = 0; s < n_specs; s++) {
        struct vm_objects o;
        objects_of(&specs[s], &o);
        CHECK(succeeds(begin_create(&specs[s])));
        CHECK(succeeds(operation_ref(vm_ask_stop(&w.core, &stop, NULL, &err))));
        for (size_t i = 0; i < o.n; i++) {
            fail_at(&o, i, o.at[i].kind->keeps_data ? OBJECT_FAULT_FIND : OBJECT_FAULT_MAKE,
                    ERR_DENIED);
            struct operation_entry *op = operation_ref(vm_ask_start(&w.core, &start, NULL, &err));
            check_failed(op, "disks", &o.at[i]);
            CHECK_STR(operation_row(op)->error_reason, "");
            operation_unref(op);
            object_fault_clear();
            CHECK(succeeds(operation_ref(vm_ask_start(&w.core, &start, NULL, &err))));
            CHECK(succeeds(operation_ref(vm_ask_stop(&w.core, &stop, NULL, &err))));
        }
        CHECK(succeeds(begin_delete()));
        check_nothing_is_left();
    }
    world_close(&w);
}

/* What an undo could not take back is a leak that the next start sweeps, whichever it is. */
static void test_what_an_undo_leaves_goes_at_the_next_start(void)
{
    struct vm_objects o;
    const struct vm_spec *spec = &specs[n_specs - 1];
    if (!open_world())
        return;
    objects_of(spec, &o);
    for (size_t i = 0; i < o.n; i++) {
        const char *kind = o.at[i].kind->name;
        fail_at(&o, i, OBJECT_FAULT_REMOVE, ERR_DENIED);
        struct vm_create_request req = {.name = "box", .start = true, .spec = *spec};
        w.vmm_host.agent_path = "/nonexistent";
        struct operation_entry *op = vm_ask_create(&w.core, &req, NULL, NULL);
        CHECK(world_wait(&w, op));
        CHECK_INT(vm_count(&w.core), 0);
        CHECK_INT(object_fault_met(), 1);
        object_fault_clear();
        world_close(&w);
        priv_end(); /* as with the daemon */
        object_fault_set(kind, OBJECT_FAULT_LIST, ERR_DENIED, 1);
        if (!open_world()) /* which does not find it */
            return;
        CHECK_INT(object_fault_met(), 1);
        object_fault_clear();
        world_close(&w);
        if (!open_world())
            return;
        check_nothing_is_left();
    }
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
    if (!open_world())
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
    if (!open_world())
        return;
    for (size_t s = 0; s < n_specs; s++) {
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

static bool drained;

static void on_drained(void *arg)
{
    (void)arg;
    drained = true;
    loop_stop(w.core.loop);
}

static bool is_drained(void *arg)
{
    (void)arg;
    return drained;
}

/* A copy takes minutes: a daemon that ends does not wait for it, and the next one makes it. */
static void test_a_copy_that_an_ending_daemon_cuts_off_is_made_by_the_next(void)
{
    if (!open_world())
        return;
    struct vm_objects o;
    struct err err = ERR_INIT;
    object_fault_set("copy", OBJECT_FAULT_HANG, ERR_INTERNAL, 1);
    operation_unref(begin_create(&specs[2]));
    CHECK(world_wait_until(&w, is_making, NULL));
    core_drain(&w.core, 10000, on_drained, NULL);
    CHECK(world_wait_until(&w, is_drained, NULL));
    world_close(&w);
    object_fault_clear();
    if (!open_world())
        return;
    CHECK(world_wait_all(&w));
    struct vm_entry *e = vm_find(&w.core, "box", NULL);
    if (CHECK(e != NULL)) {
        CHECK_INT(vm_record(e)->runtime.state, VM_RUNNING);
        CHECK_INT(vm_record(e)->spec.storage, STORAGE_COPY);
        CHECK_INT(vm_objects_of(&w.core, vm_record(e), &o, &err), 0);
        CHECK(objects_find_missing(o.at, o.n) == NULL);
    }
    CHECK(succeeds(begin_delete()));
    check_nothing_is_left();
    world_close(&w);
}

/* Storage that this host cannot make is refused before anything is. */
static void test_storage_that_is_not_there_is_refused(void)
{
    if (!open_world())
        return;
    struct err err = ERR_INIT;
    struct vm_create_request req = {.name = "box",
                                    .spec = {.image = "tiny", .storage = STORAGE_REFLINK}};
    w.core.storage.can &= ~(1u << STORAGE_REFLINK);
    CHECK(!vm_ask_create(&w.core, &req, NULL, &err));
    CHECK_STR(err.reason, "STORAGE_UNAVAILABLE");
    check_nothing_is_left();
    world_close(&w);
}

int main(void)
{
    objects_begin();
    tell_what_no_VM_has();
    RUN(test_a_creation_fails_at_the_making_of_each);
    RUN(test_a_deletion_fails_at_the_removal_of_each);
    RUN(test_a_start_fails_at_each);
    RUN(test_what_an_undo_leaves_goes_at_the_next_start);
    RUN(test_making_ends_when_it_is_told_to);
    RUN(test_a_disk_that_is_gone_is_missed);
    RUN(test_a_copy_that_an_ending_daemon_cuts_off_is_made_by_the_next);
    RUN(test_storage_that_is_not_there_is_refused);
    return objects_end();
}
