/* A guest whose root does its worst: the agent keeps processors, memory and processes of its own.
 * guest_limits_test qemu */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "banger/methods.h"
#include "base/clock.h"
#include "tests/support/check.h"
#include "tests/support/harness.h"
#include "tests/support/vm_steps.h"

#define TEXT(s) ((char *)(uintptr_t)(s))

enum {
    WAIT_MS = 240000,
    KILL_MS = 120000,
    GUEST_MIB = 256,
    MONITOR_MIB = 64 + 128,
    FILES_MIB = 72
};

static struct harness h;
static struct banger_client *client;

static long read_guest(const char *command)
{
    const char *const argv[] = {"sh", "-c", command, NULL};
    char out[64];
    return steps_run(client, &h, "box", argv, NULL, 0, out, sizeof(out)) == 0
               ? strtol(out, NULL, 10)
               : -1;
}

/* As a user would who is told that the deadline passed: again. */
static bool session_is_killed(void *arg)
{
    struct banger_error error = {0};
    Banger__V1__KillSessionRequest kill = BANGER__V1__KILL_SESSION_REQUEST__INIT;
    kill.session = arg;
    Banger__V1__GuestSession *done = banger_kill_session(client, &kill, NULL, &error);
    banger_message_free(done ? &done->base : NULL);
    return done != NULL;
}

static void kill_session(char *id)
{
    CHECK(harness_until(session_is_killed, id, KILL_MS));
    CHECK(steps_await_session(&h, client, id, SESSION_STATE(EXITED), KILL_MS));
}

/* Ends when the bomb has grown. It forks nothing itself: there may be nothing to fork with. */
static const char *const watcher[] = {
    "sh", "-c",
    "cd /sys/fs/cgroup/banger; while read -r n <pids.current; do test $n -lt 150 || exit 7; done",
    NULL};

static void test_a_fork_bomb_of_root_is_killed(void)
{
    static const char *const bomb[] = {"sh", "-c", "b() { b | b & }; b; sleep 1000", NULL};
    struct banger_error error = {0};
    char id[STEPS_ID_BYTES], watch[STEPS_ID_BYTES];
    CHECK_INT(steps_start_session(client, &h, "box", watcher, false, watch, &error), 0);
    CHECK_INT(steps_start_session(client, &h, "box", bomb, false, id, &error), 0);
    int64_t begin_ms = clock_mono_ms();
    CHECK(steps_await_session(&h, client, watch, SESSION_STATE(EXITED), WAIT_MS));
    printf("     150 processes after %" PRId64 " ms\n", clock_mono_ms() - begin_ms);
    begin_ms = clock_mono_ms();
    kill_session(id);
    printf("     killed after %" PRId64 " ms\n", clock_mono_ms() - begin_ms);
    CHECK(read_guest("cat /sys/fs/cgroup/banger/pids.current") < 10);
}

static void test_the_agent_and_its_keeper_have_a_share_of_their_own(void)
{
    char out[64];
    static const char *const argv[] = {"sh", "-c",
                                       "cat /proc/1/cgroup /sys/fs/cgroup/banger-agent/cpu.weight; "
                                       "wc -l </sys/fs/cgroup/banger-agent/cgroup.procs",
                                       NULL};
    CHECK_INT(steps_run(client, &h, "box", argv, NULL, 0, out, sizeof(out)), 0);
    CHECK_STR(out, "0::/banger-agent\n10000\n2\n");
    CHECK(read_guest("cat /sys/fs/cgroup/banger/pids.max") > 100);
    CHECK(read_guest("cat /sys/fs/cgroup/banger/memory.max") > 100 << 20);
    CHECK(read_guest("cat /sys/fs/cgroup/banger-agent/memory.min") >= 8 << 20);
    CHECK(read_guest("cat /sys/fs/cgroup/banger-agent/memory.current") < 64 << 20);
}

/* An ended session without processes has none either: its own is all that a look finds. */
static bool only_own_cgroup_is_left(void *arg)
{
    (void)arg;
    return read_guest("ls -d /sys/fs/cgroup/banger/*/ | wc -l") == 1;
}

static void test_cgroups_that_a_session_made_go_with_it(void)
{
    static const char *const nest[] = {
        "sh", "-c",
        "cd /sys/fs/cgroup/banger/$BANGER_SESSION && mkdir -p a/b/c d \"e$(printf '/e%.0s' $(seq "
        "100))\" && "
        "sh -c 'echo 0 >a/b/c/cgroup.procs; sleep 1000' & sleep 1000",
        NULL};
    struct banger_error error = {0};
    char id[STEPS_ID_BYTES];
    CHECK_INT(steps_start_session(client, &h, "box", nest, false, id, &error), 0);
    kill_session(id);
    Banger__V1__DeleteSessionRequest delete = BANGER__V1__DELETE_SESSION_REQUEST__INIT;
    delete.session = id;
    Banger__V1__Empty *done = banger_delete_session(client, &delete, NULL, &error);
    CHECK(done != NULL);
    banger_message_free(done ? &done->base : NULL);
    CHECK(harness_until(only_own_cgroup_is_left, NULL, WAIT_MS));
}

/* Of a VMM that has run much: what max_memory_mib counts. */
static void test_the_monitor_stays_within_what_is_counted(void)
{
    pid_t pid = steps_vm_pid(client, "box");
    uint64_t peak_kib = harness_memory_kib(pid, "VmHWM");
    printf("     the VMM's peak: %" PRIu64 " MiB\n", peak_kib >> 10);
    CHECK(peak_kib > 0 && peak_kib >> 10 <= GUEST_MIB + MONITOR_MIB + FILES_MIB);
}

int main(int argc, char **argv)
{
    struct banger_error error = {0};
    char id[STEPS_ID_BYTES];
    harness_open(&h, argc > 1 ? argv[1] : "qemu");
    client = harness_connect(&h);
    CHECK_INT(steps_create_vm(client, &h, &(struct steps_create){.name = "box"}, id, &error), 0);
    RUN(test_the_agent_and_its_keeper_have_a_share_of_their_own);
    RUN(test_cgroups_that_a_session_made_go_with_it);
    RUN(test_a_fork_bomb_of_root_is_killed);
    RUN(test_the_monitor_stays_within_what_is_counted);
    banger_close(client);
    CHECK(harness_close(&h));
    return check_end();
}
