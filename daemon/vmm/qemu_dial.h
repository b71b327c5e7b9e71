/* A TCP connection to a port of a guest in qemu's user network, over qemu's forwarding of a port of
 * this host.
 *
 * A port of the loopback is everybody's on this host, and qemu 7.2 forwards nothing else (no Unix
 * socket). So there is none but for the moment of connecting: it is opened (a free one, which the
 * kernel picks), connected to, and closed again before the connection is handed out. That it was
 * there to be closed says that it was qemu's all the time, and nobody else's who took its number.
 * Others may connect in that moment, and meet the guest's SSH server, which does not know them. */
#ifndef BANGER_DAEMON_VMM_QEMU_DIAL_H
#define BANGER_DAEMON_VMM_QEMU_DIAL_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/vmm/vmm.h"

struct qmp;

struct qemu_dial {
    struct qmp *qmp; /* borrowed */
    vmm_dialed_fn *done;
    void *arg;
    bool busy; /* until what it has opened is closed, whether anybody waits or not */
    bool open; /* the port was asked for */
    uint32_t guest_port;
    unsigned port; /* of the host; 0: not known */
    unsigned looks;
    int fd; /* owned; -1 */
};

void qemu_dial_init(struct qemu_dial *d, struct qmp *qmp);
/* As vmm_dial and vmm_hang_up. */
int qemu_dial_start(struct qemu_dial *d, uint32_t port, vmm_dialed_fn *done, void *arg,
                    struct err *err);
void qemu_dial_cancel(struct qemu_dial *d);

/* A line of "info usernet": the port of the host that is forwarded (listening), or that a
 * connection came by; false: it is no line of a TCP port of the loopback. */
bool qemu_dial_parse(const char *line, bool *listening, unsigned *port);

#endif
