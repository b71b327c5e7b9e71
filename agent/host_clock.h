/* The host's time, as the daemon told it last and as time has passed since: unlike the guest's own
 * clock nobody in the guest sets it. Nanoseconds since the Unix epoch. */
#ifndef BANGER_AGENT_HOST_CLOCK_H
#define BANGER_AGENT_HOST_CLOCK_H

#include <stdint.h>

/* The guest's own until it was set. */
int64_t host_clock_ns(void);
/* What the daemon says now; 0: nothing. */
void host_clock_set(uint64_t realtime_ns);

#endif
