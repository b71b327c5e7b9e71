/* The last lines of a stream; see tail.h. */
#include "agent/tail.h"

#include <string.h>

#include "agent/spool.h"

void tail_begin(struct tail *t, uint64_t end, uint32_t lines)
{
    *t = (struct tail){.at = end, .end = end, .lines = lines};
    if (lines > 0 && end > 0)
        t->at--; /* a newline there begins no line */
}

/* All of [from, to) into out; false where the spool could not give it any more. */
static bool read_all(struct spool *spool, uint64_t from, uint64_t to, uint8_t *out)
{
    while (from < to) {
        size_t n = spool_read(spool, from, out, (size_t)(to - from));
        if (n == 0)
            return false;
        from += n;
        out += n;
    }
    return true;
}

bool tail_step(struct tail *t, struct spool *spool, size_t *looked)
{
    uint8_t piece[TAIL_PIECE_BYTES];
    uint64_t first = spool_first(spool);
    if (t->lines == 0)
        return true;
    if (t->at <= first) { /* nothing older is kept */
        t->at = first < t->end ? first : t->end;
        return true;
    }
    uint64_t from = t->at - first < sizeof(piece) ? first : t->at - sizeof(piece);
    size_t n = (size_t)(t->at - from);
    *looked += n;
    if (!read_all(spool, from, t->at, piece))
        return false; /* the spool's first offset has moved on */
    for (const uint8_t *newline; (newline = memrchr(piece, '\n', n));) {
        n = (size_t)(newline - piece);
        if (--t->lines == 0) {
            t->at = from + n + 1;
            return true;
        }
    }
    t->at = from;
    return false;
}
