/* Event loop of the agent: epoll and a short list of timers, one thread.
 *
 * An io or a timer is embedded in its owner, which removes it before it goes; a callback may remove
 * and free any other io, also one whose event is still to come in the same round. */
#ifndef BANGER_AGENT_LOOP_H
#define BANGER_AGENT_LOOP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

#include "base/list.h"

enum { LOOP_BATCH = 64 };

struct loop_io {
    int fd; /* borrowed; -1 while not in the loop */
    void (*ready)(struct loop_io *io, uint32_t events);
};

struct loop_timer {
    struct list member; /* unlinked while not armed */
    int64_t due_ms;     /* CLOCK_MONOTONIC */
    void (*fired)(struct loop_timer *timer);
};

struct loop {
    int epoll_fd;
    struct list timers;
    struct epoll_event batch[LOOP_BATCH]; /* events of this round; ptr NULL: its io was removed */
    int n_batch;
};

/* 0, or -1 with errno. */
int loop_init(struct loop *loop);
void loop_done(struct loop *loop);

static inline void loop_io_init(struct loop_io *io,
                                void (*ready)(struct loop_io *io, uint32_t events))
{
    io->fd = -1;
    io->ready = ready;
}

static inline void loop_timer_init(struct loop_timer *timer,
                                   void (*fired)(struct loop_timer *timer))
{
    list_init(&timer->member);
    timer->fired = fired;
}

/* 0, or -1 with errno: regular files and the like cannot be waited for. */
int loop_add(struct loop *loop, struct loop_io *io, int fd, uint32_t events);
/* The same io with other events; what is so already is told again. */
void loop_change(struct loop *loop, struct loop_io *io, uint32_t events);
/* Does not close. Harmless where the io is not in the loop. */
void loop_remove(struct loop *loop, struct loop_io *io);

/* Arms (again). It fires once, never from inside this call. */
void loop_arm(struct loop *loop, struct loop_timer *timer, int64_t in_ms);
void loop_disarm(struct loop_timer *timer);

/* Waits for events or the next timer, at most max_wait_ms (-1: no bound), and calls what is due.
 * Returns -1 with errno only where epoll itself fails. */
int loop_round(struct loop *loop, int max_wait_ms);

#endif
