/* Who goes first where output comes in bulk: the process that writes it.
 *
 * A process that is woken by a pipe is run at once, ahead of the one that wrote. So an agent that
 * waits for output gets each write as a wake-up of its own: a read, a frame, a notification of the
 * host, and two switches for a few kilobytes. While a lot comes it is therefore scheduled as a
 * batch job (sched(7)): it runs when the writer has filled its pipe, has nothing to write, or has
 * had its time. Whoever else wakes it waits no longer than for that, and only while a lot comes. */
#ifndef BANGER_AGENT_PACE_H
#define BANGER_AGENT_PACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/loop.h"

enum {
    PACE_WINDOW_MS = 100,
    PACE_BULK_BYTES = 64 * 1024, /* in a window: a lot; less than half of it in one: not any more */
};

struct pace {
    struct loop *loop;
    struct loop_timer look; /* runs while bulk */
    bool bulk;
    int64_t window_ms; /* when it began */
    uint64_t bytes;    /* in it */
};

void pace_init(struct pace *p, struct loop *loop);
/* So much output was read. */
void pace_note(struct pace *p, uint64_t n_bytes, int64_t now_ms);
void pace_done(struct pace *p);
/* In a child: scheduled as the agent was when it began. */
void pace_leave(void);

#endif
