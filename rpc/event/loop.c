/* The event loop over libevent; see loop.h.
 *
 * The event base is touched by the loop's thread alone (no libevent locks). Other threads reach it
 * through one queue and one eventfd: loop_post links a node and, when the queue was empty, wakes.
 *
 * epoll changes are batched (EPOLL_USE_CHANGELIST saves a system call per re-armed watch). Its
 * price is a rule: do not watch an fd whose open file has another fd (dup, SCM_RIGHTS) that stays
 * open after the watched one is closed, for the kernel would go on reporting it. */
#include "rpc/event/loop.h"

#include <errno.h>
#include <event2/event.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "rpc/event/loop_turn.h"

/* Timers compare deadlines to CLOCK_MONOTONIC, libevent to its coarse cousin: what comes early by
 * up to a tick is put back. Beyond a year libevent's timeval arithmetic is nobody's business. */
#define TIMER_MAX_MS INT64_C(31536000000)

struct posted {
    struct posted *next;
    void (*fn)(void *arg);
    void *arg;
};

struct loop {
    struct event_base *base; /* owned */
    struct event *wake;      /* owned; reads wake_fd */
    int wake_fd;             /* owned; eventfd */
    atomic_bool stop;
    pthread_mutex_t lock; /* guards first, last */
    struct posted *first, **last;
    struct loop_turns *turns; /* owned; NULL: nobody measures */
};

static void loop_wake(struct loop *loop)
{
    uint64_t one = 1;
    /* Can only fail with EAGAIN, when it is readable anyway. */
    ssize_t n = write(loop->wake_fd, &one, sizeof(one));
    (void)n;
}

static struct posted *loop_take_posted(struct loop *loop)
{
    pthread_mutex_lock(&loop->lock);
    struct posted *all = loop->first;
    loop->first = NULL;
    loop->last = &loop->first;
    pthread_mutex_unlock(&loop->lock);
    return all;
}

/* What is posted meanwhile waits for the next round, so that a chain of posts cannot starve I/O. */
static void loop_on_wake(evutil_socket_t fd, short what, void *arg)
{
    (void)what;
    struct loop *loop = arg;
    uint64_t count;
    ssize_t n = read(fd, &count, sizeof(count));
    (void)n;
    /* Read before the queue is taken: what was posted ahead of the stop still runs. */
    bool stop = atomic_load(&loop->stop);
    for (struct posted *p = loop_take_posted(loop); p;) {
        struct posted *next = p->next;
        struct loop_turn turn = loop_turn_begin(loop);
        p->fn(p->arg);
        loop_turn_end(&turn, "posted", LOOP_CALLBACK(p->fn));
        free(p);
        p = next;
    }
    if (stop)
        event_base_loopbreak(loop->base);
}

static struct event_base *loop_make_base(void)
{
    struct event_config *config = event_config_new();
    if (!config)
        return NULL;
    int flags = EVENT_BASE_FLAG_NOLOCK | EVENT_BASE_FLAG_IGNORE_ENV;
/* A number that was closed is taken from epoll with the batch, when a worker's file may have it:
 * the kernel then says so, libevent expects it, and ThreadSanitizer takes it for a race. */
#ifndef __SANITIZE_THREAD__
    flags |= EVENT_BASE_FLAG_EPOLL_USE_CHANGELIST;
#endif
    event_config_set_flag(config, flags);
    struct event_base *base = event_base_new_with_config(config);
    event_config_free(config);
    return base;
}

struct loop *loop_new(struct err *err)
{
    struct loop *loop = calloc(1, sizeof(*loop));
    if (!loop) {
        err_sys(err, ENOMEM, "event loop");
        return NULL;
    }
    pthread_mutex_init(&loop->lock, NULL);
    loop->last = &loop->first;
    loop->turns = loop_turns_new();
    loop->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (loop->wake_fd < 0) {
        err_sys(err, errno, "event loop: eventfd");
        goto fail;
    }
    loop->base = loop_make_base();
    if (!loop->base) {
        err_set(err, ERR_LIMIT, "event loop: libevent gives no event base (fds or memory?)");
        goto fail;
    }
    loop->wake = event_new(loop->base, loop->wake_fd, EV_READ | EV_PERSIST, loop_on_wake, loop);
    if (!loop->wake || event_add(loop->wake, NULL) < 0) {
        err_sys(err, ENOMEM, "event loop");
        goto fail;
    }
    return loop;
fail:
    loop_free(loop);
    return NULL;
}

void loop_free(struct loop *loop)
{
    if (!loop)
        return;
    for (struct posted *p = loop_take_posted(loop); p;) {
        struct posted *next = p->next;
        free(p);
        p = next;
    }
    if (loop->wake)
        event_free(loop->wake);
    if (loop->base)
        event_base_free(loop->base);
    if (loop->wake_fd >= 0)
        close(loop->wake_fd);
    loop_turns_free(loop->turns);
    pthread_mutex_destroy(&loop->lock);
    free(loop);
}

int loop_run(struct loop *loop, struct err *err)
{
    int rc = event_base_loop(loop->base, EVLOOP_NO_EXIT_ON_EMPTY);
    atomic_store(&loop->stop, false);
    return rc < 0 ? err_set(err, ERR_INTERNAL, "event loop: waiting for events failed") : 0;
}

void loop_stop(struct loop *loop)
{
    atomic_store(&loop->stop, true);
    loop_wake(loop);
}

struct event_base *loop_base(struct loop *loop)
{
    return loop->base;
}

int loop_post(struct loop *loop, void (*fn)(void *arg), void *arg)
{
    struct posted *p = malloc(sizeof(*p));
    if (!p)
        return -1;
    *p = (struct posted){.fn = fn, .arg = arg};
    pthread_mutex_lock(&loop->lock);
    bool was_empty = !loop->first;
    *loop->last = p;
    loop->last = &p->next;
    pthread_mutex_unlock(&loop->lock);
    if (was_empty)
        loop_wake(loop);
    return 0;
}

uint64_t loop_late_turns(const struct loop *loop)
{
    return loop_turns_late(loop->turns);
}

struct loop_turn loop_turn_begin(struct loop *loop)
{
    struct loop_turn turn = {.turns = NULL};
    if (loop->turns)
        loop_turn_measure(loop->turns, &turn);
    return turn;
}

/* Timers */

static void timer_arm(struct timer *t, int64_t delay_ns)
{
    /* Rounded up to what epoll_wait can express. */
    int64_t ms = (delay_ns + 999999) / 1000000;
    struct timeval tv = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};
    if (event_add(t->event, &tv) < 0)
        log_error("loop", "out of memory: a timer of %lld ms is lost", (long long)ms);
}

static void timer_on_event(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct timer *t = arg;
    int64_t left_ns = t->due_ns - clock_mono_ns();
    if (left_ns > 0) {
        timer_arm(t, left_ns);
        return;
    }
    void (*fired)(void *) = t->fired; /* the timer may be gone afterwards */
    struct loop_turn turn = loop_turn_begin(t->loop);
    fired(t->arg);
    loop_turn_end(&turn, "timer", LOOP_CALLBACK(fired));
}

int timer_init(struct timer *t, struct loop *loop, void (*fired)(void *arg), void *arg)
{
    *t = (struct timer){.loop = loop, .fired = fired, .arg = arg};
    t->event = event_new(loop->base, -1, 0, timer_on_event, t);
    return t->event ? 0 : -1;
}

void timer_start(struct timer *t, int64_t delay_ms)
{
    if (delay_ms < 0)
        delay_ms = 0;
    if (delay_ms > TIMER_MAX_MS)
        delay_ms = TIMER_MAX_MS;
    t->due_ns = clock_mono_ns() + delay_ms * 1000000;
    timer_arm(t, delay_ms * 1000000);
}

void timer_stop(struct timer *t)
{
    if (t->event)
        event_del(t->event);
}

bool timer_pending(const struct timer *t)
{
    return t->event && event_pending(t->event, EV_TIMEOUT, NULL);
}

void timer_done(struct timer *t)
{
    if (t->event)
        event_free(t->event);
    t->event = NULL;
}

/* Watches */

static void watch_on_event(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    struct watch *w = arg;
    void (*ready)(void *, int) = w->ready;
    struct loop_turn turn = loop_turn_begin(w->loop);
    ready(w->arg, what & EV_READ ? WATCH_READ : WATCH_WRITE);
    loop_turn_end(&turn, what & EV_READ ? "readable" : "writable", LOOP_CALLBACK(ready));
}

int watch_init(struct watch *w, struct loop *loop, int fd, void (*ready)(void *arg, int events),
               void *arg)
{
    *w = (struct watch){.loop = loop, .fd = fd, .ready = ready, .arg = arg};
    w->read_event = event_new(loop->base, fd, EV_READ | EV_PERSIST, watch_on_event, w);
    w->write_event = event_new(loop->base, fd, EV_WRITE | EV_PERSIST, watch_on_event, w);
    if (w->read_event && w->write_event)
        return 0;
    watch_done(w);
    return -1;
}

static void watch_set(struct event *event, bool on)
{
    if (!on)
        event_del(event);
    else if (event_add(event, NULL) < 0)
        log_error("loop", "out of memory: fd %d is not watched", event_get_fd(event));
}

void watch_want(struct watch *w, int events)
{
    int changed = w->wanted ^ events;
    w->wanted = events;
    if (changed & WATCH_READ)
        watch_set(w->read_event, events & WATCH_READ);
    if (changed & WATCH_WRITE)
        watch_set(w->write_event, events & WATCH_WRITE);
}

void watch_done(struct watch *w)
{
    if (w->read_event)
        event_free(w->read_event);
    if (w->write_event)
        event_free(w->write_event);
    w->read_event = w->write_event = NULL;
    w->wanted = 0;
}

/* Signals */

static void signal_watch_on_event(evutil_socket_t signo, short what, void *arg)
{
    (void)what;
    struct signal_watch *s = arg;
    void (*caught)(void *, int) = s->caught;
    struct loop_turn turn = loop_turn_begin(s->loop);
    caught(s->arg, (int)signo);
    loop_turn_end(&turn, "signal", LOOP_CALLBACK(caught));
}

int signal_watch_init(struct signal_watch *s, struct loop *loop, int signo,
                      void (*caught)(void *arg, int signo), void *arg)
{
    *s = (struct signal_watch){.loop = loop, .caught = caught, .arg = arg};
    s->event = evsignal_new(loop->base, signo, signal_watch_on_event, s);
    if (s->event && event_add(s->event, NULL) == 0)
        return 0;
    signal_watch_done(s);
    return -1;
}

void signal_watch_done(struct signal_watch *s)
{
    if (s->event)
        event_free(s->event);
    s->event = NULL;
}
