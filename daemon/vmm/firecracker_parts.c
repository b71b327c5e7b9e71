/* A machine's parts in Firecracker's words; see firecracker_parts.h. */
#include "daemon/vmm/firecracker_parts.h"

#include <stdio.h>
#include <string.h>

#include "base/err.h"

enum {
    MEMORY_MIN_MIB = 64,
    MEMORY_MAX_MIB = 1 << 20,
    CPUS_MAX = 32,
    DEVICE_BYTES = 40,
    COMMAND_LINE_BYTES = 768,
};

int firecracker_parts_check(const struct vmm_config *c, struct err *err)
{
    uint64_t mib = c->memory_bytes >> 20;
    if (c->cpus < 1 || c->cpus > CPUS_MAX)
        return err_set(err, ERR_INVALID, "%u processors: firecracker takes 1 to %d", c->cpus,
                       CPUS_MAX);
    if (mib < MEMORY_MIN_MIB || mib > MEMORY_MAX_MIB)
        return err_set(err, ERR_INVALID, "%llu MiB of memory: firecracker takes %d MiB to 1 TiB",
                       (unsigned long long)mib, MEMORY_MIN_MIB);
    return 0;
}

void firecracker_console_path(const struct vmm_config *c, char path[PATH_BYTES])
{
    if (snprintf(path, PATH_BYTES, "%s/console.fifo", c->vm_dir) >= PATH_BYTES)
        path[0] = '\0'; /* making it then fails */
}

/* Warnings and worse go to its stdout, which is the log of its process; the console does not. */
void firecracker_args_options(struct monitor_argv *a, const struct vmm_config *c)
{
    monitor_argv_add(a, "--api-sock");
    monitor_argv_add(a, "%s", c->api_sock_path);
    monitor_argv_add(a, "--level");
    monitor_argv_add(a, "Warning");
}

void firecracker_args_build(struct monitor_argv *a, const struct vmm_config *c, const char *program)
{
    monitor_argv_add(a, "%s", program);
    monitor_argv_add(a, "--id");
    monitor_argv_add(a, FIRECRACKER_ID_PREFIX "%s", c->vm_id);
    firecracker_args_options(a, c);
}

static void machine_part(const struct vmm_config *c, struct firecracker_part *p)
{
    snprintf(p->path, sizeof(p->path), "/machine-config");
    snprintf(p->what, sizeof(p->what), "processors and memory");
    p->body = json_pack("{s:I, s:I}", "vcpu_count", (json_int_t)c->cpus, "mem_size_mib",
                        (json_int_t)(c->memory_bytes >> 20));
}

/* " name/dev/vda" where there is a disk of the role, or nothing. */
static const char *device(const struct vmm_config *c, enum vmm_disk_role role, const char *name,
                          char out[DEVICE_BYTES])
{
    const struct vmm_disk *d = vmm_config_disk(c, role);
    out[0] = '\0';
    if (d)
        snprintf(out, DEVICE_BYTES, " %s/dev/vd%c", name, (char)('a' + (d - c->disks)));
    return out;
}

/* reboot=k: its keyboard controller is what resets the machine, and a reset ends the process.
 * pci=off, nr_uarts=1 and the i8042's: what it has not is not looked for, which takes seconds. */
static void boot_part(const struct vmm_config *c, struct firecracker_part *p)
{
    char line[COMMAND_LINE_BYTES], root[DEVICE_BYTES], work[DEVICE_BYTES];
    snprintf(line, sizeof(line),
             "console=ttyS0 reboot=k panic=-1 quiet pci=off 8250.nr_uarts=1 i8042.noaux "
             "i8042.nomux i8042.dumbkbd random.trust_cpu=on apparmor=0 audit=0 net.ifnames=0%s "
             "banger.rootfstype=ext4%s banger.init=%s banger.vsock=%u",
             device(c, VMM_DISK_SYSTEM, "banger.root=", root),
             device(c, VMM_DISK_WORK, "banger.work=", work), c->run_init ? "auto" : "none",
             c->channel.port);
    snprintf(p->path, sizeof(p->path), "/boot-source");
    snprintf(p->what, sizeof(p->what), "the kernel");
    p->body = json_pack("{s:s, s:s, s:s}", "kernel_image_path", c->vmlinux_path, "initrd_path",
                        c->initramfs_path, "boot_args", line);
}

/* No disk is its root device: that is the command line's to say, ours has an initramfs. A write is
 * on the host's disk when the guest has flushed it. */
static void disk_part(const struct vmm_disk *d, struct firecracker_part *p)
{
    const char *role = vmm_disk_role_name(d->role);
    snprintf(p->path, sizeof(p->path), "/drives/%s", role);
    snprintf(p->what, sizeof(p->what), "the %s disk", role);
    p->body = json_pack("{s:s, s:s, s:b, s:b, s:s}", "drive_id", role, "path_on_host", d->path,
                        "is_root_device", 0, "is_read_only", (int)d->read_only, "cache_type",
                        "Writeback");
}

static void nic_part(const struct vmm_nic *nic, struct firecracker_part *p)
{
    snprintf(p->path, sizeof(p->path), "/network-interfaces/eth0");
    snprintf(p->what, sizeof(p->what), "the network");
    p->body = json_pack("{s:s, s:s, s:s}", "iface_id", "eth0", "host_dev_name", nic->tap,
                        "guest_mac", nic->mac);
}

static void vsock_part(const struct vmm_config *c, struct firecracker_part *p)
{
    snprintf(p->path, sizeof(p->path), "/vsock");
    snprintf(p->what, sizeof(p->what), "the guest channel");
    p->body = json_pack("{s:i, s:s}", "guest_cid", FIRECRACKER_CID, "uds_path", c->channel.path);
}

static void entropy_part(struct firecracker_part *p)
{
    snprintf(p->path, sizeof(p->path), "/entropy");
    snprintf(p->what, sizeof(p->what), "the source of entropy");
    p->body = json_object();
}

/* Asks for nothing back; what the guest frees goes back by itself. */
static void balloon_part(struct firecracker_part *p)
{
    snprintf(p->path, sizeof(p->path), "/balloon");
    snprintf(p->what, sizeof(p->what), "the balloon");
    p->body = json_pack("{s:i, s:b, s:b}", "amount_mib", 0, "deflate_on_oom", 1,
                        "free_page_reporting", 1);
}

static void console_part(const struct vmm_config *c, struct firecracker_part *p)
{
    char path[PATH_BYTES];
    firecracker_console_path(c, path);
    snprintf(p->path, sizeof(p->path), "/serial");
    snprintf(p->what, sizeof(p->what), "the console");
    p->body = json_pack("{s:s}", "serial_out_path", path);
}

static void start_part(struct firecracker_part *p)
{
    snprintf(p->path, sizeof(p->path), "/actions");
    snprintf(p->what, sizeof(p->what), "the start");
    p->body = json_pack("{s:s}", "action_type", "InstanceStart");
}

bool firecracker_part_at(const struct vmm_config *c, size_t i, struct firecracker_part *part)
{
    enum { MACHINE, BOOT, CONSOLE, VSOCK, ENTROPY, BALLOON, START, N_FIXED };
    *part = (struct firecracker_part){.body = NULL};
    if (i < c->n_disks) {
        disk_part(&c->disks[i], part);
        return true;
    }
    i -= c->n_disks;
    if (i < c->n_nics) {
        nic_part(&c->nics[i], part);
        return true;
    }
    switch (i - c->n_nics) {
    case MACHINE:
        machine_part(c, part);
        return true;
    case BOOT:
        boot_part(c, part);
        return true;
    case CONSOLE:
        console_part(c, part);
        return true;
    case VSOCK:
        vsock_part(c, part);
        return true;
    case ENTROPY:
        entropy_part(part);
        return true;
    case BALLOON:
        balloon_part(part);
        return true;
    case START:
        start_part(part);
        return true;
    default:
        return false;
    }
}
