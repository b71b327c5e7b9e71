/* Attach: cursors, stalled viewers, broken links, the order of the last words. */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "tests/integration/session/viewer.h"
#include "tests/integration/session/world.h"
#include "tests/support/check.h"

enum { KEPT_UNTAKEN_BYTES = 1024 * 1024 }; /* of a session that drops what was taken */

static struct session_entry *start_printing(unsigned bytes, const struct session *more)
{
    char script[300];
    struct err err = ERR_INIT;
    snprintf(script, sizeof(script), "head -c %u %s; exit 6", bytes, world.source_path);
    struct session_entry *e = world_start(script, more, &err);
    CHECK(e != NULL);
    return e;
}

static void test_offsets(void)
{
    world_open_daemon(-1);
    struct session_entry *e = start_printing(500000, NULL);
    CHECK(world_wait_ended(e));
    static const struct {
        struct agent_start from;
        uint64_t begin;
    } cases[] = {
        {{AGENT_FROM_OFFSET, 0}, 0},
        {{AGENT_FROM_OFFSET, 123456}, 123456},
        {{AGENT_FROM_OFFSET, 500000}, 500000},
        {{AGENT_FROM_TAIL, 1000}, 499000},
        {{AGENT_FROM_TAIL, 1000000}, 0},
        {{AGENT_FROM_END, 0}, 500000},
        {{AGENT_SKIP, 0}, 500000},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct viewer v = {0};
        struct attach_options o = from_start;
        o.from_stdout = cases[i].from;
        viewer_open(&v, e, &o);
        CHECK(world_run(viewer_is_over, &v));
        CHECK_INT(v.n_exit, 1);
        CHECK(!v.wrong);
        CHECK_INT(v.opened.stdout_offset, cases[i].begin);
        CHECK_INT(v.got[0], 500000 - cases[i].begin);
        CHECK_INT(v.total[0], 500000);
        viewer_close(&v);
    }
    struct viewer v = {0};
    struct attach_options o = from_start;
    o.from_stdout.value = 500001;
    viewer_open(&v, e, &o);
    CHECK(world_run(viewer_is_over, &v));
    CHECK_INT(v.n_failed, 1);
    CHECK_INT(v.error.code, ERR_RANGE);
    viewer_close(&v);
    world_delete_all();
    world_close_daemon();
}

static void test_no_follow(void)
{
    struct err err = ERR_INIT;
    char script[300];
    world_open_daemon(-1);
    snprintf(script, sizeof(script), "head -c 70000 %s; sleep 600", world.source_path);
    struct session_entry *e = world_start(script, NULL, &err);
    struct viewer all = {0}, now = {0};
    viewer_open(&all, e, &from_start);
    struct attach_options o = from_start;
    o.no_follow = true;
    for (;;) { /* until everything has been written */
        now = (struct viewer){0};
        viewer_open(&now, e, &o);
        CHECK(world_run(viewer_is_over, &now));
        CHECK_INT(now.n_caught_up, 1);
        CHECK(!now.wrong);
        viewer_close(&now);
        if (now.got[0] == 70000 || world.timed_out)
            break;
    }
    CHECK_INT(now.n_ends, 0);
    viewer_close(&all);
    world_delete_all();
    world_close_daemon();
}

/* The last lines of much output cost the channel no more than they are long. */
static void test_tail_lines_cost_their_length(void)
{
    struct err err = ERR_INIT;
    world_open_daemon(PROXY_SOCKET);
    struct session_entry *e =
        world_start("yes 123456789 | head -n 800000; yes abc | head -n 5 >&2", NULL, &err);
    CHECK(world_wait_ended(e));
    CHECK(agent_client_hello(world.vm.agent)->tail_lines);
    static const struct {
        uint64_t lines, got_out, got_err;
    } cases[] = {{1, 10, 4}, {1000, 10000, 20}, {5, 50, 20}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct viewer v = {.not_source = true};
        struct attach_options o = from_start;
        o.from_stdout = (struct agent_start){AGENT_FROM_TAIL_LINES, cases[i].lines};
        o.from_stderr = o.from_stdout;
        size_t before = world.proxy.passed;
        viewer_open(&v, e, &o);
        CHECK(world_run(viewer_is_over, &v));
        CHECK(!v.wrong);
        CHECK_INT(v.got[0], cases[i].got_out);
        CHECK_INT(v.got[1], cases[i].got_err);
        CHECK_INT(v.n_gaps, 0);
        size_t cost = world.proxy.passed - before;
        if (!CHECK(cost < cases[i].got_out + cases[i].got_err + 2048))
            fprintf(stderr, "  (%zu bytes)\n", cost);
        viewer_close(&v);
    }
    world_delete_all();
    world_close_daemon();
}

/* What an older agent does not know is refused, rather than taken for another place. */
static void test_an_older_agent_is_named(void)
{
    world_open_daemon(-1);
    struct session_entry *e = start_printing(100, NULL);
    CHECK(world_wait_ended(e));
    struct agent_hello *hello = (struct agent_hello *)(uintptr_t)agent_client_hello(world.vm.agent);
    const struct agent_start asked[] = {{.at = AGENT_FROM_TAIL_LINES, .value = 1},
                                        {.at = AGENT_FROM_TIME, .value = 1},
                                        {.at = AGENT_FROM_OFFSET, .value = 0}};
    for (size_t i = 0; i < 2 * sizeof(asked) / sizeof(asked[0]); i++) {
        bool old = i % 2;
        struct viewer v = {0};
        struct attach_options o = from_start;
        hello->tail_lines = hello->output_times = !old;
        o.from_stdout = asked[i / 2];
        o.no_follow = true;
        o.until_ns = i / 2 == 2 ? INT64_MAX : 0;
        viewer_open(&v, e, &o);
        CHECK(world_run(viewer_is_over, &v));
        CHECK_INT(v.n_failed, old);
        CHECK_STR(v.error.reason, old ? "AGENT_OLD" : "");
        viewer_close(&v);
    }
    world_delete_all();
    world_close_daemon();
}

/* The last words wait for both ends, however the process and its heirs go. */
static void test_grandchild_holds_output(void)
{
    struct err err = ERR_INIT;
    world_open_daemon(-1);
    struct session more = {.spec.drain_ms = 300};
    int64_t begin_ms = clock_mono_ms();
    struct session_entry *e = world_start("sleep 30 & echo hi; exit 3", &more, &err);
    struct viewer v = {.not_source = true};
    viewer_open(&v, e, &from_start);
    CHECK(world_wait_ended(e));
    CHECK_INT(session_record(e)->exit_code, 3);
    CHECK_INT(v.n_exit, 0);
    CHECK(viewer_finish_exit(&v));
    CHECK(clock_mono_ms() - begin_ms < 10000);
    CHECK_INT(v.got[0], 3);
    viewer_close(&v);
    world_delete_all();
    world_close_daemon();
}

static bool both_over(void *arg)
{
    struct viewer *v = arg;
    return viewer_is_over(&v[0]) && viewer_is_over(&v[1]);
}

static void test_stalled_viewer(void)
{
    world_open_daemon(-1);
    struct session more = {.spec.spool_bytes = 4 * 1024 * 1024};
    struct session_entry *e = start_printing(WORLD_SOURCE_BYTES, &more);
    struct viewer v[3] = {{0}, {0}, {.stalled = true}};
    for (int i = 0; i < 3; i++)
        viewer_open(&v[i], e, &from_start);
    struct mallinfo2 before = mallinfo2();
    CHECK(world_run(both_over, v));
    struct mallinfo2 after = mallinfo2();
    for (int i = 0; i < 2; i++) {
        CHECK(!v[i].wrong);
        CHECK_INT(v[i].n_exit, 1);
        CHECK_INT(v[i].next[0], WORLD_SOURCE_BYTES);
    }
    printf("     gaps %llu %llu, held %lld KiB more\n", (unsigned long long)v[0].gaps[0],
           (unsigned long long)v[1].gaps[0],
           (long long)(after.uordblks + after.hblkhd - before.uordblks - before.hblkhd) / 1024);
    CHECK(v[2].got[0] <= 256 * 1024);
    CHECK_INT(v[2].n_exit, 0);
    viewer_resume(&v[2]);
    CHECK(viewer_finish_exit(&v[2]));
    CHECK_INT(v[2].got[0] + v[2].gaps[0], WORLD_SOURCE_BYTES);
    CHECK_STR(v[2].gap_reason, "spool_limit");
    for (int i = 0; i < 3; i++)
        viewer_close(&v[i]);
    /* What is told to be kept is there, and nothing before it. The stalled one may have met its gap
     * while there was more to come. */
    struct viewer late = {0}, from_oldest = {0}, from_before = {0};
    struct attach_options at = from_start;
    viewer_open(&late, e, &at);
    CHECK(viewer_finish_exit(&late));
    CHECK(late.oldest[0] >= v[2].oldest[0] && late.n_gaps == 1);
    viewer_close(&late);
    at.from_stdout = (struct agent_start){AGENT_FROM_OFFSET, late.oldest[0]};
    viewer_open(&from_oldest, e, &at);
    at.from_stdout.value--;
    viewer_open(&from_before, e, &at);
    CHECK(viewer_finish_exit(&from_oldest) && viewer_finish_exit(&from_before));
    CHECK_INT(from_oldest.n_gaps, 0);
    CHECK_INT(from_before.gaps[0], 1);
    CHECK_INT(from_before.oldest[0], late.oldest[0]);
    viewer_close(&from_oldest);
    viewer_close(&from_before);
    world_delete_all();
    world_close_daemon();
}

static void run_with_cuts(int kind)
{
    world_open_daemon(kind);
    world_set_cuts(1000, 1200 * 1024);
    for (int i = 0; i < 2; i++) {
        struct session_entry *e = start_printing(4 * 1024 * 1024, NULL);
        struct viewer v[2] = {{0}, {0}};
        struct attach_options later = from_start;
        later.from_stdout = (struct agent_start){AGENT_FROM_TAIL, 100000};
        viewer_open(&v[0], e, &from_start);
        viewer_open(&v[1], e, &later);
        if (i == 1)
            proxy_cut(&world.proxy);
        for (int k = 0; k < 2; k++) {
            CHECK(viewer_finish_exit(&v[k]));
            CHECK_INT(v[k].n_opened, 1);
            CHECK_INT(v[k].n_gaps, 0);
            CHECK_INT(v[k].next[0], 4 * 1024 * 1024);
            viewer_close(&v[k]);
        }
        CHECK_INT(session_record(e)->exit_code, 6);
    }
    printf("     %u cuts, %u links lost after hello\n", world.proxy.cuts, world.downs);
    CHECK(world.proxy.cuts > world_many_cuts());
    proxy_set_cuts(&world.proxy, 0, 0);
    world_delete_all();
    world_close_daemon();
}

static void test_socket_cut(void)
{
    run_with_cuts(PROXY_SOCKET);
}

static void test_port_cut(void)
{
    run_with_cuts(PROXY_PORT);
}

/* What comes first closes the attach, from inside its event. */
static void close_now(struct viewer *v)
{
    viewer_close(v);
}

static void test_close_inside_event(void)
{
    world_open_daemon(-1);
    struct session_entry *e = start_printing(100000, NULL);
    struct viewer v = {.more = close_now};
    viewer_open(&v, e, &from_start);
    CHECK(world_run(viewer_is_opened, &v));
    CHECK_INT(session_attached_count(e), 0);
    world_delete_all();
    world_close_daemon();
}

/* As a client that is cut off with all that the agent keeps in its hands, and no word of it sent.
 */
static bool has_all_that_is_kept(void *arg)
{
    return ((struct viewer *)arg)->next[0] == KEPT_UNTAKEN_BYTES;
}

static bool has_more_than_was_kept(void *arg)
{
    return ((struct viewer *)arg)->next[0] > KEPT_UNTAKEN_BYTES;
}

static bool takes_to_the_end(void *arg)
{
    struct viewer *v = arg;
    attach_taken(v->attach, v->next[0], v->next[1]);
    return viewer_is_over(v);
}

static void test_where_an_attach_begins_is_what_was_taken(void)
{
    struct session held = {.spec.output_policy = OUTPUT_HOLD_DROP_TAKEN};
    struct attach_options o = from_start;
    struct viewer cut_off = {0}, back = {0};
    o.hold = true;
    world_open_daemon(-1);
    struct session_entry *e = start_printing(4 * KEPT_UNTAKEN_BYTES, &held);
    viewer_open(&cut_off, e, &o);
    CHECK(world_run(has_all_that_is_kept, &cut_off));
    CHECK(cut_off.opened.wants_taken);
    viewer_close(&cut_off);
    o.from_stdout.value = cut_off.next[0];
    viewer_open(&back, e, &o);
    CHECK(world_run(has_more_than_was_kept, &back));
    CHECK(world_run(takes_to_the_end, &back));
    CHECK(viewer_finish_exit(&back));
    CHECK_INT(back.got[0], 3 * KEPT_UNTAKEN_BYTES);
    CHECK_INT(back.n_gaps, 0);
    viewer_close(&back);
    world_delete_all();
    world_close_daemon();
}

int main(void)
{
    world_begin();
    RUN(test_offsets);
    RUN(test_no_follow);
    RUN(test_tail_lines_cost_their_length);
    RUN(test_an_older_agent_is_named);
    RUN(test_grandchild_holds_output);
    RUN(test_stalled_viewer);
    RUN(test_socket_cut);
    RUN(test_port_cut);
    RUN(test_close_inside_event);
    RUN(test_where_an_attach_begins_is_what_was_taken);
    world_end();
    return check_end();
}
