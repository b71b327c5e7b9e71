/* A VM's machine; see vm_machine.h. */
#include "daemon/core/vm/vm_machine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/log.h"
#include "daemon/core/core.h"
#include "daemon/core/event/event.h"
#include "daemon/core/vm/handles.h"
#include "daemon/core/image/image.h"
#include "daemon/core/vm/vm_agent.h"
#include "daemon/core/vm/vm_internal.h"
#include "daemon/core/vm/vm_network.h"
#include "daemon/core/vm/vm_objects.h"
#include "daemon/core/vm/vm_ops.h"
#include "daemon/core/vm/vm_ssh.h"
#include "daemon/store/store.h"

#define COPY(to, from) snprintf((to), sizeof(to), "%s", (from))

static void vm_machine_ignore(void *arg, const struct err *err)
{
    (void)arg, (void)err; /* vm_save has its own way of knowing */
}

static int vm_machine_config_objects(const struct vm_entry *e, struct vmm_config *c,
                                     struct err *err)
{
    struct vm_objects o;
    if (vm_objects_of(e->core, &e->vm, &o, err) < 0)
        return -1;
    for (size_t i = 0; i < o.n; i++) {
        const struct object *object = &o.at[i];
        if (object->role == OBJECT_SCOPE)
            COPY(c->scope, object->name);
        if (!object->kind->format)
            continue;
        if (c->n_disks == VMM_DISKS_MAX)
            return err_set(err, ERR_LIMIT, "a machine has at most %d disks", VMM_DISKS_MAX);
        struct vmm_disk *d = &c->disks[c->n_disks++];
        d->role = object->role == OBJECT_SYSTEM_DISK ? VMM_DISK_SYSTEM : VMM_DISK_WORK;
        d->format = object->kind->format == IMAGE_QCOW2 ? VMM_DISK_QCOW2 : VMM_DISK_RAW;
        d->is_device = object->kind->device;
        COPY(d->path, object->name);
        COPY(d->serial, vmm_disk_role_name(d->role));
    }
    return 0;
}

/* For vmm_config_done. Image and kernel may be gone by now: that hinders a start (see vm_run.c),
 * but no kill or delete. */
static int vm_machine_config(const struct vm_entry *e, struct vmm_config *c, struct err *err)
{
    const struct vm *vm = &e->vm;
    *c = (struct vmm_config){
        .cpus = vm->spec.cpus,
        .memory_bytes = vm->spec.memory_bytes,
        .run_init = vm->spec.run_init,
    };
    COPY(c->vm_id, vm->id);
    COPY(c->vm_dir, vm->runtime.vm_dir);
    COPY(c->api_sock_path, vm->runtime.api_sock_path);
    const struct vmm_driver *driver = vmm_find_driver(vm->spec.driver, err);
    if (!driver)
        return -1;
    c->channel.kind = vmm_channel_of(driver);
    c->channel.port = VMM_AGENT_PORT;
    COPY(c->channel.path, vm->runtime.agent_sock_path);
    COPY(c->console.log_path, vm->runtime.log_path);
    if (vm_net_config(e->core, vm, c, err) < 0)
        return -1;
    const struct kernel *kernel = kernel_find_id(e->core, vm->spec.kernel_id);
    if (kernel) {
        COPY(c->vmlinux_path, kernel->vmlinux_path);
        COPY(c->initramfs_path, kernel->initramfs_path);
    }
    vm_ssh_config(e, c);
    if (vm_machine_config_objects(e, c, err) == 0)
        return 0;
    vmm_config_done(c);
    return -1;
}

/* Its restart policy takes it from FAILED. */
static void vm_machine_panicked(struct vm_entry *e, const struct vmm_exit *exit)
{
    struct store_txn *txn = store_txn_new();
    char resource[96];
    vm_resource(e, resource);
    vm_set_state(e, VM_FAILED, "guest_panic", exit->detail, txn);
    event_emit(e->core, txn, "vm.panic", resource, e->vm.id, exit->detail, NULL);
    store_commit(e->core->store, txn, vm_machine_ignore, NULL);
}

/* What an end that nobody asked for makes of the VM. */
static void vm_machine_judge(struct vm_entry *e, const struct vmm_exit *exit)
{
    switch (exit->kind) {
    case VMM_EXIT_POWER_OFF:
        /* As it wanted; saved with the state. */
        vm_edit(e);
        if (e->vm.spec.restart != RESTART_ALWAYS)
            e->vm.wanted = VM_WANTED_STOPPED;
        vm_set_state(e, VM_STOPPED, NULL, NULL, NULL);
        break;
    case VMM_EXIT_KILLED:
        vm_set_state(e, VM_STOPPED, NULL, "killed", NULL);
        break;
    case VMM_EXIT_REBOOT:
        e->reboot = VM_REBOOT_BEGUN;
        vm_set_state(e, VM_STOPPED, NULL, "the guest asked for a reboot", NULL);
        struct err err = ERR_INIT;
        if (!vm_ask_start(e->core, &(struct vm_start_request){.vm = e->vm.id}, NULL, &err)) {
            e->reboot = VM_REBOOT_OWED;
            log_err(LOG_LEVEL_ERROR, e->vm.id, &err, "cannot start a rebooting VM now");
        }
        break;
    case VMM_EXIT_PANIC:
        vm_machine_panicked(e, exit);
        break;
    case VMM_EXIT_CRASHED:
    case VMM_EXIT_UNSEEN: {
        char reason[TEXT_BYTES];
        snprintf(reason, sizeof(reason), "the VM's process ended by itself%s%.400s",
                 exit->detail[0] ? ": " : "", exit->detail);
        vm_set_state(e, VM_FAILED, "vmm_exited", reason, NULL);
        break;
    }
    }
}

static void vm_machine_exited(void *arg, const struct vmm_exit *exit)
{
    struct vm_entry *e = arg;
    snprintf(e->ended_detail, sizeof(e->ended_detail), "%.399s", exit->detail);
    bool orderly = exit->kind == VMM_EXIT_POWER_OFF || exit->kind == VMM_EXIT_REBOOT ||
                   exit->kind == VMM_EXIT_KILLED;
    enum vm_state state = e->vm.runtime.state;
    bool panic = e->ended_by_panic = exit->kind == VMM_EXIT_PANIC;
    vm_machine_gone(e, orderly ? "vm_stopped" : panic ? "guest_panic" : "vm_lost");
    /* In every other state an operation is at work, and judges for itself. */
    if (state == VM_RUNNING || state == VM_PAUSED || state == VM_UNKNOWN)
        vm_machine_judge(e, exit);
}

static const struct vmm_events vm_machine_events = {.exited = vm_machine_exited};

static const char *const machine_names[] = {
    [VM_MACHINE_NONE] = "none",
    [VM_MACHINE_OPENING] = "opening",
    [VM_MACHINE_LIVE] = "live",
    [VM_MACHINE_ENDED] = "ended",
};

#define TO(state) (1u << VM_MACHINE_##state)
static const unsigned machine_moves[] = {
    [VM_MACHINE_NONE] = TO(OPENING),
    [VM_MACHINE_OPENING] = TO(LIVE) | TO(ENDED) | TO(NONE),
    [VM_MACHINE_LIVE] = TO(ENDED),
    [VM_MACHINE_ENDED] = TO(OPENING) | TO(NONE),
};
#undef TO

/* What the process did is so, whatever the table says: then that lacks something. */
static void vm_machine_move(struct vm_entry *e, enum vm_machine_state to)
{
    if (e->machine_state == to)
        return;
    if (!(machine_moves[e->machine_state] & 1u << to))
        log_error(e->vm.id, "its machine went from %s to %s", machine_names[e->machine_state],
                  machine_names[to]);
    e->machine_state = to;
}

int vm_machine_open(struct vm_entry *e, struct err *err)
{
    if (e->machine_state == VM_MACHINE_ENDED)
        vm_machine_move(e, VM_MACHINE_OPENING);
    if (e->machine)
        return 0;
    const struct vmm_driver *driver = vmm_find_driver(e->vm.spec.driver, err);
    struct vmm_config config;
    if (!driver || vm_machine_config(e, &config, err) < 0)
        return -1;
    e->machine = vmm_open(driver, e->core->vmm_host, &config, &vm_machine_events, e, err);
    vmm_config_done(&config);
    if (!e->machine)
        return -1;
    vm_machine_move(e, VM_MACHINE_OPENING);
    return 0;
}

int vm_machine_check_parts(const struct vm_entry *e, struct err *err)
{
    const struct vmm_driver *driver = vmm_find_driver(e->vm.spec.driver, err);
    struct vmm_config config;
    if (!driver || vm_machine_config(e, &config, err) < 0)
        return -1;
    int rc = vmm_parts_check(driver, &config, err);
    vmm_config_done(&config);
    return rc;
}

int vm_machine_started(struct vm_entry *e, struct err *err)
{
    vm_machine_move(e, VM_MACHINE_LIVE);
    vmm_get_handles(e->machine, &e->handles);
    handles_save(e);
    if (!e->agent && vm_agent_open(e, err) < 0)
        return err_wrap(err, "cannot reach the guest's agent");
    vm_notify(e);
    return 0;
}

void vm_machine_gone(struct vm_entry *e, const char *reason)
{
    bool was_live = vm_has_vmm(e);
    if (e->machine)
        vm_machine_move(e, VM_MACHINE_ENDED);
    if (e->agent)
        vm_agent_close(e);
    if (was_live || e->handles.pid != 0) {
        e->handles = (struct vm_handles){0};
        handles_save(e);
    }
    VM_TELL(e->core, gone, e, reason);
    vm_notify(e);
}

/* A call may be under way that no driver has: one that was refused is answered later, and not at
 * all by a machine that is closed. */
void vm_machine_release(struct vm_entry *e)
{
    if (!e->machine || vm_has_vmm(e) || e->machine->busy || e->call.done || e->kill)
        return;
    vmm_close(e->machine);
    e->machine = NULL;
    vm_machine_move(e, VM_MACHINE_NONE);
}

void vm_machine_abandon(struct vm_entry *e)
{
    vm_agent_close(e);
    vmm_close(e->machine);
    e->machine = NULL;
    e->machine_state = VM_MACHINE_NONE; /* for us */
    vm_machine_drop_calls(e);
}
