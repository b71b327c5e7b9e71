/* What the start of a daemon makes of what VMs have on their host: leftovers, disks that are gone,
 * what goes with a boot. Over the sim driver and a real store. */
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fs.h"
#include "daemon/core/core.h"
#include "daemon/core/event/event.h"
#include "daemon/core/vm/vm_objects.h"
#include "daemon/core/vm/vm_ops.h"
#include "daemon/priv/priv_call.h"
#include "tests/integration/core/objects.h"
#include "tests/support/check.h"
#include "tests/support/host_objects.h"

static char *in_folder(const char *vm_id, const char *file)
{
    static char path[2][PATH_BYTES + 64];
    static int turn;
    char *p = path[turn++ % 2];
    snprintf(p, sizeof(path[0]), "%s/vms/%s/%s", dir, vm_id, file);
    return p;
}

static void put(const char *path)
{
    struct err err = ERR_INIT;
    CHECK_INT(fs_write_scratch(path, "x", 1, 0600, &err), 0);
}

/* Names of the folder of a VM that is there, stopped; closes the world. */
static void make_stopped(char vm_id[ID_BYTES])
{
    struct err err = ERR_INIT;
    CHECK(succeeds(begin_create(&specs[0])));
    struct vm_stop_request stop = {.vm = "box", .grace_ms = 0};
    CHECK(succeeds(operation_ref(vm_ask_stop(&w.core, &stop, NULL, &err))));
    snprintf(vm_id, ID_BYTES, "%s", vm_record(vm_find(&w.core, "box", NULL))->id);
    world_close(&w);
}

static void test_what_a_cut_off_making_left_is_swept(void)
{
    char vm_id[ID_BYTES];
    static const char *const strange[] = {"system.raw.new2", "system.raw.bak", "my-system.raw.new",
                                          "system.new"};
    if (!open_world())
        return;
    make_stopped(vm_id);
    put(in_folder(vm_id, "system.raw.new"));
    put(in_folder(vm_id, "system.empty.new"));
    for (size_t i = 0; i < 4; i++)
        put(in_folder(vm_id, strange[i]));
    if (!open_world())
        return;
    CHECK(!exists(in_folder(vm_id, "system.raw.new")));
    CHECK(!exists(in_folder(vm_id, "system.empty.new")));
    CHECK(exists(in_folder(vm_id, "system.empty")) && exists(in_folder(vm_id, "work.empty")));
    for (size_t i = 0; i < 4; i++)
        CHECK(exists(in_folder(vm_id, strange[i])));
    CHECK(succeeds(begin_delete()));
    world_close(&w);
}

/* Evidence of this store's own: it saw the VM deleted. Another's, of the same shape, stays. */
static void test_an_orphan_disk_goes_where_its_VM_was_deleted(void)
{
    char vm_id[ID_BYTES], folder[PATH_BYTES + 40];
    static const char other[] = "fedcba9876543210";
    struct err err = ERR_INIT;
    if (!open_world())
        return;
    CHECK(succeeds(begin_create(&specs[0])));
    snprintf(vm_id, sizeof(vm_id), "%s", vm_record(vm_find(&w.core, "box", NULL))->id);
    CHECK(succeeds(begin_delete()));
    world_close(&w);
    const char *ids[] = {vm_id, other};
    for (size_t i = 0; i < 2; i++) {
        snprintf(folder, sizeof(folder), "%s/vms/%s", dir, ids[i]);
        CHECK_INT(fs_make_dirs(folder, 0700, &err), 0);
        put(in_folder(ids[i], "system.raw"));
    }
    if (!open_world())
        return;
    snprintf(folder, sizeof(folder), "%s/vms/%s", dir, vm_id);
    CHECK(!exists(folder));
    CHECK_INT(world_count_entries(dir, "lost+found"), 1); /* the other, which nothing knows of */
    snprintf(folder, sizeof(folder), "%s/lost+found", dir);
    CHECK_INT(fs_remove_tree(folder, &err), 0);
    world_close(&w);
}

static bool has_event(const char *kind, const char *part)
{
    struct event event;
    for (uint64_t seq = event_first_seq(&w.core); seq <= event_last_seq(&w.core); seq++)
        if (event_load(&w.core, seq, &event) && strcmp(event.kind, kind) == 0 &&
            strstr(event.detail, part))
            return true;
    return false;
}

static bool is_told(void *arg)
{
    return has_event("vm.disk_missing", arg);
}

static void test_a_disk_that_went_meanwhile_is_told_at_the_start(void)
{
    char vm_id[ID_BYTES];
    if (!open_world())
        return;
    make_stopped(vm_id);
    CHECK_INT(unlink(in_folder(vm_id, "work.empty")), 0);
    if (!open_world())
        return;
    CHECK(world_wait_until(&w, is_told, (void *)"work disk"));
    CHECK(!has_event("vm.disk_missing", "system disk"));
    CHECK(!exists(in_folder(vm_id, "work.empty")));
    CHECK(succeeds(begin_delete()));
    world_close(&w);
}

static bool is_object_told(void *arg)
{
    return has_event("vm.object_missing", arg);
}

/* As after a boot of the host, which the next start makes up for; and from under a guest that runs,
 * which nothing may leave without its rules. */
static void test_what_goes_with_a_boot_is_missed_where_it_is_needed(void)
{
    struct err err = ERR_INIT;
    struct vm_start_request start = {.vm = "box"};
    struct vm_stop_request stop = {.vm = "box", .grace_ms = 0};
    struct vm_objects o;
    if (!open_world())
        return;
    CHECK(succeeds(begin_create(&specs[n_specs - 1])));
    for (int runs = 0; runs < 2; runs++) {
        struct operation_entry *op = runs ? vm_ask_start(&w.core, &start, NULL, &err)
                                          : vm_ask_stop(&w.core, &stop, NULL, &err);
        CHECK(succeeds(operation_ref(op)));
        CHECK(host_objects_are_of(&host, 1));
        CHECK_INT(vm_objects_of(&w.core, vm_record(vm_find(&w.core, "box", NULL)), &o, &err), 0);
        for (size_t i = 0; i < o.n; i++)
            if (o.at[i].kind->transient && !(runs && o.at[i].role == OBJECT_SCOPE))
                CHECK_INT(o.at[i].kind->remove(&o.at[i], &err), 0);
        world_close(&w);
        priv_end();
        if (!open_world())
            return;
        CHECK(world_wait_all(&w));
        if (!host.tap)
            continue;
        CHECK(!runs || world_wait_until(&w, is_object_told, (void *)"network rules"));
        CHECK_INT(has_event("vm.object_missing", "its tap"), runs);
        CHECK_INT(object_find_kind("rules")->find(&o.at[o.n - 1 - host.groups], NULL),
                  runs ? 0 : -1);
    }
    CHECK(!has_event("vm.disk_missing", ""));
    CHECK(succeeds(begin_delete()));
    check_nothing_is_left();
    world_close(&w);
}

int main(void)
{
    objects_begin();
    RUN(test_what_a_cut_off_making_left_is_swept);
    RUN(test_an_orphan_disk_goes_where_its_VM_was_deleted);
    RUN(test_what_goes_with_a_boot_is_missed_where_it_is_needed);
    RUN(test_a_disk_that_went_meanwhile_is_told_at_the_start);
    return objects_end();
}
