/* The loop: timers, posts from threads, watches, signals, stop. */
#include <pthread.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "rpc/event/loop.h"
#include "tests/support/check.h"

static struct loop *loop;

static void give_up(void *arg)
{
    (void)arg;
    CHECK(!"the test hung");
    loop_stop(loop);
}

/* Runs until a callback stops the loop; ten seconds at most. */
static void run(void)
{
    struct err err = ERR_INIT;
    struct timer limit = {0};
    CHECK_INT(timer_init(&limit, loop, give_up, NULL), 0);
    timer_start(&limit, 10000);
    CHECK_INT(loop_run(loop, &err), 0);
    timer_done(&limit);
}

static char trace[64];

static void note(void *arg)
{
    strncat(trace, arg, sizeof(trace) - strlen(trace) - 1);
}

static void note_and_stop(void *arg)
{
    note(arg);
    loop_stop(loop);
}

static void test_timers_fire_in_order_and_never_early(void)
{
    struct timer a, b, c, stopped;
    trace[0] = '\0';
    timer_init(&a, loop, note, "a");
    timer_init(&b, loop, note, "b");
    timer_init(&c, loop, note_and_stop, "c");
    timer_init(&stopped, loop, note, "x");
    int64_t began_ns = clock_mono_ns();
    timer_start(&c, 30);
    timer_start(&b, 2000);
    timer_start(&b, 15); /* restarted */
    timer_start(&a, 0);
    timer_start(&stopped, 1);
    timer_stop(&stopped);
    CHECK(timer_pending(&a));
    CHECK(!timer_pending(&stopped));
    CHECK_STR(trace, "");
    run();
    CHECK_STR(trace, "abc");
    CHECK(clock_mono_ns() - began_ns >= 30 * 1000000);
    CHECK(!timer_pending(&c));
    timer_done(&a);
    timer_done(&b);
    timer_done(&c);
    timer_done(&stopped);
    timer_done(&stopped);
    struct timer zeroed = {0};
    CHECK(!timer_pending(&zeroed));
    timer_stop(&zeroed);
    timer_done(&zeroed);
}

static void test_posts_run_in_order_and_later(void)
{
    trace[0] = '\0';
    loop_post(loop, note, "1");
    loop_post(loop, note, "2");
    loop_post(loop, note_and_stop, "3");
    CHECK_STR(trace, "");
    run();
    CHECK_STR(trace, "123");
}

static void post_again(void *arg)
{
    int *left = arg;
    if (--*left == 0)
        loop_stop(loop);
    else
        loop_post(loop, post_again, left);
}

static void test_posts_from_posts(void)
{
    int left = 100;
    loop_post(loop, post_again, &left);
    run();
    CHECK_INT(left, 0);
}

enum { THREADS = 4, POSTS = 5000 };

static int seen[THREADS], total_seen;

struct numbered {
    int thread, number;
};

static struct numbered numbers[THREADS][POSTS];

static void take_number(void *arg)
{
    struct numbered *n = arg;
    if (seen[n->thread] != n->number)
        CHECK_INT(seen[n->thread], n->number);
    seen[n->thread]++;
    if (++total_seen == THREADS * POSTS)
        loop_stop(loop);
}

static void *post_numbers(void *arg)
{
    for (int i = 0; i < POSTS; i++) {
        struct numbered *n = &((struct numbered *)arg)[i];
        if (loop_post(loop, take_number, n) < 0)
            break;
    }
    return NULL;
}

static void test_posts_from_threads(void)
{
    pthread_t threads[THREADS];
    for (int t = 0; t < THREADS; t++) {
        for (int i = 0; i < POSTS; i++)
            numbers[t][i] = (struct numbered){t, i};
        pthread_create(&threads[t], NULL, post_numbers, numbers[t]);
    }
    run();
    for (int t = 0; t < THREADS; t++) {
        pthread_join(threads[t], NULL);
        CHECK_INT(seen[t], POSTS);
    }
}

static void test_stop_before_run_counts(void)
{
    trace[0] = '\0';
    loop_post(loop, note, "p");
    loop_stop(loop);
    run();
    CHECK_STR(trace, "p");
}

static struct watch watch;
static int events_seen;

static void on_ready(void *arg, int events)
{
    int *fd = arg;
    events_seen |= events;
    if (events & WATCH_WRITE)
        watch_want(&watch, WATCH_READ); /* writable at once; now wait for the byte */
    if (events & WATCH_READ) {
        char byte;
        CHECK_INT(read(*fd, &byte, 1), 1);
        watch_want(&watch, 0);
        loop_stop(loop);
    }
}

static void write_byte(void *arg)
{
    CHECK_INT(write(*(int *)arg, "x", 1), 1);
}

static void test_watch(void)
{
    int pair[2];
    CHECK_INT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
    CHECK_INT(watch_init(&watch, loop, pair[0], on_ready, &pair[0]), 0);
    watch_want(&watch, WATCH_WRITE);
    struct timer later;
    timer_init(&later, loop, write_byte, &pair[1]);
    timer_start(&later, 5);
    run();
    CHECK_INT(events_seen, WATCH_READ | WATCH_WRITE);
    CHECK_INT(watch.wanted, 0);
    timer_done(&later);
    watch_done(&watch);
    watch_done(&watch);
    close(pair[0]);
    close(pair[1]);
}

static void on_done_inside(void *arg, int events)
{
    (void)events;
    watch_done(arg);
    loop_stop(loop);
}

static void test_watch_done_inside_its_callback(void)
{
    int pair[2];
    CHECK_INT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    struct watch w;
    watch_init(&w, loop, pair[0], on_done_inside, &w);
    CHECK_INT(write(pair[1], "x", 1), 1);
    watch_want(&w, WATCH_READ | WATCH_WRITE);
    run();
    CHECK(!w.read_event);
    close(pair[0]);
    close(pair[1]);
}

static struct watch replaced;
static int replaced_pair[2];

static void on_new_file(void *arg, int events)
{
    CHECK_STR(arg, "new");
    CHECK_INT(events, WATCH_READ);
    char byte;
    CHECK_INT(read(replaced_pair[0], &byte, 1), 1);
    CHECK_INT(byte, 'n');
    loop_stop(loop);
}

static void on_old_file(void *arg, int events)
{
    (void)arg;
    (void)events;
    int old = replaced_pair[0];
    watch_done(&replaced);
    close(replaced_pair[0]);
    close(replaced_pair[1]);
    CHECK_INT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, replaced_pair), 0);
    CHECK_INT(replaced_pair[0], old); /* what this test is about */
    watch_init(&replaced, loop, replaced_pair[0], on_new_file, "new");
    watch_want(&replaced, WATCH_READ);
    CHECK_INT(write(replaced_pair[1], "n", 1), 1);
}

/* Within one round a watched fd is closed and its number comes back as another file: batched epoll
 * changes must not mix the two up. */
static void test_fd_number_comes_back(void)
{
    CHECK_INT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, replaced_pair), 0);
    watch_init(&replaced, loop, replaced_pair[0], on_old_file, NULL);
    watch_want(&replaced, WATCH_READ);
    CHECK_INT(write(replaced_pair[1], "o", 1), 1);
    run();
    watch_done(&replaced);
    close(replaced_pair[0]);
    close(replaced_pair[1]);
}

static void on_signal(void *arg, int signo)
{
    *(int *)arg = signo;
    loop_stop(loop);
}

static void test_signal(void)
{
    int got = 0;
    struct signal_watch s;
    CHECK_INT(signal_watch_init(&s, loop, SIGUSR1, on_signal, &got), 0);
    kill(getpid(), SIGUSR1);
    run();
    CHECK_INT(got, SIGUSR1);
    signal_watch_done(&s);
    signal_watch_done(&s);
}

static struct loop *measured;

static void stop_measured(void *arg)
{
    (void)arg;
    loop_stop(measured);
}

static void sleep_too_long(void *arg)
{
    poll(NULL, 0, 60);
    stop_measured(arg);
}

static void compute_too_long(void *arg)
{
    struct timespec t;
    do
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    while (t.tv_sec * 1000 + t.tv_nsec / 1000000 < *(int64_t *)arg);
    stop_measured(arg);
}

/* Whoever sleeps or computes for too long is told; one that is quick is not. */
static void test_turns_that_hold_up_the_others_are_counted(void)
{
    struct err err = ERR_INIT;
    struct timespec t;
    struct timer timer;
    setenv("BANGER_LOOP_LIMIT_MS", "20", 1);
    measured = loop_new(&err);
    unsetenv("BANGER_LOOP_LIMIT_MS");
    loop_post(measured, stop_measured, NULL);
    CHECK_INT(loop_run(measured, &err), 0);
    CHECK_INT(loop_late_turns(measured), 0);
    loop_post(measured, sleep_too_long, NULL);
    CHECK_INT(loop_run(measured, &err), 0);
    CHECK_INT(loop_late_turns(measured), 1);
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    int64_t until_ms = t.tv_sec * 1000 + t.tv_nsec / 1000000 + 150; /* a sanitizer may have 100 */
    timer_init(&timer, measured, compute_too_long, &until_ms);
    timer_start(&timer, 0);
    CHECK_INT(loop_run(measured, &err), 0);
    CHECK_INT(loop_late_turns(measured), 2);
    timer_done(&timer);
    loop_free(measured);
    loop_post(loop, sleep_too_long, NULL); /* nobody looks: no cost, no word */
    measured = loop;
    CHECK_INT(loop_run(loop, &err), 0);
    CHECK_INT(loop_late_turns(loop), 0);
}

int main(void)
{
    struct err err = ERR_INIT;
    loop = loop_new(&err);
    if (!loop) {
        fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    RUN(test_timers_fire_in_order_and_never_early);
    RUN(test_posts_run_in_order_and_later);
    RUN(test_posts_from_posts);
    RUN(test_posts_from_threads);
    RUN(test_stop_before_run_counts);
    RUN(test_watch);
    RUN(test_watch_done_inside_its_callback);
    RUN(test_fd_number_comes_back);
    RUN(test_signal);
    RUN(test_turns_that_hold_up_the_others_are_counted);
    loop_post(loop, note, "never run, but freed");
    loop_free(loop);
    loop_free(NULL);
    return check_end();
}
