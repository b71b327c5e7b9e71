/* The whole agent over a Unix socket: what a daemon sees of sessions, well-behaved and not. The
 * agent runs in a child of this program, with the same sanitizers. */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/agent_fixture.h"
#include "tests/support/agent_probe.h"
#include "tests/support/check.h"

static struct probe p;

#define EXITED    BANGER__AGENT__V1__SESSION_STATE__SESSION_STATE_EXITED
#define FAILED    BANGER__AGENT__V1__SESSION_STATE__SESSION_STATE_FAILED
#define RUNNING   BANGER__AGENT__V1__SESSION_STATE__SESSION_STATE_RUNNING
#define ARGV(...) ((const char *const[]){__VA_ARGS__, NULL})

/* Every call on the probe goes through this: its text says what went wrong. */
#define OK(call) check_report((call) >= 0, __FILE__, __LINE__, p.error)

static void run(const char *id, const char *const *argv, struct probe_result *r)
{
    OK(probe_run(&p, id, argv, NULL, 0, true, r));
}

static void forget(const char *id, struct probe_result *r)
{
    probe_result_done(r);
    OK(probe_delete(&p, id));
}

static void test_output_and_exit_code(void)
{
    struct probe_result r;
    run("a1", ARGV("sh", "-c", "echo out; echo err >&2; exit 42"), &r);
    CHECK_INT(r.state, EXITED);
    CHECK_INT(r.exit_code, 42);
    CHECK_INT(r.n_out, 4);
    CHECK_INT(r.n_err, 4);
    CHECK(buf_len(&r.out) == 4 && memcmp(buf_data(&r.out), "out\n", 4) == 0);
    CHECK(buf_len(&r.err) == 4 && memcmp(buf_data(&r.err), "err\n", 4) == 0);
    forget("a1", &r);
}

static void test_death_by_signal(void)
{
    struct probe_result r;
    run("a2", ARGV("sh", "-c", "kill -9 $$"), &r);
    CHECK_INT(r.signo, SIGKILL);
    CHECK_INT(r.exit_code, 0);
    forget("a2", &r);
}

static void check_failure(PB(StartSession) * start, const char *const *argv, const char *stage,
                          int sys)
{
    start->session_id = (char *)(uintptr_t) "bad";
    OK(probe_start_message(&p, start, argv));
    PB(FromAgent) *m = probe_wait_state(&p, "bad", FAILED);
    if (OK(m ? 0 : -1)) {
        CHECK_STR(m->session_status->failed_stage, stage);
        CHECK_INT(m->session_status->failed_errno, sys);
        CHECK(m->session_status->error[0] != '\0');
    }
    probe_free(m);
    OK(probe_delete(&p, "bad"));
}

static void test_failures_name_their_stage(void)
{
    PB(StartSession) s = BANGER__AGENT__V1__START_SESSION__INIT;
    check_failure(&s, ARGV("no-such-command"), "spawn", ENOENT);
    check_failure(&s, ARGV("/etc/passwd"), "spawn", EACCES);
    s.cwd = (char *)(uintptr_t) "/no/such/folder";
    check_failure(&s, ARGV("true"), "cwd", ENOENT);
    banger__agent__v1__start_session__init(&s);
    s.user = (char *)(uintptr_t) "no-such-user";
    check_failure(&s, ARGV("true"), "user", ENOENT);
    banger__agent__v1__start_session__init(&s);
    char wanted[] = "sh\0no-such-tool";
    s.required_commands = (ProtobufCBinaryData){sizeof(wanted), (uint8_t *)wanted};
    check_failure(&s, ARGV("true"), "required_commands", ENOENT);
    banger__agent__v1__start_session__init(&s);
    check_failure(&s, ARGV(""), "spawn", EINVAL);
}

/* Together on one stream, as they were written. */
static void test_merged_stderr_keeps_the_order(void)
{
    PB(StartSession) s = BANGER__AGENT__V1__START_SESSION__INIT;
    s.session_id = (char *)(uintptr_t) "merged";
    s.merge_stderr = true;
    OK(probe_start_message(&p, &s,
                           ARGV("sh", "-c", "for i in 1 2 3; do echo o$i; echo e$i >&2; done")));
    struct probe_result r;
    uint32_t sub = probe_subscribe(&p, "merged", PROBE_CREDIT_BYTES);
    OK(probe_collect(&p, "merged", sub, true, &r));
    CHECK(buf_append(&r.out, "", 1) == 0);
    CHECK_STR((const char *)buf_data(&r.out), "o1\ne1\no2\ne2\no3\ne3\n");
    CHECK_INT(r.n_err, 0);
    forget("merged", &r);
}

static void test_limits_are_the_process_s(void)
{
    PB(StartSession) s = BANGER__AGENT__V1__START_SESSION__INIT;
    char limits[] = "nofile=77:99\0core=0:unlimited\0cpu=1000:2000";
    s.session_id = (char *)(uintptr_t) "limits";
    s.rlimits = (ProtobufCBinaryData){sizeof(limits), (uint8_t *)limits};
    s.nice = 5;
    s.oom_score_adj = 500;
    OK(probe_start_message(&p, &s,
                           ARGV("sh", "-c",
                                "echo $(ulimit -Sn) $(ulimit -Hn) $(ulimit -Sc) $(ulimit -Ht) "
                                "$(nice) $(cat /proc/self/oom_score_adj)")));
    struct probe_result r;
    uint32_t sub = probe_subscribe(&p, "limits", PROBE_CREDIT_BYTES);
    OK(probe_collect(&p, "limits", sub, true, &r));
    CHECK(buf_append(&r.out, "", 1) == 0);
    CHECK_STR((const char *)buf_data(&r.out), "77 99 0 2000 5 500\n");
    forget("limits", &r);
}

static void test_limits_that_cannot_be_set_are_named(void)
{
    PB(StartSession) s = BANGER__AGENT__V1__START_SESSION__INIT;
    char beyond[] = "nofile=1:1099511627776", broken[] = "nofile=2:1", open[] = {'n', '='};
    s.rlimits = (ProtobufCBinaryData){sizeof(beyond), (uint8_t *)beyond};
    check_failure(&s, ARGV("true"), "limits", EPERM);
    s.rlimits = (ProtobufCBinaryData){sizeof(broken), (uint8_t *)broken};
    check_failure(&s, ARGV("true"), "limits", EINVAL);
    s.rlimits = (ProtobufCBinaryData){sizeof(open), (uint8_t *)open};
    check_failure(&s, ARGV("true"), "limits", EINVAL);
    banger__agent__v1__start_session__init(&s);
    s.nice = 20;
    check_failure(&s, ARGV("true"), "limits", EINVAL);
    banger__agent__v1__start_session__init(&s);
    s.oom_score_adj = -1001;
    check_failure(&s, ARGV("true"), "limits", EINVAL);
}

static void test_environment(void)
{
    PB(StartSession) s = BANGER__AGENT__V1__START_SESSION__INIT;
    char env[] = "A=1\0B=two words";
    s.session_id = (char *)(uintptr_t) "env";
    s.clear_env = true;
    s.env = (ProtobufCBinaryData){sizeof(env), (uint8_t *)env};
    s.cwd = (char *)(uintptr_t) "/";
    s.umask = 1 + 077;
    OK(probe_start_message(&p, &s, ARGV("/bin/sh", "-c", "echo $A,$B,$HOME,$PWD,$(umask)")));
    struct probe_result r;
    uint32_t sub = probe_subscribe(&p, "env", PROBE_CREDIT_BYTES);
    OK(probe_collect(&p, "env", sub, true, &r));
    CHECK(buf_append(&r.out, "", 1) == 0);
    CHECK_STR((const char *)buf_data(&r.out), "1,two words,,/,0077\n");
    forget("env", &r);
}

/* getenv takes the first of a name, other libraries the last: there is one. */
static void test_a_variable_given_twice_has_its_last_value_once(void)
{
    PB(StartSession) s = BANGER__AGENT__V1__START_SESSION__INIT;
    char env[] = "A=1\0AB=x\0A=2\0HOME=/a\0HOME=/b\0A=3\0C=";
    s.session_id = (char *)(uintptr_t) "twice";
    s.env = (ProtobufCBinaryData){sizeof(env), (uint8_t *)env};
    s.cwd = (char *)(uintptr_t) "/";
    OK(probe_start_message(&p, &s, ARGV("/usr/bin/env")));
    struct probe_result r;
    uint32_t sub = probe_subscribe(&p, "twice", PROBE_CREDIT_BYTES);
    OK(probe_collect(&p, "twice", sub, true, &r));
    CHECK(buf_append(&r.out, "", 1) == 0);
    const char *out = (const char *)buf_data(&r.out);
    CHECK_CONTAINS(out, "AB=x\nHOME=/b\nA=3\nC=\n");
    CHECK(!strstr(out, "A=1") && !strstr(out, "A=2") && !strstr(out, "/a"));
    forget("twice", &r);
}

/* Within the window; the acknowledgements are the next test's. */
static void test_stdin_comes_back(void)
{
    enum { N = 200 * 1024 };
    static uint8_t in[N];
    for (int i = 0; i < N; i++)
        in[i] = (uint8_t)(i * 7 + i / 257);
    struct probe_result r;
    OK(probe_run(&p, "cat", ARGV("cat"), in, N, true, &r));
    CHECK(buf_len(&r.out) == N && memcmp(buf_data(&r.out), in, N) == 0);
    forget("cat", &r);
}

static uint64_t await_ack(const char *id, uint64_t at_least)
{
    for (PB(FromAgent) * m; (m = probe_next_of(&p, FROM_KIND(STDIN_ACK))); probe_free(m)) {
        uint64_t offset = m->stdin_ack->offset;
        bool right = strcmp(m->stdin_ack->session_id, id) == 0;
        if (right && (offset >= at_least || m->stdin_ack->closed)) {
            probe_free(m);
            return offset;
        }
    }
    OK(-1);
    return 0;
}

static void test_stdin_offsets(void)
{
    OK(probe_start(&p, "in", ARGV("wc", "-c"), true));
    OK(probe_stdin(&p, "in", 0, "hello", 5));
    CHECK_INT(await_ack("in", 5), 5);
    OK(probe_stdin(&p, "in", 3, "lo wor", 6)); /* two of them again */
    CHECK_INT(await_ack("in", 9), 9);
    OK(probe_stdin(&p, "in", 0, "hello", 5)); /* all of them again */
    CHECK_INT(await_ack("in", 9), 9);
    OK(probe_stdin_eof(&p, "in", 9));
    struct probe_result r;
    uint32_t sub = probe_subscribe(&p, "in", PROBE_CREDIT_BYTES);
    OK(probe_collect(&p, "in", sub, true, &r));
    CHECK(buf_len(&r.out) == 2 && memcmp(buf_data(&r.out), "9\n", 2) == 0);
    forget("in", &r);
}

/* 8 MiB through a reader, never more than the window ahead. */
static void test_stdin_window(void)
{
    enum { PIECE = 32 * 1024, WINDOW = 256 * 1024, TOTAL = 8 * 1024 * 1024 };
    static const uint8_t piece[PIECE];
    OK(probe_start(&p, "win", ARGV("wc", "-c"), true));
    uint64_t sent = 0, acked = 0;
    while (sent < TOTAL && p.error[0] == '\0') {
        while (sent + PIECE - acked > WINDOW && p.error[0] == '\0')
            acked = await_ack("win", acked + 1);
        OK(probe_stdin(&p, "win", sent, piece, PIECE));
        sent += PIECE;
    }
    OK(probe_stdin_eof(&p, "win", TOTAL));
    struct probe_result r;
    uint32_t sub = probe_subscribe(&p, "win", PROBE_CREDIT_BYTES);
    OK(probe_collect(&p, "win", sub, true, &r));
    CHECK(buf_len(&r.out) == 8 && memcmp(buf_data(&r.out), "8388608\n", 8) == 0);
    forget("win", &r);
}

static void test_a_reader_that_leaves_closes_stdin(void)
{
    OK(probe_start(&p, "leave", ARGV("sh", "-c", "exec <&-; sleep 30"), true));
    PB(FromAgent) *m = NULL;
    do {
        probe_free(m);
        m = probe_next_of(&p, FROM_KIND(STDIN_ACK));
    } while (m && !m->stdin_ack->closed);
    OK(m ? 0 : -1);
    probe_free(m);
    OK(probe_delete(&p, "leave"));
}

/* A link that breaks mid-output: the session runs on, the next link resumes at an offset. */
static void test_a_new_link_resumes(void)
{
    OK(probe_start(&p, "res", ARGV("sh", "-c", "seq 1 200000"), false));
    uint32_t sub = probe_subscribe(&p, "res", 100000);
    PB(FromAgent) *m = probe_next_of(&p, FROM_KIND(DATA));
    OK(m ? 0 : -1);
    CHECK_INT(m ? m->data->offset : 0, 0);
    probe_free(m);
    OK(probe_connect(&p, fixture_path()));
    OK(probe_hello(&p));
    CHECK_INT(p.n_synced, 1);
    struct probe_result r;
    sub = probe_subscribe(&p, "res", PROBE_CREDIT_BYTES);
    OK(probe_send_bytes(&p, "", 0));
    OK(probe_start(&p, "res", ARGV("false"), false)); /* exists: answered with its status */
    OK(probe_collect(&p, "res", sub, true, &r));
    CHECK_INT(r.exit_code, 0);
    CHECK_INT(r.n_out, 1288895);
    forget("res", &r);
}

static void test_garbage_only_costs_the_link(void)
{
    static uint8_t garbage[50000];
    for (size_t i = 0; i < sizeof(garbage); i++)
        garbage[i] = (uint8_t)(i * i >> 3);
    OK(probe_send_bytes(&p, garbage, sizeof(garbage)));
    OK(probe_hello(&p)); /* on the same connection */
    p.next_out += 7;     /* as if frames had been lost */
    OK(probe_start(&p, "never", ARGV("true"), false));
    OK(probe_hello(&p));
    CHECK_INT(p.n_synced, 0);
    struct probe_result r;
    run("a3", ARGV("true"), &r);
    forget("a3", &r);
}

/* The exit is told at once, the stream ends when the drain time is over. */
static void test_a_grandchild_holds_the_stream(void)
{
    PB(StartSession) s = BANGER__AGENT__V1__START_SESSION__INIT;
    s.session_id = (char *)(uintptr_t) "hold";
    s.drain_ms = 100;
    OK(probe_start_message(&p, &s, ARGV("sh", "-c", "sleep 60 & echo started")));
    PB(FromAgent) *m = probe_wait_state(&p, "hold", EXITED);
    if (OK(m ? 0 : -1))
        CHECK(!m->session_status->stdout_ended);
    probe_free(m);
    m = probe_wait_state(&p, "hold", EXITED);
    if (m && !m->session_status->stderr_ended) {
        probe_free(m);
        m = probe_wait_state(&p, "hold", EXITED);
    }
    if (OK(m ? 0 : -1)) {
        CHECK(m->session_status->stdout_ended && m->session_status->stderr_ended);
        CHECK_INT(m->session_status->stdout_total, 8);
    }
    probe_free(m);
    OK(probe_delete(&p, "hold"));
}

/* Deleting reaches what has left the session: the pipe's last writer dies, its reader sees the end.
 */
static void test_delete_kills_what_left_the_group(void)
{
    int ends[2];
    CHECK_INT(pipe(ends), 0);
    char script[128];
    snprintf(script, sizeof(script), "setsid sleep 60 >/proc/%d/fd/%d & echo up; sleep 60",
             (int)getpid(), ends[1]);
    OK(probe_start(&p, "left", ARGV("sh", "-c", script), false));
    CHECK(probe_subscribe(&p, "left", 100) != 0);
    probe_free(probe_next_of(&p, FROM_KIND(DATA)));
    OK(probe_delete(&p, "left"));
    close(ends[1]);
    char c;
    alarm(20); /* the deadline of this wait */
    CHECK_INT(read(ends[0], &c, 1), 0);
    alarm(0);
    close(ends[0]);
}

static void test_timeout(void)
{
    PB(StartSession) s = BANGER__AGENT__V1__START_SESSION__INIT;
    s.session_id = (char *)(uintptr_t) "slow";
    s.timeout_ms = 50;
    OK(probe_start_message(&p, &s, ARGV("sleep", "60")));
    PB(FromAgent) *m = probe_wait_state(&p, "slow", EXITED);
    if (OK(m ? 0 : -1)) {
        CHECK(m->session_status->timed_out);
        CHECK_INT(m->session_status->signo, SIGKILL);
    }
    probe_free(m);
    OK(probe_delete(&p, "slow"));
}

static void test_signals(void)
{
    struct probe_result r;
    OK(probe_start(
        &p, "sig",
        ARGV("sh", "-c", "trap 'echo got; exit 3' TERM; echo up; while :; do sleep 1; done"),
        false));
    uint32_t sub = probe_subscribe(&p, "sig", PROBE_CREDIT_BYTES);
    PB(FromAgent) *m = probe_next_of(&p, FROM_KIND(DATA)); /* "up" */
    OK(m ? 0 : -1);
    probe_free(m);
    OK(probe_signal(&p, "sig", SIGTERM, BANGER__AGENT__V1__SIGNAL_TARGET__SIGNAL_TARGET_GROUP));
    m = probe_wait_state(&p, "sig", EXITED);
    if (OK(m ? 0 : -1))
        CHECK_INT(m->session_status->exit_code, 3);
    probe_free(m);
    (void)sub;
    (void)r;
    OK(probe_delete(&p, "sig"));
}

/* Nobody reads: the process runs on, the oldest bytes go, and who comes later is told. */
static void test_no_reader_means_a_gap(void)
{
    PB(StartSession) s = BANGER__AGENT__V1__START_SESSION__INIT;
    s.session_id = (char *)(uintptr_t) "gap";
    s.spool_bytes = 300000;
    OK(probe_start_message(&p, &s, ARGV("head", "-c", "3000000", "/dev/zero")));
    PB(FromAgent) *m = probe_wait_state(&p, "gap", EXITED);
    OK(m ? 0 : -1);
    probe_free(m);
    struct probe_result r;
    uint32_t sub = probe_subscribe(&p, "gap", PROBE_CREDIT_BYTES);
    OK(probe_start(&p, "gap", ARGV("true"), false)); /* its status once more */
    OK(probe_collect(&p, "gap", sub, true, &r));
    CHECK(r.gap);
    CHECK_INT(r.n_out, 3000000);
    CHECK(buf_len(&r.out) >= 300000 && buf_len(&r.out) < 600000);
    forget("gap", &r);
}

/* One reader without credit: the other gets all of it. */
static void test_a_stalled_reader_stalls_nobody(void)
{
    OK(probe_start(&p, "two", ARGV("head", "-c", "20000000", "/dev/zero"), false));
    CHECK(probe_subscribe(&p, "two", 1000) != 0);
    uint32_t sub = probe_subscribe(&p, "two", PROBE_CREDIT_BYTES);
    struct probe_result r;
    OK(probe_collect(&p, "two", sub, false, &r));
    CHECK(!r.gap);
    CHECK_INT(r.n_out, 20000000);
    forget("two", &r);
}

static void test_terminal(void)
{
    PB(StartSession) s = BANGER__AGENT__V1__START_SESSION__INIT;
    s.session_id = (char *)(uintptr_t) "tty";
    s.tty = true;
    s.rows = 33;
    s.columns = 77;
    s.stdin_mode = BANGER__AGENT__V1__STDIN_MODE__STDIN_MODE_PIPE;
    OK(probe_start_message(&p, &s, ARGV("sh", "-c", "test -t 0 && test -t 2 && stty size")));
    struct probe_result r;
    uint32_t sub = probe_subscribe(&p, "tty", PROBE_CREDIT_BYTES);
    OK(probe_collect(&p, "tty", sub, true, &r));
    CHECK(buf_len(&r.out) == 7 && memcmp(buf_data(&r.out), "33 77\r\n", 7) == 0);
    CHECK_INT(r.exit_code, 0);
    forget("tty", &r);
}

/* Until what comes of this kind has these bytes at its end. */
static void await_output(const char *last)
{
    size_t n = strlen(last);
    for (PB(FromAgent) * m; (m = probe_next_of(&p, FROM_KIND(DATA))); probe_free(m)) {
        const ProtobufCBinaryData *data = &m->data->data;
        if (data->len >= n && memcmp(data->data + data->len - n, last, n) == 0) {
            probe_free(m);
            return;
        }
    }
    OK(-1);
}

/* Its acknowledgement waits for an echo, but not for long. */
static void test_what_a_terminal_does_not_echo_is_acknowledged(void)
{
    PB(StartSession) s = BANGER__AGENT__V1__START_SESSION__INIT;
    s.session_id = (char *)(uintptr_t) "mute";
    s.tty = true;
    s.stdin_mode = BANGER__AGENT__V1__STDIN_MODE__STDIN_MODE_PIPE;
    OK(probe_start_message(&p, &s,
                           ARGV("sh", "-c", "stty -echo; echo mute; read a; exec sleep 60")));
    probe_subscribe(&p, "mute", PROBE_CREDIT_BYTES);
    await_output("mute\r\n");
    OK(probe_stdin(&p, "mute", 0, "abc", 3));
    CHECK_INT(await_ack("mute", 3), 3);
    OK(probe_delete(&p, "mute"));
}

/* It waits for the exit, but not for long. */
static void test_a_stream_that_ends_while_its_process_lives_is_told(void)
{
    OK(probe_start(&p, "half", ARGV("sh", "-c", "exec >&-; read a; exit 7"), true));
    uint32_t sub = probe_subscribe(&p, "half", PROBE_CREDIT_BYTES);
    PB(FromAgent) *m = probe_next_of(&p, FROM_KIND(STREAM_END));
    CHECK(m && m->stream_end->subscription == sub);
    CHECK_INT(m ? m->stream_end->stream : 0, BANGER__AGENT__V1__STREAM__STREAM_STDOUT);
    probe_free(m);
    OK(probe_stdin(&p, "half", 0, "\n", 1));
    struct probe_result r;
    OK(probe_collect(&p, "half", sub, true, &r));
    CHECK_INT(r.exit_code, 7);
    forget("half", &r);
}

static void test_many_at_once(void)
{
    char id[20];
    for (int i = 0; i < (int)p.max_sessions; i++) {
        snprintf(id, sizeof(id), "m%d", i);
        OK(probe_start(&p, id, ARGV("sleep", "60"), false));
    }
    PB(StartSession) s = BANGER__AGENT__V1__START_SESSION__INIT;
    check_failure(&s, ARGV("true"), "limit", EAGAIN);
    for (int i = 0; i < (int)p.max_sessions; i++) {
        snprintf(id, sizeof(id), "m%d", i);
        OK(probe_delete(&p, id));
    }
}

static void test_quick_cycles(void)
{
    for (int i = 0; i < 200 && p.error[0] == '\0'; i++) {
        char id[20], script[64];
        snprintf(id, sizeof(id), "q%d", i);
        snprintf(script, sizeof(script), "head -c %d /dev/zero; exit %d", i * 1300, i % 100);
        struct probe_result r;
        run(id, ARGV("sh", "-c", script), &r);
        CHECK_INT(r.n_out, i * 1300);
        CHECK_INT(r.exit_code, i % 100);
        forget(id, &r);
    }
}

static void test_unknown_sessions(void)
{
    OK(probe_stdin(&p, "nobody", 0, "x", 1));
    PB(FromAgent) *m = probe_next_of(&p, FROM_KIND(SESSION_STATUS));
    CHECK_INT(m ? (int)m->session_status->state : -1,
              BANGER__AGENT__V1__SESSION_STATE__SESSION_STATE_UNKNOWN);
    probe_free(m);
    CHECK(probe_subscribe(&p, "nobody", 1) != 0);
    m = probe_next_of(&p, FROM_KIND(SUBSCRIBED));
    CHECK(m && m->subscribed->error[0]);
    probe_free(m);
    OK(probe_delete(&p, "nobody"));
}

int main(void)
{
    probe_init(&p);
    if (fixture_start() < 0)
        return check_skip("no agent");
    OK(probe_connect(&p, fixture_path()));
    OK(probe_hello(&p));
    RUN(test_output_and_exit_code);
    RUN(test_death_by_signal);
    RUN(test_failures_name_their_stage);
    RUN(test_merged_stderr_keeps_the_order);
    RUN(test_limits_are_the_process_s);
    RUN(test_limits_that_cannot_be_set_are_named);
    RUN(test_environment);
    RUN(test_a_variable_given_twice_has_its_last_value_once);
    RUN(test_stdin_comes_back);
    RUN(test_stdin_offsets);
    RUN(test_stdin_window);
    RUN(test_a_reader_that_leaves_closes_stdin);
    RUN(test_a_new_link_resumes);
    RUN(test_garbage_only_costs_the_link);
    RUN(test_a_grandchild_holds_the_stream);
    RUN(test_delete_kills_what_left_the_group);
    RUN(test_timeout);
    RUN(test_signals);
    RUN(test_no_reader_means_a_gap);
    RUN(test_a_stalled_reader_stalls_nobody);
    RUN(test_terminal);
    RUN(test_what_a_terminal_does_not_echo_is_acknowledged);
    RUN(test_a_stream_that_ends_while_its_process_lives_is_told);
    RUN(test_many_at_once);
    RUN(test_quick_cycles);
    RUN(test_unknown_sessions);
    probe_done(&p);
    CHECK_INT(fixture_stop(), 0);
    return check_end();
}
