/* Event loop of the agent; see loop.h. Timers are a plain list: there are two a session at most,
 * and scanning two hundred entries costs less than a system call. */
#include "agent/loop.h"

#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <unistd.h>

#include "base/clock.h"

int loop_init(struct loop *loop)
{
    list_init(&loop->timers);
    loop->n_batch = 0;
    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    return loop->epoll_fd < 0 ? -1 : 0;
}

void loop_done(struct loop *loop)
{
    if (loop->epoll_fd >= 0)
        close(loop->epoll_fd);
    loop->epoll_fd = -1;
}

int loop_add(struct loop *loop, struct loop_io *io, int fd, uint32_t events)
{
    struct epoll_event ev = {.events = events, .data.ptr = io};
    if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &ev) < 0)
        return -1;
    io->fd = fd;
    return 0;
}

void loop_change(struct loop *loop, struct loop_io *io, uint32_t events)
{
    struct epoll_event ev = {.events = events, .data.ptr = io};
    epoll_ctl(loop->epoll_fd, EPOLL_CTL_MOD, io->fd, &ev);
}

void loop_remove(struct loop *loop, struct loop_io *io)
{
    if (io->fd < 0)
        return;
    epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, io->fd, NULL);
    io->fd = -1;
    for (int i = 0; i < loop->n_batch; i++)
        if (loop->batch[i].data.ptr == io)
            loop->batch[i].data.ptr = NULL;
}

void loop_arm(struct loop *loop, struct loop_timer *timer, int64_t in_ms)
{
    list_remove(&timer->member);
    timer->due_ms = clock_mono_ms() + (in_ms > 0 ? in_ms : 0);
    list_add_tail(&loop->timers, &timer->member);
}

void loop_disarm(struct loop_timer *timer)
{
    list_remove(&timer->member);
}

static int wait_ms(const struct loop *loop, int max_wait_ms)
{
    if (list_empty(&loop->timers))
        return max_wait_ms;
    int64_t due = INT64_MAX;
    list_foreach(pos, &loop->timers)
    {
        const struct loop_timer *t = container_of(pos, struct loop_timer, member);
        if (t->due_ms < due)
            due = t->due_ms;
    }
    int64_t left = due - clock_mono_ms();
    if (left < 0)
        left = 0;
    if (max_wait_ms >= 0 && left > max_wait_ms)
        left = max_wait_ms;
    return left > INT_MAX ? INT_MAX : (int)left;
}

/* A callback may change the list at will, so each look starts over; the timers due are moved to a
 * list of their own first, so that one which arms itself anew waits for the next round. */
static void fire_timers(struct loop *loop)
{
    if (list_empty(&loop->timers))
        return;
    struct list due;
    list_init(&due);
    int64_t now = clock_mono_ms();
    list_foreach(pos, &loop->timers)
    {
        const struct loop_timer *t = container_of(pos, struct loop_timer, member);
        if (t->due_ms <= now) {
            list_remove(pos);
            list_add_tail(&due, pos);
        }
    }
    for (struct list *pos; (pos = list_first(&due));) {
        struct loop_timer *t = container_of(pos, struct loop_timer, member);
        list_remove(pos);
        t->fired(t);
    }
}

int loop_round(struct loop *loop, int max_wait_ms)
{
    int n = epoll_wait(loop->epoll_fd, loop->batch, LOOP_BATCH, wait_ms(loop, max_wait_ms));
    if (n < 0 && errno != EINTR)
        return -1;
    loop->n_batch = n < 0 ? 0 : n;
    for (int i = 0; i < loop->n_batch; i++) {
        struct loop_io *io = loop->batch[i].data.ptr;
        if (io)
            io->ready(io, loop->batch[i].events);
    }
    loop->n_batch = 0;
    fire_timers(loop);
    return 0;
}
