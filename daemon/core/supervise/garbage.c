/* Removing what no VM has any more; see garbage.h. */
#include "daemon/core/supervise/garbage.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/list.h"
#include "base/log.h"
#include "base/map.h"
#include "daemon/core/core.h"
#include "daemon/core/crash_point.h"
#include "daemon/core/event/event.h"
#include "rpc/event/loop.h"
#include "rpc/event/worker.h"

/* An orphan that was seen, or what its VM should not have. */
struct seen {
    struct list link;
    bool extra;
    char name[VM_PATH_BYTES];
    int64_t first_ms; /* monotonic */
    int64_t first_ns; /* of the day */
    uint64_t look;    /* the latest that saw it */
};

struct garbage {
    struct core *core;
    struct timer timer;
    struct list all;
    struct map seen; /* by name */
    uint64_t looks;
};

/* Since when */

/* What a VM has beyond its record goes as well where it can hold no data: nobody uses it. */
static bool garbage_is(const struct host_thing *t)
{
    return t->state == HOST_THING_ORPHAN ||
           (t->state == HOST_THING_EXTRA && t->kind && t->kind->transient && !t->partial);
}

static const char *garbage_why(const struct host_thing *t)
{
    return t->state == HOST_THING_ORPHAN ? "its VM has no record" : "its VM should have none such";
}

void garbage_see(struct core *core, struct host_thing *const *things, size_t n, bool orphans_only)
{
    struct garbage *g = core->garbage;
    int64_t now_ms = clock_mono_ms();
    g->looks++;
    for (size_t i = 0; i < n; i++) {
        struct host_thing *t = things[i];
        if (!garbage_is(t))
            continue;
        struct seen *s = map_find(&g->seen, t->name);
        if (!s && (s = calloc(1, sizeof(*s)))) {
            snprintf(s->name, sizeof(s->name), "%s", t->name);
            s->first_ms = now_ms;
            s->first_ns = clock_real_ns();
            s->extra = t->state == HOST_THING_EXTRA;
            list_add_tail(&g->all, &s->link);
            if (map_put(&g->seen, s->name, s) == 0)
                log_warn(t->name,
                         "%s of VM %s: %s; it can be collected when it is %d minutes known",
                         host_thing_kind(t), t->vm_id, garbage_why(t), GARBAGE_AGE_MS / 60000);
        }
        if (!s)
            continue; /* out of memory: it is as if new */
        s->look = g->looks;
        t->since_ns = s->first_ns;
        t->age_ms = now_ms - s->first_ms;
    }
    list_foreach(l, &g->all)
    {
        struct seen *s = container_of(l, struct seen, link);
        if (s->look == g->looks || (s->extra && orphans_only))
            continue;
        map_take(&g->seen, s->name);
        list_remove(&s->link);
        free(s);
    }
}

size_t garbage_count(const struct core *core)
{
    return core->garbage->seen.len;
}

/* One collection */

struct collection {
    struct job job;
    struct core *core;
    bool dry_run;
    int64_t min_age_ms;
    struct host_thing *at; /* owned; to be removed, in the order of making */
    size_t n;
    struct host_thing **all; /* owned, and what it points to: all that the audit found */
    size_t n_all;
    host_audit_fn *done;
    void *arg;
};

static void collection_end(struct collection *c, const struct err *err)
{
    c->done(c->arg, c->all, c->n_all, err);
    free(c->all);
    free(c->at);
    free(c);
}

/* Rules go before their tap, as the last that was made goes first. */
static void collection_run(struct job *job)
{
    struct collection *c = container_of(job, struct collection, job);
    for (size_t i = c->n_all; i-- > 0;) {
        struct host_thing *t = c->all[i];
        struct object o = {.kind = t->kind, .role = t->role};
        struct err err = ERR_INIT;
        if (!t->removed)
            continue;
        memcpy(o.vm_id, t->vm_id, sizeof(o.vm_id));
        memcpy(o.name, t->name, sizeof(o.name));
        crash_point("garbage", t->kind->name, "before", false);
        int rc = t->kind->remove(&o, &err);
        crash_point("garbage", t->kind->name, "after", false);
        if (rc == 0)
            continue;
        t->removed = false;
        snprintf(t->message, sizeof(t->message), "cannot be removed: %.220s", err.message);
    }
}

static void collection_tell(struct core *core, const struct host_thing *t)
{
    char resource[96], text[TEXT_BYTES];
    snprintf(resource, sizeof(resource), "vm/%s", t->vm_id);
    snprintf(text, sizeof(text), "%s %s", host_thing_kind(t), t->name);
    log_warn(resource, "removed %s: %s", text, garbage_why(t));
    if (core->events)
        event_emit(core, NULL, "host.collected", resource, t->vm_id, text, NULL);
}

static void collection_ran(struct job *job)
{
    struct collection *c = container_of(job, struct collection, job);
    for (size_t i = 0; i < c->n_all; i++)
        if (c->all[i]->removed)
            collection_tell(c->core, c->all[i]);
        else if (garbage_is(c->all[i]))
            log_warn(c->all[i]->name, "%s", c->all[i]->message);
    collection_end(c, NULL);
}

static void collection_choose(struct collection *c)
{
    size_t n = 0;
    for (size_t i = 0; i < c->n_all; i++) {
        struct host_thing *t = c->all[i];
        if (!garbage_is(t))
            continue;
        t->removed = t->age_ms >= c->min_age_ms && n < GARBAGE_AT_ONCE;
        n += t->removed;
        if (t->age_ms < c->min_age_ms)
            snprintf(t->message, sizeof(t->message),
                     "known for %lld s only; it goes when it is %lld s",
                     (long long)t->age_ms / 1000, (long long)c->min_age_ms / 1000);
        else if (!t->removed)
            snprintf(t->message, sizeof(t->message), "the next collection takes it");
    }
    c->n = n;
}

static void collection_audited(void *arg, struct host_thing *const *things, size_t n,
                               const struct err *err)
{
    struct collection *c = arg;
    struct err why = ERR_INIT;
    c->all = err ? NULL : calloc(n + 1, sizeof(struct host_thing *));
    c->at = err ? NULL : calloc(n + 1, sizeof(struct host_thing));
    if (err)
        why = *err;
    else if (!c->all || !c->at)
        err_set(&why, ERR_LIMIT, "out of memory for a collection");
    for (size_t i = 0; i < n && c->all && c->at; i++) {
        c->at[i] = *things[i];
        c->all[c->n_all++] = &c->at[i];
    }
    collection_choose(c);
    c->job = (struct job){.run = collection_run, .done = collection_ran, .frees = true};
    if (why.code == ERR_NONE && c->n > 0 && !c->dry_run &&
        workers_submit(c->core->quick, &c->job, &why) == 0)
        return;
    collection_end(c, why.code == ERR_NONE ? NULL : &why);
}

static int collection_start(struct core *core, const struct collection *how, bool orphans_only,
                            struct err *err)
{
    struct collection *c = malloc(sizeof(*c));
    if (!c)
        return err_set(err, ERR_LIMIT, "out of memory for a collection");
    *c = *how;
    c->core = core;
    if (host_audit_start(core, orphans_only, collection_audited, c, err) == 0)
        return 0;
    free(c);
    return -1;
}

int garbage_collect(struct core *core, bool dry_run, int64_t min_age_ms, host_audit_fn *done,
                    void *arg, struct err *err)
{
    struct collection how = {
        .dry_run = dry_run, .min_age_ms = min_age_ms, .done = done, .arg = arg};
    return collection_start(core, &how, false, err);
}

/* By itself */

static void garbage_collected(void *arg, struct host_thing *const *things, size_t n,
                              const struct err *err)
{
    (void)arg, (void)things, (void)n;
    if (err)
        log_err(LOG_LEVEL_WARN, NULL, err, "cannot look for what no VM has any more");
}

static void garbage_due(void *arg)
{
    struct garbage *g = arg;
    struct err err = ERR_INIT;
    struct collection how = {.min_age_ms = GARBAGE_AGE_MS, .done = garbage_collected};
    if (collection_start(g->core, &how, true, &err) < 0)
        garbage_collected(g, NULL, 0, &err);
    timer_start(&g->timer, GARBAGE_AGE_MS);
}

struct garbage *garbage_new(struct core *core, struct err *err)
{
    struct garbage *g = calloc(1, sizeof(*g));
    if (!g || timer_init(&g->timer, core->loop, garbage_due, g) < 0) {
        free(g);
        err_set(err, ERR_LIMIT, "out of memory for what no VM has");
        return NULL;
    }
    g->core = core;
    list_init(&g->all);
    map_init(&g->seen);
    return g;
}

void garbage_free(struct garbage *g)
{
    if (!g)
        return;
    timer_done(&g->timer);
    map_done(&g->seen);
    for (struct list *l; (l = list_first(&g->all));) {
        list_remove(l);
        free(container_of(l, struct seen, link));
    }
    free(g);
}

void garbage_start(struct core *core, int64_t first_ms)
{
    timer_start(&core->garbage->timer, first_ms);
}
