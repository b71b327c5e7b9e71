/* Autostart: what is wanted and does not run is started with the daemon, a few VMs at a time, in
 * order of creation. A host that takes nothing now is asked again. */
#include <stdio.h>

#include "base/err.h"
#include "base/log.h"
#include "daemon/core/core.h"
#include "daemon/core/host_settings.h"
#include "daemon/core/supervise_internal.h"
#include "daemon/core/vm_ops.h"

enum { AUTOSTART_AGAIN_MS = 10000 };

bool autostart_waits(const struct supervised *s)
{
    return !list_empty(&s->autostart_link);
}

void autostart_add(struct supervised *s)
{
    enum vm_state state = s->vm->vm.runtime.state;
    if (s->vm->vm.spec.autostart && s->vm->vm.wanted == VM_WANTED_RUNNING &&
        (state == VM_STOPPED || state == VM_FAILED) && !s->vm->rebooting)
        list_add_tail(&s->of->autostarts, &s->autostart_link);
}

static void autostart_changed(void *arg, struct operation_entry *op)
{
    struct autostart *a = arg;
    if (!op->over)
        return;
    operation_unwatch(&a->watch);
    autostart_next(a->of);
}

static struct autostart *autostart_free_place(struct supervise *of)
{
    for (int i = 0; i < AUTOSTARTS_AT_ONCE; i++)
        if (!of->autostart_places[i].watch.op)
            return &of->autostart_places[i];
    return NULL;
}

/* What has become of it meanwhile is somebody else's doing, and stays. */
static void autostart_begin(struct supervised *s, struct autostart *place)
{
    struct vm_entry *e = s->vm;
    struct err err = ERR_INIT;
    char resource[96];
    vm_resource(e, resource);
    if (e->removed || e->vm.wanted != VM_WANTED_RUNNING ||
        operation_pending(e->core, resource, NULL))
        return;
    struct operation_entry *op =
        vm_start_start(e->core, &(struct vm_start_request){.vm = e->vm.id}, NULL, &err);
    if (!op) {
        log_err(LOG_LEVEL_ERROR, resource, &err, "cannot start it with the daemon");
        return;
    }
    supervise_emit(e->core, e, "vm.autostart", "it is started with the daemon", op);
    operation_watch(op, &place->watch, autostart_changed, place);
}

void autostart_next(struct supervise *of)
{
    struct autostart *place;
    while (!list_empty(&of->autostarts) && !of->core->closing &&
           (place = autostart_free_place(of))) {
        if (host_check_admits(of->core, NULL) < 0) {
            timer_start(&of->autostart_timer, AUTOSTART_AGAIN_MS);
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
    for (int i = 0; i < AUTOSTARTS_AT_ONCE; i++)
        operation_unwatch(&of->autostart_places[i].watch);
    timer_done(&of->autostart_timer);
}
