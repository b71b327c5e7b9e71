/* What the host was told holds over restarts of the daemon, and is not what its end is. */
#include "base/err.h"
#include "daemon/core/event/event.h"
#include "daemon/core/host/host_settings.h"
#include "daemon/core/vm/vm_ops.h"
#include "tests/integration/core/world.h"
#include "tests/support/check.h"

static char dir[PATH_BYTES];

struct set {
    struct world *w;
    bool called;
    struct err err;
};

static void on_set(void *arg, const struct err *err)
{
    struct set *s = arg;
    s->called = true;
    if (err)
        s->err = *err;
    loop_stop(s->w->core.loop);
}

static void set_draining(struct world *w, bool draining)
{
    struct set s = {.w = w};
    bool before = w->core.settings.draining;
    host_set_draining(&w->core, draining, on_set, &s);
    CHECK(!s.called);
    CHECK_INT(w->core.settings.draining, before); /* not before it is on disk */
    loop_run(w->core.loop, NULL);
    CHECK(s.called);
    CHECK_STR(s.err.message, "");
    CHECK_INT(w->core.settings.draining, draining);
}

static void on_more(void *arg)
{
    loop_stop(((struct world *)arg)->core.loop);
}

/* The next event that anyone sees. */
static const char *next_event(struct world *w, struct event_watch *watch, struct event *event)
{
    uint64_t from, to;
    while (event_watch_next(watch, event, &from, &to) == EVENT_NEXT_NONE)
        loop_run(w->core.loop, NULL);
    return event->kind;
}

static const char *refusal(struct world *w)
{
    static struct err err;
    err_clear(&err);
    CHECK_INT(vm_create_check(&w->core, &(struct vm_create_request){.name = "box"}, NULL, &err),
              -1);
    return err.reason;
}

static void on_drained(void *arg)
{
    loop_stop(((struct world *)arg)->core.loop);
}

static void test_draining_outlives_the_daemon(void)
{
    struct world w;
    struct err err = ERR_INIT;
    if (!CHECK(world_open(&w, dir, "sim")))
        return;
    CHECK(!w.core.settings.draining);
    struct event_watch watch;
    struct event event;
    event_watch_open(&w.core, &watch, "", 0, on_more, &w);
    set_draining(&w, true);
    CHECK_STR(refusal(&w), "HOST_DRAINING");
    CHECK_STR(next_event(&w, &watch, &event), "host.draining");
    CHECK_STR(event.detail, "on");
    event_watch_close(&watch);
    world_close(&w);
    if (!CHECK(world_open(&w, dir, "sim")))
        return;
    CHECK_STR(refusal(&w), "HOST_DRAINING");
    set_draining(&w, false);
    CHECK_INT(vm_create_check(&w.core, &(struct vm_create_request){.name = "box"}, NULL, &err), 0);
    world_close(&w);
}

static void test_an_ending_daemon_is_not_a_draining_host(void)
{
    struct world w;
    struct err err = ERR_INIT;
    if (!CHECK(world_open(&w, dir, "sim")))
        return;
    core_drain(&w.core, 1000, on_drained, &w);
    CHECK_STR(refusal(&w), "DAEMON_CLOSING");
    loop_run(w.core.loop, NULL);
    CHECK(!w.core.settings.draining);
    world_close(&w);
    if (!CHECK(world_open(&w, dir, "sim")))
        return;
    CHECK_INT(vm_create_check(&w.core, &(struct vm_create_request){.name = "box"}, NULL, &err), 0);
    world_close(&w);
}

int main(void)
{
    world_make_dir(dir);
    RUN(test_draining_outlives_the_daemon);
    RUN(test_an_ending_daemon_is_not_a_draining_host);
    world_remove_dir(dir);
    return check_end();
}
