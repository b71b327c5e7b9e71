/* Records and events of sessions on their way to the store; see session.h.
 *
 * A start waits for the disk, and a deletion is written at once. Everything else is news that the
 * agent would tell again after a crash, so it is gathered for a moment: a short command costs one
 * commit when it starts, and shares one with others when it has ended. */
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "daemon/core/core.h"
#include "daemon/core/event.h"
#include "daemon/core/session_internal.h"
#include "daemon/store/store.h"

enum { WRITE_BEHIND_MS = 20 };

struct session_event {
    struct list link;
    char id[ID_BYTES];
    enum session_state state;
};

static void on_saved(void *arg, const struct err *err)
{
    (void)arg;
    if (err)
        log_err(LOG_LEVEL_ERROR, NULL, err, "writing sessions' records");
}

static void emit(struct core *core, struct store_txn *txn, const char *id, enum session_state state)
{
    char resource[96];
    snprintf(resource, sizeof(resource), "session/%s", id);
    event_emit(core, txn, "session.state", resource, session_state_name(state), NULL);
}

void session_write_into(struct session_registry *r, struct store_txn *txn)
{
    for (struct list *pos; (pos = list_first(&r->unsaved));) {
        list_remove(pos);
        store_put_session(txn, &container_of(pos, struct session_entry, unsaved)->session);
    }
    for (struct list *pos; (pos = list_first(&r->events));) {
        struct session_event *event = container_of(pos, struct session_event, link);
        list_remove(pos);
        emit(r->core, txn, event->id, event->state);
        free(event);
    }
    timer_stop(&r->write);
}

void session_write_now(struct session_registry *r)
{
    if (list_empty(&r->unsaved) && list_empty(&r->events))
        return;
    struct store_txn *txn = store_txn_new();
    if (!txn) {
        timer_start(&r->write, WRITE_BEHIND_MS); /* memory may come back */
        return;
    }
    session_write_into(r, txn);
    store_commit(r->core->store, txn, on_saved, NULL);
}

void session_save(struct session_entry *e)
{
    struct session_registry *r = e->core->sessions;
    if (e->removed || !list_empty(&e->unsaved))
        return;
    list_add_tail(&r->unsaved, &e->unsaved);
    if (!timer_pending(&r->write))
        timer_start(&r->write, WRITE_BEHIND_MS);
}

void session_save_state(struct session_entry *e)
{
    struct session_event *event = calloc(1, sizeof(*event));
    if (event) {
        snprintf(event->id, sizeof(event->id), "%s", e->session.id);
        event->state = e->session.state;
        list_init(&event->link);
        list_add_tail(&e->core->sessions->events, &event->link);
    }
    session_save(e);
}
