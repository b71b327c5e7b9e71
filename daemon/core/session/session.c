/* Sessions: registry, references, watches; see session.h for the module's other files. */
#include "daemon/core/session/session.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/id.h"
#include "daemon/core/core.h"
#include "daemon/core/reference.h"
#include "daemon/core/access/scope.h"
#include "daemon/core/session/output_internal.h"
#include "daemon/core/session/session_internal.h"
#include "daemon/core/vm/vm.h"
#include "daemon/store/store.h"

/* Telling the news */

static void tell_starters(struct session_entry *e)
{
    const struct session *shown = session_shown(e);
    bool started = shown && !session_is_starting(shown->state) && !session_is_going(e);
    if (list_empty(&e->starters))
        return;
    struct err stalled = ERR_INIT;
    if (!e->removed && !started && (!e->stalled || session_is_starting(e->session.state)))
        return;
    if (!e->removed && !started)
        session_stalled_error(e, &stalled);
    for (struct list *pos; (pos = list_first(&e->starters));) {
        struct session_starter *s = container_of(pos, struct session_starter, link);
        const struct err *why = e->removed ? &s->why : started ? NULL : &stalled;
        list_remove(pos);
        e->answered |= !why;
        session_note_slow(e, "its start", e->session.created_ns);
        s->started(s->arg, why ? NULL : e, why);
        free(s);
    }
    if (!e->removed && !e->answered) /* told to ask again */
        session_await_claim(e);
}

/* A callback may end any watch or attach. */
static void tell_watches(struct session_entry *e)
{
    struct list turn;
    list_turn_begin(&turn, &e->watches);
    for (struct list *pos; (pos = list_turn_next(&turn, &e->watches));) {
        struct session_watch *w = container_of(pos, struct session_watch, link);
        w->changed(w->arg, e);
    }
}

static void tell_attaches(struct session_entry *e)
{
    struct list turn;
    list_turn_begin(&turn, &e->attaches);
    for (struct list *pos; (pos = list_turn_next(&turn, &e->attaches));)
        attach_pump(attach_of_link(pos));
}

static void on_turn(void *arg)
{
    struct session_registry *r = arg;
    for (struct list *pos; (pos = list_first(&r->dirty));) {
        struct session_entry *e = container_of(pos, struct session_entry, dirty);
        list_remove(pos);
        bool last = e->removed && !e->told_removed;
        e->told_removed |= last;
        session_ref(e);
        tell_starters(e);
        tell_watches(e);
        tell_attaches(e);
        session_unref(e);
        if (last)
            session_unref(e); /* the registry's */
    }
}

static void on_write(void *arg)
{
    session_write_now(arg);
}

void session_touch(struct session_entry *e)
{
    struct session_registry *r = e->core->sessions;
    if (!list_empty(&e->dirty))
        return;
    bool idle = list_empty(&r->dirty);
    list_add_tail(&r->dirty, &e->dirty);
    if (idle)
        timer_start(&r->turn, 0);
}

void session_watch(struct session_entry *e, struct session_watch *w,
                   void (*changed)(void *arg, struct session_entry *e), void *arg)
{
    *w = (struct session_watch){.session = session_ref(e), .changed = changed, .arg = arg};
    list_init(&w->link);
    list_add_tail(&e->watches, &w->link);
}

void session_unwatch(struct session_watch *w)
{
    if (!w->session)
        return;
    list_remove(&w->link);
    session_unref(take_ptr(&w->session));
}

/* Entries */

struct session_vm *session_vm_find(struct core *core, const char *vm_id)
{
    return map_find(&core->sessions->vms, vm_id);
}

uint32_t session_vm_live(struct core *core, const char *vm_id)
{
    const struct session_vm *v = core->sessions ? session_vm_find(core, vm_id) : NULL;
    return v ? v->n_live : 0;
}

struct session_vm *session_vm_get(struct core *core, const char *vm_id)
{
    struct session_vm *v = session_vm_find(core, vm_id);
    if (v)
        return v;
    v = calloc(1, sizeof(*v));
    if (!v)
        return NULL;
    snprintf(v->vm_id, sizeof(v->vm_id), "%s", vm_id);
    list_init(&v->sessions);
    list_init(&v->deletions);
    map_init(&v->by_name);
    if (map_put(&core->sessions->vms, v->vm_id, v) < 0) {
        free(v);
        return NULL;
    }
    return v;
}

struct session_entry *session_ref(struct session_entry *e)
{
    e->refs++;
    return e;
}

void session_unref(struct session_entry *e)
{
    if (!e || --e->refs > 0)
        return;
    timer_done(&e->grace);
    timer_done(&e->patience);
    timer_done(&e->unwatched);
    timer_done(&e->retention);
    list_remove(&e->dirty);
    session_stdin_done(e);
    free(e->shown);
    session_done(&e->session);
    free(e);
}

struct session_entry *session_add(struct core *core, struct session *record, struct session_vm *of)
{
    struct session_registry *r = core->sessions;
    struct session_entry *e = calloc(1, sizeof(*e));
    if (!e)
        return NULL;
    e->core = core;
    e->session = *record;
    e->refs = 1;
    list_init(&e->dirty);
    list_init(&e->unsaved);
    list_init(&e->unwritten);
    list_init(&e->starters);
    list_init(&e->watches);
    list_init(&e->attaches);
    bool named = e->session.name[0] != '\0';
    if (map_put(&r->by_id, e->session.id, e) < 0 ||
        (named && map_put(&of->by_name, e->session.name, e) < 0) ||
        order_add(&r->order, e->session.created_ns, e->session.id, e) < 0) {
        if (named && map_find(&of->by_name, e->session.name) == e)
            map_take(&of->by_name, e->session.name);
        map_take(&r->by_id, e->session.id);
        free(e);
        return NULL;
    }
    session_stdin_init(e);
    e->of = of;
    list_add_tail(&r->all, &e->link);
    list_add_tail(&of->sessions, &e->vm_link);
    of->n++;
    if (session_is_live(e))
        of->n_live++;
    memset(record, 0, sizeof(*record));
    return e;
}

void session_remove(struct session_entry *e, const struct err *why)
{
    struct session_registry *r = e->core->sessions;
    struct session_vm *of = e->of;
    map_take(&r->by_id, e->session.id);
    if (e->session.name[0])
        map_take(&of->by_name, e->session.name);
    order_remove(&r->order, e->session.created_ns, e->session.id);
    list_remove(&e->link);
    list_remove(&e->vm_link);
    list_remove(&e->unsaved);
    list_remove(&e->unwritten);
    of->n--;
    if (session_is_live(e))
        of->n_live--;
    e->of = NULL;
    e->removed = true;
    timer_done(&e->grace);
    timer_done(&e->patience);
    timer_done(&e->unwatched);
    timer_done(&e->retention);
    session_stdin_close(e);
    list_foreach(pos, &e->starters) container_of(pos, struct session_starter, link)->why = *why;
    session_touch(e); /* the news holds the registry's reference from here on */
}

/* Registry */

static int load_one(void *arg, const struct session *s)
{
    struct session_registry *r = arg;
    struct session copy;
    struct session_vm *of = session_vm_get(r->core, s->vm_id);
    if (!of || session_copy(&copy, s) < 0)
        return -1;
    struct session_entry *e = session_add(r->core, &copy, of);
    if (!e) {
        session_done(&copy);
        return -1;
    }
    e->stored = true;
    e->generation = e->session.writer_generation;
    e->unclaimed = e->session.state == SESSION_PENDING;
    e->answered = !e->unclaimed;
    return 0;
}

/* A crash may have come between the end of a VM and that of its sessions. */
static void lose_orphans(struct session_registry *r)
{
    for (struct session_entry *e = NULL; (e = session_next(r->core, e));) {
        const struct vm_entry *vm = vm_find_id(r->core, e->session.vm_id);
        enum vm_state state = vm ? vm_record(vm)->runtime.state : VM_STOPPED;
        bool gone = state == VM_STOPPED || state == VM_FAILED;
        if (session_is_live(e) && gone)
            session_set_lost(e, "vm_lost");
        else if (e->unclaimed)
            session_await_claim(e);
        session_retain(e);
        if (e->session.forget && gone)
            session_delete_row(e, true, NULL, NULL, NULL);
    }
}

struct session_registry *session_registry_new(struct core *core, struct err *err)
{
    struct session_registry *r = calloc(1, sizeof(*r));
    if (!r || timer_init(&r->turn, core->loop, on_turn, r) < 0 ||
        timer_init(&r->write, core->loop, on_write, r) < 0 ||
        timer_init(&r->stall, core->loop, session_look_for_stalled, r) < 0) {
        if (r) {
            timer_done(&r->turn);
            timer_done(&r->write);
        }
        free(r);
        err_sys(err, ENOMEM, "sessions");
        return NULL;
    }
    r->core = core;
    list_init(&r->all);
    list_init(&r->dirty);
    list_init(&r->unsaved);
    list_init(&r->events);
    list_init(&r->unwritten);
    list_init(&r->ended_sends);
    list_init(&r->request_order);
    map_init(&r->by_id);
    order_init(&r->order);
    map_init(&r->vms);
    map_init(&r->requests);
    map_init(&r->deletions);
    map_init(&r->tools.by_id);
    list_init(&r->confirmed);
    core->sessions = r;
    if (store_load_sessions(core->store, load_one, r, err) < 0 ||
        session_deletions_load(r, err) < 0 || session_requests_load(r, err) < 0) {
        session_registry_free(r);
        core->sessions = NULL;
        return NULL;
    }
    lose_orphans(r);
    r->vm_listener = (struct vm_listener){.events = &session_vm_events, .arg = core};
    vm_listen(core, &r->vm_listener);
    r->tools.listener = (struct vm_listener){.events = &guest_tool_vm_events, .arg = core};
    vm_listen(core, &r->tools.listener); /* behind the sessions: they know whether it is synced */
    return r;
}

void session_registry_free(struct session_registry *r)
{
    if (!r)
        return;
    session_write_now(r);
    struct err why = ERR_INIT;
    err_set(&why, ERR_CANCELLED, "the daemon is ending");
    for (struct list *pos; (pos = list_first(&r->all));)
        session_remove(container_of(pos, struct session_entry, link), &why);
    on_turn(r);
    session_stdin_report_all(r);
    session_drop_events(r);
    timer_done(&r->turn);
    timer_done(&r->write);
    timer_done(&r->stall);
    session_deletions_free(r);
    struct session_vm *v;
    for (size_t at = 0; (v = map_next(&r->vms, &at));) {
        output_save_end(v);
        map_done(&v->by_name);
        free(v);
    }
    map_done(&r->vms);
    map_done(&r->by_id);
    map_done(&r->tools.by_id);
    order_done(&r->order);
    session_requests_free(r);
    free(r);
}

/* References */

struct session_entry *session_find_id(struct core *core, const char *id)
{
    return map_find(&core->sessions->by_id, id);
}

size_t session_order_after(const struct core *core, int64_t created_ns, const char *id)
{
    return order_after(&core->sessions->order, created_ns, id);
}

struct session_entry *session_at(const struct core *core, size_t index)
{
    return order_at(&core->sessions->order, index);
}

struct session_entry *session_next(struct core *core, const struct session_entry *after)
{
    struct list *all = &core->sessions->all;
    struct list *next = after ? after->link.next : all->next;
    return next == all ? NULL : container_of(next, struct session_entry, link);
}

/* On disk, of that VM (NULL: of any), and in scope. */
static bool is_meant(const struct session_entry *e, const struct labels *scope,
                     const struct vm_entry *vm)
{
    const char *vm_id = e->session.vm_id;
    const struct vm_entry *of = !vm && scope ? vm_find_id(e->core, vm_id) : vm;
    return e->stored && (!vm || strcmp(vm_id, vm_record(vm)->id) == 0) &&
           (!scope || (of && scope_has_vm(scope, vm_record(of))));
}

struct session_entry *session_find(struct core *core, const struct vm_entry *vm, const char *ref,
                                   struct err *err)
{
    return session_find_within(core, NULL, vm, ref, err);
}

static void session_offer(struct reference *r, const struct labels *scope,
                          const struct vm_entry *vm, struct session_entry *e)
{
    if (e && is_meant(e, scope, vm))
        reference_offer(r, e, e->session.id, e->session.name, NULL);
}

struct session_entry *session_find_within(struct core *core, const struct labels *scope,
                                          const struct vm_entry *vm, const char *ref,
                                          struct err *err)
{
    char where[NAME_BYTES + sizeof(" in VM ")];
    snprintf(where, sizeof(where), " in VM %s", vm ? vm_record(vm)->name : "");
    struct reference r = {.ref = ref,
                          .what = "session",
                          .kind = "session",
                          .not_found = "SESSION_NOT_FOUND",
                          .hint = vm ? where : NULL};
    session_offer(&r, scope, vm, session_find_id(core, ref));
    struct session_vm *v;
    for (size_t at = 0; r.best != REFERENCE_ID && (v = map_next(&core->sessions->vms, &at));)
        session_offer(&r, scope, vm, map_find(&v->by_name, ref));
    bool walk = r.n == 0 && id_is_prefix(ref);
    for (struct session_entry *e = NULL; walk && (e = session_next(core, e));)
        session_offer(&r, scope, vm, e);
    return reference_end(&r, err);
}
