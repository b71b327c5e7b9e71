/* An agent that has more files open than an ordinary process may: sessions start, with an ordinary
 * process's limits, and outlive it. argv: the agent's program. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "tests/support/agent_run.h"
#include "tests/support/check.h"

#define RUNNING BANGER__AGENT__V1__SESSION_STATE__SESSION_STATE_RUNNING

enum { OVERALL_MS = 60000, FILES = 48, N_SESSIONS = 40, SCORE = 321 };

static char folder[] = "/tmp/banger-files-XXXXXX", path[64];
static struct agent_run run;

static void id_of(int i, char id[16])
{
    snprintf(id, 16, "s%d", i);
}

static void start_all(void)
{
    static const char *const argv[] = {
        "sh", "-c", "echo $(ulimit -Sn) $(cat /proc/self/oom_score_adj); read -r x; exit 3", NULL};
    for (int i = 0; i < N_SESSIONS; i++) {
        PB(StartSession) s = BANGER__AGENT__V1__START_SESSION__INIT;
        char id[16];
        id_of(i, id);
        s.session_id = id;
        s.stdin_mode = BANGER__AGENT__V1__STDIN_MODE__STDIN_MODE_PIPE;
        s.oom_score_adj = SCORE;
        CHECK_INT(probe_start_message(&run.probe, &s, argv), 0);
        PB(FromAgent) *m = probe_wait_state(&run.probe, id, RUNNING);
        if (!CHECK(m != NULL))
            fprintf(stderr, "%s\n", run.probe.error);
        probe_free(m);
    }
}

static void end_all(void)
{
    char want[32];
    int n = snprintf(want, sizeof(want), "%d %d\n", FILES, SCORE);
    for (int i = 0; i < N_SESSIONS; i++) {
        struct probe_result r;
        char id[16];
        id_of(i, id);
        CHECK_INT(probe_stdin_eof(&run.probe, id, 0), 0);
        uint32_t sub = probe_subscribe(&run.probe, id, PROBE_CREDIT_BYTES);
        if (CHECK_INT(probe_collect(&run.probe, id, sub, true, &r), 0)) {
            CHECK_INT(r.exit_code, 3);
            CHECK_INT(buf_len(&r.out), n);
            CHECK(buf_len(&r.out) == (size_t)n && memcmp(buf_data(&r.out), want, (size_t)n) == 0);
        }
        probe_result_done(&r);
    }
}

static void test_more_files_than_a_session_may_have(void)
{
    run.deadline_ms = clock_mono_ms() + OVERALL_MS;
    agent_run_link(&run);
    start_all();
    agent_run_replace(&run);
    end_all();
}

int main(int argc, char **argv)
{
    struct rlimit few;
    if (argc < 2 || !mkdtemp(folder))
        return check_skip("no folder below /tmp");
    if (getrlimit(RLIMIT_NOFILE, &few) < 0 || few.rlim_max < 1024)
        return check_skip("may not have 1,024 files open");
    snprintf(path, sizeof(path), "%s/agent.sock", folder);
    run = (struct agent_run){.file = argv[1], .path = path, .spool = folder};
    probe_init(&run.probe);
    few.rlim_cur = FILES;
    CHECK_INT(setrlimit(RLIMIT_NOFILE, &few), 0);
    agent_run_start(&run);
    RUN(test_more_files_than_a_session_may_have);
    agent_run_end(&run);
    unlink(path);
    rmdir(folder);
    return check_end();
}
