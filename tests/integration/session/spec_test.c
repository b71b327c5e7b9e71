/* What a session's spec says of its life: output that waits to be acknowledged, a stop when nobody
 * watches, a deletion after its end; also over the daemon's own end. */
#include <signal.h>

#include "tests/integration/session/viewer.h"
#include "tests/support/check.h"

struct answer {
    bool waits;
    struct err err;
};

static void on_done(void *arg, const struct err *err)
{
    struct answer *a = arg;
    a->waits = false;
    if (err)
        a->err = *err;
    world_poke();
}

static bool is_answered(void *arg)
{
    return !((struct answer *)arg)->waits;
}

static void ack(struct session_entry *e, uint64_t offset)
{
    struct answer a = {.waits = true};
    struct err err = ERR_INIT;
    CHECK_INT(session_ack_output(e, offset, 0, on_done, &a, &err), 0);
    CHECK(world_run(is_answered, &a));
    CHECK_INT(a.err.code, ERR_NONE);
}

static bool has_filled_its_half(void *arg)
{
    return session_record(arg)->stdout_total == 32768;
}

/* Acknowledges what it has seen. */
static struct answer acking;

static bool acks_all(void *arg)
{
    struct viewer *v = arg;
    uint64_t acked = session_record(v->session)->stdout_acked;
    CHECK(v->next[0] <= acked + 32768);
    if (!acking.waits && v->next[0] > acked && !v->n_exit) {
        acking = (struct answer){.waits = true};
        if (session_ack_output(v->session, v->next[0], 0, on_done, &acking, &acking.err) < 0)
            acking.waits = false;
    }
    return viewer_is_over(v) && !acking.waits;
}

static void test_what_is_acknowledged_is_known_to_the_next_daemon(void)
{
    static const struct session more = {.spec.spool_bytes = 65536,
                                        .spec.output_policy = OUTPUT_UNTIL_ACKNOWLEDGED};
    struct err err = ERR_INIT;
    world_open_daemon(-1);
    struct session_entry *e = world_start("head -c 300000 /dev/zero", &more, &err);
    CHECK(e && world_await(has_filled_its_half, e));
    CHECK_INT(session_ack_output(e, 32769, 0, on_done, NULL, &err), -1);
    CHECK_INT(err.code, ERR_RANGE);
    ack(e, 20000);
    ack(e, 10000);
    CHECK_INT(session_record(e)->stdout_acked, 20000);
    world_close_daemon();

    world_open_daemon(-1);
    e = session_next(&world.core, NULL);
    CHECK_INT(session_record(e)->stdout_acked, 20000);
    struct attach_options from_acked = from_start;
    from_acked.from_stdout = (struct agent_start){AGENT_FROM_OFFSET, 20000};
    struct viewer v = {.not_source = true};
    viewer_open(&v, e, &from_acked);
    CHECK(world_await(acks_all, &v));
    CHECK_INT(v.n_gaps, 0);
    CHECK_INT(v.next[0], 300000);
    CHECK_INT(v.got[0], 280000);
    viewer_close(&v);
    world_delete_all();
    world_close_daemon();
}

static void test_only_output_that_is_held_is_acknowledged(void)
{
    struct err err = ERR_INIT;
    world_open_daemon(-1);
    struct session_entry *e = world_start("echo", NULL, &err);
    CHECK(e && world_wait_ended(e));
    CHECK_INT(session_ack_output(e, 1, 0, on_done, NULL, &err), -1);
    CHECK_STR(err.reason, "OUTPUT_NOT_HELD");
    world_delete_all();
    world_close_daemon();
}

static void check_stopped(struct session_entry *e)
{
    CHECK(world_wait_ended(e));
    CHECK_INT(session_record(e)->state, SESSION_EXITED);
    CHECK_INT(session_record(e)->exit_signo, SIGTERM);
}

static void watch_for_a_moment(struct session_entry *e)
{
    struct viewer v = {.not_source = true};
    viewer_open(&v, e, &from_start);
    CHECK(world_run(viewer_is_opened, &v));
    viewer_close(&v);
}

static void test_a_session_is_stopped_when_its_last_viewer_has_left(void)
{
    static const struct session more = {.spec.stop_unwatched_ms = 100};
    struct err err = ERR_INIT;
    world_open_daemon(-1);
    struct session_entry *e = world_start("sleep 1000", &more, &err);
    struct session_entry *other = world_start("sleep 0.3", NULL, &err);
    CHECK(other && world_wait_ended(other));
    CHECK_INT(session_record(e)->state, SESSION_RUNNING); /* nobody has come yet */
    struct viewer stays = {.not_source = true}, leaves = {.not_source = true};
    viewer_open(&stays, e, &from_start);
    viewer_open(&leaves, e, &from_start);
    viewer_close(&leaves);
    other = world_start("sleep 0.3", NULL, &err);
    CHECK(other && world_wait_ended(other));
    CHECK_INT(session_record(e)->state, SESSION_RUNNING); /* one is left */
    viewer_close(&stays);
    check_stopped(e);
    world_delete_all();
    world_close_daemon();
}

static void test_a_session_that_nobody_ever_watches_is_stopped_where_that_is_asked_for(void)
{
    static const struct session more = {.spec.stop_unwatched_ms = 100,
                                        .spec.stop_unwatched_from_start = true};
    struct err err = ERR_INIT;
    world_open_daemon(-1);
    check_stopped(world_start("sleep 1000", &more, &err));
    world_delete_all();
    world_close_daemon();
}

static void test_the_next_daemon_stops_what_nobody_watches_any_more(void)
{
    static const struct session more = {.spec.stop_unwatched_ms = 1500};
    struct err err = ERR_INIT;
    world_open_daemon(-1);
    watch_for_a_moment(world_start("sleep 1000", &more, &err));
    struct session_entry *never = world_start("sleep 1000", &more, &err);
    CHECK(never != NULL);
    world_close_daemon();
    world_open_daemon(-1);
    check_stopped(session_next(&world.core, NULL));
    never = session_next(&world.core, session_next(&world.core, NULL));
    CHECK_INT(session_record(never)->state, SESSION_RUNNING);
    world_delete_all();
    world_close_daemon();
}

static bool nothing_is_listed(void *arg)
{
    (void)arg;
    return session_next(&world.core, NULL) == NULL;
}

static void test_an_ended_session_is_deleted_after_its_time(void)
{
    static const struct session more = {.spec.delete_ended_ms = 1000};
    struct err err = ERR_INIT;
    world_open_daemon(-1);
    struct session_entry *e = world_start("exit 3", &more, &err);
    CHECK(e && world_wait_ended(e));
    CHECK_INT(session_record(e)->exit_code, 3);
    CHECK(world_await(nothing_is_listed, NULL));
    e = world_start("exit 3", &more, &err);
    CHECK(e && world_wait_ended(e));
    world_close_daemon();
    world_open_daemon(-1);
    CHECK(world_await(nothing_is_listed, NULL));
    world_close_daemon();
}

static void check_drained(const struct session *more, const char *script, const char *text)
{
    struct err err = ERR_INIT;
    struct viewer v = {.not_source = true};
    struct session_entry *e = world_start(script, more, &err);
    viewer_open(&v, e, &from_start);
    CHECK(viewer_finish_exit(&v));
    CHECK_STR(v.text, text);
    viewer_close(&v);
    world_delete(e, true);
}

static void test_a_held_stream_is_read_to_its_end_or_cut(void)
{
    static const struct session closed = {.spec.drain_ms = 1,
                                          .spec.drain_policy = DRAIN_UNTIL_CLOSED};
    static const struct session cut = {.spec.drain_ms = 60000, .spec.drain_policy = DRAIN_CUT};
    world_open_daemon(-1);
    check_drained(&closed, "(sleep 0.7; echo late) & echo first", "first\nlate\n");
    check_drained(&cut, "sleep 50 & echo first", "first\n");
    world_close_daemon();
}

int main(void)
{
    world_begin();
    RUN(test_what_is_acknowledged_is_known_to_the_next_daemon);
    RUN(test_only_output_that_is_held_is_acknowledged);
    RUN(test_a_session_is_stopped_when_its_last_viewer_has_left);
    RUN(test_a_session_that_nobody_ever_watches_is_stopped_where_that_is_asked_for);
    RUN(test_the_next_daemon_stops_what_nobody_watches_any_more);
    RUN(test_an_ended_session_is_deleted_after_its_time);
    RUN(test_a_held_stream_is_read_to_its_end_or_cut);
    world_end();
    return check_end();
}
