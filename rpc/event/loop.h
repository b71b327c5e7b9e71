/* The event loop: one thread that owns connections, calls, VMs and sessions, and never blocks.
 *
 * A thin face over libevent, so that the rest of the daemon sees three things: timers, fd watches
 * and posted functions. Everything here is called on the loop's thread, but for loop_post and
 * loop_stop, which any thread may call. Objects are embedded in their owners: init, use, done. */
#ifndef BANGER_RPC_EVENT_LOOP_H
#define BANGER_RPC_EVENT_LOOP_H

#include <stdbool.h>
#include <stdint.h>

struct err;
struct event;
struct event_base;
struct loop;

struct loop *loop_new(struct err *err);
/* All timers, watches, workers and children of the loop must be gone. NULL is fine. */
void loop_free(struct loop *loop);
/* Runs until loop_stop; what loop_stop was called for earlier counts. */
int loop_run(struct loop *loop, struct err *err);
void loop_stop(struct loop *loop);
struct event_base *loop_base(struct loop *loop);
/* Callbacks that took too long, where that is measured; see loop_turn.h. */
uint64_t loop_late_turns(const struct loop *loop);
/* Runs fn(arg) on the loop's thread, later, in order of posting. 0, or -1 when out of memory. What
 * is still queued when the loop is freed does not run. */
int loop_post(struct loop *loop, void (*fn)(void *arg), void *arg);

/* One-shot timer. */
struct timer {
    struct loop *loop;
    struct event *event; /* owned */
    int64_t due_ns;      /* monotonic; never fires before it */
    void (*fired)(void *arg);
    void *arg;
};

int timer_init(struct timer *t, struct loop *loop, void (*fired)(void *arg), void *arg);
/* Starts or restarts; fires once after delay_ms, never from inside this call. */
void timer_start(struct timer *t, int64_t delay_ms);
void timer_stop(struct timer *t);
bool timer_pending(const struct timer *t);
/* Stops and releases; harmless on a zeroed timer. */
void timer_done(struct timer *t);

/* Level-triggered readiness of an fd, which stays the caller's. */
enum { WATCH_READ = 1, WATCH_WRITE = 2 };

struct watch {
    struct loop *loop;
    struct event *read_event, *write_event; /* owned */
    int fd;
    int wanted; /* WATCH_* now asked for */
    void (*ready)(void *arg, int events);
    void *arg;
};

int watch_init(struct watch *w, struct loop *loop, int fd, void (*ready)(void *arg, int events),
               void *arg);
/* Replaces what is waited for; 0 stops. */
void watch_want(struct watch *w, int events);
void watch_done(struct watch *w);

/* Signals (SIGTERM and the like) as events. */
struct signal_watch {
    struct loop *loop;
    struct event *event;
    void (*caught)(void *arg, int signo);
    void *arg;
};

int signal_watch_init(struct signal_watch *s, struct loop *loop, int signo,
                      void (*caught)(void *arg, int signo), void *arg);
void signal_watch_done(struct signal_watch *s);

#endif
