/* The folder for output on a disk that is full, takes no writes, or is gone, while the agent is
 * killed: sessions run on, end with their codes, what is kept is exact and in bounds, and what is
 * not is said. Needs root for a mount namespace with a small disk of its own. argv: the agent. */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/clock.h"
#include "tests/support/agent_below.h"
#include "tests/support/agent_run.h"
#include "tests/support/check.h"
#include "tests/support/emit_bytes.h"

#define EXITED BANGER__AGENT__V1__SESSION_STATE__SESSION_STATE_EXITED

enum {
    OVERALL_MS = 25000,
    N_SESSIONS = 16,
    KILLS = 8,
    OUT_BYTES = 6 * 1024 * 1024 + 17,
    DISK_MIB = 64,
    USED_BYTES = 2 * 1024 * 1024, /* less than ended sessions may keep of it */
    LEAST_BYTES = 16 * 1024,      /* SPOOL_STARVED_BYTES */
    MOST_BYTES = 128 * 1024,      /* SPOOL_MEMORY_BYTES */
    AGENT_KIB_MAX = 24 * 1024,    /* SPOOL_POOL_BYTES, and itself */
    FIRST_CODE = 20,
};

static char folder[] = "/tmp/banger-disk-XXXXXX", path[64], disk[64], filler[80];
static struct agent_run run;

/* The disk */

static void mount_disk(void)
{
    char options[32];
    snprintf(options, sizeof(options), "size=%dm", DISK_MIB);
    CHECK_INT(mount("tmpfs", disk, "tmpfs", 0, options), 0);
}

static void set_read_only(bool read_only)
{
    char options[32];
    snprintf(options, sizeof(options), "size=%dm", DISK_MIB);
    CHECK_INT(mount("tmpfs", disk, "tmpfs", MS_REMOUNT | (read_only ? MS_RDONLY : 0), options), 0);
}

/* The agent has put output there. */
static void await_output(void)
{
    struct statvfs v;
    do
        sched_yield();
    while (agent_run_in_time(&run) && statvfs(disk, &v) == 0 &&
           (v.f_blocks - v.f_bfree) * v.f_frsize < USED_BYTES);
}

/* To the last byte. */
static void fill_disk(void)
{
    await_output();
    static char block[65536];
    int fd = open(filler, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    size_t n = sizeof(block);
    CHECK(fd >= 0);
    while (fd >= 0 && n > 0)
        if (write(fd, block, n) <= 0)
            n /= 2;
    close(fd);
}

/* Sessions */

static void id_of(int i, char id[16])
{
    snprintf(id, 16, "s%d", i);
}

static void start(int i)
{
    char id[16], seed[16], bytes[16], code[16];
    id_of(i, id);
    snprintf(seed, sizeof(seed), "%d", i * 10);
    snprintf(bytes, sizeof(bytes), "%d", OUT_BYTES);
    snprintf(code, sizeof(code), "%d", FIRST_CODE + i);
    const char *const argv[] = {BANGER_TEST_EMIT_FILE, seed, bytes, "0", code, NULL};
    CHECK_INT(probe_start(&run.probe, id, argv, false), 0);
}

/* What is kept of it is its end, and as it was written; how much, and why no more. */
struct kept {
    size_t n;
    char reason[32];
};

static struct kept check_end_of(int i)
{
    struct probe_result r;
    static uint8_t want[OUT_BYTES];
    char id[16];
    id_of(i, id);
    uint32_t sub = probe_subscribe(&run.probe, id, PROBE_CREDIT_BYTES);
    start(i); /* it exists: its status is told */
    if (!CHECK_INT(probe_collect(&run.probe, id, sub, true, &r), 0)) {
        fprintf(stderr, "%s: %s\n", id, run.probe.error);
        return (struct kept){0};
    }
    size_t n = buf_len(&r.out);
    CHECK_INT(r.state, EXITED);
    if (!CHECK_INT(r.exit_code, FIRST_CODE + i))
        fprintf(stderr, "%s: signal %d, stage %s\n", id, r.signo, r.failed_stage);
    CHECK_INT(r.n_out, OUT_BYTES);
    CHECK(n <= OUT_BYTES);
    emit_fill((uint64_t)i * 10, OUT_BYTES - n, want, n);
    CHECK(n == 0 || memcmp(want, buf_data(&r.out), n) == 0);
    CHECK_INT(r.gap, n < OUT_BYTES);
    struct kept k = {.n = n};
    memcpy(k.reason, r.gap_reason, sizeof(k.reason));
    probe_result_done(&r);
    CHECK_INT(probe_delete(&run.probe, id), 0);
    return k;
}

/* Of all; what ended sessions may keep together is a part of the disk, and the oldest goes first.
 */
static size_t check_ends(size_t most_bytes)
{
    size_t all = 0;
    for (int i = 0; i < N_SESSIONS; i++) {
        struct kept k = check_end_of(i);
        if (strcmp(k.reason, "ended_limit") == 0)
            continue;
        CHECK_STR(k.reason, k.n == OUT_BYTES ? "" : "disk_full");
        CHECK(k.n >= LEAST_BYTES && k.n <= most_bytes);
        all += k.n;
    }
    printf("     %zu of %d KiB kept\n", all >> 10, N_SESSIONS * OUT_BYTES >> 10);
    return all;
}

static bool has_ended(int i)
{
    char id[16];
    id_of(i, id);
    start(i);
    PB(FromAgent) *m = probe_wait_state(&run.probe, id, EXITED);
    probe_free(m);
    return m;
}

/* Starts that a killed agent has not read are told to the next one, too. */
static void start_all(void)
{
    for (int i = 0; i < N_SESSIONS; i++)
        start(i);
}

static void run_all_killed(void (*meanwhile)(void))
{
    run.deadline_ms = clock_mono_ms() + OVERALL_MS;
    agent_run_link(&run);
    for (int i = 0; i < KILLS; i++) {
        struct timespec some = {.tv_nsec = rand() % 4000000};
        start_all();
        nanosleep(&some, NULL); /* any moment will do: none is waited for */
        agent_run_replace(&run);
        if (i == 2) {
            start_all();
            meanwhile();
        }
    }
    for (int i = 0; i < N_SESSIONS; i++)
        CHECK(has_ended(i));
}

static void check_agent_memory(void)
{
    char name[64], line[128];
    unsigned long kib = 0;
    snprintf(name, sizeof(name), "/proc/%d/status", (int)agent_below(run.keeper));
    FILE *f = fopen(name, "re");
    while (f && fgets(line, sizeof(line), f))
        if (sscanf(line, "VmHWM: %lu", &kib) == 1)
            break;
    if (f)
        fclose(f);
    printf("     %lu KiB of the agent's\n", kib);
    CHECK(kib > 0 && kib < AGENT_KIB_MAX);
}

static void check_one_is_whole(void)
{
    start(0);
    CHECK(has_ended(0));
    struct kept k = check_end_of(0);
    CHECK_INT(k.n, OUT_BYTES);
    CHECK_STR(k.reason, "");
}

static void test_a_full_disk_costs_old_output_alone(void)
{
    mount_disk();
    agent_run_start(&run);
    run_all_killed(fill_disk);
    check_agent_memory();
    CHECK(check_ends(OUT_BYTES) < (DISK_MIB << 20) + N_SESSIONS * MOST_BYTES);
    CHECK_INT(unlink(filler), 0);
    check_one_is_whole();
    agent_run_end(&run);
    CHECK_INT(umount2(disk, MNT_DETACH), 0);
}

static void nothing(void)
{
}

static void test_a_disk_that_takes_no_writes_is_said_and_used_when_it_does(void)
{
    mount_disk();
    agent_run_start(&run);
    run.deadline_ms = clock_mono_ms() + OVERALL_MS;
    agent_run_link(&run);
    set_read_only(true);
    run_all_killed(nothing);
    check_agent_memory();
    CHECK(check_ends(MOST_BYTES) > 0);
    set_read_only(false);
    check_one_is_whole();
    agent_run_end(&run);
    CHECK_INT(umount2(disk, MNT_DETACH), 0);
}

static void take_away(void)
{
    await_output();
    CHECK_INT(umount2(disk, MNT_DETACH), 0);
    if (!CHECK_INT(rmdir(disk), 0))
        perror(disk);
}

static void test_a_folder_that_is_gone_is_said_and_used_when_it_is_back(void)
{
    mount_disk();
    agent_run_start(&run);
    run_all_killed(take_away);
    check_agent_memory();
    check_ends(OUT_BYTES);
    CHECK_INT(mkdir(disk, 0700), 0);
    check_one_is_whole();
    agent_run_end(&run);
}

int main(int argc, char **argv)
{
    if (argc < 2 || !mkdtemp(folder))
        return check_skip("no folder below /tmp");
    if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0) {
        rmdir(folder);
        return check_skip("needs root for a mount namespace of its own");
    }
    srand((unsigned)clock_mono_ns());
    snprintf(path, sizeof(path), "%s/agent.sock", folder);
    snprintf(disk, sizeof(disk), "%s/disk", folder);
    snprintf(filler, sizeof(filler), "%s/filler", disk);
    CHECK_INT(mkdir(disk, 0700), 0);
    run = (struct agent_run){.file = argv[1], .path = path, .spool = disk};
    probe_init(&run.probe);
    RUN(test_a_full_disk_costs_old_output_alone);
    RUN(test_a_disk_that_takes_no_writes_is_said_and_used_when_it_does);
    RUN(test_a_folder_that_is_gone_is_said_and_used_when_it_is_back);
    unlink(path);
    rmdir(disk);
    rmdir(folder);
    return check_end();
}
