/* Where the last lines of a stream begin: looked for backwards from its end, piece by piece, so
 * that it costs what the lines are long, and one turn of the loop no more than the caller grants.
 *
 * A line begins at the first byte that is kept and behind each newline; a newline at the very end
 * begins none. The end is the caller's. */
#ifndef BANGER_AGENT_TAIL_H
#define BANGER_AGENT_TAIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct spool;

enum { TAIL_PIECE_BYTES = 16 * 1024 };

struct tail {
    uint64_t at;    /* all from here on has been looked at; in the end: where the lines begin */
    uint64_t end;   /* as given */
    uint32_t lines; /* still to be found */
};

/* end: what lies behind it does not count; at most the total. */
void tail_begin(struct tail *t, uint64_t end, uint32_t lines);
/* Looks at one piece more, *looked grows by its bytes. True: at is the answer. */
bool tail_step(struct tail *t, struct spool *spool, size_t *looked);

#endif
