/* When the bytes of a stream were read: offsets with times, bounded.
 *
 * A mark says of the bytes from its offset up to the next mark's that they were read between two
 * moments, TIME_INDEX_STEP_MS apart at most while nothing was thinned. When there is no more room
 * the older half of the marks is merged by twos: what is recent stays exact, what is old is known
 * the less exactly the older it is, and never wrongly.
 *
 * Times are those of the host (host_clock.h), and never go back. One that finds no memory for
 * another mark widens its last. */
#ifndef BANGER_AGENT_TIME_INDEX_H
#define BANGER_AGENT_TIME_INDEX_H

#include <stdint.h>

enum {
    TIME_INDEX_STEP_MS = 100,
    TIME_INDEX_MARKS = 512,       /* of a stream that goes on, */
    TIME_INDEX_ENDED_MARKS = 128, /* and of one that has ended */
};

struct time_mark {
    uint64_t offset;
    int64_t first_ns, last_ns;
};

struct time_index {
    uint32_t n, room;
    struct time_mark *marks; /* in order; owned */
};

void time_index_done(struct time_index *x);
/* The bytes from offset on are read now. kept_from: those below it are gone. */
void time_index_note(struct time_index *x, uint64_t offset, uint64_t kept_from, int64_t now_ns);
/* Nothing more will come: gives back what is more than an ended stream may have. */
void time_index_settle(struct time_index *x);

/* Nothing below the result was read at that time or later: 0 where that is before the first mark.
 */
uint64_t time_index_since(const struct time_index *x, int64_t ns, uint64_t total);
/* Everything below the result may have been read by then, nothing behind it was. */
uint64_t time_index_until(const struct time_index *x, int64_t ns, uint64_t total);
/* When the byte at offset was read, at the earliest; the same is true of those below *end. 0: not
 * known. */
int64_t time_index_at(const struct time_index *x, uint64_t offset, uint64_t *end);

#endif
