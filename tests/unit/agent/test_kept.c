/* What ended sessions keep of their output together, and whose goes when that is too much. */
#include <stdio.h>
#include <string.h>

#include "tests/support/agent_fixture.h"
#include "tests/support/agent_probe.h"
#include "tests/support/check.h"

static struct probe p;

#define EXITED    BANGER__AGENT__V1__SESSION_STATE__SESSION_STATE_EXITED
#define ARGV(...) ((const char *const[]){__VA_ARGS__, NULL})

/* Every call on the probe goes through this: its text says what went wrong. */
#define OK(call) check_report((call) >= 0, __FILE__, __LINE__, p.error)

enum { MIB = 1024 * 1024, MOST = 4 * MIB };

static void await_exit(const char *id)
{
    PB(FromAgent) *m = probe_wait_state(&p, id, EXITED);
    while (m && !(m->session_status->stdout_ended && m->session_status->stderr_ended)) {
        probe_free(m);
        m = probe_wait_state(&p, id, EXITED);
    }
    OK(m ? 0 : -1);
    probe_free(m);
}

static void start_writing(const char *id, size_t n_bytes, uint32_t hold_ms)
{
    char bytes[24];
    snprintf(bytes, sizeof(bytes), "%zu", n_bytes);
    PB(StartSession) s = BANGER__AGENT__V1__START_SESSION__INIT;
    s.session_id = (char *)(uintptr_t)id;
    s.spool_bytes = 4 * MOST;
    s.hold_ms = hold_ms;
    OK(probe_start_message(&p, &s, ARGV("head", "-c", bytes, "/dev/zero")));
}

static void write_and_end(const char *id, size_t n_bytes)
{
    start_writing(id, n_bytes, 0);
    await_exit(id);
}

static PB(FromAgent) * ping(void)
{
    PB(Ping) ping = BANGER__AGENT__V1__PING__INIT;
    PB(ToAgent) m = BANGER__AGENT__V1__TO_AGENT__INIT;
    ping.token = 5;
    m.kind_case = TO_KIND(PING);
    m.ping = &ping;
    OK(probe_send(&p, &m));
    return probe_next_of(&p, FROM_KIND(PONG));
}

static PB(KeptOutput) ask(void)
{
    PB(KeptOutput) kept = BANGER__AGENT__V1__KEPT_OUTPUT__INIT;
    PB(FromAgent) *answer = ping();
    if (CHECK(answer && answer->pong->kept))
        kept = *answer->pong->kept;
    probe_free(answer);
    return kept;
}

/* Before, nobody knows on which disk it will be. */
static void test_nothing_is_told_before_the_guest_is_configured(void)
{
    PB(FromAgent) *answer = ping();
    CHECK(answer && !answer->pong->kept);
    probe_free(answer);
    PB(Configure) configure = BANGER__AGENT__V1__CONFIGURE__INIT;
    PB(ToAgent) m = BANGER__AGENT__V1__TO_AGENT__INIT;
    m.kind_case = TO_KIND(CONFIGURE);
    m.configure = &configure;
    OK(probe_send(&p, &m));
    probe_free(probe_next_of(&p, FROM_KIND(CONFIGURED)));
}

static void read_all(const char *id, struct probe_result *r)
{
    uint32_t sub = probe_subscribe(&p, id, PROBE_CREDIT_BYTES);
    OK(probe_start(&p, id, ARGV("true"), false)); /* its status once more */
    OK(probe_collect(&p, id, sub, false, r));
    CHECK_INT(r->exit_code, 0);
    probe_result_done(r);
}

static void check_whole(const char *id, size_t n_bytes)
{
    struct probe_result r;
    read_all(id, &r);
    CHECK(!r.gap);
    CHECK_INT(r.n_out, n_bytes);
}

static void check_dropped(const char *id, size_t n_bytes)
{
    struct probe_result r;
    uint32_t gaps = p.n_gaps;
    read_all(id, &r);
    CHECK_INT(p.n_gaps, gaps + 1);
    CHECK_INT(r.n_out, n_bytes); /* the gap's */
    CHECK_STR(r.gap_reason, "ended_limit");
}

static void test_what_is_kept_is_told(void)
{
    CHECK_INT(ask().ended_bytes, 0);
    CHECK_INT(ask().ended_limit_bytes, MOST);
    CHECK_INT(ask().live_bytes, 0);
    write_and_end("a1", MIB);
    CHECK_INT(ask().ended_bytes, MIB);
    OK(probe_start(&p, "a2", ARGV("sh", "-c", "echo out; read x"), true));
    CHECK(probe_subscribe(&p, "a2", PROBE_CREDIT_BYTES) != 0);
    probe_free(probe_next_of(&p, FROM_KIND(DATA)));
    CHECK_INT(ask().live_bytes, 4);
    OK(probe_delete(&p, "a1"));
    OK(probe_delete(&p, "a2"));
    CHECK_INT(ask().ended_bytes, 0);
    CHECK_INT(ask().live_bytes, 0);
}

static void test_the_output_of_the_oldest_ended_goes_first(void)
{
    write_and_end("b1", MIB);
    write_and_end("b2", MIB);
    write_and_end("b3", MIB);
    CHECK_INT(ask().ended_bytes, 3 * MIB);
    write_and_end("b4", 2 * MIB + MIB / 2);
    CHECK_INT(ask().ended_bytes, 3 * MIB + MIB / 2);
    check_dropped("b1", MIB);
    check_dropped("b2", MIB);
    check_whole("b3", MIB);
    check_whole("b4", 2 * MIB + MIB / 2);
    for (const char *const *id = ARGV("b1", "b2", "b3", "b4"); *id; id++)
        OK(probe_delete(&p, *id));
    CHECK_INT(ask().ended_bytes, 0);
}

static void test_the_latest_is_kept_whatever_its_size(void)
{
    write_and_end("c1", MIB);
    write_and_end("c2", MOST + MIB);
    CHECK_INT(ask().ended_bytes, MOST + MIB);
    check_dropped("c1", MIB);
    check_whole("c2", MOST + MIB);
    write_and_end("c3", 10);
    CHECK_INT(ask().ended_bytes, 10);
    check_dropped("c2", MOST + MIB);
    for (const char *const *id = ARGV("c1", "c2", "c3"); *id; id++)
        OK(probe_delete(&p, *id));
}

/* Its output is a pipe: nothing of it goes before it has been read, or will not be. */
static void test_what_is_held_is_kept(void)
{
    struct probe_result r;
    start_writing("d1", 3 * MIB, 60000);
    await_exit("d1"); /* nobody has come yet */
    write_and_end("d2", 2 * MIB);
    CHECK_INT(ask().ended_bytes, 5 * MIB);
    uint32_t sub = probe_subscribe_holding(&p, "d1", 1000);
    probe_free(probe_next_of(&p, FROM_KIND(DATA)));
    write_and_end("d3", 2 * MIB);
    CHECK_INT(ask().ended_bytes, 5 * MIB); /* d2's went */
    OK(probe_unsubscribe(&p, sub, true));
    write_and_end("d4", MIB);
    CHECK_INT(ask().ended_bytes, 3 * MIB);
    check_dropped("d1", 3 * MIB);
    check_whole("d3", 2 * MIB);
    read_all("d4", &r);
    for (const char *const *id = ARGV("d1", "d2", "d3", "d4"); *id; id++)
        OK(probe_delete(&p, *id));
}

int main(void)
{
    probe_init(&p);
    fixture_ended_most = MOST;
    if (fixture_start() < 0)
        return check_skip("no agent");
    OK(probe_connect(&p, fixture_path()));
    OK(probe_hello(&p));
    RUN(test_nothing_is_told_before_the_guest_is_configured);
    RUN(test_what_is_kept_is_told);
    RUN(test_the_output_of_the_oldest_ended_goes_first);
    RUN(test_the_latest_is_kept_whatever_its_size);
    RUN(test_what_is_held_is_kept);
    probe_done(&p);
    CHECK_INT(fixture_stop(), 0);
    return check_end();
}
