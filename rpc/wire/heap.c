/* Memory of an HTTP/2 session; see heap.h. */
#include "rpc/wire/heap.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum {
    MAX_SPARE = 256, /* of each class: what so many calls at once need */
    PAGE_BYTES = 4096,
    FRONT_BYTES = 3 << 10,       /* of the slab: the session's struct fits */
    SLAB_BYTES = 5 * PAGE_BYTES, /* and its frame buffer behind that */
};

struct block {
    struct list link; /* heap.live or heap_spares.blocks */
    size_t bytes;
    max_align_t data[];
};

static struct block *block_of(void *p)
{
    return container_of(p, struct block, data);
}

/* The session's struct and its 16 KiB frame buffer, of which only the head is ever written to, lie
 * so that they touch one page together; anywhere else the buffer's ends cost a page more. NULL: not
 * one of these two, or no memory for it. */
static struct block *heap_from_slab(struct heap *h, size_t bytes)
{
    size_t at = 0, end = FRONT_BYTES;
    if (bytes > FRONT_BYTES) {
        at = FRONT_BYTES;
        end = SLAB_BYTES;
    }
    bool *taken = at == 0 ? &h->front_taken : &h->back_taken;
    if (*taken || bytes > end - at || bytes < (end - at) / 2)
        return NULL;
    if (!h->slab)
        h->slab = aligned_alloc(PAGE_BYTES, SLAB_BYTES);
    if (!h->slab)
        return NULL;
    *taken = true;
    return (struct block *)(void *)(h->slab + at);
}

static void heap_give_back(struct heap *h, struct block *b)
{
    if (!h->slab || (char *)b < h->slab || (char *)b >= h->slab + SLAB_BYTES)
        free(b);
}

static void *heap_malloc(size_t size, void *arg)
{
    struct heap *h = arg;
    if (size > SIZE_MAX / 2)
        return NULL;
    size_t class = (size + HEAP_STEP_BYTES - 1) / HEAP_STEP_BYTES;
    struct heap_spares *spares = h->spares;
    struct block *b;
    if (class < HEAP_CLASSES && spares->n[class] > 0) {
        struct list *l = list_first(&spares->blocks[class]);
        list_remove(l);
        spares->n[class]--;
        b = container_of(l, struct block, link);
    } else {
        size = class < HEAP_CLASSES ? class * HEAP_STEP_BYTES : size;
        b = heap_from_slab(h, sizeof(*b) + size);
        if (!b)
            b = malloc(sizeof(*b) + size);
        if (!b)
            return NULL;
        b->bytes = size;
    }
    list_add_tail(&h->live, &b->link);
    return b->data;
}

static void heap_free(void *p, void *arg)
{
    struct heap *h = arg;
    if (!p)
        return;
    struct block *b = block_of(p);
    size_t class = b->bytes / HEAP_STEP_BYTES;
    struct heap_spares *spares = h->spares;
    list_remove(&b->link);
    if (class < HEAP_CLASSES && b->bytes % HEAP_STEP_BYTES == 0 && spares->n[class] < MAX_SPARE) {
        /* The one freed last is the one still in the cache. */
        list_add_tail(spares->blocks[class].next, &b->link);
        spares->n[class]++;
    } else {
        heap_give_back(h, b);
    }
}

static void *heap_calloc(size_t n, size_t size, void *arg)
{
    size_t total;
    if (__builtin_mul_overflow(n, size, &total))
        return NULL;
    void *p = heap_malloc(total, arg);
    if (p)
        memset(p, 0, total);
    return p;
}

static void *heap_realloc(void *p, size_t size, void *arg)
{
    if (p && block_of(p)->bytes >= size)
        return p;
    void *bigger = heap_malloc(size, arg);
    if (bigger && p) {
        memcpy(bigger, p, block_of(p)->bytes);
        heap_free(p, arg);
    }
    return bigger;
}

void heap_init(struct heap *h, struct heap_spares *spares)
{
    *h = (struct heap){.spares = spares};
    list_init(&h->live);
}

nghttp2_mem heap_allocator(struct heap *h)
{
    return (nghttp2_mem){h, heap_malloc, heap_free, heap_calloc, heap_realloc};
}

void heap_done(struct heap *h)
{
    for (struct list *l; (l = list_first(&h->live));) {
        list_remove(l);
        heap_give_back(h, container_of(l, struct block, link));
    }
    free(h->slab);
    h->slab = NULL;
}

void heap_spares_init(struct heap_spares *spares)
{
    for (size_t i = 0; i < HEAP_CLASSES; i++) {
        list_init(&spares->blocks[i]);
        spares->n[i] = 0;
    }
}

void heap_spares_done(struct heap_spares *spares)
{
    for (size_t i = 0; i < HEAP_CLASSES; i++) {
        for (struct list *l; (l = list_first(&spares->blocks[i]));) {
            list_remove(l);
            free(container_of(l, struct block, link));
        }
        spares->n[i] = 0;
    }
}
