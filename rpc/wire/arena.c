/* Bump arena for decoded messages; see arena.h. */
#include "rpc/wire/arena.h"

#include <stdint.h>
#include <stdlib.h>

enum { ALIGN = sizeof(void *), MORE_BYTES = 4096 };

static void *arena_alloc(void *arg, size_t n)
{
    struct arena *a = arg;
    if (n > SIZE_MAX - ALIGN)
        return NULL;
    n = (n + ALIGN - 1) & ~(size_t)(ALIGN - 1);
    if (n <= (size_t)(a->end - a->at)) {
        void *p = a->at;
        a->at += n;
        return p;
    }
    if (n > a->left_bytes) {
        a->exhausted = true;
        return NULL;
    }
    size_t cap = n > MORE_BYTES ? n : MORE_BYTES;
    if (cap > a->left_bytes)
        cap = a->left_bytes;
    struct arena_block *b = malloc(sizeof(*b) + cap);
    if (!b)
        return NULL;
    b->next = a->more;
    a->more = b;
    a->left_bytes -= cap;
    a->at = (char *)b->bytes + n;
    a->end = (char *)b->bytes + cap;
    return b->bytes;
}

/* The whole arena goes at once. */
static void arena_ignore_free(void *arg, void *p)
{
    (void)arg;
    (void)p;
}

struct arena *arena_new(size_t first_bytes, size_t budget_bytes)
{
    struct arena *a = malloc(sizeof(*a) + first_bytes);
    if (!a)
        return NULL;
    a->allocator = (ProtobufCAllocator){arena_alloc, arena_ignore_free, a};
    a->more = NULL;
    a->first_bytes = first_bytes;
    arena_reset(a, budget_bytes);
    return a;
}

static void arena_free_more(struct arena *a)
{
    while (a->more) {
        struct arena_block *next = a->more->next;
        free(a->more);
        a->more = next;
    }
}

void arena_reset(struct arena *a, size_t budget_bytes)
{
    if (a->more)
        arena_free_more(a);
    a->at = (char *)a->first;
    a->end = a->at + a->first_bytes;
    a->left_bytes = budget_bytes > a->first_bytes ? budget_bytes - a->first_bytes : 0;
    a->exhausted = false;
}

void arena_free(struct arena *a)
{
    if (!a)
        return;
    if (a->more)
        arena_free_more(a);
    free(a);
}
