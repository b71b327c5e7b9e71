/* A system disk that shares the blocks of its raw image until they are written (FICLONE): as quick
 * as a layer, as plain as a copy, where the file system can (btrfs, xfs, bcachefs). */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fs.h"
#include "daemon/host/object_file.h"

enum { REFLINK_PROBE_BYTES = 4096 };

static const char reflink_file[] = "system.reflink";

static int reflink_derive_name(const char *state_dir, const char *vm_id, enum object_role role,
                               char name[VM_PATH_BYTES], struct err *err)
{
    (void)role;
    return object_file_name(state_dir, vm_id, reflink_file, name, err);
}

static int reflink_refused(const char *where, struct err *err)
{
    int errnum = errno;
    if (errnum == EOPNOTSUPP || errnum == ENOTTY || errnum == EINVAL || errnum == EXDEV)
        err_set(err, ERR_PRECONDITION,
                "the file system of %s shares no blocks between files (btrfs and xfs do)%s", where,
                errnum == EXDEV ? ", or the image is on another" : "");
    else
        err_sys(err, errnum, "cannot share blocks in %s", where);
    return err_tag(err, "STORAGE_UNAVAILABLE", "host");
}

/* In files without a name, of which nothing is left whatever happens. */
static int reflink_probe(const char *folder, struct err *err)
{
    static const char block[REFLINK_PROBE_BYTES] = "banger";
    auto_fd int from = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    auto_fd int to = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (from < 0 || to < 0)
        return reflink_refused(folder, err);
    if (write(from, block, sizeof(block)) != (ssize_t)sizeof(block))
        return err_sys(err, errno, "cannot write in %s", folder);
    return ioctl(to, FICLONE, from) < 0 ? reflink_refused(folder, err) : 0;
}

static int reflink_fill(const struct object *o, const char *temp, int fd, int cancel_fd,
                        struct err *err)
{
    struct stat st;
    uint64_t bytes;
    (void)cancel_fd;
    if (o->source_format != IMAGE_RAW)
        return err_set(err, ERR_PRECONDITION, "%s is not raw: a reflink of it is no disk",
                       o->source);
    auto_fd int from = fs_open_file(o->source, O_RDONLY, 0, err);
    if (from < 0)
        return -1;
    if (fstat(from, &st) < 0)
        return err_sys(err, errno, "cannot look at %s", o->source);
    if (object_size(o, (uint64_t)st.st_size, &bytes, err) < 0)
        return -1;
    if (ioctl(fd, FICLONE, from) < 0)
        return reflink_refused(temp, err);
    if (ftruncate(fd, (off_t)bytes) < 0)
        return err_sys(err, errno, "cannot size %s", temp);
    return 0;
}

static int reflink_make(const struct object *o, int cancel_fd, struct err *err)
{
    if (object_file_make(o, reflink_fill, true, cancel_fd, err) < 0)
        return -1;
    return object_file_grow(o, err);
}

static int reflink_list(const char *state_dir, object_found_fn *found, void *arg, struct err *err)
{
    struct object_found as = {.kind = &object_reflink, .role = OBJECT_SYSTEM_DISK};
    return object_file_list(state_dir, reflink_file, &as, found, arg, err);
}

const struct object_kind object_reflink = {
    .name = "reflink",
    .roles = 1u << OBJECT_SYSTEM_DISK,
    .format = IMAGE_RAW,
    .keeps_data = true,
    .probe = reflink_probe,
    .derive_name = reflink_derive_name,
    .make = reflink_make,
    .find = object_file_find,
    .remove = object_file_remove,
    .list = reflink_list,
};
