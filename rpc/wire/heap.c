/* Memory of an HTTP/2 session; see heap.h. */
#include "rpc/wire/heap.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_SPARE = 256 }; /* of each class: what so many calls at once need */

struct block {
    struct list link; /* heap.live or heap_spares.blocks */
    size_t bytes;
    max_align_t data[];
};

static struct block *block_of(void *p)
{
    return container_of(p, struct block, data);
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
        free(b);
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
    list_init(&h->live);
    h->spares = spares;
}

nghttp2_mem heap_allocator(struct heap *h)
{
    return (nghttp2_mem){h, heap_malloc, heap_free, heap_calloc, heap_realloc};
}

static void heap_free_list(struct list *head)
{
    for (struct list *l; (l = list_first(head));) {
        list_remove(l);
        free(container_of(l, struct block, link));
    }
}

void heap_done(struct heap *h)
{
    heap_free_list(&h->live);
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
        heap_free_list(&spares->blocks[i]);
        spares->n[i] = 0;
    }
}
