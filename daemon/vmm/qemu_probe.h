/* Is qemu here, which version, and does KVM run a guest? */
#ifndef BANGER_DAEMON_VMM_QEMU_PROBE_H
#define BANGER_DAEMON_VMM_QEMU_PROBE_H

#include "daemon/vmm/vmm.h"

struct err;

/* The program by host->qemu_path or PATH. Blocks for a moment: on a worker. */
int qemu_find_program(const struct vmm_host *host, char path[PATH_BYTES], struct err *err);
/* vmm_driver.probe. Sets host->kvm_known and kvm_usable when KVM was tried. */
void qemu_probe(struct vmm_host *host,
                void (*done)(void *arg, const struct vmm_probe_result *result), void *arg);

#endif
