/* Process 1 of our initramfs: from the kernel's hand-over to sessions in the guest's root.
 *
 * The initramfs has /init (this program), /modules/order with a module's path per line, the
 * modules, the empty folders /proc /sys /dev /run /newroot, and /dev/console. Kernel command line:
 * banger.root=DEVICE, banger.rootfstype=ext4, banger.work=DEVICE, banger.init=auto|none. */
#ifndef BANGER_AGENT_BOOT_H
#define BANGER_AGENT_BOOT_H

struct agent;

/* Runs the agent; as process 1 it does not return. */
int boot_run(struct agent *agent);

#endif
