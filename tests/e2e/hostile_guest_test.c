/* Guests whose agents lie about everything, all at once, beside an honest one: nobody but their own
 * VMs suffers of it. hostile_guest_test sim
 *
 * Each of tests/support/hostile_agent.c's lies has a VM. While they are told the honest VM's
 * session is spoken to, to and fro; afterwards the daemon has no more memory, files or log than it
 * may, and the VMs that lied can be looked at, stopped and deleted. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "tests/support/attach_reader.h"
#include "tests/support/check.h"
#include "tests/support/harness.h"
#include "tests/support/told.h"
#include "tests/support/vm_steps.h"

static const char *const lies[] = {
    "garbage",     "absurd_length",    "only_zeros",  "wrong_hellos",     "drips",
    "closes",      "silent",           "deaf",        "hellos",           "sessions_without_end",
    "exits_again", "output_of_nobody", "deletions",   "shuts_down_again", "pongs",
    "acks",        "complaints",       "no_messages", "sequences",
};

enum {
    LIES = sizeof(lies) / sizeof(*lies),
    NOT_READY = 7,  /* so many of them never answer, or not in full */
    TRIP_MS = 5000, /* what hangs takes longer; a machine that is busy does not */
    TRIPS = 50,
    TOLD = 3, /* times; of those that hold their link, once */
    TOLD_MS = 60000,
    MEMORY_MAX_KIB = 96 * 1024,
    LOG_LINES = 60,   /* of a VM that lies */
    LISTED_MAX = 512, /* sessions that a guest may make up */
};

static struct harness h;
static struct banger_client *client;
static char honest[STEPS_ID_BYTES], session[STEPS_ID_BYTES], liars[LIES][STEPS_ID_BYTES];
static struct banger_stream *starts[LIES];
static struct attach_reader reader;
static uint64_t memory_kib;
static size_t files;

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

static void all_finish(Banger__V1__Operation **ops, const char *what)
{
    struct banger_error error;
    for (size_t i = 0; i < LIES; i++)
        if (steps_finish(client, ops[i], &error) < 0)
            harness_die(&h, "%s of %s: %s %s", what, lies[i], error.reason, error.message);
}

/* With an agent that answers as it should until it is asked for a session. */
static void make_liars(void)
{
    Banger__V1__Operation *ops[LIES];
    struct banger_error error;
    for (size_t i = 0; i < LIES; i++) {
        char path[160];
        struct steps_create how = {.name = lies[i], .stopped = true};
        for (char *at = strcpy(path, lies[i]); (at = strchr(at, '_'));)
            *at = '-';
        how.name = path;
        if (steps_create_vm(client, &h, &how, liars[i], &error) < 0)
            harness_die(&h, "no VM %s: %s", lies[i], error.message);
        snprintf(path, sizeof(path), "%s/vms/%s/lies", h.state, liars[i]);
        FILE *f = fopen(path, "we");
        if (!f || fputs(lies[i], f) < 0 || fclose(f) != 0)
            harness_die(&h, "cannot write %s", path);
    }
    for (size_t i = 0; i < LIES; i++)
        ops[i] = steps_begin(client, STEPS_START, liars[i], NULL, &error);
    all_finish(ops, "start");
}

static int times_told(size_t i)
{
    char path[160];
    struct stat st;
    snprintf(path, sizeof(path), "%s/vms/%s/told", h.state, liars[i]);
    return stat(path, &st) < 0 ? 0 : (int)(st.st_size / 2);
}

/* Those that keep a link as long as they can are asked again when the daemon has had enough. */
static bool all_told(void)
{
    static const char *const hold[] = {"only_zeros", "drips", "silent", "deaf"};
    for (size_t i = 0; i < LIES; i++) {
        int wanted = TOLD;
        for (size_t j = 0; j < sizeof(hold) / sizeof(*hold); j++)
            if (strcmp(lies[i], hold[j]) == 0)
                wanted = 1;
        if (times_told(i) < wanted)
            return false;
    }
    return true;
}

static void begin_to_lie(void)
{
    static char *argv[] = {(char *)"true"};
    auto_call struct banger_call *limit = call_within(120000);
    Banger__V1__SessionSpec spec = BANGER__V1__SESSION_SPEC__INIT;
    Banger__V1__StartSessionRequest start = BANGER__V1__START_SESSION_REQUEST__INIT;
    spec.n_argv = 1;
    spec.argv = argv;
    start.spec = &spec;
    for (size_t i = 0; i < LIES; i++) {
        start.vm = liars[i];
        starts[i] = banger_stream_open(client, "/banger.v1.GuestSessionService/StartSession",
                                       &start.base, limit, NULL);
        CHECK(starts[i] != NULL);
    }
}

/* A line there and back. */
static bool make_trip(struct buf *said, int i)
{
    char line[32];
    int len = snprintf(line, sizeof(line), "line %d of many\n", i);
    return buf_append(said, line, (size_t)len) == 0 &&
           reader_write(&reader, line, (size_t)len, false, TRIP_MS) &&
           reader_await_bytes(&reader, buf_len(said), TRIP_MS);
}

static void an_honest_guest_is_served_as_ever(void)
{
    struct buf said;
    int64_t began = clock_mono_ms(), worst = 0, sum = 0;
    int trips = 0;
    bool ok = true, told = false;
    buf_init(&said, 16 << 20);
    begin_to_lie();
    while (ok && (trips < TRIPS || !(told = all_told())) && clock_mono_ms() - began < TOLD_MS) {
        int64_t now = clock_mono_ms();
        ok = make_trip(&said, trips++);
        now = clock_mono_ms() - now;
        sum += now;
        worst = now > worst ? now : worst;
    }
    CHECK(ok);
    if (!CHECK(told || all_told()))
        for (size_t i = 0; i < LIES; i++)
            fprintf(stderr, "%s was told %d times\n", lies[i], times_told(i));
    printf("     %d round trips in %lld ms, mean %.1f ms, longest %lld ms\n", trips,
           (long long)(clock_mono_ms() - began), (double)sum / trips, (long long)worst);
    CHECK(reader_write(&reader, NULL, 0, true, TRIP_MS));
    CHECK(reader_finish(&reader, TRIP_MS));
    CHECK_INT(reader.status, 0);
    CHECK(buf_len(&reader.out[1]) == buf_len(&said) &&
          memcmp(buf_data(&reader.out[1]), buf_data(&said), buf_len(&said)) == 0);
    buf_done(&said);
}

static void the_daemon_has_no_more_than_it_may(void)
{
    uint64_t peak_kib = harness_memory_kib(h.daemon, "VmHWM");
    size_t now = count_descriptors();
    printf("     memory %llu KiB before, %llu KiB at most; %zu files before, %zu now\n",
           (unsigned long long)memory_kib, (unsigned long long)peak_kib, files, now);
    CHECK(peak_kib < memory_kib + MEMORY_MAX_KIB);
    CHECK(now <= files + LIES);
}

/* Each by its VM or session; and nothing that a guest says begins a line of its own, or draws. */
static void the_log_is_short_and_clean(void)
{
    FILE *f = fopen(h.log, "re");
    char line[4096];
    int of[LIES] = {0}, all = 0, dirty = 0, errors = 0;
    while (f && fgets(line, sizeof(line), f)) {
        all++;
        for (const char *at = line; *at; at++)
            dirty += (unsigned char)*at < 0x20 && *at != '\n' && *at != '\t';
        dirty += strncmp(line, "2026-01-01 INFO", 15) == 0;
        errors += strstr(line, " error subject=") != NULL;
        for (size_t i = 0; i < LIES; i++)
            of[i] += strstr(line, liars[i]) != NULL;
    }
    if (f)
        fclose(f);
    CHECK(all > 0);
    CHECK_INT(dirty, 0);
    CHECK_INT(errors, 0); /* which are for what is wrong with us */
    for (size_t i = 0; i < LIES; i++)
        if (!CHECK(of[i] <= LOG_LINES))
            fprintf(stderr, "%d lines of %s\n", of[i], lies[i]);
    printf("     %d lines of log\n", all);
}

static void what_a_guest_makes_up_is_bounded(void)
{
    int64_t n = harness_rows(&h, "sessions");
    printf("     %lld sessions in the store\n", (long long)n);
    CHECK(n <= LISTED_MAX);
}

/* Each has a state that says so, and its calls an end. */
static void who_lies_is_told_of(void)
{
    for (size_t i = 0; i < LIES; i++) {
        struct banger_error error = {0};
        Banger__V1__CheckVMHealthRequest ask = BANGER__V1__CHECK_VMHEALTH_REQUEST__INIT;
        auto_call struct banger_call *limit = call_within(20000);
        ask.vm = liars[i];
        Banger__V1__CheckVMHealthResponse *health =
            banger_check_vm_health(client, &ask, limit, &error);
        if (!CHECK(health != NULL))
            fprintf(stderr, "%s: %s %s\n", lies[i], error.reason, error.message);
        if (i < NOT_READY && !CHECK(health && !health->agent_ready && *health->explanation))
            fprintf(stderr, "%s is ready\n", lies[i]);
        banger_message_free(health ? &health->base : NULL);
        CHECK_INT(steps_vm_state(&h, client, liars[i]), VM_STATE(RUNNING));
    }
}

/* An answer, or why there is none. */
static void starts_have_ended(void)
{
    for (size_t i = 0; i < LIES; i++) {
        ProtobufCMessage *message = NULL;
        struct banger_error error = {0};
        enum banger_next next = banger_stream_next(starts[i], 5000, &message, &error);
        if (!CHECK(next == BANGER_NEXT_MESSAGE || next == BANGER_NEXT_ERROR))
            fprintf(stderr, "%s: its start has no end\n", lies[i]);
        CHECK(next != BANGER_NEXT_ERROR || error.message[0] != '\0');
        banger_message_free(message);
        banger_stream_close(starts[i]);
    }
}

static Banger__V1__Operation *begin_end(size_t i, struct banger_error *error)
{
    Banger__V1__StopVMRequest stop = BANGER__V1__STOP_VMREQUEST__INIT;
    Banger__V1__DeleteVMRequest delete = BANGER__V1__DELETE_VMREQUEST__INIT;
    stop.vm = delete.vm = liars[i];
    stop._grace_ms_case = BANGER__V1__STOP_VMREQUEST___GRACE_MS_GRACE_MS;
    stop.grace_ms = 500;
    delete.force = true;
    return i % 2 ? banger_stop_vm(client, &stop, NULL, error)
                 : banger_delete_vm(client, &delete, NULL, error);
}

static void who_lies_is_stopped_and_deleted(void)
{
    Banger__V1__Operation *ops[LIES];
    struct banger_error error;
    int64_t began = clock_mono_ms();
    for (size_t i = 0; i < LIES; i++)
        ops[i] = begin_end(i, &error);
    all_finish(ops, "end");
    for (size_t i = 1; i < LIES; i += 2) {
        CHECK_INT(steps_vm_state(&h, client, liars[i]), VM_STATE(STOPPED));
        CHECK_INT(steps_do(client, STEPS_DELETE, liars[i], &error), 0);
    }
    printf("     stopped and deleted in %lld ms\n", (long long)(clock_mono_ms() - began));
    CHECK_INT((int)steps_count_vms(&h, client), 1);
    starts_have_ended();
    static const char *const echo[] = {"echo", "still here", NULL};
    char out[32];
    CHECK_INT(steps_run(client, &h, honest, echo, NULL, 0, out, sizeof(out)), 0);
    CHECK_STR(out, "still here\n");
}

int main(int argc, char **argv)
{
    static const char *const cat[] = {"cat", NULL};
    struct banger_error error;
    setenv("BANGER_TEST_SIM_AGENT", BANGER_TEST_HOSTILE_AGENT_FILE, 1);
    harness_open(&h, argc > 1 ? argv[1] : "sim");
    client = harness_connect(&h);
    if (steps_create_vm(client, &h, NULL, honest, &error) < 0 ||
        steps_start_session(client, &h, honest, cat, true, session, &error) < 0)
        harness_die(&h, "no honest VM: %s", error.message);
    make_liars();
    reader_open(&reader, client, session,
                &(struct told_attach){.role = BANGER__V1__ATTACH_ROLE__ATTACH_ROLE_WRITER});
    reader.keep = true;
    memory_kib = harness_memory_kib(h.daemon, "VmRSS");
    harness_forget_peak(h.daemon);
    files = count_descriptors();
    RUN(an_honest_guest_is_served_as_ever);
    RUN(the_daemon_has_no_more_than_it_may);
    RUN(the_log_is_short_and_clean);
    RUN(what_a_guest_makes_up_is_bounded);
    RUN(who_lies_is_told_of);
    RUN(who_lies_is_stopped_and_deleted);
    reader_close(&reader);
    banger_close(client);
    CHECK(harness_close(&h));
    return check_end();
}
