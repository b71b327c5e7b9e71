/* What drivers share and nobody else needs: the completion of a call, registration of a table. */
#ifndef BANGER_DAEMON_VMM_DRIVER_H
#define BANGER_DAEMON_VMM_DRIVER_H

#include <stdbool.h>

#include "base/err.h"
#include "daemon/vmm/vmm.h"
#include "rpc/event/loop.h"

/* All there are: NAME_driver is the table in daemon/vmm/NAME.c. */
#define VMM_DRIVERS(X)           X(qemu) X(firecracker) X(sim)
#define VMM_DRIVER_DECLARE(name) extern const struct vmm_driver name##_driver;
VMM_DRIVERS(VMM_DRIVER_DECLARE)
#undef VMM_DRIVER_DECLARE

/* A call under way and how it ended. Completion always goes through a timer: done comes later, on
 * an empty stack, so that it may do anything, closing the machine included. */
struct driver_call {
    vmm_done_fn *done; /* NULL: no call */
    void *arg;
    bool ended, failed;
    struct err err;
    struct timer later;
};

int driver_call_init(struct driver_call *c, struct loop *loop);
/* Drops a pending completion. Harmless on a zeroed one. */
void driver_call_done(struct driver_call *c);
void driver_call_begin(struct driver_call *c, vmm_done_fn *done, void *arg);
/* err NULL: success. Nothing happens without a call, or when it has ended already. */
void driver_call_end(struct driver_call *c, const struct err *err);

/* Under way and not ended. */
static inline bool driver_call_open(const struct driver_call *c)
{
    return c->done && !c->ended;
}

/* Puts a driver before those of the same name, as fault injection does; NULL takes it away. */
void vmm_override_driver(const struct vmm_driver *driver);

#endif
