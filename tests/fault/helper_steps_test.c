/* The helper is killed at every request of every operation, when nothing of it is done and when all
 * of it is and nobody has been told: alone, each that comes after it too, and with its daemon; or
 * its daemon alone, while it still works. Then the host has what it should, and the next try works.
 *
 *   helper_steps_test sim [all]   at each moment one of these by turns; all: each of them
 *   helper_steps_test qemu        what sim's guests do not have: another egress
 *   helper_steps_test firecracker_jailed   and a tap that is given to a jail's user
 *
 * Needs a daemon and a helper with BANGER_FAULTS, root and taps. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "banger/operation.h"
#include "base/clock.h"
#include "base/fs.h"
#include "tests/fault/subjects.h"
#include "tests/support/check.h"
#include "tests/support/harness.h"
#include "tests/support/host_objects.h"
#include "tests/support/vm_steps.h"

enum end {
    END_HELPER,  /* once: the next one does it */
    END_HELPERS, /* each: the request fails */
    END_BOTH,
    END_DAEMON, /* and what it had asked for is done after it */
    N_ENDS
};

static const char *const end_names[] = {"the helper", "each helper", "both", "the daemon"};

enum { OVER_MS = 180000 };

static struct harness h;
static struct subjects subjects;
static char stop_file[64];
static int n_requests, n_stops, turn;
static bool thorough;

/* Stopping */

static void stop_at(const char *request, const char *when)
{
    char at[64];
    snprintf(at, sizeof(at), "%s%s%s", request, *when ? ":" : "", when);
    CHECK_INT(fs_write_atomic(stop_file, at, strlen(at), 0600, NULL), 0);
    n_stops = 0;
}

static bool is_stopped(pid_t pid)
{
    char path[64], state = 0;
    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    FILE *file = fopen(path, "re");
    bool is = file && fscanf(file, "%*d %*s %c", &state) == 1 && state == 'T';
    if (file)
        fclose(file);
    return is;
}

static enum end ending;

/* Deals with a helper that has stopped, if there is one. The next daemon may begin only when this
 * one has let go of the state folder, which it has when it is gone. */
static void end_stopped(void)
{
    pid_t helper = h.daemon > 0 ? host_objects_helper(&h) : 0;
    if (helper <= 0 || !is_stopped(helper))
        return;
    n_stops++;
    if (ending == END_BOTH || ending == END_DAEMON)
        kill(h.daemon, SIGKILL);
    if (ending == END_HELPERS || ending == END_BOTH || (ending == END_HELPER && n_stops == 1))
        kill(helper, SIGKILL);
    else
        kill(helper, SIGCONT);
    if (ending == END_BOTH || ending == END_DAEMON)
        CHECK(harness_wait_end(&h, OVER_MS, NULL));
}

static void start(void)
{
    char env[96];
    snprintf(env, sizeof(env), "BANGER_PRIV_STOP_AT=%s", stop_file);
    harness_start(&h, (const char *[]){env, NULL});
}

/* A daemon that starts stops at its helper's request too. True: it lives. */
static bool try_start(const char *request, const char *when)
{
    char env[96];
    snprintf(env, sizeof(env), "BANGER_PRIV_STOP_AT=%s", stop_file);
    stop_at(request, when);
    h.watch = end_stopped;
    bool lives = harness_try_start(&h, (const char *[]){env, NULL}) == 0;
    h.watch = NULL;
    if (!CHECK(n_stops > 0))
        fprintf(stderr, "%s:%s was not reached at the start\n", request, when);
    stop_at("", "");
    return lives;
}

/* Operations */

static const struct point {
    const char *kind, *request, *stage;
    enum { BY_SIM, BY_QEMU, BY_JAIL } by; /* whose guests have it */
} points[] = {
    {"vm.create", "make:tap", "disks", BY_SIM},    {"vm.create", "make:rules", "disks", BY_SIM},
    {"vm.start", "make:tap", "disks", BY_SIM},     {"vm.start", "make:rules", "disks", BY_SIM},
    {"vm.restart", "make:rules", "disks", BY_SIM}, {"vm.delete", "remove:rules", "remove", BY_SIM},
    {"vm.delete", "remove:tap", "remove", BY_SIM}, {"vm.update", "make:rules", "rules", BY_QEMU},
    {"vm.create", "give:tap", "launch", BY_JAIL},  {"vm.start", "give:tap", "launch", BY_JAIL},
};

static const struct subject *subject_of(const char *kind)
{
    const struct subject *s;
    for (size_t i = 0; (s = subjects_at(i)); i++)
        if (strcmp(s->kind, kind) == 0)
            return s;
    harness_die(&h, "nobody knows %s", kind);
}

struct waiting {
    const char *id;
    Banger__V1__Operation *ended; /* NULL: its daemon is gone */
};

static bool is_over(void *arg)
{
    struct waiting *w = arg;
    int status;
    end_stopped();
    if (h.daemon <= 0 || harness_wait_end(&h, 0, &status))
        return true;
    Banger__V1__GetOperationRequest request = BANGER__V1__GET_OPERATION_REQUEST__INIT;
    struct banger_client *client = harness_connect_once(&h);
    request.operation = (char *)(uintptr_t)w->id;
    Banger__V1__Operation *op = banger_get_operation(client, &request, NULL, NULL);
    banger_close(client);
    if (op && op->ended)
        w->ended = op;
    else
        banger_message_free(op ? &op->base : NULL);
    return w->ended != NULL;
}

/* Begun and ended, or its daemon. */
static Banger__V1__Operation *run(const struct subject *s, const char *request_id)
{
    struct banger_error error = {0};
    struct banger_client *client = harness_connect(&h);
    Banger__V1__Operation *op = subject_begin(&subjects, client, s, request_id, &error);
    banger_close(client);
    if (!op)
        harness_die(&h, "%s is refused: %s", s->kind, error.message);
    struct waiting w = {op->id, NULL};
    if (!harness_until(is_over, &w, OVER_MS))
        harness_die(&h, "%s does not end", s->kind);
    banger_message_free(&op->base);
    return w.ended;
}

static void check_ended(const struct point *p, const Banger__V1__Operation *op)
{
    if (ending == END_HELPER) {
        if (CHECK(op) && !CHECK_INT(op->state, OP_STATE(SUCCEEDED)))
            fprintf(stderr, "  %s\n", op->error ? op->error->message : "");
        return;
    }
    if (ending != END_HELPERS) {
        CHECK(!op);
        return;
    }
    if (!CHECK(op && op->state == OP_STATE(FAILED) && op->error && op->error->info))
        return;
    CHECK_STR(op->error->info->stage, p->stage);
    CHECK_CONTAINS(op->error->message, "banger-priv is gone");
    CHECK_CONTAINS(op->error->message, strchr(p->request, ':')[1] == 't' ? "tap" : "network rules");
}

static void try_again(const struct subject *s)
{
    char request_id[32];
    snprintf(request_id, sizeof(request_id), "case-%d", ++n_requests);
    struct banger_client *client = harness_connect(&h);
    subject_prepare(&subjects, client, s);
    banger_close(client);
    Banger__V1__Operation *op = run(s, request_id);
    if (CHECK(op) && !CHECK_INT(op->state, OP_STATE(SUCCEEDED)))
        fprintf(stderr, "  the next try: %s\n", op->error ? op->error->message : "");
    banger_message_free(op ? &op->base : NULL);
    subject_check_outcome(&subjects, s, request_id, false);
}

static void run_point(const struct point *p, const char *when, enum end how)
{
    const struct subject *s = subject_of(p->kind);
    int failures = check_failures;
    char request_id[32];
    snprintf(request_id, sizeof(request_id), "case-%d", ++n_requests);
    struct banger_client *client = harness_connect(&h);
    subject_prepare(&subjects, client, s);
    banger_close(client);
    ending = how;
    stop_at(p->request, when);
    Banger__V1__Operation *op = run(s, request_id);
    CHECK(n_stops > 0);
    stop_at("", "");
    check_ended(p, op);
    if (h.daemon <= 0 && (how != END_BOTH || try_start("list:tap", when)))
        start();
    else if (h.daemon <= 0)
        start();
    subject_check_outcome(&subjects, s, request_id, how == END_HELPERS);
    if (how == END_HELPERS)
        try_again(s);
    banger_message_free(op ? &op->base : NULL);
    if (check_failures > failures)
        fprintf(stderr, "(%s, %s:%s, %s killed)\n", p->kind, p->request, when, end_names[how]);
}

static void every_request_of_an_operation(void)
{
    static const char *const whens[] = {"before", "after"};
    int64_t began = clock_mono_ms();
    int n = 0, by = h.jailed ? BY_JAIL : h.boots ? BY_QEMU : BY_SIM;
    for (size_t i = 0; i < sizeof(points) / sizeof(points[0]); i++)
        for (int w = 0; w < 2 && (int)points[i].by == by; w++)
            for (enum end e = 0; e < (thorough ? N_ENDS : 1); e++, n++)
                run_point(&points[i], whens[w], thorough ? e : (enum end)(turn++ % N_ENDS));
    printf("     %d cases in %.1f s\n", n, (double)(clock_mono_ms() - began) / 1000);
}

/* The start of a daemon, which finds what is left of a deleted VM beside one that lives */

static void make_live(char id[STEPS_ID_BYTES], char gone[STEPS_ID_BYTES])
{
    struct banger_error error = {0};
    struct banger_client *client = harness_connect(&h);
    struct steps_create live = {.name = "live"}, other = {.name = "gone", .stopped = true};
    if (steps_create_vm(client, &h, &live, id, &error) < 0 ||
        steps_create_vm(client, &h, &other, gone, &error) < 0 ||
        steps_do(client, STEPS_DELETE, gone, &error) < 0)
        harness_die(&h, "%s", error.message);
    banger_close(client);
}

static void every_request_of_a_start(void)
{
    static const char *const requests[] = {"list:tap", "list:rules", "remove:rules", "remove:tap"};
    static const char *const whens[] = {"before", "after"};
    char live[STEPS_ID_BYTES], gone[STEPS_ID_BYTES];
    make_live(live, gone);
    struct banger_client *client = harness_connect(&h);
    pid_t pid = steps_vm_pid(client, live);
    for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]) * 2 * N_ENDS; i++) {
        const char *request = requests[i / 2 / N_ENDS], *when = whens[i / N_ENDS % 2];
        int failures = check_failures;
        ending = (enum end)(i % N_ENDS);
        if (!thorough && (size_t)ending != (i / N_ENDS) % N_ENDS)
            continue;
        harness_end(&h, SIGKILL);
        host_objects_plant(&h, gone);
        bool lives = try_start(request, when);
        CHECK_INT(lives, ending == END_HELPER || ending == END_HELPERS);
        if (lives && ending == END_HELPER) /* nothing is left for the next one */
            CHECK(host_objects_are_of(&h, 1));
        if (lives)
            harness_end(&h, SIGTERM);
        start();
        CHECK(host_objects_are_of(&h, 1));
        CHECK_INT(steps_vm_pid(client, live), pid);
        if (check_failures > failures)
            fprintf(stderr, "(%s:%s, %s killed)\n", request, when, end_names[ending]);
    }
    struct banger_error error = {0};
    CHECK_INT(steps_do(client, STEPS_DELETE, live, &error), 0);
    banger_close(client);
}

/* An audit, which asks for each: the helper that comes next says, or it is not known */

static int ask_for_an_audit(void)
{
    pid_t pid = fork();
    if (pid != 0)
        return (int)pid;
    struct banger_client *client = harness_connect(&h);
    Banger__V1__AuditHostRequest request = BANGER__V1__AUDIT_HOST_REQUEST__INIT;
    Banger__V1__AuditHostResponse *r = banger_audit_host(client, &request, NULL, NULL);
    int n_unknown = r ? 0 : 100, n_other = 0;
    for (size_t i = 0; r && i < r->n_objects; i++) {
        n_unknown +=
            r->objects[i]->state == BANGER__V1__HOST_OBJECT_STATE__HOST_OBJECT_STATE_UNKNOWN;
        n_other += r->objects[i]->state != BANGER__V1__HOST_OBJECT_STATE__HOST_OBJECT_STATE_OK;
    }
    _exit(n_unknown == n_other ? n_unknown : 101);
}

static bool has_answered(void *status)
{
    end_stopped();
    return waitpid(-1, status, WNOHANG) > 0;
}

static void every_request_of_an_audit(void)
{
    static const char *const requests[] = {"find:tap", "find:rules"};
    char live[STEPS_ID_BYTES], gone[STEPS_ID_BYTES];
    make_live(live, gone);
    for (int i = 0; i < 4; i++) {
        int status = 0, want = i % 2;
        ending = want ? END_HELPERS : END_HELPER;
        stop_at(requests[i / 2], i % 2 ? "after" : "before");
        ask_for_an_audit();
        CHECK(harness_until(has_answered, &status, OVER_MS));
        CHECK(n_stops > 0);
        if (!CHECK_INT(WEXITSTATUS(status), want))
            fprintf(stderr, "(%s, %s killed)\n", requests[i / 2], end_names[ending]);
        stop_at("", "");
    }
    struct banger_error error = {0};
    struct banger_client *client = harness_connect(&h);
    CHECK_INT(steps_do(client, STEPS_DELETE, live, &error), 0);
    banger_close(client);
}

static void nothing_is_left(void)
{
    subjects_check_nothing_left(&subjects);
}

int main(int argc, char **argv)
{
#ifndef BANGER_FAULTS
    return check_skip("built without BANGER_FAULTS");
#endif
    const char *driver = argc > 1 ? argv[1] : "sim";
    host_objects_open(&h, driver);
    thorough = h.boots || argc > 2;
    if (!h.tap)
        return check_skip("taps need root, /dev/net/tun and nft");
    snprintf(stop_file, sizeof(stop_file), "%s/stop", h.dir);
    stop_at("", "");
    subjects_init(&subjects, &h);
    start();
    if (h.boots)
        harness_import_assets(&h);
    RUN(every_request_of_an_operation);
    if (!h.boots) {
        RUN(every_request_of_a_start);
        RUN(every_request_of_an_audit);
    }
    RUN(nothing_is_left);
    CHECK(harness_close(&h));
    return check_end();
}
