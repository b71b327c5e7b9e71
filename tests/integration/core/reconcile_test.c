/* What a daemon makes of what it finds: strays, leftovers, machines that do not answer; and guests
 * that do not boot. */
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "daemon/core/supervise/reconcile.h"
#include "daemon/core/vm/vm_ops.h"
#include "daemon/vmm/fault.h"
#include "base/clock.h"
#include "tests/integration/core/world.h"
#include "tests/support/agent_below.h"
#include "tests/support/check.h"

static char dir[PATH_BYTES];

static bool succeeds(struct world *w, struct operation_entry *op)
{
    if (!CHECK(op != NULL))
        return false;
    operation_ref(op);
    bool ok = world_wait(w, op) && operation_row(op)->state == OP_SUCCEEDED;
    if (!ok)
        fprintf(stderr, "%s: %s: %s\n", operation_row(op)->kind, operation_row(op)->error_stage,
                text_get(operation_row(op)->error_message));
    operation_unref(op);
    return ok;
}

static void delete_all(struct world *w)
{
    struct err err = ERR_INIT;
    for (struct vm_entry *e; (e = vm_next(&w->core, NULL));) {
        struct vm_delete_request req = {.vm = vm_record(e)->id, .force = true};
        if (!CHECK(succeeds(w, vm_ask_delete(&w->core, &req, NULL, &err))))
            return;
    }
    CHECK_INT(world_count_monitors(w), 0);
    CHECK_INT(world_count_entries(dir, "vms"), 0);
}

/* Evidence is missing: UNKNOWN, not STOPPED; found later, it runs on. */
static void test_unknown(void)
{
    struct world w;
    struct err err = ERR_INIT;
    if (!CHECK(world_open(&w, dir, "sim")) || !CHECK(world_create(&w, "box", true) != NULL))
        return;
    pid_t pid = vm_handles(vm_find(&w.core, "box", NULL))->pid;
    world_close(&w);
    struct fault fail = {.action = FAULT_FAIL, .code = ERR_UNAVAILABLE, .times = 1};
    CHECK_INT(fault_install("sim", &err), 0);
    CHECK_INT(fault_set("adopt", &fail, &err), 0);
    if (!CHECK(world_open(&w, dir, "sim")))
        return;
    struct vm_entry *e = vm_find(&w.core, "box", NULL);
    CHECK_INT(vm_record(e)->runtime.state, VM_UNKNOWN);
    CHECK(world_wait_state(&w, e, VM_RUNNING));
    CHECK_INT(vm_handles(e)->pid, pid);
    world_close(&w);
    /* And by hand, where it is asked for before the next look. */
    fail.times = 1;
    CHECK_INT(fault_set("adopt", &fail, &err), 0);
    if (!CHECK(world_open(&w, dir, "sim")))
        return;
    e = vm_find(&w.core, "box", NULL);
    CHECK_INT(vm_record(e)->runtime.state, VM_UNKNOWN);
    CHECK(succeeds(&w, vm_ask_recover(&w.core, "box", NULL, &err)));
    CHECK_INT(vm_record(e)->runtime.state, VM_RUNNING);
    delete_all(&w);
    world_close(&w);
    fault_clear();
    CHECK_INT(fault_install(NULL, &err), 0);
}

/* A machine that never answers does not hold up the start. */
static void test_wedged(void)
{
    struct world w;
    struct err err = ERR_INIT;
    if (!CHECK(world_open(&w, dir, "sim")) || !CHECK(world_create(&w, "box", true) != NULL))
        return;
    world_close(&w);
    struct fault hang = {.action = FAULT_HANG, .times = 1};
    CHECK_INT(fault_install("sim", &err), 0);
    CHECK_INT(fault_set("adopt", &hang, &err), 0);
    int64_t from = clock_mono_ms();
    if (!CHECK(world_open(&w, dir, "sim")))
        return;
    CHECK(clock_mono_ms() - from < 2 * RECONCILE_ADOPT_MS);
    struct vm_entry *e = vm_find(&w.core, "box", NULL);
    CHECK_INT(vm_record(e)->runtime.state, VM_UNKNOWN);
    /* Who asks for a second look beside the one that hangs is told so, and takes nothing from it.
     */
    struct operation_entry *recover = vm_ask_recover(&w.core, "box", NULL, &err);
    operation_ref(recover);
    CHECK(world_wait(&w, recover));
    CHECK_STR(operation_row(recover)->error_reason, "VMM_BUSY");
    operation_unref(recover);
    CHECK_INT(vm_record(e)->runtime.state, VM_UNKNOWN);
    /* Kill works all the same, and finds the process. */
    CHECK(succeeds(&w, vm_ask_kill(&w.core, "box", NULL, &err)));
    CHECK_INT(vm_record(e)->runtime.state, VM_STOPPED);
    CHECK_INT(world_count_monitors(&w), 0);
    delete_all(&w);
    world_close(&w);
    fault_clear();
    CHECK_INT(fault_install(NULL, &err), 0);
}

/* The guest hangs at boot: stopped as soon as its process is there, so often. */
struct hang {
    struct vm_watch watch;
    pid_t pid;
    int left, seen;
};

static void on_start(void *arg, struct vm_entry *e)
{
    struct hang *h = arg;
    if (!vm_has_vmm(e) || vm_handles(e)->pid == h->pid || vm_handles(e)->pid <= 1)
        return;
    h->pid = vm_handles(e)->pid;
    h->seen++;
    if (h->left-- > 0)
        agent_signal_both(h->pid, SIGSTOP);
}

/* It cannot be found by name before its record is on disk. */
static struct vm_entry *slow_vm(const struct operation_entry *creation)
{
    return vm_find_id(operation_core(creation), operation_row(creation)->resource + strlen("vm/"));
}

static struct operation_entry *create_hung(struct world *w, struct hang *h)
{
    struct err err = ERR_INIT;
    struct vm_create_request req = {.name = "slow", .start = true};
    struct operation_entry *op = vm_ask_create(&w->core, &req, NULL, &err);
    if (CHECK(op != NULL))
        vm_watch(slow_vm(op), &h->watch, on_start, h);
    return op;
}

static void test_watchdog(void)
{
    struct world w;
    if (!CHECK(world_open(&w, dir, "sim")))
        return;
    w.core.config.boot_timeout_ms = 1000;
    struct hang once = {.left = 1}, always = {.left = 10};
    CHECK(succeeds(&w, create_hung(&w, &once)));
    CHECK_INT(once.seen, 2);
    vm_unwatch(&once.watch);
    delete_all(&w);
    struct operation_entry *op = create_hung(&w, &always);
    operation_ref(op);
    CHECK(world_wait(&w, op));
    vm_unwatch(&always.watch);
    CHECK_INT(operation_row(op)->state, OP_FAILED);
    CHECK_STR(operation_row(op)->error_reason, "BOOT_TIMEOUT");
    CHECK_STR(operation_row(op)->error_stage, "boot");
    operation_unref(op);
    CHECK_INT(vm_count(&w.core), 0); /* rolled back */
    CHECK_INT(world_count_monitors(&w), 0);
    CHECK_INT(world_count_entries(dir, "vms"), 0);
    world_close(&w);
}

/* Cancelled in the middle of booting. */
static void test_cancel_boot(void)
{
    struct world w;
    if (!CHECK(world_open(&w, dir, "sim")))
        return;
    struct hang always = {.left = 10};
    struct operation_entry *op = create_hung(&w, &always);
    struct vm_entry *e = slow_vm(op);
    operation_ref(op);
    CHECK(world_wait_state(&w, e, VM_STARTING));
    operation_cancel(op);
    CHECK(world_wait(&w, op));
    vm_unwatch(&always.watch);
    CHECK_INT(operation_row(op)->state, OP_CANCELLED);
    operation_unref(op);
    CHECK_INT(vm_count(&w.core), 0);
    CHECK_INT(world_count_monitors(&w), 0);
    world_close(&w);
}

/* A kill that comes while the VM is being created takes the creation back. */
static void test_kill_creation(void)
{
    struct world w;
    struct err err = ERR_INIT;
    if (!CHECK(world_open(&w, dir, "sim")))
        return;
    struct hang always = {.left = 10};
    struct operation_entry *op = create_hung(&w, &always);
    operation_ref(op);
    CHECK(world_wait_state(&w, slow_vm(op), VM_STARTING));
    CHECK(succeeds(&w, vm_ask_kill(&w.core, "slow", NULL, &err)));
    vm_unwatch(&always.watch);
    CHECK_INT(operation_row(op)->state, OP_CANCELLED);
    CHECK_STR(operation_row(op)->error_reason, "PREEMPTED");
    operation_unref(op);
    CHECK_INT(vm_count(&w.core), 0);
    CHECK_INT(world_count_monitors(&w), 0);
    CHECK_INT(world_count_entries(dir, "vms"), 0);
    /* Forced deletion of one whose process does not answer. */
    struct vm_entry *e = world_create(&w, "wedged", true);
    if (CHECK(e != NULL))
        kill(vm_handles(e)->pid, SIGSTOP);
    int64_t from = clock_mono_ms();
    delete_all(&w);
    CHECK(clock_mono_ms() - from < 5000);
    world_close(&w);
}

/* The kill meets a stop before the guest was asked: it is paused, and is not resumed. */
static void test_kill_ends_a_stop_that_hangs_as_it_resumes(void)
{
    struct world w;
    struct err err = ERR_INIT;
    struct fault hang = {.action = FAULT_HANG, .times = 1};
    CHECK_INT(fault_install("sim", &err), 0);
    if (!CHECK(world_open(&w, dir, "sim")) || !CHECK(world_create(&w, "box", true) != NULL))
        return;
    CHECK(succeeds(&w, vm_ask_pause(&w.core, "box", NULL, &err)));
    CHECK_INT(fault_set("resume", &hang, &err), 0);
    struct vm_stop_request stop = {.vm = "box", .grace_ms = 60000};
    struct operation_entry *op = vm_ask_stop(&w.core, &stop, NULL, &err);
    struct vm_entry *e = vm_find(&w.core, "box", NULL);
    operation_ref(op);
    CHECK(world_wait_state(&w, e, VM_STOPPING));
    CHECK(succeeds(&w, vm_ask_kill(&w.core, "box", NULL, &err)));
    CHECK(world_wait(&w, op));
    CHECK_INT(vm_record(e)->runtime.state, VM_STOPPED);
    operation_unref(op);
    delete_all(&w);
    world_close(&w);
    fault_clear();
    CHECK_INT(fault_install(NULL, &err), 0);
}

static bool is_stopping_on_disk(void *arg)
{
    return vm_shown(arg)->runtime.state == VM_STOPPING;
}

static bool has_ended(void *arg)
{
    return !vm_has_vmm(arg);
}

/* The process is gone, the call that hung on it ends together with the kill, and what it would do
 * next is refused: that answer is waited for too. */
static void test_a_stop_that_goes_on_beside_a_kill_ends(void)
{
    struct world w;
    struct err err = ERR_INIT;
    struct fault hang = {.action = FAULT_HANG, .times = 1};
    struct fault fail = {.action = FAULT_FAIL, .code = ERR_UNAVAILABLE, .times = 1};
    CHECK_INT(fault_install("sim", &err), 0);
    if (!CHECK(world_open(&w, dir, "sim")) || !CHECK(world_create(&w, "box", true) != NULL))
        return;
    CHECK(succeeds(&w, vm_ask_pause(&w.core, "box", NULL, &err)));
    CHECK_INT(fault_set("resume", &hang, &err), 0);
    CHECK_INT(fault_set("kill", &fail, &err), 0);
    struct vm_stop_request stop = {.vm = "box", .grace_ms = 60000};
    struct operation_entry *op = vm_ask_stop(&w.core, &stop, NULL, &err);
    struct vm_entry *e = vm_find(&w.core, "box", NULL);
    operation_ref(op);
    CHECK(world_wait_until(&w, is_stopping_on_disk, e));
    kill(vm_handles(e)->pid, SIGKILL);
    CHECK(world_wait_until(&w, has_ended, e));
    CHECK(succeeds(&w, vm_ask_kill(&w.core, "box", NULL, &err)));
    CHECK(world_wait(&w, op));
    CHECK_INT(operation_row(op)->state, OP_SUCCEEDED);
    CHECK_INT(vm_record(e)->runtime.state, VM_STOPPED);
    operation_unref(op);
    delete_all(&w);
    world_close(&w);
    fault_clear();
    CHECK_INT(fault_install(NULL, &err), 0);
}

static bool is_recorded(void *arg)
{
    return operation_is_recorded(arg);
}

/* Nothing of it is left in memory, which the leak checker says; the next daemon ends the VM. */
static void test_a_daemon_ends_while_a_kill_ends_a_stop(void)
{
    struct world w;
    struct err err = ERR_INIT;
    struct fault hang = {.action = FAULT_HANG, .times = 1};
    CHECK_INT(fault_install("sim", &err), 0);
    if (!CHECK(world_open(&w, dir, "sim")) || !CHECK(world_create(&w, "box", true) != NULL))
        return;
    CHECK_INT(fault_set("stop", &hang, &err), 0);
    CHECK_INT(fault_set("kill", &hang, &err), 0);
    struct vm_stop_request stop = {.vm = "box", .grace_ms = 60000};
    struct vm_entry *e = vm_find(&w.core, "box", NULL);
    CHECK(vm_ask_stop(&w.core, &stop, NULL, &err) != NULL);
    CHECK(world_wait_until(&w, is_stopping_on_disk, e));
    struct operation_entry *op = vm_ask_kill(&w.core, "box", NULL, &err);
    if (CHECK(op != NULL))
        CHECK(world_wait_until(&w, is_recorded, op));
    world_close(&w);
    fault_clear();
    if (!CHECK(world_open(&w, dir, "sim")))
        return;
    CHECK(world_wait_all(&w));
    delete_all(&w);
    world_close(&w);
    CHECK_INT(fault_install(NULL, &err), 0);
}

/* Each method of the driver fails in turn; the VM ends where it can be told about. */
static void test_driver_fails(void)
{
    struct world w;
    struct err err = ERR_INIT;
    CHECK_INT(fault_install("sim", &err), 0);
    if (!CHECK(world_open(&w, dir, "sim")))
        return;
    for (size_t i = 0; i < 2; i++) {
        struct fault fail = {
            .action = i ? FAULT_FAIL_DONE : FAULT_FAIL, .code = ERR_LIMIT, .times = 1};
        CHECK_INT(fault_set("start", &fail, &err), 0);
        struct vm_create_request req = {.name = "unlucky", .start = true};
        struct operation_entry *op = vm_ask_create(&w.core, &req, NULL, &err);
        operation_ref(op);
        CHECK(world_wait(&w, op));
        CHECK_INT(operation_row(op)->state, OP_FAILED);
        CHECK_INT(operation_row(op)->error_code, ERR_LIMIT);
        operation_unref(op);
        CHECK_INT(vm_count(&w.core), 0);
        CHECK_INT(world_count_monitors(&w), 0);
        CHECK_INT(world_count_entries(dir, "vms"), 0);
    }
    world_create(&w, "box", true);
    struct fault fail = {.action = FAULT_FAIL, .code = ERR_UNKNOWN, .times = 1};
    CHECK_INT(fault_set("stop", &fail, &err), 0);
    struct vm_stop_request stop = {.vm = "box", .grace_ms = 1000};
    struct operation_entry *op = vm_ask_stop(&w.core, &stop, NULL, &err);
    operation_ref(op);
    CHECK(world_wait(&w, op));
    operation_unref(op);
    struct vm_entry *e = vm_find(&w.core, "box", NULL);
    /* The guest was asked, and may have ended by itself; else it is not known to have. */
    enum vm_state state = vm_record(e)->runtime.state;
    CHECK(state == VM_UNKNOWN || state == VM_STOPPED);
    CHECK(succeeds(&w, vm_ask_kill(&w.core, "box", NULL, &err)));
    CHECK_INT(vm_record(e)->runtime.state, VM_STOPPED);
    delete_all(&w);
    world_close(&w);
    fault_clear();
    CHECK_INT(fault_install(NULL, &err), 0);
}

int main(void)
{
    world_make_dir(dir);
    RUN(test_unknown);
    RUN(test_wedged);
    RUN(test_watchdog);
    RUN(test_cancel_boot);
    RUN(test_kill_creation);
    RUN(test_kill_ends_a_stop_that_hangs_as_it_resumes);
    RUN(test_a_stop_that_goes_on_beside_a_kill_ends);
    RUN(test_a_daemon_ends_while_a_kill_ends_a_stop);
    RUN(test_driver_fails);
    world_remove_dir(dir);
    return check_end();
}
