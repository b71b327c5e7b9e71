/* The daemon is killed at every step of every operation on VMs, forward and on the way back, and
 * started again: the operation ends, the VM is in a state that is true, and nothing is left behind.
 *
 *   crash_steps_test sim [all]    every step: before its row is written, after it, after its
 * effect; and who goes on is killed too, where it is cheap (all: everywhere)
 *   crash_steps_test qemu [all]   create, stop, start, update, delete; after the effect, and at the
 * last step before it too (all: as sim)
 *   crash_steps_test sim KIND...  of those kinds alone, such as kernel.import image.import
 *
 * The steps are read from the daemon's own tables (core_operation_kinds), so a new one is tested
 * from the day it is added. Needs a daemon with BANGER_FAULTS (presets
 * asan, tsan, coverage). */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "banger/operation.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fs.h"
#include "daemon/core/operation/operation.h"
#include "tests/fault/subjects.h"
#include "tests/support/check.h"
#include "tests/support/harness.h"
#include "tests/support/host_objects.h"
#include "tests/support/vm_steps.h"

static struct harness h;
static struct subjects subjects;
static bool thorough, everywhere;
static char **only; /* kinds; NULL: all */
static int n_cases, n_reached, n_again, n_requests;

enum { END_MS = 60000 };

/* Asks a daemon that is going to die. True if it did. id: of the operation, "" where none began. */
static bool ask_and_lose(const struct subject *s, const char *request_id, char id[STEPS_ID_BYTES])
{
    struct banger_error error = {0};
    struct banger_client *client = harness_connect_once(&h);
    Banger__V1__Operation *op = subject_begin(&subjects, client, s, request_id, &error);
    Banger__V1__Operation *ended =
        op ? banger_operation_follow(client, op->id, HARNESS_OP_MS, NULL, NULL, &error) : NULL;
    int status = 0;
    snprintf(id, STEPS_ID_BYTES, "%s", op ? op->id : "");
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

/* What was begun is what ends well, and not another try of it; but a prune is not gone on with. */
static void check_went_on(const struct subject *s, const char *id)
{
    Banger__V1__GetOperationRequest request = BANGER__V1__GET_OPERATION_REQUEST__INIT;
    struct banger_error error = {0};
    if (!id[0] || s->what == SUBJECT_PRUNE)
        return;
    struct banger_client *client = harness_connect(&h);
    request.operation = (char *)(uintptr_t)id;
    Banger__V1__Operation *op = banger_get_operation(client, &request, NULL, &error);
    if (CHECK(op) && !CHECK_INT(op->state, BANGER__V1__OPERATION_STATE__OPERATION_STATE_SUCCEEDED))
        fprintf(stderr, "  %s: %s\n", id, op->error ? op->error->message : "");
    banger_message_free(op ? &op->base : NULL);
    banger_close(client);
}

/* What the next daemon finds as a hint: as it was left, none, nonsense, another boot's, or what is
 * true of another VM. */
enum hint { HINT_KEPT, HINT_GONE, HINT_CORRUPT, HINT_OTHER_BOOT, HINT_OTHER_VM, N_HINTS };

static const char *const hint_names[] = {"kept", "gone", "corrupt", "of another boot",
                                         "of another VM"};
static int n_hints[N_HINTS];

static bool read_hint(const char *vm, char path[160], char **text, size_t *len)
{
    snprintf(path, 160, "%s/vms/%s/handles.json", h.state, vm);
    return vm[0] && fs_read_own(path, 4096, text, len, NULL) == 0;
}

static void spoil_hint(enum hint hint)
{
    char path[160], other_path[160];
    auto_free char *text = NULL, *other = NULL;
    size_t len = 0, other_len = 0;
    if (!read_hint(subjects.box, path, &text, &len))
        return;
    char *boot = strstr(text, "\"host_boot_id\"");
    switch (hint) {
    case HINT_GONE:
        CHECK_INT(unlink(path), 0);
        break;
    case HINT_CORRUPT:
        CHECK_INT(fs_write_atomic(path, "{\"pid\": ", 8, 0600, NULL), 0);
        break;
    case HINT_OTHER_BOOT:
        if (!CHECK(boot && (boot = strchr(boot, ':')) && (boot = strchr(boot, '"'))))
            return;
        boot[1] = boot[1] == 'f' ? '0' : 'f';
        CHECK_INT(fs_write_atomic(path, text, len, 0600, NULL), 0);
        break;
    case HINT_OTHER_VM:
        if (!read_hint(subjects.neighbour, other_path, &other, &other_len))
            return;
        CHECK_INT(fs_write_atomic(path, other, other_len, 0600, NULL), 0);
        break;
    case HINT_KEPT:
    case N_HINTS:
        break;
    }
    n_hints[hint]++;
}

static bool is_settled(void *arg)
{
    (void)arg;
    int status;
    if (harness_wait_end(&h, 0, &status))
        return true;
    Banger__V1__ListOperationsRequest list = BANGER__V1__LIST_OPERATIONS_REQUEST__INIT;
    struct banger_client *client = harness_connect_once(&h);
    list.active_only = true;
    Banger__V1__ListOperationsResponse *all = banger_list_operations(client, &list, NULL, NULL);
    bool over = all && all->n_operations == 0;
    banger_message_free(all ? &all->base : NULL);
    banger_close(client);
    return over;
}

/* Whoever goes on with what was begun is killed as he does, at the end of the same step; where he
 * goes back instead, he ends it. */
static void lose_again(const struct subject *s, const char *crash_at)
{
    char crash[160];
    const char *colon = strchr(crash_at, ':');
    snprintf(crash, sizeof(crash), "BANGER_CRASH_AT=%s:%.*s:after%s", s->kind,
             (int)(colon - crash_at), crash_at, strstr(crash_at, ":undo") ? ":undo" : "");
    if (harness_try_start(&h, (const char *[]){crash, NULL}) < 0)
        n_again++;
    else if (!harness_until(is_settled, NULL, END_MS))
        harness_die(&h, "what was begun goes on for ever");
    else if (h.daemon > 0)
        harness_end(&h, SIGTERM);
    else
        n_again++;
}

/* A daemon runs before it and after it. */
static void run_hint(const struct subject *s, const char *crash_at, const char *fail_at,
                     enum hint hint)
{
    char crash[160], fail[160], request_id[32];
    const char *env[] = {crash, fail_at ? fail : NULL, NULL};
    int failures = check_failures;
    snprintf(crash, sizeof(crash), "BANGER_CRASH_AT=%s:%s", s->kind, crash_at);
    snprintf(fail, sizeof(fail), "BANGER_FAIL_AT=%s:%s", s->kind, fail_at ? fail_at : "");
    snprintf(request_id, sizeof(request_id), "case-%d", ++n_requests);

    struct banger_client *client = harness_connect(&h);
    subject_prepare(&subjects, client, s);
    banger_close(client);
    harness_end(&h, SIGTERM);

    harness_start(&h, env);
    char id[STEPS_ID_BYTES];
    bool died = ask_and_lose(s, request_id, id);
    n_cases++;
    n_reached += died;
    if (!died) {
        fprintf(stderr, "%s:%s was not reached\n", s->kind, crash_at);
        harness_end(&h, SIGTERM);
    }
    spoil_hint(hint);
    if (strstr(crash_at, ":journaled") && (s->cheap || everywhere))
        lose_again(s, crash_at);
    harness_start(&h, NULL);
    subject_check_outcome(&subjects, s, request_id, fail_at != NULL);
    if (!fail_at)
        check_went_on(s, id);
    if (check_failures > failures)
        fprintf(stderr, "(%s%s%s, its hint %s)\n", crash + strlen("BANGER_CRASH_AT="),
                fail_at ? ", failing at " : "", fail_at ? fail_at : "", hint_names[hint]);
}

/* With one hint by turns; with each where all is wanted. */
static void run_case(const struct subject *s, const char *crash_at, const char *fail_at)
{
    static int turn;
    for (int i = 0; i < (everywhere && s->cheap ? N_HINTS : 1); i++)
        run_hint(s, crash_at, fail_at, (enum hint)(turn++ % N_HINTS));
}

static void crash_forward(const struct subject *s, const struct operation_kind *kind)
{
    static const char *const moments[] = {"after", "journaled", "before"};
    char at[96];
    for (size_t i = 0; i < kind->n_steps; i++) {
        int n = thorough ? 3 : i + 1 == kind->n_steps ? 2 : 1;
        for (int m = 0; m < n; m++) {
            snprintf(at, sizeof(at), "%s:%s", kind->steps[i].name, moments[m]);
            run_case(s, at, NULL);
        }
    }
    run_case(s, "end:before", NULL);
    if (thorough)
        run_case(s, "end:after", NULL);
}

/* The last step fails, and each undo that follows is interrupted. */
static void crash_backward(const struct subject *s, const struct operation_kind *kind)
{
    static const char *const moments[] = {"after", "journaled", "before"};
    const char *last = kind->steps[kind->n_steps - 1].name;
    char at[96];
    bool any = false;
    for (size_t i = 0; i < kind->n_steps; i++)
        for (int m = 0; kind->steps[i].undo && m < (thorough ? 3 : 1); m++) {
            snprintf(at, sizeof(at), "%s:%s:undo", kind->steps[i].name, moments[m]);
            run_case(s, at, last);
            any = true;
        }
    if (any)
        run_case(s, "end:before:undo", last);
    if (any && thorough)
        run_case(s, "end:after:undo", last);
}

static void run_subject(const struct subject *s)
{
    int before = n_cases, reached = n_reached;
    int64_t began = clock_mono_ms();
    const struct operation_kind *kind = subject_kind(&subjects, s);
    crash_forward(s, kind);
    crash_backward(s, kind);
    printf("     %s: %d crashes of %d cases in %.1f s\n", s->kind, n_reached - reached,
           n_cases - before, (double)(clock_mono_ms() - began) / 1000);
    CHECK_INT(n_reached - reached, n_cases - before);
}

static bool is_wanted(const struct subject *s)
{
    for (char **kind = only; kind && *kind; kind++)
        if (strcmp(s->kind, *kind) == 0)
            return true;
    return !only && (thorough || s->cheap);
}

static void every_kind_survives(void)
{
    const struct subject *s;
    for (size_t i = 0; (s = subjects_at(i)); i++)
        if (is_wanted(s))
            run_subject(s);
}

static void every_hint_was_seen(void)
{
    for (int i = 0; i < N_HINTS; i++) {
        printf("     %d hints %s\n", n_hints[i], hint_names[i]);
        CHECK(n_hints[i] > 0 || only || (h.boots && i == HINT_OTHER_VM));
    }
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
    bool all = argc > 2 && strcmp(argv[2], "all") == 0;
    everywhere = all;
    thorough = strcmp(driver, "sim") == 0 || all;
    only = argc > 2 && !all ? argv + 2 : NULL;
    /* root's VMs have all kinds of objects that there are, where the host has them */
    host_objects_open(&h, driver);
    harness_start(&h, NULL);
    if (h.boots)
        harness_import_assets(&h);
    subjects_init(&subjects, &h);
    if (!h.boots) /* there they would remove its image */
        subjects_add_neighbour(&subjects);
    RUN(subjects_check_complete);
    RUN(every_kind_survives);
    RUN(every_hint_was_seen);
    RUN(nothing_is_left);
    printf("%d crashes, %d of those that went on%s\n", n_reached, n_again,
           h.tap ? "; with taps" : "");
    CHECK(harness_close(&h));
    return check_end();
}
