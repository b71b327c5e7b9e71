/* A guest's console behind vmm.h: read whole, typed into by one at a time. */
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fs.h"
#include "daemon/vmm/console_input.h"
#include "daemon/vmm/console_watch.h"
#include "tests/integration/vmm/conformance.h"
#include "tests/support/check.h"

static void on_console_news(void *arg, bool fresh)
{
    if (fresh)
        world_done_fn(arg, NULL);
}

/* However long the guest has been silent: the driver asks when a reader comes. */
static void test_a_reader_of_the_console_gets_all_of_it(void)
{
    struct world w;
    world_init(&w, driver, "stay");
    if (CHECK(world_up(&w))) {
        for (int i = 0; i < 20; i++) {
            struct console_watch watch;
            struct outcome o = {.world = &w};
            int64_t begin_ms = clock_mono_ms();
            CHECK(console_watch(&w.host, &watch, w.config.console.log_path, on_console_news, &o));
            world_wait(&w, &o);
            console_unwatch(&watch);
            CHECK_INT(o.calls, 1);
            CHECK(clock_mono_ms() - begin_ms < 5000);
        }
    }
    world_done(&w);
}

/* Somebody who types, and reads the log that grows meanwhile. */
struct typist {
    struct world *world;
    struct console_writer writer;
    struct console_watch watch;
    const char *wanted; /* in the log */
    int writable, lost, failed;
    struct outcome seen;
};

static void typist_is_lost(void *arg)
{
    ((struct typist *)arg)->lost++;
}

static void typist_may_write(void *arg)
{
    struct typist *t = arg;
    t->writable++;
    if (!t->wanted)
        world_done_fn(&t->seen, NULL);
}

static void typist_failed(void *arg, const struct err *err)
{
    struct typist *t = arg;
    t->failed++;
    world_done_fn(&t->seen, err);
}

static const struct console_writer_events typist_events = {
    .lost = typist_is_lost, .writable = typist_may_write, .failed = typist_failed};

static bool typist_sees(const struct typist *t, const char *text)
{
    auto_free char *log = NULL;
    return fs_read(t->world->config.console.log_path, 4 << 20, &log, NULL, NULL) == 0 &&
           strstr(log, text);
}

static void typist_sees_news(void *arg, bool fresh)
{
    struct typist *t = arg;
    (void)fresh;
    if (t->wanted && typist_sees(t, t->wanted)) {
        t->wanted = NULL;
        world_done_fn(&t->seen, NULL);
    }
}

static void typist_begin(struct typist *t, struct world *w)
{
    struct err err = ERR_INIT;
    *t = (struct typist){.world = w, .seen = {.world = w}};
    console_watch(&w->host, &t->watch, w->config.console.log_path, typist_sees_news, t);
    CHECK_INT(console_writer_begin(&t->writer, &w->host, w->config.console.log_path, 0, false,
                                   &typist_events, t, &err),
              0);
}

static void typist_end(struct typist *t)
{
    console_writer_end(&t->writer);
    console_unwatch(&t->watch);
}

static void typist_awaits(struct typist *t, const char *text)
{
    if (typist_sees(t, text))
        return;
    t->seen = (struct outcome){.world = t->world};
    t->wanted = text;
    world_wait(t->world, &t->seen);
    CHECK_INT(t->seen.err.code, ERR_NONE);
}

/* Types a line and waits for the guest's answer. A guest that boots would throw it away. */
static void typist_asks(struct typist *t, const char *line, const char *answer)
{
    size_t len = strlen(line);
    typist_awaits(t, "guest is up");
    t->seen = (struct outcome){.world = t->world};
    if (console_writer_write(&t->writer, line, len) != len) {
        world_wait(t->world, &t->seen); /* writable */
        CHECK_INT(console_writer_write(&t->writer, line, len), len);
    }
    typist_awaits(t, answer);
}

static void test_what_is_typed_reaches_the_guest(void)
{
    struct world w;
    struct typist t;
    world_init(&w, driver, "answer");
    if (CHECK(world_up(&w))) {
        typist_begin(&t, &w);
        typist_asks(&t, "one\n", "heard one");
        typist_asks(&t, "two\n", "heard two");
        typist_end(&t); /* now the ring, and the socket again */
        typist_begin(&t, &w);
        typist_asks(&t, "three\n", "heard three");
        typist_end(&t);
        check_log_has(&w, "guest is up");
    }
    world_done(&w);
}

/* A daemon that was killed while somebody typed, and another. */
static void test_a_console_is_typed_into_again_by_the_next_daemon(void)
{
    struct world w;
    struct typist t;
    world_init(&w, driver, "answer");
    if (CHECK(world_up(&w))) {
        typist_begin(&t, &w);
        typist_asks(&t, "one\n", "heard one");
        world_reopen(&w);
        CHECK_INT(world_adopt(&w, NULL), ERR_NONE);
        typist_asks(&t, "two\n", "heard two");
        typist_end(&t);
        world_reopen(&w); /* in whatever state that left it */
        CHECK_INT(world_adopt(&w, NULL), ERR_NONE);
        typist_begin(&t, &w);
        typist_asks(&t, "three\n", "heard three");
        CHECK_INT(t.failed, 0);
        typist_end(&t);
    }
    world_done(&w);
}

static void test_what_is_typed_without_a_guest_is_dropped(void)
{
    struct world w;
    struct typist t;
    world_init(&w, driver, "answer");
    typist_begin(&t, &w);
    CHECK_INT(console_writer_write(&t.writer, "nobody\n", 7), 7);
    if (CHECK(world_up(&w)))
        typist_asks(&t, "one\n", "heard one");
    typist_end(&t);
    world_done(&w);
}

static void test_one_types_at_a_time(void)
{
    struct world w;
    struct typist first, second;
    struct err err = ERR_INIT;
    world_init(&w, driver, "answer");
    if (CHECK(world_up(&w))) {
        typist_begin(&first, &w);
        typist_asks(&first, "one\n", "heard one");
        second = (struct typist){.world = &w};
        const char *path = w.config.console.log_path;
        CHECK_INT(console_writer_begin(&second.writer, &w.host, path, 0, false, &typist_events,
                                       &second, &err),
                  -1);
        CHECK_STR(err.reason, "WRITER_TAKEN");
        CHECK_INT(first.lost, 0);
        typist_end(&first);
        typist_begin(&second, &w);
        CHECK_INT(console_writer_begin(&first.writer, &w.host, path, 0, true, &typist_events,
                                       &first, &err),
                  0);
        CHECK_INT(second.lost, 1);
        typist_end(&second); /* is harmless */
        first.world = &w;
        first.seen = (struct outcome){.world = &w};
        console_watch(&w.host, &first.watch, path, typist_sees_news, &first);
        typist_asks(&first, "two\n", "heard two");
        typist_end(&first);
    }
    world_done(&w);
}

void conformance_console(void)
{
    RUN(test_a_reader_of_the_console_gets_all_of_it);
    RUN(test_what_is_typed_reaches_the_guest);
    RUN(test_a_console_is_typed_into_again_by_the_next_daemon);
    RUN(test_what_is_typed_without_a_guest_is_dropped);
    RUN(test_one_types_at_a_time);
}
