/* The daemon, or the agent in the guest, is killed while bytes are under way: none is lost, none
 * comes twice, and none is taken for another. stdin_restart_test sim|qemu */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "tests/support/agent_below.h"
#include "tests/support/attach_reader.h"
#include "tests/support/check.h"
#include "tests/support/emit_bytes.h"
#include "tests/support/harness.h"
#include "tests/support/vm_steps.h"
#include "tests/support/told.h"

enum {
    GUEST_MS = 120000,
    HELD = 200 * 1024, /* more than a pipe takes, less than agent and pipe */
    MARKS = 50000,
    LONG_BYTES = 6 * 1024 * 1024,
    KILLS = 6,
};

static struct harness h;
static struct banger_client *client;
static char box[STEPS_ID_BYTES];
static const struct told_attach as_writer = {.role = BANGER__V1__ATTACH_ROLE__ATTACH_ROLE_WRITER};

static uint8_t *bytes_of(uint64_t seed, size_t len)
{
    uint8_t *bytes = malloc(len);
    if (!bytes)
        harness_die(&h, "no memory");
    emit_fill(seed, 0, bytes, len);
    return bytes;
}

/* The first writer's bytes wait in the agent, since the process does not read yet. The daemon that
 * knew them dies; a writer that comes to the next one goes on behind them. */
static void bytes_wait_in_the_guest(void)
{
    char id[STEPS_ID_BYTES], go[64], script[200];
    struct banger_error error;
    struct attach_reader r;
    snprintf(go, sizeof(go), "/tmp/go.%s", h.dir + strlen("/tmp/"));
    snprintf(script, sizeof(script), "until rm %s 2>/dev/null; do sleep 0.05; done; exec cat", go);
    const char *const argv[] = {"sh", "-c", script, NULL};
    const char *const nothing[] = {"true", NULL};
    const char *const touch[] = {"touch", go, NULL};
    CHECK_INT(steps_start_session(client, &h, box, argv, true, id, &error), 0);
    uint8_t *held = bytes_of(1, HELD), *marks = bytes_of(2, MARKS);
    reader_open(&r, client, id, &as_writer);
    while (r.opened == 0 && reader_step(&r, GUEST_MS) > 0)
        ;
    CHECK_INT(banger_attach_write(r.attach, held, HELD, &error), HELD);
    banger_attach_detach(r.attach); /* behind them on the same stream */
    CHECK(reader_finish(&r, GUEST_MS));
    CHECK(r.stdin_acked < HELD);
    reader_close(&r);
    /* The link to the agent is in order: it has them when it has run this. */
    CHECK_INT(steps_run(client, &h, box, nothing, NULL, 0, NULL, 0), 0);
    harness_crash(&h);

    reader_open(&r, client, id, &as_writer);
    r.keep = true;
    while (r.opened == 0 && reader_step(&r, GUEST_MS) > 0)
        ;
    CHECK_INT(banger_attach_write(r.attach, marks, MARKS, &error), MARKS);
    banger_attach_write_eof(r.attach);
    CHECK_INT(steps_run(client, &h, box, touch, NULL, 0, NULL, 0), 0);
    CHECK(reader_finish(&r, GUEST_MS));
    CHECK_INT(r.status, 0);
    if (CHECK_INT(buf_len(&r.out[1]), HELD + MARKS)) {
        CHECK(memcmp(buf_data(&r.out[1]), held, HELD) == 0);
        CHECK(memcmp(buf_data(&r.out[1]) + HELD, marks, MARKS) == 0);
    }
    reader_close(&r);
    free(held);
    free(marks);
}

static bool is_sim;

/* In the guest our parent is the keeper, and whatever child of it is not a session's the agent. */
static void kill_agent(void)
{
    static const char script[] = "n=0; for p in $(cat /proc/$PPID/task/$PPID/children); do "
                                 "tr '\\0' '\\n' </proc/$p/environ | grep -q ^BANGER_SESSION= || { "
                                 "kill -9 $p; n=$((n + 1)); }; "
                                 "done; exit $((n - 1))";
    const char *const argv[] = {"sh", "-c", script, NULL};
    if (!is_sim) {
        CHECK_INT(steps_run(client, &h, box, argv, NULL, 0, NULL, 0), 0);
        return;
    }
    pid_t pid = agent_below(steps_vm_pid(client, box));
    if (CHECK(pid > 0))
        kill(pid, SIGKILL);
}

static void kill_daemon(void)
{
    harness_crash(&h);
}

/* One writer stays through it all, the time between included. */
static void a_writer_outlives(void (*kill_it)(void))
{
    static const char *const argv[] = {"cat", NULL};
    char id[STEPS_ID_BYTES];
    struct banger_error error = {0};
    struct attach_reader r;
    size_t given = 0;
    unsigned kills = 0;
    uint8_t *bytes = bytes_of(3, LONG_BYTES);
    int64_t began_ms = clock_mono_ms();
    CHECK_INT(steps_start_session(client, &h, box, argv, true, id, &error), 0);
    reader_open(&r, client, id, &as_writer);
    r.check = true;
    r.seed = 3;
    while (!r.over && given < LONG_BYTES) {
        size_t room = r.opened ? banger_attach_room(r.attach) : 0;
        size_t n = room < LONG_BYTES - given ? room : LONG_BYTES - given;
        if (n > 0 && banger_attach_write(r.attach, bytes + given, n, &error) != (ssize_t)n)
            break;
        given += n;
        if (given > (kills + 1) * (size_t)(LONG_BYTES / (KILLS + 1))) {
            kill_it();
            kills++;
        }
        if (reader_step(&r, GUEST_MS) <= 0)
            break;
    }
    banger_attach_write_eof(r.attach);
    CHECK(reader_finish(&r, GUEST_MS));
    CHECK_INT(r.next[1], LONG_BYTES);
    CHECK_INT(r.status, 0);
    CHECK_INT(r.gaps, 0);
    CHECK(kills >= KILLS - 1);
    CHECK_STR(error.message, "");
    printf("     %u kills in %lld ms\n", kills, (long long)(clock_mono_ms() - began_ms));
    reader_close(&r);
    free(bytes);
}

static void a_writer_outlives_daemons(void)
{
    a_writer_outlives(kill_daemon);
}

static void a_writer_outlives_agents(void)
{
    a_writer_outlives(kill_agent);
}

int main(int argc, char **argv)
{
    struct banger_error error;
    const char *engine = argc > 1 ? argv[1] : "sim";
    is_sim = strcmp(engine, "sim") == 0;
    harness_open(&h, engine);
    client = harness_connect(&h);
    if (steps_create_vm(client, &h, NULL, box, &error) < 0)
        harness_die(&h, "no VM: %s", error.message);
    RUN(bytes_wait_in_the_guest);
    RUN(a_writer_outlives_daemons);
    RUN(a_writer_outlives_agents);
    banger_close(client);
    CHECK(harness_close(&h));
    return check_end();
}
