/* Whether an address is this host's. */
#ifndef BANGER_DAEMON_HOST_OWN_ADDRESS_H
#define BANGER_DAEMON_HOST_OWN_ADDRESS_H

#include <stdint.h>

struct err;

/* 1: the host itself has it, or it is one of a whole network; 0: neither. -1: that cannot be told
 * now. In the host's order of bytes. Calls that do not wait, but several: on a worker. */
int own_address(uint32_t address, struct err *err);

#endif
