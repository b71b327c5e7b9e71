/* The parts of a machine, as the core hands them to a driver. Plain structs, deterministic:
 * adopting a machine needs nothing else. A machine keeps them for as long as it lives, so what is
 * large and few have is shared. What of them a driver takes is data in its table
 * (vmm_capabilities); vmm.c holds one against the other before a machine is started. */
#ifndef BANGER_DAEMON_VMM_PARTS_H
#define BANGER_DAEMON_VMM_PARTS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/model/egress.h"
#include "daemon/model/egress_name.h"
#include "daemon/model/model.h"

struct err;
struct vmm_driver;

/* Where our agent listens on a guest's vsock. */
enum { VMM_AGENT_PORT = 1024 };

enum {
    VMM_DISKS_MAX = 4,
    VMM_NICS_MAX = 2,
    VMM_SERIAL_BYTES = 21,
    VMM_MAC_BYTES = 18,
    VMM_TAP_BYTES = 16
};

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
    bool is_device;                /* path is a block device's, not a file's */
    char serial[VMM_SERIAL_BYTES]; /* by which the guest may find it (20 characters: virtio) */
    char path[VM_PATH_BYTES]; /* a host object (daemon/host/object.h), made before the machine */
};

/* What a list lets a guest reach; never changed. */
struct vmm_allow {
    atomic_uint refs;
    struct egress_list list;
    struct egress_names names;
};

struct vmm_nic {
    enum net_mode backend;
    char mac[VMM_MAC_BYTES];
    char tap[VMM_TAP_BYTES]; /* NET_TAP: a host object; may be opened by us */
    enum egress_mode egress; /* of NET_USER; a tap has its rules */
    struct vmm_allow *allow; /* of NET_USER with EGRESS_LIST; counted (vmm_config_copy) */
    /* What the guest is to have: for one whose own init takes it from the kernel's command line. */
    struct guest_network guest;
};

/* How the daemon reaches the agent: as daemon/guest/channel.h has it. */
struct vmm_channel {
    enum guest_channel_kind kind;
    char path[SOCKET_PATH_BYTES];
    uint32_t port; /* vsock, ssh: the guest's */
};

/* Of a guest that brings its own initrd and init, and no agent: it is reached by its SSH server. */
struct vmm_own_boot {
    char hostname[NAME_BYTES];
    char key_path[VM_PATH_BYTES]; /* a private key whose owner root is to let in; "": nobody new */
    char arguments[KERNEL_ARGUMENTS_BYTES]; /* behind the driver's own, for the kernel */
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
    char initramfs_path[PATH_BYTES]; /* ours with the agent; the guest's own where it is own_boot */
    bool run_init;
    bool is_own_boot;
    struct vmm_own_boot own_boot;
    uint32_t cpus;
    uint64_t memory_bytes;
    struct vmm_disk disks[VMM_DISKS_MAX];
    size_t n_disks;
    struct vmm_nic nics[VMM_NICS_MAX];
    size_t n_nics;
    struct vmm_channel channel;
    char scope[VM_PATH_BYTES]; /* a host object that its process begins in; "": none */
};

/* A copy that lives on its own, until vmm_config_done: of what is shared it has its part. Any
 * thread. */
void vmm_config_copy(struct vmm_config *to, const struct vmm_config *from);
void vmm_config_done(struct vmm_config *c);
/* With one part. NULL: out of memory. */
struct vmm_allow *vmm_allow_new(void);

/* "system", "work": for people, and for names below the driver. */
const char *vmm_disk_role_name(enum vmm_disk_role role);
/* Borrowed from c; NULL: it has none of that role. */
const struct vmm_disk *vmm_config_disk(const struct vmm_config *c, enum vmm_disk_role role);
/* Stable per VM id, in qemu's own range 52:54:00. */
void vmm_mac_make(const char *vm_id, char mac[VMM_MAC_BYTES]);
/* How an agent of ours is reached by default: over the first kind that the driver takes. */
enum guest_channel_kind vmm_channel_of(const struct vmm_driver *driver);
/* What network a guest has by default: the user's where the driver takes it, else none. */
enum net_mode vmm_net_of(const struct vmm_driver *driver);
/* Takes the driver these parts? ERR_UNIMPLEMENTED, or ERR_PRECONDITION where it needs root. Whether
 * it runs a guest on this host is its probe's to say, and its start's. */
int vmm_parts_check(const struct vmm_driver *driver, const struct vmm_config *c, struct err *err);

#endif
