/* The shared look at all processes; see census.h. The lock guards the pointer to the last census
 * and the counts, and is not held while anybody looks. */
#include "daemon/vmm/census.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "daemon/vmm/driver.h"

enum { CENSUS_MAX = 1 << 20 };

static struct {
    pthread_mutex_t lock;
    pthread_cond_t taken;
    bool taking;         /* somebody looks */
    struct census *last; /* counted; NULL before the first */
    uint64_t n;          /* begun ever */
} shared = {.lock = PTHREAD_MUTEX_INITIALIZER, .taken = PTHREAD_COND_INITIALIZER};

/* Looking */

static struct vmm_found *census_grow(struct census *c)
{
    if (c->n < c->room)
        return &c->found[c->n];
    size_t room = c->room ? c->room * 2 : 64;
    struct vmm_found *more = room > CENSUS_MAX ? NULL : reallocarray(c->found, room, sizeof(*more));
    if (!more)
        return NULL;
    c->found = more;
    c->room = room;
    return &c->found[c->n];
}

static bool census_look(void *arg, const struct process_info *info)
{
    struct census *c = arg;
    struct vmm_found f = {.pid = info->pid};
    for (size_t i = 0; vmm_drivers[i] && !f.driver; i++) {
        enum evidence evidence = vmm_drivers[i]->claims(info, c->folder, f.vm_id);
        f.left = evidence == EVIDENCE_LEFT;
        if (evidence != EVIDENCE_NONE)
            f.driver = vmm_drivers[i];
    }
    if (!f.driver)
        return true;
    struct vmm_found *to = census_grow(c);
    if (!to)
        return false; /* census_run sees that the room is used up */
    *to = f;
    c->n++;
    return true;
}

static int census_compare(const void *a, const void *b)
{
    return strcmp(((const struct vmm_found *)a)->vm_id, ((const struct vmm_found *)b)->vm_id);
}

static void census_free(struct census *c)
{
    if (c)
        free(c->found);
    free(c);
}

static struct census *census_run(const char *folder, struct err *err)
{
    struct census *c = calloc(1, sizeof(*c));
    if (!c || !census_grow(c)) {
        census_free(c);
        err_set(err, ERR_LIMIT, "out of memory for a list of processes");
        return NULL;
    }
    snprintf(c->folder, sizeof(c->folder), "%s", folder);
    c->began_ns = clock_mono_ns();
    int rc = process_each(census_look, c, &c->unread, err);
    if (rc == 0 && c->n == c->room)
        rc = census_grow(c) ? 0 : err_set(err, ERR_LIMIT, "more than %zu VMMs", c->n);
    if (rc < 0) {
        census_free(c);
        return NULL;
    }
    qsort(c->found, c->n, sizeof(*c->found), census_compare);
    return c;
}

/* Sharing; with the lock held. */

static void census_drop(struct census *c)
{
    if (c && --c->refs == 0)
        census_free(c);
}

static bool census_serves(const struct census *c, const char *folder, int64_t asked_ns)
{
    return c && c->began_ns >= asked_ns && strcmp(c->folder, folder) == 0;
}

struct census *census_take(const char *folder, int64_t asked_ns, struct err *err)
{
    pthread_mutex_lock(&shared.lock);
    while (shared.taking && !census_serves(shared.last, folder, asked_ns))
        pthread_cond_wait(&shared.taken, &shared.lock);
    struct census *c = NULL;
    if (census_serves(shared.last, folder, asked_ns)) {
        c = shared.last;
    } else {
        shared.taking = true;
        shared.n++;
        pthread_mutex_unlock(&shared.lock);
        c = census_run(folder, err);
        pthread_mutex_lock(&shared.lock);
        shared.taking = false;
        if (c) {
            census_drop(shared.last);
            shared.last = c;
            c->refs = 1;
        }
        pthread_cond_broadcast(&shared.taken);
    }
    if (c)
        c->refs++;
    pthread_mutex_unlock(&shared.lock);
    return c;
}

uint64_t census_count(void)
{
    pthread_mutex_lock(&shared.lock);
    uint64_t n = shared.n;
    pthread_mutex_unlock(&shared.lock);
    return n;
}

void census_unref(struct census *c)
{
    pthread_mutex_lock(&shared.lock);
    census_drop(c);
    pthread_mutex_unlock(&shared.lock);
}

const struct vmm_found *census_find(const struct census *c, const char *vm_id)
{
    size_t from = 0, to = c->n;
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        if (strcmp(c->found[middle].vm_id, vm_id) < 0)
            from = middle + 1;
        else
            to = middle;
    }
    return from < c->n && strcmp(c->found[from].vm_id, vm_id) == 0 ? &c->found[from] : NULL;
}
