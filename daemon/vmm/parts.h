/* The parts of a machine, as the core hands them to a driver. Plain structs, deterministic:
 * adopting a machine needs nothing else. What of them a driver takes is data in its table
 * (vmm_capabilities); vmm.c holds one against the other before a machine is started. */
#ifndef BANGER_DAEMON_VMM_PARTS_H
#define BANGER_DAEMON_VMM_PARTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/model/model.h"

struct err;
struct vmm_driver;
struct vmm_host;

enum { VMM_DISKS_MAX = 4, VMM_NICS_MAX = 2, VMM_SERIAL_BYTES = 21, VMM_MAC_BYTES = 18 };

enum vmm_disk_role { VMM_DISK_SYSTEM, VMM_DISK_WORK };

enum vmm_disk_format {
    VMM_DISK_RAW,
    VMM_DISK_QCOW2, /* with whatever file it is a layer over */
};

/* A virtio block device; its place among the disks is its letter in the guest. */
struct vmm_disk {
    enum vmm_disk_role role;
    enum vmm_disk_format format;
    bool read_only;
    char serial[VMM_SERIAL_BYTES]; /* by which the guest may find it (20 characters: virtio) */
    char path[VM_PATH_BYTES]; /* a host object (daemon/host/object.h), made before the machine */
};

struct vmm_nic {
    enum net_mode backend;
    char mac[VMM_MAC_BYTES];
};

/* How the daemon reaches the agent: as daemon/guest/channel.h has it. */
struct vmm_channel {
    enum guest_channel_kind kind;
    char path[SOCKET_PATH_BYTES];
    uint32_t port; /* vsock: the guest's */
};

/* What the guest says before and beside its agent. */
struct vmm_console {
    char log_path[VM_PATH_BYTES]; /* where its driver keeps the latest of it: console.h */
};

struct vmm_config {
    char vm_id[ID_BYTES];
    char vm_dir[VM_PATH_BYTES];
    char api_sock_path[SOCKET_PATH_BYTES];
    struct vmm_console console;
    char vmlinux_path[PATH_BYTES];
    char initramfs_path[PATH_BYTES];
    bool run_init;
    uint32_t cpus;
    uint64_t memory_bytes;
    struct vmm_disk disks[VMM_DISKS_MAX];
    size_t n_disks;
    struct vmm_nic nics[VMM_NICS_MAX];
    size_t n_nics;
    struct vmm_channel channel;
};

/* "system", "work": for people, and for names below the driver. */
const char *vmm_disk_role_name(enum vmm_disk_role role);
/* Borrowed from c; NULL: it has none of that role. */
const struct vmm_disk *vmm_config_disk(const struct vmm_config *c, enum vmm_disk_role role);
/* Stable per VM id, in qemu's own range 52:54:00. */
void vmm_mac_make(const char *vm_id, char mac[VMM_MAC_BYTES]);
/* Takes the driver these parts, and the host the driver? ERR_UNIMPLEMENTED, or ERR_PRECONDITION
 * where it needs root, or KVM on a host that is known to have none. */
int vmm_parts_check(const struct vmm_driver *driver, const struct vmm_host *host,
                    const struct vmm_config *c, struct err *err);

#endif
