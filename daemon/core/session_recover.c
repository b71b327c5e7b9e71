/* Sessions that an agent has and the store does not list; see session_internal.h.
 *
 * One that was deleted here is deleted there. Any other was lost with a database, as its VM may
 * have been, and lives on: it gets a record of what the agent says. What only the record said (its
 * command, its name) is gone. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "daemon/core/core.h"
#include "daemon/core/event.h"
#include "daemon/core/session_internal.h"
#include "daemon/core/vm.h"

enum {
    DELETED_KEPT = 10000,   /* as many as the event log has events */
    TAKEN_PER_VM_MAX = 256, /* a guest may say what it likes */
};

struct deleted_session {
    struct list link;
    char id[ID_BYTES];
};

void session_remember_deleted(struct session_registry *r, const char *id)
{
    struct deleted_session *d = map_find(&r->deleted, id) ? NULL : calloc(1, sizeof(*d));
    if (!d)
        return;
    snprintf(d->id, sizeof(d->id), "%s", id);
    if (map_put(&r->deleted, d->id, d) < 0) {
        free(d);
        return;
    }
    list_add_tail(&r->deleted_order, &d->link);
    if (r->deleted.len <= DELETED_KEPT)
        return;
    d = container_of(list_first(&r->deleted_order), struct deleted_session, link);
    list_remove(&d->link);
    map_take(&r->deleted, d->id);
    free(d);
}

void session_deleted_load(struct session_registry *r)
{
    struct event event;
    uint64_t last = event_last_seq(r->core);
    for (uint64_t seq = event_first_seq(r->core); seq <= last; seq++)
        if (event_load(r->core, seq, &event) && strcmp(event.kind, "session.deleted") == 0 &&
            strncmp(event.resource, "session/", 8) == 0 && id_is_valid(event.resource + 8))
            session_remember_deleted(r, event.resource + 8);
}

void session_deleted_free(struct session_registry *r)
{
    for (struct list *l; (l = list_first(&r->deleted_order));) {
        list_remove(l);
        free(container_of(l, struct deleted_session, link));
    }
    map_done(&r->deleted);
}

struct session_entry *session_take_unknown(struct core *core, const struct vm_entry *vm,
                                           const struct agent_session_status *status)
{
    static const char argv[] = "(unknown)";
    struct session_registry *r = core->sessions;
    struct session_vm *of = session_vm_get(core, vm->vm.id);
    if (!of || status->state == AGENT_SESSION_UNKNOWN ||
        map_find(&r->deleted, status->session_id) || session_find_id(core, status->session_id) ||
        of->n_taken >= TAKEN_PER_VM_MAX || of->n >= SESSIONS_PER_VM_MAX)
        return NULL;
    struct session s = {.state = SESSION_PENDING,
                        .stdin_mode =
                            status->stdin_closed ? SESSION_STDIN_NONE : SESSION_STDIN_PIPE,
                        .stdin_closed = status->stdin_closed};
    snprintf(s.id, sizeof(s.id), "%s", status->session_id);
    snprintf(s.vm_id, sizeof(s.vm_id), "%s", vm->vm.id);
    s.created_ns = s.updated_ns = clock_real_ns();
    struct session_entry *e =
        blob_set(&s.argv, argv, sizeof(argv)) == 0 ? session_add(core, &s, of) : NULL;
    if (!e) {
        session_done(&s);
        return NULL;
    }
    of->n_taken++;
    e->stored = e->answered = true; /* it was told to start long ago */
    session_save(e);
    log_warn(e->session.id, "a session of vm/%s that the database does not list: listed again",
             vm->vm.id);
    return e;
}
