/* The daemon is killed at every step of every operation on VMs, forward and on the way back, and
 * started again: the operation ends, the VM is in a state that is true, and nothing is left behind.
 *
 *   crash_steps_test sim          every step: before its row is written, after it, after its effect
 *   crash_steps_test qemu [all]   create, stop, start, delete; after the row and after the effect
 *                                 (all: as sim)
 *
 * The steps are read from the daemon's own tables (core_operation_kinds), so a new one is tested
 * from the day it is added. Needs a daemon with BANGER_FAULTS (presets
 * asan, tsan, coverage). */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "banger/operation.h"
#include "base/clock.h"
#include "daemon/core/operation.h"
#include "daemon/core/vm_ops.h"
#include "tests/support/check.h"
#include "tests/support/harness.h"
#include "tests/support/vm_steps.h"

static struct harness h;
static bool thorough;
static int n_cases, n_reached, n_requests;
static char box[STEPS_ID_BYTES]; /* the VM under test; "" where there is none */

/* What is done, and what a success leaves. */
struct subject {
    const char *kind;
    int verb; /* enum steps_verb, or CREATE */
    int from; /* state before; STEPS_GONE: none */
    int to[2];
};

enum { CREATE = 100, END_MS = 60000 };

static const struct subject subjects[] = {
    {"vm.create", CREATE, STEPS_GONE, {VM_STATE(RUNNING), VM_STATE(RUNNING)}},
    {"vm.stop", STEPS_STOP, VM_STATE(RUNNING), {VM_STATE(STOPPED), VM_STATE(STOPPED)}},
    {"vm.start", STEPS_START, VM_STATE(STOPPED), {VM_STATE(RUNNING), VM_STATE(RUNNING)}},
    {"vm.restart", STEPS_RESTART, VM_STATE(RUNNING), {VM_STATE(RUNNING), VM_STATE(RUNNING)}},
    {"vm.kill", STEPS_KILL, VM_STATE(RUNNING), {VM_STATE(STOPPED), VM_STATE(FAILED)}},
    {"vm.delete", STEPS_DELETE, VM_STATE(RUNNING), {STEPS_GONE, STEPS_GONE}},
};

static const struct operation_kind *find_kind(const char *name)
{
    for (size_t i = 0; core_operation_kinds[i]; i++)
        if (strcmp(core_operation_kinds[i]->name, name) == 0)
            return core_operation_kinds[i];
    harness_die(&h, "the daemon has no operation %s", name);
}

/* Brings the VM to the state that the subject needs. */
static void set_stage(struct banger_client *client, int want)
{
    struct banger_error error = {0};
    int state = box[0] ? steps_vm_state(&h, client, box) : STEPS_GONE;
    int rc = 0;
    if (state == want)
        return;
    if (state == STEPS_GONE) {
        struct steps_create how = {.stopped = want != VM_STATE(RUNNING)};
        rc = steps_create_vm(client, &h, &how, box, &error);
    } else if (want == VM_STATE(RUNNING)) {
        rc = steps_do(client, STEPS_START, box, &error);
    } else if (want == VM_STATE(STOPPED)) {
        rc = steps_do(client, STEPS_STOP, box, &error);
    } else {
        rc = steps_do(client, STEPS_DELETE, box, &error);
        box[0] = '\0';
    }
    if (rc < 0)
        harness_die(&h, "cannot bring VM %s from state %d to %d: %s", box, state, want,
                    error.message);
}

static Banger__V1__Operation *begin(struct banger_client *client, const struct subject *s,
                                    const char *request_id, struct banger_error *error)
{
    struct steps_create how = {.request_id = request_id};
    Banger__V1__Operation *op =
        s->verb == CREATE ? steps_begin_create(client, &h, &how, error)
                          : steps_begin(client, (enum steps_verb)s->verb, box, request_id, error);
    if (op && s->verb == CREATE)
        snprintf(box, sizeof(box), "%s", op->resource + 3);
    return op;
}

/* Asks a daemon that is going to die. True if it did. */
static bool ask_and_lose(const struct subject *s, const char *request_id)
{
    struct banger_error error = {0};
    struct banger_client *client = harness_connect_once(&h);
    Banger__V1__Operation *op = begin(client, s, request_id, &error);
    Banger__V1__Operation *ended =
        op ? banger_operation_follow(client, op->id, HARNESS_OP_MS, NULL, NULL, &error) : NULL;
    int status = 0;
    bool died = !ended && harness_wait_end(&h, END_MS, &status);
    if (!ended && !died)
        harness_die(&h, "neither an end nor a crash: %s", error.message);
    if (died)
        CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    banger_message_free(op ? &op->base : NULL);
    banger_message_free(ended ? &ended->base : NULL);
    banger_close(client);
    return died;
}

static void check_no_operation_is_left(struct banger_client *client)
{
    Banger__V1__ListOperationsRequest list = BANGER__V1__LIST_OPERATIONS_REQUEST__INIT;
    list.active_only = true;
    Banger__V1__ListOperationsResponse *all = banger_list_operations(client, &list, NULL, NULL);
    if (CHECK(all) && !CHECK_INT(all->n_operations, 0))
        for (size_t i = 0; i < all->n_operations; i++)
            fprintf(stderr, "  %s %s, state %d, stage %s, by \"%s\": %s\n",
                    all->operations[i]->kind, all->operations[i]->resource,
                    all->operations[i]->state, all->operations[i]->stage,
                    all->operations[i]->principal, all->operations[i]->message);
    banger_message_free(all ? &all->base : NULL);
}

/* What the daemon says of the VM is what the machine shows. */
static void check_truth(struct banger_client *client, int state)
{
    bool lives = state == VM_STATE(RUNNING);
    CHECK(lives || state == VM_STATE(STOPPED) || state == VM_STATE(FAILED) || state == STEPS_GONE);
    CHECK(harness_processes_settle(&h, lives ? 1 : 0, 10000));
    CHECK_INT(harness_alive(steps_vm_pid(client, box)), lives);
    CHECK_INT(harness_rows(&h, "vms"), state == STEPS_GONE ? 0 : 1);
    if (state == STEPS_GONE) {
        char *files = harness_files(&h);
        CHECK_STR(files, "");
        free(files);
        box[0] = '\0';
    } else if (lives) {
        static const char *const argv[] = {"sh", "-c", "exit 23", NULL};
        CHECK_INT(steps_run(client, &h, box, argv, NULL, 0, NULL, 0), 23);
    }
}

/* After the restart: the same request again finds the operation, or is the first. */
static void check_outcome(const struct subject *s, const char *request_id, bool may_fail);

static void run_case(const struct subject *s, const char *crash_at, const char *fail_at)
{
    char crash[160], fail[160], request_id[32];
    const char *env[] = {crash, fail_at ? fail : NULL, NULL};
    int failures = check_failures;
    snprintf(crash, sizeof(crash), "BANGER_CRASH_AT=%s:%s", s->kind, crash_at);
    snprintf(fail, sizeof(fail), "BANGER_FAIL_AT=%s:%s", s->kind, fail_at ? fail_at : "");
    snprintf(request_id, sizeof(request_id), "case-%d", ++n_requests);

    harness_start(&h, NULL);
    struct banger_client *client = harness_connect(&h);
    set_stage(client, s->from);
    banger_close(client);
    harness_end(&h, SIGTERM);

    harness_start(&h, env);
    bool died = ask_and_lose(s, request_id);
    n_cases++;
    n_reached += died;
    if (!died) {
        fprintf(stderr, "%s:%s was not reached\n", s->kind, crash_at);
        harness_end(&h, SIGTERM);
    }
    harness_start(&h, NULL);
    check_outcome(s, request_id, fail_at != NULL);
    harness_end(&h, SIGTERM);
    if (check_failures > failures)
        fprintf(stderr, "(%s%s%s)\n", crash + strlen("BANGER_CRASH_AT="),
                fail_at ? ", failing at " : "", fail_at ? fail_at : "");
}

static void check_outcome(const struct subject *s, const char *request_id, bool may_fail)
{
    struct banger_error error = {0};
    struct banger_client *client = harness_connect(&h);
    Banger__V1__Operation *op = begin(client, s, request_id, &error);
    int state = STEPS_GONE;
    if (!op) {
        /* Deleted before anybody wrote down who asked; anything else is wrong. */
        CHECK(s->verb == STEPS_DELETE && error.code == BANGER_NOT_FOUND);
    } else {
        int rc = steps_finish(client, op, &error);
        state = box[0] ? steps_vm_state(&h, client, box) : STEPS_GONE;
        if (rc == 0)
            CHECK(state == s->to[0] || state == s->to[1]);
        else if (!may_fail)
            printf("     %s %s: %s\n", s->kind, request_id, error.message);
    }
    check_no_operation_is_left(client);
    check_truth(client, state);
    banger_close(client);
}

static void crash_forward(const struct subject *s, const struct operation_kind *kind)
{
    static const char *const moments[] = {"journaled", "after", "before"};
    char at[96];
    for (size_t i = 0; i < kind->n_steps; i++)
        for (int m = 0; m < (thorough ? 3 : 2); m++) {
            snprintf(at, sizeof(at), "%s:%s", kind->steps[i].name, moments[m]);
            run_case(s, at, NULL);
        }
    run_case(s, "end:before", NULL);
    if (thorough)
        run_case(s, "end:after", NULL);
}

/* The last step fails, and each undo that follows is interrupted. */
static void crash_backward(const struct subject *s, const struct operation_kind *kind)
{
    static const char *const moments[] = {"journaled", "after", "before"};
    const char *last = kind->steps[kind->n_steps - 1].name;
    char at[96];
    bool any = false;
    for (size_t i = 0; i < kind->n_steps; i++)
        for (int m = 0; kind->steps[i].undo && m < (thorough ? 3 : 2); m++) {
            snprintf(at, sizeof(at), "%s:%s:undo", kind->steps[i].name, moments[m]);
            run_case(s, at, last);
            any = true;
        }
    if (any)
        run_case(s, "end:before:undo", last);
    if (any && thorough)
        run_case(s, "end:after:undo", last);
}

static void run_subject(const char *kind)
{
    int before = n_cases, reached = n_reached;
    int64_t began = clock_mono_ms();
    for (size_t i = 0; i < sizeof(subjects) / sizeof(subjects[0]); i++)
        if (strcmp(subjects[i].kind, kind) == 0) {
            crash_forward(&subjects[i], find_kind(kind));
            crash_backward(&subjects[i], find_kind(kind));
        }
    printf("     %s: %d crashes of %d cases in %.1f s\n", kind, n_reached - reached,
           n_cases - before, (double)(clock_mono_ms() - began) / 1000);
    CHECK_INT(n_reached - reached, n_cases - before);
}

static void create_survives(void)
{
    run_subject("vm.create");
}

static void stop_survives(void)
{
    run_subject("vm.stop");
}

static void start_survives(void)
{
    run_subject("vm.start");
}

static void restart_survives(void)
{
    run_subject("vm.restart");
}

static void kill_survives(void)
{
    run_subject("vm.kill");
}

static void delete_survives(void)
{
    run_subject("vm.delete");
}

static void nothing_is_left(void)
{
    harness_start(&h, NULL);
    struct banger_client *client = harness_connect(&h);
    set_stage(client, STEPS_GONE);
    CHECK_INT(steps_count_vms(&h, client), 0);
    CHECK(harness_processes_settle(&h, 0, 10000));
    char *files = harness_files(&h);
    CHECK_STR(files, "");
    free(files);
    CHECK_INT(harness_rows(&h, "vms"), 0);
    CHECK_INT(harness_rows(&h, "sessions"), 0);
    banger_close(client);
}

int main(int argc, char **argv)
{
#ifndef BANGER_FAULTS
    return check_skip("built without BANGER_FAULTS");
#endif
    const char *driver = argc > 1 ? argv[1] : "sim";
    thorough = strcmp(driver, "sim") == 0 || (argc > 2 && strcmp(argv[2], "all") == 0);
    harness_open(&h, driver);
    harness_end(&h, SIGTERM);
    RUN(create_survives);
    RUN(stop_survives);
    RUN(start_survives);
    if (thorough) {
        RUN(restart_survives);
        RUN(kill_survives);
    }
    RUN(delete_survives);
    RUN(nothing_is_left);
    printf("%d crashes\n", n_reached);
    CHECK(harness_close(&h));
    return check_end();
}
