/* Bounded log of one stream; see spool.h.
 *
 * Invariant: every byte of [spool_first, total) is in memory or in the file, because what is not
 * yet in the file is written there before its place in memory is used again; where the file fails,
 * it is dropped as a whole and memory is all there is. */
#include "agent/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/cleanup.h"

static size_t min_size(size_t a, size_t b)
{
    return a < b ? a : b;
}

void spool_pool_init(struct spool_pool *pool)
{
    *pool = (struct spool_pool){
        .dir_fd = -1, .default_bytes = SPOOL_DEFAULT_BYTES, .ended_most = SPOOL_ENDED_BYTES};
}

/* The name goes at once: a file system without O_TMPFILE gets the same effect. */
static int open_unnamed(int dir_fd)
{
    int fd = openat(dir_fd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL))
        return fd;
    char name[] = ".spool";
    fd = openat(dir_fd, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 && errno == EEXIST && unlinkat(dir_fd, name, 0) == 0)
        fd = openat(dir_fd, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd >= 0)
        unlinkat(dir_fd, name, 0);
    return fd;
}

int spool_pool_use(struct spool_pool *pool, const char *path)
{
    auto_fd int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0)
        return -1;
    auto_fd int probe = open_unnamed(dir);
    if (probe < 0)
        return -1;
    spool_pool_done(pool);
    pool->dir_fd = take_fd(&dir);
    return 0;
}

void spool_pool_done(struct spool_pool *pool)
{
    if (pool->dir_fd >= 0)
        close(pool->dir_fd);
    pool->dir_fd = -1;
}

uint64_t spool_pool_ended_max(const struct spool_pool *pool)
{
    struct statvfs v;
    if (pool->dir_fd < 0 || fstatvfs(pool->dir_fd, &v) < 0 || v.f_blocks == 0)
        return pool->ended_most;
    uint64_t share = (uint64_t)v.f_blocks * v.f_frsize / 100 * SPOOL_ENDED_PERCENT;
    return share < pool->ended_most ? share : pool->ended_most;
}

void spool_init(struct spool *s, struct spool_pool *pool, uint64_t limit_bytes)
{
    *s = (struct spool){.pool = pool, .fd = -1};
    s->limit = limit_bytes ? limit_bytes : pool->default_bytes;
}

static void drop_file(struct spool *s)
{
    if (s->fd >= 0)
        close(s->fd);
    s->fd = -1;
    s->file_from = s->file_to = 0;
}

/* What a stream may always have is not charged to the pool. */
static size_t charged(size_t cap)
{
    return cap > SPOOL_STARVED_BYTES ? cap : 0;
}

static void resize_charge(struct spool *s, size_t new_cap)
{
    s->pool->memory = s->pool->memory - charged(s->cap) + charged(new_cap);
    s->cap = new_cap;
}

void spool_done(struct spool *s)
{
    if (!s->pool)
        return;
    drop_file(s);
    resize_charge(s, 0);
    free(s->mem);
    s->mem = NULL;
}

/* Free space on the disk is for the guest first. */
static bool has_room(int fd)
{
    struct statvfs v;
    if (fstatvfs(fd, &v) < 0)
        return false;
    uint64_t keep = (uint64_t)v.f_blocks * SPOOL_KEEP_FREE_PERCENT / 100;
    return v.f_bavail > keep + SPOOL_CHECK_BYTES / (v.f_frsize ? v.f_frsize : 1);
}

static bool disk_has_room(const struct spool *s)
{
    return has_room(s->fd);
}

static bool file_wrapped(const struct spool *s)
{
    return s->file_to - s->base >= s->ring;
}

/* The disk takes no more: the ring stays at what the file has now. */
static bool shrink_ring(struct spool *s)
{
    uint64_t have = s->file_to - s->base;
    s->disk_full = true;
    if (file_wrapped(s) || have < SPOOL_MIN_RING_BYTES) {
        drop_file(s);
        s->retry_at = s->total + SPOOL_RETRY_BYTES;
        return false;
    }
    s->ring = have;
    return true;
}

/* One write that wraps in neither ring; false when the file had to be dropped. */
static bool write_piece(struct spool *s)
{
    uint64_t at = (s->file_to - s->base) % s->ring;
    size_t in_mem = (size_t)(s->file_to % s->cap);
    size_t n = (size_t)(s->total - s->file_to);
    n = min_size(n, s->cap - in_mem);
    n = s->ring - at < n ? (size_t)(s->ring - at) : n;
    bool growing = !file_wrapped(s);
    if (growing && at / SPOOL_CHECK_BYTES != (at + n) / SPOOL_CHECK_BYTES && !disk_has_room(s))
        return shrink_ring(s);
    /* what is overwritten is gone even where the write fails halfway */
    uint64_t new_to = s->file_to + n;
    if (new_to - s->file_from > s->ring)
        s->file_from = new_to - s->ring;
    ssize_t done = pwrite(s->fd, s->mem + in_mem, n, (off_t)at);
    if (done < 0 && errno == EINTR)
        return true;
    if (done <= 0)
        return shrink_ring(s);
    s->file_to += (uint64_t)done;
    return true;
}

static void start_file(struct spool *s)
{
    if (s->pool->dir_fd < 0 || s->limit <= s->cap || s->total < s->retry_at)
        return;
    s->fd = open_unnamed(s->pool->dir_fd);
    if (s->fd < 0 || !disk_has_room(s)) {
        s->disk_full = true;
        s->retry_at = s->total + SPOOL_RETRY_BYTES;
        drop_file(s);
        return;
    }
    s->ring = s->limit;
    s->base = s->file_from = s->file_to = s->from;
}

/* Brings the file up to the total, as far as the disk allows. */
static void spill(struct spool *s)
{
    if (s->fd < 0)
        start_file(s);
    while (s->fd >= 0 && s->file_to < s->total)
        if (!write_piece(s))
            break;
}

/* Grows the ring while it has not wrapped, so that its layout stays. */
static void grow(struct spool *s)
{
    if (s->total > s->cap || s->from > 0)
        return;
    size_t want = s->cap ? s->cap * 4 : SPOOL_FIRST_BYTES;
    if (want > SPOOL_MEMORY_BYTES)
        want = SPOOL_MEMORY_BYTES;
    if (want <= s->cap || (s->cap >= SPOOL_FIRST_BYTES && s->cap >= s->limit))
        return;
    if (s->pool->memory - charged(s->cap) + charged(want) > SPOOL_POOL_BYTES)
        return;
    uint8_t *more = realloc(s->mem, want);
    if (!more)
        return;
    s->mem = more;
    resize_charge(s, want);
}

uint8_t *spool_reserve(struct spool *s, size_t *n_bytes)
{
    while (s->total + *n_bytes > s->cap) {
        size_t before = s->cap;
        grow(s);
        if (s->cap == before)
            break;
    }
    if (s->cap == 0)
        return NULL;
    size_t at = (size_t)(s->total % s->cap);
    size_t n = min_size(*n_bytes, s->cap - at);
    uint64_t keep_from = s->total + n > s->cap ? s->total + n - s->cap : 0;
    if (keep_from > s->from) {
        if (s->fd < 0 || s->file_to < keep_from)
            spill(s);
        if (s->fd < 0 && s->pool->dir_fd >= 0 && s->limit > s->cap)
            s->disk_full = true;
        s->from = keep_from;
    }
    *n_bytes = n;
    return s->mem + at;
}

void spool_commit(struct spool *s, size_t n_bytes)
{
    s->total += n_bytes;
}

void spool_append(struct spool *s, const void *data, size_t n_bytes)
{
    const uint8_t *bytes = data;
    while (n_bytes > 0) {
        size_t n = n_bytes;
        uint8_t *room = spool_reserve(s, &n);
        if (!room) { /* no memory at all: the bytes count, but cannot be kept */
            s->disk_full = true;
            s->total += n_bytes;
            s->from = s->total;
            return;
        }
        memcpy(room, bytes, n);
        spool_commit(s, n);
        bytes += n;
        n_bytes -= n;
    }
}

void spool_settle(struct spool *s)
{
    if (s->fd >= 0) {
        spill(s);
        if (s->fd >= 0) {
            s->from = s->total;
            resize_charge(s, 0);
            free(s->mem);
            s->mem = NULL;
        }
        return;
    }
    if (s->total == 0 || s->total >= s->cap || s->from > 0)
        return;
    uint8_t *less = realloc(s->mem, (size_t)s->total);
    if (less) {
        s->mem = less;
        resize_charge(s, (size_t)s->total);
    }
}

void spool_drop(struct spool *s)
{
    spool_done(s);
    s->dropped = true;
    s->from = s->total;
}

uint64_t spool_first(const struct spool *s)
{
    return s->fd >= 0 && s->file_from < s->from ? s->file_from : s->from;
}

size_t spool_read(struct spool *s, uint64_t offset, uint8_t *out, size_t max)
{
    if (offset >= s->total || offset < spool_first(s))
        return 0;
    if (offset >= s->from) {
        size_t at = (size_t)(offset % s->cap);
        size_t n = min_size(min_size(max, s->cap - at), (size_t)(s->total - offset));
        memcpy(out, s->mem + at, n);
        return n;
    }
    uint64_t at = (offset - s->base) % s->ring;
    uint64_t n = s->file_to - offset;
    n = n < s->ring - at ? n : s->ring - at;
    n = n < max ? n : max;
    ssize_t got;
    do {
        got = pread(s->fd, out, (size_t)n, (off_t)at);
    } while (got < 0 && errno == EINTR);
    if (got > 0)
        return (size_t)got;
    s->disk_full = true; /* unreadable: as good as gone */
    drop_file(s);
    return 0;
}

/* Bytes that will be kept, as far as the disk says what it will take. */
static uint64_t capacity(const struct spool *s)
{
    uint64_t memory = s->cap > SPOOL_STARVED_BYTES ? s->cap : SPOOL_STARVED_BYTES;
    bool file = s->fd >= 0;
    if (s->limit <= memory)
        return s->limit;
    if (!file && (s->pool->dir_fd < 0 || s->total < s->retry_at))
        return memory;
    if (file && file_wrapped(s))
        return s->ring;
    if (has_room(file ? s->fd : s->pool->dir_fd))
        return file ? s->ring : s->limit;
    uint64_t have = file ? s->file_to - s->base : 0; /* the ring's size from now on */
    return have >= SPOOL_MIN_RING_BYTES ? have : memory;
}

uint64_t spool_room(const struct spool *s, uint64_t offset)
{
    uint64_t most = capacity(s) / 2, behind = s->total - offset;
    return behind < most ? most - behind : 0;
}

const char *spool_gap_reason(const struct spool *s)
{
    return s->dropped ? "ended_limit" : s->disk_full ? "disk_full" : "spool_limit";
}
