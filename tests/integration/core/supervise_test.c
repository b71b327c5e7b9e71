/* What the daemon does with VMs by itself, over the sim driver and a real store: expiry, idle stop,
 * restart policy, autostart; over restarts of the core and, as it is told, of the host. */
#include <signal.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "daemon/core/event/event.h"
#include "daemon/core/host/host_settings.h"
#include "daemon/core/session/session.h"
#include "daemon/core/vm/vm_ops.h"
#include "daemon/store/store.h"
#include "tests/integration/core/world.h"
#include "tests/support/check.h"

static char dir[PATH_BYTES];
static struct world w;
static struct event_watch events;
static bool awaiting; /* an event; else the loop runs for something else */

static void on_more(void *arg)
{
    (void)arg;
    if (awaiting)
        loop_stop(w.core.loop);
}

static bool open_world(void)
{
    if (!CHECK(world_open(&w, dir, "sim")))
        return false;
    event_watch_open(&w.core, &events, "", 0, on_more, NULL);
    return true;
}

static void close_world(void)
{
    event_watch_close(&events);
    world_close(&w);
}

/* The next event of this kind, from where the last one was seen; its detail. */
static const char *await_event(const char *kind)
{
    static struct event event;
    uint64_t from, to;
    for (;;) {
        switch (event_watch_next(&events, &event, &from, &to)) {
        case EVENT_NEXT_NONE:
            awaiting = true;
            loop_run(w.core.loop, NULL);
            awaiting = false;
            break;
        case EVENT_NEXT_EVENT:
            if (strcmp(event.kind, kind) == 0)
                return event.detail;
            break;
        case EVENT_NEXT_GAP:
            return "(a gap)";
        }
    }
}

static bool succeeds(struct operation_entry *op, const struct err *err)
{
    if (!op) {
        fprintf(stderr, "refused: %s\n", err->message);
        return false;
    }
    operation_ref(op);
    bool ok = world_wait(&w, op) && operation_row(op)->state == OP_SUCCEEDED;
    if (!ok)
        fprintf(stderr, "%s: %s\n", operation_row(op)->kind,
                text_get(operation_row(op)->error_message));
    operation_unref(op);
    return ok;
}

/* Referenced. */
static struct vm_entry *create(const char *name, struct vm_spec spec)
{
    struct err err = ERR_INIT;
    struct vm_create_request req = {.name = name, .start = true, .spec = spec};
    if (!CHECK(succeeds(vm_ask_create(&w.core, &req, NULL, &err), &err)))
        exit(1);
    return vm_ref(vm_find(&w.core, name, &err));
}

static struct vm_entry *find(const char *name)
{
    struct err err = ERR_INIT;
    struct vm_entry *e = vm_find(&w.core, name, &err);
    if (!CHECK(e != NULL))
        exit(1);
    return vm_ref(e);
}

static void stop(const char *name)
{
    struct err err = ERR_INIT;
    struct vm_stop_request req = {.vm = name, .grace_ms = -1};
    CHECK(succeeds(vm_ask_stop(&w.core, &req, NULL, &err), &err));
}

static void delete (struct vm_entry *e)
{
    struct err err = ERR_INIT;
    struct vm_delete_request req = {.vm = vm_record(e)->id, .force = true};
    CHECK(succeeds(vm_ask_delete(&w.core, &req, NULL, &err), &err));
    vm_unref(e);
}

static bool is_gone(struct vm_entry *e)
{
    bool gone = world_wait_state(&w, e, VM_STATE_UNSPECIFIED);
    vm_unref(e);
    return gone;
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

/* Expiry */

static void test_an_expired_vm_is_stopped_and_deleted(void)
{
    if (!open_world())
        return;
    struct vm_entry *e = create("brief", (struct vm_spec){.expire_after_ms = 1500});
    CHECK_INT(vm_record(e)->expires_ns, vm_record(e)->created_ns + (int64_t)1500 * 1000000);
    CHECK_CONTAINS(await_event("vm.expiring"), "will be deleted");
    CHECK_CONTAINS(await_event("vm.expired"), "its time is up");
    CHECK(is_gone(e));
    CHECK_INT(world_count_entries(dir, "vms"), 0);
    close_world();
}

static void test_what_came_due_without_a_daemon_is_deleted_by_the_next(void)
{
    if (!open_world())
        return;
    struct vm_entry *e = create("late", (struct vm_spec){.expire_after_ms = 3600000});
    vm_edit(e)->expires_ns = clock_real_ns() - 1;
    vm_save(e, NULL);
    vm_unref(e);
    close_world();
    if (!open_world())
        return;
    CHECK_CONTAINS(await_event("vm.expired"), "its time is up");
    world_wait_all(&w);
    CHECK_INT(vm_count(&w.core), 0);
    CHECK_INT(world_count_monitors(&w), 0);
    close_world();
}

/* As if all that the database has had been written two days ago. */
static void age_database(void)
{
    char path[PATH_BYTES + 16];
    sqlite3 *db = NULL;
    snprintf(path, sizeof(path), "%s/banger.db", dir);
    CHECK_INT(sqlite3_open(path, &db), SQLITE_OK);
    CHECK_INT(sqlite3_exec(db,
                           "UPDATE events SET time_ns = time_ns - 172800000000000;"
                           "UPDATE operations SET ended_ns = ended_ns - 172800000000000"
                           " WHERE ended_ns > 0;"
                           "UPDATE vms SET updated_ns = updated_ns - 172800000000000,"
                           " expires_ns = expires_ns - 172800000000000",
                           NULL, NULL, NULL),
              SQLITE_OK);
    sqlite3_close(db);
}

/* The other VM is a clock: by the time that it is idle, there has been a look. */
static void test_a_clock_that_is_far_ahead_at_the_start_deletes_nothing(void)
{
    if (!open_world())
        return;
    struct vm_entry *e = create("kept", (struct vm_spec){.expire_after_ms = 3600000});
    vm_unref(e);
    close_world();
    age_database();
    if (!open_world())
        return;
    e = find("kept");
    CHECK(vm_record(e)->expires_ns < clock_real_ns());
    struct vm_entry *other = create("other", (struct vm_spec){.idle_stop_after_ms = 1000});
    await_event("vm.idle");
    CHECK(world_wait_state(&w, other, VM_STOPPED));
    CHECK(!vm_is_removed(e));
    CHECK_INT(vm_record(e)->runtime.state, VM_RUNNING);
    delete (e);
    delete (other);
    close_world();
}

static void test_expiry_can_be_put_off(void)
{
    struct err err = ERR_INIT;
    static const uint64_t never = 0, soon = 3000;
    if (!open_world())
        return;
    struct vm_entry *kept = create("kept", (struct vm_spec){.expire_after_ms = 3000});
    struct vm_update_request req = {.vm = "kept", .expire_after_ms = &never};
    CHECK(succeeds(vm_ask_update(&w.core, &req, NULL, &err), &err));
    CHECK_INT(vm_record(kept)->expires_ns, 0);
    struct vm_entry *given = create("given", (struct vm_spec){.expire_after_ms = 0});
    CHECK_INT(vm_record(given)->expires_ns, 0);
    req = (struct vm_update_request){.vm = "given", .expire_after_ms = &soon};
    CHECK(succeeds(vm_ask_update(&w.core, &req, NULL, &err), &err));
    CHECK(vm_record(given)->expires_ns > vm_record(kept)->created_ns + (int64_t)3000 * 1000000);
    CHECK(is_gone(given)); /* after the other's first time */
    CHECK(!vm_is_removed(kept));
    CHECK_INT(vm_record(kept)->runtime.state, VM_RUNNING);
    delete (kept);
    close_world();
}

/* Idle stop */

static void test_an_idle_vm_is_stopped(void)
{
    if (!open_world())
        return;
    struct vm_entry *e = create("idle", (struct vm_spec){.idle_stop_after_ms = 1000});
    CHECK_CONTAINS(await_event("vm.idle"), "nobody has used it for 1 s");
    CHECK(world_wait_state(&w, e, VM_STOPPED));
    CHECK_INT(vm_record(e)->wanted, VM_WANTED_STOPPED);
    delete (e);
    close_world();
}

static void on_started(void *arg, struct session_entry *s, const struct err *err)
{
    (void)err;
    *(struct session_entry **)arg = s ? session_ref(s) : NULL;
    loop_stop(w.core.loop);
}

static struct session_entry *start_session(struct vm_entry *e)
{
    struct err err = ERR_INIT;
    struct session spec = {.name = "long"};
    struct session_entry *started = NULL;
    blob_set(&spec.spec.argv, "sleep\0001000", sizeof("sleep\0001000"));
    if (CHECK_INT(
            session_start(&w.core, e, &spec, NULL, INT64_MAX, on_started, &started, NULL, &err), 0))
        loop_run(w.core.loop, NULL);
    session_done(&spec);
    return started;
}

/* The others are a clock: what they outlive would have been stopped. */
static void test_a_vm_in_use_is_not_idle(void)
{
    struct err err = ERR_INIT;
    if (!open_world())
        return;
    struct vm_entry *viewed = create("viewed", (struct vm_spec){.idle_stop_after_ms = 2000});
    vm_use_begin(viewed);
    struct vm_entry *busy = create("busy", (struct vm_spec){.idle_stop_after_ms = 2000});
    struct session_entry *s = start_session(busy);
    struct vm_entry *other = create("other", (struct vm_spec){.idle_stop_after_ms = 4000});
    if (!CHECK(s != NULL))
        return;
    CHECK(world_wait_state(&w, other, VM_STOPPED));
    CHECK_INT(vm_record(viewed)->runtime.state, VM_RUNNING);
    CHECK_INT(vm_record(busy)->runtime.state, VM_RUNNING);
    vm_use_end(viewed);
    CHECK_INT(session_kill(s, &err), 0);
    CHECK(world_wait_state(&w, viewed, VM_STOPPED));
    CHECK(world_wait_state(&w, busy, VM_STOPPED));
    CHECK_INT(session_record(s)->state, SESSION_EXITED);
    CHECK(vm_record(busy)->stopped_ns - session_record(s)->ended_ns >= (int64_t)1900 * 1000000);
    session_unref(s);
    delete (viewed);
    delete (busy);
    delete (other);
    close_world();
}

/* Restart policy */

static void test_a_crashed_vm_is_started_again_slower_each_time(void)
{
    if (!open_world())
        return;
    struct vm_entry *e = create("crashes", (struct vm_spec){.restart = RESTART_ON_FAILURE});
    pid_t pid = vm_handles(e)->pid;
    kill(pid, SIGKILL);
    CHECK_CONTAINS(await_event("vm.restarting"), "restart 1, in 1 s: the VM's process ended");
    CHECK_CONTAINS(restarting(e), "restart 1, in 1 s");
    CHECK(world_wait_state(&w, e, VM_RUNNING));
    CHECK(vm_handles(e)->pid != pid);
    CHECK_STR(restarting(e), "");
    CHECK_INT(vm_record(e)->runtime.restarts, 1);
    CHECK_CONTAINS(vm_record(e)->runtime.restart_reason, "the VM's process ended");
    kill(vm_handles(e)->pid, SIGKILL);
    CHECK_CONTAINS(await_event("vm.restarting"), "restart 2, in 2 s");
    /* A stop ends it. */
    stop("crashes");
    CHECK_INT(vm_record(e)->wanted, VM_WANTED_STOPPED);
    CHECK(world_wait_state(&w, e, VM_FAILED));
    CHECK_STR(restarting(e), "");
    delete (e);
    close_world();
}

static void test_what_ran_for_long_begins_anew(void)
{
    if (!open_world())
        return;
    struct vm_entry *e = create("steady", (struct vm_spec){.restart = RESTART_ON_FAILURE});
    vm_edit(e)->runtime.restart_streak = 5;
    vm_edit(e)->started_ns -= (int64_t)601 * 1000000000;
    vm_save(e, NULL);
    world_wait_agent(&w, e);
    CHECK_INT(vm_record(e)->runtime.state, VM_RUNNING);
    close_world(); /* the next daemon takes the time from the record */
    vm_unref(e);
    if (!open_world())
        return;
    e = find("steady");
    CHECK(world_wait_agent(&w, e));
    kill(vm_handles(e)->pid, SIGKILL);
    CHECK_CONTAINS(await_event("vm.restarting"), "in 1 s");
    delete (e);
    close_world();
}

static void test_an_ordered_end_is_final(void)
{
    struct err err = ERR_INIT;
    if (!open_world())
        return;
    struct vm_entry *killed = create("killed", (struct vm_spec){.restart = RESTART_ALWAYS});
    struct vm_entry *stopped = create("stopped", (struct vm_spec){.restart = RESTART_ALWAYS});
    struct vm_entry *off = create("off", (struct vm_spec){.restart = RESTART_ON_FAILURE});
    struct vm_entry *again = create("again", (struct vm_spec){.restart = RESTART_ALWAYS});
    stop("stopped");
    CHECK(succeeds(vm_ask_kill(&w.core, "killed", NULL, &err), &err));
    kill(vm_handles(off)->pid, SIGTERM); /* sim's guest powers itself off */
    CHECK(world_wait_state(&w, off, VM_STOPPED));
    CHECK_INT(vm_record(off)->wanted, VM_WANTED_STOPPED);
    kill(vm_handles(again)->pid, SIGTERM);
    CHECK_CONTAINS(await_event("vm.restarting"), "powered off");
    CHECK(world_wait_state(&w, again, VM_RUNNING));
    CHECK_INT(vm_record(again)->runtime.restarts, 1);
    CHECK_INT(vm_record(killed)->runtime.state, VM_STOPPED);
    CHECK_INT(vm_record(stopped)->runtime.state, VM_STOPPED);
    CHECK_INT(vm_record(off)->runtime.state, VM_STOPPED);
    CHECK_STR(restarting(killed), "");
    CHECK_STR(restarting(stopped), "");
    CHECK_STR(restarting(off), "");
    delete (killed);
    delete (stopped);
    delete (off);
    delete (again);
    close_world();
}

/* It fails before it is even STARTING. */
static void test_a_start_that_fails_is_tried_again(void)
{
#ifdef BANGER_FAULTS
    if (!open_world())
        return;
    struct vm_entry *e = create("stubborn", (struct vm_spec){.restart = RESTART_ON_FAILURE});
    setenv("BANGER_FAIL_AT", "vm.start:disks", 1);
    kill(vm_handles(e)->pid, SIGKILL);
    CHECK_CONTAINS(await_event("vm.restarting"), "restart 1, in 1 s");
    CHECK_CONTAINS(await_event("vm.restarting"), "restart 2, in 2 s");
    unsetenv("BANGER_FAIL_AT");
    CHECK(world_wait_state(&w, e, VM_RUNNING));
    CHECK_INT(vm_record(e)->runtime.restarts, 2);
    delete (e);
    close_world();
#endif
}

static void test_the_next_daemon_goes_on_with_it(void)
{
    if (!open_world())
        return;
    struct vm_entry *e = create("crashes", (struct vm_spec){.restart = RESTART_ON_FAILURE});
    kill(vm_handles(e)->pid, SIGKILL);
    await_event("vm.restarting");
    CHECK(world_wait_state(&w, e, VM_RUNNING));
    kill(vm_handles(e)->pid, SIGKILL);
    CHECK_CONTAINS(await_event("vm.restarting"), "restart 2, in 2 s");
    vm_unref(e);
    close_world();
    if (!open_world())
        return;
    e = find("crashes");
    CHECK_INT(vm_record(e)->runtime.restarts, 1);
    CHECK(world_wait_state(&w, e, VM_RUNNING));
    CHECK_INT(vm_record(e)->runtime.restarts, 2);
    CHECK_INT(vm_record(e)->runtime.restart_streak, 2);
    pid_t pid = vm_handles(e)->pid;
    vm_unref(e);
    close_world();
    world_end_process(pid); /* while no daemon looks */
    if (!open_world())
        return;
    e = find("crashes");
    CHECK(world_wait_state(&w, e, VM_RUNNING));
    CHECK_INT(vm_record(e)->runtime.restarts, 3);
    delete (e);
    close_world();
}

static void test_a_draining_host_starts_none(void)
{
    static const uint64_t soon = 2000;
    struct err err = ERR_INIT;
    if (!open_world())
        return;
    struct vm_entry *e = create("crashes", (struct vm_spec){.restart = RESTART_ALWAYS});
    struct vm_entry *clock = create("clock", (struct vm_spec){.cpus = 1});
    w.core.settings.draining = true;
    kill(vm_handles(e)->pid, SIGKILL);
    await_event("vm.restarting");
    struct vm_update_request idle = {.vm = "clock", .idle_stop_after_ms = &soon};
    CHECK(succeeds(vm_ask_update(&w.core, &idle, NULL, &err), &err));
    CHECK(world_wait_state(&w, clock, VM_STOPPED)); /* the restart has been due */
    CHECK_INT(vm_record(e)->runtime.state, VM_FAILED);
    CHECK_INT(vm_record(e)->runtime.restarts, 0);
    w.core.settings.draining = false;
    CHECK(world_wait_state(&w, e, VM_RUNNING));
    CHECK_INT(vm_record(e)->runtime.restarts, 1);
    delete (clock);
    delete (e);
    close_world();
}

/* Autostart */

enum { SIX = 6 };

static void on_put(void *arg, const struct err *err)
{
    (void)arg;
    CHECK(!err);
    loop_stop(w.core.loop);
}

/* What the next daemon sees after the host has been rebooted: another boot, and no process. */
static void reboot_host(void)
{
    pid_t pids[SIX + 2];
    size_t n = 0;
    for (struct vm_entry *e = NULL; (e = vm_next(&w.core, e));)
        if (vm_handles(e)->pid > 1 && n < SIX + 2)
            pids[n++] = vm_handles(e)->pid;
    snprintf(w.core.settings.boot_id, sizeof(w.core.settings.boot_id), "an earlier boot");
    struct store_txn *txn = store_txn_new();
    host_settings_put_boot(&w.core, txn);
    store_commit(w.core.store, txn, on_put, NULL);
    loop_run(w.core.loop, NULL);
    close_world();
    while (n > 0)
        world_end_process(pids[--n]);
}

static int most_at_once;

static void count_starts(void *arg, struct vm_entry *vm)
{
    (void)arg, (void)vm;
    int n = 0;
    for (struct operation_entry *op = NULL; (op = operation_next(&w.core, op));)
        n += !operation_is_over(op) && strcmp(operation_row(op)->kind, "vm.start") == 0;
    most_at_once = n > most_at_once ? n : most_at_once;
}

static void test_only_autostart_outlives_a_reboot_of_the_host(void)
{
    static const char *const names[SIX] = {"a0", "a1", "a2", "a3", "a4", "a5"};
    if (!open_world())
        return;
    for (int i = 0; i < SIX; i++)
        vm_unref(create(names[i], (struct vm_spec){.autostart = true}));
    vm_unref(create("plain", (struct vm_spec){.restart = RESTART_ALWAYS}));
    vm_unref(create("ordered", (struct vm_spec){.autostart = true}));
    stop("ordered");
    reboot_host();
    if (!open_world())
        return;
    static const struct vm_events vm_events = {.changed = count_starts};
    struct vm_listener listener = {.events = &vm_events};
    vm_listen(&w.core, &listener);
    CHECK_INT(w.core.rebooted, true);
    for (int i = 0; i < SIX; i++) {
        struct vm_entry *e = find(names[i]);
        CHECK(world_wait_state(&w, e, VM_RUNNING));
        vm_unref(e);
    }
    vm_unlisten(&listener);
    CHECK_INT(most_at_once, 4);
    struct vm_entry *plain = find("plain"), *ordered = find("ordered");
    CHECK_INT(vm_record(plain)->runtime.state, VM_STOPPED);
    CHECK_INT(vm_record(plain)->wanted, VM_WANTED_STOPPED);
    CHECK_STR(restarting(plain), "");
    CHECK_INT(vm_record(ordered)->runtime.state, VM_STOPPED);
    vm_unref(plain);
    vm_unref(ordered);
    close_world();
    /* Nor with the daemon after that; and no autostart of what runs. */
    if (!open_world())
        return;
    CHECK_INT(w.core.rebooted, false);
    plain = find("plain");
    CHECK_INT(vm_record(plain)->runtime.state, VM_STOPPED);
    CHECK_STR(restarting(plain), "");
    vm_unref(plain);
    world_wait_all(&w);
    for (int i = 0; i < SIX; i++)
        delete (find(names[i]));
    delete (find("plain"));
    delete (find("ordered"));
    close_world();
}

int main(void)
{
    world_make_dir(dir);
    RUN(test_an_expired_vm_is_stopped_and_deleted);
    RUN(test_what_came_due_without_a_daemon_is_deleted_by_the_next);
    RUN(test_a_clock_that_is_far_ahead_at_the_start_deletes_nothing);
    RUN(test_expiry_can_be_put_off);
    RUN(test_an_idle_vm_is_stopped);
    RUN(test_a_vm_in_use_is_not_idle);
    RUN(test_a_crashed_vm_is_started_again_slower_each_time);
    RUN(test_what_ran_for_long_begins_anew);
    RUN(test_an_ordered_end_is_final);
    RUN(test_a_start_that_fails_is_tried_again);
    RUN(test_the_next_daemon_goes_on_with_it);
    RUN(test_a_draining_host_starts_none);
    RUN(test_only_autostart_outlives_a_reboot_of_the_host);
    world_remove_dir(dir);
    return check_end();
}
