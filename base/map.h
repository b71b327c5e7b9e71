/* Hash map from string to pointer. Keys are borrowed: they must live inside the value or longer.
 * Seeded per map (SipHash-free: FNV-1a with a random start), so peers cannot aim collisions. */
#ifndef BANGER_BASE_MAP_H
#define BANGER_BASE_MAP_H

#include <stddef.h>
#include <stdint.h>

struct map_slot {
    const char *key; /* NULL: empty */
    void *value;
};

struct map {
    struct map_slot *slots; /* power-of-two table, linear probing */
    size_t cap, len;
    uint64_t seed;
};

void map_init(struct map *m);
void map_done(struct map *m);
/* Inserts or replaces. 0, or -1 with errno ENOMEM. */
int map_put(struct map *m, const char *key, void *value);
/* Borrowed value or NULL. */
void *map_find(const struct map *m, const char *key);
/* Removes and returns the value, or NULL. */
void *map_take(struct map *m, const char *key);
/* Iteration in table order: start with *at = 0; NULL at the end. No change of the map meanwhile. */
void *map_next(const struct map *m, size_t *at);

#endif
