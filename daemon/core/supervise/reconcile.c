/* Start-up: adopt, demote, tear down, resume; see reconcile.h. Leaks are in reconcile_leaks.c. */
#include "daemon/core/supervise/reconcile.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/log.h"
#include "daemon/core/core.h"
#include "daemon/core/crash_point.h"
#include "daemon/core/vm/handles.h"
#include "daemon/core/image/image.h"
#include "daemon/core/memory.h"
#include "daemon/core/operation/operation.h"
#include "daemon/core/record.h"
#include "daemon/core/supervise/garbage.h"
#include "daemon/core/supervise/reconcile_leaks.h"
#include "daemon/core/session/session.h"
#include "daemon/core/supervise/supervise.h"
#include "daemon/core/vm/vm.h"
#include "daemon/core/vm/vm_machine.h"
#include "daemon/vmm/vmm.h"
#include "rpc/event/loop.h"

enum { RETRY_FIRST_MS = 1000, RETRY_MAX_MS = 30000 };

struct reconcile {
    struct core *core;
    size_t left; /* things that serving waits for */
    bool past;   /* the deadline is, or all came in time */
    bool over;   /* done was called; it stays for those that are late */
    struct timer deadline;
    void (*done)(void *arg);
    void *arg;
};

/* One VM that may have a machine. Lives until that is known. */
struct reconcile_vm {
    struct reconcile *of; /* NULL: the start does not wait for it any more */
    struct vm_entry *vm;  /* referenced */
    struct timer retry;
    int64_t retry_ms;
    void (*known)(void *arg); /* once, at the first answer; NULL: nobody waits */
    void *arg;
};

static void reconcile_drop(struct reconcile *r)
{
    if (r->over && r->left == 0)
        free(r);
}

/* What has none, or an old one: of all that the registries have. */
static void reconcile_keep_records(struct core *core)
{
    for (const struct kernel *k = NULL; (k = kernel_next(core, k));)
        record_keep_kernel(core, k);
    for (const struct image *i = NULL; (i = image_next(core, i));)
        record_keep_image(core, i);
    for (struct vm_entry *e = NULL; (e = vm_next(core, e));)
        record_keep_vm(core, vm_record(e));
}

static void reconcile_resume(void *arg)
{
    struct reconcile *r = arg;
    struct core *core = r->core;
    crash_point("reconcile", "sweep", "after", false);
    operation_resume_all(core);
    crash_point("reconcile", "resume", "after", false);
    reconcile_keep_records(core);
    supervise_start(core);
    garbage_start(core, GARBAGE_FIRST_MS);
    memory_let_go(core);
    timer_done(&r->deadline);
    r->over = true;
    r->done(r->arg);
    reconcile_drop(r);
}

static void reconcile_adopted_all(struct reconcile *r)
{
    r->past = true;
    timer_stop(&r->deadline);
    crash_point("reconcile", "adopt", "after", false);
    reconcile_leaks(r->core, reconcile_resume, r);
}

static void reconcile_less(void *arg)
{
    struct reconcile *r = arg;
    r->left--;
    if (r->left == 0 && !r->past && r->core->operations)
        reconcile_adopted_all(r);
    else
        reconcile_drop(r);
}

static bool reconcile_has_operation(const struct vm_entry *e)
{
    char resource[96];
    vm_resource(e, resource);
    return operation_pending(vm_core(e), resource, NULL);
}

static void reconcile_tell(struct reconcile_vm *v)
{
    void (*known)(void *arg) = v->known;
    v->known = NULL;
    if (known)
        known(v->arg);
}

static void reconcile_vm_end(struct reconcile_vm *v)
{
    struct reconcile *r = v->of;
    timer_done(&v->retry);
    vm_set_slot(v->vm, VM_SLOT_RECONCILE, NULL);
    vm_unref(v->vm);
    reconcile_tell(v);
    free(v);
    if (r)
        reconcile_less(r);
}

void reconcile_forget(struct vm_entry *e)
{
    struct reconcile_vm *v = vm_slot(e, VM_SLOT_RECONCILE);
    if (v)
        reconcile_vm_end(v);
}

/* The deadline passed: serving begins, the VM stays UNKNOWN until we know. */
static void reconcile_late(void *arg)
{
    struct reconcile *r = arg;
    if (r->past)
        return;
    log_warn(NULL, "%zu machines have not answered yet; starting without them", r->left);
    for (struct vm_entry *e = NULL; (e = vm_next(r->core, e));)
        if (vm_has_machine(e) && !vm_has_vmm(e) && !reconcile_has_operation(e))
            vm_set_state(e, VM_UNKNOWN, NULL, "its machine does not answer", NULL);
    reconcile_adopted_all(r);
}

static void reconcile_found(struct vm_entry *e, const struct err *err)
{
    if (err)
        log_err(LOG_LEVEL_ERROR, vm_record(e)->id, err,
                "its machine lives, its guest cannot be reached");
    log_info(vm_record(e)->id, "adopted, pid %d", (int)vm_handles(e)->pid);
    enum vm_state state = vm_record(e)->runtime.state;
    if (state != VM_RUNNING && state != VM_PAUSED && !reconcile_has_operation(e))
        vm_set_state(e, vm_is_paused(e) ? VM_PAUSED : VM_RUNNING, NULL, NULL, NULL);
}

static void reconcile_gone(struct vm_entry *e)
{
    if (!reconcile_has_operation(e))
        vm_set_state(e, VM_STOPPED, NULL, "it ended while the daemon was not running", NULL);
}

static void reconcile_ask(struct reconcile_vm *v);

static void reconcile_unknown(struct reconcile_vm *v, const struct err *err)
{
    struct vm_entry *e = v->vm;
    if (reconcile_has_operation(e)) {
        /* It looks for itself. */
        reconcile_vm_end(v);
        return;
    }
    vm_set_state(e, VM_UNKNOWN, NULL, err->message, NULL);
    timer_start(&v->retry, v->retry_ms);
    v->retry_ms = v->retry_ms * 2 > RETRY_MAX_MS ? RETRY_MAX_MS : v->retry_ms * 2;
    struct reconcile *r = v->of;
    v->of = NULL;
    reconcile_tell(v);
    if (r)
        reconcile_less(r);
}

static void reconcile_answer(void *arg, const struct err *err)
{
    struct reconcile_vm *v = arg;
    if (vm_has_vmm(v->vm))
        reconcile_found(v->vm, err);
    else if (err->code == ERR_NOT_FOUND)
        reconcile_gone(v->vm);
    else {
        reconcile_unknown(v, err);
        return;
    }
    reconcile_vm_end(v);
}

static void reconcile_ask(struct reconcile_vm *v)
{
    struct vm_entry *e = v->vm;
    struct err err = ERR_INIT;
    if (vm_machine_adopt(e, reconcile_answer, v, &err) < 0)
        reconcile_unknown(v, &err);
}

/* Somebody else may have settled it meanwhile, or be about to. */
static void reconcile_retry(void *arg)
{
    struct reconcile_vm *v = arg;
    struct vm_entry *e = v->vm;
    if (!vm_core(e)->vms || vm_is_removed(e) || vm_record(e)->runtime.state != VM_UNKNOWN ||
        vm_has_vmm(e) || vm_has_machine(e) || reconcile_has_operation(e))
        reconcile_vm_end(v);
    else
        reconcile_ask(v);
}

int reconcile_look_for(struct vm_entry *e, const char *why, void (*known)(void *arg), void *arg)
{
    struct reconcile_vm *v = vm_slot(e, VM_SLOT_RECONCILE) ? NULL : calloc(1, sizeof(*v));
    if (!v || timer_init(&v->retry, vm_core(e)->loop, reconcile_retry, v) < 0) {
        free(v);
        return -1;
    }
    v->known = known;
    v->arg = arg;
    v->vm = vm_ref(e);
    v->retry_ms = RETRY_FIRST_MS;
    vm_set_slot(e, VM_SLOT_RECONCILE, v);
    vm_set_state(e, VM_UNKNOWN, NULL, why, NULL);
    reconcile_ask(v);
    return 0;
}

static bool reconcile_may_live(const struct vm_entry *e)
{
    switch (vm_record(e)->runtime.state) {
    case VM_STARTING:
    case VM_RUNNING:
    case VM_PAUSED:
    case VM_STOPPING:
    case VM_UNKNOWN:
        return true;
    default:
        return false; /* a process all the same would be a leak, and is treated as one */
    }
}

static void reconcile_vm(struct reconcile *r, struct vm_entry *e)
{
    struct reconcile_vm *v = calloc(1, sizeof(*v));
    if (!v || timer_init(&v->retry, r->core->loop, reconcile_retry, v) < 0) {
        free(v);
        vm_set_state(e, VM_UNKNOWN, NULL, "out of memory at the start", NULL);
        return;
    }
    v->of = r;
    v->vm = vm_ref(e);
    vm_set_slot(e, VM_SLOT_RECONCILE, v);
    v->retry_ms = RETRY_FIRST_MS;
    r->left++;
    reconcile_ask(v);
}

/* Without an operation that would end it, a record in between is of a crash before its first step.
 */
static void reconcile_orphan(struct vm_entry *e)
{
    enum vm_state state = vm_record(e)->runtime.state;
    if (reconcile_has_operation(e))
        return;
    if (state == VM_PENDING || state == VM_PREPARING || state == VM_DELETING)
        vm_set_state(e, VM_FAILED, "reconcile", "the daemon ended in the middle of it", NULL);
    vm_notify(e); /* an ephemeral VM that has stopped still waits to be deleted */
}

void reconcile_start(struct core *core, void (*done)(void *arg), void *arg)
{
    struct reconcile *r = calloc(1, sizeof(*r));
    if (!r || timer_init(&r->deadline, core->loop, reconcile_late, r) < 0)
        abort(); /* nothing is lost: the state is on disk */
    r->core = core;
    r->done = done;
    r->arg = arg;
    r->left = 1;
    timer_start(&r->deadline, RECONCILE_ADOPT_MS);
    struct vm_entry *next;
    for (struct vm_entry *e = vm_next(core, NULL); e; e = next) {
        next = vm_next(core, e);
        if (reconcile_may_live(e))
            reconcile_vm(r, e);
        else
            reconcile_orphan(e);
    }
    image_refresh(core, reconcile_less, r);
}
