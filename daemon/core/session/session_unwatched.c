/* Sessions that are stopped when nobody watches them any more; see session.h.
 *
 * The clock runs while a session runs that has no attach and had one, or was to be watched from its
 * start. It is this daemon's: another begins it anew, so that everybody has the time to come back.
 * That there was an attach is in the record. */
#include <stdio.h>

#include "base/err.h"
#include "base/log.h"
#include "daemon/core/core.h"
#include "daemon/core/event/event.h"
#include "daemon/core/session/session_internal.h"

static bool is_unwatched(const struct session_entry *e)
{
    const struct session *s = &e->session;
    return !e->removed && s->state == SESSION_RUNNING && e->n_attached == 0 &&
           (s->watched || s->spec.stop_unwatched_from_start);
}

static void on_time(void *arg)
{
    struct session_entry *e = arg;
    struct err err = ERR_INIT;
    char resource[96];
    if (!is_unwatched(e))
        return;
    if (session_stop(e, SESSION_STOP_GRACE_MS, &err) < 0) { /* its VM is paused */
        timer_start(&e->unwatched, (int64_t)e->session.spec.stop_unwatched_ms);
        return;
    }
    snprintf(resource, sizeof(resource), "session/%s", e->session.id);
    event_emit(e->core, NULL, "session.unwatched", resource, e->session.vm_id,
               "nobody watches it any more: it is stopped", NULL);
}

void session_look_watched(struct session_entry *e)
{
    uint64_t after_ms = e->session.spec.stop_unwatched_ms;
    if (after_ms == 0)
        return;
    if (!is_unwatched(e)) {
        if (e->unwatched.event)
            timer_stop(&e->unwatched);
    } else if (!e->unwatched.event && timer_init(&e->unwatched, e->core->loop, on_time, e) < 0) {
        log_error(e->session.id, "out of memory: it is not stopped when nobody watches it");
    } else if (!timer_pending(&e->unwatched)) {
        timer_start(&e->unwatched, (int64_t)after_ms);
    }
}

void session_note_watched(struct session_entry *e)
{
    if (e->session.spec.stop_unwatched_ms > 0 && !e->session.watched) {
        session_edit(e);
        e->session.watched = true;
        session_save(e);
    }
    session_look_watched(e);
}
