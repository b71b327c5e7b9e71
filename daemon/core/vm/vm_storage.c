/* The choice of storage; see vm_storage.h. Another one is a row here, and a value in the contract.
 */
#include "daemon/core/vm/vm_storage.h"

#include <stdio.h>

#include "base/err.h"
#include "daemon/core/core.h"
#include "daemon/core/vm/vm_spec.h"
#include "daemon/vmm/vmm.h"

static const struct storage_row {
    const char *name, *kind;
    const char *cow;   /* kind of the file that holds what is written; NULL: the disk itself */
    bool of_image;     /* made of the VM's image, to boot from */
    bool of_raw_image; /* and of no other format */
    bool may_come; /* what it needs may be there any time: looked for whenever it is asked for */
} storage_rows[N_STORAGES] = {
    [STORAGE_QCOW2] = {.name = "qcow2", .kind = "overlay", .of_image = true},
    [STORAGE_COPY] = {.name = "copy", .kind = "copy", .of_image = true},
    [STORAGE_REFLINK] = {.name = "reflink",
                         .kind = "reflink",
                         .of_image = true,
                         .of_raw_image = true},
    [STORAGE_EMPTY] = {.name = "empty", .kind = "empty"},
    [STORAGE_DM_SNAPSHOT] = {.name = "dm-snapshot",
                             .kind = "dm",
                             .cow = "cow",
                             .of_image = true,
                             .of_raw_image = true,
                             .may_come = true},
};

/* Best first: what is made at once and takes no room before what does. What needs privileges is
 * behind the copy, which can be had everywhere: nobody gets it who has not asked for it. */
static const enum storage storage_order[] = {STORAGE_QCOW2, STORAGE_REFLINK, STORAGE_COPY,
                                             STORAGE_DM_SNAPSHOT, STORAGE_EMPTY};
enum { STORAGE_CHOICES = sizeof(storage_order) / sizeof(storage_order[0]) };

static const struct storage_row *storage_row(enum storage storage)
{
    return (unsigned)storage < N_STORAGES && storage_rows[storage].name ? &storage_rows[storage]
                                                                        : NULL;
}

const char *vm_storage_name(enum storage storage)
{
    const struct storage_row *row = storage_row(storage);
    return row ? row->name : "?";
}

const char *vm_disk_kind(const struct vm_spec *spec, enum object_role role)
{
    const struct storage_row *row = storage_row(spec->storage);
    if (role == OBJECT_SYSTEM_DISK)
        return row ? row->kind : storage_rows[vm_storage_once(spec)].kind;
    return vm_boots(spec) ? "work" : "empty"; /* a process of this host looks into none */
}

const char *vm_cow_kind(const struct vm_spec *spec)
{
    const struct storage_row *row = storage_row(spec->storage);
    return row ? row->cow : NULL;
}

static bool storage_can(const struct core *core, enum storage storage, char *why_not, size_t size)
{
    struct err err = ERR_INIT;
    const struct storage_row *row = &storage_rows[storage];
    if (!row->may_come) {
        snprintf(why_not, size, "%s", core->storage.why_not[storage]);
        return core->storage.can >> storage & 1;
    }
    int rc = object_find_kind(row->kind)->probe(core->config.state_dir, &err);
    snprintf(why_not, size, "%.*s", (int)size - 1, err.message);
    return rc == 0;
}

void vm_storage_why_not(const struct core *core, enum storage storage, char *why, size_t size)
{
    if (storage_can(core, storage, why, size))
        why[0] = '\0';
}

void vm_storage_probe(struct core *core)
{
    core->storage = (struct host_storage){.can = 0};
    for (int i = 0; i < N_STORAGES; i++) {
        struct err err = ERR_INIT;
        const struct storage_row *row = storage_row((enum storage)i);
        const struct object_kind *kind = row ? object_find_kind(row->kind) : NULL;
        if (!kind || row->may_come)
            continue;
        if (!kind->probe || kind->probe(core->config.state_dir, &err) == 0)
            core->storage.can |= 1u << i;
        else
            snprintf(core->storage.why_not[i], sizeof(core->storage.why_not[i]), "%.*s",
                     (int)sizeof(core->storage.why_not[i]) - 1, err.message);
    }
}

/* Its driver opens it, and boots from it or boots nothing. */
static bool storage_fits(enum storage storage, const struct vmm_driver *driver)
{
    const struct storage_row *row = storage_row(storage);
    enum image_format format = object_find_kind(row->kind)->format;
    enum vmm_disk_format as = format == IMAGE_QCOW2 ? VMM_DISK_QCOW2 : VMM_DISK_RAW;
    return driver->can.disk_formats >> as & 1 && (row->of_image || !driver->can.boots);
}

size_t vm_storage_list(const struct core *core, const struct vmm_driver *driver,
                       enum storage list[N_STORAGES])
{
    size_t n = 0;
    char why[STORAGE_WHY_BYTES];
    if (!driver->can.boots) /* it needs no image */
        list[n++] = STORAGE_EMPTY;
    for (size_t i = 0; i < STORAGE_CHOICES; i++)
        if (storage_order[i] != STORAGE_EMPTY && storage_fits(storage_order[i], driver) &&
            storage_can(core, storage_order[i], why, sizeof(why)))
            list[n++] = storage_order[i];
    return n;
}

static int storage_invalid(struct err *err)
{
    return err_tag(err, "INVALID_SPEC", NULL);
}

static int storage_check_driver(enum storage storage, const struct vm_spec *spec, struct err *err)
{
    const struct vmm_driver *driver = vmm_find_driver(spec->driver, err);
    if (!storage_row(storage))
        err_set(err, ERR_INVALID, "storage %d is none; take qcow2, copy, reflink or dm-snapshot",
                (int)storage);
    else if (driver && !storage_fits(storage, driver))
        err_set(err, ERR_INVALID, "driver %s cannot run from storage \"%s\"", spec->driver,
                vm_storage_name(storage));
    else if (driver)
        return 0;
    return storage_invalid(err);
}

static int storage_check_image(enum storage storage, const struct image *image, struct err *err)
{
    const struct storage_row *row = storage_row(storage);
    if (row->of_image && !image) {
        err_set(err, ERR_INVALID, "storage \"%s\" is made of an image, and none is named",
                row->name);
        return storage_invalid(err);
    }
    if (!row->of_raw_image || image->format == IMAGE_RAW)
        return 0;
    err_set(err, ERR_PRECONDITION,
            "storage \"%s\" is made of raw images alone, and %s is none; take qcow2 or copy",
            row->name, image->name);
    return err_tag(err, "STORAGE_UNAVAILABLE", "image/%s", image->id);
}

static int storage_check(const struct core *core, const struct vm_spec *spec,
                         const struct image *image, struct err *err)
{
    char why[STORAGE_WHY_BYTES];
    if (storage_check_driver(spec->storage, spec, err) < 0 ||
        storage_check_image(spec->storage, image, err) < 0)
        return -1;
    if (storage_can(core, spec->storage, why, sizeof(why)))
        return 0;
    err_set(err, ERR_PRECONDITION, "storage \"%s\" cannot be had here: %s",
            vm_storage_name(spec->storage), why);
    return err_tag(err, "STORAGE_UNAVAILABLE", "host");
}

int vm_storage_choose(const struct core *core, struct vm_spec *spec, const struct image *image,
                      struct err *err)
{
    enum storage list[N_STORAGES];
    const struct vmm_driver *driver = vmm_find_driver(spec->driver, err);
    if (!driver)
        return -1;
    if (spec->storage != 0)
        return storage_check(core, spec, image, err);
    size_t n = vm_storage_list(core, driver, list);
    for (size_t i = 0; i < n; i++)
        if (storage_check_image(list[i], image, NULL) == 0) {
            spec->storage = list[i];
            return 0;
        }
    err_set(err, ERR_UNIMPLEMENTED, "driver %s opens no disk that can be made here", driver->name);
    return storage_invalid(err);
}

enum storage vm_storage_once(const struct vm_spec *spec)
{
    return vm_boots(spec) ? STORAGE_QCOW2 : STORAGE_EMPTY;
}

int vm_storage_check_made(const struct vm_spec *spec, struct err *err)
{
    return storage_check_driver(spec->storage, spec, err);
}
