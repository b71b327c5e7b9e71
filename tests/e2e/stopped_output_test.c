/* What a VM's sessions have written is there after it was stopped: while it is stopped, when it
 * runs again, over restarts of the daemon; until the session is deleted.
 * stopped_output_test sim|qemu */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "banger/logs.h"
#include "base/clock.h"
#include "tests/support/attach_reader.h"
#include "tests/support/check.h"
#include "tests/support/harness.h"
#include "tests/support/vm_steps.h"

enum { GUEST_MS = 120000, OUT_BYTES = 3 * 1024 * 1024 + 17, ERR_BYTES = 200 * 1024 + 3, SEED = 77 };

static struct harness h;
static struct banger_client *client;
static const char *emit;
static char vm_id[STEPS_ID_BYTES];
static char done[STEPS_ID_BYTES];    /* a session that had ended before the stop */
static char running[STEPS_ID_BYTES]; /* one that the stop ended */
static const char all_words[] = "begun\nmiddle\nended\n";
static int64_t between_ns;      /* before its last word */
enum { APART_US = 300 * 1000 }; /* more than times are exact to */

static void start(const char *const *argv, char id[STEPS_ID_BYTES])
{
    struct banger_error error = {0};
    if (!CHECK_INT(steps_start_session(client, &h, "box", argv, false, id, &error), 0))
        harness_die(&h, "%s", error.message);
}

/* Its streams from these offsets on, byte for byte. */
static void check_from(uint64_t out_at, uint64_t err_at)
{
    struct attach_reader r = {0};
    struct told_attach told = {.start_stdout = {BANGER_START_OFFSET, out_at},
                               .start_stderr = {BANGER_START_OFFSET, err_at}};
    reader_open(&r, client, done, &told);
    r.check = true;
    r.seed = SEED;
    CHECK(reader_finish(&r, GUEST_MS));
    CHECK_INT(r.status, 3);
    CHECK_INT(r.gap_bytes, 0);
    CHECK_INT(r.data_bytes, OUT_BYTES - out_at + ERR_BYTES - err_at);
    CHECK_INT(r.total[1], OUT_BYTES);
    CHECK_INT(r.total[2], ERR_BYTES);
    reader_close(&r);
}

static void check_running_was_kept(void)
{
    struct attach_reader r = {0};
    reader_open(&r, client, running, NULL);
    r.keep = true;
    CHECK(reader_finish(&r, GUEST_MS));
    CHECK_INT(r.gap_bytes, 0);
    CHECK_INT(r.status, 9);
    CHECK_INT(buf_len(&r.out[1]), strlen(all_words));
    CHECK(buf_len(&r.out[1]) == strlen(all_words) &&
          memcmp(buf_data(&r.out[1]), all_words, strlen(all_words)) == 0);
    reader_close(&r);
}

/* What the session that the stop ended wrote before or after the time between; to that belongs what
 * may have been read at that time. */
static void check_part(bool since, const char *words)
{
    Google__Protobuf__Timestamp time = GOOGLE__PROTOBUF__TIMESTAMP__INIT;
    time.seconds = between_ns / 1000000000;
    time.nanos = (int32_t)(between_ns % 1000000000);
    Banger__V1__ReadLogsRequest request = BANGER__V1__READ_LOGS_REQUEST__INIT;
    request.session = running;
    request.no_stderr = true;
    request.times = true;
    if (since)
        request.since = &time;
    else
        request.until = &time;
    struct banger_error error = {0};
    const Banger__V1__LogChunk *chunk;
    enum banger_next next;
    char text[64] = "";
    struct banger_logs *logs = banger_logs_open(client, &request, &error);
    while ((next = banger_logs_next(logs, GUEST_MS, &chunk, &error)) == BANGER_NEXT_MESSAGE) {
        if (chunk->data.len == 0)
            continue;
        CHECK(chunk->time);
        strncat(text, (const char *)chunk->data.data, chunk->data.len < 16 ? chunk->data.len : 16);
    }
    CHECK_INT(next, BANGER_NEXT_END);
    CHECK_STR(text, words);
    banger_logs_close(logs);
}

static void its_parts_are_found_by_time(void)
{
    check_part(false, "begun\nmiddle\n");
    check_part(true, "middle\nended\n");
}

static void check_all(void)
{
    check_from(0, 0);
    check_from(1234567, ERR_BYTES);
    check_running_was_kept();
}

static void output_is_there_while_the_vm_is_stopped(void)
{
    struct banger_error error = {0};
    struct attach_reader r = {0};
    char out[24], err[24];
    snprintf(out, sizeof(out), "%d", OUT_BYTES);
    snprintf(err, sizeof(err), "%d", ERR_BYTES);
    start((const char *const[]){emit, "77", out, err, "3", NULL}, done);
    harness_crash(&h); /* it may end while nobody watches, not even a daemon */
    start(
        (const char *const[]){"sh", "-c",
                              "trap 'echo ended; exit 9' TERM; echo begun; sleep 0.6; echo middle; "
                              "while :; do sleep 0.1; done",
                              NULL},
        running);
    CHECK(steps_await_session(&h, client, done, SESSION_STATE(EXITED), GUEST_MS));
    reader_open(&r, client, running, NULL);
    CHECK(reader_await_bytes(&r, strlen("begun\nmiddle\n"), GUEST_MS)); /* its trap is set */
    reader_close(&r);
    usleep(APART_US);
    between_ns = clock_real_ns();
    usleep(APART_US);
    CHECK_INT(steps_do(client, STEPS_STOP, "box", &error), 0);
    check_all();
}

static void a_daemon_that_starts_anew_gives_it_too(void)
{
    harness_crash(&h);
    check_all();
}

static void an_offset_past_its_end_is_out_of_range(void)
{
    struct attach_reader r = {0};
    struct told_attach told = {.start_stdout = {BANGER_START_OFFSET, OUT_BYTES + 1}};
    reader_open(&r, client, done, &told);
    while (reader_step(&r, GUEST_MS) > 0)
        continue;
    CHECK_INT(r.data_bytes, 0);
    CHECK_INT(r.error.code, BANGER_OUT_OF_RANGE);
    reader_close(&r);
}

static void a_vm_that_runs_again_gives_it_too(void)
{
    struct banger_error error = {0};
    CHECK_INT(steps_do(client, STEPS_START, "box", &error), 0);
    check_all();
    CHECK_INT(steps_do(client, STEPS_STOP, "box", &error), 0); /* and keeps it once more */
    check_all();
}

static bool file_is_gone(void *arg)
{
    struct stat st;
    return lstat(arg, &st) < 0;
}

static void a_deleted_session_leaves_no_file(void)
{
    struct banger_error error = {0};
    char path[160];
    snprintf(path, sizeof(path), "%s/vms/%s/output/%s", h.state, vm_id, done);
    CHECK(!file_is_gone(path));
    Banger__V1__DeleteSessionRequest request = BANGER__V1__DELETE_SESSION_REQUEST__INIT;
    request.session = done;
    Banger__V1__Empty *empty = banger_delete_session(client, &request, NULL, &error);
    CHECK(empty);
    banger_message_free(empty ? &empty->base : NULL);
    CHECK(harness_until(file_is_gone, path, GUEST_MS));
    check_running_was_kept();
}

/* Nobody asked the daemon: the guest's process 1 was told to end. */
static void a_guest_that_goes_by_itself_leaves_it_too(void)
{
    struct banger_error error = {0};
    char id[STEPS_ID_BYTES];
    struct attach_reader r = {0};
    CHECK_INT(steps_do(client, STEPS_START, "box", &error), 0);
    start((const char *const[]){"sh", "-c", "echo last words; kill 1", NULL}, id);
    CHECK(steps_await_vm(&h, client, "box", VM_STATE(STOPPED), GUEST_MS));
    reader_open(&r, client, id, NULL);
    r.keep = true;
    CHECK(reader_finish(&r, GUEST_MS));
    CHECK_INT(r.gap_bytes, 0);
    CHECK_INT(buf_len(&r.out[1]), strlen("last words\n"));
    reader_close(&r);
}

int main(int argc, char **argv)
{
    struct banger_error error = {0};
    struct steps_create how = {.name = "box"};
    harness_open(&h, argc > 1 ? argv[1] : "sim");
    client = harness_connect(&h);
    if (steps_create_vm(client, &h, &how, vm_id, &error) < 0)
        harness_die(&h, "cannot create a VM: %s", error.message);
    emit = steps_put_emit(client, &h, "box");
    RUN(output_is_there_while_the_vm_is_stopped);
    RUN(its_parts_are_found_by_time);
    RUN(a_daemon_that_starts_anew_gives_it_too);
    RUN(an_offset_past_its_end_is_out_of_range);
    RUN(a_vm_that_runs_again_gives_it_too);
    RUN(a_deleted_session_leaves_no_file);
    if (h.boots)
        RUN(a_guest_that_goes_by_itself_leaves_it_too);
    banger_close(client);
    CHECK(harness_close(&h));
    return check_end();
}
