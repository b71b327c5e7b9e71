/* Gives memory back to the system after much was let go: malloc keeps freed pages in the middle of
 * its heap, and what a thousand starts or deletions need for a moment would stay for good. */
#ifndef BANGER_DAEMON_CORE_MEMORY_H
#define BANGER_DAEMON_CORE_MEMORY_H

struct core;
struct memory;

enum { MEMORY_QUIET_MS = 1000 };

/* NULL: no memory for it; nothing is given back then. */
struct memory *memory_new(struct core *core);
/* After workers_close. NULL is fine. */
void memory_free(struct memory *m);
/* Something was let go. The pages go back on a worker, once nothing was let go for MEMORY_QUIET_MS,
 * so that a burst costs one turn. */
void memory_let_go(struct core *core);

#endif
