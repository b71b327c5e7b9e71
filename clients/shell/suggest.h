/* "did you mean …?": the nearest of some words. */
#ifndef BANGER_SHELL_SUGGEST_H
#define BANGER_SHELL_SUGGEST_H

#include <stddef.h>

struct suggestion {
    const char *given;
    const char *word; /* nearest so far; NULL: none is near */
    size_t distance;
};

struct suggestion suggest_begin(const char *given);
void suggest_offer(struct suggestion *s, const char *word);

#endif
