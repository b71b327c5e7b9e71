/* VMs: registry, references, and the one setter of state. On the loop's thread.
 *
 * A vm_entry is what the daemon holds of a VM: the durable record, its machine (VMM) and its agent
 * client while it runs. Only vm.c changes vm.runtime.state; everybody else asks. */
#ifndef BANGER_DAEMON_CORE_VM_H
#define BANGER_DAEMON_CORE_VM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"
#include "daemon/model/model.h"

struct agent_client;
struct core;
struct err;
struct store_txn;
struct vmm_machine;

struct vm_entry {
    struct core *core;
    struct vm vm;
    struct vmm_machine *machine;   /* NULL while there is no process */
    struct agent_client *agent;    /* NULL while there is no machine */
    bool agent_ready;              /* link up and configured */
    struct vm_handles handles;     /* cache; see handles.h */
    struct list link;              /* registry, by creation */
    uint32_t refs;                 /* an entry outlives its removal while someone looks at it */
    bool removed;
};

struct vm_registry *vm_registry_new(struct core *core, struct err *err);
void vm_registry_free(struct vm_registry *r);

/* Exact id, exact name, or unique id prefix (see proto/banger/v1/common.proto). Borrowed; NULL with
 * ERR_NOT_FOUND (VM_NOT_FOUND) or ERR_INVALID (AMBIGUOUS_REFERENCE). */
struct vm_entry *vm_find(struct core *core, const char *ref, struct err *err);
struct vm_entry *vm_find_id(struct core *core, const char *id);
/* In order of creation: vm_next(core, NULL) is the first. */
struct vm_entry *vm_next(struct core *core, const struct vm_entry *after);
size_t vm_count(const struct core *core);

struct vm_entry *vm_ref(struct vm_entry *e);
void vm_unref(struct vm_entry *e);

#endif
