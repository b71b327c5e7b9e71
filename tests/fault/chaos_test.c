/* Commands run while the daemon is killed again and again: each is run once, every byte of its
 * output and its exit code arrive, Exit last. Clients only do what libbanger does by itself: it
 * repeats calls by their request id and comes back to attaches. chaos_test sim|qemu [SECONDS] */
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "tests/support/attach_reader.h"
#include "tests/support/check.h"
#include "tests/support/emit_bytes.h"
#include "tests/support/harness.h"
#include "tests/support/vm_steps.h"

enum {
    THREADS = 4,
    COMMAND_MS = 120000,
    STALL_MS = 12000, /* less than a link waits for the answer to a hello that was lost */
    OUTPUT_MAX = 256 * 1024,
};

static struct harness h;
static char box[STEPS_ID_BYTES];
static const char *emit;
static atomic_bool over;
static atomic_int next_command, n_done, n_wrong, n_returns;
static atomic_uint_fast64_t n_bytes;

static bool run_one(struct banger_client *client, int i)
{
    uint64_t r = emit_word(99, (uint64_t)i), seed = 5000 + 2 * (uint64_t)i;
    uint64_t out = r % OUTPUT_MAX, err = (r >> 32) % 1000;
    int code = (int)(r >> 56);
    struct banger_error error;
    struct attach_reader reader;
    char text[4][24], id[STEPS_ID_BYTES];
    snprintf(text[0], 24, "%llu", (unsigned long long)seed);
    snprintf(text[1], 24, "%llu", (unsigned long long)out);
    snprintf(text[2], 24, "%llu", (unsigned long long)err);
    snprintf(text[3], 24, "%d", code);
    const char *const argv[] = {emit, text[0], text[1], text[2], text[3], NULL};
    if (steps_start_session(client, &h, box, argv, false, id, &error) < 0) {
        fprintf(stderr, "command %d does not start: %s %s\n", i, error.stage, error.message);
        return false;
    }
    reader_open(&reader, client, id, NULL);
    reader.check = true;
    reader.seed = seed;
    bool well = reader_finish(&reader, COMMAND_MS) && !reader.lost && reader.exits == 1 &&
                reader.status == code && reader.data_bytes == out + err && reader.gaps == 0;
    if (!well)
        fprintf(stderr, "command %d (session %s): code %d, want %d; %llu bytes, want %llu; %s\n", i,
                id, reader.status, code, (unsigned long long)reader.data_bytes,
                (unsigned long long)(out + err), reader.reason);
    atomic_fetch_add(&n_bytes, reader.data_bytes);
    atomic_fetch_add(&n_returns, reader.opened > 1);
    reader_close(&reader);
    return well;
}

static void *run_many(void *arg)
{
    struct banger_client *client = harness_connect(&h);
    while (!over && n_wrong < 10) {
        if (!run_one(client, atomic_fetch_add(&next_command, 1)))
            atomic_fetch_add(&n_wrong, 1);
        atomic_fetch_add(&n_done, 1);
    }
    banger_close(client);
    return arg;
}

static bool some_more_are_done(void *arg)
{
    return n_done >= *(int *)arg || n_wrong >= 10;
}

static int seconds = 10;

static void nothing_is_lost(void)
{
    pthread_t threads[THREADS];
    int kills = 0;
    for (int i = 0; i < THREADS; i++)
        CHECK_INT(pthread_create(&threads[i], NULL, run_many, NULL), 0);
    for (int64_t end = clock_mono_ms() + seconds * 1000; clock_mono_ms() < end; kills++) {
        /* A kill after a few more commands, at whatever point the others are then. */
        int want = n_done + 1 + (int)(emit_word(7, (uint64_t)kills) % 8);
        CHECK(harness_until(some_more_are_done, &want, STALL_MS));
        harness_crash(&h);
    }
    over = true;
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    CHECK_INT(n_wrong, 0);
    printf("     %d commands, %.1f MB, %d kills; %d attaches came back\n", n_done,
           (double)n_bytes / 1e6, kills, n_returns);
    CHECK(kills > 0);
    /* None was run twice. */
    CHECK_INT(harness_rows(&h, "sessions"), n_done + (h.boots ? 1 : 0));
}

int main(int argc, char **argv)
{
    struct banger_error error;
    if (argc > 2)
        seconds = atoi(argv[2]);
    harness_open(&h, argc > 1 ? argv[1] : "sim");
    struct banger_client *client = harness_connect(&h);
    if (steps_create_vm(client, &h, NULL, box, &error) < 0)
        harness_die(&h, "no VM: %s", error.message);
    emit = steps_put_emit(client, &h, box);
    int pid = steps_vm_pid(client, box);
    RUN(nothing_is_lost);
    CHECK_INT(steps_vm_pid(client, box), pid);
    CHECK_INT(steps_do(client, STEPS_DELETE, box, &error), 0);
    CHECK(harness_processes_settle(&h, 0, 10000));
    banger_close(client);
    CHECK(harness_close(&h));
    return check_end();
}
