/* A sorted array; see order.h. */
#include "base/order.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { ORDER_FIRST = 16 };

void order_init(struct order *o)
{
    *o = (struct order){.rows = NULL};
}

void order_done(struct order *o)
{
    free(o->rows);
    order_init(o);
}

static int order_compare(const struct order_row *row, int64_t made_ns, const char *id)
{
    if (row->made_ns != made_ns)
        return row->made_ns < made_ns ? -1 : 1;
    return strcmp(row->id, id);
}

/* Index of the first row that is not below (or, with beyond, that is above). */
static size_t order_search(const struct order *o, int64_t made_ns, const char *id, bool beyond)
{
    size_t low = 0, high = o->n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int c = order_compare(&o->rows[middle], made_ns, id);
        if (c < 0 || (beyond && c == 0))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

size_t order_after(const struct order *o, int64_t made_ns, const char *id)
{
    return order_search(o, made_ns, id, true);
}

size_t order_before(const struct order *o, int64_t made_ns, const char *id)
{
    return order_search(o, made_ns, id, false);
}

int order_add(struct order *o, int64_t made_ns, const char *id, void *thing)
{
    if (o->n == o->cap) {
        size_t cap = o->cap ? 2 * o->cap : ORDER_FIRST;
        struct order_row *rows = reallocarray(o->rows, cap, sizeof(*rows));
        if (!rows) {
            errno = ENOMEM;
            return -1;
        }
        o->rows = rows;
        o->cap = cap;
    }
    bool newest = o->n == 0 || order_compare(&o->rows[o->n - 1], made_ns, id) < 0;
    size_t at = newest ? o->n : order_after(o, made_ns, id);
    memmove(&o->rows[at + 1], &o->rows[at], (o->n - at) * sizeof(o->rows[0]));
    o->rows[at] = (struct order_row){made_ns, id, thing};
    o->n++;
    return 0;
}

void order_remove(struct order *o, int64_t made_ns, const char *id)
{
    size_t at = order_before(o, made_ns, id);
    if (at == o->n || order_compare(&o->rows[at], made_ns, id) != 0)
        return;
    o->n--;
    memmove(&o->rows[at], &o->rows[at + 1], (o->n - at) * sizeof(o->rows[0]));
    if (o->n > ORDER_FIRST && o->n < o->cap / 4) {
        struct order_row *rows = reallocarray(o->rows, o->cap / 2, sizeof(*rows));
        if (rows) {
            o->rows = rows;
            o->cap /= 2;
        }
    }
}

void *order_at(const struct order *o, size_t index)
{
    return index < o->n ? o->rows[index].thing : NULL;
}
