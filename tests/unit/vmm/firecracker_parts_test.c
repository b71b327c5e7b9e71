/* What Firecracker is told of a machine; tests/support/firecracker/ holds it to the API. */
#include <string.h>

#include "base/err.h"
#include "daemon/vmm/firecracker_parts.h"
#include "daemon/vmm/firecracker_probe.h"
#include "tests/support/check.h"

static struct vmm_config config;

static void begin(void)
{
    config = (struct vmm_config){
        .vm_id = "e8n2p4q6r8s0t2v4",
        .vm_dir = "/vms/one",
        .api_sock_path = "/vms/one/api.sock",
        .vmlinux_path = "/k/vmlinux",
        .initramfs_path = "/k/initramfs",
        .cpus = 2,
        .memory_bytes = 256u << 20,
        .run_init = true,
        .disks = {{.role = VMM_DISK_SYSTEM, .path = "/vms/one/system \"disk\".raw"},
                  {.role = VMM_DISK_WORK, .path = "/vms/one/work.raw", .read_only = true}},
        .n_disks = 2,
        .channel = {.kind = GUEST_CHANNEL_VSOCK, .path = "/vms/one/agent.sock", .port = 1024},
    };
}

static void check_part(size_t i, const char *path, const char *what, const char *body)
{
    struct firecracker_part part;
    if (!CHECK(firecracker_part_at(&config, i, &part)))
        return;
    CHECK_STR(part.path, path);
    CHECK_STR(part.what, what);
    char *text = json_dumps(part.body, JSON_COMPACT | JSON_SORT_KEYS);
    CHECK_STR(text, body);
    free(text);
    json_decref(part.body);
}

static void test_the_requests_of_a_machine(void)
{
    struct firecracker_part part;
    begin();
    check_part(0, "/drives/system", "the system disk",
               "{\"cache_type\":\"Writeback\",\"drive_id\":\"system\",\"is_read_only\":false,"
               "\"is_root_device\":false,\"path_on_host\":\"/vms/one/system \\\"disk\\\".raw\"}");
    check_part(1, "/drives/work", "the work disk",
               "{\"cache_type\":\"Writeback\",\"drive_id\":\"work\",\"is_read_only\":true,"
               "\"is_root_device\":false,\"path_on_host\":\"/vms/one/work.raw\"}");
    check_part(2, "/machine-config", "processors and memory",
               "{\"mem_size_mib\":256,\"vcpu_count\":2}");
    check_part(3, "/boot-source", "the kernel",
               "{\"boot_args\":\"console=ttyS0 reboot=k panic=-1 quiet pci=off 8250.nr_uarts=1 "
               "i8042.noaux i8042.nomux i8042.dumbkbd random.trust_cpu=on apparmor=0 audit=0 "
               "net.ifnames=0 banger.root=/dev/vda banger.rootfstype=ext4 banger.work=/dev/vdb "
               "banger.init=auto banger.vsock=1024\",\"initrd_path\":\"/k/initramfs\","
               "\"kernel_image_path\":\"/k/vmlinux\"}");
    check_part(4, "/serial", "the console", "{\"serial_out_path\":\"/vms/one/console.fifo\"}");
    check_part(5, "/vsock", "the guest channel",
               "{\"guest_cid\":3,\"uds_path\":\"/vms/one/agent.sock\"}");
    check_part(6, "/entropy", "the source of entropy", "{}");
    check_part(7, "/balloon", "the balloon",
               "{\"amount_mib\":0,\"deflate_on_oom\":true,\"free_page_reporting\":true}");
    check_part(8, "/actions", "the start", "{\"action_type\":\"InstanceStart\"}");
    CHECK(!firecracker_part_at(&config, 9, &part));
}

static void test_the_command_line(void)
{
    struct monitor_argv a = {.n = 0};
    begin();
    firecracker_args_build(&a, &config, "/bin/firecracker");
    const char *const want[] = {
        "/bin/firecracker", "--id",   "banger-e8n2p4q6r8s0t2v4", "--api-sock", "/vms/one/api.sock",
        "--level",          "Warning"};
    CHECK_INT(a.n, sizeof(want) / sizeof(*want));
    for (size_t i = 0; i < a.n; i++)
        CHECK_STR(a.argv[i], want[i]);
    CHECK(!a.overflow);
}

static void test_sizes(void)
{
    struct err err = ERR_INIT;
    begin();
    CHECK_INT(firecracker_parts_check(&config, &err), 0);
    config.cpus = 33;
    CHECK_INT(firecracker_parts_check(&config, &err), -1);
    CHECK_CONTAINS(err.message, "firecracker takes 1 to 32");
    begin();
    config.memory_bytes = 1u << 20;
    CHECK_INT(firecracker_parts_check(&config, &err), -1);
}

static void test_old_versions(void)
{
    CHECK(firecracker_is_old("1.16.1"));
    CHECK(firecracker_is_old("1.9.9"));
    CHECK(firecracker_is_old("0.25.0"));
    CHECK(firecracker_is_old("next"));
    CHECK(firecracker_is_old(""));
    CHECK(!firecracker_is_old("1.16.2"));
    CHECK(!firecracker_is_old("1.17.0-dev"));
    CHECK(!firecracker_is_old("2.0.0"));
}

int main(void)
{
    RUN(test_the_requests_of_a_machine);
    RUN(test_the_command_line);
    RUN(test_sizes);
    RUN(test_old_versions);
    return check_end();
}
