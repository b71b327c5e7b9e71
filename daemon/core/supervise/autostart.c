/* Autostart: what is wanted and does not run is started with the daemon, a few VMs at a time, in
 * order of creation; and so is a VM whose guest asked for a reset, where its start was refused.
 *
 * A start that was refused is not used up: it waits for its turn again, and is asked for when the
 * store writes again, or after a while. One that had begun and failed is the restart policy's,
 * which knows how to wait. */
#include <stdio.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "daemon/core/core.h"
#include "daemon/core/host/host_settings.h"
#include "daemon/core/supervise/supervise_internal.h"
#include "daemon/core/vm/vm_ops.h"
#include "daemon/store/store.h"

enum { AUTOSTART_AGAIN_MS = 10000 };

bool autostart_waits(const struct supervised *s)
{
    return !list_empty(&s->autostart_link);
}

static bool autostart_is_due(const struct vm_entry *e)
{
    enum vm_state state = vm_record(e)->runtime.state;
    enum vm_reboot reboot = vm_reboot(e);
    bool meant = reboot ? reboot == VM_REBOOT_OWED : vm_record(e)->spec.autostart;
    return meant && !vm_is_removed(e) && vm_record(e)->wanted == VM_WANTED_RUNNING &&
           (state == VM_STOPPED || state == VM_FAILED);
}

void autostart_add(struct supervised *s)
{
    if (autostart_is_due(s->vm))
        list_add_tail(&s->of->autostarts, &s->autostart_link);
}

static void autostart_later(struct supervise *of)
{
    if (!timer_pending(&of->autostart_timer))
        timer_start(&of->autostart_timer, AUTOSTART_AGAIN_MS);
}

void autostart_owe(struct supervised *s)
{
    if (vm_reboot(s->vm) != VM_REBOOT_OWED || autostart_waits(s))
        return;
    autostart_add(s);
    autostart_later(s->of);
}

/* It was begun before those that wait, and goes before them again. */
static void autostart_put_back(struct supervise *of, struct vm_entry *e)
{
    struct supervised *s = vm_slot(e, VM_SLOT_SUPERVISE);
    if (s && !autostart_waits(s) && autostart_is_due(e)) {
        list_add_tail(of->autostarts.next, &s->autostart_link);
        vm_notify(e); /* its restart policy waits for this */
    }
    autostart_later(of);
}

static void autostart_changed(void *arg, struct operation_entry *op)
{
    struct autostart *a = arg;
    if (!operation_is_over(op))
        return;
    bool refused = operation_row(op)->state == OP_FAILED && !operation_has_begun(op) &&
                   err_retryable(operation_error(op));
    struct vm_entry *e = take_ptr(&a->vm);
    operation_unwatch(&a->watch);
    if (refused)
        autostart_put_back(a->of, e);
    else
        autostart_next(a->of);
    vm_unref(e);
}

static struct autostart *autostart_free_place(struct supervise *of)
{
    for (int i = 0; i < AUTOSTARTS_AT_ONCE; i++)
        if (!of->autostart_places[i].watch.op)
            return &of->autostart_places[i];
    return NULL;
}

/* It lacks room, memory, or the like: others may not, and have their turn first. */
static void autostart_refused(struct supervised *s, const struct err *err)
{
    struct vm_entry *e = s->vm;
    log_err(LOG_LEVEL_ERROR, vm_record(e)->id, err, "it is wanted, and cannot be started now");
    autostart_add(s);
    autostart_later(s->of);
}

/* What has become of it meanwhile is somebody else's doing, and stays; what is about to become of
 * it is waited for. */
static void autostart_begin(struct supervised *s, struct autostart *place)
{
    struct vm_entry *e = s->vm;
    struct err err = ERR_INIT;
    char resource[96];
    vm_resource(e, resource);
    if (!autostart_is_due(e))
        return;
    if (operation_pending(vm_core(e), resource, NULL)) {
        autostart_add(s);
        autostart_later(s->of);
        return;
    }
    enum vm_reboot reboot = vm_reboot(e);
    struct operation_entry *op =
        vm_ask_start(vm_core(e), &(struct vm_start_request){.vm = vm_record(e)->id}, NULL, &err);
    if (!op) {
        autostart_refused(s, &err);
        return;
    }
    if (reboot == VM_REBOOT_OWED)
        vm_set_reboot(e, VM_REBOOT_BEGUN);
    else
        supervise_emit(vm_core(e), e, "vm.autostart", "it is started with the daemon", op);
    place->vm = vm_ref(e);
    operation_watch(op, &place->watch, autostart_changed, place);
}

/* Each that waits is asked for once. */
void autostart_next(struct supervise *of)
{
    struct autostart *place;
    size_t n = 0;
    list_foreach(l, &of->autostarts)
    {
        n++;
    }
    while (n-- > 0 && !of->core->closing && (place = autostart_free_place(of))) {
        if (host_check_admits(of->core, NULL) < 0 ||
            store_check_writable(of->core->store, NULL) < 0) {
            autostart_later(of);
            return;
        }
        struct supervised *s =
            container_of(list_first(&of->autostarts), struct supervised, autostart_link);
        list_remove(&s->autostart_link);
        autostart_begin(s, place);
        vm_notify(s->vm); /* its restart policy may have waited for this */
    }
}

static void autostart_again(void *arg)
{
    autostart_next(arg);
}

int autostart_open(struct supervise *of)
{
    list_init(&of->autostarts);
    for (int i = 0; i < AUTOSTARTS_AT_ONCE; i++)
        of->autostart_places[i].of = of;
    return timer_init(&of->autostart_timer, of->core->loop, autostart_again, of);
}

void autostart_close(struct supervise *of)
{
    for (int i = 0; i < AUTOSTARTS_AT_ONCE; i++) {
        struct autostart *a = &of->autostart_places[i];
        if (a->watch.op)
            vm_unref(take_ptr(&a->vm));
        operation_unwatch(&a->watch);
    }
    timer_done(&of->autostart_timer);
}
