/* A VM's machine: opening it from the record, its end, its handles, calls on it. On the loop's
 * thread.
 *
 * There is one from the first call on it until its process is gone and nothing is under way: calls
 * open it, and let go of it where they end. Each returns 0, and done comes once, later, or -1 and
 * it never does; the caller keeps a reference of the VM meanwhile. One may be under way at a time,
 * another is refused (VMM_BUSY); a kill comes beside it and ends it. */
#ifndef BANGER_DAEMON_CORE_VM_VM_MACHINE_H
#define BANGER_DAEMON_CORE_VM_VM_MACHINE_H

#include "daemon/core/vm/vm.h"
#include "daemon/vmm/vmm.h"

/* Whether its driver takes the parts that its record gives it; see vmm_parts_check. */
int vm_machine_check_parts(const struct vm_entry *e, struct err *err);
/* vmm_pause, vmm_resume, vmm_discard. */
int vm_machine_call(struct vm_entry *e,
                    void (*call)(struct vmm_machine *m, vmm_done_fn *done, void *arg),
                    vmm_done_fn *done, void *arg, struct err *err);
/* Looks for a live process by evidence. With ERR_NOT_FOUND there is none, and what it had is gone
 * with it (sessions are LOST); with another error one lives all the same where vm_has_vmm says so,
 * and only its guest cannot be reached. */
int vm_machine_adopt(struct vm_entry *e, vmm_done_fn *done, void *arg, struct err *err);
/* Makes a process; look_first: unless one is found. Errors as of adoption. */
int vm_machine_launch(struct vm_entry *e, bool look_first, vmm_done_fn *done, void *arg,
                      struct err *err);
/* Asks the guest to power off and waits for that, then ends the process; without a grace, or where
 * none is known to live: as vm_machine_kill. */
int vm_machine_stop(struct vm_entry *e, int64_t grace_ms, vmm_done_fn *done, void *arg,
                    struct err *err);
/* Ends the process, whatever else is under way on the machine; where none is known, looks for
 * evidence of one first. Several may ask; it has a reference of its own until all are answered. */
int vm_machine_kill(struct vm_entry *e, vmm_done_fn *done, void *arg, struct err *err);
/* At the daemon's end: forgets machine and agent; no callback comes any more. The process stays. */
void vm_machine_abandon(struct vm_entry *e);

#endif
