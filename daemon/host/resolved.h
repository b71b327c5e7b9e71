/* systemd-resolved, asked over the system's bus to look for names of VMs with us: what is set is of
 * one link, the tap of a VM that runs, and gone with it. Blocks: on a worker.
 *
 * A link, as resolved takes servers for links alone over its bus (org.freedesktop.resolve1(5)), and
 * none for the loopback; a tap, as it is the only link of ours. */
#ifndef BANGER_DAEMON_HOST_RESOLVED_H
#define BANGER_DAEMON_HOST_RESOLVED_H

#include <stdint.h>

struct err;

enum { RESOLVED_CALL_MS = 5000 };

/* Names below "vm" are asked of the server at that address of ours; all else as before.
 * ERR_UNAVAILABLE: there is no resolved, or it refuses. */
int resolved_set(const char *link, uint32_t address, uint16_t port, struct err *err);
/* As if it had never been; fine where the link, or resolved, is gone. */
int resolved_revert(const char *link, struct err *err);

#endif
