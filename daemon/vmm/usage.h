/* What a VM has used since its VMM was started, as the host counts it: the same for each driver. */
#ifndef BANGER_DAEMON_VMM_USAGE_H
#define BANGER_DAEMON_VMM_USAGE_H

#include <stdint.h>
#include <sys/types.h>

struct vmm_usage {
    uint64_t cpu_ns, rss_bytes;
    uint64_t read_bytes, written_bytes; /* of the host's disks */
    /* The guest's, in Ethernet frames: what has come to it, and what it has sent (a user's network:
     * and was let through). 0 without a network, and with slirp, which does not count. */
    uint64_t received_bytes, sent_bytes;
};

/* tap: of the VM, or "", when its folder may have the counts of a user's network. What cannot be
 * read is 0. Worker. */
void vmm_usage_look(pid_t pid, const char *tap, const char *vm_dir, struct vmm_usage *usage);

#endif
