/* What the daemon does with VMs by itself, as their records say: deletes those whose time has come
 * (expiry.c), whose creator is gone (lease.c) or that were to end with their run (ephemeral.c),
 * stops idle ones (idle.c), starts them again when they end by themselves (restart.c) and when the
 * daemon starts (autostart.c; it also starts those whose guests asked for a reset that was
 * refused). proto/banger/v1/vm.proto has the rules.
 *
 * It decides, and acts through operations (vm_ops.h) alone. What lasts is in the VM's record:
 * vm.wanted, which operations set as they begin, says whether the VM is to run. It hears of VMs as
 * a vm_listener. On the loop's thread. */
#ifndef BANGER_DAEMON_CORE_SUPERVISE_SUPERVISE_H
#define BANGER_DAEMON_CORE_SUPERVISE_SUPERVISE_H

struct core;
struct err;
struct vm_entry;

/* Once what lives has been found again and operations go on. Out of memory: nothing is supervised,
 * which is logged. */
void supervise_start(struct core *core);
/* Harmless where it was not started. Before the VMs go. */
void supervise_stop(struct core *core);
/* lease.c: the principal is still there. -1: ERR_PRECONDITION (NO_LEASE), ERR_DENIED (LEASE_HELD).
 */
int lease_renew(struct vm_entry *e, const char *principal, struct err *err);

#endif
