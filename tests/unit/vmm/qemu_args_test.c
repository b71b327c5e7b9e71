/* The command line, as text. */
#include "base/err.h"
#include "daemon/vmm/qemu_args.h"
#include "tests/support/check.h"

static struct vmm_config example(void)
{
    struct vmm_config c = {
        .vm_id = "0123456789abcdef",
        .vm_dir = "/s/vm",
        .api_sock_path = "/s/v,m/api",
        .channel = {.path = "/s/vm/agent"},
        .vmlinux_path = "/k/vmlinux",
        .initramfs_path = "/k/initramfs",
        .disks =
            {{.role = VMM_DISK_SYSTEM,
              .format = VMM_DISK_QCOW2,
              .path = "/s/a,b/system",
              .serial = "system"},
             {.role = VMM_DISK_WORK, .format = VMM_DISK_RAW, .path = "/s/vm/work", .serial = "w0"}},
        .n_disks = 1,
        .cpus = 2,
        .memory_bytes = 256u << 20,
        .nics = {{.backend = NET_USER,
                  .mac = "52:54:00:01:02:03",
                  .guest = {.address = "10.0.2.15",
                            .netmask = "255.255.255.0",
                            .gateway = "10.0.2.2",
                            .dns = "10.0.2.3",
                            .prefix = 24}}},
        .n_nics = 1,
    };
    return c;
}

/* The argument behind option, or NULL. */
static const char *after(const struct monitor_argv *a, const char *option)
{
    for (size_t i = 0; i + 1 < a->n; i++)
        if (strcmp(a->argv[i], option) == 0)
            return a->argv[i + 1];
    return NULL;
}

static bool any_contains(const struct monitor_argv *a, const char *part)
{
    for (size_t i = 0; i < a->n; i++)
        if (strstr(a->argv[i], part))
            return true;
    return false;
}

/* qemu opens a device by no driver of files, and a file by none of devices. */
static void test_a_disk_that_is_a_device(void)
{
    struct monitor_argv a = {.n = 0}, b = {.n = 0};
    struct vmm_config c = example();
    struct qemu_choice choice = {.qemu = "/q"};
    qemu_args_build(&a, &c, &choice);
    CHECK_CONTAINS(after(&a, "-blockdev"), "file.driver=file,");
    c.disks[0].format = VMM_DISK_RAW;
    c.disks[0].is_device = true;
    qemu_args_build(&b, &c, &choice);
    CHECK_CONTAINS(after(&b, "-blockdev"), "driver=raw,");
    CHECK_CONTAINS(after(&b, "-blockdev"), "file.driver=host_device,");
}

static void test_emulated(void)
{
    struct monitor_argv a = {.n = 0};
    struct vmm_config c = example();
    struct qemu_choice choice = {.qemu = "/q", .tsc_khz = 2445422};
    qemu_args_build(&a, &c, &choice);
    CHECK(!a.overflow);
    CHECK_STR(a.argv[0], "/q");
    CHECK(a.argv[a.n] == NULL);
    CHECK_STR(after(&a, "-M"), "microvm,pit=off");
    CHECK_STR(after(&a, "-accel"), "tcg,tb-size=128"); /* unbounded it grows to 1 GiB */
    CHECK_STR(after(&a, "-m"), "256M");
    CHECK_STR(after(&a, "-smp"), "2");
    CHECK_STR(after(&a, "-qmp"), "unix:/s/v,,m/api,server=on,wait=off");
    CHECK_CONTAINS(after(&a, "-append"), " tsc_early_khz=2445422 tsc=reliable ");
    CHECK_CONTAINS(after(&a, "-append"), "banger.init=none");
    CHECK(!strstr(after(&a, "-append"), "banger.work"));
    CHECK_CONTAINS(after(&a, "-blockdev"), "file.filename=/s/a,,b/system");
    CHECK(any_contains(&a, "drive=system,serial=system"));
    CHECK(any_contains(&a, "virtio-net-device,netdev=net0,mac=52:54:00:01:02:03"));
    CHECK(!any_contains(&a, "/s/vm/work"));
    CHECK(!any_contains(&a, "read-only"));
    CHECK(any_contains(&a, "spawn=deny"));
    CHECK(any_contains(&a, "virtserialport,chardev=agent,name=agent,nr=1"));
}

static void test_kvm_without_network(void)
{
    struct monitor_argv a = {.n = 0};
    struct vmm_config c = example();
    c.n_nics = 0;
    c.run_init = true;
    c.n_disks = 2;
    c.disks[1].read_only = true;
    struct qemu_choice choice = {.qemu = "/q", .kvm = true, .tsc_khz = 1};
    qemu_args_build(&a, &c, &choice);
    CHECK_STR(after(&a, "-M"), "microvm");
    CHECK_STR(after(&a, "-accel"), "kvm");
    CHECK_STR(after(&a, "-cpu"), "host");
    CHECK(!strstr(after(&a, "-append"), "tsc"));
    CHECK_CONTAINS(
        after(&a, "-append"),
        "banger.root=/dev/vda banger.rootfstype=ext4 banger.work=/dev/vdb banger.init=auto");
    CHECK(any_contains(&a, "file.filename=/s/vm/work"));
    CHECK(any_contains(&a, "driver=raw,node-name=work,read-only=on,"));
    CHECK(any_contains(&a, "drive=work,serial=w0"));
    CHECK(!after(&a, "-netdev"));
}

static void test_a_guest_that_boots_its_own_way(void)
{
    struct monitor_argv a = {.n = 0};
    struct vmm_config c = example();
    c.is_own_boot = true;
    c.channel.kind = GUEST_CHANNEL_SSH;
    strcpy(c.own_boot.hostname, "box");
    strcpy(c.own_boot.arguments, "loglevel=3 splash");
    struct qemu_choice choice = {.qemu = "/q", .kvm = true, .authorized_key = "ssh-x AAAA"};
    qemu_args_build(&a, &c, &choice);
    CHECK(!a.overflow);
    const char *append = after(&a, "-append");
    CHECK_CONTAINS(append, " root=/dev/vda rw ");
    CHECK_CONTAINS(append, " reboot=t,w,panic_cold panic=-1 "); /* how its end is judged by */
    CHECK_CONTAINS(append, " systemd.hostname=box ");
    CHECK_CONTAINS(append, " ip=10.0.2.15::");
    CHECK_CONTAINS(append, " \"systemd.set_credential=ssh.authorized_keys.root:ssh-x AAAA\" ");
    CHECK_STR(strstr(append, " loglevel"), " loglevel=3 splash");
    CHECK(!strstr(append, "banger."));
    CHECK(!any_contains(&a, "virtserialport"));
    CHECK(!any_contains(&a, "hostfwd")); /* nobody has a way in before he asks for it */
    struct monitor_argv b = {.n = 0};
    c.own_boot.hostname[0] = c.own_boot.arguments[0] = '\0';
    choice.authorized_key = "";
    qemu_args_build(&b, &c, &choice);
    CHECK(!any_contains(&b, "set_credential"));
    CHECK(!any_contains(&b, "systemd.hostname"));
}

/* The way in is a card of its own, which leads nowhere else. */
static void test_networks_of_users(void)
{
    struct monitor_argv a = {.n = 0}, b = {.n = 0};
    struct vmm_config c = example();
    struct qemu_choice choice = {.qemu = "/q", .kvm = true, .has_net_fd = true};
    qemu_args_build(&a, &c, &choice);
    CHECK_STR(after(&a, "-netdev"), "stream,id=out,server=off,addr.type=fd,addr.str=3");
    CHECK(any_contains(&a, "virtio-net-device,netdev=out,mac=52:54:00:01:02:03"));
    CHECK(!any_contains(&a, "user,"));
    c.is_own_boot = true;
    c.channel.kind = GUEST_CHANNEL_SSH;
    choice.authorized_key = "";
    qemu_args_build(&b, &c, &choice);
    CHECK(any_contains(&b, "netdev=out,mac=52:54:00:01:02:03"));
    CHECK(any_contains(&b, "user,id=net0,restrict=on,"));
    CHECK(any_contains(&b, "netdev=net0,mac=56:54:00:01:02:03"));
    CHECK_CONTAINS(after(&b, "-append"), " ip=10.0.2.15::");
    CHECK_CONTAINS(after(&b, "-append"), " ip=10.0.3.15:::255.255.255.0::eth1:off");
}

/* qemu's own knows all or nothing. */
static void test_egress_of_slirp(void)
{
    struct monitor_argv a = {.n = 0}, b = {.n = 0};
    struct vmm_config c = example();
    struct qemu_choice choice = {.qemu = "/q", .kvm = true};
    c.nics[0].egress = EGRESS_ALL;
    qemu_args_build(&a, &c, &choice);
    CHECK_STR(after(&a, "-netdev"), "user,id=net0");
    c.nics[0].egress = EGRESS_NONE;
    qemu_args_build(&b, &c, &choice);
    CHECK_STR(after(&b, "-netdev"), "user,id=net0,restrict=on");
}

static void test_names_are_stable(void)
{
    char mac[18], again[18], other[18], uuid[37];
    vmm_mac_make("0123456789abcdef", mac);
    vmm_mac_make("0123456789abcdef", again);
    vmm_mac_make("0123456789abcdeg", other);
    CHECK_STR(mac, again);
    CHECK(strcmp(mac, other) != 0);
    CHECK_STR(mac, "52:54:00:e2:af:14"); /* with any version of the daemon */
    qemu_args_uuid("0123456789abcdef", uuid);
    CHECK_STR(uuid, "9a1b9091-6ee7-87fd-ba5b-33e019a97905");
    CHECK(uuid[14] == '8' && strchr("89ab", uuid[19]));
}

static void test_limits(void)
{
    struct err err = ERR_INIT;
    struct vmm_config c = example();
    CHECK_INT(qemu_args_check(&c, &err), 0);
    c.n_nics = 2;
    CHECK_INT(qemu_args_check(&c, &err), -1);
    c = example();
    c.cpus = 0;
    CHECK_INT(qemu_args_check(&c, &err), -1);
    CHECK_INT(err.code, ERR_INVALID);
    c = example();
    c.memory_bytes = UINT64_MAX;
    CHECK_INT(qemu_args_check(&c, &err), -1);
}

static void test_overflow_is_noticed(void)
{
    static char longer[MONITOR_ARG_BYTES + 1];
    struct monitor_argv a = {.n = 0};
    memset(longer, 'x', MONITOR_ARG_BYTES);
    monitor_argv_add(&a, "%s", longer);
    CHECK(a.overflow);
    a = (struct monitor_argv){.n = 0};
    for (int i = 0; i < MONITOR_ARGS_MAX; i++)
        monitor_argv_add(&a, "x");
    CHECK(!a.overflow);
    monitor_argv_add(&a, "x");
    CHECK(a.overflow);
}

int main(void)
{
    RUN(test_emulated);
    RUN(test_a_disk_that_is_a_device);
    RUN(test_kvm_without_network);
    RUN(test_a_guest_that_boots_its_own_way);
    RUN(test_networks_of_users);
    RUN(test_egress_of_slirp);
    RUN(test_names_are_stable);
    RUN(test_limits);
    RUN(test_overflow_is_noticed);
    return check_end();
}
