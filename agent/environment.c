/* Variables, each name once; see environment.h. */
#include "agent/environment.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/hash.h"

static size_t name_len(const char *variable)
{
    return strcspn(variable, "=");
}

static bool same_name(const char *a, const char *b)
{
    size_t n = name_len(a);
    return n == name_len(b) && memcmp(a, b, n) == 0;
}

static uint64_t name_hash(const char *variable)
{
    uint64_t h = hash_bytes(HASH_START, variable, name_len(variable));
    return h ^ h >> 32;
}

/* True when no variable of that name was there; seen has mask + 1 places, more than variables. */
static bool add_name(const char **seen, size_t mask, const char *variable)
{
    for (size_t at = name_hash(variable) & mask;; at = (at + 1) & mask) {
        if (!seen[at]) {
            seen[at] = variable;
            return true;
        }
        if (same_name(seen[at], variable))
            return false;
    }
}

int environment_add(char **out, int n, struct slice env, int n_strings)
{
    size_t places = 16;
    while (places < (size_t)n_strings * 2)
        places *= 2;
    auto_free const char **seen = calloc(places, sizeof(*seen));
    auto_free char **all = calloc((size_t)n_strings + 1, sizeof(*all));
    if (!seen || !all)
        return -1;
    int n_all = 0;
    for (const uint8_t *at = env.data; at < env.data + env.len; at += strlen((const char *)at) + 1)
        all[n_all++] = (char *)(uintptr_t)at;
    for (int i = n_all - 1; i >= 0; i--) /* from the end: the last one wins */
        if (!add_name(seen, places - 1, all[i]))
            all[i] = NULL;
    for (int i = 0; i < n_all; i++)
        if (all[i])
            out[n++] = all[i];
    out[n] = NULL;
    return n;
}
