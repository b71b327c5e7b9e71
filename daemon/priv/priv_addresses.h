/* All IPv4 addresses of this host.
 *
 * They are read once; from then on the kernel's notices are followed, so that a look costs the same
 * beside one address and beside thousands. (A lookup of routes would be flat, too, but blind to
 * interfaces that are down, and it would take the routes of a VPN for addresses.) */
#ifndef BANGER_DAEMON_PRIV_PRIV_ADDRESSES_H
#define BANGER_DAEMON_PRIV_PRIV_ADDRESSES_H

#include <stdint.h>

#include "daemon/priv/priv_names.h"

struct err;

/* The interface other than index one of whose addresses overlaps with address/prefix: 1 with its
 * name, 0: none, -1. */
int addresses_overlap(unsigned index, uint32_t address, unsigned prefix, char name[PRIV_TAP_BYTES],
                      struct err *err);
/* In a process that was forked: it would take the notices away from the one that it came from. */
void addresses_forget(void);

#endif
