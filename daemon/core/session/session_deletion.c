/* Sessions that were deleted, which an agent that has not heard of it may still have; see
 * session_internal.h.
 *
 * Each has a row from the deletion on until the agent has confirmed it, or does not name it after a
 * hello, or its VM is gone: what has neither is not ours to delete (session_recover.c). */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/log.h"
#include "daemon/core/core.h"
#include "daemon/core/session/session_internal.h"
#include "daemon/store/store.h"

/* More than an agent remembers; a guest that confirms nothing must not fill the database. */
enum { DELETIONS_PER_VM_MAX = SESSIONS_PER_VM_MAX };

struct deletion_entry {
    struct list link; /* of its VM, or confirmed */
    struct session_deletion row;
    bool named; /* the agent may have it, by what it said after the latest hello */
    bool told;  /* to delete it, since then */
};

static struct session_vm *vm_of(const struct session_registry *r, const struct deletion_entry *d)
{
    return map_find(&r->vms, d->row.vm_id);
}

/* It is no longer known, and its row goes some time: it does no harm meanwhile. */
static void confirm(struct session_registry *r, struct deletion_entry *d)
{
    map_take(&r->deletions, d->row.session_id);
    list_remove(&d->link);
    vm_of(r, d)->n_deletions--;
    list_add_tail(&r->confirmed, &d->link);
    session_write_some_time(r);
}

static int enter(struct session_registry *r, const struct session_deletion *row)
{
    struct session_vm *v = session_vm_get(r->core, row->vm_id);
    struct deletion_entry *d = v ? calloc(1, sizeof(*d)) : NULL;
    if (!d)
        return -1;
    d->row = *row;
    d->named = true; /* as far as we know */
    if (map_put(&r->deletions, d->row.session_id, d) < 0) {
        free(d);
        return -1;
    }
    list_add_tail(&v->deletions, &d->link);
    if (++v->n_deletions > DELETIONS_PER_VM_MAX)
        confirm(r, container_of(list_first(&v->deletions), struct deletion_entry, link));
    return 0;
}

static struct session_deletion deletion_of(const char *vm_id, const char *id)
{
    struct session_deletion row;
    snprintf(row.session_id, sizeof(row.session_id), "%s", id);
    snprintf(row.vm_id, sizeof(row.vm_id), "%s", vm_id);
    return row;
}

static int load_one(void *arg, const struct session_deletion *row)
{
    return enter(arg, row);
}

int session_deletions_load(struct session_registry *r, struct err *err)
{
    return store_load_session_deletions(r->core->store, load_one, r, err);
}

static void free_all(struct list *all)
{
    for (struct list *l; (l = list_first(all));) {
        list_remove(l);
        free(container_of(l, struct deletion_entry, link));
    }
}

void session_deletions_free(struct session_registry *r)
{
    struct session_vm *v;
    for (size_t at = 0; (v = map_next(&r->vms, &at));)
        free_all(&v->deletions);
    free_all(&r->confirmed);
    map_done(&r->deletions);
}

void session_deletions_drop(struct session_registry *r, struct session_vm *v)
{
    list_foreach(l, &v->deletions)
        map_take(&r->deletions, container_of(l, struct deletion_entry, link)->row.session_id);
    free_all(&v->deletions);
}

void session_deletion_put(const struct session_entry *e, struct store_txn *txn)
{
    struct session_deletion row = deletion_of(e->session.vm_id, e->session.id);
    if (e->of->n_removals == 0) /* else it would refer to nothing */
        store_put_session_deletion(txn, &row);
}

void session_deletion_add(struct session_registry *r, const char *vm_id, const char *id, bool told)
{
    struct session_deletion row = deletion_of(vm_id, id);
    if (!map_find(&r->deletions, id) && enter(r, &row) < 0)
        log_error(id, "out of memory: that it was deleted is known to the next daemon only");
    struct deletion_entry *d = map_find(&r->deletions, id);
    if (d)
        d->told = told;
}

bool session_is_deleted(const struct session_registry *r, const char *id)
{
    return map_find(&r->deletions, id) != NULL;
}

static struct deletion_entry *find_in(const struct session_registry *r, const char *vm_id,
                                      const char *id)
{
    struct deletion_entry *d = map_find(&r->deletions, id);
    return d && strcmp(d->row.vm_id, vm_id) == 0 ? d : NULL;
}

void session_deletions_ask(struct session_vm *v)
{
    list_foreach(l, &v->deletions)
    {
        struct deletion_entry *d = container_of(l, struct deletion_entry, link);
        d->named = d->told = false;
    }
}

bool session_deletion_named(struct session_registry *r, const char *vm_id, const char *id)
{
    struct deletion_entry *d = find_in(r, vm_id, id);
    if (d)
        d->named = true;
    return d;
}

void session_deletions_synced(struct session_registry *r, struct session_vm *v)
{
    list_foreach(l, &v->deletions)
    {
        struct deletion_entry *d = container_of(l, struct deletion_entry, link);
        if (!d->named)
            confirm(r, d);
    }
}

void session_deletions_tell(struct session_vm *v, struct agent_client *agent)
{
    list_foreach(l, &v->deletions)
    {
        struct deletion_entry *d = container_of(l, struct deletion_entry, link);
        if (!d->told && agent_client_delete_session(agent, d->row.session_id, NULL) < 0)
            return; /* at writable, or when the link is back */
        d->told = true;
    }
}

void session_deletion_confirmed(struct session_registry *r, const char *vm_id, const char *id)
{
    struct deletion_entry *d = find_in(r, vm_id, id);
    if (d)
        confirm(r, d);
}

void session_deletions_write(struct session_registry *r, struct store_txn *txn)
{
    list_foreach(l, &r->confirmed) store_delete_session_deletion(
        txn, container_of(l, struct deletion_entry, link)->row.session_id);
    free_all(&r->confirmed);
}
