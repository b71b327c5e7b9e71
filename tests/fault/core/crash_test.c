/* SIGKILL at every journaled step of every VM operation, forward and backward, and once more while
 * the next daemon recovers; then a daemon that is left alone must converge: every operation over,
 * records, processes and folders in agreement, nothing left behind.
 *
 *   crash_test sim all
 *   crash_test sim|qemu      where a step is journaled, of the main kinds and updates
 *
 * The one that is killed is this program in the role of a daemon: crash_test act|settle DIR KIND.
 */
#include <limits.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"
#include "base/log.h"
#include "daemon/core/vm/vm_ops.h"
#include "daemon/core/vm/vm_run.h"
#include "tests/integration/core/world.h"
#include "tests/support/check.h"

static const char *driver = "sim";
static bool few; /* only what is journaled, of the main kinds and updates */
static char self[PATH_MAX];
static int crashes, points;

/* The role: a daemon that begins one operation, or that only recovers */

static struct operation_entry *begin(struct world *w, const char *kind, struct err *err)
{
    struct vm_start_request start = {.vm = "box"};
    struct vm_stop_request stop = {.vm = "box", .grace_ms = 5000};
    struct vm_delete_request delete = {.vm = "box"};
    struct vm_create_request create = {.name = "box", .start = true};
    static const struct labels set = {.n = 1, .at = {{"new", "1"}}};
    struct vm_update_request update = {.vm = "box", .name = "crate", .cpus = 2, .set_labels = &set};
    if (strcmp(kind, "vm.create") == 0)
        return vm_ask_create(&w->core, &create, NULL, err);
    if (strcmp(kind, "vm.start") == 0)
        return vm_ask_start(&w->core, &start, NULL, err);
    if (strcmp(kind, "vm.restart") == 0)
        return vm_ask_restart(&w->core, &stop, NULL, err);
    if (strcmp(kind, "vm.stop") == 0)
        return vm_ask_stop(&w->core, &stop, NULL, err);
    if (strcmp(kind, "vm.kill") == 0)
        return vm_ask_kill(&w->core, "box", NULL, err);
    if (strcmp(kind, "vm.pause") == 0)
        return vm_ask_pause(&w->core, "box", NULL, err);
    if (strcmp(kind, "vm.resume") == 0)
        return vm_ask_resume(&w->core, "box", NULL, err);
    if (strcmp(kind, "vm.update") == 0)
        return vm_ask_update(&w->core, &update, NULL, err);
    return vm_ask_delete(&w->core, &delete, NULL, err);
}

static int act(const char *role, const char *dir, const char *kind)
{
    struct world w;
    struct err err = ERR_INIT;
    if (!world_open(&w, dir, driver))
        return EXIT_FAILURE;
    bool ok = strcmp(role, "settle") == 0 || begin(&w, kind, &err);
    if (!ok)
        fprintf(stderr, "%s: %s\n", kind, err.message);
    ok = ok && world_wait_all(&w);
    world_close(&w);
    return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* Ends with the role's wait status. */
static int run_role(const char *role, const char *dir, const char *kind, const char *crash_at,
                    const char *fail_at)
{
    pid_t pid = fork();
    if (pid == 0) {
        setenv("BANGER_CRASH_AT", crash_at, 1);
        if (fail_at)
            setenv("BANGER_FAIL_AT", fail_at, 1);
        execl(self, self, role, dir, kind, driver, (char *)NULL);
        _exit(127);
    }
    int status = -1;
    while (waitpid(pid, &status, 0) < 0)
        ;
    return status;
}

/* What must be true of a daemon at rest */

static void check_at_rest(struct world *w, const char *dir)
{
    for (struct operation_entry *op = NULL; (op = operation_next(&w->core, op));)
        CHECK(operation_is_over(op) && op_is_terminal(operation_row(op)->state));
    int live = 0;
    for (struct vm_entry *e = NULL; (e = vm_next(&w->core, e));) {
        enum vm_state state = e->vm.runtime.state;
        bool up = state == VM_RUNNING || state == VM_PAUSED;
        live += up;
        if (!CHECK(up || state == VM_STOPPED || state == VM_FAILED))
            fprintf(stderr, "its state is %s\n", vm_state_name(state));
        CHECK_INT(vm_has_vmm(e), up);
        if (!up)
            CHECK(access(e->vm.runtime.agent_sock_path, F_OK) < 0);
    }
    CHECK_INT(world_count_monitors(w), live);
    CHECK_INT(world_count_entries(dir, "vms"), vm_count(&w->core));
}

/* All of an update or nothing. */
static void check_updated(struct world *w, const struct vm_entry *e, bool updated)
{
    CHECK(vm_find(&w->core, updated ? "crate" : "box", NULL) == e);
    CHECK(vm_find(&w->core, updated ? "box" : "crate", NULL) == NULL);
    CHECK_STR(e->vm.name, updated ? "crate" : "box");
    CHECK_INT(e->vm.spec.cpus, updated ? 2 : 1);
    CHECK_INT(e->vm.labels.n, updated);
    CHECK_INT(e->vm.generation, updated ? 2 : 1);
}

/* The operation's verdict and the VM's state go together. */
static void check_outcome(struct world *w, const char *kind)
{
    struct vm_entry *e = vm_next(&w->core, NULL);
    struct operation_entry *op = operation_next(&w->core, NULL);
    while (op && strcmp(operation_row(op)->kind, kind) != 0)
        op = operation_next(&w->core, op);
    bool succeeded = op && operation_row(op)->state == OP_SUCCEEDED;
    if (strcmp(kind, "vm.create") == 0)
        CHECK_INT(e != NULL, succeeded);
    else if (strcmp(kind, "vm.delete") == 0)
        CHECK_INT(e == NULL, succeeded);
    else if (strcmp(kind, "vm.update") == 0)
        check_updated(w, e, succeeded);
    if (!succeeded || !e)
        return;
    bool up = strcmp(kind, "vm.stop") != 0 && strcmp(kind, "vm.kill") != 0;
    bool paused = strcmp(kind, "vm.pause") == 0;
    CHECK_INT(e->vm.runtime.state, paused ? VM_PAUSED : up ? VM_RUNNING : VM_STOPPED);
}

static void prepare(const char *dir, const char *kind)
{
    struct world w;
    struct err err = ERR_INIT;
    if (strcmp(kind, "vm.create") == 0)
        return;
    if (!CHECK(world_open(&w, dir, driver)))
        return;
    static char hook[] = "true";
    struct vm_create_request req = {.name = "box", .start = strcmp(kind, "vm.start") != 0};
    req.spec.stop_hook.argv = (struct blob){(uint8_t *)hook, sizeof(hook)};
    CHECK(world_create_as(&w, &req) != NULL);
    if (strcmp(kind, "vm.resume") == 0)
        CHECK(world_wait(&w, vm_ask_pause(&w.core, "box", NULL, &err)));
    world_close(&w);
}

static void converge(const char *dir, const char *kind)
{
    struct world w;
    struct err err = ERR_INIT;
    if (!CHECK(world_open(&w, dir, driver)))
        return;
    CHECK(world_wait_all(&w));
    check_at_rest(&w, dir);
    check_outcome(&w, kind);
    world_close(&w);
    /* What is in memory is on disk. */
    if (!CHECK(world_open(&w, dir, driver)))
        return;
    CHECK(world_wait_all(&w));
    check_at_rest(&w, dir);
    check_outcome(&w, kind);
    struct vm_entry *e = vm_next(&w.core, NULL);
    struct vm_delete_request delete = {.vm = e ? e->vm.id : "", .force = true};
    if (e)
        CHECK(world_wait(&w, vm_ask_delete(&w.core, &delete, NULL, &err)));
    CHECK_INT(vm_count(&w.core), 0);
    CHECK_INT(world_count_monitors(&w), 0);
    CHECK_INT(world_count_entries(dir, "vms"), 0);
    world_close(&w);
}

static void crash_at(const char *kind, const char *step, const char *when, bool undo,
                     const char *fail_at)
{
    char dir[PATH_BYTES], at[160];
    int before = check_failures;
    snprintf(at, sizeof(at), "%s:%s:%s%s", kind, step, when, undo ? ":undo" : "");
    world_make_dir(dir);
    prepare(dir, kind);
    int status = run_role("act", dir, kind, at, fail_at);
    bool crashed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
    if (!CHECK(crashed))
        fprintf(stderr, "%s was not reached: status %d\n", at, status);
    crashes++;
    /* The next daemon dies in the same place, if it comes there. */
    status = run_role("settle", dir, kind, at, fail_at);
    crashes += WIFSIGNALED(status);
    CHECK(WIFEXITED(status) || WTERMSIG(status) == SIGKILL);
    converge(dir, kind);
    world_remove_dir(dir);
    points++;
    if (check_failures != before)
        fprintf(stderr, "… at %s\n", at);
}

static void crash_everywhere(const struct operation_kind *kind)
{
    static const char *const whens[] = {"before", "journaled", "after"};
    for (size_t s = 0; s < kind->n_steps; s++)
        for (size_t i = 0; i < 3; i++)
            if (!few || i == 1)
                crash_at(kind->name, kind->steps[s].name, whens[i], false, NULL);
    crash_at(kind->name, "end", "before", false, NULL);
    if (!few)
        crash_at(kind->name, "end", "after", false, NULL);
}

/* The last step fails, and what is done is undone. */
static void crash_everywhere_back(const struct operation_kind *kind)
{
    static const char *const whens[] = {"before", "journaled", "after"};
    char fail_at[128];
    snprintf(fail_at, sizeof(fail_at), "%s:%s", kind->name, kind->steps[kind->n_steps - 1].name);
    for (size_t s = 0; s < kind->n_steps; s++)
        for (size_t i = 0; kind->steps[s].undo && i < 3; i++)
            if (!few || i == 1)
                crash_at(kind->name, kind->steps[s].name, whens[i], true, fail_at);
    if (few)
        return;
    crash_at(kind->name, "end", "before", true, fail_at);
    crash_at(kind->name, "end", "after", true, fail_at);
}

static void test_create(void)
{
    crash_everywhere(&vm_create_kind);
}

static void test_create_back(void)
{
    crash_everywhere_back(&vm_create_kind);
}

static void test_start(void)
{
    crash_everywhere(&vm_start_kind);
}

static void test_start_back(void)
{
    crash_everywhere_back(&vm_start_kind);
}

static void test_stop(void)
{
    crash_everywhere(&vm_stop_kind);
}

static void test_restart(void)
{
    crash_everywhere(&vm_restart_kind);
}

static void test_kill(void)
{
    crash_everywhere(&vm_kill_kind);
}

static void test_delete(void)
{
    crash_everywhere(&vm_delete_kind);
}

static void test_pause_and_resume(void)
{
    crash_everywhere(&vm_pause_kind);
    crash_everywhere(&vm_resume_kind);
}

static void test_update(void)
{
    crash_everywhere(&vm_update_kind);
    crash_everywhere_back(&vm_update_kind);
}

int main(int argc, char **argv)
{
    if (argc == 5) {
        driver = argv[4];
        return act(argv[1], argv[2], argv[3]);
    }
    if (argc > 1)
        driver = argv[1];
    few = argc < 3;
    if (strcmp(driver, "sim") != 0 && !getenv("BANGER_TEST_ASSETS"))
        return check_skip("BANGER_TEST_ASSETS names no kernel and image; ./dev test makes them");
#ifndef BANGER_FAULTS
    return check_skip("built without BANGER_FAULTS");
#endif
    ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
    if (n < 0)
        return EXIT_FAILURE;
    self[n] = '\0';
    RUN(test_create);
    RUN(test_create_back);
    RUN(test_start);
    RUN(test_start_back);
    RUN(test_stop);
    RUN(test_delete);
    RUN(test_update);
    if (!few) {
        RUN(test_restart);
        RUN(test_kill);
        RUN(test_pause_and_resume);
    }
    printf("%d points, %d daemons killed\n", points, crashes);
    return check_end();
}
