/* What users ask of VMs: checks, then an operation; see vm_ops.h. */
#include "daemon/core/vm/vm_ops.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "daemon/core/core.h"
#include "daemon/core/event/event.h"
#include "daemon/core/host/host_settings.h"
#include "daemon/core/image/image.h"
#include "daemon/core/image/image_import.h"
#include "daemon/core/host/room.h"
#include "daemon/core/access/scope.h"
#include "daemon/core/vm/vm_egress.h"
#include "daemon/core/vm/vm_internal.h"
#include "daemon/core/vm/vm_run.h"
#include "daemon/core/vm/vm_capacity.h"
#include "daemon/core/vm/vm_spec.h"

/* What the first start of a VM writes: an overlay's head, its sockets, its logs. What its guest
 * writes later is the guest's business, and finds the reserve beyond it (room.h). */
enum { VM_ROOM_BYTES = 16 << 20 };

const struct operation_kind *const core_operation_kinds[] = {
    &vm_create_kind,   &vm_start_kind,     &vm_restart_kind,    &vm_stop_kind,
    &vm_kill_kind,     &vm_pause_kind,     &vm_resume_kind,     &vm_recover_kind,
    &vm_delete_kind,   &vm_update_kind,    &vm_prune_kind,      &image_build_kind,
    &kernel_pull_kind, &image_import_kind, &kernel_import_kind, NULL,
};

static uint64_t vm_room(struct core *core, const struct vm_spec *spec)
{
    const struct image *image =
        spec->storage == STORAGE_COPY ? image_find_id(core, spec->image_id) : NULL;
    return VM_ROOM_BYTES + (image ? image->file_bytes : 0);
}

/* vm.create */

int vm_create_check(struct core *core, const struct vm_create_request *req, struct vm *vm,
                    struct err *err)
{
    struct vm made = {.spec = req->spec, .generation = 1, .runtime.state = VM_PENDING};
    const char *name = req->name ? req->name : "";
    if (host_check_admits(core, err) < 0 || (*name && vm_name_check(name, err) < 0) ||
        (req->labels && labels_check(req->labels, err) < 0) ||
        scope_check_labels(req->scope, req->labels, err) < 0 ||
        vm_spec_check(core, &made.spec, req->kernel, err) < 0 ||
        vm_capacity_check(core, req->start ? vm_memory_promised(core, &made.spec) : 0, true, err) <
            0 ||
        core_check_room(core, vm_room(core, &made.spec), err) < 0)
        return -1;
    if (*name)
        snprintf(made.name, sizeof(made.name), "%s", name);
    else
        vm_name_make(core, made.name);
    if (vm_name_check_free(core, req->scope, made.name, err) < 0)
        return -1;
    if (!vm)
        return 0;
    /* What it owns is borrowed of the request until here. */
    if (vm_copy(vm, &made) < 0)
        return err_set(err, ERR_LIMIT, "out of memory for a VM");
    if (vm_egress_settle(&vm->spec, err) == 0 &&
        (!req->labels || label_list_set(&vm->labels, req->labels) == 0))
        return 0;
    vm_done(vm);
    return err_set(err, ERR_LIMIT, "out of memory for a VM");
}

struct operation_entry *vm_ask_create(struct core *core, const struct vm_create_request *req,
                                      const struct request_meta *meta, struct err *err)
{
    struct operation_entry *found;
    if (operation_find_request(core, meta, vm_create_kind.name, &found, err) < 0 || found)
        return found;
    struct vm vm;
    if (vm_create_check(core, req, &vm, err) < 0)
        return NULL;
    id_make(vm.id);
    vm.created_ns = clock_real_ns();
    vm_spec_set_expiry(&vm, vm.created_ns);
    if (vm.spec.lease_ms > 0 && meta)
        snprintf(vm.lease_holder, sizeof(vm.lease_holder), "%s", meta->principal);
    struct vm_entry *e = vm_paths_make(core, &vm, err) < 0 ? NULL : vm_add(core, &vm, err);
    vm_done(&vm);
    if (!e)
        return NULL;
    char resource[96], params[128];
    vm_resource(e, resource);
    vm_params_write(&(struct vm_params){.start = req->start}, params);
    struct operation_new what = {
        .kind = &vm_create_kind, .resource = resource, .params = params, .meta = meta};
    struct operation_entry *op = operation_start(core, &what, err);
    if (!op)
        vm_withdraw(e);
    return op;
}

/* The others: one VM, maybe parameters */

struct vm_ask {
    const struct operation_kind *kind;
    const char *ref;
    const struct vm_params *params; /* NULL: none */
    bool starts, preempts;
    /* States in which it is refused at once, unless something else is under way: bits. */
    unsigned refused;
    const char *wanted;
};

static struct operation_entry *vm_ask(struct core *core, const struct vm_ask *ask,
                                      const struct request_meta *meta, struct err *err)
{
    struct operation_entry *found;
    if (operation_find_request(core, meta, ask->kind->name, &found, err) < 0 || found)
        return found;
    struct vm_entry *e = vm_find_within(core, meta ? meta->scope : NULL, ask->ref, err);
    if (!e || (ask->starts && host_check_admits(core, err) < 0))
        return NULL;
    enum vm_state state = e->vm.runtime.state;
    char resource[96], params[128];
    vm_resource(e, resource);
    if (!operation_pending(core, resource, NULL) && (ask->refused & (1u << state))) {
        err_set(err, ERR_PRECONDITION, "VM %s is %s; it must be %s", e->vm.name,
                vm_state_name(state), ask->wanted);
        err_tag(err, "VM_WRONG_STATE", "%s", resource);
        return NULL;
    }
    if (ask->starts && !vm_state_is_active(state) &&
        (vm_capacity_check(core, vm_memory_promised(core, &e->vm.spec), false, err) < 0 ||
         core_check_room(core, VM_ROOM_BYTES, err) < 0))
        return NULL;
    if (ask->params)
        vm_params_write(ask->params, params);
    struct operation_new what = {.kind = ask->kind,
                                 .resource = resource,
                                 .params = ask->params ? params : NULL,
                                 .meta = meta,
                                 .preempt = ask->preempts};
    return operation_start(core, &what, err);
}

#define IN(state) (1u << (state))

struct operation_entry *vm_ask_start(struct core *core, const struct vm_start_request *req,
                                     const struct request_meta *meta, struct err *err)
{
    struct vm_ask ask = {.kind = &vm_start_kind,
                         .ref = req->vm,
                         .starts = true,
                         .refused = ~(IN(VM_STOPPED) | IN(VM_FAILED) | IN(VM_RUNNING)),
                         .wanted = "STOPPED or FAILED"};
    return vm_ask(core, &ask, meta, err);
}

struct operation_entry *vm_ask_stop(struct core *core, const struct vm_stop_request *req,
                                    const struct request_meta *meta, struct err *err)
{
    struct vm_params params = {.grace_ms = req->grace_ms};
    struct vm_ask ask = {.kind = &vm_stop_kind, .ref = req->vm, .params = &params};
    return vm_ask(core, &ask, meta, err);
}

struct operation_entry *vm_ask_restart(struct core *core, const struct vm_stop_request *req,
                                       const struct request_meta *meta, struct err *err)
{
    struct vm_params params = {.grace_ms = req->grace_ms};
    struct vm_ask ask = {
        .kind = &vm_restart_kind, .ref = req->vm, .params = &params, .starts = true};
    return vm_ask(core, &ask, meta, err);
}

struct operation_entry *vm_ask_kill(struct core *core, const char *vm,
                                    const struct request_meta *meta, struct err *err)
{
    struct vm_ask ask = {.kind = &vm_kill_kind, .ref = vm, .preempts = true};
    return vm_ask(core, &ask, meta, err);
}

struct operation_entry *vm_ask_pause(struct core *core, const char *vm,
                                     const struct request_meta *meta, struct err *err)
{
    struct vm_ask ask = {.kind = &vm_pause_kind,
                         .ref = vm,
                         .refused = ~(IN(VM_RUNNING) | IN(VM_PAUSED)),
                         .wanted = "RUNNING"};
    return vm_ask(core, &ask, meta, err);
}

struct operation_entry *vm_ask_resume(struct core *core, const char *vm,
                                      const struct request_meta *meta, struct err *err)
{
    struct vm_ask ask = {.kind = &vm_resume_kind,
                         .ref = vm,
                         .refused = ~(IN(VM_RUNNING) | IN(VM_PAUSED)),
                         .wanted = "PAUSED"};
    return vm_ask(core, &ask, meta, err);
}

struct operation_entry *vm_ask_recover(struct core *core, const char *vm,
                                       const struct request_meta *meta, struct err *err)
{
    struct vm_ask ask = {.kind = &vm_recover_kind, .ref = vm};
    return vm_ask(core, &ask, meta, err);
}

struct operation_entry *vm_ask_delete(struct core *core, const struct vm_delete_request *req,
                                      const struct request_meta *meta, struct err *err)
{
    struct vm_params params = {.force = req->force, .grace_ms = -1};
    struct vm_ask ask = {
        .kind = &vm_delete_kind, .ref = req->vm, .params = &params, .preempts = req->force};
    return vm_ask(core, &ask, meta, err);
}
