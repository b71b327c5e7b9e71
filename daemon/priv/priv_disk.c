/* A VM's disk that is a snapshot of its image: device-mapper over two loop devices, its caller's to
 * open.
 *
 * What a caller hands in becomes no more than he has: he reads the base and writes the other
 * himself. Loop devices go by themselves with the disk, or with us where we die before there is
 * one; so there is but one thing to find, to list and to remove, and its uuid is its label. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/err.h"
#include "daemon/priv/priv_cow.h"
#include "daemon/priv/priv_dm.h"
#include "daemon/priv/priv_kind.h"
#include "daemon/priv/priv_loop.h"

enum { DISK_BASE, DISK_COW };

static int disk_allowed(const struct priv_settings *settings, struct err *err)
{
    if (settings->disks)
        return 0;
    err_set(err, ERR_PRECONDITION,
            "banger-priv makes no disks: it was started without --disks (docs/security.md)");
    return err_tag(err, "STORAGE_UNAVAILABLE", "host");
}

static int disk_probe(const struct priv_settings *settings, struct err *err)
{
    return disk_allowed(settings, err) < 0 ? -1 : dm_version(err);
}

/* What came with the request */

/* The kernel itself reads and writes it later: with a file system that a process serves, that
 * process could hold up whoever waits for the disk. */
static int disk_check_file(int fd, const char *what, bool written, struct stat *st, struct err *err)
{
    struct statfs fs;
    int flags = fd >= 0 ? fcntl(fd, F_GETFL) : -1;
    if (flags < 0 || fstat(fd, st) < 0 || fstatfs(fd, &fs) < 0)
        return err_set(err, ERR_INVALID, "the disk's %s did not come with the request", what);
    if (!S_ISREG(st->st_mode) || fs.f_type == FUSE_SUPER_MAGIC)
        return err_set(err, ERR_INVALID, "the disk's %s is no plain file of this host", what);
    if (flags & O_PATH || (flags & O_ACCMODE) == O_WRONLY ||
        (written && (flags & O_ACCMODE) != O_RDWR))
        return err_set(err, ERR_DENIED, "the disk's %s is not open for %s", what,
                       written ? "reading and writing" : "reading");
    return 0;
}

static int disk_check(const struct priv_thing *t, uint64_t *base_bytes, struct err *err)
{
    struct stat base, cow;
    if (disk_check_file(t->fds[DISK_BASE], "image", false, &base, err) < 0 ||
        disk_check_file(t->fds[DISK_COW], "copy-on-write file", true, &cow, err) < 0)
        return -1;
    *base_bytes = (uint64_t)base.st_size;
    if (cow.st_uid != t->owner.uid)
        return err_set(err, ERR_DENIED, "the disk's copy-on-write file is another's");
    if (base.st_size <= 0 || *base_bytes % PRIV_SECTOR || t->bytes % PRIV_SECTOR ||
        t->bytes < *base_bytes || t->bytes > INT64_MAX / 2)
        return err_set(err, ERR_INVALID,
                       "no disk of %" PRIu64 " bytes of an image of %" PRIu64
                       ": whole sectors, and no less than it",
                       t->bytes, *base_bytes);
    if ((uint64_t)cow.st_size != priv_cow_bytes(*base_bytes, t->bytes))
        return err_set(err, ERR_INVALID,
                       "the disk's copy-on-write file has %" PRIu64 " bytes and not %" PRIu64,
                       (uint64_t)cow.st_size, priv_cow_bytes(*base_bytes, t->bytes));
    return 0;
}

/* Finding */

/* ERR_NOT_FOUND; ERR_EXISTS (STRANGER). */
static int disk_look(const struct priv_thing *t, char name[PRIV_DM_BYTES], struct dm_device *device,
                     struct err *err)
{
    char vm_id[ID_BYTES];
    priv_dm_name(&t->owner, t->vm_id, name);
    if (disk_allowed(t->settings, err) < 0 || dm_find(name, device, err) < 0)
        return -1;
    if (priv_dm_uuid_read(&t->owner, device->uuid, vm_id) && strcmp(vm_id, t->vm_id) == 0)
        return 0;
    err_set(err, ERR_EXISTS, "%s of device-mapper is another's: its uuid is \"%s\"", name,
            device->uuid);
    return err_tag(err, "STRANGER", NULL);
}

static int disk_find(const struct priv_thing *t, struct err *err)
{
    char name[PRIV_DM_BYTES];
    struct dm_device device;
    if (disk_look(t, name, &device, err) < 0)
        return -1;
    return device.works && dm_has_node(name, &device, t->owner.uid)
               ? 0
               : err_set(err, ERR_NOT_FOUND, "%s does not work", name);
}

/* Making */

/* Whatever it is made of is given back: the disk has them open itself, or there is none. */
static int disk_create(const struct priv_thing *t, const char *name, uint64_t base_bytes,
                       struct err *err)
{
    char uuid[PRIV_LABEL_BYTES];
    struct loop_device base, store;
    priv_dm_uuid(&t->owner, t->vm_id, uuid);
    if (loop_attach(t->fds[DISK_BASE], true, &base, err) < 0)
        return -1;
    int rc = loop_attach(t->fds[DISK_COW], false, &store, err);
    if (rc == 0) {
        const struct dm_disk disk = {.name = name,
                                     .uuid = uuid,
                                     .uid = t->owner.uid,
                                     .base = base.number,
                                     .store = store.number,
                                     .base_bytes = base_bytes,
                                     .store_bytes = priv_cow_store_bytes(base_bytes),
                                     .bytes = t->bytes};
        rc = dm_create(&disk, err);
        close(store.fd);
    }
    close(base.fd);
    return rc;
}

/* A store that the kernel has given up says so when it is opened again. */
static int disk_check_made(const struct priv_thing *t, struct err *err)
{
    char name[PRIV_DM_BYTES];
    struct dm_device device;
    if (disk_look(t, name, &device, err) < 0)
        return -1;
    if (device.works)
        return 0;
    dm_remove(name, NULL);
    return err_set(err, ERR_DATA_LOSS, "the disk's copy-on-write file is not valid");
}

static int disk_make(const struct priv_thing *t, struct err *err)
{
    uint64_t base_bytes;
    char name[PRIV_DM_BYTES];
    struct dm_device device;
    struct err why = ERR_INIT;
    if (disk_check(t, &base_bytes, err) < 0)
        return -1;
    bool there = disk_look(t, name, &device, &why) == 0;
    if (!there && why.code != ERR_NOT_FOUND) {
        *err = why;
        return -1;
    }
    if (there && device.works && device.bytes == t->bytes &&
        dm_has_node(name, &device, t->owner.uid) && loop_is_of(device.store, t->fds[DISK_COW]))
        return 0;
    /* cut off, or of files that were there before */
    if (there && dm_remove(name, err) < 0)
        return -1;
    return disk_create(t, name, base_bytes, err) < 0 ? -1 : disk_check_made(t, err);
}

/* Removing and listing */

/* A stranger's stays, and is none of ours. */
static int disk_remove(const struct priv_thing *t, struct err *err)
{
    char name[PRIV_DM_BYTES];
    struct dm_device device;
    struct err why = ERR_INIT;
    if (disk_look(t, name, &device, &why) == 0)
        return dm_remove(name, err);
    if (why.code == ERR_NOT_FOUND || why.code == ERR_EXISTS)
        return 0;
    *err = why;
    return -1;
}

struct disk_list {
    const struct priv_owner *owner;
    priv_found_fn *found;
    void *arg;
    struct err err; /* the first */
};

static void disk_seen(void *arg, const char *name)
{
    struct disk_list *l = arg;
    struct dm_device device;
    struct err why = ERR_INIT;
    char vm_id[ID_BYTES];
    if (!priv_is_dm_name(name) || l->err.code != ERR_NONE)
        return;
    if (dm_find(name, &device, &why) < 0 && why.code != ERR_NOT_FOUND) /* it is gone by now */
        l->err = why;
    else if (priv_dm_uuid_read(l->owner, device.uuid, vm_id))
        l->found(l->arg, vm_id, name);
}

static int disk_list(const struct priv_owner *owner, priv_found_fn *found, void *arg,
                     struct err *err)
{
    struct disk_list l = {owner, found, arg, ERR_INIT};
    if (dm_each(disk_seen, &l, err) < 0)
        return -1;
    if (l.err.code == ERR_NONE)
        return 0;
    *err = l.err;
    return -1;
}

const struct priv_kind priv_dm = {
    .name = "dm",
    .probe = disk_probe,
    .make = disk_make,
    .find = disk_find,
    .remove = disk_remove,
    .list = disk_list,
};
