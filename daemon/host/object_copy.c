/* A system disk that is a raw copy of its image, sparse: for VMMs that open nothing else, and
 * for VMs that are to have nothing in common. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fs.h"
#include "daemon/host/copy.h"
#include "daemon/host/object_file.h"
#include "daemon/host/qcow2.h"
#include "daemon/host/room.h"

static const char copy_file[] = "system.raw";

static int copy_derive_name(const char *state_dir, const char *vm_id, enum object_role role,
                            char name[VM_PATH_BYTES], struct err *err)
{
    (void)role;
    return object_file_name(state_dir, vm_id, copy_file, name, err);
}

static bool copy_is_cancelled(void *arg)
{
    return object_is_cancelled(*(const int *)arg);
}

static int copy_fill(const struct object *o, const char *temp, int fd, int cancel_fd,
                     struct err *err)
{
    uint64_t source_bytes, bytes;
    struct stat st;
    bool raw = o->source_format == IMAGE_RAW;
    auto_fd int from = fs_open_file(o->source, O_RDONLY, 0, err);
    if (from < 0)
        return -1;
    if (fstat(from, &st) < 0)
        return err_sys(err, errno, "cannot look at %s", o->source);
    if (qcow2_virtual_size(o->source, raw, &source_bytes, err) < 0 ||
        object_size(o, source_bytes, &bytes, err) < 0 ||
        room_check(o->name, (uint64_t)st.st_blocks * 512, err) < 0)
        return -1;
    int rc =
        raw ? copy_sparse(from, fd, source_bytes, o->source, copy_is_cancelled, &cancel_fd, err)
            : qcow2_flatten(o->source, temp, cancel_fd, err);
    if (rc == 0 && ftruncate(fd, (off_t)bytes) < 0)
        return err_sys(err, errno, "cannot size %s", temp);
    return rc;
}

static int copy_make(const struct object *o, int cancel_fd, struct err *err)
{
    if (object_file_make(o, copy_fill, true, cancel_fd, err) < 0)
        return -1;
    return object_file_grow(o, err);
}

static int copy_list(const char *state_dir, object_found_fn *found, void *arg, struct err *err)
{
    struct object_found as = {.kind = &object_copy, .role = OBJECT_SYSTEM_DISK};
    return object_file_list(state_dir, copy_file, &as, found, arg, err);
}

const struct object_kind object_copy = {
    .name = "copy",
    .roles = 1u << OBJECT_SYSTEM_DISK,
    .format = IMAGE_RAW,
    .keeps_data = true,
    .slow = true,
    .derive_name = copy_derive_name,
    .make = copy_make,
    .find = object_file_find,
    .remove = object_file_remove,
    .list = copy_list,
};
