/* Edit distance with swaps of neighbours (optimal string alignment). */
#include "suggest.h"

#include <string.h>

enum { SUGGEST_CHARS = 40 };

static size_t least(size_t a, size_t b, size_t c)
{
    size_t m = a < b ? a : b;
    return m < c ? m : c;
}

static size_t suggest_distance(const char *a, size_t n, const char *b, size_t m)
{
    size_t rows[3][SUGGEST_CHARS + 1];
    size_t *before = rows[0], *last = rows[1], *now = rows[2];
    for (size_t j = 0; j <= m; j++)
        last[j] = j;
    memcpy(before, last, sizeof(rows[0]));
    for (size_t i = 1; i <= n; i++) {
        now[0] = i;
        for (size_t j = 1; j <= m; j++) {
            size_t differs = a[i - 1] != b[j - 1];
            now[j] = least(now[j - 1] + 1, last[j] + 1, last[j - 1] + differs);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
                before[j - 2] + 1 < now[j])
                now[j] = before[j - 2] + 1;
        }
        size_t *spare = before;
        before = last;
        last = now;
        now = spare;
    }
    return last[m];
}

struct suggestion suggest_begin(const char *given)
{
    size_t len = strcspn(given, "=");
    /* A third of the letters may be wrong, at least one. */
    return (struct suggestion){.given = given, .distance = len / 3 + 2};
}

void suggest_offer(struct suggestion *s, const char *word)
{
    size_t n = strcspn(s->given, "="), m = strlen(word);
    if (n == 0 || n > SUGGEST_CHARS || m > SUGGEST_CHARS)
        return;
    size_t distance = suggest_distance(s->given, n, word, m);
    if (n >= 3 && m > n && strncmp(s->given, word, n) == 0)
        distance = 1; /* the beginning of a word is near to it */
    if (distance < s->distance) {
        s->distance = distance;
        s->word = word;
    }
}
