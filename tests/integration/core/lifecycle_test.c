/* VMs from creation to deletion, over the sim driver and a real store. */
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "daemon/core/vm/vm_ops.h"
#include "tests/integration/core/world.h"
#include "tests/support/check.h"

static char dir[PATH_BYTES];

static bool succeeds(struct world *w, struct operation_entry *op, const struct err *err)
{
    if (!op) {
        fprintf(stderr, "refused: %s\n", err->message);
        return false;
    }
    operation_ref(op);
    bool ok = world_wait(w, op) && operation_row(op)->state == OP_SUCCEEDED;
    if (!ok)
        fprintf(stderr, "%s: %s %s: %s\n", operation_row(op)->kind,
                op_state_name(operation_row(op)->state), operation_row(op)->error_stage,
                text_get(operation_row(op)->error_message));
    operation_unref(op);
    return ok;
}

static void delete_it(struct world *w, const char *name)
{
    struct err err = ERR_INIT;
    struct vm_delete_request req = {.vm = name, .force = true};
    CHECK(succeeds(w, vm_ask_delete(&w->core, &req, NULL, &err), &err));
}

static void test_life(void)
{
    struct world w;
    struct err err = ERR_INIT;
    if (!CHECK(world_open(&w, dir, "sim")))
        return;
    struct vm_entry *e = world_create(&w, "box", true);
    if (!CHECK(e != NULL))
        return;
    CHECK_INT(vm_record(e)->runtime.state, VM_RUNNING);
    CHECK(vm_guest_is_ready(e) && vm_has_vmm(e));
    CHECK(vm_handles(e)->pid > 1);
    CHECK_STR(vm_record(e)->name, "box");
    CHECK(vm_record(e)->boot_id[0] != '\0');
    CHECK_INT(world_count_monitors(&w), 1);
    struct vm_stop_request stop = {.vm = "box", .grace_ms = -1};
    CHECK(succeeds(&w, vm_ask_stop(&w.core, &stop, NULL, &err), &err));
    CHECK_INT(vm_record(e)->runtime.state, VM_STOPPED);
    CHECK_STR(vm_record(e)->runtime.last_error, "");
    CHECK_INT(vm_handles(e)->pid, 0);
    CHECK_INT(world_count_monitors(&w), 0);
    CHECK(succeeds(&w, vm_ask_stop(&w.core, &stop, NULL, &err), &err));
    struct vm_start_request start = {.vm = "box"};
    CHECK(succeeds(&w, vm_ask_start(&w.core, &start, NULL, &err), &err));
    CHECK_INT(vm_record(e)->runtime.state, VM_RUNNING);
    CHECK(succeeds(&w, vm_ask_start(&w.core, &start, NULL, &err), &err));
    pid_t pid = vm_handles(e)->pid;
    CHECK(succeeds(&w, vm_ask_restart(&w.core, &stop, NULL, &err), &err));
    CHECK_INT(vm_record(e)->runtime.state, VM_RUNNING);
    CHECK(vm_handles(e)->pid != pid);
    CHECK(succeeds(&w, vm_ask_pause(&w.core, "box", NULL, &err), &err));
    CHECK_INT(vm_record(e)->runtime.state, VM_PAUSED);
    CHECK(succeeds(&w, vm_ask_resume(&w.core, "box", NULL, &err), &err));
    CHECK_INT(vm_record(e)->runtime.state, VM_RUNNING);
    CHECK(succeeds(&w, vm_ask_kill(&w.core, "box", NULL, &err), &err));
    CHECK_INT(vm_record(e)->runtime.state, VM_STOPPED);
    CHECK_INT(world_count_monitors(&w), 0);
    delete_it(&w, "box");
    CHECK_INT(vm_count(&w.core), 0);
    CHECK_INT(world_count_entries(dir, "vms"), 0);
    world_close(&w);
}

/* The daemon goes and comes: the same process, the same boot, whatever handles.json says. */
static void test_adopt(void)
{
    static const char *const hints[] = {NULL, "", "{\"pid\": 1",
                                        "{\"pid\": 1, \"pid_start_time\": 1}"};
    struct world w;
    if (!CHECK(world_open(&w, dir, "sim")))
        return;
    struct vm_entry *e = world_create(&w, "box", true);
    if (!CHECK(e != NULL))
        return;
    pid_t pid = vm_handles(e)->pid;
    char boot_id[40], handles[PATH_BYTES + 16];
    snprintf(boot_id, sizeof(boot_id), "%s", vm_record(e)->boot_id);
    snprintf(handles, sizeof(handles), "%s/handles.json", vm_record(e)->runtime.vm_dir);
    for (size_t i = 0; i < sizeof(hints) / sizeof(hints[0]); i++) {
        world_close(&w);
        if (i > 0) {
            FILE *f = fopen(handles, "w");
            if (CHECK(f != NULL)) {
                fputs(hints[i], f);
                fclose(f);
            }
        }
        if (!CHECK(world_open(&w, dir, "sim")))
            return;
        e = vm_find(&w.core, "box", NULL);
        CHECK_INT(vm_record(e)->runtime.state, VM_RUNNING);
        CHECK_INT(vm_handles(e)->pid, pid);
        CHECK(world_wait_agent(&w, e));
        CHECK_STR(vm_record(e)->boot_id, boot_id);
    }
    delete_it(&w, "box");
    CHECK_INT(world_count_monitors(&w), 0);
    world_close(&w);
}

static struct stat look_at(const char *path)
{
    struct stat st = {0};
    CHECK_INT(stat(path, &st), 0);
    return st;
}

/* A start of a thousand VMs does not write a thousand files that are as they should be. */
static void test_a_right_hint_is_not_written_again(void)
{
    struct world w;
    char handles[PATH_BYTES + 16];
    if (!CHECK(world_open(&w, dir, "sim")))
        return;
    struct vm_entry *e = world_create(&w, "box", true);
    if (!CHECK(e != NULL))
        return;
    snprintf(handles, sizeof(handles), "%s/handles.json", vm_record(e)->runtime.vm_dir);
    world_close(&w);
    struct stat written = look_at(handles);
    if (!CHECK(world_open(&w, dir, "sim")))
        return;
    CHECK(world_wait_agent(&w, vm_find(&w.core, "box", NULL)));
    world_close(&w);
    CHECK_INT(look_at(handles).st_ino, written.st_ino);
    CHECK_INT(truncate(handles, 5), 0);
    if (!CHECK(world_open(&w, dir, "sim")))
        return;
    CHECK(world_wait_agent(&w, vm_find(&w.core, "box", NULL)));
    world_close(&w);
    CHECK_INT(look_at(handles).st_size, written.st_size);
    if (!CHECK(world_open(&w, dir, "sim")))
        return;
    delete_it(&w, "box");
    world_close(&w);
}

static void test_died_meanwhile(void)
{
    struct world w;
    if (!CHECK(world_open(&w, dir, "sim")))
        return;
    struct vm_entry *e = world_create(&w, "box", true);
    if (!CHECK(e != NULL))
        return;
    pid_t pid = vm_handles(e)->pid;
    world_close(&w);
    world_end_process(pid);
    if (!CHECK(world_open(&w, dir, "sim")))
        return;
    e = vm_find(&w.core, "box", NULL);
    CHECK_INT(vm_record(e)->runtime.state, VM_STOPPED);
    CHECK_CONTAINS(vm_record(e)->runtime.last_error, "while the daemon was not running");
    delete_it(&w, "box");
    world_close(&w);
}

static void test_crash(void)
{
    struct world w;
    if (!CHECK(world_open(&w, dir, "sim")))
        return;
    struct vm_entry *e = world_create(&w, "box", true);
    if (!CHECK(e != NULL))
        return;
    kill(vm_handles(e)->pid, SIGKILL);
    CHECK(world_wait_state(&w, e, VM_FAILED));
    CHECK_STR(vm_record(e)->runtime.failed_stage, "vmm_exited");
    CHECK(!vm_guest_is_ready(e));
    delete_it(&w, "box");
    world_close(&w);
}

static void test_ephemeral(void)
{
    struct world w;
    struct err err = ERR_INIT;
    if (!CHECK(world_open(&w, dir, "sim")))
        return;
    struct vm_create_request req = {.name = "brief", .start = true, .spec.ephemeral = true};
    CHECK(succeeds(&w, vm_ask_create(&w.core, &req, NULL, &err), &err));
    struct vm_entry *e = vm_find(&w.core, "brief", &err);
    if (!CHECK(e != NULL))
        return;
    vm_ref(e);
    struct vm_stop_request stop = {.vm = "brief", .grace_ms = 0};
    CHECK(succeeds(&w, vm_ask_stop(&w.core, &stop, NULL, &err), &err));
    CHECK(world_wait_state(&w, e, VM_STATE_UNSPECIFIED));
    vm_unref(e);
    CHECK_INT(world_count_entries(dir, "vms"), 0);
    world_close(&w);
}

/* A disk that is gone is told, not made again, and the VM starts once it is back. */
static void test_a_lost_disk_fails_the_start(void)
{
    struct world w;
    struct err err = ERR_INIT;
    if (!CHECK(world_open(&w, dir, "sim")))
        return;
    struct vm_entry *e = world_create(&w, "box", true);
    struct vm_stop_request stop = {.vm = "box", .grace_ms = 0};
    struct vm_start_request start = {.vm = "box"};
    if (!CHECK(e != NULL))
        return;
    char away[PATH_BYTES];
    snprintf(away, sizeof(away), "%s/away", dir);
    CHECK_INT(rename(vm_record(e)->runtime.system_overlay, away), 0);
    for (int i = 0; i < 2; i++) { /* at a restart, then at a start */
        struct operation_entry *op = i ? vm_ask_start(&w.core, &start, NULL, &err)
                                       : vm_ask_restart(&w.core, &stop, NULL, &err);
        if (!CHECK(op != NULL))
            break;
        operation_ref(op);
        CHECK(world_wait(&w, op));
        CHECK_INT(operation_row(op)->state, OP_FAILED);
        CHECK_STR(operation_row(op)->error_reason, "DISK_MISSING");
        CHECK_STR(operation_row(op)->error_stage, "disks");
        operation_unref(op);
        CHECK_INT(vm_record(e)->runtime.state, VM_FAILED);
        CHECK_STR(vm_record(e)->runtime.failed_stage, "disks");
        CHECK_CONTAINS(vm_record(e)->runtime.last_error, "gone");
        CHECK_INT(access(vm_record(e)->runtime.system_overlay, F_OK), -1);
        CHECK_INT(world_count_monitors(&w), 0);
    }
    CHECK_INT(rename(away, vm_record(e)->runtime.system_overlay), 0);
    CHECK(succeeds(&w, vm_ask_start(&w.core, &start, NULL, &err), &err));
    CHECK_INT(vm_record(e)->runtime.state, VM_RUNNING);
    delete_it(&w, "box");
    world_close(&w);
}

/* Kill comes in the middle of a stop that the guest takes its time for. */
static void test_kill_preempts(void)
{
    struct world w;
    struct err err = ERR_INIT;
    if (!CHECK(world_open(&w, dir, "sim")))
        return;
    struct vm_entry *e = world_create(&w, "box", true);
    if (!CHECK(e != NULL))
        return;
    kill(vm_handles(e)->pid, SIGSTOP);
    struct vm_stop_request stop = {.vm = "box", .grace_ms = 600000};
    struct operation_entry *stopping = vm_ask_stop(&w.core, &stop, NULL, &err);
    if (!CHECK(stopping != NULL))
        return;
    operation_ref(stopping);
    CHECK(world_wait_state(&w, e, VM_STOPPING));
    struct vm_start_request start = {.vm = "box"};
    struct operation_entry *waiting = vm_ask_start(&w.core, &start, NULL, &err);
    if (!CHECK(waiting != NULL))
        return;
    operation_ref(waiting);
    CHECK(succeeds(&w, vm_ask_kill(&w.core, "box", NULL, &err), &err));
    CHECK(operation_is_over(stopping) && operation_is_over(waiting));
    CHECK_INT(operation_row(stopping)->state, OP_SUCCEEDED);
    CHECK_INT(operation_row(waiting)->state, OP_CANCELLED);
    CHECK_STR(operation_row(waiting)->error_reason, "PREEMPTED");
    CHECK_INT(vm_record(e)->runtime.state, VM_STOPPED);
    operation_unref(stopping);
    operation_unref(waiting);
    delete_it(&w, "box");
    world_close(&w);
}

static void test_prune(void)
{
    struct world w;
    struct err err = ERR_INIT;
    if (!CHECK(world_open(&w, dir, "sim")))
        return;
    world_create(&w, "one", false);
    world_create(&w, "two", false);
    world_create(&w, "three", true);
    struct vm_prune_request dry = {.dry_run = true}, real = {.dry_run = false};
    struct operation_entry *op = vm_ask_prune(&w.core, &dry, NULL, &err);
    CHECK(succeeds(&w, op, &err));
    CHECK_CONTAINS(text_get(operation_row(op)->message), "2 VMs would");
    CHECK(succeeds(&w, vm_ask_prune(&w.core, &real, NULL, &err), &err));
    CHECK_INT(vm_count(&w.core), 1);
    delete_it(&w, "three");
    world_close(&w);
}

int main(void)
{
    world_make_dir(dir);
    RUN(test_life);
    RUN(test_adopt);
    RUN(test_a_right_hint_is_not_written_again);
    RUN(test_died_meanwhile);
    RUN(test_crash);
    RUN(test_ephemeral);
    RUN(test_a_lost_disk_fails_the_start);
    RUN(test_kill_preempts);
    RUN(test_prune);
    world_remove_dir(dir);
    return check_end();
}
