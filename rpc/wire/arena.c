/* Bump arena for decoded messages; see arena.h. */
#include "rpc/wire/arena.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { ALIGN = sizeof(void *), MORE_BYTES = 4096, MORE_MAX_BYTES = 64 << 10 };

void *arena_alloc(struct arena *a, size_t n)
{
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
    size_t cap = a->more_bytes > a->left_bytes ? a->left_bytes : a->more_bytes;
    bool to_measure = n >= cap;
    if (to_measure)
        cap = n;
    struct arena_block *b = malloc(sizeof(*b) + cap);
    if (!b)
        return NULL;
    b->next = a->more;
    a->more = b;
    a->left_bytes -= cap;
    if (!to_measure) {
        a->at = (char *)b->bytes + n;
        a->end = (char *)b->bytes + cap;
        a->more_bytes = cap < MORE_MAX_BYTES ? 2 * cap : MORE_MAX_BYTES;
    }
    return b->bytes;
}

struct arena *arena_new(size_t first_bytes, size_t budget_bytes)
{
    struct arena *a = malloc(sizeof(*a) + first_bytes);
    if (!a)
        return NULL;
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
    a->more_bytes = MORE_BYTES;
    a->end = a->at + a->first_bytes;
    a->left_bytes = budget_bytes > a->first_bytes ? budget_bytes - a->first_bytes : 0;
    a->exhausted = false;
    a->n_borrowed = 0;
}

void arena_free(struct arena *a)
{
    if (!a)
        return;
    if (a->more)
        arena_free_more(a);
    free(a);
}

bool arena_borrow(struct arena *a, ProtobufCBinaryData *member, size_t n_bytes)
{
    if (a->n_borrowed == ARENA_BORROWS || n_bytes > a->left_bytes)
        return false;
    a->left_bytes -= n_bytes;
    a->borrowed[a->n_borrowed++] = member;
    return true;
}

void arena_unborrow(struct arena *a, const void *member)
{
    for (unsigned i = a->n_borrowed; i-- > 0;)
        if (a->borrowed[i] == member)
            a->borrowed[i] = a->borrowed[--a->n_borrowed];
}

int arena_own(struct arena *a)
{
    for (; a->n_borrowed > 0; a->n_borrowed--) {
        ProtobufCBinaryData *b = a->borrowed[a->n_borrowed - 1];
        a->left_bytes += b->len;
        uint8_t *copy = arena_alloc(a, b->len);
        if (!copy)
            return -1;
        memcpy(copy, b->data, b->len);
        b->data = copy;
    }
    return 0;
}
