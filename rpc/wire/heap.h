/* The memory of one HTTP/2 session: small blocks are kept for the next request, and everything can
 * be freed at once. The latter is how a session that ran out of memory ends: nghttp2 (to 1.61 at
 * least) frees an item twice when it cannot be queued, so such a session is not asked to free
 * itself. */
#ifndef BANGER_RPC_WIRE_HEAP_H
#define BANGER_RPC_WIRE_HEAP_H

#include <nghttp2/nghttp2.h>
#include <stddef.h>

#include "base/list.h"

enum { HEAP_CLASSES = 5, HEAP_STEP_BYTES = 64 };

struct heap {
    struct list live; /* every block handed out */
    struct list spare[HEAP_CLASSES];
    unsigned n_spare[HEAP_CLASSES];
};

void heap_init(struct heap *h);
/* What nghttp2 allocates through; h stays where it is. */
nghttp2_mem heap_allocator(struct heap *h);
/* Frees every block, live or spare. */
void heap_done(struct heap *h);

#endif
