/* Ephemeral VMs: deleted as they have ended, whatever ended them. */
#include "base/err.h"
#include "base/log.h"
#include "daemon/core/supervise/supervise_internal.h"
#include "daemon/core/vm/vm_ops.h"

void ephemeral_changed(struct vm_entry *e)
{
    const struct vm *vm = &e->vm;
    bool over =
        vm->runtime.state == VM_FAILED || (vm->runtime.state == VM_STOPPED && vm->started_ns > 0);
    if (!vm->spec.ephemeral || !over || e->removed || e->reboot || e->delete_tried)
        return;
    e->delete_tried = true;
    char resource[96];
    vm_resource(e, resource);
    struct err err = ERR_INIT;
    if (!operation_pending(e->core, resource, "vm.delete") &&
        !vm_delete_start(e->core, &(struct vm_delete_request){.vm = vm->id}, NULL, &err))
        log_err(LOG_LEVEL_ERROR, resource, &err, "cannot delete an ephemeral VM");
}
