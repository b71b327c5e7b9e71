/* Records and events of sessions on their way to the store, and what others see of them meanwhile;
 * see session.h.
 *
 * A start and a deletion are proposed, each alone. Everything else has happened and is gathered for
 * a moment, so that it shares a commit with others; where somebody waits for it, only for the rest
 * of the loop's turn. Each version that is written carries its copy: when it is on disk, that is
 * what is shown. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "daemon/core/core.h"
#include "daemon/core/event/event.h"
#include "daemon/core/session/session_internal.h"
#include "daemon/store/store.h"

enum {
    WRITE_BEHIND_MS = 20,
    WRITE_SOME_TIME_MS = 2000,
    /* Who waits for a version on its way is told so after one to two of these. */
    LOOK_MS = STORE_PATIENCE_MS / 2,
};

struct session_event {
    struct list link;
    char id[ID_BYTES];
    enum session_state state;
};

/* What is on disk */

const struct session *session_shown(const struct session_entry *e)
{
    return !e->stored ? NULL : e->shown ? e->shown : &e->session;
}

uint64_t session_writer_generation(const struct session_entry *e)
{
    const struct session *shown = session_shown(e);
    uint64_t on_disk = shown ? shown->writer_generation : 0;
    return e->generation < on_disk ? e->generation : on_disk;
}

/* The blobs are the entry's: they never change. */
static bool show(struct session_entry *e, const struct session *record)
{
    if (!e->shown)
        e->shown = malloc(sizeof(*e->shown));
    if (e->shown)
        *e->shown = *record;
    return e->shown;
}

void session_edit(struct session_entry *e)
{
    if (e->stored && !e->shown && !show(e, &e->session))
        log_error(e->session.id, "out of memory: a change is shown before it is on disk");
}

/* A version on its way to the disk. */
struct session_version {
    struct session_entry *e; /* referenced */
    struct session record;   /* its blobs are the entry's */
};

static void settle(struct session_entry *e, const struct session_version *v)
{
    bool was_live = e->stored && !session_is_terminal(session_shown(e)->state);
    e->stored = true;
    if (e->n_unwritten == 0)
        list_remove(&e->unwritten);
    e->stalled &= e->n_unwritten > 0;
    if (e->n_unwritten > 0 || !list_empty(&e->unsaved)) {
        if (!show(e, &v->record))
            log_error(e->session.id, "out of memory: an older state is shown");
    } else {
        free(take_ptr(&e->shown));
    }
    /* What the agent refused to a session that seemed to live is judged anew. */
    if (was_live && session_is_terminal(session_shown(e)->state))
        list_foreach(at, &e->attaches) attach_retry(attach_of_link(at));
    session_touch(e);
}

static void on_written(void *arg, const struct err *err)
{
    struct session_version *v = arg;
    struct session_entry *e = v->e;
    e->n_unwritten--;
    e->looked_at = false;
    if (!e->removed && !err)
        settle(e, v);
    else if (!e->removed && e->n_unwritten == 0)
        list_remove(&e->unwritten); /* the store has said why; it stays hidden */
    session_unref(e);
    free(v);
}

int session_put(struct session_entry *e, struct store_txn *txn, struct err *err)
{
    struct session_registry *r = e->core->sessions;
    struct session_version *v = malloc(sizeof(*v));
    if (!v)
        return err_sys(err, ENOMEM, "session");
    *v = (struct session_version){.e = session_ref(e), .record = e->session};
    if (e->n_unwritten++ == 0)
        list_add_tail(&r->unwritten, &e->unwritten);
    if (!timer_pending(&r->stall))
        timer_start(&r->stall, LOOK_MS);
    store_put_session(txn, &e->session);
    store_on_commit(txn, on_written, v);
    return 0;
}

/* While something is on its way: an entry of which nothing has come since the last look has waited
 * too long. */
void session_look_for_stalled(void *arg)
{
    struct session_registry *r = arg;
    list_foreach(pos, &r->unwritten)
    {
        struct session_entry *e = container_of(pos, struct session_entry, unwritten);
        if (e->looked_at) {
            e->stalled = true;
            session_touch(e);
        }
        e->looked_at = true;
    }
    if (!list_empty(&r->unwritten))
        timer_start(&r->stall, LOOK_MS);
}

int session_check_end(const struct session_entry *e, struct err *err)
{
    bool hidden = session_is_terminal(e->session.state) && session_seems_live(e);
    return hidden && e->stalled ? session_stalled_error(e, err) : 0;
}

int session_stalled_error(const struct session_entry *e, struct err *err)
{
    const struct store_health *health = store_health(e->core->store);
    err_set(err, ERR_UNAVAILABLE,
            "session %s is %s, but the daemon cannot write that now (%.200s); ask again",
            e->session.id, session_state_name(e->session.state),
            health->state == STORE_WRITABLE ? "the disk is slow" : health->err.message);
    return err_tag(err, "STORE_UNAVAILABLE", "session/%s", e->session.id);
}

/* The way there */

static void on_saved(void *arg, const struct err *err)
{
    (void)arg, (void)err; /* on_written has it */
}

void session_emit(const struct session_entry *e, struct store_txn *txn, enum session_state state)
{
    char resource[96];
    snprintf(resource, sizeof(resource), "session/%s", e->session.id);
    event_emit(e->core, txn, "session.state", resource, e->session.vm_id, session_state_name(state),
               NULL);
}

/* Not while its first record or its deletion is on the way: the one may be given up, and after the
 * other there is nothing to be written. */
static bool may_be_written(const struct session_entry *e)
{
    return e->stored && e->n_deletions == 0;
}

static bool put_unsaved(struct session_registry *r, struct store_txn *txn)
{
    list_foreach(pos, &r->unsaved)
    {
        struct session_entry *e = container_of(pos, struct session_entry, unsaved);
        if (!may_be_written(e))
            continue;
        if (session_put(e, txn, NULL) < 0)
            return false;
        list_remove(pos);
    }
    return true;
}

static void put_events(struct session_registry *r, struct store_txn *txn)
{
    list_foreach(pos, &r->events)
    {
        struct session_event *event = container_of(pos, struct session_event, link);
        const struct session_entry *e = session_find_id(r->core, event->id);
        if (e && !may_be_written(e))
            continue;
        list_remove(pos);
        if (e)
            session_emit(e, txn, event->state);
        free(event);
    }
}

void session_drop_events(struct session_registry *r)
{
    for (struct list *pos; (pos = list_first(&r->events));) {
        list_remove(pos);
        free(container_of(pos, struct session_event, link));
    }
}

static bool has_work(const struct session_registry *r)
{
    if (!list_empty(&r->confirmed))
        return true;
    list_foreach(pos, &r->unsaved)
    {
        if (may_be_written(container_of(pos, struct session_entry, unsaved)))
            return true;
    }
    return false;
}

void session_write_now(struct session_registry *r)
{
    timer_stop(&r->write);
    if (!has_work(r))
        return;
    struct store_txn *txn = store_txn_new();
    session_deletions_write(r, txn);
    if (put_unsaved(r, txn))
        put_events(r, txn);
    else
        timer_start(&r->write, WRITE_BEHIND_MS); /* memory may come back */
    store_commit(r->core->store, txn, on_saved, NULL);
}

static bool is_waited_for(const struct session_entry *e)
{
    return !list_empty(&e->starters) || !list_empty(&e->watches) || !list_empty(&e->attaches);
}

static void write_within(struct session_registry *r, int64_t ms)
{
    if (!timer_pending(&r->write) || r->write.due_ns > clock_mono_ns() + ms * 1000000)
        timer_start(&r->write, ms);
}

static void save(struct session_entry *e, bool at_once)
{
    struct session_registry *r = e->core->sessions;
    if (e->removed)
        return;
    if (list_empty(&e->unsaved))
        list_add_tail(&r->unsaved, &e->unsaved);
    write_within(r, at_once ? 0 : WRITE_BEHIND_MS);
}

void session_write_some_time(struct session_registry *r)
{
    write_within(r, WRITE_SOME_TIME_MS);
}

void session_save(struct session_entry *e)
{
    save(e, false);
}

void session_save_now(struct session_entry *e)
{
    save(e, true);
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
    save(e, is_waited_for(e));
}

void session_write_again(struct session_entry *e)
{
    if (!list_empty(&e->unsaved))
        timer_start(&e->core->sessions->write, 0);
}
