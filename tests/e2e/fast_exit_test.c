/* Fast exit, full output: many short commands with random output and codes, several at a time, over
 * one VM: every byte and every code is exact, and Exit is last.
 * fast_exit_test sim|qemu [COUNT [AT_ONCE]] */
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
    COMMANDS = 2000, /* fewer where each takes a VM's time: soak has them all */
    COMMANDS_QEMU = 500,
    AT_ONCE = 8,
    AT_ONCE_MAX = 64,
    OUTPUT_MAX = 256 * 1024,
    COMMAND_MS = 120000
};

static struct harness h;
static char box[STEPS_ID_BYTES];
static const char *emit;
static int n_commands, n_threads = AT_ONCE;
static atomic_int next_command, n_wrong;
static atomic_uint_fast64_t n_bytes, slowest_ms;

/* What command i is to write and return: anything up to 256 KiB, small outputs being as common as
 * large ones. */
struct plan {
    uint64_t seed, out, err;
    int code;
};

static struct plan plan_of(int i)
{
    uint64_t r = emit_word(4242, (uint64_t)i), s = emit_word(4243, (uint64_t)i);
    uint64_t limit = r % 2 ? OUTPUT_MAX : (uint64_t)1 << (r / 2 % 18);
    return (struct plan){
        .seed = 1000000 + 2 * (uint64_t)i,
        .out = (r >> 8) % (limit + 1),
        .err = (s & 3) == 0 ? (s >> 8) % (limit + 1) : 0,
        .code = (int)(s >> 40) & 0xff,
    };
}

static bool forget(struct banger_client *client, char *id)
{
    struct banger_error error;
    Banger__V1__DeleteSessionRequest del = BANGER__V1__DELETE_SESSION_REQUEST__INIT;
    del.session = id;
    Banger__V1__Empty *gone = banger_delete_session(client, &del, NULL, &error);
    if (!gone)
        fprintf(stderr, "cannot delete session %s: %s\n", id, error.message);
    banger_message_free(gone ? &gone->base : NULL);
    return gone;
}

static bool run_one(struct banger_client *client, int i)
{
    struct plan p = plan_of(i);
    struct banger_error error;
    struct attach_reader r;
    char text[4][24], id[STEPS_ID_BYTES];
    snprintf(text[0], 24, "%llu", (unsigned long long)p.seed);
    snprintf(text[1], 24, "%llu", (unsigned long long)p.out);
    snprintf(text[2], 24, "%llu", (unsigned long long)p.err);
    snprintf(text[3], 24, "%d", p.code);
    const char *const argv[] = {emit, text[0], text[1], text[2], text[3], NULL};
    if (steps_start_session(client, &h, box, argv, false, id, &error) < 0) {
        fprintf(stderr, "command %d does not start: %s\n", i, error.message);
        return false;
    }
    reader_open(&r, client, id, NULL);
    r.check = true;
    r.seed = p.seed;
    bool well = reader_finish(&r, COMMAND_MS) && !r.lost && r.exits == 1 && r.status == p.code &&
                r.total[1] == p.out && r.total[2] == p.err && r.gaps == 0 &&
                r.data_bytes == p.out + p.err;
    if (!well)
        fprintf(stderr,
                "command %d (session %s): code %d, want %d; stdout %llu, want %llu; stderr %llu, "
                "want %llu; %llu bytes came, %u gaps\n",
                i, id, r.status, p.code, (unsigned long long)r.total[1], (unsigned long long)p.out,
                (unsigned long long)r.total[2], (unsigned long long)p.err,
                (unsigned long long)r.data_bytes, r.gaps);
    atomic_fetch_add(&n_bytes, r.data_bytes);
    reader_close(&r);
    return forget(client, id) && well;
}

static void *run_many(void *arg)
{
    struct banger_client *client = harness_connect(&h);
    for (int i; (i = atomic_fetch_add(&next_command, 1)) < n_commands;) {
        int64_t began = clock_mono_ms();
        if (!run_one(client, i) && atomic_fetch_add(&n_wrong, 1) > 20)
            break;
        uint_fast64_t took = (uint_fast64_t)(clock_mono_ms() - began), worst = slowest_ms;
        while (took > worst && !atomic_compare_exchange_weak(&slowest_ms, &worst, took))
            continue;
    }
    banger_close(client);
    return arg;
}

static void every_byte_and_code(void)
{
    pthread_t threads[AT_ONCE_MAX];
    int64_t began = clock_mono_ms();
    for (int i = 0; i < n_threads; i++)
        CHECK_INT(pthread_create(&threads[i], NULL, run_many, NULL), 0);
    for (int i = 0; i < n_threads; i++)
        pthread_join(threads[i], NULL);
    CHECK_INT(n_wrong, 0);
    CHECK(next_command >= n_commands);
    printf("     %d commands, %d at a time, %.1f MB in %.1f s, slowest %llu ms, daemon %llu KiB\n",
           n_commands, n_threads, (double)n_bytes / 1e6, (double)(clock_mono_ms() - began) / 1000,
           (unsigned long long)slowest_ms,
           (unsigned long long)harness_memory_kib(h.daemon, "VmHWM"));
}

int main(int argc, char **argv)
{
    struct banger_error error;
    const char *engine = argc > 1 ? argv[1] : "sim";
    n_commands = argc > 2 ? atoi(argv[2]) : strcmp(engine, "qemu") == 0 ? COMMANDS_QEMU : COMMANDS;
    if (argc > 3 && atoi(argv[3]) > 0 && atoi(argv[3]) <= AT_ONCE_MAX)
        n_threads = atoi(argv[3]);
    harness_open(&h, engine);
    struct banger_client *client = harness_connect(&h);
    if (steps_create_vm(client, &h, NULL, box, &error) < 0)
        harness_die(&h, "no VM: %s", error.message);
    emit = steps_put_emit(client, &h, box);
    RUN(every_byte_and_code);
    CHECK_INT(steps_do(client, STEPS_DELETE, box, &error), 0);
    CHECK(harness_processes_settle(&h, 0, 5000));
    banger_close(client);
    CHECK(harness_close(&h));
    return check_end();
}
