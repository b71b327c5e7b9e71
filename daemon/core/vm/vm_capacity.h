/* What active VMs take of the host, and whether there is room for one more.
 *
 * Sums that follow the VMs (vm_recount), as each creation asks for them: a walk would take longer
 * the more VMs there are. */
#ifndef BANGER_DAEMON_CORE_VM_VM_CAPACITY_H
#define BANGER_DAEMON_CORE_VM_VM_CAPACITY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/map.h"

struct core;
struct err;
struct vm_entry;
struct vm_spec;

enum { VM_DRIVERS_MAX = 8 };

/* Of VMs by one driver, whose VMMs' own memory comes on top: that may become known later. */
struct vm_use {
    uint32_t vms, cpus;
    uint64_t memory_bytes; /* their guests' */
};

/* The registry's: by the driver's place among vmm_drivers, behind them those whose driver is not
 * known. */
struct vm_uses {
    struct vm_use by_driver[VM_DRIVERS_MAX];
    /* vm_network.c's: entries with a tap, by guest_ip; how far behind the first address of the
     * pool the next one is looked for. */
    struct map addresses;
    uint32_t next_address;
};

/* What of them is an entry's; all zero while it is not active. */
struct vm_share {
    uint64_t memory_bytes;
    uint32_t cpus;
    uint16_t vms, driver;
};

/* Its state or spec may have changed. */
void vm_recount(struct vm_uses *uses, struct vm_entry *e);

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
