/* What Firecracker is told of a machine's parts: its command line, and the requests that make the
 * machine, in order. Pure; the driver sends them (firecracker.c). Of Firecracker's API as of 1.16.
 */
#ifndef BANGER_DAEMON_VMM_FIRECRACKER_PARTS_H
#define BANGER_DAEMON_VMM_FIRECRACKER_PARTS_H

#include <stdbool.h>
#include <stddef.h>

#include <jansson.h>

#include "daemon/vmm/firecracker_api.h"
#include "daemon/vmm/monitor.h"
#include "daemon/vmm/parts.h"

struct err;

/* Its process and no other's is --id PREFIX<VM id>. */
#define FIRECRACKER_ID_PREFIX "banger-"

enum {
    FIRECRACKER_CID = 3, /* of every guest: each has a vsock of its own */
    FIRECRACKER_WHAT_BYTES = 32,
};

/* A request that configures one part, by PUT. */
struct firecracker_part {
    char path[FIRECRACKER_PATH_BYTES];
    char what[FIRECRACKER_WHAT_BYTES]; /* for people */
    json_t *body;                      /* owned by who asked; NULL: no memory */
};

/* ERR_INVALID: sizes that it does not take. */
int firecracker_parts_check(const struct vmm_config *c, struct err *err);
/* The i-th of them; false behind the last, which has started the guest. */
bool firecracker_part_at(const struct vmm_config *c, size_t i, struct firecracker_part *part);
void firecracker_args_build(struct monitor_argv *a, const struct vmm_config *c,
                            const char *program);
/* Those behind --id, which a jailer gives it by itself. */
void firecracker_args_options(struct monitor_argv *a, const struct vmm_config *c);
/* The FIFO that takes the guest's console. */
void firecracker_console_path(const struct vmm_config *c, char path[PATH_BYTES]);

#endif
