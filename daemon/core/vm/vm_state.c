/* The one setter of a VM's state, and what is true besides it; see vm.h. */
#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"
#include "daemon/core/core.h"
#include "daemon/core/event/event.h"
#include "daemon/core/operation/operation.h"
#include "daemon/core/vm/vm_internal.h"
#include "daemon/store/store.h"

static void vm_ignore(void *arg, const struct err *err)
{
    (void)arg, (void)err; /* vm_save has its own way of knowing */
}

#define TO(state) (1u << (state))

static const unsigned vm_state_moves[] = {
    [VM_PENDING] =
        TO(VM_PREPARING) | TO(VM_STARTING) | TO(VM_STOPPED) | TO(VM_FAILED) | TO(VM_DELETING),
    [VM_PREPARING] = TO(VM_STARTING) | TO(VM_STOPPED) | TO(VM_FAILED) | TO(VM_DELETING),
    [VM_STARTING] = TO(VM_RUNNING) | TO(VM_STOPPING) | TO(VM_STOPPED) | TO(VM_FAILED) |
                    TO(VM_DELETING) | TO(VM_UNKNOWN),
    [VM_RUNNING] = TO(VM_PAUSED) | TO(VM_STOPPING) | TO(VM_STOPPED) | TO(VM_FAILED) |
                   TO(VM_DELETING) | TO(VM_UNKNOWN),
    [VM_PAUSED] = TO(VM_RUNNING) | TO(VM_STOPPING) | TO(VM_STOPPED) | TO(VM_FAILED) |
                  TO(VM_DELETING) | TO(VM_UNKNOWN),
    [VM_STOPPING] = TO(VM_STARTING) | TO(VM_RUNNING) | TO(VM_STOPPED) | TO(VM_FAILED) |
                    TO(VM_DELETING) | TO(VM_UNKNOWN),
    [VM_STOPPED] = TO(VM_PREPARING) | TO(VM_STARTING) | TO(VM_FAILED) | TO(VM_DELETING) |
                   TO(VM_STOPPING) | TO(VM_UNKNOWN),
    [VM_FAILED] = TO(VM_PREPARING) | TO(VM_STARTING) | TO(VM_STOPPED) | TO(VM_DELETING) |
                  TO(VM_STOPPING) | TO(VM_UNKNOWN),
    [VM_DELETING] = TO(VM_FAILED),
    [VM_UNKNOWN] = TO(VM_RUNNING) | TO(VM_PAUSED) | TO(VM_STARTING) | TO(VM_STOPPING) |
                   TO(VM_STOPPED) | TO(VM_FAILED) | TO(VM_DELETING),
};

bool vm_state_may_move(enum vm_state from, enum vm_state to)
{
    size_t n = sizeof(vm_state_moves) / sizeof(vm_state_moves[0]);
    return (size_t)from < n && (size_t)to < n && (vm_state_moves[from] & TO(to)) != 0;
}

bool vm_state_is_active(enum vm_state state)
{
    return state != VM_STOPPED && state != VM_FAILED;
}

static void vm_apply_state(struct vm_entry *e, enum vm_state state, const char *stage,
                           const char *reason)
{
    struct vm_runtime *rt = &e->vm.runtime;
    bool keeps = state == VM_STOPPING || state == VM_DELETING || state == VM_UNKNOWN;
    if (reason || !keeps)
        snprintf(rt->last_error, sizeof(rt->last_error), "%s", reason ? reason : "");
    snprintf(rt->failed_stage, sizeof(rt->failed_stage), "%s",
             state == VM_FAILED && stage ? stage : "");
    if (state == VM_RUNNING && rt->state == VM_STARTING)
        e->vm.started_ns = clock_real_ns();
    if (state == VM_PAUSED || state == VM_RUNNING || state == VM_STARTING)
        e->paused = state == VM_PAUSED;
    if (state == VM_STOPPED || state == VM_FAILED)
        e->vm.stopped_ns = clock_real_ns();
    if (state == VM_STARTING) {
        e->reboot = VM_REBOOT_NONE;
        e->restart_required = e->ended_by_panic = false;
        e->ended_detail[0] = '\0';
    }
    rt->state = state;
}

int vm_set_state(struct vm_entry *e, enum vm_state state, const char *stage, const char *reason,
                 struct store_txn *txn)
{
    enum vm_state from = e->vm.runtime.state;
    if (from == state)
        return 0;
    char resource[96];
    vm_resource(e, resource);
    if (e->removed || !vm_state_may_move(from, state)) {
        log_error(resource, "refused to move from %s to %s", vm_state_name(from),
                  vm_state_name(state));
        return -1;
    }
    vm_edit(e);
    vm_apply_state(e, state, stage, reason);
    log_info(resource, "%s -> %s%s%s", vm_state_name(from), vm_state_name(state),
             reason ? ": " : "", reason ? reason : "");
    struct store_txn *own = txn ? NULL : store_txn_new();
    vm_save(e, txn ? txn : own);
    struct operation_entry *op = e->core->operations ? operation_running(e->core, resource) : NULL;
    event_emit(e->core, txn ? txn : own, "vm.state", resource, e->vm.id, vm_state_name(state),
               op ? operation_row(op)->id : NULL);
    if (own)
        store_commit(e->core->store, own, vm_ignore, NULL);
    vm_notify(e);
    return 0;
}

size_t vm_get_conditions(const struct vm_entry *e, struct vm_condition out[VM_CONDITIONS_MAX])
{
    size_t n = 0;
    out[n++] = (struct vm_condition){
        .type = "AgentReady",
        .status = vm_guest_is_ready(e),
        .changed_ns = e->agent_changed_ns,
        .reason = vm_guest_is_ready(e) ? "LinkUp"
                  : !vm_has_vmm(e)     ? "NotRunning"
                  : e->agent_error[0]  ? "LinkDown"
                                       : "Booting",
        .message = vm_guest_is_ready(e) || !vm_has_vmm(e) ? "" : e->agent_error,
    };
    out[n++] = (struct vm_condition){
        .type = "RestartRequired",
        .status = e->restart_required,
        .changed_ns = e->restart_changed_ns,
        .reason = e->restart_required ? "SpecChanged" : "",
        .message = e->restart_required ? "cpus and memory change when it is restarted" : "",
    };
    for (int i = 0; i < VM_SLOTS && n < VM_CONDITIONS_MAX; i++)
        if (e->conditions[i])
            out[n++] = *e->conditions[i];
    return n;
}
