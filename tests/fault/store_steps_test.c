/* The store refuses at every table and every commit of every kind of operation: a short trouble
 * fails nobody; in a long one nothing is told that is not on disk, and after a crash in it nothing
 * acknowledged is lost, nothing else is left.
 *
 *   store_steps_test sim even|odd  of every other kind, the first, the middle and the last commit;
 * in a long trouble the first, and one of the others by turns
 *   store_steps_test sim all       of every kind every commit */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "banger/operation.h"
#include "base/clock.h"
#include "tests/fault/subjects.h"
#include "tests/support/check.h"
#include "tests/support/harness.h"
#include "tests/support/vm_steps.h"

enum { COMMITS_MAX = 12, TROUBLE_MS = 20000 };

static struct harness h;
static struct subjects subjects;
static char faults[64], env[96];
static const char *with_faults[] = {env, NULL};
static int n_requests, n_short, n_long;
static bool thorough;
static size_t first, stride = 1; /* of the kinds */

static void set_faults(const char *rules)
{
    char fresh[80];
    snprintf(fresh, sizeof(fresh), "%s.new", faults);
    FILE *f = fopen(fresh, "w");
    if (!f || fputs(rules, f) < 0 || fclose(f) != 0 || rename(fresh, faults) < 0)
        harness_die(&h, "cannot write %s", faults);
}

static void request_id_make(char id[32])
{
    snprintf(id, 32, "case-%d", ++n_requests);
}

/* Three refusals in a row, from the nth time on, then all is well: it succeeds as if nothing had
 * been, but for the time. */
static void run_short(const struct subject *s, const char *where, int nth)
{
    struct banger_error error = {0};
    char rules[64], request_id[32];
    int failures = check_failures;
    struct banger_client *client = harness_connect(&h);
    subject_prepare(&subjects, client, s);
    request_id_make(request_id);
    snprintf(rules, sizeof(rules), "%s=%s@%d*3", where, nth % 2 ? "busy" : "ioerr", nth);
    set_faults(rules);
    Banger__V1__Operation *op = subject_begin(&subjects, client, s, request_id, &error);
    CHECK_INT(steps_finish(client, op, &error), 0);
    set_faults("");
    banger_close(client);
    subject_check_outcome(&subjects, s, request_id, false);
    n_short++;
    if (check_failures > failures)
        fprintf(stderr, "(%s with %s: %s)\n", s->kind, rules, error.message);
}

/* Refused from the nth time on until the daemon is killed. What the client was told decides what
 * must be there afterwards. */
static void run_long(const struct subject *s, const char *where, int nth)
{
    struct banger_error error = {0};
    char rules[64], request_id[32];
    int failures = check_failures;
    struct banger_client *client = harness_connect(&h), *once = harness_connect_once(&h);
    subject_prepare(&subjects, client, s);
    request_id_make(request_id);
    snprintf(rules, sizeof(rules), "%s=full@%d", where, nth);
    set_faults(rules);
    Banger__V1__Operation *op = subject_begin(&subjects, once, s, request_id, &error);
    char id[32] = "";
    if (op)
        snprintf(id, sizeof(id), "%s", op->id);
    else if (!CHECK_STR(error.reason, "STORE_UNAVAILABLE"))
        fprintf(stderr, "  %s\n", error.message);
    banger_message_free(op ? &op->base : NULL);
    banger_close(once);
    banger_close(client);
    harness_end(&h, SIGKILL);
    set_faults("");
    harness_start(&h, with_faults);
    client = harness_connect(&h);
    if (id[0]) { /* acknowledged: it is there, and ends */
        Banger__V1__Operation *ended =
            banger_operation_follow(client, id, HARNESS_OP_MS, NULL, NULL, &error);
        CHECK(ended != NULL);
        banger_message_free(ended ? &ended->base : NULL);
    } else if (s->what != SUBJECT_CREATE) { /* never begun: all is as it was */
        CHECK_INT(subjects.box[0] ? steps_vm_state(&h, client, subjects.box) : STEPS_GONE, s->from);
    } else {
        CHECK_INT(steps_count_vms(&h, client), 0);
    }
    banger_close(client);
    subject_check_outcome(&subjects, s, request_id, true);
    n_long++;
    if (check_failures > failures)
        fprintf(stderr, "(%s with %s, then killed)\n", s->kind, rules);
}

/* An operation commits its first row, one for each step, and its end. */
static void run_subject(const struct subject *s, size_t turn)
{
    static const char *const of_vms[] = {"operations", "events", "vms", NULL};
    static const char *const of_others[] = {"operations", "events", "images", "kernels", NULL};
    const char *const *table = strncmp(s->kind, "vm.", 3) == 0 ? of_vms : of_others;
    int64_t began = clock_mono_ms();
    int commits = (int)subject_kind(&subjects, s)->n_steps + 2;
    commits = commits < COMMITS_MAX ? commits : COMMITS_MAX;
    for (int n = 1; n <= commits; n++) {
        if (!thorough && n != 1 && n != commits / 2 && n != commits)
            continue;
        run_short(s, "commit", n);
        if (thorough || n == 1)
            run_short(s, "begin", n);
        if (thorough || n == 1 || n == (turn / 2 % 2 ? commits : commits / 2))
            run_long(s, "operations", n);
    }
    for (; *table; table++)
        for (int n = 1; n <= (thorough ? 2 : 1); n++)
            run_short(s, *table, n);
    printf("     %s: %.1f s\n", s->kind, (double)(clock_mono_ms() - began) / 1000);
}

static void every_kind_survives(void)
{
    const struct subject *s;
    for (size_t i = first; (s = subjects_at(i)); i += stride)
        run_subject(s, i);
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
    thorough = argc > 2 && strcmp(argv[2], "all") == 0;
    if (argc > 2 && !thorough) {
        stride = 2;
        first = strcmp(argv[2], "odd") == 0;
    }
    harness_prepare(&h, argc > 1 ? argv[1] : "sim");
    subjects_init(&subjects, &h);
    snprintf(faults, sizeof(faults), "%s/faults", h.dir);
    snprintf(env, sizeof(env), "BANGER_STORE_FAULTS=@%s", faults);
    set_faults("");
    harness_start(&h, with_faults);
    RUN(subjects_check_complete);
    RUN(every_kind_survives);
    RUN(nothing_is_left);
    printf("%d short troubles, %d crashes in long ones\n", n_short, n_long);
    CHECK(harness_close(&h));
    return check_end();
}
