/* Logs that are followed come back by themselves, where they were; and their times are the host's,
 * also after a pause of the guest. logs_test sim|qemu */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "banger/logs.h"
#include "base/clock.h"
#include "tests/support/check.h"
#include "tests/support/harness.h"
#include "tests/support/vm_steps.h"

enum { LINES = 400, CRASHES = 3, WAIT_MS = 60000, PAUSE_MS = 3000, NANOS = 1000000000 };

static struct harness h;
static struct banger_client *client;
static char box[STEPS_ID_BYTES];
static struct banger_error error;

static struct banger_logs *follow(char *session, Banger__V1__ReadLogsRequest request)
{
    request.session = session;
    request.follow = true;
    struct banger_logs *logs = banger_logs_open(client, &request, &error);
    if (!logs)
        harness_die(&h, "logs: %s", error.message);
    return logs;
}

/* Every line once, whatever becomes of the daemon. */
static void a_reader_goes_on(void)
{
    char id[STEPS_ID_BYTES], script[128];
    const Banger__V1__LogChunk *chunk;
    static char got[LINES * 8 + 1], want[LINES * 8 + 1];
    size_t n = 0;
    unsigned crashes = 0;
    snprintf(script, sizeof(script),
             "i=0; while [ $i -lt %d ]; do printf '%%07d\\n' $i; i=$((i+1)); sleep 0.01; done",
             LINES);
    const char *const argv[] = {"sh", "-c", script, NULL};
    CHECK_INT(steps_start_session(client, &h, box, argv, false, id, &error), 0);
    struct banger_logs *logs =
        follow(id, (Banger__V1__ReadLogsRequest)BANGER__V1__READ_LOGS_REQUEST__INIT);
    enum banger_next next;
    while ((next = banger_logs_next(logs, WAIT_MS, &chunk, &error)) == BANGER_NEXT_MESSAGE) {
        if (!CHECK_INT(chunk->offset, n) || !CHECK(n + chunk->data.len < sizeof(got)))
            break;
        memcpy(got + n, chunk->data.data, chunk->data.len);
        n += chunk->data.len;
        if (crashes < CRASHES && n > (crashes + 1) * sizeof(got) / (CRASHES + 1)) {
            harness_crash(&h);
            crashes++;
        }
    }
    CHECK_INT(next, BANGER_NEXT_END);
    for (int i = 0; i < LINES; i++)
        snprintf(want + i * 8, sizeof(want) - (size_t)i * 8, "%07d\n", i);
    CHECK_STR(got, want);
    CHECK(banger_logs_returns(logs) >= crashes && crashes > 0);
    banger_logs_close(logs);
}

/* Cut off before anything has come it begins where it would have. */
static void a_reader_of_what_comes_goes_on(void)
{
    static const char *const argv[] = {"sh", "-c", "echo old; cat", NULL};
    char id[STEPS_ID_BYTES];
    const Banger__V1__LogChunk *chunk;
    Banger__V1__ReadLogsRequest request = BANGER__V1__READ_LOGS_REQUEST__INIT;
    Banger__V1__SendStdinRequest send = BANGER__V1__SEND_STDIN_REQUEST__INIT;
    CHECK_INT(steps_start_session(client, &h, box, argv, true, id, &error), 0);
    struct banger_logs *all = follow(id, request);
    CHECK_INT(banger_logs_next(all, WAIT_MS, &chunk, &error), BANGER_NEXT_MESSAGE);
    banger_logs_close(all);
    request.only_new = request.tell_start = true;
    struct banger_logs *logs = follow(id, request);
    for (int i = 0; i < 2; i++) {
        CHECK_INT(banger_logs_next(logs, WAIT_MS, &chunk, &error), BANGER_NEXT_MESSAGE);
        CHECK_INT(chunk->data.len, 0);
    }
    harness_crash(&h);
    send.session = id;
    send.data.data = (uint8_t *)(uintptr_t) "new\n";
    send.data.len = 4;
    send.eof = true;
    Banger__V1__SendStdinResponse *sent = NULL;
    int64_t deadline =
        clock_mono_ms() + WAIT_MS; /* a new daemon does not know yet where it goes on */
    do
        sent = banger_send_stdin(client, &send, NULL, &error);
    while (!sent && error.code == BANGER_UNAVAILABLE && clock_mono_ms() < deadline);
    CHECK(sent != NULL);
    banger_message_free(sent ? &sent->base : NULL);
    CHECK_INT(banger_logs_next(logs, WAIT_MS, &chunk, &error), BANGER_NEXT_MESSAGE);
    CHECK(chunk && chunk->data.len == 4 && memcmp(chunk->data.data, "new\n", 4) == 0);
    CHECK_INT(banger_logs_next(logs, WAIT_MS, &chunk, &error), BANGER_NEXT_END);
    CHECK_INT(banger_logs_next(logs, 0, &chunk, &error), BANGER_NEXT_END);
    banger_logs_close(logs);
}

static bool has_come(void *arg)
{
    return clock_mono_ms() >= *(int64_t *)arg;
}

/* Milliseconds that the latest tick is behind the host's clock. */
static int64_t behind_ms(struct banger_logs *logs)
{
    const Banger__V1__LogChunk *chunk;
    if (!CHECK_INT(banger_logs_next(logs, WAIT_MS, &chunk, &error), BANGER_NEXT_MESSAGE) ||
        !CHECK(chunk->time != NULL))
        return 0;
    return (clock_real_ns() - chunk->time->seconds * NANOS - chunk->time->nanos) / 1000000;
}

static void times_are_the_hosts(void)
{
    static const char *const argv[] = {"sh", "-c", "while :; do echo tick; sleep 0.1; done", NULL};
    char id[STEPS_ID_BYTES];
    Banger__V1__ReadLogsRequest request = BANGER__V1__READ_LOGS_REQUEST__INIT;
    CHECK_INT(steps_start_session(client, &h, box, argv, false, id, &error), 0);
    request.times = true;
    struct banger_logs *logs = follow(id, request);
    for (int i = 0; i < 5; i++) {
        int64_t behind = behind_ms(logs);
        CHECK(behind >= -100 && behind < 2000);
    }
    CHECK_INT(steps_do(client, STEPS_PAUSE, box, &error), 0);
    int64_t then = clock_mono_ms() + PAUSE_MS;
    CHECK(harness_until(has_come, &then, WAIT_MS));
    CHECK_INT(steps_do(client, STEPS_RESUME, box, &error), 0);
    int64_t behind = PAUSE_MS, deadline = clock_mono_ms() + WAIT_MS;
    for (int good = 0; good < 10 && clock_mono_ms() < deadline;) {
        behind = behind_ms(logs);
        good = behind < PAUSE_MS - 1000 ? good + 1 : 0;
    }
    CHECK(behind < PAUSE_MS - 1000);
    banger_logs_close(logs);
}

int main(int argc, char **argv)
{
    harness_open(&h, argc > 1 ? argv[1] : "sim");
    client = harness_connect(&h);
    if (steps_create_vm(client, &h, NULL, box, &error) < 0)
        harness_die(&h, "no VM: %s", error.message);
    RUN(a_reader_goes_on);
    RUN(a_reader_of_what_comes_goes_on);
    RUN(times_are_the_hosts);
    banger_close(client);
    CHECK(harness_close(&h));
    return check_end();
}
