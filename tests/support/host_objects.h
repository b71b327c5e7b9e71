/* What this host shows of VMs' objects, looked at without the daemon: interfaces of the network
 * namespace, elements of the table inet banger in it, control groups, loop devices, disks of
 * device-mapper. */
#ifndef BANGER_TESTS_HOST_OBJECTS_H
#define BANGER_TESTS_HOST_OBJECTS_H

#include <stddef.h>
#include <sys/types.h>

#include "tests/support/harness.h"

struct host_objects {
    size_t taps, rules; /* in this network namespace, of whatever daemon; two rules for each VM */
    size_t listed;      /* entries of egress lists, of whatever daemon */
    size_t groups, disks, loops; /* of this harness's daemon */
};

/* Sets tap and groups where they may be; taps are in a network namespace that is then the program's
 * own. No other thread runs. */
void host_objects_want(struct harness *h);
/* As harness_prepare; VMs have a tap, in a network namespace that is then the
 * program's own, and a group, where that may be. */
void host_objects_open(struct harness *h, const char *driver);
void host_objects_count(const struct harness *h, struct host_objects *o);
/* Checks that this is what so many VMs have, all with a tap and a group where h->tap and h->groups
 * say so, and that nothing else is there. Entries of lists are there with VMs alone. */
bool host_objects_are_of(const struct harness *h, size_t vms);
/* Makes tap, rules and group, as h->tap and h->groups say, as if a VM of that id had been. */
void host_objects_plant(const struct harness *h, const char *id);
/* The helper of the daemon's own; 0: none. */
pid_t host_objects_helper(const struct harness *h);
/* Descriptors that it has open. */
size_t host_objects_fds(pid_t pid);

#endif
