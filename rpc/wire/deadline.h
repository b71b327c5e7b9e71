/* Deadlines of many owners in one heap, so that a server needs one timer. Nodes are embedded. */
#ifndef BANGER_RPC_WIRE_DEADLINE_H
#define BANGER_RPC_WIRE_DEADLINE_H

#include <stddef.h>
#include <stdint.h>

struct deadline {
    int64_t at_ms;                      /* monotonic */
    size_t place;                       /* 1 + index in the heap; 0: not in it */
    void (*passed)(struct deadline *d); /* it is out of the heap then */
};

struct deadlines {
    struct deadline **heap; /* owned array, smallest first */
    size_t n, cap;
};

void deadlines_init(struct deadlines *h);
/* Every node must have left. */
void deadlines_done(struct deadlines *h);
/* Adds or moves. 0, or -1 when out of memory. */
int deadlines_set(struct deadlines *h, struct deadline *d, int64_t at_ms);
/* Harmless on a node that is not in the heap. */
void deadlines_remove(struct deadlines *h, struct deadline *d);
/* Earliest time, INT64_MAX when empty. */
int64_t deadlines_next_ms(const struct deadlines *h);
/* Calls passed() for everything due at now_ms, at most once per node that was there. */
void deadlines_run(struct deadlines *h, int64_t now_ms);

#endif
