/* The event log; see event.h. The store numbers events as it commits them, so that one that is not
 * committed never had a number, and hands them over in that order. */
#include "daemon/core/event/event.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "daemon/core/core.h"
#include "daemon/store/store.h"
#include "rpc/event/loop.h"

/* Strings one after another behind the numbers: most events need 100 bytes, not sizeof(event). */
struct event_record {
    int64_t time_ns;
    char text[]; /* kind, resource, detail, operation id, VM's id, each with its NUL */
};

struct event_hub {
    struct core *core;
    struct event_record *ring[EVENTS_KEPT]; /* at seq % EVENTS_KEPT; NULL where memory ran out */
    uint64_t first;                         /* oldest kept */
    uint64_t last;                          /* newest on disk */
    uint64_t trimmed_at;
    bool posted; /* watchers are about to be told */
    struct list watches;
};

enum { TRIM_EVERY = 1000, N_PARTS = 5 };

static struct event_record *event_pack(const struct event *e)
{
    const char *parts[N_PARTS] = {e->kind, e->resource, e->detail, e->operation_id, e->vm_id};
    size_t n = 0, len[N_PARTS];
    for (int i = 0; i < N_PARTS; i++)
        n += len[i] = strlen(parts[i]) + 1;
    struct event_record *r = malloc(sizeof(*r) + n);
    if (!r)
        return NULL;
    r->time_ns = e->time_ns;
    char *at = r->text;
    for (int i = 0; i < N_PARTS; i++) {
        memcpy(at, parts[i], len[i]);
        at += len[i];
    }
    return r;
}

static void event_unpack(const struct event_record *r, uint64_t seq, struct event *e)
{
    memset(e, 0, sizeof(*e));
    e->seq = seq;
    e->time_ns = r->time_ns;
    char *parts[N_PARTS] = {e->kind, e->resource, e->detail, e->operation_id, e->vm_id};
    const char *at = r->text;
    for (int i = 0; i < N_PARTS; i++) {
        size_t n = strlen(at) + 1;
        memcpy(parts[i], at, n); /* packed from the same arrays, so it fits */
        at += n;
    }
}

static void event_keep(struct event_hub *hub, const struct event *e)
{
    struct event_record **slot = &hub->ring[e->seq % EVENTS_KEPT];
    free(*slot);
    *slot = event_pack(e);
    hub->last = e->seq;
    if (hub->last - hub->first >= EVENTS_KEPT)
        hub->first = hub->last - EVENTS_KEPT + 1;
}

static int event_load_each(void *arg, const struct event *e)
{
    struct event_hub *hub = arg;
    if (hub->last == 0)
        hub->first = e->seq;
    event_keep(hub, e);
    return 0;
}

/* A watch may be closed by its more(), others by it too. */
static void event_tell(void *arg)
{
    struct core *core = arg;
    struct event_hub *hub = core->events;
    if (!hub)
        return;
    hub->posted = false;
    struct list turn;
    list_turn_begin(&turn, &hub->watches);
    for (struct list *l; (l = list_turn_next(&turn, &hub->watches));) {
        struct event_watch *w = container_of(l, struct event_watch, link);
        w->more(w->arg);
    }
}

static void event_ignore(void *arg, const struct err *err)
{
    (void)arg, (void)err; /* the store has said it; nobody waits for this */
}

static void event_trim(struct event_hub *hub)
{
    if (hub->last - hub->trimmed_at < TRIM_EVERY || hub->first <= 1)
        return;
    hub->trimmed_at = hub->last;
    struct store_txn *txn = store_txn_new();
    store_trim(txn, hub->first, 0, 0);
    store_commit(hub->core->store, txn, event_ignore, NULL);
}

static void event_written(void *arg, const struct event *e)
{
    struct core *core = arg;
    struct event_hub *hub = core->events;
    if (!hub)
        return;
    event_keep(hub, e);
    event_trim(hub);
    if (!hub->posted)
        hub->posted = loop_post(core->loop, event_tell, core) == 0;
}

struct event_hub *event_hub_new(struct core *core, struct err *err)
{
    struct event_hub *hub = calloc(1, sizeof(*hub));
    if (!hub) {
        err_set(err, ERR_LIMIT, "out of memory for the event log");
        return NULL;
    }
    hub->core = core;
    hub->first = 1;
    list_init(&hub->watches);
    if (store_load_events(core->store, EVENTS_KEPT, event_load_each, hub, err) < 0) {
        event_hub_free(hub);
        return NULL;
    }
    hub->trimmed_at = hub->last;
    store_on_event(core->store, event_written, core);
    return hub;
}

void event_hub_free(struct event_hub *hub)
{
    if (!hub)
        return;
    for (size_t i = 0; i < EVENTS_KEPT; i++)
        free(hub->ring[i]);
    free(hub);
}

static void event_copy(char *to, size_t room, const char *from)
{
    size_t n = from ? strnlen(from, room - 1) : 0;
    if (n > 0)
        memcpy(to, from, n);
    to[n] = '\0';
}

void event_emit(struct core *core, struct store_txn *txn, const char *kind, const char *resource,
                const char *vm_id, const char *detail, const char *operation_id)
{
    struct event e = {.time_ns = clock_real_ns()};
    event_copy(e.kind, sizeof(e.kind), kind);
    event_copy(e.resource, sizeof(e.resource), resource);
    event_copy(e.detail, sizeof(e.detail), detail);
    event_copy(e.operation_id, sizeof(e.operation_id), operation_id);
    event_copy(e.vm_id, sizeof(e.vm_id), vm_id);
    if (txn) {
        store_add_event(txn, &e);
        return;
    }
    txn = store_txn_new();
    store_add_event(txn, &e);
    store_commit(core->store, txn, event_ignore, NULL);
}

const char *event_epoch(const struct core *core)
{
    return store_epoch(core->store);
}

uint64_t event_last_seq(const struct core *core)
{
    return core->events->last;
}

uint64_t event_first_seq(const struct core *core)
{
    return core->events->first;
}

bool event_load(const struct core *core, uint64_t seq, struct event *event)
{
    const struct event_hub *hub = core->events;
    if (seq < hub->first || seq > hub->last || !hub->ring[seq % EVENTS_KEPT])
        return false;
    event_unpack(hub->ring[seq % EVENTS_KEPT], seq, event);
    return true;
}

void event_watch_open(struct core *core, struct event_watch *w, const char *epoch,
                      uint64_t after_seq, void (*more)(void *arg), void *arg)
{
    struct event_hub *hub = core->events;
    *w = (struct event_watch){.core = core, .more = more, .arg = arg};
    w->next = hub->last + 1;
    if (epoch && *epoch) {
        /* A seq from another history, or from the future, says nothing of ours. */
        bool stranger = strcmp(epoch, event_epoch(core)) != 0 || after_seq > hub->last;
        w->gap = stranger;
        w->gap_from = stranger ? hub->first : after_seq + 1;
        if (!stranger)
            w->next = after_seq + 1;
    }
    list_init(&w->link);
    list_add_tail(&hub->watches, &w->link);
}

enum event_next event_watch_next(struct event_watch *w, struct event *event, uint64_t *from,
                                 uint64_t *to)
{
    struct event_hub *hub = w->core->events;
    if (!w->gap && w->next < hub->first) {
        w->gap = true;
        w->gap_from = w->next;
        w->next = hub->first;
    }
    if (w->gap) {
        w->gap = false;
        *from = w->gap_from;
        *to = w->next;
        return EVENT_NEXT_GAP;
    }
    while (w->next <= hub->last) {
        if (event_load(w->core, w->next++, event))
            return EVENT_NEXT_EVENT;
    }
    return EVENT_NEXT_NONE;
}

void event_watch_close(struct event_watch *w)
{
    if (w->core)
        list_remove(&w->link);
    w->core = NULL;
}
