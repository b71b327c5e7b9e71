/* Ephemeral VMs: deleted as they have ended, whatever ended them. */
#include "base/err.h"
#include "base/log.h"
#include "daemon/core/supervise/supervise_internal.h"
#include "daemon/core/vm/vm_ops.h"

void ephemeral_changed(struct supervised *s)
{
    struct vm_entry *e = s->vm;
    const struct vm *vm = vm_record(e);
    bool over =
        vm->runtime.state == VM_FAILED || (vm->runtime.state == VM_STOPPED && vm->started_ns > 0);
    if (vm->runtime.state == VM_STARTING || vm->runtime.state == VM_RUNNING)
        s->delete_tried = false;
    if (!vm->spec.ephemeral || !over || vm_reboot(e) || s->delete_tried)
        return;
    s->delete_tried = true;
    char resource[96];
    vm_resource(e, resource);
    struct err err = ERR_INIT;
    if (!operation_pending(vm_core(e), resource, "vm.delete") &&
        !vm_ask_delete(vm_core(e), &(struct vm_delete_request){.vm = vm->id}, NULL, &err))
        log_err(LOG_LEVEL_ERROR, resource, &err, "cannot delete an ephemeral VM");
}
