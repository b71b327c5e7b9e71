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

/* Nor does it matter that the last one has let go. */
static void test_a_process_that_blocks_waits_for_ever(void)
{
    struct probe_result r;
    start_held("h7", UINT32_MAX, "head -c 3145728 /dev/zero");
    uint32_t sub = probe_subscribe_holding(&p, "h7", 1000);
    probe_free(probe_next_of(&p, FROM_KIND(DATA)));
    OK(probe_unsubscribe(&p, sub, true));
    OK(probe_run(&p, "h8", ARGV("sleep", "0.2"), NULL, 0, false, &r));
    forget("h8", &r);
    sub = probe_subscribe_holding(&p, "h7", PROBE_CREDIT_BYTES);
    OK(probe_collect(&p, "h7", sub, false, &r));
    CHECK(!r.gap);
    CHECK_INT(r.n_out, MUCH_BYTES);
    forget("h7", &r);
}

static void acknowledge(const char *id, uint64_t stdout_offset, uint64_t stderr_offset)
{
    PB(AckOutput) ack = BANGER__AGENT__V1__ACK_OUTPUT__INIT;
    PB(ToAgent) m = BANGER__AGENT__V1__TO_AGENT__INIT;
    ack.session_id = (char *)(uintptr_t)id;
    ack.stdout_offset = stdout_offset;
    ack.stderr_offset = stderr_offset;
    m.kind_case = TO_KIND(ACK_OUTPUT);
    m.ack_output = &ack;
    OK(probe_send(&p, &m));
}

/* Half the spool is all that is ever not acknowledged, however fast it is read. */
static void test_a_process_waits_until_its_output_is_acknowledged(void)
{
    PB(StartSession) s = BANGER__AGENT__V1__START_SESSION__INIT;
    s.session_id = (char *)(uintptr_t) "a1";
    s.spool_bytes = SPOOL_BYTES;
    s.until_acked = true;
    OK(probe_start_message(&p, &s, ARGV("head", "-c", "3145728", "/dev/zero")));
    uint32_t sub = probe_subscribe(&p, "a1", PROBE_CREDIT_BYTES);
    uint64_t seen = 0, acked = 0;
    unsigned n_gaps = 0;
    while (seen < MUCH_BYTES && p.error[0] == '\0') {
        PB(FromAgent) *m = probe_next(&p);
        if (!OK(m ? 0 : -1))
            break;
        n_gaps += m->kind_case == FROM_KIND(GAP);
        if (m->kind_case == FROM_KIND(DATA)) {
            uint32_t n = (uint32_t)m->data->data.len;
            seen = m->data->offset + n;
            OK(probe_add_credit(&p, sub, n));
            CHECK(seen <= acked + SPOOL_BYTES / 2);
            if (seen == acked + SPOOL_BYTES / 2) {
                acked = seen - 1; /* behind what it has, and never back */
                acknowledge("a1", acked, 0);
                acknowledge("a1", acked / 2, 0);
            }
        }
        probe_free(m);
    }
    CHECK_INT(n_gaps, 0);
    acknowledge("a1", MUCH_BYTES * 2, 1); /* more than there is: all */
    acknowledge("nobody", 1, 1);
    OK(probe_delete(&p, "a1"));
}

/* Until its writers have closed it, though nothing comes for longer than drain_ms. */
static void test_a_stream_may_be_read_until_it_is_closed(void)
{
    PB(StartSession) s = BANGER__AGENT__V1__START_SESSION__INIT;
    s.session_id = (char *)(uintptr_t) "d9";
    s.drain_ms = 1;
    s.drain_until_closed = true;
    OK(probe_start_message(&p, &s, ARGV("sh", "-c", "(sleep 0.7; echo late) & echo first")));
    struct probe_result r;
    uint32_t sub = probe_subscribe(&p, "d9", PROBE_CREDIT_BYTES);
    OK(probe_collect(&p, "d9", sub, true, &r));
    CHECK(buf_append(&r.out, "", 1) == 0);
    CHECK_STR((const char *)buf_data(&r.out), "first\nlate\n");
    CHECK_STR(r.cut, "");
    forget("d9", &r);
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
    p.n_gaps = p.n_left_out = p.n_wrong_gaps = 0;
    uint32_t sub = probe_subscribe(&p, "f1", 100);
    p.credit_step = 100;
    OK(probe_collect(&p, "f1", sub, false, &r));
    p.credit_step = 0;
    int64_t took_ms = clock_mono_ms() - begin_ms;
    CHECK(r.gap);
    CHECK_INT(r.n_out, WRITTEN);
    if (!CHECK(p.n_gaps <= 3 + took_ms / TELLING_MS))
        fprintf(stderr, "  (%u gaps in %lld ms)\n", p.n_gaps, (long long)took_ms);
    CHECK(p.n_left_out > 0); /* the oldest byte that is kept is told, not only what follows */
    CHECK_INT(p.n_wrong_gaps, 0);
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

/* However late it is delivered, and the word that takes it back behind it. */
static void test_a_start_whose_time_is_over_never_runs(void)
{
    char marker[64], script[128];
    struct probe_result r;
    PB(StartSession) s = BANGER__AGENT__V1__START_SESSION__INIT;
    snprintf(marker, sizeof(marker), "/tmp/banger-w5-%d", (int)getpid());
    snprintf(script, sizeof(script), "echo ran >%s; exec sleep 60", marker);
    unlink(marker);
    s.session_id = (char *)(uintptr_t) "w5";
    s.not_after_ns = (uint64_t)clock_ns(CLOCK_BOOTTIME) - 1;
    OK(probe_start_message(&p, &s, ARGV("sh", "-c", script)));
    OK(probe_run(&p, "w6", ARGV("true"), NULL, 0, true, &r));
    forget("w6", &r);
    CHECK(access(marker, F_OK) < 0);
    s.not_after_ns = (uint64_t)clock_ns(CLOCK_BOOTTIME) + UINT64_C(60000000000);
    OK(probe_start_message(&p, &s, ARGV("sh", "-c", script))); /* it was forgotten: no other */
    PB(FromAgent) *m =
        probe_wait_state(&p, "w5", BANGER__AGENT__V1__SESSION_STATE__SESSION_STATE_RUNNING);
    CHECK(m != NULL);
    probe_free(m);
    OK(probe_delete(&p, "w5"));
    unlink(marker);
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

/* Nothing is dropped that its holder has not taken, however far it has read, and what it has taken
 * is: a reader that comes later is told. */
static void test_what_a_holder_has_taken_is_dropped(void)
{
    enum { KEPT_BYTES = 1024 * 1024 };
    struct probe_result r;
    PB(StartSession) s = BANGER__AGENT__V1__START_SESSION__INIT;
    s.session_id = (char *)(uintptr_t) "t1";
    s.hold_ms = 60000;
    s.drop_acked = true;
    OK(probe_start_message(&p, &s, ARGV("head", "-c", "3145728", "/dev/zero")));
    uint32_t sub = probe_subscribe_holding(&p, "t1", PROBE_CREDIT_BYTES);
    uint64_t seen = 0, acked = 0;
    unsigned n_stops = 0;
    while (seen < MUCH_BYTES && p.error[0] == '\0') {
        PB(FromAgent) *m = probe_next(&p);
        if (!OK(m ? 0 : -1))
            break;
        CHECK(m->kind_case != FROM_KIND(GAP));
        if (m->kind_case == FROM_KIND(DATA)) {
            uint32_t n = (uint32_t)m->data->data.len;
            seen = m->data->offset + n;
            OK(probe_add_credit(&p, sub, n));
            CHECK(seen <= acked + KEPT_BYTES);
            if (seen == acked + KEPT_BYTES && ++n_stops) {
                acked = seen - 1000;
                acknowledge("t1", acked, 0);
            }
        }
        probe_free(m);
    }
    CHECK_INT(seen, MUCH_BYTES);
    CHECK_INT(n_stops, 3);
    acknowledge("t1", seen, 0);
    OK(probe_unsubscribe(&p, sub, false));
    sub = probe_subscribe(&p, "t1", PROBE_CREDIT_BYTES);
    OK(probe_start(&p, "t1", ARGV("true"), false)); /* its status once more */
    OK(probe_collect(&p, "t1", sub, false, &r));
    CHECK(r.gap);
    CHECK_INT(r.n_out, MUCH_BYTES);
    forget("t1", &r);
}

/* Its room is small where many have much; 16 KiB are always there. */
static void test_a_holder_need_not_take_all_at_once(void)
{
    PB(StartSession) s = BANGER__AGENT__V1__START_SESSION__INIT;
    s.session_id = (char *)(uintptr_t) "t2";
    s.hold_ms = 60000;
    s.drop_acked = true;
    s.spool_bytes = SPOOL_BYTES;
    OK(probe_start_message(&p, &s, ARGV("head", "-c", "3145728", "/dev/zero")));
    uint32_t sub = probe_subscribe_holding(&p, "t2", STEP_BYTES);
    uint64_t seen = 0;
    while (seen < MUCH_BYTES && p.error[0] == '\0') {
        PB(FromAgent) *m = probe_next_of(&p, FROM_KIND(DATA));
        if (!OK(m ? 0 : -1))
            break;
        uint32_t n = (uint32_t)m->data->data.len;
        CHECK_INT(m->data->offset, seen);
        seen = m->data->offset + n;
        acknowledge("t2", seen, 0);
        OK(probe_add_credit(&p, sub, n));
        probe_free(m);
    }
    CHECK_INT(seen, MUCH_BYTES);
    OK(probe_start(&p, "t2", ARGV("true"), false)); /* its status once more */
    PB(FromAgent) *m = probe_wait_state(&p, "t2", EXITED);
    OK(m ? 0 : -1);
    probe_free(m);
    OK(probe_delete(&p, "t2"));
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
    RUN(test_a_process_that_blocks_waits_for_ever);
    RUN(test_a_process_waits_until_its_output_is_acknowledged);
    RUN(test_what_a_holder_has_taken_is_dropped);
    RUN(test_a_holder_need_not_take_all_at_once);
    RUN(test_a_stream_may_be_read_until_it_is_closed);
    RUN(test_a_slow_follower_is_told_of_few_gaps);
    RUN(test_output_behind_the_exit_is_waited_for);
    RUN(test_output_that_is_given_up_is_told);
    RUN(test_what_is_left_is_counted_and_killed);
    RUN(test_processes_of_another_agent_are_not_ours);
    RUN(test_output_is_counted_while_it_comes);
    RUN(test_a_start_that_was_taken_back_never_runs);
    RUN(test_a_start_whose_time_is_over_never_runs);
    RUN(test_a_start_of_an_earlier_link_is_void);
    probe_done(&p);
    CHECK_INT(fixture_stop(), 0);
    return check_end();
}
