/* A disk that nobody looks into, of a guest that is a process of this host: a sparse file. */
#include <errno.h>
#include <unistd.h>

#include "base/err.h"
#include "daemon/host/object_file.h"

static const char empty_system[] = "system.empty", empty_work[] = "work.empty";

static int empty_derive_name(const char *state_dir, const char *vm_id, enum object_role role,
                             char name[VM_PATH_BYTES], struct err *err)
{
    return object_file_name(state_dir, vm_id,
                            role == OBJECT_SYSTEM_DISK ? empty_system : empty_work, name, err);
}

static int empty_fill(const struct object *o, const char *temp, int fd, int cancel_fd,
                      struct err *err)
{
    uint64_t bytes;
    (void)cancel_fd;
    if (object_size(o, 0, &bytes, err) < 0)
        return -1;
    return ftruncate(fd, (off_t)bytes) < 0 ? err_sys(err, errno, "cannot size %s", temp) : 0;
}

static int empty_make(const struct object *o, int cancel_fd, struct err *err)
{
    if (object_file_make(o, empty_fill, false, cancel_fd, err) < 0)
        return -1;
    return object_file_grow(o, err);
}

static int empty_list(const char *state_dir, object_found_fn *found, void *arg, struct err *err)
{
    struct object_found system = {.kind = &object_empty, .role = OBJECT_SYSTEM_DISK};
    struct object_found work = {.kind = &object_empty, .role = OBJECT_WORK_DISK};
    if (object_file_list(state_dir, empty_system, &system, found, arg, err) < 0)
        return -1;
    return object_file_list(state_dir, empty_work, &work, found, arg, err);
}

const struct object_kind object_empty = {
    .name = "empty",
    .roles = 1u << OBJECT_SYSTEM_DISK | 1u << OBJECT_WORK_DISK,
    .format = IMAGE_RAW,
    .keeps_data = true,
    .derive_name = empty_derive_name,
    .make = empty_make,
    .find = object_file_find,
    .remove = object_file_remove,
    .list = empty_list,
};
