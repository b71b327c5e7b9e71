/* Whether Firecracker can be used here, found out by running it. */
#ifndef BANGER_DAEMON_VMM_FIRECRACKER_PROBE_H
#define BANGER_DAEMON_VMM_FIRECRACKER_PROBE_H

#include <stdbool.h>

#include "daemon/vmm/vmm.h"

/* The path of the program; ERR_NOT_FOUND (FIRECRACKER_NOT_FOUND). */
int firecracker_find_program(const struct vmm_host *host, char path[PATH_BYTES], struct err *err);
/* Below 1.16.2: guests may get out of it (CVE-2026-122192, CVE-2026-1386). version: "1.16.1"; what
 * is no version is old. */
bool firecracker_is_old(const char *version);
/* A probe of this boot of the host has found that it runs no guest here: KVM_UNUSABLE, with what
 * was seen. 0 where nothing is known. On a worker. */
int firecracker_check(const struct vmm_host *host, struct err *err);
void firecracker_probe(struct vmm_host *host,
                       void (*done)(void *arg, const struct vmm_probe_result *result), void *arg);

#endif
