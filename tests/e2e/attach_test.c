/* The rules of attaching: who may write, where a viewer begins, what comes last. attach_test
 * sim|qemu
 */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "tests/support/attach_reader.h"
#include "tests/support/check.h"
#include "tests/support/emit_bytes.h"
#include "tests/support/harness.h"
#include "tests/support/vm_steps.h"
#include "tests/support/told.h"

#define ROLE(name) BANGER__V1__ATTACH_ROLE__ATTACH_ROLE_##name

enum { GUEST_MS = 120000, BIG_STDIN = 16 << 20, LINE = 96, LINES = 400 };

static struct harness h;
static struct banger_client *client;
static char box[STEPS_ID_BYTES];
static const char *emit;

static const struct told_attach viewer = {.role = ROLE(VIEWER)};
static const struct told_attach writer = {.role = ROLE(WRITER)};
static const struct told_attach taker = {.role = ROLE(TAKEOVER)};

static void start(const char *command, bool with_stdin, char id[STEPS_ID_BYTES])
{
    struct banger_error error;
    const char *const argv[] = {"sh", "-c", command, NULL};
    if (steps_start_session(client, &h, box, argv, with_stdin, id, &error) < 0)
        harness_die(&h, "\"%s\" does not start: %s", command, error.message);
}

static void open_kept(struct attach_reader *r, const char *id, const struct told_attach *options)
{
    reader_open(r, client, id, options);
    r->keep = true;
}

static bool await_opened(struct attach_reader *r)
{
    int64_t end = clock_mono_ms() + GUEST_MS;
    while (!r->opened && clock_mono_ms() < end)
        if (reader_step(r, GUEST_MS) < 0)
            return false;
    return r->opened > 0;
}

static void check_text(struct attach_reader *r, int stream, const char *want)
{
    CHECK(buf_append(&r->out[stream], "", 1) == 0);
    CHECK_STR((const char *)buf_data(&r->out[stream]), want);
}

static void one_writer_at_a_time(void)
{
    struct attach_reader first, second, watcher;
    char id[STEPS_ID_BYTES];
    start("while read x; do echo got $x; done; echo bye", true, id);
    open_kept(&first, id, &writer);
    open_kept(&watcher, id, &viewer);
    CHECK(await_opened(&first));
    CHECK(await_opened(&watcher));
    CHECK(reader_write(&first, "one\n", 4, false, GUEST_MS));
    CHECK(reader_await_bytes(&first, 8, GUEST_MS));

    reader_open(&second, client, id, &writer);
    CHECK(!await_opened(&second));
    CHECK_INT(second.error.code, BANGER_FAILED_PRECONDITION);
    CHECK_STR(second.error.reason, "WRITER_TAKEN");
    reader_close(&second);
    CHECK(banger_attach_write(watcher.attach, "no\n", 3, NULL) < 0);

    open_kept(&second, id, &taker);
    CHECK(await_opened(&second));
    CHECK(reader_write(&second, "two\n", 4, true, GUEST_MS));
    CHECK(reader_finish(&second, GUEST_MS));
    /* The first was told, and saw the rest as a viewer. */
    CHECK(reader_finish(&first, GUEST_MS));
    CHECK(first.writer_told && !first.writer);
    CHECK(reader_finish(&watcher, GUEST_MS));
    check_text(&first, 1, "got one\ngot two\nbye\n");
    check_text(&second, 1, "got one\ngot two\nbye\n");
    check_text(&watcher, 1, "got one\ngot two\nbye\n");
    reader_close(&first);
    reader_close(&second);
    reader_close(&watcher);
}

static void leaving_touches_nothing(void)
{
    struct attach_reader r;
    char id[STEPS_ID_BYTES];
    start("read x; echo $x", true, id);
    open_kept(&r, id, &writer);
    CHECK(await_opened(&r));
    banger_attach_detach(r.attach);
    CHECK(reader_finish(&r, GUEST_MS));
    CHECK(r.detached);
    reader_close(&r);
    /* A broken connection is no end either, and frees the writer's place. */
    struct banger_client *other = harness_connect(&h);
    reader_open(&r, other, id, &writer);
    CHECK(await_opened(&r));
    reader_close(&r);
    banger_close(other);
    CHECK_INT(steps_session_state(&h, client, id), SESSION_STATE(RUNNING));
    open_kept(&r, id, &taker);
    CHECK(reader_write(&r, "still\n", 6, true, GUEST_MS));
    CHECK(reader_finish(&r, GUEST_MS));
    check_text(&r, 1, "still\n");
    reader_close(&r);
}

static void start_where_asked(void)
{
    struct attach_reader r;
    char id[STEPS_ID_BYTES];
    start("printf 0123456789; printf abc >&2", false, id);
    CHECK(steps_await_session(&h, client, id, SESSION_STATE(EXITED), GUEST_MS));
    struct told_attach at = {
        .start_stdout = {.at = BANGER_START_OFFSET, .value = 4},
        .start_stderr = {.at = BANGER_START_SKIP},
    };
    open_kept(&r, id, &at);
    CHECK(reader_finish(&r, GUEST_MS));
    check_text(&r, 1, "456789");
    CHECK_INT(buf_len(&r.out[2]), 0);
    CHECK_INT(r.total[1], 10);
    CHECK_INT(r.total[2], 3);
    reader_close(&r);

    at.start_stdout = (struct told_start){.at = BANGER_START_TAIL, .value = 3};
    at.start_stderr = (struct told_start){.at = BANGER_START_END};
    open_kept(&r, id, &at);
    CHECK(reader_finish(&r, GUEST_MS));
    check_text(&r, 1, "789");
    CHECK_INT(buf_len(&r.out[2]), 0);
    reader_close(&r);

    at.start_stdout = (struct told_start){.at = BANGER_START_TAIL, .value = 1000};
    at.start_stderr = (struct told_start){.at = BANGER_START_OFFSET, .value = 3};
    open_kept(&r, id, &at);
    CHECK(reader_finish(&r, GUEST_MS));
    check_text(&r, 1, "0123456789");
    reader_close(&r);

    at.start_stdout = (struct told_start){.at = BANGER_START_OFFSET, .value = 11};
    reader_open(&r, client, id, &at);
    while (reader_step(&r, GUEST_MS) > 0)
        continue;
    CHECK_INT(r.error.code, BANGER_OUT_OF_RANGE);
    reader_close(&r);
}

static void exit_comes_once_and_last(void)
{
    struct attach_reader r;
    char id[STEPS_ID_BYTES];
    const char *const argv[] = {emit, "5", "300000", "200000", "17", NULL};
    struct banger_error error;
    CHECK_INT(steps_start_session(client, &h, box, argv, false, id, &error), 0);
    for (int i = 0; i < 3; i++) { /* live, then afterwards, as often as one likes */
        reader_open(&r, client, id, NULL);
        r.check = true;
        r.seed = 5;
        CHECK(reader_finish(&r, GUEST_MS));
        CHECK_INT(r.exits, 1);
        CHECK_INT(r.status, 17);
        CHECK_INT(r.total[1], 300000);
        CHECK_INT(r.total[2], 200000);
        CHECK_INT(reader_step(&r, 100), -1);
        reader_close(&r);
    }
}

/* A grandchild that keeps stdout open delays Exit by the drain time at most. */
static void grandchild_holds_stdout(void)
{
    struct attach_reader r;
    char id[STEPS_ID_BYTES];
    int64_t began = clock_mono_ms();
    start("echo before; sleep 10 & exit 4", false, id);
    open_kept(&r, id, NULL);
    CHECK(reader_finish(&r, GUEST_MS));
    CHECK_INT(r.status, 4);
    check_text(&r, 1, "before\n");
    CHECK(clock_mono_ms() - began < 9000);
    reader_close(&r);
}

static void much_stdin(void)
{
    struct attach_reader r;
    char id[STEPS_ID_BYTES];
    int64_t began = clock_mono_ms();
    uint8_t *data = malloc(BIG_STDIN);
    if (!CHECK(data))
        return;
    emit_fill(9, 0, data, BIG_STDIN);
    start("cat", true, id);
    reader_open(&r, client, id, &writer);
    r.check = true;
    r.seed = 9;
    CHECK(reader_write(&r, data, BIG_STDIN, true, GUEST_MS));
    CHECK(reader_finish(&r, GUEST_MS));
    CHECK_INT(r.total[1], BIG_STDIN);
    CHECK_INT(r.data_bytes, BIG_STDIN);
    CHECK_INT(r.stdin_acked, BIG_STDIN);
    CHECK_INT(r.status, 0);
    printf("     %d MiB through cat in %.1f s\n", BIG_STDIN >> 20,
           (double)(clock_mono_ms() - began) / 1000);
    reader_close(&r);
    free(data);
}

/* EOF that is written before the attach has even opened. */
static void early_eof(void)
{
    struct attach_reader r;
    char id[STEPS_ID_BYTES];
    start("cat; echo end", true, id);
    open_kept(&r, id, &writer);
    CHECK(banger_attach_write(r.attach, "x\n", 2, NULL) == 2);
    banger_attach_write_eof(r.attach);
    CHECK(reader_finish(&r, GUEST_MS));
    check_text(&r, 1, "x\nend\n");
    reader_close(&r);
}

/* Stdin that nobody reads any more is no error of the session. */
static void stdin_of_a_process_that_ends(void)
{
    struct attach_reader r;
    char id[STEPS_ID_BYTES];
    static char much[1 << 20];
    start("exit 3", true, id);
    open_kept(&r, id, &writer);
    while (!r.over && banger_attach_write(r.attach, much, sizeof(much), NULL) >= 0)
        if (reader_step(&r, GUEST_MS) <= 0)
            break;
    CHECK(reader_finish(&r, GUEST_MS));
    CHECK_INT(r.status, 3);
    reader_close(&r);
}

struct sender {
    const char *id;
    char letter;
    int sent;
};

static void *send_lines(void *arg)
{
    struct sender *s = arg;
    struct banger_client *own = harness_connect(&h);
    char line[LINE];
    memset(line, s->letter, sizeof(line));
    line[LINE - 1] = '\n';
    for (int i = 0; i < LINES; i++) {
        Banger__V1__SendStdinRequest request = BANGER__V1__SEND_STDIN_REQUEST__INIT;
        request.session = (char *)(uintptr_t)s->id;
        request.data.data = (uint8_t *)line;
        request.data.len = sizeof(line);
        struct banger_error error;
        Banger__V1__SendStdinResponse *answer = banger_send_stdin(own, &request, NULL, &error);
        if (!answer) {
            fprintf(stderr, "SendStdin: %s %s\n", error.reason, error.message);
            break;
        }
        s->sent++;
        banger_message_free(&answer->base);
    }
    banger_close(own);
    return NULL;
}

static void senders_do_not_mix(void)
{
    char id[STEPS_ID_BYTES];
    pthread_t threads[2];
    struct attach_reader r;
    start("cat", true, id);
    struct sender senders[2] = {{.id = id, .letter = 'a'}, {.id = id, .letter = 'b'}};
    for (int i = 0; i < 2; i++)
        CHECK_INT(pthread_create(&threads[i], NULL, send_lines, &senders[i]), 0);
    open_kept(&r, id, NULL);
    for (int i = 0; i < 2; i++) {
        pthread_join(threads[i], NULL);
        CHECK_INT(senders[i].sent, LINES);
    }
    Banger__V1__SendStdinRequest eof = BANGER__V1__SEND_STDIN_REQUEST__INIT;
    eof.session = id;
    eof.eof = true;
    Banger__V1__SendStdinResponse *answer = banger_send_stdin(client, &eof, NULL, NULL);
    if (CHECK(answer))
        CHECK_INT(answer->stdin_offset, 2 * LINES * LINE);
    banger_message_free(answer ? &answer->base : NULL);
    CHECK(reader_finish(&r, GUEST_MS));
    CHECK_INT(r.total[1], 2 * LINES * LINE);
    const uint8_t *at = buf_data(&r.out[1]);
    int mixed = 0, changes = 0;
    for (size_t i = 0; i + LINE <= buf_len(&r.out[1]); i += LINE) {
        for (size_t k = 1; k < LINE - 1; k++)
            mixed += at[i + k] != at[i];
        mixed += at[i + LINE - 1] != '\n';
        changes += i > 0 && at[i] != at[i - LINE];
    }
    CHECK_INT(mixed, 0);
    printf("     the two took turns %d times\n", changes);
    reader_close(&r);
}

static void exit_that_nobody_watched(void)
{
    struct attach_reader r;
    char id[STEPS_ID_BYTES];
    start("echo alone; exit 11", false, id);
    CHECK(steps_await_session(&h, client, id, SESSION_STATE(EXITED), GUEST_MS));
    harness_crash(&h);
    open_kept(&r, id, NULL);
    CHECK(reader_finish(&r, GUEST_MS));
    CHECK_INT(r.status, 11);
    check_text(&r, 1, "alone\n");
    reader_close(&r);
}

static void signals_reach_the_group(void)
{
    struct attach_reader r;
    char id[STEPS_ID_BYTES];
    start("trap 'echo told; exit 8' USR1; echo up; while :; do sleep 0.05; done", true, id);
    open_kept(&r, id, &writer);
    CHECK(reader_await_bytes(&r, 3, GUEST_MS));
    struct banger_error error;
    CHECK_INT(banger_attach_signal(r.attach, SIGUSR1,
                                   BANGER__V1__SIGNAL_TARGET__SIGNAL_TARGET_PROCESS, &error),
              0);
    CHECK(reader_finish(&r, GUEST_MS));
    CHECK_INT(r.status, 8);
    check_text(&r, 1, "up\ntold\n");
    reader_close(&r);
}

/* All attaches of a VM that dies under them end with Lost. Last test: the VM is gone. */
static void vm_dies_under_attaches(void)
{
    enum { N = 4 };
    struct attach_reader r[N];
    char id[STEPS_ID_BYTES];
    start("echo up; exec cat", true, id); /* on sim, ends with its pipe: nobody else ends it */
    for (int i = 0; i < N; i++) {
        open_kept(&r[i], id, i ? &viewer : &writer);
        CHECK(reader_await_bytes(&r[i], 3, GUEST_MS));
    }
    CHECK_INT(kill(steps_vm_pid(client, box), SIGKILL), 0);
    for (int i = 0; i < N; i++) {
        CHECK(reader_finish(&r[i], GUEST_MS));
        CHECK(r[i].lost);
        CHECK_CONTAINS(r[i].reason, "vm_lost");
        CHECK_INT(r[i].exits, 0);
        reader_close(&r[i]);
    }
    CHECK_INT(steps_session_state(&h, client, id), SESSION_STATE(LOST));
    /* Who comes later hears the same. */
    reader_open(&r[0], client, id, NULL);
    CHECK(reader_finish(&r[0], GUEST_MS));
    CHECK(r[0].lost);
    reader_close(&r[0]);
}

int main(int argc, char **argv)
{
    struct banger_error error;
    harness_open(&h, argc > 1 ? argv[1] : "sim");
    client = harness_connect(&h);
    if (steps_create_vm(client, &h, NULL, box, &error) < 0)
        harness_die(&h, "no VM: %s", error.message);
    emit = steps_put_emit(client, &h, box);
    RUN(one_writer_at_a_time);
    RUN(leaving_touches_nothing);
    RUN(start_where_asked);
    RUN(exit_comes_once_and_last);
    RUN(grandchild_holds_stdout);
    RUN(much_stdin);
    RUN(early_eof);
    RUN(stdin_of_a_process_that_ends);
    RUN(senders_do_not_mix);
    RUN(exit_that_nobody_watched);
    RUN(signals_reach_the_group);
    RUN(vm_dies_under_attaches);
    CHECK_INT(steps_do(client, STEPS_DELETE, box, &error), 0);
    CHECK(harness_processes_settle(&h, 0, 15000));
    banger_close(client);
    CHECK(harness_close(&h));
    return check_end();
}
