/* The file that holds what is written to a disk of device-mapper's: daemon and helper reckon alike.
 *
 * In front is the kernel's store of what differs from the base (target snapshot, persistent): a
 * chunk for its header, then areas of one chunk of references and the chunks that these are for.
 * There is room for every chunk of the base, so that it never runs full, which would take the disk
 * away for good. Behind it is what the disk has more than its base, as it is. The file is sparse.
 */
#ifndef BANGER_DAEMON_PRIV_PRIV_COW_H
#define BANGER_DAEMON_PRIV_PRIV_COW_H

#include <stdint.h>

enum {
    PRIV_SECTOR = 512,
    PRIV_COW_CHUNK = 4096,
    PRIV_COW_REFERENCE = 16, /* bytes of one in the store */
    PRIV_COW_ALIGN = 1 << 20,
};

/* Of the store alone. */
static inline uint64_t priv_cow_store_bytes(uint64_t base_bytes)
{
    const uint64_t per_area = PRIV_COW_CHUNK / PRIV_COW_REFERENCE;
    uint64_t chunks = (base_bytes + PRIV_COW_CHUNK - 1) / PRIV_COW_CHUNK;
    uint64_t areas = chunks / per_area + 2; /* the kernel begins the next before it is needed */
    uint64_t bytes = (1 + areas + chunks) * PRIV_COW_CHUNK;
    return (bytes + PRIV_COW_ALIGN - 1) / PRIV_COW_ALIGN * PRIV_COW_ALIGN;
}

/* Of the whole file. */
static inline uint64_t priv_cow_bytes(uint64_t base_bytes, uint64_t disk_bytes)
{
    return priv_cow_store_bytes(base_bytes) + (disk_bytes - base_bytes);
}

#endif
