/* One output stream of a session: a log with byte offsets that keeps the newest bytes.
 *
 * The newest part is in memory, a ring of up to SPOOL_MEMORY_BYTES; what falls out of it goes to an
 * unnamed file (O_TMPFILE), also a ring, of `limit` bytes. So a short session makes no file, a live
 * reader needs no disk, and nothing has to be cleaned up after a crash: the file has no name.
 *
 * Appending cannot fail. When the disk is full the file's ring stays at the size it has reached,
 * and where that is too small, or the folder is gone, only memory is used until it is not; readers
 * see that the oldest bytes are gone (spool_first) and why (spool_gap_reason). The pool outlives
 * its spools. */
#ifndef BANGER_AGENT_SPOOL_H
#define BANGER_AGENT_SPOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct store;

enum {
    SPOOL_FIRST_BYTES = 4 * 1024,        /* memory a stream starts with */
    SPOOL_STARVED_BYTES = 16 * 1024,     /* and may always have, whatever the pool says */
    SPOOL_MEMORY_BYTES = 128 * 1024,     /* and has at most, unless it is all there is */
    SPOOL_WIDE_BYTES = 1024 * 1024,      /* then it may have so much */
    SPOOL_POOL_BYTES = 12 * 1024 * 1024, /* memory of all streams, the always granted apart */
    SPOOL_MIN_RING_BYTES = 64 * 1024,    /* a file smaller than this is given up */
    SPOOL_CHECK_BYTES = 1024 * 1024,     /* how often a growing file looks at the free space */
    SPOOL_ASK_BYTES = 256 * 1024,        /* and how often a stream does that somebody holds */
    SPOOL_RETRY_BYTES = 4 * 1024 * 1024, /* output between attempts to use the disk again */
    SPOOL_KEEP_FREE_PERCENT = 5,         /* of the disk, left to the guest */
    SPOOL_DEFAULT_BYTES = 64 * 1024 * 1024,
    /* What ended sessions keep together: the lesser of these. */
    SPOOL_ENDED_BYTES = 1024 * 1024 * 1024,
    SPOOL_ENDED_PERCENT = 10, /* of the disk */
};

struct spool_pool {
    struct store *store;    /* has the memory and the files */
    int dir_fd;             /* folder for the files, owned; -1: memory only */
    char path[256];         /* where it was, or is to be; "": nowhere */
    size_t memory;          /* granted now */
    uint64_t default_bytes; /* limit of a stream that names none */
    uint64_t ended_most;    /* that ended sessions keep, however large the disk is */
};

/* Whose readers acknowledge what they have taken (StartSession.drop_acked): it needs no file. */
enum spool_brief {
    SPOOL_LASTING,
    SPOOL_BRIEF,
    SPOOL_BRIEF_WIDE, /* its ring is SPOOL_WIDE_BYTES, elsewhere: spool_wide.c */
};

/* What outlives the agent (store.h): changed so that it is true between any two stores. */
struct spool_kept {
    uint64_t cap;                /* size of the ring in memory; 0: none yet */
    uint64_t from;               /* first offset in memory */
    uint64_t total;              /* one past the last byte */
    uint64_t limit;              /* bytes kept */
    uint64_t ring;               /* size of the file's ring; offset o is at (o - base) % ring */
    uint64_t base;               /* offset that the file began with */
    uint64_t file_from, file_to; /* offsets in the file */
    uint64_t retry_at;           /* no file before this total */
    uint32_t has_file;
    uint32_t disk_full; /* bytes were lost to a disk that would not take them */
    uint32_t dropped;   /* see spool_drop */
    uint32_t brief;     /* enum spool_brief */
};

struct spool {
    struct spool_pool *pool;
    struct spool_kept *k;  /* borrowed: in the store */
    uint8_t *mem;          /* ring, in the store or wide; offset o is at o % spool_ring */
    uint32_t slot, stream; /* of the store; stream 0 or 1 */
    int fd;                /* file, or -1 */
    bool wide_refused;     /* there was no memory for it */
    uint64_t room_until;   /* the disk takes bytes up to this total, as it was when it was asked */
};

void spool_pool_init(struct spool_pool *pool, struct store *store);
/* Puts new files below path, which must exist. 0, or -1 with errno and the pool unchanged. */
int spool_pool_use(struct spool_pool *pool, const char *path);
/* The same, and where that fails as soon as it can be: tried again as output comes. */
int spool_pool_want(struct spool_pool *pool, const char *path);
void spool_pool_done(struct spool_pool *pool);
/* Bytes that ended sessions may keep together, as the disk is now. */
uint64_t spool_pool_ended_max(const struct spool_pool *pool);

/* For stream 0 or 1 of a slot; kept is its place there. limit_bytes 0: the pool's default. brief:
 * it is kept in memory alone. */
void spool_init(struct spool *s, struct spool_pool *pool, uint32_t slot, uint32_t stream,
                struct spool_kept *kept, uint64_t limit_bytes, bool brief);
/* That of an earlier agent. */
void spool_adopt(struct spool *s, struct spool_pool *pool, uint32_t slot, uint32_t stream,
                 struct spool_kept *kept);
void spool_done(struct spool *s);

/* Room for the next bytes: *n_bytes (at least 1) at the returned place, to be filled and committed.
 */
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
/* Up to max bytes from offset on where they lie in memory, until the next append; NULL: they do
 * not.
 */
const uint8_t *spool_view(const struct spool *s, uint64_t offset, size_t max, size_t *n_bytes);
const char *spool_gap_reason(const struct spool *s);
/* So many bytes more can be taken without losing any from offset on, and with half of what can be
 * kept left for what lies before it; all of a brief one is for what lies behind it. */
uint64_t spool_room(struct spool *s, uint64_t offset);

/* Size of the ring in memory. */
static inline size_t spool_ring(const struct spool *s)
{
    return s->k->brief == SPOOL_BRIEF_WIDE ? SPOOL_WIDE_BYTES : (size_t)s->k->cap;
}

/* spool_wide.c: a larger ring, where there is memory. */
void spool_widen(struct spool *s);
/* That of an earlier agent; and its end. */
void spool_adopt_wide(struct spool *s);
void spool_done_wide(struct spool *s);

#endif
