/* Things in order of when they were made, those of one moment by id: pages of lists begin in the
 * middle of it without a walk. A clock that was set back puts a thing among older ones; its place
 * does not change while it is there, nor does that of any other. */
#ifndef BANGER_BASE_ORDER_H
#define BANGER_BASE_ORDER_H

#include <stddef.h>
#include <stdint.h>

struct order_row {
    int64_t made_ns;
    const char *id; /* borrowed: lives inside the thing or longer */
    void *thing;
};

struct order {
    struct order_row *rows; /* sorted */
    size_t n, cap;
};

void order_init(struct order *o);
void order_done(struct order *o);
/* 0, or -1 with errno ENOMEM. Quick where the thing is the newest. */
int order_add(struct order *o, int64_t made_ns, const char *id, void *thing);
/* Nothing happens where it is not there. */
void order_remove(struct order *o, int64_t made_ns, const char *id);
/* Index of the first thing made after that one (which need not be there), or o->n. */
size_t order_after(const struct order *o, int64_t made_ns, const char *id);
/* How many were made before that one: the last of them is at the result - 1. */
size_t order_before(const struct order *o, int64_t made_ns, const char *id);
/* NULL outside. */
void *order_at(const struct order *o, size_t index);

#endif
