/* Bump arena that holds one decoded message: one allocation in the usual case, freed as a whole.
 *
 * The message is the first thing in the first block, so that the message's address leads back to
 * its arena. A budget bounds what a peer can make us allocate, however the bytes were crafted. */
#ifndef BANGER_RPC_WIRE_ARENA_H
#define BANGER_RPC_WIRE_ARENA_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>

struct arena_block {
    struct arena_block *next;
    max_align_t bytes[];
};

enum { ARENA_BORROWS = 4 };

struct arena {
    struct arena_block *more; /* blocks beyond the first, owned */
    char *at, *end;           /* free room of the newest block */
    size_t first_bytes;       /* size of the first block */
    size_t more_bytes;        /* size of the next one, unless more is asked for at once */
    size_t left_bytes;        /* budget not yet given to blocks or set aside for borrowed bytes */
    bool exhausted;           /* an allocation was refused for the budget, not for memory */
    /* Members of the message whose bytes are not in here but in what it was decoded from. */
    ProtobufCBinaryData *borrowed[ARENA_BORROWS];
    unsigned n_borrowed;
    max_align_t first[];
};

/* first_bytes is the expected need, budget_bytes the most ever (both at least 1). NULL: no memory.
 */
struct arena *arena_new(size_t first_bytes, size_t budget_bytes);
/* Forgets the content and starts again with another budget; keeps the first block. */
void arena_reset(struct arena *a, size_t budget_bytes);
void arena_free(struct arena *a);
/* Aligned for any member; NULL: the budget (a->exhausted) or no memory. */
void *arena_alloc(struct arena *a, size_t n_bytes);
/* Notes that member is about to point to n bytes elsewhere, and sets aside the budget to own them.
 * False: it cannot be noted. */
bool arena_borrow(struct arena *a, ProtobufCBinaryData *member, size_t n_bytes);
/* The member's place is used for something else. */
void arena_unborrow(struct arena *a, const void *member);
/* Copies what is borrowed. -1: no memory. */
int arena_own(struct arena *a);

/* The arena whose first allocation p is. */
static inline struct arena *arena_of(void *p)
{
    return (struct arena *)(void *)((char *)p - offsetof(struct arena, first));
}

#endif
