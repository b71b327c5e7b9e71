/* While a process writes a lot the agent lets it go first, and no longer; what it starts meanwhile
 * is scheduled as ever. */
#include <sched.h>
#include <signal.h>
#include <stdio.h>

#include "base/clock.h"
#include "tests/support/agent_fixture.h"
#include "tests/support/agent_probe.h"
#include "tests/support/check.h"

static struct probe p;

#define EXITED    BANGER__AGENT__V1__SESSION_STATE__SESSION_STATE_EXITED
#define ARGV(...) ((const char *const[]){__VA_ARGS__, NULL})
#define OK(call)  check_report((call) >= 0, __FILE__, __LINE__, p.error)

enum { DEADLINE_MS = 20000 };

static int policy(void)
{
    return sched_getscheduler(fixture_pid());
}

/* Asks for the session's status until the agent is scheduled so. */
static void await_policy(int wanted, const char *session)
{
    int64_t until_ms = clock_mono_ms() + DEADLINE_MS;
    while (policy() != wanted && clock_mono_ms() < until_ms && p.error[0] == '\0') {
        OK(probe_start(&p, session, ARGV("true"), false));
        PB(FromAgent) *m = probe_next_of(&p, FROM_KIND(SESSION_STATUS));
        OK(m ? 0 : -1);
        probe_free(m);
    }
    CHECK_INT(policy(), wanted);
}

static void test_a_writer_of_much_goes_first(void)
{
    CHECK_INT(policy(), SCHED_OTHER);
    OK(probe_start(&p, "much", ARGV("yes"), false));
    await_policy(SCHED_BATCH, "much");
}

static void test_a_session_started_meanwhile_is_scheduled_as_ever(void)
{
    struct probe_result r;
    OK(probe_run(&p, "other", ARGV("cut", "-d", " ", "-f", "41", "/proc/self/stat"), NULL, 0, true,
                 &r));
    CHECK_INT(r.exit_code, 0);
    CHECK_INT(r.out.tail - r.out.head, 2);
    CHECK_INT(buf_data(&r.out)[0], '0');
    CHECK_INT(policy(), SCHED_BATCH); /* and so it was meanwhile */
    probe_result_done(&r);
}

static void test_the_agent_is_itself_again_when_little_comes(void)
{
    OK(probe_signal(&p, "much", SIGKILL, BANGER__AGENT__V1__SIGNAL_TARGET__SIGNAL_TARGET_ALL));
    probe_free(probe_wait_state(&p, "much", EXITED));
    await_policy(SCHED_OTHER, "much");
}

int main(void)
{
    probe_init(&p);
    if (sched_getscheduler(0) != SCHED_OTHER)
        return check_skip("the tests themselves are scheduled in another way than the usual one");
    if (fixture_start() < 0)
        return check_skip("no agent");
    OK(probe_connect(&p, fixture_path()));
    OK(probe_hello(&p));
    RUN(test_a_writer_of_much_goes_first);
    RUN(test_a_session_started_meanwhile_is_scheduled_as_ever);
    RUN(test_the_agent_is_itself_again_when_little_comes);
    probe_done(&p);
    CHECK_INT(fixture_stop(), 0);
    return check_end();
}
