/* What the guest behind a VM's tap reaches by names, where its egress list has some: asked of the
 * helper (priv_call.h), so it blocks. Its rules are there. */
#ifndef BANGER_DAEMON_HOST_TAP_NAMES_H
#define BANGER_DAEMON_HOST_TAP_NAMES_H

#include <stddef.h>
#include <stdint.h>

#include "daemon/model/egress_name.h"

struct err;

enum { TAP_PINS_MAX = 16 }; /* at once */

/* The guest's questions go to that port of the host's end of its /30, where we have a socket.
 * ERR_NOT_FOUND: it has no rules with names. */
int tap_names_resolve(const char *vm_id, uint32_t guest, uint16_t port, struct err *err);

struct tap_pins {
    uint32_t addresses[TAP_PINS_MAX];
    size_t n;
    struct egress_ports ports[EGRESS_PORTS_MAX];
    size_t n_ports;
    uint32_t seconds; /* 0: they are closed again */
    uint32_t guest;   /* as it was resolved last: else nothing is done, and that is an error */
    uint16_t port;
};

/* As above. */
int tap_names_pin(const char *vm_id, const struct tap_pins *pins, struct err *err);

#endif
