/* stdin that ends early: the writer's end comes right behind 64 MiB that nobody has read yet; a
 * process closes its stdin, or ends, while most of 64 MiB is still to come. closed_stdin_test
 * sim|qemu
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/attach_reader.h"
#include "tests/support/check.h"
#include "tests/support/emit_bytes.h"
#include "tests/support/harness.h"
#include "tests/support/vm_steps.h"

enum { SEED = 31, TOTAL_BYTES = 64 * 1024 * 1024, TAKEN_BYTES = 1000003, WAIT_MS = 120000 };

static const struct told_attach as_writer = {.role = BANGER__V1__ATTACH_ROLE__ATTACH_ROLE_WRITER,
                                             .hold = true};
static struct harness h;
static struct banger_client *client;
static char box[STEPS_ID_BYTES];
static uint8_t *bytes;

static void open_writer(struct attach_reader *r, const char *command)
{
    const char *const argv[] = {"sh", "-c", command, NULL};
    Banger__V1__SessionSpec spec = BANGER__V1__SESSION_SPEC__INIT;
    struct banger_error error;
    char id[STEPS_ID_BYTES];
    spec.output_policy = BANGER__V1__OUTPUT_POLICY__OUTPUT_POLICY_HOLD;
    if (steps_start_spec(client, &h, box, &spec, argv, true, id, &error) < 0)
        harness_die(&h, "%s: %s", command, error.message);
    reader_open(r, client, id, &as_writer);
    r->check = true;
    r->seed = SEED;
}

static void check_end_of(struct attach_reader *r, int code, uint64_t total)
{
    CHECK(reader_finish(r, WAIT_MS));
    CHECK_INT(r->status, code);
    CHECK_INT(r->total[1], total);
    CHECK_INT(r->data_bytes, total);
    CHECK_INT(r->gaps, 0);
    reader_close(r);
}

static void all_comes_back_behind_an_early_end(void)
{
    struct attach_reader r;
    open_writer(&r, "exec cat");
    CHECK(reader_write(&r, bytes, TOTAL_BYTES, true, WAIT_MS));
    check_end_of(&r, 0, TOTAL_BYTES);
}

/* Gives what is taken, until that is no more. */
static void give_until_closed(struct attach_reader *r)
{
    size_t given = 0;
    while (given < TOTAL_BYTES && !r->stdin_closed && !r->over) {
        ssize_t n = banger_attach_write(r->attach, bytes + given, TOTAL_BYTES - given, &r->error);
        given += n > 0 ? (size_t)n : 0;
        if (n < 0 || (n == 0 && reader_step(r, WAIT_MS) <= 0))
            break;
    }
    CHECK(given >= TAKEN_BYTES && given < TOTAL_BYTES);
}

/* dd, unlike head, reads no more than it is told to. */
static void a_process_that_closes_it_runs_on(void)
{
    struct attach_reader r;
    open_writer(&r, "trap 'exit 9' TERM; dd bs=1 count=3 2>/dev/null; head -c 1000000; exec 0<&-; "
                    "while :; do sleep 0.1; done");
    give_until_closed(&r);
    CHECK(!r.over);
    CHECK_INT(banger_attach_signal(r.attach, SIGTERM,
                                   BANGER__V1__SIGNAL_TARGET__SIGNAL_TARGET_PROCESS, &r.error),
              0);
    check_end_of(&r, 9, TAKEN_BYTES);
}

static void a_process_that_ends_leaves_it(void)
{
    struct attach_reader r;
    open_writer(&r, "dd bs=1 count=3 2>/dev/null; head -c 1000000; exit 8");
    give_until_closed(&r);
    check_end_of(&r, 8, TAKEN_BYTES);
}

int main(int argc, char **argv)
{
    struct banger_error error;
    bytes = malloc(TOTAL_BYTES);
    if (!bytes)
        return check_skip("no memory");
    emit_fill(SEED, 0, bytes, TOTAL_BYTES);
    harness_open(&h, argc > 1 ? argv[1] : "sim");
    client = harness_connect(&h);
    if (steps_create_vm(client, &h, NULL, box, &error) < 0)
        harness_die(&h, "no VM: %s", error.message);
    RUN(all_comes_back_behind_an_early_end);
    RUN(a_process_that_closes_it_runs_on);
    RUN(a_process_that_ends_leaves_it);
    banger_close(client);
    CHECK(harness_close(&h));
    free(bytes);
    return check_end();
}
