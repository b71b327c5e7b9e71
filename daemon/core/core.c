/* The core as a whole: made, drained, closed. */
#include "daemon/core/core.h"

#include <stdlib.h>
#include <stdio.h>

#include "base/err.h"
#include "base/fs.h"
#include "daemon/core/access/access.h"
#include "daemon/core/access/audit.h"
#include "daemon/core/event/event.h"
#include "daemon/core/host/host_settings.h"
#include "daemon/core/image/image.h"
#include "daemon/core/image/image_import.h"
#include "daemon/core/memory.h"
#include "daemon/core/names/names.h"
#include "daemon/core/operation/operation.h"
#include "daemon/core/operation/request_past.h"
#include "daemon/core/publish/publish.h"
#include "daemon/core/record.h"
#include "daemon/core/supervise/guest_service.h"
#include "daemon/core/supervise/garbage.h"
#include "daemon/core/supervise/recover.h"
#include "daemon/core/access/scope.h"
#include "daemon/core/session/session.h"
#include "daemon/core/host/store_state.h"
#include "daemon/core/supervise/supervise.h"
#include "daemon/core/vm/vm.h"
#include "daemon/core/vm/vm_hook.h"
#include "daemon/core/vm/vm_objects.h"
#include "daemon/core/vm/vm_ops.h"
#include "daemon/core/vm/vm_storage.h"
#include "daemon/store/store.h"
#include "rpc/event/loop.h"

static const struct vm *core_find_vm(const struct core *core, const char *vm_id)
{
    const struct vm_entry *e = vm_find_id((struct core *)core, vm_id);
    return e ? vm_record(e) : NULL;
}

int core_open(struct core *core, struct err *err)
{
    char vms[PATH_BYTES + 8];
    snprintf(vms, sizeof(vms), "%s/vms", core->config.state_dir);
    if (core->config.state_dir[0] != '/')
        return err_set(err, ERR_INVALID, "the state folder must be an absolute path");
    if (fs_make_dirs(vms, 0700, err) < 0)
        return -1;
    core->operations = NULL;
    core->sessions = NULL;
    core->guest_services = NULL;
    core->publish = NULL;
    core->names = NULL;
    core->request_past = NULL;
    core->supervise = NULL;
    store_hold(core->store);
    if (host_settings_load(core, err) < 0) {
        store_release(core->store);
        return -1;
    }
    core->memory = memory_new(core);
    core->events = event_hub_new(core, err);
    core->scope_memory = core->events ? scope_memory_new(core_find_vm, err) : NULL;
    core->access = core->scope_memory ? access_new(core, err) : NULL;
    core->audit = core->access ? audit_new(core, err) : NULL;
    core->records = core->audit ? record_keeper_new(core, err) : NULL;
    core->request_past = core->records ? request_past_new(core, err) : NULL;
    core->images = core->request_past ? image_registry_new(core, err) : NULL;
    vm_storage_probe(core);
    core->vms = core->images ? vm_registry_new(core, err) : NULL;
    core->recover = core->vms ? recover_new(core, err) : NULL;
    core->garbage = core->recover ? garbage_new(core, err) : NULL;
    struct session_registry *sessions = core->garbage ? session_registry_new(core, err) : NULL;
    core->sessions = sessions;
    if (sessions)
        vm_hooks_run_by(core, &session_hook_runner);
    core->names = sessions ? names_new(core, err) : NULL;
    core->publish = core->names ? publish_room_new(core, err) : NULL;
    core->guest_services = core->publish ? guest_services_new(core, err) : NULL;
    if (core->guest_services)
        core->operations = operation_engine_new(core, core_operation_kinds, err);
    if (core->operations && vm_updates_load(core, err) == 0 &&
        store_newest_time(core->store, &core->known_ns, err) == 0) {
        list_init(&core->guest_calls);
        store_state_open(core);
        store_release(core->store);
        return 0;
    }
    core_close(core);
    store_release(core->store);
    return -1;
}

void core_close(struct core *core)
{
    supervise_stop(core);
    guest_services_free(core->guest_services);
    core->guest_services = NULL;
    publish_room_free(core->publish);
    core->publish = NULL;
    names_free(core->names);
    core->names = NULL;
    struct operation_engine *operations = core->operations;
    core->operations = NULL; /* commits that come back find nothing to go on with */
    operation_engine_free(operations);
    vm_registry_free(core->vms);
    core->vms = NULL;
    session_registry_free(core->sessions);
    core->sessions = NULL;
    image_registry_free(core->images);
    core->images = NULL;
    garbage_free(core->garbage);
    core->garbage = NULL;
    recover_free(core->recover);
    core->recover = NULL;
    record_keeper_free(core->records);
    core->records = NULL;
    struct audit *audit = core->audit;
    core->audit = NULL; /* as above */
    audit_free(audit);
    access_free(core->access);
    core->access = NULL;
    scope_memory_free(core->scope_memory);
    core->scope_memory = NULL;
    event_hub_free(core->events);
    core->events = NULL;
    request_past_free(core->request_past);
    core->request_past = NULL;
    memory_free(core->memory);
    core->memory = NULL;
}

struct core_drain {
    struct core *core;
    struct timer deadline;
    struct operation_watch watch;
    void (*done)(void *arg);
    void *arg;
};

static void core_drain_end(void *arg)
{
    struct core_drain *d = arg;
    timer_done(&d->deadline);
    operation_unwatch(&d->watch);
    d->done(d->arg);
    free(d);
}

static void core_drain_on(struct core_drain *d);

static void core_drain_changed(void *arg, struct operation_entry *op)
{
    struct core_drain *d = arg;
    if (!operation_is_over(op))
        return;
    operation_unwatch(&d->watch);
    core_drain_on(d);
}

/* What works for minutes on our own workers and children, and what the next daemon would not go on
 * with. */
static bool core_must_end(const struct operation_entry *op)
{
    const struct operation_kind *kind = operation_kind_of(op);
    return kind->ends_with_daemon || kind->after_crash == OPERATION_GO_BACK;
}

static void core_drain_on(struct core_drain *d)
{
    for (struct operation_entry *op = NULL; (op = operation_next(d->core, op));) {
        if (operation_is_over(op) || !core_must_end(op))
            continue;
        operation_watch(op, &d->watch, core_drain_changed, d);
        operation_cancel(op);
        return;
    }
    timer_start(&d->deadline, 0);
}

void core_drain(struct core *core, int64_t deadline_ms, void (*done)(void *arg), void *arg)
{
    core->closing = true;
    names_drain(core->names);
    struct core_drain *d = calloc(1, sizeof(*d));
    if (!d || timer_init(&d->deadline, core->loop, core_drain_end, d) < 0) {
        free(d);
        loop_post(core->loop, done, arg);
        return;
    }
    d->core = core;
    d->done = done;
    d->arg = arg;
    timer_start(&d->deadline, deadline_ms);
    vm_objects_drain(core);
    core_drain_on(d);
}
