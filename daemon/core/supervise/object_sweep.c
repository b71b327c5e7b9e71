/* Objects that are there and should not be, and the other way round; see object_sweep.h. */
#include "daemon/core/supervise/object_sweep.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/log.h"
#include "daemon/core/core.h"
#include "daemon/core/crash_point.h"
#include "daemon/core/event/event.h"
#include "daemon/core/operation/operation.h"
#include "daemon/core/supervise/unlisted.h"
#include "daemon/core/vm/vm.h"
#include "daemon/vmm/vmm.h"

bool object_sweep_is_at_rest(struct core *core, const struct vm_entry *e)
{
    char resource[96];
    enum vm_state state = vm_record(e)->runtime.state;
    vm_resource(e, resource);
    return state != VM_PENDING && state != VM_PREPARING && state != VM_DELETING &&
           !operation_pending(core, resource, NULL);
}

void object_sweep_init(struct object_sweep *s, struct core *core, const struct unlisted_scan *scan)
{
    *s = (struct object_sweep){.scan = scan};
    s->should = calloc(vm_count(core) + 1, sizeof(*s->should));
    s->runs = calloc(vm_count(core) + 1, sizeof(*s->runs));
    s->missing = calloc(vm_count(core) + 1, VM_OBJECTS_MAX * sizeof(*s->missing));
    name_set_init(&s->there);
    if (!s->should || !s->runs || !s->missing)
        return;
    for (struct vm_entry *e = NULL; (e = vm_next(core, e));) {
        if (!object_sweep_is_at_rest(core, e) ||
            vm_objects_of(core, vm_record(e), &s->should[s->n_should], NULL) < 0)
            continue;
        s->runs[s->n_should++] = vm_has_vmm(e);
    }
}

void object_sweep_done(struct object_sweep *s)
{
    free(s->should);
    free(s->runs);
    free(s->missing);
    name_set_done(&s->there);
}

/* Removing */

static bool sweep_is_live(const struct unlisted_scan *scan, const char *vm_id)
{
    for (size_t i = 0; i < scan->n_live; i++)
        if (strcmp(scan->live[i].vm_id, vm_id) == 0)
            return true;
    return false;
}

static bool sweep_is_leak(const struct unlisted_scan *scan, const struct object_found *f)
{
    if (name_set_has(&scan->known, "vm", f->vm_id))
        return f->partial;
    return name_set_has(&scan->gone, "vm", f->vm_id) &&
           !name_set_has(&scan->wanted, "vm", f->vm_id) && !sweep_is_live(scan, f->vm_id);
}

static void sweep_found(void *arg, const struct object_found *f)
{
    struct object_sweep *s = arg;
    struct err err = ERR_INIT;
    struct object o = {.kind = object_find_kind(f->kind->name), .role = f->role};
    if (!sweep_is_leak(s->scan, f)) {
        if (f->kind->transient && name_set_add(&s->there, f->kind->name, f->vm_id) < 0)
            s->out_of_memory = true;
        return;
    }
    memcpy(o.vm_id, f->vm_id, sizeof(o.vm_id));
    memcpy(o.name, f->name, sizeof(o.name));
    crash_point("reconcile", f->kind->name, "before", false);
    if (o.kind->remove(&o, &err) < 0)
        log_err(LOG_LEVEL_WARN, f->name, &err, "cannot remove a leftover");
    else
        log_info(f->name, "removed: %s",
                 f->partial ? "what made it was cut off" : "its VM was deleted");
    crash_point("reconcile", f->kind->name, "after", false);
}

void object_sweep_remove(struct object_sweep *s)
{
    size_t n = 0;
    while (object_kind_at(n))
        n++;
    while (!s->scan->look_only && n-- > 0) {
        struct err err = ERR_INIT;
        const struct object_kind *kind = object_kind_at(n);
        if (kind->list(s->scan->state_dir, sweep_found, s, &err) < 0)
            log_err(LOG_LEVEL_WARN, kind->name, &err, "cannot look for leftovers of this kind");
        else
            s->listed |= 1u << n;
    }
}

/* Finding */

static void sweep_is_missing(struct object_sweep *s, const struct object *o)
{
    struct err err = ERR_INIT;
    s->missing[s->n_missing++] = *o;
    if (o->kind->mends && o->kind->make(o, -1, &err) < 0)
        log_err(LOG_LEVEL_ERROR, o->vm_id, &err, "cannot make its %s again",
                object_role_name(o->role));
}

/* What goes with a boot, of a VM that runs. */
static void sweep_find_transient(struct object_sweep *s, const struct vm_objects *should)
{
    const struct object_kind *kind;
    for (size_t k = 0; (kind = object_kind_at(k)); k++)
        for (size_t i = 0; (s->listed >> k & 1) && kind->transient && i < should->n; i++)
            if (should->at[i].kind == kind &&
                !name_set_has(&s->there, kind->name, should->at[i].vm_id))
                sweep_is_missing(s, &should->at[i]);
}

void object_sweep_find(struct object_sweep *s)
{
    for (size_t i = 0; i < s->n_should; i++) {
        const struct object *o = objects_find_missing(s->should[i].at, s->should[i].n);
        if (o)
            sweep_is_missing(s, o);
        if (s->runs[i] && !s->out_of_memory)
            sweep_find_transient(s, &s->should[i]);
    }
}

void object_sweep_tell(const struct object_sweep *s, struct core *core)
{
    for (size_t i = 0; i < s->n_missing; i++) {
        const struct object *o = &s->missing[i];
        char resource[96], text[TEXT_BYTES];
        snprintf(resource, sizeof(resource), "vm/%s", o->vm_id);
        snprintf(text, sizeof(text), "its %s %s %s", object_role_name(o->role), o->name,
                 o->kind->mends       ? "was gone: made again"
                 : o->kind->transient ? "is gone: the next start makes it again"
                                      : "is gone");
        log_warn(resource, "%s", text);
        if (core->events)
            event_emit(core, NULL, o->kind->transient ? "vm.object_missing" : "vm.disk_missing",
                       resource, o->vm_id, text, NULL);
    }
}
