/* A work disk: raw and sparse, with an empty ext4 in it, and of one size for good. */
#include <errno.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "daemon/host/object_file.h"
#include "daemon/host/run.h"

enum { WORK_MKFS_MS = 120000 };

static const char work_file[] = "work.raw";
static const uint64_t work_min_bytes = 4u << 20;

static int work_derive_name(const char *state_dir, const char *vm_id, enum object_role role,
                            char name[VM_PATH_BYTES], struct err *err)
{
    (void)role;
    return object_file_name(state_dir, vm_id, work_file, name, err);
}

static int work_fill(const struct object *o, const char *temp, int fd, int cancel_fd,
                     struct err *err)
{
    if (ftruncate(fd, (off_t)o->bytes) < 0)
        return err_sys(err, errno, "cannot size %s", temp);
    const char *argv[] = {"mke2fs",
                          "-q",
                          "-F",
                          "-t",
                          "ext4",
                          "-L",
                          "work",
                          "-m",
                          "0",
                          "-E",
                          "lazy_itable_init=1,lazy_journal_init=1,nodiscard",
                          temp,
                          NULL};
    return run_checked(argv, WORK_MKFS_MS, cancel_fd, err);
}

static int work_make(const struct object *o, int cancel_fd, struct err *err)
{
    struct stat st;
    if (o->bytes < work_min_bytes || o->bytes > INT64_MAX / 2)
        return err_set(err, ERR_INVALID,
                       "a work disk of %" PRIu64 " bytes: at least 4 MiB are needed", o->bytes);
    if (object_file_make(o, work_fill, true, cancel_fd, err) < 0)
        return -1;
    if (lstat(o->name, &st) < 0)
        return err_sys(err, errno, "cannot look at %s", o->name);
    if ((uint64_t)st.st_size != o->bytes)
        return err_set(err, ERR_PRECONDITION,
                       "the work disk has %" PRIu64 " bytes, not %" PRIu64 ", and keeps its size",
                       (uint64_t)st.st_size, o->bytes);
    return 0;
}

static int work_list(const char *state_dir, object_found_fn *found, void *arg, struct err *err)
{
    struct object_found as = {.kind = &object_work, .role = OBJECT_WORK_DISK};
    return object_file_list(state_dir, work_file, &as, found, arg, err);
}

const struct object_kind object_work = {
    .name = "work",
    .roles = 1u << OBJECT_WORK_DISK,
    .format = IMAGE_RAW,
    .keeps_data = true,
    .derive_name = work_derive_name,
    .make = work_make,
    .find = object_file_find,
    .remove = object_file_remove,
    .list = work_list,
};
