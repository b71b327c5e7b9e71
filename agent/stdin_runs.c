/* See stdin_runs.h. */
#include "agent/stdin_runs.h"

#include <string.h>

void stdin_runs_note(struct stdin_runs *r, uint64_t key, uint64_t from, uint64_t until, bool more)
{
    struct stdin_run *last = r->n ? &r->latest[r->n - 1] : NULL;
    if (key == 0)
        return;
    if (last && last->key == key && last->until == from) {
        last->until = until;
        last->open = more;
        return;
    }
    if (r->n == STDIN_RUNS)
        memmove(r->latest, r->latest + 1, --r->n * sizeof(*r->latest));
    r->latest[r->n++] = (struct stdin_run){key, from, until, more};
}

void stdin_runs_fill(const struct stdin_runs *r, PB(SessionStatus) * out)
{
    out->stdin_runs_count = (pb_size_t)r->n;
    for (uint32_t i = 0; i < r->n; i++) {
        const struct stdin_run *run = &r->latest[i];
        out->stdin_runs[i] = (PB(StdinRun)){
            .key = run->key, .from = run->from, .until = run->until, .open = run->open};
    }
}
