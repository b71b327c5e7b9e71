/* A machine's parts against what a driver takes. */
#include <unistd.h>

#include "base/err.h"
#include "daemon/vmm/vmm.h"
#include "tests/support/check.h"

static struct vmm_driver driver;
static struct vmm_config config;
static struct err err;

static enum err_code check(void)
{
    err_clear(&err);
    int rc = vmm_parts_check(&driver, &config, &err);
    CHECK_INT(rc, err.code == ERR_NONE ? 0 : -1);
    return err.code;
}

static void begin(void)
{
    driver = (struct vmm_driver){.name = "plain",
                                 .can = {.disk_formats = 1u << VMM_DISK_RAW,
                                         .nics = 1u << NET_USER,
                                         .channels = 1u << GUEST_CHANNEL_VSOCK}};
    config = (struct vmm_config){.disks = {{.format = VMM_DISK_RAW}, {.format = VMM_DISK_RAW}},
                                 .n_disks = 2,
                                 .nics = {{.backend = NET_USER}},
                                 .n_nics = 1,
                                 .channel = {.kind = GUEST_CHANNEL_VSOCK}};
}

static void test_takes_what_it_says(void)
{
    begin();
    CHECK_INT(check(), ERR_NONE);
    config.n_nics = config.n_disks = 0;
    CHECK_INT(check(), ERR_NONE);
}

static void test_ssh_goes_through_a_network(void)
{
    begin();
    driver.can.channels |= 1u << GUEST_CHANNEL_SSH;
    config.channel.kind = GUEST_CHANNEL_SSH;
    CHECK_INT(check(), ERR_NONE);
    config.n_nics = 0;
    CHECK_INT(check(), ERR_INVALID);
    CHECK_CONTAINS(err.message, "needs a network");
}

static void test_takes_nothing_else(void)
{
    begin();
    config.disks[1].format = VMM_DISK_QCOW2;
    CHECK_INT(check(), ERR_UNIMPLEMENTED);
    CHECK_STR(err.message, "driver plain takes no disk of this format");
    begin();
    config.nics[0].backend = NET_BRIDGE;
    CHECK_INT(check(), ERR_UNIMPLEMENTED);
    CHECK_STR(err.message, "driver plain takes no network of this kind");
    begin();
    config.channel.kind = GUEST_CHANNEL_UNIX;
    CHECK_INT(check(), ERR_UNIMPLEMENTED);
    CHECK_STR(err.message, "driver plain takes no guest channel of this kind");
}

static void test_needs_of_the_host(void)
{
    begin();
    driver.can.needs_root = true;
    CHECK_INT(check(), geteuid() == 0 ? ERR_NONE : ERR_PRECONDITION);
}

static void test_disks_by_role(void)
{
    begin();
    config.disks[1].role = VMM_DISK_WORK;
    CHECK(vmm_config_disk(&config, VMM_DISK_SYSTEM) == &config.disks[0]);
    CHECK(vmm_config_disk(&config, VMM_DISK_WORK) == &config.disks[1]);
    config.n_disks = 1;
    CHECK(!vmm_config_disk(&config, VMM_DISK_WORK));
}

/* A machine keeps its config for as long as it lives, and there are thousands: what few have is
 * shared, and there as long as anyone has it. */
static void test_copies_share_what_is_large(void)
{
    struct vmm_config copy;
    begin();
    CHECK(sizeof(config) < 4096);
    vmm_config_copy(&copy, &config);
    vmm_config_done(&copy);
    config.nics[0].allow = vmm_allow_new();
    config.nics[0].allow->names.n = 7;
    vmm_config_copy(&copy, &config);
    vmm_config_done(&config);
    CHECK(!config.nics[0].allow);
    CHECK_INT(copy.nics[0].allow->names.n, 7);
    vmm_config_done(&copy); /* the sanitizer sees whether it is gone */
}

int main(void)
{
    RUN(test_takes_what_it_says);
    RUN(test_takes_nothing_else);
    RUN(test_ssh_goes_through_a_network);
    RUN(test_needs_of_the_host);
    RUN(test_disks_by_role);
    RUN(test_copies_share_what_is_large);
    return check_end();
}
