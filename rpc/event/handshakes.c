/* The handshake that goes; see handshakes.h.
 *
 * The oldest would be the wrong one: whoever connects quickly enough, and says nothing, would push
 * out all who are further away than that. A source is chosen with the square of its number, so that
 * one that floods meets itself; a flood from everywhere meets itself as well, as it is silent. Who
 * means it says hello as soon as it is connected, however far away: so of the silent ones the newer
 * half is left alone. */
#include "rpc/event/handshakes.h"

#include <assert.h>
#include <string.h>

enum {
    SILENT_WEIGHT = 16,
    SILENT_PART = 8, /* fewer than one in so many: they are no flood, but have just come */
};

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

/* Leaves the older half of the silent ones. */
static size_t leave_silent(const struct handshake *all, size_t *of, size_t n, size_t n_silent)
{
    size_t older[HANDSHAKES_LOOKED_AT] = {0}, left = 0;
    for (size_t i = 0; i < n; i++) {
        size_t n_older = 0;
        for (size_t k = 0; k < n; k++)
            n_older += all[of[k]].silent && all[of[k]].since_ms < all[of[i]].since_ms;
        if (all[of[i]].silent && n_older < (n_silent + 1) / 2)
            older[left++] = of[i];
    }
    memcpy(of, older, left * sizeof(older[0]));
    return left;
}

/* One of those of that source. */
static size_t choose_among(const struct handshake *all, size_t n, const struct handshake *source,
                           uint64_t *seed)
{
    size_t of[HANDSHAKES_LOOKED_AT] = {0}, n_of = 0, n_silent = 0;
    for (size_t i = 0; i < n; i++) {
        if (!is_same(&all[i], source))
            continue;
        of[n_of++] = i;
        n_silent += all[i].silent;
    }
    if (n_silent > 0 && n_silent * SILENT_PART >= n_of)
        n_of = leave_silent(all, of, n_of, n_silent);
    return of[handshakes_chance(seed) % n_of];
}

size_t handshakes_choose(const struct handshake *all, size_t n, uint64_t *seed)
{
    uint64_t weights[HANDSHAKES_LOOKED_AT] = {0}, sum = 0;
    for (size_t i = 0; i < n; i++) {
        uint64_t n_same = 0;
        for (size_t k = 0; k < n; k++)
            n_same += is_same(&all[i], &all[k]);
        weights[i] = n_same * (all[i].silent ? SILENT_WEIGHT : 1);
        sum += weights[i];
    }
    assert(sum > 0); /* there is one at least */
    uint64_t at = handshakes_chance(seed) % sum;
    size_t i = 0;
    while (at >= weights[i])
        at -= weights[i++];
    return choose_among(all, n, &all[i], seed);
}
