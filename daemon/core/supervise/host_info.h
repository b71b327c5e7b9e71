/* What this host can do: drivers as probed, capacity, and the checks of `banger doctor`. On the
 * loop's thread, but for host_facts_gather. */
#ifndef BANGER_DAEMON_CORE_SUPERVISE_SUPERVISE_HOST_INFO_H
#define BANGER_DAEMON_CORE_SUPERVISE_SUPERVISE_HOST_INFO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/core/host/host_check.h"
#include "daemon/host/kvm_probe.h"
#include "daemon/host/tap_check.h"
#include "daemon/vmm/vmm.h"

struct core;
struct err;

enum { HOST_DRIVERS_MAX = 4, HOST_CHECKS_MAX = 32 };

struct host_driver {
    const struct vmm_driver *driver;
    bool probed;
    struct vmm_probe_result result;
};

struct host_info {
    struct host_driver drivers[HOST_DRIVERS_MAX];
    size_t n_drivers;
    int64_t started_ns;
};

/* Asks every driver what it can do; the answers come to info by themselves. Nothing waits for them:
 * a driver finds out for itself what it needs when it starts a machine. */
void host_info_probe(struct core *core, struct host_info *info);

struct host_capacity {
    uint32_t cpus, vms;
    uint64_t memory_bytes, disk_bytes;
};

enum { HOST_TOOLS = 3 };

/* What must be looked up where it may block. */
struct host_facts {
    char state_dir[PATH_BYTES]; /* in */
    char hostname[256];
    uint32_t cpus;
    uint64_t memory_bytes; /* of the machine */
    bool state_writable;
    uint64_t disk_bytes, disk_used_bytes, disk_free_bytes; /* of the state folder's file system */
    uint64_t rss_bytes;                                    /* this process */
    bool tools[HOST_TOOLS];                                /* found; see host_info.c */
    bool ssh;       /* what reaches guests over SSH is installed */
    bool kvm_known; /* kvm says how it is now */
    struct kvm_verdict kvm;
    bool asks_for_taps; /* in: taps say how it is now */
    bool has_names;     /* in: host_has_names */
    struct tap_check taps;
};

/* Some VM's egress list has names that we answer. */
bool host_has_names(const struct core *core);
/* Fills facts from what is in. Blocks: on a worker. */
void host_facts_gather(struct host_facts *facts);
/* Of the machine, and what VMs are promised of it (disk: what is used of the state folder's). */
void host_capacity_total(const struct core *core, const struct host_facts *facts,
                         struct host_capacity *total);
void host_capacity_used(const struct core *core, const struct host_facts *facts,
                        struct host_capacity *used);

/* Fills checks and returns how many. */
size_t host_diagnose(const struct core *core, const struct host_info *info,
                     const struct host_facts *facts, struct host_check checks[HOST_CHECKS_MAX]);

#endif
