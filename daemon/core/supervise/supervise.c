/* Who is supervised; see supervise.h. */
#include "daemon/core/supervise/supervise.h"

#include <stdlib.h>

#include "base/err.h"
#include "base/log.h"
#include "daemon/core/core.h"
#include "daemon/core/event/event.h"
#include "daemon/core/host/host_settings.h"
#include "daemon/core/supervise/guest_service.h"
#include "daemon/core/supervise/supervise_internal.h"
#include "daemon/store/store.h"

void supervise_emit(struct core *core, const struct vm_entry *e, const char *kind,
                    const char *detail, const struct operation_entry *op)
{
    char resource[96];
    vm_resource(e, resource);
    event_emit(core, NULL, kind, resource, vm_record(e)->id, detail,
               op ? operation_row(op)->id : NULL);
}

void supervise_written(void *arg, const struct err *err)
{
    (void)arg;
    if (err)
        log_err(LOG_LEVEL_ERROR, "supervise", err, "cannot write what was decided");
}

static bool supervise_is_wanted(const struct vm_entry *e)
{
    const struct vm_spec *spec = &vm_record(e)->spec;
    return !vm_is_removed(e) &&
           (vm_record(e)->expires_ns > 0 || spec->idle_stop_after_ms > 0 || spec->lease_ms > 0 ||
            spec->restart > RESTART_NEVER || spec->ephemeral || spec->autostart ||
            vm_reboot(e) == VM_REBOOT_OWED);
}

static void supervised_free(struct supervised *s)
{
    struct vm_entry *e = s->vm;
    idle_close(s);
    lease_close(s);
    restart_close(s);
    list_remove(&s->link);
    list_remove(&s->autostart_link);
    vm_set_slot(e, VM_SLOT_SUPERVISE, NULL);
    free(s);
    vm_unref(e);
}

static struct supervised *supervised_new(struct supervise *of, struct vm_entry *e)
{
    struct supervised *s = calloc(1, sizeof(*s));
    if (!s)
        return NULL;
    s->of = of;
    s->vm = vm_ref(e);
    list_init(&s->autostart_link);
    list_add_tail(&of->all, &s->link);
    vm_set_slot(e, VM_SLOT_SUPERVISE, s);
    if (idle_open(s) == 0 && lease_open(s) == 0 && restart_open(s) == 0)
        return s;
    supervised_free(s);
    return NULL;
}

static void supervise_changed(void *arg, struct vm_entry *e)
{
    struct supervise *of = arg;
    struct supervised *s = vm_slot(e, VM_SLOT_SUPERVISE);
    if (!supervise_is_wanted(e)) {
        if (s)
            supervised_free(s);
        return;
    }
    if (!s && !(s = supervised_new(of, e))) {
        log_error(vm_record(e)->id, "out of memory: its policies are not followed");
        return;
    }
    ephemeral_changed(s);
    expiry_changed(s);
    idle_changed(s);
    lease_changed(s);
    restart_changed(s);
    autostart_owe(s);
}

/* The store writes again: what was refused is asked for now. */
static void supervise_store_changed(void *arg)
{
    struct supervise *of = arg;
    if (store_health(of->core->store)->state != STORE_WRITABLE)
        return;
    list_foreach(l, &of->all)
    {
        struct supervised *s = container_of(l, struct supervised, link);
        s->delete_tried = false;
        vm_notify(s->vm);
    }
    timer_start(&of->autostart_timer, 0);
}

/* What ran when the host went down is started by autostart or not at all. In the row that says
 * which boot this is, so that it is done once. */
static void supervise_begin_boot(struct core *core)
{
    struct store_txn *txn = store_txn_new();
    for (struct vm_entry *e = NULL; core->rebooted && (e = vm_next(core, e));) {
        enum vm_state state = vm_record(e)->runtime.state;
        if (vm_record(e)->wanted == VM_WANTED_STOPPED || vm_record(e)->spec.autostart ||
            (state != VM_STOPPED && state != VM_FAILED))
            continue;
        vm_edit(e)->wanted = VM_WANTED_STOPPED;
        vm_save(e, txn);
    }
    host_settings_put_boot(core, txn);
    store_commit(core->store, txn, supervise_written, NULL);
}

void supervise_start(struct core *core)
{
    guest_services_start(core->guest_services);
    struct supervise *of = calloc(1, sizeof(*of));
    if (of) {
        of->core = core;
        list_init(&of->all);
        list_init(&of->autostarts);
    }
    if (!of || expiry_open(of) < 0 || autostart_open(of) < 0) {
        log_error(NULL, "out of memory: no VM is supervised");
        free(of);
        return;
    }
    core->supervise = of;
    supervise_begin_boot(core);
    for (struct vm_entry *e = NULL; (e = vm_next(core, e));) {
        struct supervised *s = supervise_is_wanted(e) ? supervised_new(of, e) : NULL;
        if (s)
            autostart_add(s);
    }
    static const struct vm_events events = {.changed = supervise_changed};
    of->listener = (struct vm_listener){.events = &events, .arg = of};
    vm_listen(core, &of->listener);
    store_state_watch(core, &of->store_watch, supervise_store_changed, of);
    autostart_next(of);
}

void supervise_stop(struct core *core)
{
    struct supervise *of = core->supervise;
    if (!of)
        return;
    core->supervise = NULL;
    store_state_unwatch(&of->store_watch);
    vm_unlisten(&of->listener);
    list_foreach(l, &of->all) supervised_free(container_of(l, struct supervised, link));
    autostart_close(of);
    timer_done(&of->expiry_timer);
    free(of);
}
