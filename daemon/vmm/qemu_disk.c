/* Disks of a qemu machine; see qemu_disk.h. */
#include "daemon/vmm/qemu_disk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "daemon/host/qcow2.h"
#include "daemon/host/run.h"
#include "daemon/vmm/console.h"
#include "daemon/vmm/driver.h"
#include "daemon/vmm/qemu_args.h"

enum { QEMU_MKFS_MS = 120000 };

static const uint64_t QEMU_WORK_MIN_BYTES = 4u << 20;

/* Sparse, with the file system, on disk, under its name: in this order. */
static int qemu_disk_make_raw(const struct vmm_disk *d, int cancel_fd, struct err *err)
{
    char temp[PATH_BYTES + 4];
    snprintf(temp, sizeof(temp), "%s.new", d->path);
    if (unlink(temp) < 0 && errno != ENOENT)
        return err_sys(err, errno, "cannot replace %s", temp);
    auto_fd int fd = open(temp, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 || ftruncate(fd, (off_t)d->bytes) < 0)
        return err_sys(err, errno, "cannot make the work disk %s", temp);
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
    if (run_checked(argv, QEMU_MKFS_MS, cancel_fd, err) < 0) {
        unlink(temp);
        return err_wrap(err, "cannot make the work disk");
    }
    if (fsync(fd) < 0 || rename(temp, d->path) < 0) {
        err_sys(err, errno, "cannot make the work disk %s", d->path);
        unlink(temp);
        return -1;
    }
    return 0;
}

static int qemu_disk_prepare_raw(const struct vmm_disk *d, int cancel_fd, struct err *err)
{
    struct stat st;
    if (d->bytes < QEMU_WORK_MIN_BYTES || d->bytes > INT64_MAX / 2)
        return err_set(err, ERR_INVALID, "a work disk of %llu bytes: at least 4 MiB are needed",
                       (unsigned long long)d->bytes);
    if (lstat(d->path, &st) < 0)
        return errno == ENOENT ? qemu_disk_make_raw(d, cancel_fd, err)
                               : err_sys(err, errno, "cannot look at %s", d->path);
    if (!S_ISREG(st.st_mode))
        return err_set(err, ERR_PRECONDITION, "%s is no plain file", d->path);
    if ((uint64_t)st.st_size != d->bytes)
        return err_set(err, ERR_PRECONDITION,
                       "the work disk has %llu bytes, not %llu, and keeps its size",
                       (unsigned long long)st.st_size, (unsigned long long)d->bytes);
    return 0;
}

int qemu_disk_prepare(const struct vmm_config *c, int cancel_fd, struct err *err)
{
    if (qemu_args_check(c, err) < 0 || driver_check_disks(c, err) < 0)
        return -1;
    for (size_t i = 0; i < c->n_disks; i++) {
        const struct vmm_disk *d = &c->disks[i];
        int made = d->format == VMM_DISK_QCOW2
                       ? qcow2_make_overlay(d->path, d->backing, d->backing_format == IMAGE_RAW,
                                            d->bytes, cancel_fd, err)
                       : qemu_disk_prepare_raw(d, cancel_fd, err);
        if (made < 0)
            return -1;
    }
    return 0;
}

static void qemu_disk_remove(const char *path, struct err *err)
{
    char temp[PATH_BYTES + 4];
    if (path[0] == '\0')
        return;
    snprintf(temp, sizeof(temp), "%s.new", path);
    if ((unlink(path) < 0 && errno != ENOENT) || (unlink(temp) < 0 && errno != ENOENT))
        err_sys(err->code == ERR_NONE ? err : NULL, errno, "cannot remove %s", path);
}

void qemu_disk_discard(const struct vmm_config *c, struct err *err)
{
    for (size_t i = 0; i < c->n_disks; i++)
        qemu_disk_remove(c->disks[i].path, err);
    console_remove(c->log_path, err->code == ERR_NONE ? err : NULL);
}
