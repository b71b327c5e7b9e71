/* The ring of a stream that is acknowledged and has more under way than its room in the store
 * takes: shared memory of its own, which the keeper holds in the place of the file that such a
 * stream has not. See spool.h.
 *
 * The moment at which `brief` says so is the one at which the ring is another: by then everything
 * is there, and before it the room is as it was. */
#include "agent/spool.h"

#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "agent/store.h"
#include "base/cleanup.h"

static int wide_kind(const struct spool *s)
{
    return s->stream ? STORE_SPOOL_ERR : STORE_SPOOL_OUT;
}

static uint8_t *map_wide(int fd)
{
    void *at = mmap(NULL, SPOOL_WIDE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    return at == MAP_FAILED ? NULL : at;
}

static void copy_ring(const struct spool *s, uint8_t *wide)
{
    for (uint64_t at = s->k->from; at < s->k->total;) {
        size_t n;
        const uint8_t *there = spool_view(s, at, (size_t)(s->k->total - at), &n);
        size_t to = (size_t)(at % SPOOL_WIDE_BYTES);
        n = n < SPOOL_WIDE_BYTES - to ? n : SPOOL_WIDE_BYTES - to;
        memcpy(wide + to, there, n);
        at += n;
    }
}

void spool_widen(struct spool *s)
{
    if (s->k->brief != SPOOL_BRIEF || s->wide_refused || s->k->limit < SPOOL_WIDE_BYTES)
        return;
    s->wide_refused = true; /* once is enough */
    if (s->pool->memory + SPOOL_WIDE_BYTES > SPOOL_POOL_BYTES)
        return;
    auto_fd int fd = memfd_create("banger-output", MFD_CLOEXEC);
    uint8_t *wide = fd < 0 || ftruncate(fd, SPOOL_WIDE_BYTES) < 0 ? NULL : map_wide(fd);
    if (!wide)
        return;
    copy_ring(s, wide);
    store_put_one(s->pool->store, s->slot, wide_kind(s), fd);
    atomic_signal_fence(memory_order_seq_cst);
    s->k->brief = SPOOL_BRIEF_WIDE;
    s->mem = wide;
    s->pool->memory += SPOOL_WIDE_BYTES;
}

void spool_adopt_wide(struct spool *s)
{
    auto_fd int fd = store_inherit(s->pool->store, s->slot, wide_kind(s));
    if (s->k->brief != SPOOL_BRIEF_WIDE) { /* it was about to be */
        store_drop(s->pool->store, s->slot, 1u << wide_kind(s));
        return;
    }
    uint8_t *wide = fd < 0 ? NULL : map_wide(fd);
    if (wide) {
        s->mem = wide;
        s->pool->memory += SPOOL_WIDE_BYTES;
        return;
    }
    s->k->from = s->k->total; /* it is gone: a gap */
    s->k->disk_full = true;
    s->k->brief = SPOOL_BRIEF;
}

void spool_done_wide(struct spool *s)
{
    if (s->k->brief != SPOOL_BRIEF_WIDE)
        return;
    munmap(s->mem, SPOOL_WIDE_BYTES);
    s->mem = store_room(s->pool->store, s->slot, (int)s->stream);
    s->pool->memory -= SPOOL_WIDE_BYTES;
    s->k->brief = SPOOL_BRIEF;
    store_drop(s->pool->store, s->slot, 1u << wide_kind(s));
}
