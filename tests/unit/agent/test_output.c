/* Output and its readers: who is waited for, what comes after the exit, what is left running; and
 * starts that are taken back before they have begun. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "tests/support/agent_fixture.h"
#include "tests/support/agent_probe.h"
#include "tests/support/check.h"

static struct probe p;

#define EXITED    BANGER__AGENT__V1__SESSION_STATE__SESSION_STATE_EXITED
#define ARGV(...) ((const char *const[]){__VA_ARGS__, NULL})

/* Every call on the probe goes through this: its text says what went wrong. */
#define OK(call) check_report((call) >= 0, __FILE__, __LINE__, p.error)

enum { SPOOL_BYTES = 64 * 1024, STEP_BYTES = 4 * 1024, MUCH_BYTES = 3 * 1024 * 1024 };

static void start_held(const char *id, uint32_t hold_ms, const char *script)
{
    PB(StartSession) s = BANGER__AGENT__V1__START_SESSION__INIT;
    s.session_id = (char *)(uintptr_t)id;
    s.spool_bytes = SPOOL_BYTES;
    s.hold_ms = hold_ms;
    OK(probe_start_message(&p, &s, ARGV("sh", "-c", script)));
}

static void forget(const char *id, struct probe_result *r)
{
    probe_result_done(r);
    OK(probe_delete(&p, id));
}

/* A few bytes at a time, from a spool that is far smaller than what is written. */
static void test_a_process_waits_for_its_holder(void)
{
    struct probe_result r;
    start_held("h1", 60000, "head -c 3145728 /dev/zero; echo end >&2");
    uint32_t sub = probe_subscribe_holding(&p, "h1", STEP_BYTES);
    p.credit_step = STEP_BYTES;
    OK(probe_collect(&p, "h1", sub, false, &r));
    p.credit_step = 0;
    CHECK(!r.gap);
    CHECK_INT(r.n_out, MUCH_BYTES);
    CHECK_INT(r.n_err, 4);
    CHECK_STR(r.cut, "");
    forget("h1", &r);
}

/* It wrote before anybody was there. */
static void test_a_process_waits_for_a_holder_to_come(void)
{
    struct probe_result r;
    start_held("h2", 60000, "head -c 3145728 /dev/zero");
    uint32_t view = probe_subscribe(&p, "h2", PROBE_CREDIT_BYTES);
    uint64_t seen = 0;
    while (seen < SPOOL_BYTES / 4 && p.error[0] == '\0') { /* it runs, and fills what it may */
        PB(FromAgent) *m = probe_next_of(&p, FROM_KIND(DATA));
        seen = m ? m->data->offset + m->data->data.len : seen;
        OK(m ? 0 : -1);
        probe_free(m);
    }
    OK(probe_unsubscribe(&p, view, false));
    uint32_t sub = probe_subscribe_holding(&p, "h2", PROBE_CREDIT_BYTES);
    OK(probe_collect(&p, "h2", sub, false, &r));
    CHECK(!r.gap);
    CHECK_INT(r.n_out, MUCH_BYTES);
    forget("h2", &r);
}

static void read_to_the_end_with_a_gap(const char *id)
{
    struct probe_result r;
    PB(FromAgent) *m = probe_wait_state(&p, id, EXITED);
    OK(m ? 0 : -1);
    probe_free(m);
    uint32_t sub = probe_subscribe(&p, id, PROBE_CREDIT_BYTES);
    OK(probe_start(&p, id, ARGV("true"), false)); /* its status once more */
    OK(probe_collect(&p, id, sub, false, &r));
    CHECK(r.gap);
    CHECK_INT(r.n_out, MUCH_BYTES);
    forget(id, &r);
}

/* A holder that does not come back keeps a process for so long, and no longer. */
static void test_a_holder_that_is_gone_is_not_waited_for(void)
{
    start_held("h3", 200, "head -c 3145728 /dev/zero");
    read_to_the_end_with_a_gap("h3");
    start_held("h4", 300, "head -c 3145728 /dev/zero");
    uint32_t sub = probe_subscribe_holding(&p, "h4", 1000);
    probe_free(probe_next_of(&p, FROM_KIND(DATA)));
    OK(probe_unsubscribe(&p, sub, false));
    read_to_the_end_with_a_gap("h4");
}

static void test_a_holder_may_let_go(void)
{
    int64_t begin_ms = clock_mono_ms();
    start_held("h5", 60000, "head -c 3145728 /dev/zero");
    uint32_t sub = probe_subscribe_holding(&p, "h5", 1000);
    probe_free(probe_next_of(&p, FROM_KIND(DATA)));
    OK(probe_unsubscribe(&p, sub, true));
    read_to_the_end_with_a_gap("h5");
    CHECK(clock_mono_ms() - begin_ms < 50000);
}

/* A new link resumes at what the holder had reached, and nothing has gone meanwhile. */
static void test_a_holder_comes_back_on_a_new_link(void)
{
    struct probe_result r;
    start_held("h6", 60000, "head -c 3145728 /dev/zero");
    CHECK(probe_subscribe_holding(&p, "h6", STEP_BYTES) != 0);
    probe_free(probe_next_of(&p, FROM_KIND(DATA)));
    OK(probe_connect(&p, fixture_path()));
    OK(probe_hello(&p));
    uint32_t sub = probe_subscribe_holding(&p, "h6", PROBE_CREDIT_BYTES);
    OK(probe_collect(&p, "h6", sub, false, &r));
    CHECK(!r.gap);
    CHECK_INT(r.n_out, MUCH_BYTES);
    forget("h6", &r);
}

/* Much slower than the process: told of few gaps, each of which leaves room for what follows. */
static void test_a_slow_follower_is_told_of_few_gaps(void)
{
    enum { WRITTEN = 200 * 1024 * 1024, TELLING_MS = 500 };
    struct probe_result r;
    char script[100];
    snprintf(script, sizeof(script), "head -c %d /dev/zero", WRITTEN);
    start_held("f1", 0, script);
    int64_t begin_ms = clock_mono_ms();
    p.n_gaps = 0;
    uint32_t sub = probe_subscribe(&p, "f1", 100);
    p.credit_step = 100;
    OK(probe_collect(&p, "f1", sub, false, &r));
    p.credit_step = 0;
    int64_t took_ms = clock_mono_ms() - begin_ms;
    CHECK(r.gap);
    CHECK_INT(r.n_out, WRITTEN);
    if (!CHECK(p.n_gaps <= 3 + took_ms / TELLING_MS))
        fprintf(stderr, "  (%u gaps in %lld ms)\n", p.n_gaps, (long long)took_ms);
    forget("f1", &r);
}

static void run_with_drain(const char *id, uint32_t drain_ms, const char *script,
                           struct probe_result *r)
{
    PB(StartSession) s = BANGER__AGENT__V1__START_SESSION__INIT;
    s.session_id = (char *)(uintptr_t)id;
    s.drain_ms = drain_ms;
    OK(probe_start_message(&p, &s, ARGV("sh", "-c", script)));
    uint32_t sub = probe_subscribe(&p, id, PROBE_CREDIT_BYTES);
    OK(probe_collect(&p, id, sub, true, r));
}

/* As long as something comes within the time, it is read, however long ago the exit was. */
static void test_output_behind_the_exit_is_waited_for(void)
{
    struct probe_result r;
    run_with_drain("d1", 1500, "(for i in 1 2 3 4; do sleep 0.5; echo $i; done) & echo 0", &r);
    CHECK_INT(r.n_out, 10);
    CHECK_STR(r.cut, "");
    CHECK(!r.gap);
    forget("d1", &r);
}

/* The end is told for what it is; what comes then is counted, and its writer lives. */
static void test_output_that_is_given_up_is_told(void)
{
    struct probe_result r;
    run_with_drain("d2", 100, "(sleep 1; echo late; echo later; sleep 60) & echo 0", &r);
    CHECK_INT(r.n_out, 2);
    CHECK_STR(r.cut, "held_open");
    CHECK_INT(r.left > 0, 1);
    uint64_t late = r.late_bytes;
    while (late < 11 && p.error[0] == '\0') {
        PB(FromAgent) *m = probe_wait_state(&p, "d2", EXITED);
        late = m ? m->session_status->late_bytes : 0;
        CHECK(m && m->session_status->left > 0);
        OK(m ? 0 : -1);
        probe_free(m);
    }
    CHECK_INT(late, 11);
    forget("d2", &r);
}

static uint32_t await_left(const char *id, uint32_t want)
{
    uint32_t left = UINT32_MAX;
    while (left != want && p.error[0] == '\0') {
        PB(FromAgent) *m = probe_wait_state(&p, id, EXITED);
        left = m ? m->session_status->left : UINT32_MAX;
        OK(m ? 0 : -1);
        probe_free(m);
    }
    return left;
}

/* Another agent of this machine may have a session of that id. */
static pid_t start_stranger(const char *id)
{
    char mark[64];
    snprintf(mark, sizeof(mark), "BANGER_SESSION=%s", id);
    pid_t pid = fork();
    if (pid == 0) {
        execle("/bin/sleep", "sleep", "60", NULL, (char *[]){mark, NULL});
        _exit(127);
    }
    char path[64], text[64] = "";
    snprintf(path, sizeof(path), "/proc/%d/environ", (int)pid);
    for (int64_t end_ms = clock_mono_ms() + 10000;
         strcmp(text, mark) != 0 && clock_mono_ms() < end_ms;) {
        FILE *f = fopen(path, "re");
        if (f && !fgets(text, sizeof(text), f))
            text[0] = '\0';
        if (f)
            fclose(f);
    }
    CHECK_STR(text, mark);
    return pid;
}

static void test_processes_of_another_agent_are_not_ours(void)
{
    pid_t stranger = start_stranger("l2");
    OK(probe_start(&p, "l2", ARGV("sh", "-c", "nohup sleep 60 >/dev/null 2>&1 &"), false));
    PB(FromAgent) *m = probe_wait_state(&p, "l2", EXITED);
    if (OK(m ? 0 : -1))
        CHECK_INT(m->session_status->left, 1);
    probe_free(m);
    OK(probe_signal(&p, "l2", SIGKILL, BANGER__AGENT__V1__SIGNAL_TARGET__SIGNAL_TARGET_ALL));
    CHECK_INT(await_left("l2", 0), 0);
    OK(probe_delete(&p, "l2"));
    CHECK_INT(waitpid(stranger, NULL, WNOHANG), 0); /* it lives */
    kill(stranger, SIGKILL);
    CHECK_INT(waitpid(stranger, NULL, 0), stranger);
}

/* What a command leaves running lives on, is counted, and can be ended. */
static void test_what_is_left_is_counted_and_killed(void)
{
    OK(probe_start(&p, "l1", ARGV("sh", "-c", "nohup sleep 60 >/dev/null 2>&1 &"), false));
    PB(FromAgent) *m = probe_wait_state(&p, "l1", EXITED);
    if (OK(m ? 0 : -1))
        CHECK_INT(m->session_status->left, 1);
    probe_free(m);
    OK(probe_signal(&p, "l1", SIGKILL, BANGER__AGENT__V1__SIGNAL_TARGET__SIGNAL_TARGET_ALL));
    CHECK_INT(await_left("l1", 0), 0);
    OK(probe_delete(&p, "l1"));
}

/* Nobody has to ask how much there is: it is told while the process runs. */
static void test_output_is_counted_while_it_comes(void)
{
    OK(probe_start(&p, "t1", ARGV("sh", "-c", "echo hello; exec sleep 60"), false));
    uint64_t total = 0;
    while (total != 6 && p.error[0] == '\0') {
        PB(FromAgent) *m =
            probe_wait_state(&p, "t1", BANGER__AGENT__V1__SESSION_STATE__SESSION_STATE_RUNNING);
        total = m ? m->session_status->stdout_total : 0;
        OK(m ? 0 : -1);
        probe_free(m);
    }
    CHECK_INT(total, 6);
    OK(probe_delete(&p, "t1"));
}

static void start_marking(const char *id, char *marker, size_t size)
{
    char script[128];
    snprintf(marker, size, "/tmp/banger-%s-%d", id, (int)getpid());
    unlink(marker);
    snprintf(script, sizeof(script), "echo ran >%s; sleep 60", marker);
    OK(probe_start(&p, id, ARGV("sh", "-c", script), false));
}

/* The guest stood still while a start was asked for and taken back. */
static void test_a_start_that_was_taken_back_never_runs(void)
{
    char marker[64];
    kill(fixture_pid(), SIGSTOP);
    start_marking("w1", marker, sizeof(marker));
    PB(DeleteSession) d = BANGER__AGENT__V1__DELETE_SESSION__INIT;
    PB(ToAgent) m = BANGER__AGENT__V1__TO_AGENT__INIT;
    d.session_id = (char *)(uintptr_t) "w1";
    m.kind_case = TO_KIND(DELETE_SESSION);
    m.delete_session = &d;
    OK(probe_send(&p, &m));
    kill(fixture_pid(), SIGCONT);
    struct probe_result r;
    OK(probe_run(&p, "w2", ARGV("true"), NULL, 0, true, &r));
    forget("w2", &r);
    CHECK(access(marker, F_OK) < 0);
}

/* And the link was made anew meanwhile: a start of the old one is void. */
static void test_a_start_of_an_earlier_link_is_void(void)
{
    char marker[64];
    kill(fixture_pid(), SIGSTOP);
    start_marking("w3", marker, sizeof(marker));
    PB(Hello) hello = BANGER__AGENT__V1__HELLO__INIT;
    PB(ToAgent) m = BANGER__AGENT__V1__TO_AGENT__INIT;
    hello.protocol = 1;
    hello.nonce = 7;
    m.kind_case = TO_KIND(HELLO);
    m.hello = &hello;
    p.next_out = 0;
    OK(probe_send(&p, &m));
    kill(fixture_pid(), SIGCONT);
    OK(probe_hello(&p)); /* the probe's own, which it can wait for */
    CHECK_INT(p.n_synced, 0);
    struct probe_result r;
    OK(probe_run(&p, "w4", ARGV("true"), NULL, 0, true, &r));
    forget("w4", &r);
    CHECK(access(marker, F_OK) < 0);
}

int main(void)
{
    probe_init(&p);
    if (fixture_start() < 0)
        return check_skip("no agent");
    OK(probe_connect(&p, fixture_path()));
    OK(probe_hello(&p));
    RUN(test_a_process_waits_for_its_holder);
    RUN(test_a_process_waits_for_a_holder_to_come);
    RUN(test_a_holder_that_is_gone_is_not_waited_for);
    RUN(test_a_holder_may_let_go);
    RUN(test_a_holder_comes_back_on_a_new_link);
    RUN(test_a_slow_follower_is_told_of_few_gaps);
    RUN(test_output_behind_the_exit_is_waited_for);
    RUN(test_output_that_is_given_up_is_told);
    RUN(test_what_is_left_is_counted_and_killed);
    RUN(test_processes_of_another_agent_are_not_ours);
    RUN(test_output_is_counted_while_it_comes);
    RUN(test_a_start_that_was_taken_back_never_runs);
    RUN(test_a_start_of_an_earlier_link_is_void);
    probe_done(&p);
    CHECK_INT(fixture_stop(), 0);
    return check_end();
}
