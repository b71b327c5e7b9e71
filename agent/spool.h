/* One output stream of a session: a log with byte offsets that keeps the newest bytes.
 *
 * The newest part is in memory, a ring of up to SPOOL_MEMORY_BYTES; what falls out of it goes to an
 * unnamed file (O_TMPFILE), also a ring, of `limit` bytes. So a short session makes no file, a live
 * reader needs no disk, and nothing has to be cleaned up after a crash: the file has no name.
 *
 * Appending cannot fail. When the disk is full the file's ring stays at the size it has reached,
 * and where that is too small only memory is used; readers see that the oldest bytes are gone
 * (spool_first) and why (spool_gap_reason). The pool outlives its spools. */
#ifndef BANGER_AGENT_SPOOL_H
#define BANGER_AGENT_SPOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    SPOOL_FIRST_BYTES = 4 * 1024,        /* memory a stream starts with */
    SPOOL_STARVED_BYTES = 16 * 1024,     /* and may always have, whatever the pool says */
    SPOOL_MEMORY_BYTES = 128 * 1024,     /* and has at most */
    SPOOL_POOL_BYTES = 12 * 1024 * 1024, /* memory of all streams, the always granted apart */
    SPOOL_MIN_RING_BYTES = 64 * 1024,    /* a file smaller than this is given up */
    SPOOL_CHECK_BYTES = 1024 * 1024,     /* how often a growing file looks at the free space */
    SPOOL_RETRY_BYTES = 4 * 1024 * 1024, /* output between attempts to use the disk again */
    SPOOL_KEEP_FREE_PERCENT = 5,         /* of the disk, left to the guest */
    SPOOL_DEFAULT_BYTES = 64 * 1024 * 1024,
    /* What ended sessions keep together: the lesser of these. */
    SPOOL_ENDED_BYTES = 1024 * 1024 * 1024,
    SPOOL_ENDED_PERCENT = 10, /* of the disk */
};

struct spool_pool {
    int dir_fd;             /* folder for the files, owned; -1: memory only */
    size_t memory;          /* granted now */
    uint64_t default_bytes; /* limit of a stream that names none */
    uint64_t ended_most;    /* that ended sessions keep, however large the disk is */
};

struct spool {
    struct spool_pool *pool;
    uint8_t *mem;                /* ring; offset o is at o % cap */
    size_t cap;                  /* its size; 0: none yet */
    uint64_t from;               /* first offset in memory */
    uint64_t total;              /* one past the last byte */
    int fd;                      /* file, or -1 */
    uint64_t limit;              /* bytes kept */
    uint64_t ring;               /* size of the file's ring; offset o is at (o - base) % ring */
    uint64_t base;               /* offset that the file began with */
    uint64_t file_from, file_to; /* offsets in the file */
    uint64_t retry_at;           /* no file before this total */
    bool disk_full;              /* bytes were lost to a disk that would not take them */
    bool dropped;                /* see spool_drop */
};

void spool_pool_init(struct spool_pool *pool);
/* Puts new files below path, which must exist. 0, or -1 with errno and the pool unchanged. */
int spool_pool_use(struct spool_pool *pool, const char *path);
void spool_pool_done(struct spool_pool *pool);
/* Bytes that ended sessions may keep together, as the disk is now. */
uint64_t spool_pool_ended_max(const struct spool_pool *pool);

/* limit_bytes 0: the pool's default. */
void spool_init(struct spool *s, struct spool_pool *pool, uint64_t limit_bytes);
void spool_done(struct spool *s);

/* Room for the next bytes: *n_bytes (at least 1) at the returned place, to be filled and committed.
 * NULL when there is no memory at all. */
uint8_t *spool_reserve(struct spool *s, size_t *n_bytes);
void spool_commit(struct spool *s, size_t n_bytes);
void spool_append(struct spool *s, const void *data, size_t n_bytes);
/* Nothing more will come: gives back the memory that is not needed. */
void spool_settle(struct spool *s);
/* Everything goes, to make room for what ended later. */
void spool_drop(struct spool *s);

/* First offset that can still be read. */
uint64_t spool_first(const struct spool *s);
/* Copies up to max bytes from offset on; fewer than there are where they lie apart. 0: none there,
 * or the file could not be read (then spool_first has moved on). */
size_t spool_read(struct spool *s, uint64_t offset, uint8_t *out, size_t max);
const char *spool_gap_reason(const struct spool *s);
/* So many bytes more can be taken without losing any from offset on, and with half of what can be
 * kept left for what lies before it. */
uint64_t spool_room(const struct spool *s, uint64_t offset);

#endif
