/* Offsets with times; see time_index.h. */
#include "agent/time_index.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_ROOM = 8 };

void time_index_done(struct time_index *x)
{
    free(x->marks);
    *x = (struct time_index){0};
}

/* Marks whose bytes are all gone. */
static void drop_below(struct time_index *x, uint64_t kept_from)
{
    uint32_t gone = 0;
    while (gone + 1 < x->n && x->marks[gone + 1].offset <= kept_from)
        gone++;
    if (gone == 0)
        return;
    memmove(x->marks, x->marks + gone, (x->n - gone) * sizeof(*x->marks));
    x->n -= gone;
}

/* Two of the first n become one. */
static void thin(struct time_index *x, uint32_t n)
{
    uint32_t to = 0;
    for (uint32_t from = 0; from < n; from += 2) {
        x->marks[to] = x->marks[from];
        if (from + 1 < n)
            x->marks[to].last_ns = x->marks[from + 1].last_ns;
        to++;
    }
    memmove(x->marks + to, x->marks + n, (x->n - n) * sizeof(*x->marks));
    x->n -= n - to;
}

static void resize(struct time_index *x, uint32_t room)
{
    struct time_mark *marks = realloc(x->marks, room * sizeof(*marks));
    if (!marks)
        return;
    x->marks = marks;
    x->room = room;
}

static bool make_room(struct time_index *x, uint64_t kept_from)
{
    if (x->n < x->room)
        return true;
    drop_below(x, kept_from);
    if (x->n == x->room && x->room < TIME_INDEX_MARKS)
        resize(x, x->room ? x->room * 4 : FIRST_ROOM);
    if (x->n == x->room && x->n >= 4)
        thin(x, x->n / 2);
    return x->n < x->room;
}

void time_index_note(struct time_index *x, uint64_t offset, uint64_t kept_from, int64_t now_ns)
{
    struct time_mark *last = x->n ? &x->marks[x->n - 1] : NULL;
    if (last && now_ns < last->last_ns)
        now_ns = last->last_ns;
    bool near = last && now_ns - last->first_ns < (int64_t)TIME_INDEX_STEP_MS * 1000000;
    if (!near && make_room(x, kept_from)) {
        x->marks[x->n++] = (struct time_mark){offset, now_ns, now_ns};
        return;
    }
    if (x->n > 0)
        x->marks[x->n - 1].last_ns = now_ns;
}

void time_index_settle(struct time_index *x)
{
    while (x->n > TIME_INDEX_ENDED_MARKS)
        thin(x, x->n);
    if (x->n < x->room && x->n > 0)
        resize(x, x->n);
}

/* The first mark for which that is true, n: of none. Both times only grow. */
static uint32_t first_after(const struct time_index *x, int64_t ns, bool by_last)
{
    uint32_t low = 0, high = x->n;
    while (low < high) {
        uint32_t mid = low + (high - low) / 2;
        const struct time_mark *m = &x->marks[mid];
        if (by_last ? m->last_ns >= ns : m->first_ns > ns)
            high = mid;
        else
            low = mid + 1;
    }
    return low;
}

uint64_t time_index_since(const struct time_index *x, int64_t ns, uint64_t total)
{
    uint32_t i = first_after(x, ns, true);
    if (i == x->n)
        return total;
    return i == 0 && ns < x->marks[0].first_ns ? 0 : x->marks[i].offset;
}

uint64_t time_index_until(const struct time_index *x, int64_t ns, uint64_t total)
{
    uint32_t i = first_after(x, ns, false);
    return i == x->n ? total : x->marks[i].offset;
}

int64_t time_index_at(const struct time_index *x, uint64_t offset, uint64_t *end)
{
    uint32_t low = 0, high = x->n; /* the first mark behind offset */
    while (low < high) {
        uint32_t mid = low + (high - low) / 2;
        if (x->marks[mid].offset > offset)
            high = mid;
        else
            low = mid + 1;
    }
    *end = low < x->n ? x->marks[low].offset : UINT64_MAX;
    return low > 0 ? x->marks[low - 1].first_ns : 0;
}
