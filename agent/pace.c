/* See pace.h. */
#include "agent/pace.h"

#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/list.h"

static bool batch; /* of this process; a child inherits it */

/* musl's calls of these names do nothing. */
static int get_policy(void)
{
    return (int)syscall(SYS_sched_getscheduler, 0);
}

static bool set_policy(int policy)
{
    const struct sched_param none = {0};
    return syscall(SYS_sched_setscheduler, 0, policy, &none) == 0;
}

/* Whoever gave the agent another policy than the usual one meant it. */
static void enter_bulk(struct pace *p)
{
    p->bulk = true;
    loop_arm(p->loop, &p->look, PACE_WINDOW_MS);
    batch = batch || (get_policy() == SCHED_OTHER && set_policy(SCHED_BATCH));
}

void pace_leave(void)
{
    if (batch)
        set_policy(SCHED_OTHER);
    batch = false;
}

void pace_done(struct pace *p)
{
    loop_disarm(&p->look);
    p->bulk = false;
    pace_leave();
}

static void look_fired(struct loop_timer *timer)
{
    struct pace *p = container_of(timer, struct pace, look);
    p->bulk = p->bytes >= PACE_BULK_BYTES / 2;
    p->bytes = 0;
    p->window_ms = clock_mono_ms();
    if (p->bulk)
        loop_arm(p->loop, &p->look, PACE_WINDOW_MS);
    else
        pace_leave();
}

void pace_init(struct pace *p, struct loop *loop)
{
    *p = (struct pace){.loop = loop};
    loop_timer_init(&p->look, look_fired);
}

void pace_note(struct pace *p, uint64_t n_bytes, int64_t now_ms)
{
    if (!p->bulk && now_ms - p->window_ms >= PACE_WINDOW_MS) {
        p->window_ms = now_ms;
        p->bytes = 0;
    }
    p->bytes += n_bytes;
    if (!p->bulk && p->bytes >= PACE_BULK_BYTES)
        enter_bulk(p);
}
