/* Services: which there are, and what is asked for; see guest_service.h. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "daemon/core/core.h"
#include "daemon/core/event/event.h"
#include "daemon/core/supervise/guest_service_internal.h"
#include "daemon/store/store.h"

/* References, lookup */

void guest_service_unref(struct guest_service_entry *e)
{
    if (--e->refs > 0)
        return;
    guest_service_done(&e->row);
    free(e);
}

static struct guest_service_entry *next(struct guest_services *all,
                                        const struct guest_service_entry *after)
{
    struct list *l = after ? after->link.next : all->all.next;
    return l == &all->all ? NULL : container_of(l, struct guest_service_entry, link);
}

struct guest_service_entry *guest_service_next(struct core *core, const struct vm_entry *vm,
                                               const struct guest_service_entry *after)
{
    struct guest_service_entry *e = next(core->guest_services, after);
    while (e && (!e->stored || (vm && strcmp(e->row.vm_id, vm_record(vm)->id) != 0)))
        e = next(core->guest_services, e);
    return e;
}

struct guest_service_entry *guest_service_find(struct core *core, const struct vm_entry *vm,
                                               const char *ref, struct err *err)
{
    for (struct guest_service_entry *e = NULL; (e = guest_service_next(core, vm, e));)
        if (strcmp(e->row.name, ref) == 0 || strcmp(e->row.id, ref) == 0)
            return e;
    err_set(err, ERR_NOT_FOUND, "VM %s has no service \"%.80s\"", vm_record(vm)->name, ref);
    err_tag(err, "SERVICE_NOT_FOUND", "vm/%s", vm_record(vm)->id);
    return NULL;
}

const struct guest_service *guest_service_shown(const struct guest_service_entry *e)
{
    return &e->on_disk;
}

/* Looking */

static void on_turn(void *arg)
{
    struct guest_services *all = arg;
    list_foreach(l, &all->all)
    {
        struct guest_service_entry *e = container_of(l, struct guest_service_entry, link);
        if (!e->to_look)
            continue;
        e->to_look = false;
        guest_service_look(e);
    }
}

void guest_service_look_soon(struct guest_service_entry *e)
{
    e->to_look = true;
    if (!timer_pending(&e->of->turn))
        timer_start(&e->of->turn, 0);
}

static void on_wait(void *arg)
{
    guest_service_look_soon(arg);
}

static void look_at_vm(void *arg, struct vm_entry *vm)
{
    struct guest_services *all = arg;
    list_foreach(l, &all->all)
    {
        struct guest_service_entry *e = container_of(l, struct guest_service_entry, link);
        if (strcmp(e->row.vm_id, vm_record(vm)->id) == 0)
            guest_service_look_soon(e);
    }
}

static void on_gone(void *arg, struct vm_entry *vm, const char *reason)
{
    (void)reason;
    look_at_vm(arg, vm);
}

/* The registry */

/* Takes row; NULL out of memory. */
static struct guest_service_entry *entry_new(struct guest_services *all, struct guest_service *row)
{
    struct guest_service_entry *e = calloc(1, sizeof(*e));
    if (!e || timer_init(&e->wait, all->core->loop, on_wait, e) < 0) {
        free(e);
        return NULL;
    }
    e->of = all;
    if (guest_service_ready_open(e) < 0) {
        timer_done(&e->wait);
        free(e);
        return NULL;
    }
    e->refs = 1;
    e->row = e->on_disk = *row;
    memset(row, 0, sizeof(*row));
    list_add_tail(&all->all, &e->link);
    return e;
}

static void entry_remove(struct guest_service_entry *e)
{
    e->removed = true;
    guest_service_set_run(e, NULL);
    guest_service_ready_close(e);
    timer_done(&e->wait);
    list_remove(&e->link);
    guest_service_unref(e);
}

/* A VM's row on its way out, with those of its services. */
struct vm_going {
    struct guest_services *all;
    char vm_id[ID_BYTES];
};

static void set_going(struct guest_services *all, const char *vm_id, bool going)
{
    list_foreach(l, &all->all)
    {
        struct guest_service_entry *e = container_of(l, struct guest_service_entry, link);
        if (strcmp(e->row.vm_id, vm_id) == 0)
            e->going = going;
    }
}

static void vm_went(void *arg, const struct err *err)
{
    struct vm_going *going = arg;
    if (err && going->all->core->guest_services)
        set_going(going->all, going->vm_id, false);
    free(going);
}

static void on_removing(void *arg, struct vm_entry *vm, struct store_txn *txn)
{
    struct vm_going *going = malloc(sizeof(*going));
    set_going(arg, vm_record(vm)->id, true);
    if (!going)
        return; /* should it stay, its services' course is not written any more */
    going->all = arg;
    snprintf(going->vm_id, sizeof(going->vm_id), "%s", vm_record(vm)->id);
    store_on_commit(txn, vm_went, going);
}

static void on_leaving(void *arg, struct vm_entry *vm)
{
    struct guest_services *all = arg;
    list_foreach(l, &all->all)
    {
        struct guest_service_entry *e = container_of(l, struct guest_service_entry, link);
        if (strcmp(e->row.vm_id, vm_record(vm)->id) == 0)
            entry_remove(e);
    }
}

static int load_one(void *arg, const struct guest_service *row)
{
    struct guest_service copy;
    if (guest_service_copy(&copy, row) < 0)
        return -1;
    struct guest_service_entry *e = entry_new(arg, &copy);
    if (e)
        e->stored = true;
    else
        guest_service_done(&copy);
    return e ? 0 : -1;
}

struct guest_services *guest_services_new(struct core *core, struct err *err)
{
    struct guest_services *all = calloc(1, sizeof(*all));
    if (!all || timer_init(&all->turn, core->loop, on_turn, all) < 0) {
        free(all);
        err_sys(err, ENOMEM, "services");
        return NULL;
    }
    all->core = core;
    list_init(&all->all);
    if (store_load_guest_services(core->store, load_one, all, err) == 0)
        return all;
    guest_services_free(all);
    return NULL;
}

void guest_services_start(struct guest_services *all)
{
    static const struct vm_events events = {.changed = look_at_vm,
                                            .synced = look_at_vm,
                                            .gone = on_gone,
                                            .removing = on_removing,
                                            .leaving = on_leaving};
    for (struct session_entry *s = NULL; (s = session_next(all->core, s));)
        list_foreach(l, &all->all)
        {
            struct guest_service_entry *e = container_of(l, struct guest_service_entry, link);
            if (strcmp(session_record(s)->service_id, e->row.id) == 0)
                guest_service_set_run(e, s); /* in the end the latest */
        }
    list_foreach(l, &all->all)
        guest_service_look_soon(container_of(l, struct guest_service_entry, link));
    all->listener = (struct vm_listener){.events = &events, .arg = all};
    vm_listen(all->core, &all->listener);
}

void guest_services_free(struct guest_services *all)
{
    if (!all)
        return;
    vm_unlisten(&all->listener);
    list_foreach(l, &all->all)
    {
        struct guest_service_entry *e = container_of(l, struct guest_service_entry, link);
        if (e->starter)
            session_start_leave(e->starter, true);
        e->refs -= e->starter != NULL;
        e->starter = NULL;
        entry_remove(e);
    }
    timer_done(&all->turn);
    free(all);
}

/* What is asked for */

void guest_service_change_drop(struct guest_service_change *c)
{
    c->e->asked = false;
    guest_service_unref(c->e);
    guest_service_done(&c->next);
    free(c);
}

void guest_service_change_end(struct guest_service_change *c, const struct err *err)
{
    struct guest_service_entry *e = c->e;
    e->asked = false;
    if (err && !e->removed && e->stored)
        guest_service_save(e, NULL, NULL); /* what came behind it said otherwise, or nothing */
    c->done(c->arg, err ? NULL : e, err);
    guest_service_change_drop(c);
}

struct guest_service_change *guest_service_change_new(struct guest_service_entry *e,
                                                      guest_service_done_fn *done, void *arg,
                                                      struct err *err)
{
    struct guest_service_change *c = e->asked ? NULL : malloc(sizeof(*c));
    if (!c) {
        err_set(err, ERR_UNAVAILABLE, "service %s is being changed; try again", e->row.name);
        return NULL;
    }
    e->asked = true;
    e->wanted_next = e->row.wanted;
    e->refs++;
    *c = (struct guest_service_change){.e = e, .done = done, .arg = arg};
    return c;
}

void guest_service_emit(const struct guest_service_entry *e, struct store_txn *txn,
                        const char *kind)
{
    char resource[96];
    snprintf(resource, sizeof(resource), "service/%s", e->row.id);
    event_emit(e->of->core, txn, kind, resource, e->row.vm_id, e->row.name, NULL);
}

static void on_created(void *arg, const struct err *err)
{
    struct guest_service_change *c = arg;
    if (err && c->e->of->core->sessions)
        guest_service_forget_request(c->e);
    if (err && !c->e->removed)
        entry_remove(c->e);
    c->e->stored = !err;
    if (!err && !c->e->removed)
        guest_service_look_soon(c->e);
    guest_service_change_end(c, err);
}

static int check_new(struct core *core, const struct vm_entry *vm,
                     const struct guest_service *wanted, struct err *err)
{
    uint32_t n = 0;
    if (!name_is_valid(wanted->name))
        return err_set(err, ERR_INVALID, "\"%s\" is no name: 1-63 of a-z 0-9 -", wanted->name);
    list_foreach(l, &core->guest_services->all)
    {
        const struct guest_service_entry *e = container_of(l, struct guest_service_entry, link);
        if (strcmp(e->row.vm_id, vm_record(vm)->id) != 0)
            continue;
        n++;
        if (strcmp(e->row.name, wanted->name) == 0) {
            err_set(err, ERR_EXISTS, "VM %s has a service named %s", vm_record(vm)->name,
                    wanted->name);
            return err_tag(err, "SERVICE_NAME_TAKEN", "service/%s", e->row.id);
        }
    }
    if (n >= GUEST_SERVICES_PER_VM) {
        err_set(err, ERR_LIMIT, "VM %s has %u services, as many as it may", vm_record(vm)->name, n);
        return err_tag(err, "SERVICE_LIMIT", "vm/%s", vm_record(vm)->id);
    }
    return 0;
}

int guest_service_create(struct core *core, struct vm_entry *vm, const struct guest_service *wanted,
                         const struct request_meta *meta, guest_service_done_fn *done, void *arg,
                         struct err *err)
{
    struct guest_service row;
    if (check_new(core, vm, wanted, err) < 0)
        return -1;
    if (guest_service_copy(&row, wanted) < 0)
        return err_sys(err, ENOMEM, "service");
    id_make(row.id);
    snprintf(row.vm_id, sizeof(row.vm_id), "%s", vm_record(vm)->id);
    row.created_ns = row.updated_ns = clock_real_ns();
    row.course = (struct guest_service_course){0};
    struct guest_service_entry *e = entry_new(core->guest_services, &row);
    struct guest_service_change *c = e ? guest_service_change_new(e, done, arg, err) : NULL;
    if (!c) {
        if (e)
            entry_remove(e);
        else
            err_sys(err, ENOMEM, "service");
        guest_service_done(&row);
        return -1;
    }
    struct store_txn *txn = store_txn_new();
    if (guest_service_keep_request(e, meta, txn, err) < 0) {
        store_txn_free(txn);
        guest_service_change_drop(c);
        entry_remove(e);
        return -1;
    }
    store_put_guest_service(txn, &e->row);
    guest_service_emit(e, txn, "service.created");
    store_propose(core->store, txn, on_created, c);
    return 0;
}

static void on_wanted(void *arg, const struct err *err)
{
    struct guest_service_change *c = arg;
    struct guest_service_entry *e = c->e;
    if (!err && !e->removed) {
        struct guest_service_course *course = &e->row.course;
        e->row.wanted = e->on_disk.wanted = c->wanted;
        course->settled_boot[0] = '\0';
        course->restarts = 0;
        e->on_disk.course = *course;
        timer_stop(&e->wait);
        guest_service_look_soon(e);
    }
    guest_service_change_end(c, err);
}

int guest_service_want(struct guest_service_entry *e, bool wanted, guest_service_done_fn *done,
                       void *arg, struct err *err)
{
    struct guest_service_change *c = guest_service_change_new(e, done, arg, err);
    if (!c)
        return -1;
    struct guest_service as_asked = e->row; /* its blobs are borrowed */
    c->wanted = as_asked.wanted = e->wanted_next = wanted;
    as_asked.course.settled_boot[0] = '\0';
    as_asked.course.restarts = 0;
    as_asked.updated_ns = clock_real_ns();
    struct store_txn *txn = store_txn_new();
    store_put_guest_service(txn, &as_asked);
    guest_service_emit(e, txn, wanted ? "service.started" : "service.stopped");
    store_propose(e->of->core->store, txn, on_wanted, c);
    return 0;
}

static void on_deleted(void *arg, const struct err *err)
{
    struct guest_service_change *c = arg;
    struct guest_service_entry *e = c->e;
    e->going = false;
    if (!err && !e->removed) {
        if (e->run && !session_is_removed(e->run))
            session_stop(e->run, SESSION_STOP_GRACE_MS, NULL);
        entry_remove(e);
    }
    guest_service_change_end(c, err);
}

int guest_service_delete(struct guest_service_entry *e, bool force, guest_service_done_fn *done,
                         void *arg, struct err *err)
{
    enum guest_service_state state = guest_service_state(e);
    bool runs = state == GUEST_SERVICE_STARTING || state == GUEST_SERVICE_RUNNING ||
                state == GUEST_SERVICE_STOPPING;
    if (runs && !force) {
        err_set(err, ERR_PRECONDITION, "service %s runs: stop it first, or force", e->row.name);
        return err_tag(err, "SERVICE_RUNNING", "service/%s", e->row.id);
    }
    struct guest_service_change *c = guest_service_change_new(e, done, arg, err);
    if (!c)
        return -1;
    e->going = true;
    struct store_txn *txn = store_txn_new();
    store_delete_guest_service(txn, e->row.id);
    guest_service_emit(e, txn, "service.deleted");
    store_propose(e->of->core->store, txn, on_deleted, c);
    return 0;
}
