/* What ends a VM waits neither for copies nor for starts: with every worker held that may be held,
 * kills, clean-ups and removals go through at once. */
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "daemon/core/vm/vm_ops.h"
#include "daemon/core/vm/vm_run.h"
#include "daemon/priv/priv_call.h"
#include "rpc/event/worker.h"
#include "tests/integration/core/world.h"
#include "tests/support/check.h"

enum {
    HELD = 12, /* jobs, more than a pool has threads */
    VMS = 5,   /* the quickest end of so many counts: the machine has other work too */
    AT_ONCE_MS = 100,
};

static char dir[PATH_BYTES];
static struct world w;

struct held {
    struct job job;
    bool back;
};

static struct held held[HELD];
static sem_t started, go;

static void held_run(struct job *job)
{
    (void)job;
    sem_post(&started);
    while (sem_wait(&go) < 0)
        ;
}

static void held_done(struct job *job)
{
    container_of(job, struct held, job)->back = true;
}

/* Every thread that takes work is inside a job, more wait behind those. */
static void hold(struct workers *pool)
{
    struct err err = ERR_INIT;
    sem_init(&started, 0, 0);
    sem_init(&go, 0, 0);
    for (int i = 0; i < HELD; i++) {
        held[i] = (struct held){.job = {.run = held_run, .done = held_done}};
        CHECK_INT(workers_submit(pool, &held[i].job, &err), 0);
    }
    for (int i = 0; i < WORLD_WORKERS - 1; i++)
        while (sem_wait(&started) < 0)
            ;
}

static void let_go(void)
{
    for (int i = 0; i < HELD; i++)
        sem_post(&go);
}

static void all_came_back(void)
{
    for (int i = 0; i < HELD; i++)
        CHECK(held[i].back);
    sem_destroy(&started);
    sem_destroy(&go);
}

/* How long it took; -1 when it did not succeed. */
static int64_t succeeds(struct operation_entry *op, const struct err *err)
{
    int64_t begun = clock_mono_ms();
    if (!op) {
        fprintf(stderr, "refused: %s\n", err->message);
        return -1;
    }
    operation_ref(op);
    bool ok = world_wait(&w, op) && operation_row(op)->state == OP_SUCCEEDED;
    if (!ok)
        fprintf(stderr, "%s: %s: %s\n", operation_row(op)->kind, operation_row(op)->error_stage,
                text_get(operation_row(op)->error_message));
    operation_unref(op);
    return ok ? clock_mono_ms() - begun : -1;
}

static const char *name_of(int i)
{
    static char name[16];
    snprintf(name, sizeof(name), "box%d", i);
    return name;
}

/* What a kill takes on this machine now, with nothing in its way. */
static int64_t usual_ms;

static void make_vms(void)
{
    struct err err = ERR_INIT;
    struct vm_delete_request delete = {.vm = "usual", .force = true};
    CHECK(world_create(&w, "usual", true));
    usual_ms = succeeds(vm_ask_kill(&w.core, "usual", NULL, &err), &err);
    CHECK(succeeds(vm_ask_delete(&w.core, &delete, NULL, &err), &err) >= 0);
    for (int i = 0; i < VMS; i++)
        CHECK(world_create(&w, name_of(i), true));
}

static int64_t less(int64_t a, int64_t b)
{
    return b >= 0 && b < a ? b : a;
}

static void kill_and_delete(int others)
{
    struct err err = ERR_INIT;
    int64_t kill_ms = INT64_MAX;
    for (int i = 0; i < VMS; i++) {
        struct vm_delete_request delete = {.vm = name_of(i), .force = true};
        kill_ms = less(kill_ms, succeeds(vm_ask_kill(&w.core, name_of(i), NULL, &err), &err));
        CHECK(succeeds(vm_ask_delete(&w.core, &delete, NULL, &err), &err) >= 0);
    }
    CHECK(kill_ms < AT_ONCE_MS + 4 * usual_ms);
    CHECK_INT(vm_count(&w.core), others);
    CHECK_INT(world_count_entries(dir, "vms"), others);
}

static void test_copies_hold_up_nothing(void)
{
    struct err err = ERR_INIT;
    if (!CHECK(world_open(&w, dir, "sim")))
        return;
    make_vms();
    hold(w.core.slow);
    struct vm_stop_request stop = {.vm = "box0", .grace_ms = -1};
    struct vm_start_request start = {.vm = "box0"};
    CHECK(succeeds(vm_ask_stop(&w.core, &stop, NULL, &err), &err) >= 0);
    CHECK(succeeds(vm_ask_start(&w.core, &start, NULL, &err), &err) >= 0);
    kill_and_delete(0);
    let_go();
    CHECK_INT(world_count_monitors(&w), 0);
    world_close(&w);
    all_came_back();
}

static void test_starts_hold_up_no_end(void)
{
    if (!CHECK(world_open(&w, dir, "sim")))
        return;
    make_vms();
    hold(w.core.quick);
    kill_and_delete(0);
    let_go();
    CHECK_INT(world_count_monitors(&w), 0);
    world_close(&w);
    all_came_back();
}

static bool waits_for_a_worker(void *arg)
{
    const struct operation_entry *op = arg;
    const struct vm_run *run = operation_data(op);
    return run && run->calling;
}

/* The start's first job waits behind others: the kill does not wait with it. */
static void test_a_start_that_waits_is_killed(void)
{
    struct err err = ERR_INIT;
    struct vm_start_request start = {.vm = "box0"};
    if (!CHECK(world_open(&w, dir, "sim")))
        return;
    struct vm_entry *e = world_create(&w, name_of(0), false);
    if (!CHECK(e != NULL))
        return;
    hold(w.core.quick);
    struct operation_entry *op = vm_ask_start(&w.core, &start, NULL, &err);
    if (CHECK(op != NULL) && CHECK(world_wait_until(&w, waits_for_a_worker, op))) {
        operation_ref(op);
        CHECK(succeeds(vm_ask_kill(&w.core, "box0", NULL, &err), &err) >= 0);
        CHECK(world_wait(&w, op));
        CHECK(operation_row(op)->state != OP_SUCCEEDED);
        CHECK_INT(e->vm.runtime.state, VM_STOPPED);
        operation_unref(op);
    }
    let_go();
    CHECK_INT(world_count_monitors(&w), 0);
    struct vm_delete_request delete = {.vm = "box0", .force = true};
    CHECK(succeeds(vm_ask_delete(&w.core, &delete, NULL, &err), &err) >= 0);
    world_close(&w);
    all_came_back();
}

/* Where what has privileges takes calls and does nothing: VMs without a tap do not notice. */
static void test_a_helper_that_hangs_holds_up_no_other_VM(void)
{
    struct err err = ERR_INIT;
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    struct operation_entry *ops[HELD];
    int n = 0, helper = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    snprintf(at.sun_path, sizeof(at.sun_path), "%.*s/priv.sock", (int)sizeof(at.sun_path) - 12,
             dir);
    CHECK_INT(bind(helper, (struct sockaddr *)&at, sizeof(at)), 0);
    CHECK_INT(listen(helper, HELD), 0);
    CHECK_INT(
        priv_use(&(struct priv_config){.state_dir = dir, .socket = at.sun_path, .pool = PRIV_POOL},
                 &err),
        0);
    if (!CHECK(world_open(&w, dir, "sim")))
        return;
    make_vms();
    for (int i = 0; i < HELD; i++) {
        char name[16];
        snprintf(name, sizeof(name), "tap%d", i);
        struct vm_delete_request delete = {.vm = name, .force = true};
        struct vm_entry *e = world_create(&w, name, false);
        if (!CHECK(e != NULL))
            break;
        e->vm.spec.net = NET_TAP; /* as its removal sees it; the driver would not take one */
        ops[n] = vm_ask_delete(&w.core, &delete, NULL, &err);
        if (CHECK(ops[n] != NULL))
            operation_ref(ops[n++]);
    }
    CHECK(n > 0 && world_wait_until(&w, waits_for_a_worker, ops[n - 1]));
    kill_and_delete(n);
    for (int i = 0; i < n; i++)
        CHECK(!operation_is_over(ops[i]));
    close(helper);
    for (int i = 0; i < n; i++) {
        CHECK(world_wait(&w, ops[i]));
        operation_unref(ops[i]);
    }
    world_close(&w);
    priv_end();
}

int main(void)
{
    world_make_dir(dir);
    RUN(test_copies_hold_up_nothing);
    RUN(test_starts_hold_up_no_end);
    RUN(test_a_start_that_waits_is_killed);
    RUN(test_a_helper_that_hangs_holds_up_no_other_VM);
    world_remove_dir(dir);
    return check_end();
}
