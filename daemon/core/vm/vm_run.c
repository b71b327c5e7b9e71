/* Moves of a machine that several operations make; see vm_run.h. */
#include "daemon/core/vm/vm_run.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "daemon/core/core.h"
#include "daemon/core/image/image.h"
#include "daemon/core/vm/vm_egress.h"
#include "daemon/core/vm/vm_machine.h"
#include "daemon/core/vm/vm_internal.h"
#include "daemon/core/vm/vm_objects.h"
#include "daemon/core/vm/vm_publisher.h"
#include "daemon/core/vm/vm_spec.h"
#include "daemon/core/vm/vm_ssh.h"
#include "daemon/vmm/vmm.h"

void vm_params_write(const struct vm_params *p, char text[128])
{
    snprintf(text, 128, "{\"start\": %s, \"force\": %s, \"grace_ms\": %lld}",
             p->start ? "true" : "false", p->force ? "true" : "false", (long long)p->grace_ms);
}

void vm_run_params(const struct operation_entry *op, struct vm_params *p)
{
    const struct vm_entry *e = vm_run_find(op);
    *p = (struct vm_params){.grace_ms = operation_core(op)->config.stop_grace_ms};
    if (e)
        p->grace_ms = vm_ssh_patience(&e->vm.spec, p->grace_ms);
    json_t *o = json_loads(text_get(operation_row(op)->params), 0, NULL);
    p->start = json_is_true(json_object_get(o, "start"));
    p->force = json_is_true(json_object_get(o, "force"));
    const json_t *grace = json_object_get(o, "grace_ms");
    if (json_is_integer(grace) && json_integer_value(grace) >= 0)
        p->grace_ms = json_integer_value(grace);
    json_decref(o);
}

struct vm_entry *vm_run_find(const struct operation_entry *op)
{
    const char *id = strchr(operation_row(op)->resource, '/');
    return id ? vm_find_id(operation_core(op), id + 1) : NULL;
}

struct vm_run *vm_run_get(struct operation_entry *op)
{
    if (operation_data(op))
        return operation_data(op);
    struct vm_run *run = calloc(1, sizeof(*run));
    if (!run) {
        struct err err = ERR_INIT;
        err_set(&err, ERR_LIMIT, "out of memory for an operation");
        operation_step_done(op, &err);
        return NULL;
    }
    run->op = op;
    run->vm = vm_run_find(op);
    if (run->vm)
        vm_ref(run->vm);
    struct vm_params params;
    vm_run_params(op, &params);
    run->start = params.start;
    run->force = params.force;
    run->grace_ms = params.grace_ms;
    operation_set_data(op, run);
    return run;
}

struct vm_run *vm_run_get_vm(struct operation_entry *op)
{
    struct vm_run *run = vm_run_get(op);
    if (!run || (run->vm && !run->vm->removed))
        return run;
    struct err err = ERR_INIT;
    err_set(&err, ERR_NOT_FOUND, "the VM is gone");
    err_tag(&err, "VM_NOT_FOUND", "%s", operation_row(op)->resource);
    operation_step_done(op, &err);
    return NULL;
}

void vm_run_free(void *data)
{
    struct vm_run *run = data;
    vm_run_leave_hook(run);
    timer_done(&run->timer);
    vm_unwatch(&run->watch);
    if (run->vm)
        vm_unref(run->vm);
    free(run);
}

void vm_run_step_done(struct vm_run *run, const struct err *err)
{
    operation_step_done(run->op, err);
}

/* A call on the machine has ended. */
static void vm_run_called(void *arg, const struct err *err)
{
    struct vm_run *run = arg;
    run->calling = false;
    run->then(run, err);
}

/* rc: of the call that was to begin. */
static void vm_run_calling(struct vm_run *run, int rc, const struct err *err)
{
    if (rc == 0)
        return;
    run->calling = false;
    run->then(run, err);
}

static void vm_run_begin(struct vm_run *run,
                         void (*then)(struct vm_run *run, const struct err *err))
{
    run->then = then;
    run->calling = true;
}

void vm_run_call(struct vm_run *run,
                 void (*call)(struct vmm_machine *m, vmm_done_fn *done, void *arg),
                 void (*then)(struct vm_run *run, const struct err *err))
{
    struct err err = ERR_INIT;
    vm_run_begin(run, then);
    vm_run_calling(run, vm_machine_call(run->vm, call, vm_run_called, run, &err), &err);
}

void vm_run_adopt(struct vm_run *run, void (*then)(struct vm_run *run, const struct err *err))
{
    struct err err = ERR_INIT;
    vm_run_begin(run, then);
    vm_run_calling(run, vm_machine_adopt(run->vm, vm_run_called, run, &err), &err);
}

/* Launch */

static int vm_run_check_images(const struct vm_entry *e, struct err *err)
{
    const struct vm_spec *spec = &e->vm.spec;
    if (spec->image_id[0] && !image_find_id(e->core, spec->image_id)) {
        err_set(err, ERR_PRECONDITION, "its image %s is gone", spec->image);
        return err_tag(err, "IMAGE_NOT_FOUND", "image/%s", spec->image_id);
    }
    if (spec->kernel_id[0] && !kernel_find_id(e->core, spec->kernel_id)) {
        err_set(err, ERR_PRECONDITION, "its kernel %s is gone", spec->kernel_id);
        return err_tag(err, "KERNEL_NOT_FOUND", "kernel/%s", spec->kernel_id);
    }
    return 0;
}

void vm_run_launch(struct vm_run *run, void (*then)(struct vm_run *run, const struct err *err))
{
    struct vm_entry *e = run->vm;
    struct err err = ERR_INIT;
    if (vm_has_vmm(e)) {
        then(run, NULL);
        return;
    }
    const struct vm_publisher *publisher = vm_publisher(e->core);
    vm_run_begin(run, then);
    vm_run_calling(
        run,
        vm_run_check_images(e, &err) < 0 || (publisher && publisher->open(e, &err) < 0)
            ? -1
            : vm_machine_launch(e, operation_is_resumed(run->op), vm_run_called, run, &err),
        &err);
}

/* End */

void vm_run_end(struct vm_run *run, int64_t grace_ms,
                void (*then)(struct vm_run *run, const struct err *err))
{
    struct err err = ERR_INIT;
    vm_run_begin(run, then);
    vm_run_calling(run, vm_machine_stop(run->vm, grace_ms, vm_run_called, run, &err), &err);
}

static void vm_run_abort_done(void *arg, const struct err *err)
{
    const struct vm_entry *e = arg; /* the kill has a reference */
    if (err)
        log_err(LOG_LEVEL_WARN, e->vm.id, err, "cannot end what is under way");
}

void vm_run_abort(struct operation_entry *op)
{
    struct vm_entry *e = vm_run_find(op);
    struct vm_run *run = operation_data(op);
    struct err err = ERR_INIT;
    if (run && run->objects) { /* nothing of its machine is under way */
        vm_objects_hurry(run->objects);
        return;
    }
    if (e && vm_machine_kill(e, vm_run_abort_done, e, &err) < 0)
        vm_run_abort_done(e, &err);
}

/* Objects */

static void vm_run_objects_done(void *arg, const struct err *err)
{
    struct vm_run *run = arg;
    struct operation_entry *op = run->op;
    struct core *core = operation_core(op);
    run->calling = false;
    run->objects = NULL;
    operation_let_stop(op, NULL);
    /* Cut off by a daemon that ends: the next one goes on from the journal. */
    bool left =
        core->closing && err && err->code == ERR_CANCELLED && !operation_row(op)->cancel_asked;
    if (core->operations && !left)
        run->then(run, err);
    operation_unref(op);
}

static void vm_run_objects_cancel(struct operation_entry *op)
{
    struct vm_run *run = operation_data(op);
    if (run->objects)
        vm_objects_hurry(run->objects);
}

void vm_run_make_objects(struct vm_run *run,
                         void (*then)(struct vm_run *run, const struct err *err))
{
    struct vm_objects o;
    struct err err = ERR_INIT;
    struct operation_entry *op = run->op;
    const struct vm *vm = &run->vm->vm;
    /* PREPARING is of the creation alone, and in its journal before the first is made. */
    bool made = vm->runtime.state != VM_PREPARING;
    if (vm_objects_of(operation_core(op), vm, &o, &err) == 0)
        run->objects =
            vm_objects_make(operation_core(op), &o, made, vm_run_objects_done, run, &err);
    if (!run->objects) {
        then(run, &err);
        return;
    }
    run->then = then;
    run->calling = true;
    operation_let_stop(op, vm_run_objects_cancel);
    operation_ref(op); /* the job's end is told to its data */
}

void vm_run_remove_objects(struct vm_run *run,
                           void (*then)(struct vm_run *run, const struct err *err))
{
    struct vm_objects o;
    struct err err = ERR_INIT;
    struct operation_entry *op = run->op;
    if (vm_objects_of(operation_core(op), &run->vm->vm, &o, &err) == 0)
        run->objects = vm_objects_remove(operation_core(op), &o, vm_run_objects_done, run, &err);
    if (!run->objects) {
        then(run, &err);
        return;
    }
    run->then = then;
    run->calling = true;
    operation_ref(op);
}

int vm_run_check_parts(const struct vm_run *run, struct err *err)
{
    if (vm_run_check_images(run->vm, err) < 0 || vm_limits_check(&run->vm->vm.spec, err) < 0 ||
        vm_egress_check_host(run->vm->core, &run->vm->vm.spec, run->vm->vm.spec.egress.mode, err) <
            0)
        return -1;
    return vm_machine_check_parts(run->vm, err);
}
