/* A VM's machine: opening it from the record, its end, its handles. On the loop's thread.
 *
 * entry->machine exists from the first call on it until its process is gone and nothing is under
 * way; entry->machine_state says how far that is. */
#ifndef BANGER_DAEMON_CORE_VM_VM_MACHINE_H
#define BANGER_DAEMON_CORE_VM_VM_MACHINE_H

#include "daemon/core/vm/vm.h"
#include "daemon/vmm/vmm.h"

/* Opens entry->machine if it is not. */
int vm_machine_open(struct vm_entry *e, struct err *err);
/* Whether its driver takes the parts that its record gives it; see vmm_parts_check. */
int vm_machine_check_parts(const struct vm_entry *e, struct err *err);
/* Opens it, and looks for a live process by evidence (vmm_adopt). */
int vm_machine_adopt(struct vm_entry *e, vmm_done_fn *done, void *arg, struct err *err);
/* vmm_start or vmm_adopt succeeded: handles are taken, the agent's channel is opened. -1: no agent
 * client could be made. */
int vm_machine_started(struct vm_entry *e, struct err *err);
/* The process is gone: agent closed, handles cleared, live sessions LOST(reason). Idempotent. */
void vm_machine_gone(struct vm_entry *e, const char *reason);
/* Closes the machine where nothing lives and nothing is under way on it. */
void vm_machine_release(struct vm_entry *e);
/* Ends the process, whatever else is under way on the machine; where none is known, looks for
 * evidence of one first. 0: done comes once, later; several may ask. */
int vm_machine_kill(struct vm_entry *e, vmm_done_fn *done, void *arg, struct err *err);
/* At the daemon's end: forgets machine and agent; no callback comes any more. The process stays. */
void vm_machine_abandon(struct vm_entry *e);

#endif
