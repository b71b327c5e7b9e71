/* Bounded log of one stream; see spool.h.
 *
 * Invariant: every byte of [spool_first, total) is in memory or in the file, because what is not
 * yet in the file is written there before its place in memory is used again; where the file fails,
 * it is dropped as a whole and memory is all there is. */
#include "agent/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "agent/store.h"
#include "base/cleanup.h"

static size_t min_size(size_t a, size_t b)
{
    return a < b ? a : b;
}

void spool_pool_init(struct spool_pool *pool, struct store *store)
{
    *pool = (struct spool_pool){.store = store,
                                .dir_fd = -1,
                                .default_bytes = SPOOL_DEFAULT_BYTES,
                                .ended_most = SPOOL_ENDED_BYTES};
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

static int set_path(struct spool_pool *pool, const char *path)
{
    size_t len = strlen(path);
    if (len >= sizeof(pool->path)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memmove(pool->path, path, len + 1);
    return 0;
}

int spool_pool_use(struct spool_pool *pool, const char *path)
{
    auto_fd int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0)
        return -1;
    auto_fd int probe = open_unnamed(dir);
    if (probe < 0 || set_path(pool, path) < 0)
        return -1;
    spool_pool_done(pool);
    pool->dir_fd = take_fd(&dir);
    return 0;
}

int spool_pool_want(struct spool_pool *pool, const char *path)
{
    int rc = spool_pool_use(pool, path), sys = errno;
    if (rc < 0 && set_path(pool, path) == 0)
        errno = sys;
    return rc;
}

/* In the folder as it is, or as it is found again. */
static int open_file(struct spool_pool *pool)
{
    int fd = pool->dir_fd < 0 ? -1 : open_unnamed(pool->dir_fd);
    if (fd >= 0 || !pool->path[0] || spool_pool_use(pool, pool->path) < 0)
        return fd;
    return open_unnamed(pool->dir_fd);
}

/* There is to be a file, whether or not it can be used now. */
static bool wants_file(const struct spool *s)
{
    bool has_folder = s->pool->dir_fd >= 0 || s->pool->path[0];
    return has_folder && !s->k->brief && s->k->limit > s->k->cap;
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

/* What a stream may always have is not charged to the pool. */
static size_t charged(uint64_t cap)
{
    return cap > SPOOL_STARVED_BYTES ? (size_t)cap : 0;
}

static void resize_charge(struct spool *s, uint64_t new_cap)
{
    s->pool->memory = s->pool->memory - charged(s->k->cap) + charged(new_cap);
    s->k->cap = new_cap;
}

static uint32_t file_kind(const struct spool *s)
{
    return s->stream ? STORE_SPOOL_ERR : STORE_SPOOL_OUT;
}

static void attach(struct spool *s, struct spool_pool *pool, uint32_t slot, uint32_t stream,
                   struct spool_kept *kept)
{
    *s = (struct spool){.pool = pool, .k = kept, .slot = slot, .stream = stream, .fd = -1};
    s->mem = store_room(pool->store, slot, (int)stream);
}

void spool_init(struct spool *s, struct spool_pool *pool, uint32_t slot, uint32_t stream,
                struct spool_kept *kept, uint64_t limit_bytes, bool brief)
{
    attach(s, pool, slot, stream, kept);
    *kept = (struct spool_kept){.limit = limit_bytes ? limit_bytes : pool->default_bytes,
                                .brief = brief ? SPOOL_BRIEF : SPOOL_LASTING};
}

static void drop_file(struct spool *s)
{
    s->k->has_file = false;
    s->room_until = 0;
    if (s->fd >= 0)
        close(s->fd);
    s->fd = -1;
    store_drop(s->pool->store, s->slot, 1u << file_kind(s));
    s->k->file_from = s->k->file_to = 0;
}

void spool_adopt(struct spool *s, struct spool_pool *pool, uint32_t slot, uint32_t stream,
                 struct spool_kept *kept)
{
    attach(s, pool, slot, stream, kept);
    pool->memory += charged(kept->cap);
    if (kept->brief) {
        spool_adopt_wide(s);
        return;
    }
    s->fd = store_inherit(pool->store, slot, (int)file_kind(s));
    if (s->fd >= 0 && kept->has_file)
        return;
    kept->disk_full |= kept->has_file; /* its file is gone */
    drop_file(s);
}

void spool_done(struct spool *s)
{
    if (!s->k)
        return;
    spool_done_wide(s);
    drop_file(s);
    resize_charge(s, 0);
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
    return s->k->file_to - s->k->base >= s->k->ring;
}

/* The disk takes no more: the ring stays at what the file has now. */
static bool shrink_ring(struct spool *s)
{
    uint64_t have = s->k->file_to - s->k->base;
    s->k->disk_full = true;
    s->room_until = 0;
    if (file_wrapped(s) || have < SPOOL_MIN_RING_BYTES) {
        drop_file(s);
        s->k->retry_at = s->k->total + SPOOL_RETRY_BYTES;
        return false;
    }
    s->k->ring = have;
    return true;
}

/* One write that wraps in neither ring; false when the file had to be dropped. */
static bool write_piece(struct spool *s)
{
    uint64_t at = (s->k->file_to - s->k->base) % s->k->ring;
    size_t in_mem = (size_t)(s->k->file_to % s->k->cap);
    size_t n = (size_t)(s->k->total - s->k->file_to);
    n = min_size(n, s->k->cap - in_mem);
    n = s->k->ring - at < n ? (size_t)(s->k->ring - at) : n;
    bool growing = !file_wrapped(s);
    if (growing && at / SPOOL_CHECK_BYTES != (at + n) / SPOOL_CHECK_BYTES && !disk_has_room(s))
        return shrink_ring(s);
    /* what is overwritten is gone even where the write fails halfway */
    uint64_t new_to = s->k->file_to + n;
    if (new_to - s->k->file_from > s->k->ring)
        s->k->file_from = new_to - s->k->ring;
    ssize_t done = pwrite(s->fd, s->mem + in_mem, n, (off_t)at);
    if (done < 0 && errno == EINTR)
        return true;
    if (done <= 0)
        return shrink_ring(s);
    s->k->file_to += (uint64_t)done;
    return true;
}

static void start_file(struct spool *s)
{
    if (!wants_file(s) || s->k->total < s->k->retry_at)
        return;
    s->fd = open_file(s->pool);
    if (s->fd < 0 || !disk_has_room(s)) {
        s->k->disk_full = true;
        s->k->retry_at = s->k->total + SPOOL_RETRY_BYTES;
        drop_file(s);
        return;
    }
    store_put_one(s->pool->store, s->slot, (int)file_kind(s), s->fd);
    s->k->ring = s->k->limit;
    s->k->base = s->k->file_from = s->k->file_to = s->k->from;
    atomic_signal_fence(memory_order_seq_cst);
    s->k->has_file = true;
}

/* Brings the file up to the total, as far as the disk allows. */
static void spill(struct spool *s)
{
    if (s->fd < 0)
        start_file(s);
    while (s->fd >= 0 && s->k->file_to < s->k->total)
        if (!write_piece(s))
            break;
}

/* Grows the ring while it has not wrapped, so that its layout stays. */
static void grow(struct spool *s)
{
    if (s->k->total > s->k->cap || s->k->from > 0)
        return;
    size_t want = s->k->cap ? s->k->cap * 4 : SPOOL_FIRST_BYTES;
    if (want > SPOOL_MEMORY_BYTES)
        want = SPOOL_MEMORY_BYTES;
    if (want <= s->k->cap || (s->k->cap >= SPOOL_FIRST_BYTES && s->k->cap >= s->k->limit))
        return;
    if (s->pool->memory - charged(s->k->cap) + charged(want) > SPOOL_POOL_BYTES)
        return;
    resize_charge(s, want);
}

uint8_t *spool_reserve(struct spool *s, size_t *n_bytes)
{
    while (s->k->total + *n_bytes > s->k->cap) {
        size_t before = s->k->cap;
        grow(s);
        if (s->k->cap == before)
            break;
    }
    size_t ring = spool_ring(s);
    size_t at = (size_t)(s->k->total % ring);
    size_t n = min_size(*n_bytes, ring - at);
    uint64_t keep_from = s->k->total + n > ring ? s->k->total + n - ring : 0;
    if (keep_from > s->k->from) {
        if (s->fd < 0 || s->k->file_to < keep_from)
            spill(s);
        if (s->fd < 0 && wants_file(s))
            s->k->disk_full = true;
        s->k->from = keep_from;
    }
    *n_bytes = n;
    return s->mem + at;
}

void spool_commit(struct spool *s, size_t n_bytes)
{
    s->k->total += n_bytes;
}

void spool_append(struct spool *s, const void *data, size_t n_bytes)
{
    const uint8_t *bytes = data;
    while (n_bytes > 0) {
        size_t n = n_bytes;
        uint8_t *room = spool_reserve(s, &n);
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
            s->k->from = s->k->total;
            resize_charge(s, 0);
            store_free_room(s->pool->store, s->slot, (int)s->stream, 0);
        }
        return;
    }
    if (s->k->total < s->k->cap && s->k->from == 0 && s->k->brief != SPOOL_BRIEF_WIDE)
        resize_charge(s, s->k->total); /* the rest of it has never been touched */
}

void spool_drop(struct spool *s)
{
    s->k->dropped = true;
    s->k->from = s->k->total;
    spool_done(s);
    store_free_room(s->pool->store, s->slot, (int)s->stream, 0);
}

uint64_t spool_first(const struct spool *s)
{
    return s->fd >= 0 && s->k->file_from < s->k->from ? s->k->file_from : s->k->from;
}

const uint8_t *spool_view(const struct spool *s, uint64_t offset, size_t max, size_t *n_bytes)
{
    if (offset >= s->k->total || offset < s->k->from)
        return NULL;
    size_t ring = spool_ring(s), at = (size_t)(offset % ring);
    *n_bytes = min_size(min_size(max, ring - at), (size_t)(s->k->total - offset));
    return s->mem + at;
}

size_t spool_read(struct spool *s, uint64_t offset, uint8_t *out, size_t max)
{
    if (offset >= s->k->total || offset < spool_first(s))
        return 0;
    size_t n_there;
    const uint8_t *there = spool_view(s, offset, max, &n_there);
    if (there) {
        memcpy(out, there, n_there);
        return n_there;
    }
    uint64_t at = (offset - s->k->base) % s->k->ring;
    uint64_t n = s->k->file_to - offset;
    n = n < s->k->ring - at ? n : s->k->ring - at;
    n = n < max ? n : max;
    ssize_t got;
    do {
        got = pread(s->fd, out, (size_t)n, (off_t)at);
    } while (got < 0 && errno == EINTR);
    if (got > 0)
        return (size_t)got;
    s->k->disk_full = true; /* unreadable: as good as gone */
    drop_file(s);
    return 0;
}

/* Asked of each read: what the disk has said holds for a while, as it leaves more free than that.
 */
static bool expects_room(struct spool *s)
{
    if (s->k->total < s->room_until)
        return true;
    if (!has_room(s->fd >= 0 ? s->fd : s->pool->dir_fd))
        return false;
    s->room_until = s->k->total + SPOOL_ASK_BYTES;
    return true;
}

/* Bytes that will be kept, as far as the disk says what it will take. */
static uint64_t capacity(struct spool *s)
{
    uint64_t memory = s->k->cap > SPOOL_STARVED_BYTES ? s->k->cap : SPOOL_STARVED_BYTES;
    bool file = s->fd >= 0;
    if (s->k->limit <= memory)
        return s->k->limit;
    if (!file && (s->pool->dir_fd < 0 || s->k->total < s->k->retry_at))
        return memory;
    if (file && file_wrapped(s))
        return s->k->ring;
    if (expects_room(s))
        return file ? s->k->ring : s->k->limit;
    uint64_t have = file ? s->k->file_to - s->k->base : 0; /* the ring's size from now on */
    return have >= SPOOL_MIN_RING_BYTES ? have : memory;
}

/* Of what is not acknowledged. */
static uint64_t brief_capacity(struct spool *s, uint64_t behind)
{
    if (behind + SPOOL_MEMORY_BYTES / 2 > spool_ring(s)) {
        grow(s);
        if (s->k->total >= SPOOL_MEMORY_BYTES)
            spool_widen(s);
    }
    uint64_t most = spool_ring(s) > SPOOL_STARVED_BYTES ? spool_ring(s) : SPOOL_STARVED_BYTES;
    return most < s->k->limit ? most : s->k->limit;
}

uint64_t spool_room(struct spool *s, uint64_t offset)
{
    uint64_t behind = s->k->total - offset;
    uint64_t most = s->k->brief ? brief_capacity(s, behind) : capacity(s) / 2;
    return behind < most ? most - behind : 0;
}

const char *spool_gap_reason(const struct spool *s)
{
    return s->k->dropped ? "ended_limit" : s->k->disk_full ? "disk_full" : "spool_limit";
}
