/* A stalled viewer slows nobody: not the process, not other viewers, and it costs the daemon no
 * memory. stalled_viewer_test sim|qemu [MIB]
 *
 * Two viewers read a session of 256 MiB while two more stand still: one with a connection of its
 * own, one that shares a reading viewer's. Afterwards these get their data, or are told of the gap.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "tests/support/attach_reader.h"
#include "tests/support/check.h"
#include "tests/support/harness.h"
#include "tests/support/vm_steps.h"

enum { MEMORY_MAX_KIB = 64 * 1024, SEED = 77, READ_MS = 300000 };

static struct harness h;
static struct banger_client *client;
static char box[STEPS_ID_BYTES];
static const char *emit;
static uint64_t total = (uint64_t)256 << 20;
static double alone_mb_s;

static void start_flood(char id[STEPS_ID_BYTES], uint64_t bytes)
{
    char text[24];
    struct banger_error error;
    snprintf(text, sizeof(text), "%llu", (unsigned long long)bytes);
    const char *const argv[] = {emit, "77", text, "0", "6", NULL};
    if (steps_start_session(client, &h, box, argv, false, id, &error) < 0)
        harness_die(&h, "the flood does not start: %s", error.message);
}

static void open_checked(struct attach_reader *r, struct banger_client *of, const char *id)
{
    reader_open(r, of, id, NULL);
    r->check = true;
    r->seed = SEED;
}

static void check_whole(const struct attach_reader *r, uint64_t bytes)
{
    CHECK_INT(r->status, 6);
    CHECK_INT(r->total[1], bytes);
    CHECK_INT(r->data_bytes + r->gap_bytes, bytes);
}

static double mb_s(uint64_t bytes, int64_t began_ms)
{
    return (double)bytes / 1e3 / (double)(clock_mono_ms() - began_ms);
}

/* A quarter of it is enough to know the speed. */
static void one_viewer_alone(void)
{
    struct attach_reader r;
    char id[STEPS_ID_BYTES];
    int64_t began = clock_mono_ms();
    start_flood(id, total / 4);
    open_checked(&r, client, id);
    CHECK(reader_finish(&r, READ_MS));
    alone_mb_s = mb_s(total / 4, began);
    check_whole(&r, total / 4);
    printf("     alone: %.0f MB/s, %llu bytes in %u gaps\n", alone_mb_s,
           (unsigned long long)r.gap_bytes, r.gaps);
    reader_close(&r);
}

struct viewer {
    char *id;
    bool well;
    struct attach_reader r;
};

static void *watch_whole(void *arg)
{
    struct viewer *v = arg;
    struct banger_client *own = harness_connect(&h);
    open_checked(&v->r, own, v->id);
    v->well = reader_finish(&v->r, READ_MS);
    reader_close(&v->r);
    banger_close(own);
    return NULL;
}

static void two_read_two_stand_still(void)
{
    char id[STEPS_ID_BYTES];
    pthread_t thread;
    struct attach_reader here, shared, apart;
    struct viewer other = {.id = id};
    struct banger_client *lonely = harness_connect(&h);
    harness_forget_peak(h.daemon); /* that of importing an image, for one */
    uint64_t idle_kib = harness_memory_kib(h.daemon, "VmRSS");
    int64_t began = clock_mono_ms();
    start_flood(id, total);
    open_checked(&apart, lonely, id);
    open_checked(&shared, client, id);
    open_checked(&here, client, id);
    /* Both see the first bytes, and then look no more. */
    CHECK(reader_await_bytes(&apart, 1, READ_MS));
    CHECK(reader_await_bytes(&shared, 1, READ_MS));
    CHECK_INT(pthread_create(&thread, NULL, watch_whole, &other), 0);
    CHECK(reader_finish(&here, READ_MS));
    pthread_join(thread, NULL);
    double together_mb_s = mb_s(total, began);
    uint64_t peak_kib = harness_memory_kib(h.daemon, "VmHWM");
    CHECK(other.well);
    check_whole(&here, total);
    check_whole(&other.r, total);
    printf("     with two that stand still: %.0f MB/s; gaps %llu and %llu bytes; daemon idle %llu "
           "KiB, "
           "peak %llu KiB\n",
           together_mb_s, (unsigned long long)here.gap_bytes, (unsigned long long)other.r.gap_bytes,
           (unsigned long long)idle_kib, (unsigned long long)peak_kib);
    /* Two viewers are fed instead of one, on a machine that others use, too. */
    CHECK(together_mb_s > alone_mb_s / 5);
    /* Under AddressSanitizer the figure is what came on top of the idle daemon. */
    CHECK(peak_kib - (HARNESS_ASAN ? idle_kib : 0) < MEMORY_MAX_KIB);
    reader_close(&here);

    CHECK(reader_finish(&shared, READ_MS));
    check_whole(&shared, total);
    CHECK(reader_finish(&apart, READ_MS));
    check_whole(&apart, total);
    printf("     and then they get %llu and %llu bytes, gaps of %llu and %llu\n",
           (unsigned long long)shared.data_bytes, (unsigned long long)apart.data_bytes,
           (unsigned long long)shared.gap_bytes, (unsigned long long)apart.gap_bytes);
    CHECK(apart.data_bytes > 0);
    reader_close(&shared);
    reader_close(&apart);
    banger_close(lonely);
}

int main(int argc, char **argv)
{
    struct banger_error error;
    if (argc > 2)
        total = strtoull(argv[2], NULL, 10) << 20;
    harness_open(&h, argc > 1 ? argv[1] : "sim");
    client = harness_connect(&h);
    if (steps_create_vm(client, &h, NULL, box, &error) < 0)
        harness_die(&h, "no VM: %s", error.message);
    emit = steps_put_emit(client, &h, box);
    RUN(one_viewer_alone);
    RUN(two_read_two_stand_still);
    CHECK_INT(steps_do(client, STEPS_DELETE, box, &error), 0);
    banger_close(client);
    CHECK(harness_close(&h));
    return check_end();
}
