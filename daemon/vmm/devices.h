/* What the kernel calls the devices of the host that a machine has open: its tap, and of a disk by
 * device-mapper the device and the loop devices below. Looked up by the names that its parts have,
 * in sysfs, which asks for no privileges. */
#ifndef BANGER_DAEMON_VMM_DEVICES_H
#define BANGER_DAEMON_VMM_DEVICES_H

struct vm_handles;
struct vmm_config;

/* Sets tap_device, dm_name, dm_dev, base_loop and cow_loop; "" where it has none, or none is there.
 * Worker. */
void vmm_devices_look(const struct vmm_config *c, struct vm_handles *handles);

#endif
