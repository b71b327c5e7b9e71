/* The handshake that goes; see handshakes.h.
 *
 * The oldest would be the wrong one: whoever connects quickly enough, and says nothing, would push
 * out all who are further away than that. A source is chosen with the square of its number, so that
 * one that floods meets itself; a flood from everywhere meets itself as well, as it is silent. */
#include "rpc/event/handshakes.h"

#include <string.h>

enum { SILENT_WEIGHT = 16 };

uint64_t handshakes_chance(uint64_t *seed)
{
    uint64_t z = *seed += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static bool is_same(const struct handshake *a, const struct handshake *b)
{
    return memcmp(a->source, b->source, sizeof(a->source)) == 0;
}

/* One of those of that source: a silent one where there is any. */
static size_t choose_among(const struct handshake *all, size_t n, const struct handshake *source,
                           uint64_t *seed)
{
    size_t candidates[HANDSHAKES_LOOKED_AT], n_candidates = 0, n_silent = 0;
    for (size_t i = 0; i < n; i++)
        n_silent += is_same(&all[i], source) && all[i].silent;
    for (size_t i = 0; i < n; i++)
        if (is_same(&all[i], source) && (all[i].silent || n_silent == 0))
            candidates[n_candidates++] = i;
    return candidates[handshakes_chance(seed) % n_candidates];
}

size_t handshakes_choose(const struct handshake *all, size_t n, uint64_t *seed)
{
    uint64_t weights[HANDSHAKES_LOOKED_AT], sum = 0;
    for (size_t i = 0; i < n; i++) {
        uint64_t n_same = 0;
        for (size_t k = 0; k < n; k++)
            n_same += is_same(&all[i], &all[k]);
        weights[i] = n_same * (all[i].silent ? SILENT_WEIGHT : 1);
        sum += weights[i];
    }
    uint64_t at = handshakes_chance(seed) % sum;
    size_t i = 0;
    while (at >= weights[i])
        at -= weights[i++];
    return choose_among(all, n, &all[i], seed);
}
