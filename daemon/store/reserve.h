/* Room that is kept for the day when the disk is full.
 *
 * A file of a few MiB beside the database. When a commit finds no room, the file is given up and
 * its blocks go to the write-ahead log, so that stop, kill and delete can be written down: they
 * make room. It is made again as soon as there is plenty. On the store's thread. */
#ifndef BANGER_DAEMON_STORE_RESERVE_H
#define BANGER_DAEMON_STORE_RESERVE_H

#include <stdbool.h>
#include <stdint.h>

enum {
    RESERVE_BYTES = 8 << 20,
    RESERVE_MIN_FREE_BYTES = 64 << 20, /* only where so much is free beside it */
};

struct reserve {
    char path[600];     /* DATABASE-reserve */
    char wal_path[600]; /* DATABASE-wal */
    bool there;
    int64_t looked_ms; /* at the disk, by the monotonic clock */
};

void reserve_init(struct reserve *r, const char *database);
/* Makes it where it is missing and there is room; cheap where it is there, else looks at the disk
 * every few seconds at most. */
void reserve_keep(struct reserve *r);
/* True: there is room now, in the write-ahead log, for what has just failed. */
bool reserve_spend(struct reserve *r);

#endif
