/* What system disks are made as: by spec, driver and host. */
#include "daemon/core/vm/vm_storage.h"

#include <string.h>

#include "base/err.h"
#include "daemon/core/core.h"
#include "daemon/core/vm/vm_objects.h"
#include "daemon/vmm/driver.h"
#include "daemon/host/scope.h"
#include "tests/support/check.h"

static struct core core;
static const struct image raw = {.id = "0123456789abcdef", .name = "raw", .format = IMAGE_RAW};
static const struct image qcow2 = {.id = "1123456789abcdef", .name = "two", .format = IMAGE_QCOW2};

enum {
    ALL = 1u << STORAGE_QCOW2 | 1u << STORAGE_COPY | 1u << STORAGE_REFLINK | 1u << STORAGE_EMPTY
};

static void host_has(unsigned storages)
{
    core.storage.can = storages;
    snprintf(core.storage.why_not[STORAGE_REFLINK], sizeof(core.storage.why_not[0]), "no blocks");
}

/* Whether disks of device-mapper can be had, whatever this host has: looked for at each question.
 */
static bool has_dm;

static int probe_dm(const char *folder, struct err *err)
{
    (void)folder;
    return has_dm ? 0 : err_set(err, ERR_PRECONDITION, "no mapper");
}

static void look_for_dm(void)
{
    static struct object_kind kind;
    kind = object_dm;
    kind.probe = probe_dm;
    object_override(&kind);
}

/* As Firecracker is: raw disks alone. */
static void qemu_opens(unsigned formats)
{
    static struct vmm_driver driver;
    vmm_override_driver(NULL);
    driver = *vmm_find_driver("qemu", NULL);
    driver.can.disk_formats = formats;
    vmm_override_driver(&driver);
}

static enum storage chosen(const char *driver, enum storage asked, const struct image *image)
{
    struct vm_spec spec = {.storage = asked};
    struct err err = ERR_INIT;
    snprintf(spec.driver, sizeof(spec.driver), "%s", driver);
    if (!CHECK_INT(vm_storage_choose(&core, &spec, image, &err), 0))
        fprintf(stderr, "%s\n", err.message);
    return spec.storage;
}

static void refused(const char *driver, enum storage asked, const struct image *image,
                    enum err_code code, const char *reason, const char *text)
{
    struct vm_spec spec = {.storage = asked};
    struct err err = ERR_INIT;
    snprintf(spec.driver, sizeof(spec.driver), "%s", driver);
    CHECK_INT(vm_storage_choose(&core, &spec, image, &err), -1);
    CHECK_INT(err.code, code);
    CHECK_STR(err.reason, reason);
    CHECK_CONTAINS(err.message, text);
    CHECK_INT(spec.storage, asked);
}

static void test_the_best_of_what_driver_and_host_have(void)
{
    host_has(ALL);
    CHECK_INT(chosen("qemu", 0, &raw), STORAGE_QCOW2);
    CHECK_INT(chosen("qemu", 0, &qcow2), STORAGE_QCOW2);
    CHECK_INT(chosen("sim", 0, NULL), STORAGE_EMPTY);
    CHECK_INT(chosen("sim", 0, &raw), STORAGE_EMPTY);
    qemu_opens(1u << VMM_DISK_RAW);
    CHECK_INT(chosen("qemu", 0, &raw), STORAGE_REFLINK);
    CHECK_INT(chosen("qemu", 0, &qcow2), STORAGE_COPY);
    host_has(ALL & ~(1u << STORAGE_REFLINK));
    CHECK_INT(chosen("qemu", 0, &raw), STORAGE_COPY);
    host_has(1u << STORAGE_QCOW2);
    refused("qemu", 0, &raw, ERR_UNIMPLEMENTED, "INVALID_SPEC", "opens no disk");
    vmm_override_driver(NULL);
}

static void test_what_is_asked_for_is_had_or_refused(void)
{
    host_has(ALL);
    for (int s = STORAGE_QCOW2; s <= STORAGE_REFLINK; s++) {
        CHECK_INT(chosen("qemu", (enum storage)s, &raw), s);
        CHECK_INT(chosen("sim", (enum storage)s, &raw), s);
        refused("sim", (enum storage)s, NULL, ERR_INVALID, "INVALID_SPEC", "made of an image");
    }
    CHECK_INT(chosen("sim", STORAGE_EMPTY, NULL), STORAGE_EMPTY);
    refused("qemu", STORAGE_EMPTY, &raw, ERR_INVALID, "INVALID_SPEC", "cannot run from");
    refused("qemu", (enum storage)N_STORAGES, &raw, ERR_INVALID, "INVALID_SPEC", "is none");
    refused("qemu", (enum storage) - 1, &raw, ERR_INVALID, "INVALID_SPEC", "is none");
    refused("qemu", STORAGE_REFLINK, &qcow2, ERR_PRECONDITION, "STORAGE_UNAVAILABLE", "raw images");
    qemu_opens(1u << VMM_DISK_RAW);
    refused("qemu", STORAGE_QCOW2, &raw, ERR_INVALID, "INVALID_SPEC", "cannot run from");
    vmm_override_driver(NULL);
    host_has(ALL & ~(1u << STORAGE_REFLINK));
    refused("qemu", STORAGE_REFLINK, &raw, ERR_PRECONDITION, "STORAGE_UNAVAILABLE", "no blocks");
}

/* It asks for privileges, and it may come and go while the daemon runs. */
static void test_device_mapper_is_taken_where_it_is_asked_for_alone(void)
{
    enum storage list[N_STORAGES];
    char why[STORAGE_WHY_BYTES];
    host_has(1u << STORAGE_COPY);
    has_dm = true;
    CHECK_INT(chosen("qemu", 0, &raw), STORAGE_COPY);
    CHECK_INT(chosen("qemu", STORAGE_DM_SNAPSHOT, &raw), STORAGE_DM_SNAPSHOT);
    CHECK_INT(vm_storage_list(&core, vmm_find_driver("qemu", NULL), list), 2);
    CHECK_INT(list[1], STORAGE_DM_SNAPSHOT);
    vm_storage_why_not(&core, STORAGE_DM_SNAPSHOT, why, sizeof(why));
    CHECK_STR(why, "");
    refused("qemu", STORAGE_DM_SNAPSHOT, &qcow2, ERR_PRECONDITION, "STORAGE_UNAVAILABLE",
            "raw images");
    has_dm = false;
    refused("qemu", STORAGE_DM_SNAPSHOT, &raw, ERR_PRECONDITION, "STORAGE_UNAVAILABLE",
            "no mapper");
    CHECK_INT(vm_storage_list(&core, vmm_find_driver("qemu", NULL), list), 1);
    vm_storage_why_not(&core, STORAGE_DM_SNAPSHOT, why, sizeof(why));
    CHECK_STR(why, "no mapper");
}

static void test_a_disk_of_device_mappers_is_made_of_its_image_and_a_file(void)
{
    struct vm vm = {.id = "0123456789abcdef",
                    .spec = {.driver = "qemu", .storage = STORAGE_DM_SNAPSHOT, .disk_bytes = 512}};
    struct vm_objects o;
    snprintf(core.config.state_dir, sizeof(core.config.state_dir), "/tmp");
    CHECK_INT(vm_objects_of(&core, &vm, &o, NULL), 0);
    CHECK_STR(o.at[1].kind->name, "cow");
    CHECK_STR(o.at[2].kind->name, "dm");
    CHECK_STR(o.at[2].cow, o.at[1].name);
    CHECK_INT(o.at[1].bytes, 512);
    CHECK_INT(o.at[2].bytes, 512);
    CHECK_CONTAINS(o.at[2].name, "/dev/mapper/banger-");
    /* A boot of the host takes the device, which is nothing to tell of, and not the file. */
    CHECK(object_cow.keeps_data && !object_dm.keeps_data);
    CHECK(objects_find_missing(&o.at[2], 1) == NULL);
    CHECK(objects_find_missing(&o.at[1], 2) == &o.at[1]);
}

static void test_those_there_are_best_first(void)
{
    enum storage list[N_STORAGES];
    host_has(ALL & ~(1u << STORAGE_REFLINK));
    CHECK_INT(vm_storage_list(&core, vmm_find_driver("qemu", NULL), list), 2);
    CHECK_INT(list[0], STORAGE_QCOW2);
    CHECK_INT(list[1], STORAGE_COPY);
    has_dm = false;
    host_has(ALL);
    CHECK_INT(vm_storage_list(&core, vmm_find_driver("qemu", NULL), list), 3);
    CHECK_INT(list[1], STORAGE_REFLINK);
    CHECK_INT(vm_storage_list(&core, vmm_find_driver("sim", NULL), list), 4);
    CHECK_INT(list[0], STORAGE_EMPTY);
}

/* The same answer whatever the host has become, and for whatever a record says. */
static void test_a_record_decides_what_there_is(void)
{
    struct vm_spec spec = {.driver = "qemu", .storage = STORAGE_REFLINK};
    struct err err = ERR_INIT;
    host_has(0);
    CHECK_STR(vm_disk_kind(&spec, OBJECT_SYSTEM_DISK), "reflink");
    CHECK_STR(vm_disk_kind(&spec, OBJECT_WORK_DISK), "work");
    CHECK_INT(vm_storage_check_made(&spec, &err), 0);
    spec.storage = 77;
    CHECK_STR(vm_disk_kind(&spec, OBJECT_SYSTEM_DISK), "overlay");
    CHECK_INT(vm_storage_check_made(&spec, &err), -1);
    spec = (struct vm_spec){.driver = "sim"};
    CHECK_INT(vm_storage_once(&spec), STORAGE_EMPTY);
}

/* What no VM has nobody makes, and nobody would miss. */
static void test_every_kind_is_had_by_some_VM(void)
{
    static const char *const drivers[] = {"qemu", "sim"};
    const struct object_kind *kind;
    struct vm_objects o;
    host_has(ALL);
    host_scope_choose("cgroup"); /* for root, where no systemd runs */
    snprintf(core.config.state_dir, sizeof(core.config.state_dir), "/tmp");
    for (size_t i = 0; (kind = object_kind_at(i)); i++) {
        bool had = !host_scope()->usable && kind == object_find_kind("scope");
        for (int s = 0; s < 2 * N_STORAGES; s++) {
            struct vm vm = {.id = "0123456789abcdef",
                            .spec = {.storage = (enum storage)(s / 2),
                                     .work_disk_bytes = 1 << 24,
                                     .net = NET_TAP,
                                     .ssh = {.user = "root"}}};
            snprintf(vm.spec.driver, sizeof(vm.spec.driver), "%s", drivers[s % 2]);
            CHECK_INT(vm_objects_of(&core, &vm, &o, NULL), 0);
            for (size_t k = 0; k < o.n; k++)
                had = had || o.at[k].kind == kind;
        }
        if (!CHECK(had))
            fprintf(stderr, "no VM has a %s: see daemon/core/vm/vm_objects.c\n", kind->name);
    }
}

int main(void)
{
    look_for_dm();
    RUN(test_the_best_of_what_driver_and_host_have);
    RUN(test_what_is_asked_for_is_had_or_refused);
    RUN(test_device_mapper_is_taken_where_it_is_asked_for_alone);
    RUN(test_a_disk_of_device_mappers_is_made_of_its_image_and_a_file);
    RUN(test_those_there_are_best_first);
    RUN(test_a_record_decides_what_there_is);
    RUN(test_every_kind_is_had_by_some_VM);
    return check_end();
}
