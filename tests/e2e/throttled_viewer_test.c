/* One viewer that takes 20 MB/s, with pauses: of a process that waits for it every byte arrives,
 * of one that waits for nobody the bytes and the gaps add up. throttled_viewer_test sim|qemu [MIB]
 *
 * The time that passes here is the viewer's slowness; nothing is waited for by it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "tests/support/agent_below.h"
#include "tests/support/attach_reader.h"
#include "tests/support/check.h"
#include "tests/support/harness.h"
#include "tests/support/vm_steps.h"

#define POLICY(name) BANGER__V1__OUTPUT_POLICY__OUTPUT_POLICY_##name

enum {
    SEED = 91,
    RATE_KB_S = 20000,
    PAUSES = 4,
    PAUSE_MS = 300,
    FRAME_MS = 120000,
    DAEMON_KIB_MAX = 32 * 1024, /* above an idle one */
    AGENT_KIB_MAX = HARNESS_ASAN ? 64 * 1024 : 24 * 1024,
};

static struct harness h;
static struct banger_client *client;
static char box[STEPS_ID_BYTES];
static const char *emit;
static uint64_t total = (uint64_t)64 << 20; /* a spool, of which a reader has half */

static void nap(int64_t ms)
{
    if (ms > 0)
        nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000}, NULL);
}

/* Reads until that place, or the end, no faster than that. */
static bool read_slowly(struct attach_reader *r, uint64_t until)
{
    int64_t began_ms = clock_mono_ms();
    uint64_t begun_at = r->next[1], data_before = r->data_bytes;
    for (uint64_t pauses = 1; !r->over && r->next[1] < until;) {
        if (reader_step(r, FRAME_MS) <= 0)
            return reader_complain(r, "no more came");
        if (pauses <= PAUSES &&
            r->next[1] - begun_at >= pauses * ((until - begun_at) / (PAUSES + 1))) {
            nap(PAUSE_MS);
            began_ms += PAUSE_MS;
            pauses++;
        }
        nap(began_ms + (int64_t)((r->data_bytes - data_before) / RATE_KB_S) - clock_mono_ms());
    }
    return r->violation[0] ? reader_complain(r, "a rule is broken") : true;
}

/* Reads a session with that policy; *r is closed, and says what came. */
static void watch(Banger__V1__OutputPolicy policy, bool drop_taken, uint64_t n_bytes,
                  struct attach_reader *r)
{
    const struct told_attach told = {.hold = policy == POLICY(HOLD) || policy == POLICY(BLOCK)};
    Banger__V1__SessionSpec spec = BANGER__V1__SESSION_SPEC__INIT;
    struct banger_error error;
    char bytes[24], id[STEPS_ID_BYTES];
    snprintf(bytes, sizeof(bytes), "%llu", (unsigned long long)n_bytes);
    const char *const argv[] = {emit, "91", bytes, "0", "6", NULL};
    spec.output_policy = policy;
    spec.drop_taken = drop_taken;
    harness_forget_peak(h.daemon);
    uint64_t idle_kib = harness_memory_kib(h.daemon, "VmRSS");
    int64_t began_ms = clock_mono_ms();
    if (steps_start_spec(client, &h, box, &spec, argv, false, id, &error) < 0)
        harness_die(&h, "it does not start: %s", error.message);
    reader_open(r, client, id, &told);
    r->check = true;
    r->seed = SEED;
    if (policy == POLICY(DROP_OLDEST)) { /* which reads on when all has been written */
        CHECK(read_slowly(r, n_bytes / 8));
        CHECK(steps_await_session(&h, client, id, SESSION_STATE(EXITED), FRAME_MS));
    }
    CHECK(read_slowly(r, n_bytes) && reader_finish(r, FRAME_MS));
    CHECK_INT(r->status, 6);
    CHECK_INT(r->total[1], n_bytes);
    CHECK_INT(r->data_bytes + r->gap_bytes, n_bytes);
    uint64_t grown_kib = harness_memory_kib(h.daemon, "VmHWM") - idle_kib;
    CHECK(grown_kib < DAEMON_KIB_MAX);
    printf("     %llu bytes in %.1f s, %llu in %u gaps; %llu KiB of the daemon's",
           (unsigned long long)r->data_bytes, (double)(clock_mono_ms() - began_ms) / 1000,
           (unsigned long long)r->gap_bytes, r->gaps, (unsigned long long)grown_kib);
    if (!h.boots) {
        uint64_t agent_kib = harness_memory_kib(agent_below(steps_vm_pid(client, box)), "VmHWM");
        printf(", %llu the agent's", (unsigned long long)agent_kib);
        CHECK(agent_kib > 0 && agent_kib < AGENT_KIB_MAX);
    }
    puts("");
    reader_close(r);
}

static void one_that_blocks_loses_nothing(void)
{
    struct attach_reader r;
    watch(POLICY(BLOCK), false, total, &r);
    CHECK_INT(r.gaps, 0);
}

static void one_that_is_held_loses_nothing(void)
{
    struct attach_reader r;
    watch(POLICY(HOLD), false, total, &r);
    CHECK_INT(r.gaps, 0);
}

static void one_that_drops_what_was_taken_loses_nothing(void)
{
    struct attach_reader r;
    watch(POLICY(HOLD), true, total, &r);
    CHECK_INT(r.gaps, 0);
}

static void what_is_dropped_is_told_exactly(void)
{
    struct attach_reader r;
    watch(POLICY(DROP_OLDEST), false, 3 * total, &r);
    CHECK(r.gaps > 0);
    CHECK_STR(r.gap_reason, "spool_limit");
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
    RUN(one_that_blocks_loses_nothing);
    RUN(one_that_is_held_loses_nothing);
    RUN(one_that_drops_what_was_taken_loses_nothing);
    RUN(what_is_dropped_is_told_exactly);
    banger_close(client);
    CHECK(harness_close(&h));
    return check_end();
}
