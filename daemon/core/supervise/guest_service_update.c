/* A service gets another spec; see guest_service.h.
 *
 * What is written meanwhile comes behind it, and so has the new spec already (guest_service_save).
 * A run that is to make room for one of the new spec has been judged before it has ended: then
 * nothing is made of its end, by the next daemon neither, and it is the one that is stopped. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "daemon/core/core.h"
#include "daemon/core/supervise/guest_service_internal.h"
#include "daemon/store/store.h"

static void begin_anew(struct guest_service_course *course, const char *replaced)
{
    course->settled_boot[0] = '\0';
    course->restarts = 0;
    if (replaced)
        snprintf(course->judged, sizeof(course->judged), "%s", replaced);
}

static void on_updated(void *arg, const struct err *err)
{
    struct guest_service_change *c = arg;
    struct guest_service_entry *e = c->e;
    e->next = NULL;
    if (!err && !e->removed) {
        struct guest_service old = e->row;
        e->row.spec = e->on_disk.spec = c->next.spec;
        e->row.policy = e->on_disk.policy = c->next.policy;
        begin_anew(&e->row.course, c->replaced[0] ? c->replaced : NULL);
        e->on_disk.course = e->row.course;
        e->on_disk.updated_ns = e->row.updated_ns = c->next.updated_ns;
        c->next.spec = old.spec; /* and goes with the change */
        c->next.policy = old.policy;
        timer_stop(&e->wait);
        guest_service_stop_asking(e);
        guest_service_look_soon(e);
        guest_service_look_at_others(e);
    }
    guest_service_change_end(c, err);
}

int guest_service_update(struct guest_service_entry *e, const struct guest_service *wanted,
                         bool restart, guest_service_done_fn *done, void *arg, struct err *err)
{
    struct guest_service_change *c = guest_service_change_new(e, done, arg, err);
    if (!c)
        return -1;
    struct guest_service as_asked = e->row; /* what it owns is borrowed */
    as_asked.spec = wanted->spec;
    as_asked.policy = wanted->policy;
    as_asked.updated_ns = clock_real_ns();
    enum guest_service_state state = guest_service_state(e);
    bool runs = state == GUEST_SERVICE_RUNNING || state == GUEST_SERVICE_STARTING;
    if (restart && runs)
        snprintf(c->replaced, sizeof(c->replaced), "%s", guest_service_run(e));
    begin_anew(&as_asked.course, c->replaced[0] ? c->replaced : NULL);
    if (guest_service_copy(&c->next, &as_asked) < 0) {
        guest_service_change_drop(c);
        return err_sys(err, ENOMEM, "service");
    }
    e->next = &c->next;
    struct store_txn *txn = store_txn_new();
    store_put_guest_service(txn, &as_asked);
    guest_service_emit(e, txn, "service.updated");
    store_propose(e->of->core->store, txn, on_updated, c);
    return 0;
}
