/* Whose bytes of stdin lie where: the latest runs of those that have a key, so that a daemon that
 * was started anew can tell what an earlier one had been given. Flat, and small. */
#ifndef BANGER_AGENT_STDIN_RUNS_H
#define BANGER_AGENT_STDIN_RUNS_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/codec.h"

enum { STDIN_RUNS = 8 };

struct stdin_run {
    uint64_t key, from, until;
    bool open; /* more of it was to follow */
};

struct stdin_runs {
    uint32_t n;
    struct stdin_run latest[STDIN_RUNS]; /* oldest first */
};

/* Bytes from `from` to before `until` have come; key 0: nobody's. */
void stdin_runs_note(struct stdin_runs *r, uint64_t key, uint64_t from, uint64_t until, bool more);
void stdin_runs_fill(const struct stdin_runs *r, PB(SessionStatus) * out);

#endif
