/* Guests' clocks; see vm_clock.h. */
#include "daemon/core/vm/vm_clock.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "daemon/core/core.h"
#include "daemon/core/event/event.h"
#include "daemon/core/vm/vm_internal.h"
#include "daemon/guest/agent_client.h"

static const int64_t bound_ns = (int64_t)VM_CLOCK_BOUND_MS * 1000000;
static const int64_t exact_ns = (int64_t)1000000000; /* a ping that took longer shows nothing */

static bool vm_clock_send(struct vm_entry *e)
{
    struct err err = ERR_INIT;
    if (!e->agent || !agent_client_is_up(e->agent))
        return false;
    if (agent_client_set_clock(e->agent, &err) == 0)
        return true;
    log_err(LOG_LEVEL_WARN, e->vm.id, &err, "cannot set the guest's clock");
    return false;
}

/* A guest that was long in reading it is measured at once, and set once more; not again and again,
 * as it may have reasons of its own. */
void vm_clock_set(struct vm_entry *e)
{
    if (vm_clock_send(e))
        agent_client_ping(e->agent);
}

static void vm_clock_tell(struct vm_entry *e, int64_t ahead_ns)
{
    int64_t now_ms = clock_mono_ms(), off_ms = llabs(ahead_ns / 1000000);
    if (e->clock_told_ms && now_ms - e->clock_told_ms < VM_CLOCK_TELL_EVERY_MS)
        return;
    e->clock_told_ms = now_ms;
    char resource[96], detail[96];
    vm_resource(e, resource);
    snprintf(detail, sizeof(detail), "the guest's clock was %lld.%03lld s %s: it was set",
             (long long)(off_ms / 1000), (long long)(off_ms % 1000),
             ahead_ns > 0 ? "ahead" : "behind");
    log_warn(e->vm.id, "%s", detail);
    event_emit(e->core, NULL, "vm.clock", resource, e->vm.id, detail, NULL);
}

void vm_clock_measured(struct vm_entry *e, int64_t ahead_ns, int64_t within_ns)
{
    if (!vm_guest_is_ready(e) || within_ns > exact_ns ||
        (ahead_ns <= bound_ns + within_ns && ahead_ns >= -bound_ns - within_ns))
        return;
    vm_clock_send(e);
    vm_clock_tell(e, ahead_ns);
}
