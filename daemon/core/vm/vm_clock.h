/* A guest's clock follows the host's: set whenever its agent is linked and after a resume, watched
 * by the link's pings, and set again where it is off by more than the bound. On the loop's thread.
 */
#ifndef BANGER_DAEMON_CORE_VM_VM_CLOCK_H
#define BANGER_DAEMON_CORE_VM_VM_CLOCK_H

#include <stdint.h>

struct vm_entry;

enum {
    VM_CLOCK_BOUND_MS = 500,         /* off by more than that is told and mended */
    VM_CLOCK_TELL_EVERY_MS = 600000, /* a guest that sets its own clock fills no log */
};

/* Now, if its agent can be told; else that is done when it is linked. */
void vm_clock_set(struct vm_entry *e);
/* What a ping has shown; see agent_events. */
void vm_clock_measured(struct vm_entry *e, int64_t ahead_ns, int64_t within_ns);

#endif
