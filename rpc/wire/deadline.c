/* Binary heap of deadlines; see deadline.h. */
#include "rpc/wire/deadline.h"

#include <stdlib.h>

enum { FIRST_CAP = 32 };

void deadlines_init(struct deadlines *h)
{
    *h = (struct deadlines){0};
}

void deadlines_done(struct deadlines *h)
{
    free(h->heap);
    *h = (struct deadlines){0};
}

static void deadlines_put(struct deadlines *h, size_t i, struct deadline *d)
{
    h->heap[i] = d;
    d->place = i + 1;
}

static void deadlines_up(struct deadlines *h, size_t i, struct deadline *d)
{
    for (; i > 0 && h->heap[(i - 1) / 2]->at_ms > d->at_ms; i = (i - 1) / 2)
        deadlines_put(h, i, h->heap[(i - 1) / 2]);
    deadlines_put(h, i, d);
}

static void deadlines_down(struct deadlines *h, size_t i, struct deadline *d)
{
    for (size_t child; (child = 2 * i + 1) < h->n; i = child) {
        if (child + 1 < h->n && h->heap[child + 1]->at_ms < h->heap[child]->at_ms)
            child++;
        if (h->heap[child]->at_ms >= d->at_ms)
            break;
        deadlines_put(h, i, h->heap[child]);
    }
    deadlines_put(h, i, d);
}

int deadlines_set(struct deadlines *h, struct deadline *d, int64_t at_ms)
{
    deadlines_remove(h, d);
    if (h->n == h->cap) {
        size_t cap = h->cap ? h->cap * 2 : FIRST_CAP;
        struct deadline **heap = realloc(h->heap, cap * sizeof(*heap));
        if (!heap)
            return -1;
        h->heap = heap;
        h->cap = cap;
    }
    d->at_ms = at_ms;
    deadlines_up(h, h->n++, d);
    return 0;
}

void deadlines_remove(struct deadlines *h, struct deadline *d)
{
    if (d->place == 0)
        return;
    size_t i = d->place - 1;
    d->place = 0;
    struct deadline *last = h->heap[--h->n];
    if (last == d)
        return;
    if (i > 0 && h->heap[(i - 1) / 2]->at_ms > last->at_ms)
        deadlines_up(h, i, last);
    else
        deadlines_down(h, i, last);
}

int64_t deadlines_next_ms(const struct deadlines *h)
{
    return h->n ? h->heap[0]->at_ms : INT64_MAX;
}

void deadlines_run(struct deadlines *h, int64_t now_ms)
{
    for (size_t budget = h->n; budget > 0 && h->n > 0 && h->heap[0]->at_ms <= now_ms; budget--) {
        struct deadline *d = h->heap[0];
        deadlines_remove(h, d);
        d->passed(d);
    }
}
