/* Who listens for VMs at addresses of the host: a room above, which carries connections into guests
 * and registers itself. On the loop's thread. */
#ifndef BANGER_DAEMON_CORE_VM_VM_PUBLISHER_H
#define BANGER_DAEMON_CORE_VM_VM_PUBLISHER_H

struct blob;
struct core;
struct err;
struct vm_entry;

struct vm_publisher {
    /* Listens for a VM that is about to be launched, as its record says; writes down which ports
     * those are. Ended when its machine is gone, or will not be. ERR_PRECONDITION (PORT_TAKEN),
     * ERR_LIMIT (FILES_LIMIT). */
    int (*open)(struct vm_entry *e, struct err *err);
    /* Whether one that runs could publish that instead; the errors of open. */
    int (*check)(struct vm_entry *e, const struct blob *publish, struct err *err);
};

void vm_published_by(struct core *core, const struct vm_publisher *publisher);
/* NULL: nobody. */
const struct vm_publisher *vm_publisher(const struct core *core);

#endif
