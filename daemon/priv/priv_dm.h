/* Devices of device-mapper's, by name: libdevmapper, without udev. What is there appears and goes
 * with its node below /dev/mapper, which udev is told to leave alone: it would look for file
 * systems and volumes in what belongs to a guest, and hold the device open meanwhile. */
#ifndef BANGER_DAEMON_PRIV_PRIV_DM_H
#define BANGER_DAEMON_PRIV_PRIV_DM_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "daemon/priv/priv_names.h"

struct err;

struct dm_device {
    char uuid[PRIV_LABEL_BYTES]; /* "" where there is none, or none as long as ours */
    dev_t number;
    bool works; /* it has a table, is not suspended, and its snapshot is valid */
    uint64_t bytes;
    dev_t store; /* second device of its first target; 0: not known */
};

struct dm_disk {
    const char *name, *uuid;
    uint32_t uid; /* whose its node is */
    dev_t base, store;
    uint64_t base_bytes, store_bytes, bytes;
};

int dm_version(struct err *err);
/* Whether its node is there and that user's. */
bool dm_has_node(const char *name, const struct dm_device *device, uint32_t uid);
/* ERR_NOT_FOUND. */
int dm_find(const char *name, struct dm_device *device, struct err *err);
int dm_create(const struct dm_disk *disk, struct err *err);
/* A missing one is fine. One that is open is waited for, a few seconds. */
int dm_remove(const char *name, struct err *err);
/* Names of all there are; borrowed for the call, which may ask for more of them. */
int dm_each(void (*fn)(void *arg, const char *name), void *arg, struct err *err);

#endif
