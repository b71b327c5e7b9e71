/* What the daemon asks of the guest as a machine: identity, clock, entropy, network, work disk,
 * power. */
#ifndef BANGER_AGENT_SYSTEM_H
#define BANGER_AGENT_SYSTEM_H

#include <stdbool.h>
#include <stdint.h>

struct agent;
struct err;

extern const struct agent_system system_guest;

/* Cgroups for the sessions and, unless there is one already, a folder for their output. */
void system_prepare(struct agent *agent, bool has_spool);

void network_raise_loopback(void);
/* Address ("10.0.2.15/24"), up, loopback up, default route over gateway ("": none), behind which
 * nobody is shown a larger TCP window (0: as the kernel has it). */
int network_set(const char *address_cidr, const char *gateway, uint32_t window_bytes,
                struct err *err);

#endif
