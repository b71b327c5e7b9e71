/* daemon/host/module: load order from the modules' own dependencies. */
#include "daemon/host/module.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fs.h"
#include "tests/support/check.h"
#include "tests/unit/host/made.h"

static void put_module(const char *folder, const char *file, const char *depends)
{
    size_t len;
    auto_free uint8_t *module = made_module(depends, &len);
    made_file(folder, file, module, len);
}

static void test_order(void)
{
    static const struct module_want wants[] = {
        {"virtio_net", true}, {"virtio", true}, {"ext4", true}, {"vsock", false}};
    struct module_set set;
    struct err err = ERR_INIT;
    const char *folder = made_folder();
    char deep[512];
    snprintf(deep, sizeof(deep), "%s/kernel/drivers/net", folder);
    fs_make_dirs(deep, 0755, NULL);
    put_module(folder, "virtio.ko", "virtio-ring");
    put_module(folder, "virtio-ring.ko", "");
    put_module(deep, "virtio_net.ko", "virtio,net_failover");
    put_module(deep, "net_failover.ko", "failover");
    put_module(deep, "failover.ko", "");
    made_file(folder, "modules.builtin", "kernel/lib/a.ko\nkernel/fs/ext4/ext4.ko\n", 39);
    if (!CHECK_INT(module_collect(folder, wants, 4, &set, &err), 0))
        fprintf(stderr, "%s\n", err.message);
    static const char *const order[] = {"virtio_ring", "virtio", "failover", "net_failover",
                                        "virtio_net"};
    if (CHECK_INT(set.n, 5))
        for (size_t i = 0; i < 5; i++)
            CHECK_STR(set.at[i].name, order[i]);
    module_set_done(&set);
    made_folder_done();
}

static void test_missing_and_circle(void)
{
    static const struct module_want wants[] = {{"a", true}};
    struct module_set set;
    struct err err = ERR_INIT;
    const char *folder = made_folder();
    CHECK_INT(module_collect(folder, wants, 1, &set, &err), -1);
    CHECK_CONTAINS(err.message, "no kernel modules");
    module_set_done(&set);
    put_module(folder, "a.ko", "b");
    CHECK_INT(module_collect(folder, wants, 1, &set, &err), -1);
    CHECK_INT(err.code, ERR_NOT_FOUND);
    CHECK_CONTAINS(err.message, "no module b");
    module_set_done(&set);
    put_module(folder, "b.ko", "a");
    CHECK_INT(module_collect(folder, wants, 1, &set, &err), -1);
    CHECK_CONTAINS(err.message, "circles");
    module_set_done(&set);
    made_file(folder, "a.ko", "garbage", 7);
    CHECK_INT(module_collect(folder, wants, 1, &set, &err), -1);
    CHECK_INT(err.code, ERR_INVALID);
    module_set_done(&set);
    made_folder_done();
}

static void test_hostile_module(void)
{
    size_t len;
    char depends[64];
    auto_free uint8_t *module = made_module("one,two", &len);
    CHECK_INT(module_read_depends(module, len, depends, sizeof(depends), NULL), 0);
    CHECK_STR(depends, "one,two");
    CHECK_INT(module_read_depends(module, len, depends, 4, NULL), -1);
    for (size_t cut = 0; cut < len - 20; cut++) {
        auto_free uint8_t *exact = malloc(cut + 1);
        memcpy(exact, module, cut);
        CHECK_INT(module_read_depends(exact, cut, depends, sizeof(depends), NULL), -1);
    }
    for (size_t at = 0; at < len; at++)
        for (int bit = 0; bit < 8; bit++) {
            module[at] ^= (uint8_t)(1 << bit);
            (void)module_read_depends(module, len, depends, sizeof(depends), NULL);
            module[at] ^= (uint8_t)(1 << bit);
        }
}

int main(void)
{
    RUN(test_order);
    RUN(test_missing_and_circle);
    RUN(test_hostile_module);
    return check_end();
}
