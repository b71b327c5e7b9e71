/* The disks of a qemu machine: a qcow2 overlay on the image, and a work disk with an empty ext4.
 * Blocking: on a worker. */
#ifndef BANGER_DAEMON_VMM_QEMU_DISK_H
#define BANGER_DAEMON_VMM_QEMU_DISK_H

#include "daemon/vmm/vmm.h"

struct err;

/* Idempotent; each disk appears whole, under its name, or not at all. */
int qemu_disk_prepare(const struct vmm_config *c, int cancel_fd, struct err *err);
/* err keeps the first failure; the rest is removed all the same. */
void qemu_disk_discard(const struct vmm_config *c, struct err *err);

#endif
