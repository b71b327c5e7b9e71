/* The same request twice is one request; and many at once are as many. idempotency_test sim */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "banger/operation.h"
#include "base/clock.h"
#include "tests/support/check.h"
#include "tests/support/harness.h"
#include "tests/support/vm_steps.h"

enum { SAME = 20, MANY = 50 };

static struct harness h;
static struct banger_client *client;

static void same_request_is_one_operation(void)
{
    struct banger_error error = {0};
    struct steps_create how = {.name = "one", .request_id = "request-1"};
    Banger__V1__Operation *first = steps_begin_create(client, &h, &how, &error);
    Banger__V1__Operation *second = steps_begin_create(client, &h, &how, &error);
    if (CHECK(first) && CHECK(second)) {
        CHECK_STR(second->id, first->id);
        CHECK_STR(second->resource, first->resource);
    }
    CHECK_INT(steps_finish(client, first, &error), 0);
    CHECK_INT(steps_finish(client, second, &error), 0);
    /* Also after its end, also by a later daemon. */
    Banger__V1__Operation *later = steps_begin_create(client, &h, &how, &error);
    harness_crash(&h);
    Banger__V1__Operation *latest = steps_begin_create(client, &h, &how, &error);
    if (CHECK(later) && CHECK(latest)) {
        CHECK_STR(latest->id, later->id);
        CHECK_INT(latest->state, OP_STATE(SUCCEEDED));
    }
    banger_message_free(later ? &later->base : NULL);
    banger_message_free(latest ? &latest->base : NULL);
    CHECK_INT(steps_count_vms(&h, client), 1);
}

static void other_payload_is_refused(void)
{
    struct banger_error error = {0};
    struct steps_create other = {.name = "other", .request_id = "request-1"};
    Banger__V1__Operation *op = steps_begin_create(client, &h, &other, &error);
    CHECK(!op);
    CHECK_INT(error.code, BANGER_ALREADY_EXISTS);
    CHECK_STR(error.reason, "REQUEST_ID_REUSED");
    banger_message_free(op ? &op->base : NULL);
    CHECK_INT(steps_count_vms(&h, client), 1);
    /* A name that is taken is another error. */
    struct steps_create taken = {.name = "one", .request_id = "request-2"};
    op = steps_begin_create(client, &h, &taken, &error);
    CHECK(!op);
    CHECK_INT(error.code, BANGER_ALREADY_EXISTS);
    CHECK_STR(error.reason, "VM_NAME_TAKEN");
    banger_message_free(op ? &op->base : NULL);
}

struct creation {
    struct steps_create how;
    char name[24], operation[STEPS_ID_BYTES * 2], vm[STEPS_ID_BYTES];
    int rc;
};

static void *create_one(void *arg)
{
    struct creation *c = arg;
    struct banger_error error = {0};
    struct banger_client *own = harness_connect(&h);
    Banger__V1__Operation *op = steps_begin_create(own, &h, &c->how, &error);
    if (op) {
        snprintf(c->operation, sizeof(c->operation), "%s", op->id);
        snprintf(c->vm, sizeof(c->vm), "%s", op->resource + 3);
    }
    c->rc = steps_finish(own, op, &error);
    if (c->rc < 0)
        fprintf(stderr, "create: %s %s\n", error.reason, error.message);
    banger_close(own);
    return NULL;
}

static void run_all(struct creation *all, int n)
{
    static pthread_t threads[MANY];
    for (int i = 0; i < n; i++)
        CHECK_INT(pthread_create(&threads[i], NULL, create_one, &all[i]), 0);
    for (int i = 0; i < n; i++)
        pthread_join(threads[i], NULL);
}

static void same_request_from_many_is_one_vm(void)
{
    static struct creation all[SAME];
    for (int i = 0; i < SAME; i++)
        all[i].how = (struct steps_create){.request_id = "request-many"};
    run_all(all, SAME);
    for (int i = 0; i < SAME; i++) {
        CHECK_INT(all[i].rc, 0);
        CHECK_STR(all[i].operation, all[0].operation);
        CHECK_STR(all[i].vm, all[0].vm);
    }
    CHECK_INT(steps_count_vms(&h, client), 2);
}

static void many_at_once(void)
{
    static struct creation all[MANY];
    int64_t began = clock_mono_ms();
    for (int i = 0; i < MANY; i++) {
        snprintf(all[i].name, sizeof(all[i].name), "many-%d", i);
        all[i].how = (struct steps_create){.name = all[i].name};
    }
    run_all(all, MANY);
    printf("     %d VMs in %lld ms\n", MANY, (long long)(clock_mono_ms() - began));
    for (int i = 0; i < MANY; i++) {
        CHECK_INT(all[i].rc, 0);
        CHECK_INT(steps_vm_state(&h, client, all[i].name), VM_STATE(RUNNING));
    }
    CHECK_INT(steps_count_vms(&h, client), MANY + 2);
    CHECK_INT(harness_rows(&h, "vms"), MANY + 2);
}

/* The same session start twice is one process. */
static void same_start_is_one_session(void)
{
    static char *argv[] = {(char *)"sleep", (char *)"100000"};
    Banger__V1__SessionSpec spec = BANGER__V1__SESSION_SPEC__INIT;
    Banger__V1__StartSessionRequest start = BANGER__V1__START_SESSION_REQUEST__INIT;
    struct banger_error error = {0};
    start.vm = (char *)"one";
    start.request_id = (char *)"session-1";
    start.spec = &spec;
    spec.n_argv = 2;
    spec.argv = argv;
    Banger__V1__GuestSession *first = banger_start_session(client, &start, NULL, &error);
    harness_crash(&h);
    Banger__V1__GuestSession *second = banger_start_session(client, &start, NULL, &error);
    if (!second)
        fprintf(stderr, "the same start again: %s\n", error.message);
    if (CHECK(first) && CHECK(second))
        CHECK_STR(second->id, first->id);
    banger_message_free(first ? &first->base : NULL);
    banger_message_free(second ? &second->base : NULL);
    spec.n_argv = 1;
    second = banger_start_session(client, &start, NULL, &error);
    CHECK(!second);
    CHECK_STR(error.reason, "REQUEST_ID_REUSED");
    banger_message_free(second ? &second->base : NULL);
    CHECK_INT(harness_rows(&h, "sessions"), 1);
}

/* So many later operations and session starts that memory lets go of the first ones; they ended
 * hours ago, the later ones twenty minutes ago. */
static void let_a_busy_day_pass(void)
{
    harness_end(&h, SIGTERM);
    harness_sql(&h, "CREATE TEMP TABLE n AS WITH RECURSIVE c(i) AS"
                    " (VALUES(1) UNION ALL SELECT i + 1 FROM c WHERE i < 5000) SELECT i FROM c;"
                    "CREATE TEMP TABLE o AS SELECT operations.* FROM operations, n"
                    " WHERE request_id = 'request-1';"
                    "UPDATE o SET id = printf('%016d', rowid), request_id = '',"
                    " ended_ns = ended_ns - 1200000000000, created_ns = created_ns + rowid;"
                    "UPDATE operations SET ended_ns = ended_ns - 7200000000000 WHERE ended_ns > 0;"
                    "INSERT INTO operations SELECT * FROM o;"
                    "CREATE TEMP TABLE r AS SELECT requests.* FROM requests, n;"
                    "UPDATE r SET request_id = 'later-' || rowid;"
                    "UPDATE requests SET created_ns = created_ns - 7200000000000;"
                    "INSERT INTO requests SELECT * FROM r;");
    harness_start(&h, NULL);
}

static Banger__V1__Operation *get_operation(const char *id, struct banger_error *error)
{
    Banger__V1__GetOperationRequest get = BANGER__V1__GET_OPERATION_REQUEST__INIT;
    get.operation = (char *)(uintptr_t)id;
    return banger_get_operation(client, &get, NULL, error);
}

static void request_outlives_a_busy_day(void)
{
    struct banger_error error = {0};
    struct steps_create how = {.name = "one", .request_id = "request-1"};
    Banger__V1__Operation *first = steps_begin_create(client, &h, &how, &error);
    size_t n_vms = steps_count_vms(&h, client);
    if (!CHECK(first))
        return;
    let_a_busy_day_pass();
    Banger__V1__Operation *forgotten = get_operation(first->id, &error);
    CHECK(!forgotten); /* or this shows nothing */
    Banger__V1__Operation *again = steps_begin_create(client, &h, &how, &error);
    if (CHECK(again)) {
        CHECK_STR(again->id, first->id);
        CHECK_STR(again->resource, first->resource);
        CHECK_INT(again->state, OP_STATE(SUCCEEDED));
    }
    CHECK_INT(steps_finish(client, again, &error), 0); /* it can be followed again */
    struct steps_create other = {.name = "other", .request_id = "request-1"};
    again = steps_begin_create(client, &h, &other, &error);
    CHECK(!again);
    CHECK_STR(error.reason, "REQUEST_ID_REUSED");
    banger_message_free(again ? &again->base : NULL);
    CHECK_INT(steps_count_vms(&h, client), n_vms);
    banger_message_free(forgotten ? &forgotten->base : NULL);
    banger_message_free(&first->base);
}

static void all_go(void)
{
    struct banger_error error = {0};
    int64_t began = clock_mono_ms();
    Banger__V1__ListVMsRequest list = BANGER__V1__LIST_VMS_REQUEST__INIT;
    list.page_size = 7; /* pages, while the list grows shorter */
    for (int guard = 0; guard < 2 * MANY; guard++) {
        Banger__V1__ListVMsResponse *page = banger_list_vms(client, &list, NULL, &error);
        if (!CHECK(page))
            return;
        size_t n = page->n_vms;
        for (size_t i = 0; i < n; i++)
            CHECK_INT(steps_do(client, STEPS_DELETE, page->vms[i]->id, &error), 0);
        banger_message_free(&page->base);
        if (n == 0)
            break;
    }
    printf("     deleted in %lld ms\n", (long long)(clock_mono_ms() - began));
    CHECK_INT(steps_count_vms(&h, client), 0);
    CHECK_INT(harness_rows(&h, "vms"), 0);
    CHECK_INT(harness_rows(&h, "sessions"), 0);
    CHECK(harness_processes_settle(&h, 0, 5000));
    char *files = harness_files(&h);
    CHECK_STR(files, "");
    free(files);
}

int main(int argc, char **argv)
{
    harness_open(&h, argc > 1 ? argv[1] : "sim");
    client = harness_connect(&h);
    RUN(same_request_is_one_operation);
    RUN(other_payload_is_refused);
    RUN(same_request_from_many_is_one_vm);
    RUN(many_at_once);
    RUN(same_start_is_one_session);
    RUN(request_outlives_a_busy_day);
    RUN(same_start_is_one_session); /* nor is its id forgotten */
    RUN(all_go);
    banger_close(client);
    CHECK(harness_close(&h));
    return check_end();
}
