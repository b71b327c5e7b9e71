/* Finding VMs again: one look at all processes for all of them, none for a start, and what cannot
 * be read is in nobody's way. */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"
#include "daemon/core/vm/vm_ops.h"
#include "daemon/host/process.h"
#include "daemon/vmm/census.h"
#include "tests/integration/core/world.h"
#include "tests/support/check.h"

enum { VMS = 24 };

static char dir[PATH_BYTES];
static struct world w;

static bool succeeds(struct operation_entry *op, const struct err *err)
{
    if (!op) {
        fprintf(stderr, "refused: %s\n", err->message);
        return false;
    }
    operation_ref(op);
    bool ok = world_wait(&w, op) && operation_row(op)->state == OP_SUCCEEDED;
    if (!ok)
        fprintf(stderr, "%s: %s: %s\n", operation_row(op)->kind, operation_row(op)->error_stage,
                text_get(operation_row(op)->error_message));
    operation_unref(op);
    return ok;
}

static bool start_box(void)
{
    struct err err = ERR_INIT;
    struct vm_start_request start = {.vm = "box0"};
    return succeeds(vm_ask_start(&w.core, &start, NULL, &err), &err);
}

static bool stop_box(void)
{
    struct err err = ERR_INIT;
    struct vm_stop_request stop = {.vm = "box0", .grace_ms = 0};
    return succeeds(vm_ask_stop(&w.core, &stop, NULL, &err), &err);
}

static void delete_all(void)
{
    struct err err = ERR_INIT;
    for (struct vm_entry *e; (e = vm_next(&w.core, NULL));) {
        struct vm_delete_request req = {.vm = vm_record(e)->id, .force = true};
        if (!CHECK(succeeds(vm_ask_delete(&w.core, &req, NULL, &err), &err)))
            return;
    }
    CHECK_INT(world_count_monitors(&w), 0);
}

static const char *file_of(const struct vm_entry *e, const char *name)
{
    static char path[PATH_BYTES + 32];
    snprintf(path, sizeof(path), "%s/%s", vm_record(e)->runtime.vm_dir, name);
    return path;
}

static pid_t start_stranger(void)
{
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (;;)
            pause();
    }
    return pid;
}

static void end_stranger(pid_t pid)
{
    process_hide(0);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

static void test_one_look_finds_all_after_a_restart(void)
{
    if (!CHECK(world_open(&w, dir, "sim")))
        return;
    for (int i = 0; i < VMS; i++) {
        char name[16];
        snprintf(name, sizeof(name), "box%d", i);
        if (!CHECK(world_create(&w, name, true)))
            return;
    }
    char paths[VMS][PATH_BYTES + 32];
    size_t n = 0;
    for (struct vm_entry *e = NULL; n < VMS && (e = vm_next(&w.core, e));)
        snprintf(paths[n++], sizeof(paths[0]), "%s", file_of(e, "handles.json"));
    world_close(&w); /* what is being written is, by now */
    while (n > 0)
        CHECK_INT(unlink(paths[--n]), 0);
    uint64_t before = census_count();
    if (!CHECK(world_open(&w, dir, "sim")))
        return;
    /* One that begins while they still ask may not do for the last, and one is for leaks. */
    CHECK(census_count() - before <= 4);
    for (struct vm_entry *e = NULL; (e = vm_next(&w.core, e));)
        CHECK_INT(vm_record(e)->runtime.state, VM_RUNNING);
    delete_all();
    world_close(&w);
}

static void test_a_start_needs_no_look(void)
{
    if (!CHECK(world_open(&w, dir, "sim")) || !CHECK(world_create(&w, "box0", false)))
        return;
    uint64_t before = census_count();
    CHECK(start_box());
    CHECK(stop_box());
    CHECK(start_box());
    CHECK_INT(census_count() - before, 0);
    delete_all();
    world_close(&w);
}

/* What an earlier launch left is there, so a start looks: a process that it may not read is no
 * reason to fail. */
static void test_an_unreadable_process_hinders_no_start(void)
{
    if (!CHECK(world_open(&w, dir, "sim")))
        return;
    struct vm_entry *e = world_create(&w, "box0", false);
    if (!CHECK(e != NULL))
        return;
    pid_t stranger = start_stranger();
    process_hide(stranger);
    CHECK_INT(mkfifo(file_of(e, "monitor.log"), 0600), 0);
    uint64_t before = census_count();
    CHECK(start_box());
    CHECK_INT(census_count() - before, 1);
    CHECK_INT(vm_record(e)->runtime.state, VM_RUNNING);
    end_stranger(stranger);
    delete_all();
    world_close(&w);
}

/* The one that cannot be read is the VM itself: it holds its socket. */
static void test_an_unreadable_monitor_is_not_taken_for_gone(void)
{
    if (!CHECK(world_open(&w, dir, "sim")))
        return;
    struct vm_entry *e = world_create(&w, "box0", true);
    if (!CHECK(e != NULL))
        return;
    pid_t pid = vm_handles(e)->pid;
    char hint[PATH_BYTES + 32];
    snprintf(hint, sizeof(hint), "%s", file_of(e, "handles.json"));
    world_close(&w);
    CHECK_INT(unlink(hint), 0);
    process_hide(pid);
    if (!CHECK(world_open(&w, dir, "sim")))
        return;
    e = vm_find(&w.core, "box0", NULL);
    if (!CHECK(e != NULL))
        return;
    CHECK_INT(vm_record(e)->runtime.state, VM_UNKNOWN);
    CHECK_CONTAINS(vm_record(e)->runtime.last_error, "cannot be looked at");
    process_hide(0);
    CHECK(world_wait_state(&w, e, VM_RUNNING)); /* asked again by itself */
    CHECK_INT(vm_handles(e)->pid, pid);
    delete_all();
    world_close(&w);
}

int main(void)
{
    world_make_dir(dir);
    RUN(test_one_look_finds_all_after_a_restart);
    RUN(test_a_start_needs_no_look);
    RUN(test_an_unreadable_process_hinders_no_start);
    RUN(test_an_unreadable_monitor_is_not_taken_for_gone);
    world_remove_dir(dir);
    return check_end();
}
