/* What the files of VMs share, and nobody else. */
#ifndef BANGER_DAEMON_CORE_VM_VM_INTERNAL_H
#define BANGER_DAEMON_CORE_VM_VM_INTERNAL_H

#include "daemon/core/vm/vm.h"

/* Jobs on objects of VMs that are under way; vm_objects.c's. */
struct list *vm_object_jobs(struct core *core);

/* Tells all listeners: VM_TELL(core, gone, vm, "vm_lost"). None may unlisten in it. */
#define VM_TELL(core, event, ...)                                                                  \
    do {                                                                                           \
        list_foreach(vm_tell_at, vm_listeners(core))                                               \
        {                                                                                          \
            const struct vm_listener *vm_tell_to =                                                 \
                container_of(vm_tell_at, struct vm_listener, link);                                \
            if (vm_tell_to->events->event)                                                         \
                vm_tell_to->events->event(vm_tell_to->arg, __VA_ARGS__);                           \
        }                                                                                          \
    } while (0)

#endif
