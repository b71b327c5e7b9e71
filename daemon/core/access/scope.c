/* Scopes; see scope.h. */
#include "daemon/core/access/scope.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/map.h"
#include "daemon/core/core.h"

/* A VM that is gone, with as many labels as it had. */
struct departed {
    char id[ID_BYTES];
    uint32_t n;
    struct label labels[];
};

struct scope_memory {
    const struct vm *(*find)(const struct core *core, const char *vm_id);
    struct departed *ring[SCOPE_REMEMBERED]; /* owned */
    struct map by_id; /* of them: lists and watches ask for each of thousands of events */
    size_t next;
};

bool scope_has_vm(const struct labels *scope, const struct vm *vm)
{
    return !scope || label_list_have(&vm->labels, scope);
}

bool scope_has_vm_id(const struct core *core, const struct labels *scope, const char *vm_id)
{
    if (!scope)
        return true;
    const struct vm *vm = core->scope_memory->find(core, vm_id);
    if (vm)
        return scope_has_vm(scope, vm);
    const struct departed *d = map_find(&core->scope_memory->by_id, vm_id);
    if (!d)
        return false;
    struct labels labels = {.n = d->n};
    memcpy(labels.at, d->labels, d->n * sizeof(labels.at[0]));
    return labels_have(&labels, scope);
}

bool scope_has_event(const struct core *core, const struct labels *scope, const struct event *event)
{
    return scope_has_vm_id(core, scope, event->vm_id) ||
           (!*event->vm_id && (strncmp(event->resource, "image/", 6) == 0 ||
                               strncmp(event->resource, "kernel/", 7) == 0));
}

int scope_check_labels(const struct labels *scope, const struct labels *labels, struct err *err)
{
    static const struct labels none = {.n = 0};
    for (uint32_t i = 0; scope && i < scope->n; i++) {
        struct labels one = {.n = 1};
        one.at[0] = scope->at[i];
        if (labels_have(labels ? labels : &none, &one))
            continue;
        err_set(err, ERR_DENIED,
                "your role is bound to VMs with the label %s=%s: this one would not have it",
                scope->at[i].key, scope->at[i].value);
        return err_tag(err, "OUT_OF_SCOPE", NULL);
    }
    return 0;
}

struct scope_memory *scope_memory_new(const struct vm *(*find)(const struct core *core,
                                                               const char *vm_id),
                                      struct err *err)
{
    struct scope_memory *m = calloc(1, sizeof(*m));
    if (!m) {
        err_set(err, ERR_LIMIT, "out of memory for scopes");
        return NULL;
    }
    m->find = find;
    map_init(&m->by_id);
    return m;
}

void scope_memory_free(struct scope_memory *m)
{
    if (!m)
        return;
    for (size_t i = 0; i < SCOPE_REMEMBERED; i++)
        free(m->ring[i]);
    map_done(&m->by_id);
    free(m);
}

void scope_remember(struct core *core, const struct vm *vm)
{
    size_t bytes = vm->labels.n * sizeof(vm->labels.at[0]);
    struct scope_memory *m = core->scope_memory;
    struct departed *d = vm->labels.n > 0 ? malloc(sizeof(*d) + bytes) : NULL;
    if (!d) /* no scope has it, or there is no memory: its end is not told to those with a scope */
        return;
    memcpy(d->id, vm->id, sizeof(d->id));
    d->n = vm->labels.n;
    memcpy(d->labels, vm->labels.at, bytes);
    if (map_put(&m->by_id, d->id, d) < 0) {
        free(d);
        return;
    }
    if (m->ring[m->next])
        map_take(&m->by_id, m->ring[m->next]->id);
    free(m->ring[m->next]);
    m->ring[m->next] = d;
    m->next = (m->next + 1) % SCOPE_REMEMBERED;
}
