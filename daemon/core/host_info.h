/* What this host can do: drivers as probed, capacity, and the checks of `banger doctor`. On the
 * loop's thread. */
#ifndef BANGER_DAEMON_CORE_HOST_INFO_H
#define BANGER_DAEMON_CORE_HOST_INFO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/vmm/vmm.h"

struct core;
struct err;

enum { HOST_DRIVERS_MAX = 4, HOST_CHECKS_MAX = 32 };

struct host_driver {
    char name[16];
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

/* Of the machine, and what VMs are promised of it (disk: what is used of the state folder's). */
void host_capacity_total(const struct core *core, struct host_capacity *total);
void host_capacity_used(const struct core *core, struct host_capacity *used);
uint64_t host_own_rss_bytes(void);

enum host_check_result { HOST_CHECK_OK = 1, HOST_CHECK_WARNING, HOST_CHECK_FAILED };

struct host_check {
    const char *name;
    enum host_check_result result;
    char message[TEXT_BYTES];
    char fix[TEXT_BYTES];
};

/* Fills checks and returns how many. Looks at files and settings only: quick. */
size_t host_diagnose(const struct core *core, const struct host_info *info,
                     struct host_check checks[HOST_CHECKS_MAX]);

#endif
