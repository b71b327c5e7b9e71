/* The handshake that goes; see handshakes.h.
 *
 * The oldest would be the wrong one: whoever connects quickly enough, and says nothing, would push
 * out all who are further away than that. A source is chosen with the square of its number, so that
 * one that floods meets itself; a flood from everywhere meets itself as well, as it is silent. Who
 * means it says hello as soon as it is connected, however far away, and has soon done: so only the
 * oldest quarter may go. */
#include "rpc/event/handshakes.h"

#include <assert.h>
#include <string.h>

enum {
    SILENT_WEIGHT = 16,
    OLDER_PART = 4,
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

/* Of those of that source, rather of the silent ones where they are many: one of the oldest, as who
 * means it is soon done. */
static size_t choose_among(const struct handshake *all, size_t n, const struct handshake *source,
                           uint64_t *seed)
{
    size_t of[HANDSHAKES_LOOKED_AT] = {0}, older[HANDSHAKES_LOOKED_AT] = {0};
    size_t n_all = 0, n_silent = 0, n_of = 0, n_older = 0;
    for (size_t i = 0; i < n; i++) {
        n_all += is_same(&all[i], source);
        n_silent += is_same(&all[i], source) && all[i].silent;
    }
    bool silent_only = n_silent > 0 && n_silent * SILENT_PART >= n_all;
    for (size_t i = 0; i < n; i++)
        if (is_same(&all[i], source) && (all[i].silent || !silent_only))
            of[n_of++] = i;
    for (size_t i = 0; i < n_of; i++) {
        size_t before = 0;
        for (size_t k = 0; k < n_of; k++)
            before += all[of[k]].since_ns < all[of[i]].since_ns;
        if (before < (n_of + OLDER_PART - 1) / OLDER_PART)
            older[n_older++] = of[i];
    }
    return older[handshakes_chance(seed) % n_older];
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
