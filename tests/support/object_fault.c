/* See object_fault.h. The counters are the workers' as well. */
#include "tests/support/object_fault.h"

#include <poll.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

#include "daemon/host/object.h"

enum { HANG_MS = 60000 };

static struct object_kind fault_kind;
static const struct object_kind *fault_inner;
static enum object_fault fault_at;
static enum err_code fault_code;
static atomic_int fault_left, fault_count, fault_skipped;

static bool draw(enum object_fault at)
{
    if (fault_at != at || atomic_fetch_sub(&fault_skipped, 1) > 0 ||
        atomic_fetch_sub(&fault_left, 1) <= 0)
        return false;
    atomic_fetch_add(&fault_count, 1);
    return true;
}

static int injected(const char *what, struct err *err)
{
    return err_set(err, fault_code, "injected %s", what);
}

static int fault_make(const struct object *o, int cancel_fd, struct err *err)
{
    struct pollfd p = {.fd = cancel_fd, .events = POLLIN};
    if (draw(OBJECT_FAULT_MAKE))
        return injected("instead of making", err);
    if (draw(OBJECT_FAULT_HANG))
        return poll(&p, 1, HANG_MS) > 0 ? err_set(err, ERR_ABORTED, "told to end")
                                        : injected("after a minute", err);
    if (fault_inner->make(o, cancel_fd, err) < 0)
        return -1;
    return draw(OBJECT_FAULT_MADE) ? injected("after making", err) : 0;
}

static int fault_find(const struct object *o, struct err *err)
{
    return draw(OBJECT_FAULT_FIND) ? injected("instead of finding", err)
                                   : fault_inner->find(o, err);
}

static int fault_remove(const struct object *o, struct err *err)
{
    if (draw(OBJECT_FAULT_REMOVE))
        return injected("instead of removing", err);
    if (fault_inner->remove(o, err) < 0)
        return -1;
    return draw(OBJECT_FAULT_REMOVED) ? injected("after removing", err) : 0;
}

static int fault_list(const char *state_dir, object_found_fn *found, void *arg, struct err *err)
{
    return draw(OBJECT_FAULT_LIST) ? injected("instead of listing", err)
                                   : fault_inner->list(state_dir, found, arg, err);
}

void object_fault_set(const char *kind, enum object_fault fault, enum err_code code, int times)
{
    object_fault_clear();
    fault_inner = object_find_kind(kind);
    if (!fault_inner)
        abort();
    fault_kind = *fault_inner;
    fault_kind.make = fault_make;
    fault_kind.find = fault_find;
    fault_kind.remove = fault_remove;
    fault_kind.list = fault_list;
    fault_at = fault;
    fault_code = code;
    atomic_store(&fault_left, times);
    atomic_store(&fault_count, 0);
    atomic_store(&fault_skipped, 0);
    object_override(&fault_kind);
}

void object_fault_skip(int n)
{
    atomic_store(&fault_skipped, n);
}

int object_fault_met(void)
{
    return atomic_load(&fault_count);
}

void object_fault_clear(void)
{
    if (fault_inner)
        object_override(fault_inner);
    fault_inner = NULL;
}
