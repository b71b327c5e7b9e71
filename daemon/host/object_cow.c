/* What is written to a system disk of device-mapper's: a sparse file, which object_dm.c makes a
 * disk of together with the image. The kernel reads its zeros as a store that holds nothing yet. */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/err.h"
#include "daemon/host/object_file.h"
#include "daemon/host/qcow2.h"
#include "daemon/priv/priv_cow.h"

static const char cow_file[] = "system.cow";

static int cow_derive_name(const char *state_dir, const char *vm_id, enum object_role role,
                           char name[VM_PATH_BYTES], struct err *err)
{
    (void)role;
    return object_file_name(state_dir, vm_id, cow_file, name, err);
}

static int cow_bytes(const struct object *o, uint64_t *bytes, struct err *err)
{
    uint64_t base, disk;
    if (o->source_format != IMAGE_RAW)
        return err_set(err, ERR_PRECONDITION, "%s is not raw: no disk for device-mapper",
                       o->source);
    if (qcow2_virtual_size(o->source, true, &base, err) < 0 || object_size(o, base, &disk, err) < 0)
        return -1;
    *bytes = priv_cow_bytes(base, disk);
    return 0;
}

static int cow_fill(const struct object *o, const char *temp, int fd, int cancel_fd,
                    struct err *err)
{
    uint64_t bytes;
    (void)cancel_fd;
    if (cow_bytes(o, &bytes, err) < 0)
        return -1;
    return ftruncate(fd, (off_t)bytes) < 0 ? err_sys(err, errno, "cannot size %s", temp) : 0;
}

static int cow_make(const struct object *o, int cancel_fd, struct err *err)
{
    struct object file = *o;
    if (object_file_make(o, cow_fill, true, cancel_fd, err) < 0 ||
        cow_bytes(o, &file.bytes, err) < 0)
        return -1;
    return object_file_grow(&file, err);
}

static int cow_list(const char *state_dir, object_found_fn *found, void *arg, struct err *err)
{
    struct object_found as = {.kind = &object_cow, .role = OBJECT_COW};
    return object_file_list(state_dir, cow_file, &as, found, arg, err);
}

const struct object_kind object_cow = {
    .name = "cow",
    .roles = 1u << OBJECT_COW,
    .keeps_data = true,
    .derive_name = cow_derive_name,
    .make = cow_make,
    .find = object_file_find,
    .remove = object_file_remove,
    .list = cow_list,
};
