/* The console log: order, the bound on disk. */
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fs.h"
#include "daemon/vmm/console.h"
#include "daemon/vmm/console_log.h"
#include "daemon/vmm/console_watch.h"
#include "daemon/vmm/vmm.h"
#include "rpc/event/loop.h"
#include "rpc/event/worker.h"
#include "tests/support/check.h"

static void console_turn(void *arg)
{
    loop_stop(arg);
}

/* More than two files' worth: the last lines are there, the disk is bounded, the order is kept. */
static void test_file_is_bounded(void)
{
    char dir[] = "/tmp/banger-console-XXXXXX", path[64], old[64], line[32];
    struct err err = ERR_INIT;
    struct stat st;
    if (!CHECK(mkdtemp(dir)))
        return;
    snprintf(path, sizeof(path), "%s/log", dir);
    snprintf(old, sizeof(old), "%s/log.1", dir);
    struct loop *loop = loop_new(&err);
    struct workers *workers = workers_new(loop, "test", 1, 1024, &err);
    struct vmm_host host = {.loop = loop, .quick = workers};
    struct console c;
    console_init(&c, &host, path);
    static char block[65536];
    memset(block, '.', sizeof(block));
    for (int i = 0; i < 80; i++) {
        snprintf(line, sizeof(line), "line %02d\n", i);
        console_append(&c, line, strlen(line));
        console_append(&c, block, sizeof(block));
        while (c.job) { /* done: the loop has nothing else to wait for */
            loop_post(loop, console_turn, loop);
            loop_run(loop, &err);
        }
    }
    console_append(&c, "the end\n", 8);
    console_done(&c);
    workers_close(workers);
    loop_free(loop);
    CHECK(stat(path, &st) == 0 && st.st_size < 2 * CONSOLE_FILE_BYTES);
    CHECK(stat(old, &st) == 0 && st.st_size < 2 * CONSOLE_FILE_BYTES);
    auto_free char *text = NULL;
    if (CHECK_INT(fs_read(path, 4 << 20, &text, NULL, &err), 0))
        CHECK_CONTAINS(text, "the end");
    console_log_remove(path, &err);
    CHECK_INT(rmdir(dir), 0);
}

struct watched {
    struct loop *loop;
    bool running;
    int n_grown, n_fresh, n_asked;
    struct console_watch watch;
};

static void on_news(void *arg, bool fresh)
{
    struct watched *w = arg;
    w->n_grown += !fresh;
    w->n_fresh += fresh;
    if (w->running)
        loop_stop(w->loop);
}

static void run_until_news(struct watched *w)
{
    w->running = true;
    loop_run(w->loop, NULL);
    w->running = false;
}

static bool on_refresh(void *arg)
{
    struct watched *w = arg;
    w->n_asked++;
    return true;
}

/* A reader is woken by what is written, and the driver by a reader; nobody looks again and again.
 */
static void test_readers_are_told(void)
{
    char dir[] = "/tmp/banger-console-XXXXXX", path[64];
    struct err err = ERR_INIT;
    if (!CHECK(mkdtemp(dir)))
        return;
    snprintf(path, sizeof(path), "%s/log", dir);
    struct loop *loop = loop_new(&err);
    struct workers *workers = workers_new(loop, "test", 1, 1024, &err);
    struct vmm_host host = {.loop = loop, .quick = workers};
    struct console c, other;
    struct watched w = {.loop = loop}, elsewhere = {.loop = loop};
    console_init(&c, &host, path);
    console_init(&other, &host, "/tmp/no/such/folder/log");
    CHECK(!console_watch(&host, &w.watch, path, on_news, &w));
    CHECK(console_is_watched(&c) && !console_is_watched(&other));
    console_append(&c, "one\n", 4);
    run_until_news(&w);
    CHECK_INT(w.n_grown, 1);
    console_unwatch(&w.watch);
    CHECK(!console_is_watched(&c));

    console_set_refresh(&c, on_refresh, &w);
    CHECK(console_watch(&host, &w.watch, path, on_news, &w));
    console_watch(&host, &elsewhere.watch, other.path, on_news, &elsewhere);
    CHECK_INT(w.n_asked, 1);
    console_is_fresh(&c); /* nothing was said */
    CHECK_INT(w.n_fresh, 1);
    console_append(&c, "two\n", 4);
    console_is_fresh(&c);
    CHECK_INT(w.n_fresh, 1); /* not before it is on disk */
    run_until_news(&w);
    CHECK_INT(w.n_fresh, 2);
    CHECK_INT(w.n_grown, 1);
    auto_free char *text = NULL;
    if (CHECK_INT(fs_read(path, 100, &text, NULL, &err), 0))
        CHECK_STR(text, "one\ntwo\n");
    CHECK_INT(elsewhere.n_grown + elsewhere.n_fresh, 0);
    console_unwatch(&w.watch);
    console_unwatch(&elsewhere.watch);
    console_unwatch(&elsewhere.watch);
    console_done(&c);
    console_done(&other);
    workers_close(workers);
    loop_free(loop);
    console_log_remove(path, &err);
    CHECK_INT(rmdir(dir), 0);
}

int main(void)
{
    RUN(test_file_is_bounded);
    RUN(test_readers_are_told);
    return check_end();
}
