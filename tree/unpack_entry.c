/* Making of what an archive has, under a name of our own first; see unpack.h. */
#include "tree/unpack_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/cleanup.h"

/* The name is put in place of what has it, unless that is a folder. */
static int publish(struct unpack *u, int dir, struct err *err)
{
    if (renameat(dir, u->part, dir, u->name) == 0)
        return 0;
    int sys = errno;
    unlinkat(dir, u->part, 0);
    return err_sys(err, sys, "%.300s", u->name);
}

static void choose_part(struct unpack *u)
{
    uint64_t digest = tar_digest(TAR_DIGEST_START, u->name, strlen(u->name));
    snprintf(u->part, sizeof(u->part), ".banger-%016llx.part", (unsigned long long)digest);
}

/* --- files ------------------------------------------------------------------------------------ */

static int open_new(struct unpack *u, int dir, struct err *err)
{
    choose_part(u);
    int flags = O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW | O_CLOEXEC;
    u->fd = openat(dir, u->part, flags, 0600);
    if (u->fd < 0 && errno == EEXIST && unlinkat(dir, u->part, 0) == 0)
        u->fd = openat(dir, u->part, flags, 0600);
    return u->fd < 0 ? err_sys(err, errno, "%.300s", u->name) : 0;
}

/* How long the file is at least whose content is there up to again_at. */
static uint64_t had_bytes(const struct tar_entry *e)
{
    uint64_t at = e->again_at;
    for (size_t i = 0; at > 0 && e->sparse && i < e->n_map; i++) {
        if (at <= e->map[i].len)
            return e->map[i].offset + at;
        at -= e->map[i].len;
    }
    return at;
}

/* A file that was broken off: its part, if it is ours, or, where it was whole, the file itself. */
static int open_again(struct unpack *u, int dir, const struct tar_entry *e, struct err *err)
{
    struct stat st;
    choose_part(u);
    u->fd = openat(dir, u->part, O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (u->fd >= 0 && fstat(u->fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_nlink == 1 &&
        st.st_uid == geteuid() && (uint64_t)st.st_size >= had_bytes(e)) {
        u->trim = true;
        return 0;
    }
    if (u->fd >= 0)
        close(u->fd);
    u->fd = -1;
    bool whole = fstatat(dir, u->name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
                 (uint64_t)st.st_size == e->size &&
                 unpack_meta_has_time(u->meta, st.st_mtim.tv_sec, (uint32_t)st.st_mtim.tv_nsec);
    return whole ? 0
                 : err_sys(err, ESTALE, "%.300s: what was copied of it is gone; copy it anew",
                           u->name);
}

static int begin_file(struct unpack *u, int dir, const struct tar_entry *e, struct err *err)
{
    u->size = e->size;
    u->trim = e->sparse;
    u->meta = unpack_meta_new(e);
    if (!u->meta)
        return err_sys(err, ENOMEM, "%.300s", u->name);
    if (e->again && e->again_at > 0)
        return open_again(u, dir, e, err);
    return unpack_small_begin(u, e) ? 0 : open_new(u, dir, err);
}

int unpack_write_at(struct unpack *u, uint64_t offset, const uint8_t *data, size_t len,
                    struct err *err)
{
    while (len > 0) {
        ssize_t n = pwrite(u->fd, data, len, (off_t)offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return err_sys(err, n < 0 ? errno : ENOSPC, "%.300s", u->name);
        data += n;
        len -= (size_t)n;
        offset += (uint64_t)n;
    }
    return 0;
}

static int file_data(void *arg, uint64_t offset, const uint8_t *data, size_t len, struct err *err)
{
    struct unpack *u = arg;
    u->counts.bytes += len;
    if (u->small.on)
        unpack_small_data(u, data, len);
    return u->fd >= 0 ? unpack_write_at(u, offset, data, len, err) : 0;
}

static int file_end(void *arg, struct err *err)
{
    struct unpack *u = arg;
    int rc = 0;
    if (u->small.on && !unpack_small_put(u) &&
        (open_new(u, unpack_here(u), err) < 0 ||
         unpack_write_at(u, 0, u->small.data, u->small.len, err) < 0))
        return -1;
    u->small.on = false;
    if (u->fd >= 0) {
        if (u->trim && ftruncate(u->fd, (off_t)u->size) < 0)
            return err_sys(err, errno, "%.300s", u->name);
        unpack_meta_apply(u, u->meta, u->fd, u->name, false);
        rc = publish(u, unpack_here(u), err);
    }
    if (u->fd >= 0)
        close(u->fd);
    u->fd = -1;
    unpack_meta_free(u->meta);
    u->meta = NULL;
    return rc;
}

/* --- what has no content ---------------------------------------------------------------------- */

static int make_node(int dir, const char *name, const struct tar_entry *e)
{
    mode_t type = e->type == TAR_FIFO ? S_IFIFO : e->type == TAR_CHAR_DEVICE ? S_IFCHR : S_IFBLK;
    dev_t device = e->type == TAR_FIFO ? 0 : makedev(e->dev_major, e->dev_minor);
    mode_t old = umask(0);
    int rc = mknodat(dir, name, type | (e->mode & 0777), device);
    umask(old);
    return rc;
}

/* What came to be under the part's name, if it is what was made: another may have put something in
 * its place, whose owner must not be changed. */
static void apply_to_made(struct unpack *u, int dir, const struct tar_entry *e)
{
    auto_fd int fd = openat(dir, u->part, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    struct stat st;
    struct unpack_meta *meta = unpack_meta_new(e);
    if (fd >= 0 && meta && fstat(fd, &st) == 0 && st.st_nlink == 1 && st.st_uid == geteuid() &&
        !S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
        unpack_meta_apply(u, meta, fd, u->name, true);
    unpack_meta_free(meta);
}

static int make_special(struct unpack *u, int dir, const struct tar_entry *e, struct err *err)
{
    bool device = e->type == TAR_CHAR_DEVICE || e->type == TAR_BLOCK_DEVICE;
    if (device && !u->options.devices) {
        tree_note(&u->trouble, EPERM, e->path, "a device, not made unless asked for");
        return 0;
    }
    choose_part(u);
    for (int try = 0; try < 2; try++) {
        int rc =
            e->type == TAR_SYMLINK ? symlinkat(e->link, dir, u->part) : make_node(dir, u->part, e);
        if (rc == 0) {
            apply_to_made(u, dir, e);
            return publish(u, dir, err);
        }
        if (errno != EEXIST || unlinkat(dir, u->part, 0) < 0)
            break;
    }
    return err_sys(err, errno, "%.300s", u->name);
}

static int make_hard_link(struct unpack *u, int dir, const struct tar_entry *e, struct err *err)
{
    char first[256];
    auto_fd int from = unpack_find(u, e->link, first, err);
    if (from < 0)
        return -1;
    choose_part(u);
    unlinkat(dir, u->part, 0);
    if (linkat(from, first, dir, u->part, 0) < 0)
        return err_sys(err, errno, "%.200s, another name of %.200s", e->path, e->link);
    int rc = publish(u, dir, err);
    unlinkat(dir, u->part, 0); /* a rename to the same file does nothing */
    return rc;
}

/* --- entries ---------------------------------------------------------------------------------- */

static int make_folder(struct unpack *u, const struct tar_entry *e, struct err *err)
{
    struct unpack_meta *meta = unpack_meta_new(e);
    return meta ? unpack_enter_folder(u, u->name, meta, err)
                : err_sys(err, ENOMEM, "%.300s", u->name);
}

static int begin_entry(void *arg, const struct tar_entry *e, struct err *err)
{
    struct unpack *u = arg;
    const char *name;
    int dir = unpack_enter(u, e->path, &name, err);
    if (dir < 0)
        return -1;
    if (*name == '\0') /* the root, which is not ours to change */
        return e->type == TAR_DIRECTORY ? 0 : err_sys(err, EISDIR, "%.300s", e->path);
    u->counts.files += !e->again;
    switch (e->type) {
    case TAR_FILE:
        return begin_file(u, dir, e, err);
    case TAR_DIRECTORY:
        return make_folder(u, e, err);
    case TAR_HARDLINK:
        return make_hard_link(u, dir, e, err);
    default:
        return make_special(u, dir, e, err);
    }
}

const struct tar_handler unpack_handler = {
    .entry = begin_entry,
    .data = file_data,
    .entry_end = file_end,
};
