/* See request_past.h. Two sets of hashes: that of today takes what comes, and becomes yesterday's
 * after a day, so that each id is there for one to two. A hash that two ids share costs a look. */
#include "daemon/core/operation/request_past.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/hash.h"
#include "daemon/core/core.h"
#include "daemon/core/operation/operation.h"
#include "daemon/store/store.h"

enum { PAST_FIRST = 64, PAST_MAX = 1 << 20 };

struct past_set {
    uint64_t *slots; /* a power of two, linear probing; 0: empty */
    size_t cap, n;
    bool over; /* more than it takes, or no memory: everything may be in it */
};

struct request_past {
    struct core *core;
    const struct request_kind *others;
    struct past_set today, yesterday;
    int64_t begun_ms; /* today, monotonic */
    uint64_t seed;
};

static bool past_set_has(const struct past_set *s, uint64_t hash)
{
    if (s->over)
        return true;
    for (size_t i = hash & (s->cap - 1); s->cap > 0 && s->slots[i]; i = (i + 1) & (s->cap - 1))
        if (s->slots[i] == hash)
            return true;
    return false;
}

static void past_set_put(struct past_set *s, uint64_t hash)
{
    size_t i = hash & (s->cap - 1);
    while (s->slots[i] && s->slots[i] != hash)
        i = (i + 1) & (s->cap - 1);
    s->n += s->slots[i] == 0;
    s->slots[i] = hash;
}

static void past_set_clear(struct past_set *s)
{
    free(s->slots);
    *s = (struct past_set){.slots = NULL};
}

static void past_set_add(struct past_set *s, uint64_t hash)
{
    if (s->over)
        return;
    if (2 * s->n >= s->cap) {
        struct past_set larger = {.cap = s->cap ? 2 * s->cap : PAST_FIRST};
        larger.slots = s->n < PAST_MAX ? calloc(larger.cap, sizeof(*larger.slots)) : NULL;
        if (!larger.slots) {
            past_set_clear(s);
            s->over = true;
            return;
        }
        for (size_t i = 0; i < s->cap; i++)
            if (s->slots[i])
                past_set_put(&larger, s->slots[i]);
        free(s->slots);
        *s = larger;
    }
    past_set_put(s, hash);
}

/* From a random start; never 0. */
static uint64_t past_hash(const struct request_past *p, const char *principal, const char *id)
{
    uint64_t hash = hash_text(p->seed, principal);
    hash = hash_text(hash_byte(hash, '\n'), id);
    hash ^= hash >> 32; /* the low bits choose the slot */
    return hash ? hash : 1;
}

static int past_load_each(void *arg, const char *principal, const char *request_id)
{
    struct request_past *p = arg;
    past_set_add(&p->today, past_hash(p, principal, request_id));
    return 0;
}

struct request_past *request_past_new(struct core *core, struct err *err)
{
    struct request_past *p = calloc(1, sizeof(*p));
    if (!p) {
        err_set(err, ERR_LIMIT, "out of memory for request ids");
        return NULL;
    }
    p->core = core;
    p->begun_ms = clock_mono_ms();
    if (getrandom(&p->seed, sizeof(p->seed), 0) != sizeof(p->seed))
        p->seed = (uint64_t)clock_mono_ns();
    if (store_load_request_ids(core->store, clock_real_ns() - request_kept_ns, past_load_each, p,
                               err) < 0) {
        request_past_free(p);
        return NULL;
    }
    return p;
}

void request_past_free(struct request_past *p)
{
    if (!p)
        return;
    past_set_clear(&p->today);
    past_set_clear(&p->yesterday);
    free(p);
}

void request_past_others(struct core *core, const struct request_kind *kind)
{
    core->request_past->others = kind;
}

void request_past_add(struct core *core, const char *principal, const char *request_id)
{
    struct request_past *p = core->request_past;
    int64_t now_ms = clock_mono_ms();
    if (!p || !*request_id)
        return;
    if (now_ms - p->begun_ms > request_kept_ns / 1000000) {
        past_set_clear(&p->yesterday);
        p->yesterday = p->today;
        p->today = (struct past_set){.slots = NULL};
        p->begun_ms = now_ms;
    }
    past_set_add(&p->today, past_hash(p, principal, request_id));
}

bool request_past_may_have(const struct core *core, const char *principal, const char *request_id)
{
    const struct request_past *p = core->request_past;
    if (!p || !*request_id)
        return false;
    uint64_t hash = past_hash(p, principal, request_id);
    return past_set_has(&p->today, hash) || past_set_has(&p->yesterday, hash);
}

struct past_find {
    struct core *core;
    struct store_find find;
    void (*done)(void *arg, const struct err *err);
    void *arg;
};

static void past_found(void *arg, const struct err *err)
{
    struct past_find *f = arg;
    struct core *core = f->core;
    struct err failure = ERR_INIT;
    if (err)
        failure = *err;
    else if (core->operations && f->find.has_operation &&
             operation_remember(core, &f->find.operation) < 0)
        err_set(&failure, ERR_LIMIT, "out of memory for an operation");
    else if (core->request_past && f->find.has_request &&
             core->request_past->others->remember(core, &f->find.request) < 0)
        err_set(&failure, ERR_LIMIT, "out of memory for a request");
    f->done(f->arg, failure.code == ERR_NONE ? NULL : &failure);
    operation_done(&f->find.operation);
    free(f);
}

int request_past_find(struct core *core, const char *principal, const char *request_id,
                      void (*done)(void *arg, const struct err *err), void *arg, struct err *err)
{
    struct past_find *f = calloc(1, sizeof(*f));
    if (!f)
        return err_set(err, ERR_LIMIT, "out of memory to look for a request");
    f->core = core;
    f->done = done;
    f->arg = arg;
    snprintf(f->find.principal, sizeof(f->find.principal), "%s", principal);
    snprintf(f->find.request_id, sizeof(f->find.request_id), "%s", request_id);
    if (core->request_past->others)
        snprintf(f->find.method, sizeof(f->find.method), "%s%s", core->request_past->others->method,
                 principal);
    struct store_txn *txn = store_txn_new();
    store_find_request(txn, &f->find);
    store_read(core->store, txn, past_found, f);
    return 0;
}
