/* VMs: registry, references, watchers; see vm.h. The record is in vm_record.c, the setter of state
 * in vm_state.c.
 *
 * Watchers are not called from inside a change but from vm_turn, once the loop has come back: who
 * changes a VM in the middle of something is never called back in the middle of it. The same turn
 * closes machines that have ended. */
#include "daemon/core/vm/vm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/id.h"
#include "base/log.h"
#include "base/map.h"
#include "base/order.h"
#include "daemon/core/core.h"
#include "daemon/core/reference.h"
#include "daemon/core/event/event.h"
#include "daemon/core/image/image.h"
#include "daemon/core/operation/operation.h"
#include "daemon/core/access/scope.h"
#include "daemon/core/vm/vm_hook.h"
#include "daemon/core/vm/vm_network.h"
#include "daemon/core/vm/vm_publisher.h"
#include "daemon/core/vm/vm_agent.h"
#include "daemon/core/vm/vm_internal.h"
#include "daemon/core/vm/vm_new_agent.h"
#include "daemon/core/vm/vm_ssh.h"
#include "daemon/core/vm/vm_machine.h"
#include "daemon/core/vm/vm_ops.h"
#include "daemon/core/vm/vm_spec.h"
#include "daemon/store/store.h"
#include "rpc/event/loop.h"

struct vm_registry {
    struct core *core;
    struct list all;  /* by creation */
    struct list turn; /* turn_link: something changed */
    struct list listeners;
    struct list object_jobs;
    struct vm_new_agents new_agents;
    struct vm_uses uses;
    const struct vm_hook_runner *hook_runner;
    const struct vm_publisher *publisher;
    struct map by_id, by_name;
    struct order order; /* by creation time, which a clock that was set back makes another */
    bool posted;
};

struct vm_new_agents *vm_new_agents(struct core *core)
{
    return &core->vms->new_agents;
}

struct vm_uses *vm_uses(const struct core *core)
{
    return core->vms ? &core->vms->uses : NULL;
}

struct vm_entry *vm_ref(struct vm_entry *e)
{
    e->refs++;
    return e;
}

void vm_unref(struct vm_entry *e)
{
    if (--e->refs > 0)
        return;
    vm_done(e->shown);
    free(e->shown);
    vm_done(&e->vm);
    free(e->held_name);
    vm_ssh_free(e);
    free(e);
}

/* By creation, as the store would load it: one that is recovered may be older than the last. */
static void vm_put_in_order(struct vm_registry *r, struct vm_entry *e)
{
    struct list *before = &r->all;
    while (before->prev != &r->all &&
           container_of(before->prev, struct vm_entry, link)->vm.created_ns > e->vm.created_ns)
        before = before->prev;
    list_add_tail(before, &e->link);
}

/* What it is made of is not deleted before it. */
static int vm_hold_images(const struct vm_entry *e)
{
    const struct vm_spec *spec = &e->vm.spec;
    if (image_hold(e->core, spec->image_id, NULL) < 0)
        return -1;
    if (image_hold(e->core, spec->kernel_id, NULL) == 0)
        return 0;
    image_release(e->core, spec->image_id);
    return -1;
}

static struct vm_entry *vm_enter(struct vm_registry *r, const struct vm *vm)
{
    struct vm_entry *e = calloc(1, sizeof(*e));
    if (!e || vm_copy(&e->vm, vm) < 0) {
        free(e);
        return NULL;
    }
    e->core = r->core;
    e->paused = vm->runtime.state == VM_PAUSED;
    e->refs = 1;
    list_init(&e->link);
    list_init(&e->watches);
    list_init(&e->turn_link);
    if (map_put(&r->by_id, e->vm.id, e) < 0) {
        vm_unref(e);
        return NULL;
    }
    if (map_put(&r->by_name, e->vm.name, e) < 0 || vm_net_enter(&r->uses, e) < 0 ||
        order_add(&r->order, e->vm.created_ns, e->vm.id, e) < 0 || vm_hold_images(e) < 0) {
        vm_net_leave(&r->uses, e);
        order_remove(&r->order, e->vm.created_ns, e->vm.id);
        map_take(&r->by_name, e->vm.name);
        map_take(&r->by_id, e->vm.id);
        vm_unref(e);
        return NULL;
    }
    vm_put_in_order(r, e);
    vm_recount(&r->uses, e);
    return e;
}

static int vm_load_each(void *arg, const struct vm *vm)
{
    struct vm_registry *r = arg;
    struct vm here = *vm; /* borrows its labels */
    /* Where the state folder is now: it may have been moved since the row was written. */
    if (vm_paths_make(r->core, &here, NULL) < 0)
        return -1;
    struct vm_entry *e = vm_enter(r, &here);
    if (e)
        e->committed = true;
    return e ? 0 : -1;
}

struct vm_registry *vm_registry_new(struct core *core, struct err *err)
{
    struct vm_registry *r = calloc(1, sizeof(*r));
    if (!r) {
        err_set(err, ERR_LIMIT, "out of memory for VMs");
        return NULL;
    }
    r->core = core;
    list_init(&r->all);
    list_init(&r->turn);
    list_init(&r->listeners);
    list_init(&r->object_jobs);
    vm_new_agents_init(&r->new_agents);
    map_init(&r->by_id);
    map_init(&r->by_name);
    map_init(&r->uses.addresses);
    order_init(&r->order);
    if (store_load_vms(core->store, vm_load_each, r, err) < 0) {
        vm_registry_free(r);
        return NULL;
    }
    return r;
}

void vm_registry_free(struct vm_registry *r)
{
    if (!r)
        return;
    list_foreach(l, &r->all)
    {
        struct vm_entry *e = container_of(l, struct vm_entry, link);
        VM_TELL(r->core, leaving, e);
        vm_machine_abandon(e);
    }
    while (!list_empty(&r->turn)) {
        struct vm_entry *e = container_of(list_first(&r->turn), struct vm_entry, turn_link);
        list_remove(&e->turn_link);
        vm_unref(e);
    }
    list_foreach(l, &r->all)
    {
        list_remove(l);
        vm_unref(container_of(l, struct vm_entry, link));
    }
    map_done(&r->by_id);
    map_done(&r->by_name);
    map_done(&r->uses.addresses);
    order_done(&r->order);
    free(r);
}

/* The turn */

static void vm_call_watches(struct vm_entry *e)
{
    struct list turn;
    list_turn_begin(&turn, &e->watches);
    for (struct list *l; (l = list_turn_next(&turn, &e->watches));) {
        struct vm_watch *w = container_of(l, struct vm_watch, link);
        w->changed(w->arg, e);
    }
}

static void vm_turn(void *arg)
{
    struct core *core = arg;
    struct vm_registry *r = core->vms;
    if (!r)
        return;
    r->posted = false;
    while (!list_empty(&r->turn)) {
        struct vm_entry *e = container_of(list_first(&r->turn), struct vm_entry, turn_link);
        list_remove(&e->turn_link);
        vm_machine_release(e);
        VM_TELL(core, changed, e);
        vm_call_watches(e);
        vm_unref(e);
    }
}

void vm_notify(struct vm_entry *e)
{
    struct vm_registry *r = e->core->vms;
    if (!r)
        return;
    if (list_empty(&e->turn_link)) {
        vm_ref(e);
        list_add_tail(&r->turn, &e->turn_link);
    }
    if (!r->posted)
        r->posted = loop_post(e->core->loop, vm_turn, e->core) == 0;
}

void vm_watch(struct vm_entry *e, struct vm_watch *w,
              void (*changed)(void *arg, struct vm_entry *vm), void *arg)
{
    *w = (struct vm_watch){.vm = vm_ref(e), .changed = changed, .arg = arg};
    list_init(&w->link);
    list_add_tail(&e->watches, &w->link);
}

void vm_unwatch(struct vm_watch *w)
{
    if (!w->vm)
        return;
    struct vm_entry *e = w->vm;
    w->vm = NULL;
    list_remove(&w->link);
    vm_unref(e);
}

void vm_listen(struct core *core, struct vm_listener *l)
{
    list_add_tail(&core->vms->listeners, &l->link);
    for (struct vm_entry *e = NULL; l->events->changed && (e = vm_next(core, e));)
        vm_notify(e);
}

void vm_unlisten(struct vm_listener *l)
{
    if (l->events)
        list_remove(&l->link);
    l->events = NULL;
}

const struct list *vm_listeners(const struct core *core)
{
    return &core->vms->listeners;
}

void vm_hooks_run_by(struct core *core, const struct vm_hook_runner *runner)
{
    core->vms->hook_runner = runner;
}

const struct vm_hook_runner *vm_hook_runner(const struct core *core)
{
    return core->vms->hook_runner;
}

void vm_published_by(struct core *core, const struct vm_publisher *publisher)
{
    core->vms->publisher = publisher;
}

const struct vm_publisher *vm_publisher(const struct core *core)
{
    return core->vms->publisher;
}

struct list *vm_object_jobs(struct core *core)
{
    return &core->vms->object_jobs;
}

/* References */

struct vm_entry *vm_find_id(struct core *core, const char *id)
{
    return map_find(&core->vms->by_id, id);
}

static bool vm_may_be_found(const struct vm_entry *e, const struct labels *scope)
{
    const struct vm *shown = e ? vm_shown(e) : NULL;
    return shown && scope_has_vm(scope, shown);
}

/* By the name that it has on disk. */
static struct vm_entry *vm_find_name(struct core *core, const char *name)
{
    struct vm_entry *e = map_find(&core->vms->by_name, name);
    const struct vm *shown = e ? vm_shown(e) : NULL;
    return shown && strcmp(shown->name, name) == 0 ? e : NULL;
}

struct vm_entry *vm_find(struct core *core, const char *ref, struct err *err)
{
    return vm_find_within(core, NULL, ref, err);
}

static void vm_offer(struct reference *r, const struct labels *scope, struct vm_entry *e)
{
    if (vm_may_be_found(e, scope))
        reference_offer(r, e, e->vm.id, vm_shown(e)->name, NULL);
}

struct vm_entry *vm_find_within(struct core *core, const struct labels *scope, const char *ref,
                                struct err *err)
{
    struct reference r = {.ref = ref, .what = "VM", .kind = "vm", .not_found = "VM_NOT_FOUND"};
    if (!*ref) {
        err_set(err, ERR_INVALID, "which VM? Give its name or id");
        err_tag(err, "EMPTY_REFERENCE", NULL);
        return NULL;
    }
    vm_offer(&r, scope, vm_find_id(core, ref));
    vm_offer(&r, scope, vm_find_name(core, ref));
    bool walk = r.n == 0 && id_is_prefix(ref);
    for (struct vm_entry *e = NULL; walk && (e = vm_next(core, e));)
        vm_offer(&r, scope, e);
    return reference_end(&r, err);
}

struct vm_entry *vm_next(struct core *core, const struct vm_entry *after)
{
    struct list *all = &core->vms->all;
    struct list *l = after ? after->link.next : all->next;
    return l == all ? NULL : container_of(l, struct vm_entry, link);
}

size_t vm_count(const struct core *core)
{
    return core->vms->by_id.len;
}

size_t vm_order_after(const struct core *core, int64_t created_ns, const char *id)
{
    return order_after(&core->vms->order, created_ns, id);
}

struct vm_entry *vm_at(const struct core *core, size_t index)
{
    return order_at(&core->vms->order, index);
}

void vm_resource(const struct vm_entry *e, char resource[96])
{
    snprintf(resource, 96, "vm/%s", e->vm.id);
}

/* Records */

int vm_name_check_free(const struct core *core, const struct labels *scope, const char *name,
                       struct err *err)
{
    const struct vm_entry *by = map_find(&core->vms->by_name, name);
    if (!by)
        return 0;
    bool shown = scope_has_vm(scope, &by->vm);
    err_set(err, ERR_EXISTS, "a VM named %s exists already%s%s%s; choose another name", name,
            shown ? " (" : "", shown ? by->vm.id : "", shown ? ")" : "");
    return err_tag(err, "VM_NAME_TAKEN", "vm/%s", name);
}

struct vm_entry *vm_add(struct core *core, const struct vm *vm, struct err *err)
{
    if (vm_name_check_free(core, NULL, vm->name, err) < 0)
        return NULL;
    struct vm_entry *e = vm_enter(core->vms, vm);
    if (!e) {
        err_set(err, ERR_LIMIT, "out of memory for a VM");
        return NULL;
    }
    return e;
}

static void vm_leave(struct vm_entry *e)
{
    struct vm_registry *r = e->core->vms;
    if (e->removed || !r)
        return;
    VM_TELL(r->core, leaving, e);
    map_take(&r->by_id, e->vm.id);
    map_take(&r->by_name, e->vm.name);
    if (e->held_name)
        map_take(&r->by_name, e->held_name);
    vm_net_leave(&r->uses, e);
    order_remove(&r->order, e->vm.created_ns, e->vm.id);
    list_remove(&e->link);
    image_release(e->core, e->vm.spec.image_id);
    image_release(e->core, e->vm.spec.kernel_id);
    e->removed = true;
    vm_recount(&r->uses, e);
    vm_notify(e);
    vm_unref(e);
}

static void vm_deleted(void *arg, const struct err *err)
{
    struct vm_entry *e = arg;
    if (!err)
        vm_leave(e);
    vm_unref(e);
}

void vm_remove(struct vm_entry *e, struct store_txn *txn)
{
    if (e->removed)
        return;
    struct core *core = e->core;
    VM_TELL(core, removing, e, txn);
    store_delete_vm(txn, e->vm.id);
    char resource[96];
    vm_resource(e, resource);
    event_emit(core, txn, "vm.deleted", resource, e->vm.id, e->vm.name, NULL);
    scope_remember(core, &e->vm);
    store_on_commit(txn, vm_deleted, vm_ref(e));
}

void vm_withdraw(struct vm_entry *e)
{
    vm_leave(e);
}

/* Of the two old names that there may be, the one that is or may get on disk is held. */
static int vm_change_name(struct vm_entry *e, const char *name, bool back, struct err *err)
{
    struct map *names = &e->core->vms->by_name;
    char *was = strdup(e->vm.name);
    /* The record, where the key lives, is about to change. */
    if (!was || map_put(names, was, e) < 0) {
        free(was);
        return err_set(err, ERR_LIMIT, "out of memory for a name");
    }
    snprintf(e->vm.name, sizeof(e->vm.name), "%s", name);
    map_put(names, e->vm.name, e); /* it has made room for one more */
    if (back || !e->held_name) {
        free(e->held_name);
        e->held_name = was;
    } else {
        map_take(names, was);
        free(was);
    }
    return 0;
}

int vm_rename(struct vm_entry *e, const char *name, struct err *err)
{
    bool back = e->held_name && strcmp(e->held_name, name) == 0;
    if (strcmp(e->vm.name, name) == 0)
        return 0;
    if (!back && vm_name_check_free(e->core, NULL, name, err) < 0)
        return -1;
    vm_edit(e);
    if (vm_change_name(e, name, back, err) < 0)
        return -1;
    snprintf(e->vm.runtime.dns_name, sizeof(e->vm.runtime.dns_name), "%s.vm", name);
    return 0;
}

void vm_name_settled(struct vm_entry *e)
{
    struct vm_registry *r = e->core->vms;
    if (!e->held_name || !r)
        return;
    if (!e->removed)
        map_take(&r->by_name, e->held_name);
    free(take_ptr(&e->held_name));
}
