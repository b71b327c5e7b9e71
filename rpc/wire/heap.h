/* The memory of one HTTP/2 session: small blocks are kept for the next request, of whatever
 * session, and everything can be freed at once. The latter is how a session that ran out of memory
 * ends: nghttp2 (to 1.61 at least) frees an item twice when it cannot be queued, so such a session
 * is not asked to free itself. */
#ifndef BANGER_RPC_WIRE_HEAP_H
#define BANGER_RPC_WIRE_HEAP_H

#include <nghttp2/nghttp2.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/list.h"

enum { HEAP_CLASSES = 5, HEAP_STEP_BYTES = 64 };

/* Small blocks that wait to be used again, by any session of the thread. */
struct heap_spares {
    struct list blocks[HEAP_CLASSES];
    unsigned n[HEAP_CLASSES];
};

struct heap {
    struct list live;           /* every block handed out */
    struct heap_spares *spares; /* borrowed */
    char *slab;                 /* owned, or NULL: for the session's two large blocks */
    bool front_taken, back_taken;
};

void heap_spares_init(struct heap_spares *spares);
void heap_spares_done(struct heap_spares *spares);
void heap_init(struct heap *h, struct heap_spares *spares);
/* What nghttp2 allocates through; h stays where it is. */
nghttp2_mem heap_allocator(struct heap *h);
/* Frees every block that is live. */
void heap_done(struct heap *h);

#endif
