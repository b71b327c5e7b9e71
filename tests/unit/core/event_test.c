/* The event log: order, visibility, resumption, gaps, bounds. */
#include <unistd.h>

#include "base/err.h"
#include "base/fs.h"
#include "base/log.h"
#include "daemon/core/core.h"
#include "daemon/core/event/event.h"
#include "daemon/store/store.h"
#include "rpc/event/loop.h"
#include "tests/support/check.h"
#include "tests/support/commit.h"

static char dir[64];
static struct core core;
static struct timer deadline;
static uint64_t want_seq;

static void on_late(void *arg)
{
    (void)arg;
    fprintf(stderr, "nothing came in time\n");
    check_failures++;
    loop_stop(core.loop);
}

static void open_core(void)
{
    struct err err = ERR_INIT;
    char path[128];
    snprintf(path, sizeof(path), "%s/test.db", dir);
    core = (struct core){.closing = false};
    core.loop = loop_new(&err);
    timer_init(&deadline, core.loop, on_late, NULL);
    core.store = store_open(core.loop, path, &err);
    core.events = event_hub_new(&core, &err);
    if (!core.events)
        exit(1);
}

static void close_core(void)
{
    timer_done(&deadline);
    store_close(core.store);
    struct event_hub *hub = core.events;
    core.events = NULL;
    event_hub_free(hub);
    loop_free(core.loop);
}

static void on_more(void *arg)
{
    (void)arg;
    if (event_last_seq(&core) >= want_seq)
        loop_stop(core.loop);
}

/* Until events up to seq are on disk. */
static void wait_visible(uint64_t seq)
{
    struct event_watch w;
    struct err err = ERR_INIT;
    want_seq = seq;
    event_watch_open(&core, &w, "", 0, on_more, NULL);
    if (event_last_seq(&core) < seq) {
        timer_start(&deadline, 30000);
        loop_run(core.loop, &err);
        timer_stop(&deadline);
    }
    event_watch_close(&w);
    event_watch_close(&w);
    CHECK(event_last_seq(&core) >= seq);
}

static void on_ignored(void *arg)
{
    (void)arg;
}

static void test_order(void)
{
    struct event e;
    uint64_t from, to;
    open_core();
    CHECK_INT(event_last_seq(&core), 0);
    struct event_watch w;
    event_watch_open(&core, &w, event_epoch(&core), 0, on_ignored, NULL);
    event_emit(&core, NULL, "vm.state", "vm/1", "1", "RUNNING", "op");
    event_emit(&core, NULL, "vm.state", "session/2", NULL, "STOPPED", NULL);
    CHECK_INT(event_watch_next(&w, &e, &from, &to), EVENT_NEXT_NONE); /* not on disk yet */
    CHECK(!event_load(&core, 1, &e));
    wait_visible(2);
    CHECK_INT(event_watch_next(&w, &e, &from, &to), EVENT_NEXT_EVENT);
    CHECK_INT(e.seq, 1);
    CHECK_STR(e.kind, "vm.state");
    CHECK_STR(e.detail, "RUNNING");
    CHECK_STR(e.vm_id, "1");
    CHECK_STR(e.operation_id, "op");
    CHECK_INT(event_watch_next(&w, &e, &from, &to), EVENT_NEXT_EVENT);
    CHECK_STR(e.detail, "STOPPED");
    CHECK_STR(e.vm_id, "");
    CHECK_INT(event_watch_next(&w, &e, &from, &to), EVENT_NEXT_NONE);
    event_watch_close(&w);
    close_core();
}

static void test_resume(void)
{
    struct event e;
    uint64_t from, to;
    struct event_watch w;
    open_core();
    CHECK_INT(event_last_seq(&core), 2);
    event_watch_open(&core, &w, event_epoch(&core), 1, on_ignored, NULL);
    CHECK_INT(event_watch_next(&w, &e, &from, &to), EVENT_NEXT_EVENT);
    CHECK_INT(e.seq, 2);
    event_watch_close(&w);
    event_watch_open(&core, &w, "another", 1, on_ignored, NULL);
    CHECK_INT(event_watch_next(&w, &e, &from, &to), EVENT_NEXT_GAP);
    CHECK_INT(to, 3);
    CHECK_INT(event_watch_next(&w, &e, &from, &to), EVENT_NEXT_NONE);
    event_watch_close(&w);
    event_watch_open(&core, &w, event_epoch(&core), 1000, on_ignored, NULL); /* the future */
    CHECK_INT(event_watch_next(&w, &e, &from, &to), EVENT_NEXT_GAP);
    event_watch_close(&w);
    close_core();
}

static void test_bounds(void)
{
    struct event e;
    uint64_t from, to, seq = 0;
    struct event_watch w;
    open_core();
    event_watch_open(&core, &w, event_epoch(&core), 0, on_ignored, NULL);
    for (int i = 0; i < EVENTS_KEPT + 500; i += 500) {
        struct store_txn *txn = store_txn_new();
        for (int k = 0; k < 500; k++)
            event_emit(&core, txn, "test", "vm/1", "1", "x", "");
        seq = event_last_seq(&core) + 500;
        commit_now(core.loop, core.store, txn);
        wait_visible(seq);
    }
    CHECK_INT(event_first_seq(&core), seq - EVENTS_KEPT + 1);
    CHECK_INT(event_watch_next(&w, &e, &from, &to), EVENT_NEXT_GAP);
    CHECK_INT(from, 1);
    CHECK_INT(to, event_first_seq(&core));
    uint64_t n = 0, expected = to;
    while (event_watch_next(&w, &e, &from, &to) == EVENT_NEXT_EVENT) {
        n += e.seq == expected;
        expected++;
    }
    CHECK_INT(n, EVENTS_KEPT);
    event_watch_close(&w);
    close_core();
    open_core();
    CHECK_INT(event_last_seq(&core), seq);
    close_core();
}

int main(void)
{
    snprintf(dir, sizeof(dir), "/tmp/banger-event-XXXXXX");
    if (!mkdtemp(dir))
        return 1;
    log_set_level(LOG_LEVEL_ERROR);
    RUN(test_order);
    RUN(test_resume);
    RUN(test_bounds);
    fs_remove_tree(dir, NULL);
    return check_end();
}
