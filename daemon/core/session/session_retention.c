/* Ended sessions that are deleted by themselves; see session.h.
 *
 * The time counts from the end, whichever daemon saw it; who is attached keeps the session for as
 * long. Where a VM has nearly as many records as it may, those that would go anyway go earlier,
 * oldest first. */
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "daemon/core/core.h"
#include "daemon/core/session/session_internal.h"

enum {
    LOOK_AGAIN_MS = 1000,
    REFUSED_MS = 30000,
    CROWDED = SESSIONS_PER_VM_MAX / 8 * 7,
};

static bool may_go(const struct session_entry *e)
{
    return e->session.spec.delete_ended_ms > 0 && !session_is_going(e) && !session_seems_live(e) &&
           e->n_attached == 0;
}

static void on_deleted(void *arg, const struct err *err)
{
    struct session_entry *e = arg;
    if (err && !e->removed && e->retention.event)
        timer_start(&e->retention, REFUSED_MS);
    session_unref(e);
}

static void drop(struct session_entry *e)
{
    struct err err = ERR_INIT;
    if (session_delete(e, false, on_deleted, session_ref(e), &err) == 0)
        return;
    log_warn(e->session.id, "not deleted yet: %s", err.message);
    on_deleted(e, &err);
}

static void on_time(void *arg)
{
    struct session_entry *e = arg;
    if (may_go(e))
        drop(e);
    else if (!session_is_going(e))
        timer_start(&e->retention, LOOK_AGAIN_MS);
}

void session_retain(struct session_entry *e)
{
    const struct session *s = &e->session;
    if (s->spec.delete_ended_ms == 0 || session_is_live(e) || e->removed)
        return;
    if (!e->retention.event && timer_init(&e->retention, e->core->loop, on_time, e) < 0) {
        log_error(s->id, "out of memory: it is not deleted by itself");
        return;
    }
    int64_t ended_ms = (clock_real_ns() - s->ended_ns) / 1000000;
    int64_t left_ms = (int64_t)s->spec.delete_ended_ms - (ended_ms > 0 ? ended_ms : 0);
    timer_start(&e->retention, left_ms > 0 ? left_ms : 0);
}

void session_make_room(struct session_vm *v)
{
    if (v->n < CROWDED)
        return;
    list_foreach(pos, &v->sessions)
    {
        struct session_entry *e = container_of(pos, struct session_entry, vm_link);
        if (may_go(e)) {
            drop(e);
            return; /* one for the one that comes */
        }
    }
}

void session_forget_oldest(struct core *core, uint32_t keep,
                           bool (*is_alike)(const struct session *s, const void *arg),
                           const void *arg)
{
    struct session_entry *oldest = NULL;
    uint32_t n = 0;
    for (struct session_entry *e = NULL; (e = session_next(core, e));)
        if (!session_is_live(e) && !session_is_going(e) && is_alike(&e->session, arg)) {
            oldest = oldest ? oldest : e;
            n++;
        }
    if (n >= keep)
        session_delete(oldest, false, NULL, NULL, NULL);
}
