/* A VM whose VMM hangs (SIGSTOP) troubles nobody else: list, get and calls for other VMs are as
 * quick as ever, hundreds of calls that hang exhaust nothing, kill and delete work.
 * wedged_test sim|qemu */
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "banger/operation.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "tests/support/check.h"
#include "tests/support/agent_below.h"
#include "tests/support/harness.h"
#include "tests/support/vm_steps.h"
#include "tests/support/told.h"

enum {
    QUICK_MS = 500, /* of a busy machine; who waits for the stuck one waits for seconds */
    ROUNDS = 30,
    TRIES = 3,
    HUNG_CLIENTS = 4,
    HUNG_EACH = 50,
    KILL_MS = 15000,
    DELETE_MS = 40000,
};

static struct harness h;
static struct banger_client *client;
static char stuck[STEPS_ID_BYTES], fine[STEPS_ID_BYTES], fine_session[STEPS_ID_BYTES];
static char stuck_session[STEPS_ID_BYTES];
static int stuck_pid;

struct figure {
    const char *what;
    double max_ms, sum_ms;
    int n;
};

static struct banger_error failure; /* of the latest timed call */

static void note(struct figure *f, int64_t began_ns, const ProtobufCMessage *answer)
{
    double ms = (double)(clock_mono_ns() - began_ns) / 1e6;
    f->max_ms = ms > f->max_ms ? ms : f->max_ms;
    f->sum_ms += ms;
    f->n++;
    if (!answer) {
        fprintf(stderr, "%s fails: %s %s\n", f->what, failure.reason, failure.message);
        check_failures++;
    }
    banger_message_free((ProtobufCMessage *)(uintptr_t)answer);
}

#define TIMED(figure, call)                                                                        \
    do {                                                                                           \
        int64_t began_ns = clock_mono_ns();                                                        \
        __auto_type answer = (call);                                                               \
        note(&(figure), began_ns, answer ? &answer->base : NULL);                                  \
    } while (0)

/* Calls that have nothing to do with the stuck VM's guest: the longest. */
static double measure_others(void)
{
    double worst = 0;
    struct figure figures[] = {
        {.what = "ListVMs"},      {.what = "GetVM of the stuck one"}, {.what = "GetVM"},
        {.what = "GetVMHandles"}, {.what = "CheckVMHealth"},          {.what = "ListSessions"},
        {.what = "GetSession"},   {.what = "ListOperations"},         {.what = "SendStdin"}};
    Banger__V1__ListVMsRequest list = BANGER__V1__LIST_VMS_REQUEST__INIT;
    Banger__V1__GetVMRequest get_stuck = BANGER__V1__GET_VMREQUEST__INIT;
    Banger__V1__GetVMRequest get = BANGER__V1__GET_VMREQUEST__INIT;
    Banger__V1__GetVMHandlesRequest handles = BANGER__V1__GET_VMHANDLES_REQUEST__INIT;
    Banger__V1__CheckVMHealthRequest health = BANGER__V1__CHECK_VMHEALTH_REQUEST__INIT;
    Banger__V1__ListSessionsRequest sessions = BANGER__V1__LIST_SESSIONS_REQUEST__INIT;
    Banger__V1__GetSessionRequest session = BANGER__V1__GET_SESSION_REQUEST__INIT;
    Banger__V1__ListOperationsRequest operations = BANGER__V1__LIST_OPERATIONS_REQUEST__INIT;
    Banger__V1__SendStdinRequest send = BANGER__V1__SEND_STDIN_REQUEST__INIT;
    get_stuck.vm = stuck;
    get.vm = handles.vm = health.vm = fine;
    session.session = send.session = fine_session;
    send.data.data = (uint8_t *)"x";
    send.data.len = 1;
    for (int i = 0; i < ROUNDS; i++) {
        TIMED(figures[0], banger_list_vms(client, &list, NULL, &failure));
        TIMED(figures[1], banger_get_vm(client, &get_stuck, NULL, &failure));
        TIMED(figures[2], banger_get_vm(client, &get, NULL, &failure));
        TIMED(figures[3], banger_get_vm_handles(client, &handles, NULL, &failure));
        TIMED(figures[4], banger_check_vm_health(client, &health, NULL, &failure));
        TIMED(figures[5], banger_list_sessions(client, &sessions, NULL, &failure));
        TIMED(figures[6], banger_get_session(client, &session, NULL, &failure));
        TIMED(figures[7], banger_list_operations(client, &operations, NULL, &failure));
        TIMED(figures[8], banger_send_stdin(client, &send, NULL, &failure));
    }
    for (size_t i = 0; i < sizeof(figures) / sizeof(figures[0]); i++) {
        const struct figure *f = &figures[i];
        printf("     %-24s mean %6.2f ms, max %6.2f ms\n", f->what, f->sum_ms / f->n, f->max_ms);
        worst = f->max_ms > worst ? f->max_ms : worst;
    }
    return worst;
}

/* A daemon that waits for the stuck VM does so every time; a machine that is busy does not. */
static void others_are_quick(void)
{
    double worst = QUICK_MS;
    for (int i = 0; i < TRIES && worst >= QUICK_MS; i++)
        worst = measure_others();
    CHECK(worst < QUICK_MS);
}

static size_t count_descriptors(void)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/fd", (int)h.daemon);
    auto_dir DIR *dir = opendir(path);
    size_t n = 0;
    while (dir && readdir(dir))
        n++;
    return n;
}

static bool descriptors_are_back(void *arg)
{
    return count_descriptors() <= *(size_t *)arg + 2;
}

/* Calls that wait for the stuck guest, but for every fourth: that one says at once how things are.
 */
static struct banger_stream *begin_hung(struct banger_client *of, int i)
{
    static char *argv[] = {(char *)"true"};
    auto_call struct banger_call *limit = call_within(120000);
    Banger__V1__CheckVMHealthRequest health = BANGER__V1__CHECK_VMHEALTH_REQUEST__INIT;
    Banger__V1__SessionSpec spec = BANGER__V1__SESSION_SPEC__INIT;
    Banger__V1__StartSessionRequest start = BANGER__V1__START_SESSION_REQUEST__INIT;
    Banger__V1__WaitSessionRequest wait = BANGER__V1__WAIT_SESSION_REQUEST__INIT;
    Banger__V1__SendStdinRequest send = BANGER__V1__SEND_STDIN_REQUEST__INIT;
    health.vm = start.vm = stuck;
    wait.session = send.session = stuck_session;
    spec.n_argv = 1;
    spec.argv = argv;
    start.spec = &spec;
    send.data.data = (uint8_t *)"x";
    send.data.len = 1;
    switch (i % 4) {
    case 0:
        return banger_stream_open(of, "/banger.v1.GuestSessionService/StartSession", &start.base,
                                  limit, NULL);
    case 1:
        return banger_stream_open(of, "/banger.v1.GuestSessionService/WaitSession", &wait.base,
                                  limit, NULL);
    case 2:
        return banger_stream_open(of, "/banger.v1.GuestSessionService/SendStdin", &send.base, limit,
                                  NULL);
    default:
        return banger_stream_open(of, "/banger.v1.VMService/CheckVMHealth", &health.base, limit,
                                  NULL);
    }
}

static void hung_calls_exhaust_nothing(void)
{
    static struct banger_client *clients[HUNG_CLIENTS];
    static struct banger_stream *streams[HUNG_CLIENTS * HUNG_EACH];
    size_t before = count_descriptors();
    int ended_early = 0, answered = 0, failed = 0;
    for (int i = 0; i < HUNG_CLIENTS * HUNG_EACH; i++) {
        struct banger_client **of = &clients[i % HUNG_CLIENTS];
        if (!*of)
            *of = harness_connect(&h);
        streams[i] = begin_hung(*of, i / HUNG_CLIENTS);
        CHECK(streams[i]);
    }
    /* One look at each sends it, and shows that most of them do hang. */
    for (int i = 0; i < HUNG_CLIENTS * HUNG_EACH; i++) {
        ProtobufCMessage *message = NULL;
        struct banger_error error = {0};
        enum banger_next next = banger_stream_next(streams[i], 1, &message, &error);
        ended_early += next != BANGER_NEXT_NOTHING;
        if (next == BANGER_NEXT_ERROR)
            fprintf(stderr, "call %d: %s %s\n", i, error.reason, error.message);
        banger_message_free(message);
    }
    CHECK(ended_early <= HUNG_CLIENTS * HUNG_EACH / 4);
    others_are_quick();
    struct banger_error error = {0};
    int64_t began = clock_mono_ms();
    CHECK_INT(steps_do(client, STEPS_KILL, stuck, &error), 0);
    CHECK_STR(error.message, "");
    int64_t took = clock_mono_ms() - began;
    CHECK(took < KILL_MS);
    CHECK(!harness_alive(stuck_pid));
    for (int i = 0; i < HUNG_CLIENTS * HUNG_EACH; i++) {
        ProtobufCMessage *message = NULL;
        enum banger_next next = banger_stream_next(streams[i], 20000, &message, NULL);
        answered += next == BANGER_NEXT_MESSAGE || next == BANGER_NEXT_END;
        failed += next == BANGER_NEXT_ERROR;
        banger_message_free(message);
        banger_stream_close(streams[i]);
    }
    CHECK_INT(answered + failed, HUNG_CLIENTS * HUNG_EACH);
    printf("     of %d hung calls %d ended before the kill, %d were answered, %d failed; killed in "
           "%lld ms\n",
           HUNG_CLIENTS * HUNG_EACH, ended_early, answered, failed, (long long)took);
    for (int i = 0; i < HUNG_CLIENTS; i++)
        banger_close(clients[i]);
    CHECK(harness_until(descriptors_are_back, &before, 5000));
}

static void wedge(void)
{
    stuck_pid = steps_vm_pid(client, stuck);
    CHECK(stuck_pid > 0);
    agent_signal_both(stuck_pid, SIGSTOP);
}

static void delete_works(void)
{
    struct banger_error error = {0};
    for (int force = 0; force < 2; force++) {
        if (steps_vm_state(&h, client, stuck) == STEPS_GONE)
            CHECK_INT(steps_create_vm(client, &h, NULL, stuck, &error), 0);
        else
            CHECK_INT(steps_do(client, STEPS_START, stuck, &error), 0);
        wedge();
        Banger__V1__DeleteVMRequest request = BANGER__V1__DELETE_VMREQUEST__INIT;
        request.vm = stuck;
        request.force = force;
        int64_t began = clock_mono_ms();
        CHECK_INT(steps_finish(client, banger_delete_vm(client, &request, NULL, &error), &error),
                  0);
        CHECK_STR(error.message, "");
        int64_t took = clock_mono_ms() - began;
        printf("     deleted %s in %lld ms\n", force ? "by force" : "gently", (long long)took);
        CHECK(took < (force ? KILL_MS : DELETE_MS));
        CHECK(!harness_alive(stuck_pid));
        CHECK_INT(steps_vm_state(&h, client, stuck), STEPS_GONE);
    }
}

static bool fine_is_reached(void *arg)
{
    Banger__V1__CheckVMHealthRequest ask = BANGER__V1__CHECK_VMHEALTH_REQUEST__INIT;
    ask.vm = arg;
    Banger__V1__CheckVMHealthResponse *health = banger_check_vm_health(client, &ask, NULL, NULL);
    bool ready = health && health->agent_ready;
    banger_message_free(health ? &health->base : NULL);
    return ready;
}

/* A daemon that starts while a VM hangs serves the others at once. */
static void start_beside_a_wedged_vm(void)
{
    struct banger_error error = {0};
    CHECK_INT(steps_create_vm(client, &h, NULL, stuck, &error), 0);
    wedge();
    harness_end(&h, SIGKILL);
    int64_t began = clock_mono_ms();
    harness_start(&h, NULL);
    printf("     the daemon answers after %lld ms\n", (long long)(clock_mono_ms() - began));
    CHECK(steps_await_vm(&h, client, fine, VM_STATE(RUNNING), 10000));
    CHECK(harness_until(fine_is_reached, fine, 10000));
    printf("     and reaches the other guest after %lld ms\n",
           (long long)(clock_mono_ms() - began));
    others_are_quick();
    int state = steps_vm_state(&h, client, stuck);
    CHECK(state != VM_STATE(STOPPED) && state != VM_STATE(FAILED) && state != STEPS_GONE);
    agent_signal_both(stuck_pid, SIGCONT);
    CHECK(steps_await_vm(&h, client, stuck, VM_STATE(RUNNING), 60000));
    CHECK_INT(steps_vm_pid(client, stuck), stuck_pid);
}

int main(int argc, char **argv)
{
    static const char *const reader[] = {"cat", NULL};
    struct banger_error error;
    harness_open(&h, argc > 1 ? argv[1] : "sim");
    client = harness_connect(&h);
    if (steps_create_vm(client, &h, NULL, stuck, &error) < 0 ||
        steps_create_vm(client, &h, NULL, fine, &error) < 0 ||
        steps_start_session(client, &h, fine, reader, true, fine_session, &error) < 0 ||
        steps_start_session(client, &h, stuck, reader, true, stuck_session, &error) < 0)
        harness_die(&h, "no VMs: %s", error.message);
    wedge();
    RUN(others_are_quick);
    RUN(hung_calls_exhaust_nothing);
    RUN(delete_works);
    RUN(start_beside_a_wedged_vm);
    banger_close(client);
    CHECK(harness_close(&h));
    return check_end();
}
