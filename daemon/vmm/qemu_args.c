/* qemu's command line; see qemu_args.h. docs/ has the measurements behind the flags. */
#include "daemon/vmm/qemu_args.h"

#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/hash.h"

enum {
    QEMU_MEMORY_MIN_MIB = 64,
    QEMU_MEMORY_MAX_MIB = 1 << 20,
    QEMU_CPUS_MAX = 64,
    QEMU_PATH_BYTES = 2 * PATH_BYTES,
    QEMU_DEVICE_BYTES = 40,
    QEMU_NET_BYTES = 256,
    QEMU_CREDENTIAL_BYTES = 4200,
};

int qemu_args_check(const struct vmm_config *c, struct err *err)
{
    uint64_t mib = c->memory_bytes >> 20;
    if (c->cpus < 1 || c->cpus > QEMU_CPUS_MAX)
        return err_set(err, ERR_INVALID, "%u processors: qemu takes 1 to %d", c->cpus,
                       QEMU_CPUS_MAX);
    if (c->n_nics > 1)
        return err_set(err, ERR_INVALID, "%zu networks: qemu takes one", c->n_nics);
    if (mib < QEMU_MEMORY_MIN_MIB || mib > QEMU_MEMORY_MAX_MIB)
        return err_set(err, ERR_INVALID, "%llu MiB of memory: qemu takes %d MiB to 1 TiB",
                       (unsigned long long)mib, QEMU_MEMORY_MIN_MIB);
    return 0;
}

/* In an option list a comma is written twice. */
static const char *qemu_args_escape(const char *path, char out[QEMU_PATH_BYTES])
{
    size_t n = 0;
    for (; *path && n + 2 < QEMU_PATH_BYTES; path++) {
        out[n++] = *path;
        if (*path == ',')
            out[n++] = ',';
    }
    out[n] = '\0';
    return out;
}

void qemu_args_mark(const struct vmm_config *c, char mark[QEMU_MARK_BYTES])
{
    char path[QEMU_PATH_BYTES];
    snprintf(mark, QEMU_MARK_BYTES, "unix:%.*s,server=on,wait=off", 2 * SOCKET_PATH_BYTES,
             qemu_args_escape(c->api_sock_path, path));
}

static uint64_t qemu_args_hash(const char *text, uint64_t seed)
{
    uint64_t h = hash_text(HASH_START ^ seed, text);
    return h ^ h >> 29;
}

/* RFC 9562 version 8: ours to fill. */
void qemu_args_uuid(const char *vm_id, char uuid[37])
{
    uint64_t a = qemu_args_hash(vm_id, 1), b = qemu_args_hash(vm_id, 2);
    snprintf(uuid, 37, "%08x-%04x-8%03x-%04x-%012llx", (unsigned)(a >> 32),
             (unsigned)(a >> 16 & 0xffff), (unsigned)(a & 0xfff),
             (unsigned)(b >> 48 & 0x3fff) | 0x8000, (unsigned long long)(b & 0xffffffffffffu));
}

/* " name/dev/vda" where there is a disk of the role, or nothing. */
static const char *qemu_args_device(const struct vmm_config *c, enum vmm_disk_role role,
                                    const char *name, char out[QEMU_DEVICE_BYTES])
{
    const struct vmm_disk *d = vmm_config_disk(c, role);
    out[0] = '\0';
    if (d)
        snprintf(out, QEMU_DEVICE_BYTES, " %s/dev/vd%c", name, (char)('a' + (d - c->disks)));
    return out;
}

/* Emulated kernels are told how fast the processor is: see below. */
static const char *qemu_args_tsc(const struct qemu_choice *choice, char out[64])
{
    out[0] = '\0';
    if (!choice->kvm && choice->tsc_khz)
        snprintf(out, 64, " tsc_early_khz=%u tsc=reliable", choice->tsc_khz);
    return out;
}

/* passt lets nobody in, and what it would forward listens for as long as it lives. So a guest that
 * is reached by a port of its own has a second card: qemu's own network, without a way out. */
static bool qemu_args_has_way_in(const struct vmm_config *c, const struct qemu_choice *choice)
{
    return choice->has_net_fd && c->channel.kind == GUEST_CHANNEL_SSH;
}

/* A guest with its own initrd and init gets what it cannot know: its root, its name, its network,
 * and who may come. systemd (252 and later) takes all of
 * that from here, so an image needs nothing of ours in it. */
static void qemu_args_own_kernel(struct monitor_argv *a, const struct vmm_config *c,
                                 const struct qemu_choice *choice)
{
    char tsc[64], key[QEMU_CREDENTIAL_BYTES] = "", net[QEMU_NET_BYTES] = "";
    if (choice->authorized_key && *choice->authorized_key)
        snprintf(key, sizeof(key), " \"systemd.set_credential=ssh.authorized_keys.root:%s\"",
                 choice->authorized_key);
    if (c->n_nics > 0) {
        const struct guest_network *g = &c->nics[0].guest;
        snprintf(net, sizeof(net),
                 " ip=%s::%s:%s::eth0:off:%s systemd.wants=systemd-networkd.service "
                 "systemd.wants=systemd-network-generator.service%s",
                 g->address, g->gateway, g->netmask, g->dns,
                 qemu_args_has_way_in(c, choice) ? " ip=10.0.3.15:::255.255.255.0::eth1:off" : "");
    }
    monitor_argv_add(a,
                     "console=ttyS0 root=/dev/vda rw reboot=t,w,panic_cold panic=-1 quiet%s%s "
                     "random.trust_cpu=on net.ifnames=0%s%s%s%s%s%s",
                     qemu_args_tsc(choice, tsc),
                     choice->kvm ? "" : " mitigations=off init_on_alloc=0",
                     c->own_boot.hostname[0] ? " systemd.hostname=" : "", c->own_boot.hostname, net,
                     key, c->own_boot.arguments[0] ? " " : "", c->own_boot.arguments);
}

/* tsc_early_khz: without it a kernel under TCG hangs in its timer calibration in one boot of five.
 * reboot=t: microvm has no keyboard controller, and looking for one takes 4 s of each reset.
 * w,panic_cold: a reboot that was ordered leaves QEMU_MARK_WARM at QEMU_MARK_ADDRESS, a panic
 * (Linux 5.2) leaves 0, and what resets the machine in any other way leaves what was there, which
 * is 0. security=none: with AppArmor alone turned off, SELinux took its place, without a policy.
 * nokmem: under TCG, charging each page of a pipe is a tenth and more of what moving its bytes
 * costs; memory limits of cgroups do not count what the kernel has for them, then. */
static void qemu_args_kernel(struct monitor_argv *a, const struct vmm_config *c,
                             const struct qemu_choice *choice)
{
    char tsc[64], root[QEMU_DEVICE_BYTES], work[QEMU_DEVICE_BYTES];
    monitor_argv_add(a, "-kernel");
    monitor_argv_add(a, "%s", c->vmlinux_path);
    monitor_argv_add(a, "-initrd");
    monitor_argv_add(a, "%s", c->initramfs_path);
    monitor_argv_add(a, "-append");
    if (c->is_own_boot) {
        qemu_args_own_kernel(a, c, choice);
        return;
    }
    monitor_argv_add(
        a,
        "console=ttyS0 reboot=t,w,panic_cold panic=-1 quiet%s%s random.trust_cpu=on security=none "
        "audit=0 net.ifnames=0%s banger.rootfstype=ext4%s banger.init=%s",
        qemu_args_tsc(choice, tsc),
        choice->kvm ? "" : " mitigations=off init_on_alloc=0 cgroup.memory=nokmem",
        qemu_args_device(c, VMM_DISK_SYSTEM, "banger.root=", root),
        qemu_args_device(c, VMM_DISK_WORK, "banger.work=", work), c->run_init ? "auto" : "none");
}

static void qemu_args_disk(struct monitor_argv *a, const struct vmm_disk *d)
{
    char escaped[QEMU_PATH_BYTES];
    const char *name = vmm_disk_role_name(d->role);
    monitor_argv_add(a, "-blockdev");
    monitor_argv_add(a,
                     "driver=%s,node-name=%s,%sdiscard=unmap,file.driver=%s,file.discard=unmap,"
                     "file.filename=%s",
                     d->format == VMM_DISK_QCOW2 ? "qcow2" : "raw", name,
                     d->read_only ? "read-only=on," : "", d->is_device ? "host_device" : "file",
                     qemu_args_escape(d->path, escaped));
    monitor_argv_add(a, "-device");
    monitor_argv_add(a, "virtio-blk-device,drive=%s,serial=%s", name, d->serial);
}

static void qemu_args_card(struct monitor_argv *a, const char *netdev, const char *mac)
{
    monitor_argv_add(a, "-device");
    monitor_argv_add(a, "virtio-net-device,netdev=%s,mac=%s", netdev, mac);
}

static void qemu_args_network(struct monitor_argv *a, const struct vmm_config *c,
                              const struct qemu_choice *choice)
{
    if (c->n_nics == 0)
        return;
    const char *mac = c->nics[0].mac;
    monitor_argv_add(a, "-netdev");
    if (c->nics[0].backend == NET_TAP) /* nobody's scripts */
        monitor_argv_add(a, "tap,id=" QEMU_NETDEV_OUT ",ifname=%s,script=no,downscript=no",
                         c->nics[0].tap);
    else if (choice->has_net_fd)
        monitor_argv_add(a, "stream,id=" QEMU_NETDEV_OUT ",server=off,addr.type=fd,addr.str=%d",
                         MONITOR_FD);
    else
        monitor_argv_add(a, "user,id=" QEMU_NETDEV "%s",
                         c->nics[0].egress == EGRESS_NONE ? ",restrict=on" : "");
    bool out = choice->has_net_fd || c->nics[0].backend == NET_TAP;
    qemu_args_card(a, out ? QEMU_NETDEV_OUT : QEMU_NETDEV, mac);
    if (!qemu_args_has_way_in(c, choice))
        return;
    char second[VMM_MAC_BYTES]; /* of a locally administered range, which 52 is, too */
    snprintf(second, sizeof(second), "56%s", mac + 2);
    monitor_argv_add(a, "-netdev");
    monitor_argv_add(a, "user,id=" QEMU_NETDEV ",restrict=on,ipv6=off,net=10.0.3.0/24");
    qemu_args_card(a, QEMU_NETDEV, second);
}

static void qemu_args_channels(struct monitor_argv *a, const struct vmm_config *c)
{
    char escaped[QEMU_PATH_BYTES], mark[QEMU_MARK_BYTES];
    qemu_args_mark(c, mark);
    monitor_argv_add(a, "-qmp");
    monitor_argv_add(a, "%s", mark);
    if (c->channel.kind == GUEST_CHANNEL_UNIX) {
        monitor_argv_add(a, "-chardev");
        monitor_argv_add(a, "socket,id=agent,path=%s,server=on,wait=off",
                         qemu_args_escape(c->channel.path, escaped));
        monitor_argv_add(a, "-device");
        monitor_argv_add(a, "virtio-serial-device");
        monitor_argv_add(a, "-device");
        monitor_argv_add(a, "virtserialport,chardev=agent,name=agent,nr=1");
    }
    /* The console goes into a ring in qemu's memory, which the daemon reads by QMP: a guest that
     * writes for ever fills nothing and waits for nobody, whether a daemon is there or not. */
    monitor_argv_add(a, "-chardev");
    monitor_argv_add(a, "ringbuf,id=console,size=%d", QEMU_RING_BYTES);
    monitor_argv_add(a, "-serial");
    monitor_argv_add(a, "chardev:console");
}

void qemu_args_build(struct monitor_argv *a, const struct vmm_config *c,
                     const struct qemu_choice *choice)
{
    char uuid[37];
    qemu_args_uuid(c->vm_id, uuid);
    monitor_argv_add(a, "%s", choice->qemu);
    monitor_argv_add(a, "-name");
    monitor_argv_add(a, QEMU_NAME_PREFIX "%s", c->vm_id);
    monitor_argv_add(a, "-uuid");
    monitor_argv_add(a, "%s", uuid);
    monitor_argv_add(a, "-M");
    monitor_argv_add(a, choice->kvm ? "microvm" : "microvm,pit=off");
    monitor_argv_add(a, "-accel");
    if (choice->kvm)
        monitor_argv_add(a, "kvm");
    else
        monitor_argv_add(a, "tcg,tb-size=%d", QEMU_TB_MIB);
    monitor_argv_add(a, "-cpu");
    /* TCG runs rep movsb and stosb a byte at a time: without these flags the kernel copies by
     * words, and bulk output is three times as fast. */
    monitor_argv_add(a, choice->kvm ? "host" : "max,-erms,-fsrm");
    monitor_argv_add(a, "-smp");
    monitor_argv_add(a, "%u", c->cpus);
    monitor_argv_add(a, "-m");
    monitor_argv_add(a, "%lluM", (unsigned long long)(c->memory_bytes >> 20));
    static const char *const fixed[] = {
        "-no-user-config", "-nodefaults", "-display", "none",
        /* A guest that is over stays as a paused process until somebody has read its console and
         * how it ended; a daemon that was away learns it on its return. */
        "-action", "reboot=shutdown,shutdown=pause",
        /* A guest that breaks out of the device models finds no exec and no setuid. */
        "-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"};
    for (size_t i = 0; i < sizeof(fixed) / sizeof(*fixed); i++)
        monitor_argv_add(a, "%s", fixed[i]);
    qemu_args_kernel(a, c, choice);
    for (size_t i = 0; i < c->n_disks; i++)
        qemu_args_disk(a, &c->disks[i]);
    qemu_args_network(a, c, choice);
    qemu_args_channels(a, c);
}
