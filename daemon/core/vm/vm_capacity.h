/* What active VMs take of the host, and whether there is room for one more. */
#ifndef BANGER_DAEMON_CORE_VM_VM_CAPACITY_H
#define BANGER_DAEMON_CORE_VM_VM_CAPACITY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct core;
struct err;
struct vm_spec;

enum {
    /* Open files of a VM that runs: its pidfd, the FIFO of its stderr, its control socket (QMP) and
     * its agent's channel. */
    VM_FILES = 4,
    /* Of the daemon itself: store, logs, loop, listeners, what jobs have open for a moment, and the
     * connections that are kept for the owner. */
    DAEMON_FILES = 128,
};
/* How many VMs may run with n_connections open; by max_files. */
uint64_t vm_files_fit(const struct core *core, size_t n_connections);
/* What a VM takes of the host's memory while it is active: its guest's and its VMM's own. */
uint64_t vm_memory_promised(const struct core *core, const struct vm_spec *spec);
/* What active VMs and whatever else runs for us take of the host; of memory, as promised. */
void vm_count_use(const struct core *core, uint32_t *cpus, uint64_t *memory_bytes);
/* Room for one more VM of that size, beside all that run, listed or not? ERR_LIMIT
 * (CAPACITY_EXCEEDED). memory_bytes as vm_memory_promised has it, 0: it is not started yet; new_vm:
 * it counts towards max_vms. */
int vm_capacity_check(struct core *core, uint64_t memory_bytes, bool new_vm, struct err *err);

#endif
