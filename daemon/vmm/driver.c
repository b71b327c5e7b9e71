/* Completion of driver calls; see driver.h. */
#include "daemon/vmm/driver.h"

#include <assert.h>

static void driver_call_fire(void *arg)
{
    struct driver_call *c = arg;
    vmm_done_fn *done = c->done;
    void *done_arg = c->arg;
    struct err err = c->err;
    bool failed = c->failed;
    c->done = NULL;
    done(done_arg, failed ? &err : NULL); /* c may be gone after this */
}

int driver_call_init(struct driver_call *c, struct loop *loop)
{
    *c = (struct driver_call){.done = NULL};
    return timer_init(&c->later, loop, driver_call_fire, c);
}

void driver_call_done(struct driver_call *c)
{
    timer_done(&c->later);
    c->done = NULL;
}

void driver_call_begin(struct driver_call *c, vmm_done_fn *done, void *arg)
{
    assert(!c->done);
    c->done = done;
    c->arg = arg;
    c->ended = c->failed = false;
    err_clear(&c->err);
}

void driver_call_end(struct driver_call *c, const struct err *err)
{
    if (!driver_call_open(c))
        return;
    c->ended = true;
    c->failed = err != NULL;
    if (err)
        c->err = *err;
    timer_start(&c->later, 0);
}
