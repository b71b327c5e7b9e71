/* Tools of the agent: bytes both ways over broken links, one end, and nothing left of them. */
#include <signal.h>
#include <string.h>

#include "daemon/core/session/guest_tool.h"
#include "tests/integration/session/world.h"
#include "tests/support/check.h"

enum { CREDIT = 64 * 1024, PIECE = 48 * 1024 };

/* One that is fed the source and compares what comes back. */
struct run {
    struct guest_tool *tool;
    size_t total;              /* of the source, to be sent */
    size_t sent, got, writes;  /* bytes; how often writable came */
    bool wrong, ended, failed; /* wrong: other bytes came */
    bool stingy;               /* grants nothing by itself */
    size_t close_at;           /* closes itself when so much has come; 0: never */
    struct err err;
};

static void feed(struct run *r)
{
    while (r->sent < r->total) {
        size_t left = r->total - r->sent, want = left < PIECE ? left : PIECE;
        size_t n = guest_tool_write(r->tool, world.source + r->sent, want);
        r->sent += n;
        if (n < want)
            return;
    }
    guest_tool_finish(r->tool);
}

static void on_data(void *arg, const uint8_t *data, uint32_t len)
{
    struct run *r = arg;
    r->wrong |= r->got + len > r->total || memcmp(data, world.source + r->got, len) != 0;
    r->got += len;
    if (r->close_at && r->got >= r->close_at) {
        guest_tool_close(r->tool);
        r->tool = NULL;
        r->ended = true;
    } else if (!r->stingy) {
        guest_tool_grant(r->tool, len);
    }
    world_poke();
}

static void on_writable(void *arg)
{
    struct run *r = arg;
    r->writes++;
    feed(r);
}

static void on_ended(void *arg, const struct err *err)
{
    struct run *r = arg;
    r->ended = true;
    r->failed = err != NULL;
    if (err)
        r->err = *err;
    world_poke();
}

static const struct guest_tool_events events = {on_data, on_writable, on_ended};

static void begin(struct run *r, const char *name)
{
    struct err err = ERR_INIT;
    const char *argv[] = {name};
    struct guest_tool_spec spec = {.argv = argv, .argc = 1};
    r->tool = guest_tool_run(&world.core, &world.vm, &spec, CREDIT, &events, r, &err);
    CHECK(r->tool);
    CHECK_STR(err.message, "");
}

static bool has_ended(void *arg)
{
    return ((struct run *)arg)->ended;
}

static bool has_some(void *arg)
{
    return ((struct run *)arg)->got > 0;
}

static bool has_credit_used(void *arg)
{
    return ((struct run *)arg)->got >= CREDIT;
}

/* The agent has no session left: all of its numbers are free. */
static bool nothing_left(void *arg)
{
    (void)arg;
    return world.deletions > 0;
}

static void check_gone(struct run *r)
{
    world.deletions = 0;
    guest_tool_close(r->tool);
    CHECK(world_run(nothing_left, NULL));
}

static void test_all_that_a_tool_is_given_comes_back_once(void)
{
    struct run r = {.total = 4 * 1024 * 1024};
    world_open_daemon(-1);
    begin(&r, "echo");
    feed(&r);
    CHECK(world_run(has_ended, &r));
    CHECK(!r.failed);
    CHECK(!r.wrong);
    CHECK_INT(r.got, r.total);
    CHECK(r.writes > 0);
    check_gone(&r);
    world_close_daemon();
}

static void test_a_link_that_breaks_again_and_again_costs_no_byte(void)
{
    for (int kind = PROXY_SOCKET; kind <= PROXY_PORT; kind++) {
        struct run r = {.total = 2 * 1024 * 1024};
        world_open_daemon(kind);
        world_set_cuts(100 * 1000, 900 * 1000);
        begin(&r, "echo");
        feed(&r);
        CHECK(world_run(has_ended, &r));
        CHECK(world.downs > world_many_cuts() / 2);
        CHECK_STR(r.err.message, "");
        CHECK(!r.wrong);
        CHECK_INT(r.got, r.total);
        proxy_set_cuts(&world.proxy, 0, 0);
        guest_tool_close(r.tool);
        world_close_daemon();
    }
}

static void test_no_more_comes_than_was_granted(void)
{
    struct run r = {.total = 4 * 1024 * 1024, .stingy = true};
    world_open_daemon(-1);
    begin(&r, "echo");
    feed(&r);
    CHECK(world_run(has_credit_used, &r));
    world_settle();
    CHECK(r.got < CREDIT + 8 * 1024); /* what its words may take */
    CHECK(r.sent < r.total);
    r.stingy = false;
    guest_tool_grant(r.tool, CREDIT);
    CHECK(world_run(has_ended, &r));
    CHECK_INT(r.got, r.total);
    guest_tool_close(r.tool);
    world_close_daemon();
}

static void test_one_that_the_agent_lacks_is_said(void)
{
    struct run r = {.total = 0};
    world_open_daemon(-1);
    begin(&r, "nothing-of-the-kind");
    CHECK(world_run(has_ended, &r));
    CHECK(r.failed);
    CHECK_INT(r.err.code, ERR_UNIMPLEMENTED);
    CHECK_STR(r.err.reason, "AGENT_TOO_OLD");
    CHECK(strstr(r.err.message, "nothing-of-the-kind"));
    guest_tool_close(r.tool);
    world_close_daemon();
}

static void test_a_user_that_the_guest_lacks_is_said(void)
{
    struct err err = ERR_INIT;
    struct run r = {.total = 0};
    const char *argv[] = {"echo"};
    struct guest_tool_spec spec = {.argv = argv, .argc = 1, .user = "nobody-of-that-name"};
    world_open_daemon(-1);
    r.tool = guest_tool_run(&world.core, &world.vm, &spec, CREDIT, &events, &r, &err);
    CHECK(world_run(has_ended, &r));
    CHECK(r.failed);
    CHECK_STR(r.err.reason, "USER_NOT_FOUND");
    guest_tool_close(r.tool);
    world_close_daemon();
}

static void test_one_may_be_closed_by_its_own_data(void)
{
    struct run r = {.total = 1024 * 1024, .close_at = 1};
    world_open_daemon(-1);
    world.deletions = 0;
    begin(&r, "echo");
    feed(&r);
    CHECK(world_run(has_ended, &r));
    CHECK(world_run(nothing_left, NULL));
    world_close_daemon();
}

static void test_an_earlier_daemons_is_ended(void)
{
    struct run r = {.total = 1024};
    world_open_daemon(-1);
    begin(&r, "echo");
    CHECK_INT(guest_tool_write(r.tool, world.source, 1024), 1024);
    CHECK(world_run(has_some, &r));
    world_close_link(); /* first, so that nobody hears of the end */
    guest_tool_close(r.tool);
    world_close_daemon();
    world.deletions = 0;
    world_open_daemon(-1);
    CHECK(world_run(nothing_left, NULL));
    world_close_daemon();
}

static void test_one_ends_with_its_vm(void)
{
    struct run r = {.total = 1024};
    world_open_daemon(-1);
    begin(&r, "echo");
    CHECK_INT(guest_tool_write(r.tool, world.source, 1024), 1024);
    CHECK(world_run(has_some, &r));
    world_vm_gone("vm_lost");
    CHECK(world_run(has_ended, &r));
    CHECK_INT(r.err.code, ERR_UNAVAILABLE);
    CHECK_STR(r.err.reason, "VM_STOPPED");
    guest_tool_close(r.tool);
    world_close_daemon();
}

static void test_a_vm_that_does_not_run_runs_none(void)
{
    struct err err = ERR_INIT;
    const char *argv[] = {"echo"};
    struct guest_tool_spec spec = {.argv = argv, .argc = 1};
    world_open_daemon(-1);
    world.vm.vm.runtime.state = VM_PAUSED;
    CHECK(!guest_tool_run(&world.core, &world.vm, &spec, CREDIT, &events, NULL, &err));
    CHECK_STR(err.reason, "VM_PAUSED");
    world.vm.vm.runtime.state = VM_STOPPED;
    CHECK(!guest_tool_run(&world.core, &world.vm, &spec, CREDIT, &events, NULL, &err));
    CHECK_STR(err.reason, "VM_NOT_RUNNING");
    world.vm.vm.runtime.state = VM_RUNNING;
    world_close_daemon();
}

int main(void)
{
    world_begin();
    RUN(test_all_that_a_tool_is_given_comes_back_once);
    RUN(test_a_link_that_breaks_again_and_again_costs_no_byte);
    RUN(test_no_more_comes_than_was_granted);
    RUN(test_one_that_the_agent_lacks_is_said);
    RUN(test_a_user_that_the_guest_lacks_is_said);
    RUN(test_one_may_be_closed_by_its_own_data);
    RUN(test_an_earlier_daemons_is_ended);
    RUN(test_one_ends_with_its_vm);
    RUN(test_a_vm_that_does_not_run_runs_none);
    world_end();
    return check_end();
}
