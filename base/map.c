/* Hash map from string to pointer; see map.h. */
#include "base/map.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/hash.h"

enum { FIRST_SLOTS = 16 };

void map_init(struct map *m)
{
    *m = (struct map){0};
    if (getrandom(&m->seed, sizeof(m->seed), 0) != (ssize_t)sizeof(m->seed))
        abort(); /* cannot happen for so few bytes: getrandom(2) */
}

void map_done(struct map *m)
{
    free(m->slots);
    *m = (struct map){.seed = m->seed};
}

static size_t home_of(const struct map *m, const char *key)
{
    uint64_t h = hash_text(HASH_START ^ m->seed, key);
    h ^= h >> 32;
    return (size_t)h & (m->cap - 1);
}

static struct map_slot *probe(const struct map *m, const char *key)
{
    size_t i = home_of(m, key);
    while (m->slots[i].key && strcmp(m->slots[i].key, key) != 0)
        i = (i + 1) & (m->cap - 1);
    return &m->slots[i];
}

static int grow(struct map *m)
{
    struct map bigger = {.cap = m->cap ? m->cap * 2 : FIRST_SLOTS, .len = m->len, .seed = m->seed};
    bigger.slots = calloc(bigger.cap, sizeof(*bigger.slots));
    if (!bigger.slots) {
        errno = ENOMEM;
        return -1;
    }
    for (size_t i = 0; i < m->cap; i++)
        if (m->slots[i].key)
            *probe(&bigger, m->slots[i].key) = m->slots[i];
    free(m->slots);
    *m = bigger;
    return 0;
}

int map_put(struct map *m, const char *key, void *value)
{
    if (m->len + 1 > m->cap / 2 && grow(m) < 0)
        return -1;
    struct map_slot *s = probe(m, key);
    if (!s->key)
        m->len++;
    *s = (struct map_slot){.key = key, .value = value};
    return 0;
}

void *map_find(const struct map *m, const char *key)
{
    return m->cap ? probe(m, key)->value : NULL;
}

void *map_take(struct map *m, const char *key)
{
    if (!m->cap)
        return NULL;
    struct map_slot *s = probe(m, key);
    void *value = s->value;
    if (!s->key)
        return NULL;
    *s = (struct map_slot){0};
    m->len--;
    /* Close the hole: re-insert the rest of the run (Knuth 6.4, algorithm R). */
    size_t i = (size_t)(s - m->slots);
    for (i = (i + 1) & (m->cap - 1); m->slots[i].key; i = (i + 1) & (m->cap - 1)) {
        struct map_slot moved = m->slots[i];
        m->slots[i] = (struct map_slot){0};
        *probe(m, moved.key) = moved;
    }
    return value;
}

void *map_next(const struct map *m, size_t *at)
{
    while (*at < m->cap) {
        const struct map_slot *s = &m->slots[(*at)++];
        if (s->key)
            return s->value;
    }
    return NULL;
}
