/* Nothing of a session is forgotten between the model and the agent: what is asked for is in the
 * message, and what a status says is taken over. */
#include <pb_common.h>

#include "daemon/guest/agent_client.h"
#include "daemon/guest/agent_codec.h"
#include "tests/support/check.h"
#include "tests/support/sample.h"

/* The daemon's own: what came of the session, and what the agent has no part in. */
static const char *const not_sent[] = {"vm_id",
                                       "name",
                                       "service_id",
                                       "hook",
                                       "tags",
                                       "state",
                                       "failed_stage",
                                       "lost_reason",
                                       "last_error",
                                       "failed_errno",
                                       "exit_kind",
                                       "exit_code",
                                       "exit_signo",
                                       "timed_out",
                                       "guest_pid",
                                       "stdout_total",
                                       "stderr_total",
                                       "stdin_acked",
                                       "stdout_ended",
                                       "stderr_ended",
                                       "stdin_closed",
                                       "stop_unwatched_ms",
                                       "stop_unwatched_from_start",
                                       "delete_ended_ms",
                                       "stdout_acked",
                                       "stderr_acked",
                                       "watched",
                                       "forget",
                                       "writer_generation",
                                       "created_ns",
                                       "started_ns",
                                       "ended_ns",
                                       "updated_ns",
                                       NULL};

static bool is_in(const char *const *names, const char *name)
{
    for (; *names; names++)
        if (strcmp(*names, name) == 0)
            return true;
    return false;
}

static void test_all_of_a_start_is_sent(void)
{
    struct session session = {.id = ""};
    uint8_t before[8192], after[8192];
    sample_fill(&session_table, &session);
    size_t n = agent_codec_write_start(session.id, &session.spec, false, 0, before, sizeof(before));
    CHECK(n > 0);
    sample_done(&session_table, &session);
    for (size_t i = 0; i < session_table.n_columns; i++) {
        const struct column *c = &session_table.columns[i];
        memset(&session, 0, sizeof(session));
        sample_fill(&session_table, &session);
        sample_change(c, &session);
        size_t len =
            agent_codec_write_start(session.id, &session.spec, false, 0, after, sizeof(after));
        bool sent = len != n || memcmp(before, after, n) != 0;
        if (!CHECK_INT(sent, !is_in(not_sent, c->name)))
            fprintf(stderr, "sessions.%s %s\n", c->name,
                    sent ? "is sent: it is no exception" : "is not sent, and no exception");
        sample_done(&session_table, &session);
    }
}

/* No field is at its default but the times before now, which go before the guest's own. */
static void fill_status(PB(SessionStatus) * status)
{
    pb_field_iter_t at;
    memset(status, 0, sizeof(*status));
    if (!CHECK(pb_field_iter_begin(&at, PB(SessionStatus_fields), status)))
        return;
    do {
        *(char *)at.pData = PB_LTYPE(at.type) == PB_LTYPE_BOOL ? 1 : 2;
        if (PB_HTYPE(at.type) == PB_HTYPE_REPEATED)
            *(pb_size_t *)at.pSize = 1;
    } while (pb_field_iter_next(&at));
    strcpy(status->session_id, "0123456789abcdef");
    strcpy(status->error, "x");
    strcpy(status->failed_stage, "x");
    status->started_ago_ns = status->ended_ago_ns = 0;
}

static void test_all_of_a_status_is_taken(void)
{
    PB(SessionStatus) status;
    static struct agent_session_status before, after;
    pb_field_iter_t at;
    int n = 0;
    fill_status(&status);
    CHECK(agent_codec_status(&status, &before));
    pb_field_iter_begin(&at, PB(SessionStatus_fields), &status);
    do {
        *(char *)at.pData ^= 1;
        memset(&after, 0, sizeof(after));
        CHECK(agent_codec_status(&status, &after));
        if (!CHECK(memcmp(&before, &after, sizeof(after)) != 0))
            fprintf(stderr, "field %u of SessionStatus is not taken over\n", (unsigned)at.tag);
        *(char *)at.pData ^= 1;
        n++;
    } while (pb_field_iter_next(&at));
    CHECK(n >= 20);
    memset(&after, 0, sizeof(after));
    CHECK(agent_codec_status(&status, &after));
    CHECK(memcmp(&before, &after, sizeof(after)) == 0);
}

int main(void)
{
    RUN(test_all_of_a_start_is_sent);
    RUN(test_all_of_a_status_is_taken);
    return check_end();
}
