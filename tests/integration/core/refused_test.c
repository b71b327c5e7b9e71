/* What the daemon begins by itself is not lost where the store, or the host, refuses it: reboots
 * that guests ask for, autostart, restarts. Over the sim driver and a real store. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "daemon/core/host/host_settings.h"
#include "daemon/core/vm/vm_internal.h"
#include "daemon/core/vm/vm_ops.h"
#include "daemon/store/fault.h"
#include "daemon/store/store.h"
#include "daemon/vmm/fault.h"
#include "tests/integration/core/world.h"
#include "tests/support/check.h"
#include "tests/support/object_fault.h"

#ifndef BANGER_FAULTS

int main(void)
{
    return check_skip("built without BANGER_FAULTS");
}

#else

static char dir[PATH_BYTES];
static struct world w;

static bool open_world(void)
{
    return CHECK(world_open(&w, dir, "sim"));
}

static void set_faults(const char *rules)
{
    struct err err = ERR_INIT;
    CHECK_INT(store_fault_set(rules, &err), 0);
}

static bool succeeds(struct operation_entry *op)
{
    if (!CHECK(op != NULL))
        return false;
    operation_ref(op);
    bool ok = world_wait(&w, op) && operation_row(op)->state == OP_SUCCEEDED;
    if (!ok)
        fprintf(stderr, "%s: %s\n", operation_row(op)->kind, operation_row(op)->error_message);
    operation_unref(op);
    return ok;
}

/* Referenced. */
static struct vm_entry *create(const char *name, struct vm_spec spec)
{
    struct vm_create_request req = {.name = name, .start = true, .spec = spec};
    if (!CHECK(succeeds(vm_ask_create(&w.core, &req, NULL, NULL))))
        exit(1);
    return vm_ref(vm_find(&w.core, name, NULL));
}

static void delete (struct vm_entry *e)
{
    struct vm_delete_request req = {.vm = vm_record(e)->id, .force = true};
    CHECK(succeeds(vm_ask_delete(&w.core, &req, NULL, NULL)));
    vm_unref(e);
}

/* sim's guests power themselves off; the next end of this one is told as a reset. */
static const struct vmm_events *told_to;

static void exited_by_reset(void *arg, const struct vmm_exit *exit)
{
    struct vmm_exit reset = *exit;
    reset.kind = VMM_EXIT_REBOOT;
    told_to->exited(arg, &reset);
}

static void reset_guest(struct vm_entry *e)
{
    static const struct vmm_events events = {.exited = exited_by_reset};
    told_to = e->machine->events == &events ? told_to : e->machine->events;
    e->machine->events = &events;
    kill(vm_handles(e)->pid, SIGTERM);
}

static bool has_begun;

/* Operations were begun, and none of them is left. */
static bool has_ended(void *arg)
{
    (void)arg;
    size_t n = operation_active_count(&w.core);
    has_begun = has_begun || n > 0;
    return has_begun && n == 0;
}

static bool wait_for_refusal(void)
{
    has_begun = false;
    return CHECK(world_wait_until(&w, has_ended, NULL));
}

static const char *restarting(const struct vm_entry *e)
{
    static struct vm_condition c[VM_CONDITIONS_MAX];
    size_t n = vm_get_conditions(e, c);
    for (size_t i = 0; i < n; i++)
        if (strcmp(c[i].type, "Restarting") == 0)
            return c[i].message;
    return "";
}

static void install_faults(const char *driver)
{
    struct err err = ERR_INIT;
    CHECK_INT(fault_install(driver, &err), 0);
}

/* So many times, of what passes. */
static void fail(const char *method, uint32_t times)
{
    struct err err = ERR_INIT;
    struct fault fault = {.action = FAULT_FAIL, .code = ERR_UNAVAILABLE, .times = times};
    CHECK_INT(fault_set(method, &fault, &err), 0);
}

/* Reboots */

static void test_a_reboot_that_the_store_refuses_comes_when_it_writes_again(void)
{
    if (!open_world())
        return;
    struct vm_entry *plain = create("plain", (struct vm_spec){.cpus = 1});
    struct vm_entry *brief = create("brief", (struct vm_spec){.ephemeral = true});
    set_faults("begin=busy");
    reset_guest(plain);
    reset_guest(brief);
    if (!wait_for_refusal())
        return;
    CHECK_INT(vm_record(plain)->runtime.state, VM_STOPPED);
    CHECK_INT(vm_record(brief)->runtime.state, VM_STOPPED);
    set_faults(NULL);
    CHECK(world_wait_state(&w, plain, VM_RUNNING));
    CHECK(world_wait_state(&w, brief, VM_RUNNING));
    delete (plain);
    delete (brief);
    world_close(&w);
}

static void test_a_reboot_that_the_host_refuses_comes_when_it_does_not(void)
{
    if (!open_world())
        return;
    struct vm_entry *again = create("again", (struct vm_spec){.cpus = 1});
    struct vm_entry *stopped = create("stopped", (struct vm_spec){.cpus = 1});
    w.core.settings.draining = true;
    reset_guest(again);
    reset_guest(stopped);
    CHECK(world_wait_state(&w, again, VM_STOPPED));
    CHECK(world_wait_state(&w, stopped, VM_STOPPED));
    struct vm_stop_request stop = {.vm = "stopped", .grace_ms = -1};
    CHECK(succeeds(vm_ask_stop(&w.core, &stop, NULL, NULL)));
    w.core.settings.draining = false;
    CHECK(world_wait_state(&w, again, VM_RUNNING));
    CHECK(world_wait_all(&w));
    CHECK_INT(vm_record(stopped)->runtime.state, VM_STOPPED); /* as it was told meanwhile */
    CHECK_INT(vm_record(stopped)->wanted, VM_WANTED_STOPPED);
    delete (again);
    delete (stopped);
    world_close(&w);
}

/* It fails before it is STARTING: an end like any other. */
static void test_a_reboot_that_fails_is_left_to_the_policies(void)
{
    if (!open_world())
        return;
    struct vm_entry *e = create("again", (struct vm_spec){.restart = RESTART_ALWAYS});
    struct vm_entry *brief = create("brief", (struct vm_spec){.ephemeral = true});
    setenv("BANGER_FAIL_AT", "vm.start:disks", 1);
    reset_guest(brief);
    CHECK(world_wait_state(&w, brief, VM_STATE_UNSPECIFIED));
    reset_guest(e);
    if (!wait_for_refusal())
        return;
    unsetenv("BANGER_FAIL_AT");
    CHECK(world_wait_state(&w, e, VM_RUNNING));
    CHECK_INT(vm_record(e)->runtime.restarts, 1);
    vm_unref(brief);
    delete (e);
    world_close(&w);
}

static void test_a_reboot_that_fails_in_passing_is_left_to_the_policies(void)
{
    if (!open_world())
        return;
    struct vm_entry *e = create("again", (struct vm_spec){.restart = RESTART_ALWAYS});
    object_fault_set("empty", OBJECT_FAULT_MAKE, ERR_UNAVAILABLE, 1);
    reset_guest(e);
    CHECK(world_wait_state(&w, e, VM_STOPPED));
    CHECK(world_wait_state(&w, e, VM_RUNNING));
    CHECK_INT(object_fault_met(), 1);
    CHECK_INT(vm_record(e)->runtime.restarts, 1);
    delete (e);
    world_close(&w);
    object_fault_clear();
}

/* Autostart */

enum { SIX = 6 };
static const char *const names[SIX] = {"a0", "a1", "a2", "a3", "a4", "a5"};

/* Six that are to start with the daemon, and do not run. */
static void make_six(void)
{
    pid_t pids[SIX];
    for (int i = 0; i < SIX; i++) {
        struct vm_entry *e = create(names[i], (struct vm_spec){.autostart = true});
        pids[i] = vm_handles(e)->pid;
        vm_unref(e);
    }
    world_close(&w);
    for (int i = 0; i < SIX; i++)
        world_end_process(pids[i]);
}

static void check_six_run_and_delete(void)
{
    for (int i = 0; i < SIX; i++) {
        struct vm_entry *e = vm_ref(vm_find(&w.core, names[i], NULL));
        CHECK(world_wait_state(&w, e, VM_RUNNING));
        delete (e);
    }
}

static void test_an_autostart_that_is_refused_is_not_used_up(void)
{
    if (!open_world())
        return;
    make_six();
    set_faults("operations=busy");
    if (!open_world() || !wait_for_refusal())
        return;
    set_faults(NULL);
    check_six_run_and_delete();
    world_close(&w);
}

static struct vm_entry *find(const char *name)
{
    struct vm_entry *e = vm_find(&w.core, name, NULL);
    if (!CHECK(e != NULL))
        exit(1);
    return vm_ref(e);
}

static int count_starts(const struct vm_entry *e)
{
    int n = 0;
    char resource[96];
    vm_resource(e, resource);
    for (struct operation_entry *op = NULL; (op = operation_next(&w.core, op));)
        n += strcmp(operation_row(op)->kind, "vm.start") == 0 &&
             strcmp(operation_row(op)->resource, resource) == 0;
    return n;
}

/* What has begun and failed is an end like any other, also where it may pass. */
static void test_an_autostart_that_fails_is_left_to_the_policies(void)
{
    if (!open_world())
        return;
    struct vm_entry *again =
        create("again", (struct vm_spec){.autostart = true, .restart = RESTART_ON_FAILURE});
    struct vm_entry *once = create("once", (struct vm_spec){.autostart = true});
    pid_t pids[] = {vm_handles(again)->pid, vm_handles(once)->pid};
    vm_unref(again);
    vm_unref(once);
    world_close(&w);
    world_end_process(pids[0]);
    world_end_process(pids[1]);
    install_faults("sim");
    fail("start", 2);
    if (!open_world())
        return;
    again = find("again");
    once = find("once");
    CHECK(world_wait_state(&w, again, VM_RUNNING));
    CHECK_INT(vm_record(again)->runtime.restarts, 1);
    CHECK(world_wait_state(&w, once, VM_FAILED));
    CHECK_INT(count_starts(once), 1);
    delete (again);
    delete (once);
    world_close(&w);
    install_faults(NULL);
}

/* Restarts */

static void test_a_restart_that_is_refused_is_not_counted(void)
{
    if (!open_world())
        return;
    struct vm_entry *e = create("crashes", (struct vm_spec){.restart = RESTART_ON_FAILURE});
    set_faults("operations=busy");
    kill(vm_handles(e)->pid, SIGKILL);
    if (!wait_for_refusal())
        return;
    CHECK_INT(vm_record(e)->runtime.restarts, 0);
    CHECK_INT(vm_record(e)->runtime.restart_streak, 0);
    CHECK_CONTAINS(restarting(e), "restart 1");
    set_faults(NULL);
    CHECK(world_wait_state(&w, e, VM_RUNNING));
    CHECK_INT(vm_record(e)->runtime.restarts, 1);
    CHECK_INT(vm_record(e)->runtime.restart_streak, 1);
    CHECK_STR(restarting(e), "");
    delete (e);
    world_close(&w);
}

int main(void)
{
    world_make_dir(dir);
    RUN(test_a_reboot_that_the_store_refuses_comes_when_it_writes_again);
    RUN(test_a_reboot_that_the_host_refuses_comes_when_it_does_not);
    RUN(test_a_reboot_that_fails_is_left_to_the_policies);
    RUN(test_a_reboot_that_fails_in_passing_is_left_to_the_policies);
    RUN(test_an_autostart_that_is_refused_is_not_used_up);
    RUN(test_an_autostart_that_fails_is_left_to_the_policies);
    RUN(test_a_restart_that_is_refused_is_not_counted);
    world_remove_dir(dir);
    return check_end();
}

#endif
