/* The event log: what happened, in order, durable and bounded.
 *
 * An event is added to the transaction that makes it true and becomes visible to watchers once that
 * is on disk: what a watcher has seen, a crash cannot take back, and its number is nobody else's.
 * The latest EVENTS_KEPT are held in memory (compactly) and in the store. A watcher is a cursor: it
 * takes what follows at its own pace and is told when there is more, so a slow one costs nothing;
 * what it lets fall out of the log it gets as a gap. On the loop's thread. */
#ifndef BANGER_DAEMON_CORE_EVENT_EVENT_H
#define BANGER_DAEMON_CORE_EVENT_EVENT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "daemon/model/model.h"

struct core;
struct err;
struct event_hub;
struct store_txn;

enum { EVENTS_KEPT = 10000 };

/* Loads the store's latest events. */
struct event_hub *event_hub_new(struct core *core, struct err *err);
/* Watchers must be closed. NULL is fine. */
void event_hub_free(struct event_hub *hub);

/* Adds an event to txn; NULL: a transaction of its own, for what nothing else in the store says.
 * kind such as "vm.state", resource "session/ID", vm_id the VM that it is or belongs to, detail the
 * new state or a reason; vm_id and operation_id "" or NULL: none. It gets its seq as it is
 * committed. */
void event_emit(struct core *core, struct store_txn *txn, const char *kind, const char *resource,
                const char *vm_id, const char *detail, const char *operation_id);

const char *event_epoch(const struct core *core);
/* The newest and the oldest seq there is to see; 0 and 1 in an empty log. */
uint64_t event_last_seq(const struct core *core);
uint64_t event_first_seq(const struct core *core);
/* Fills *event with the one of that seq; false if it is not (or no longer, or not yet) there. */
bool event_load(const struct core *core, uint64_t seq, struct event *event);

struct event_watch {
    struct list link;
    struct core *core;
    uint64_t next; /* seq that comes next */
    bool gap;      /* what was asked for is gone: next comes a gap up to `next` */
    uint64_t gap_from;
    void (*more)(void *arg); /* there is something for event_watch_next; may close the watch */
    void *arg;
};

enum event_next {
    EVENT_NEXT_NONE,  /* nothing now: more() will be called */
    EVENT_NEXT_EVENT, /* *event is filled */
    EVENT_NEXT_GAP,   /* *from to *to - 1 are gone; *to is the first that follows */
};

/* Embedded in its owner. epoch "": from now on; else what follows after_seq, with a gap first if
 * the epoch is another or some of it is gone. more() is never called from inside this. */
void event_watch_open(struct core *core, struct event_watch *w, const char *epoch,
                      uint64_t after_seq, void (*more)(void *arg), void *arg);
enum event_next event_watch_next(struct event_watch *w, struct event *event, uint64_t *from,
                                 uint64_t *to);
/* Harmless on a closed or zeroed watch. */
void event_watch_close(struct event_watch *w);

#endif
