/* What an archive says of a file: owner, times, holes, attributes, other names; see pack.h. */
#include "tree/pack_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

void tree_note(struct tree_trouble *trouble, int sys, const char *path, const char *what)
{
    if (trouble->count++ == 0)
        (void)err_sys(&trouble->first, sys, "%.300s%s%s", path, *what ? ": " : "", what);
}

/* Holes, if there are any: a map that is one piece is none. */
static int find_holes(struct pack *p, int fd, struct tar_entry *e)
{
    if (!p->map && !(p->map = calloc(TAR_MAP_MAX, sizeof(*p->map))))
        return -1;
    uint64_t size = e->size, at = 0, sum = 0;
    p->n_map = 0;
    while (at < size) {
        off_t from = lseek(fd, (off_t)at, SEEK_DATA);
        if (from < 0 && errno == ENXIO)
            break; /* nothing but a hole */
        if (from < 0)
            return 0; /* a file system without holes */
        off_t to = lseek(fd, from, SEEK_HOLE);
        if (to < 0 || (uint64_t)from >= size)
            break;
        if ((uint64_t)to > size || p->n_map + 1 == TAR_MAP_MAX)
            to = (off_t)size;
        p->map[p->n_map++] = (struct tar_extent){(uint64_t)from, (uint64_t)(to - from)};
        sum += (uint64_t)(to - from);
        at = (uint64_t)to;
    }
    if (sum == size)
        return 0;
    const struct tar_extent *last = p->n_map > 0 ? &p->map[p->n_map - 1] : NULL;
    if (!last || last->offset + last->len < size) /* GNU tar makes the file as long as the map */
        p->map[p->n_map++] = (struct tar_extent){size, 0};
    e->sparse = true;
    e->map = p->map;
    e->n_map = p->n_map;
    e->body_bytes = sum;
    return 0;
}

/* Kept by the file system or a security module for itself. */
static bool is_private(const char *name)
{
    static const char *const names[] = {"security.selinux", "security.ima", "security.evm",
                                        "security.apparmor"};
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return strncmp(name, "trusted.overlay.", 16) == 0;
}

static void find_xattrs(struct pack *p, int fd, struct tar_entry *e)
{
    if (!p->xattr_block && !(p->xattr_block = malloc(PACK_XATTRS_MAX_BYTES)))
        return;
    e->xattrs = p->xattrs;
    ssize_t names = flistxattr(fd, p->xattr_block, PACK_XATTRS_MAX_BYTES / 2);
    if (names <= 0) {
        if (names < 0 && errno != ENOTSUP)
            tree_note(&p->trouble, errno, p->path, "its attributes");
        return;
    }
    size_t used = (size_t)names;
    for (char *name = p->xattr_block; name < p->xattr_block + names; name += strlen(name) + 1) {
        if (is_private(name))
            continue;
        char *value = p->xattr_block + used;
        ssize_t n = fgetxattr(fd, name, value, PACK_XATTRS_MAX_BYTES - used);
        if (n < 0 || e->n_xattrs == TAR_XATTRS_MAX) {
            tree_note(&p->trouble, n < 0 ? errno : E2BIG, p->path, "its attributes");
            return;
        }
        p->xattrs[e->n_xattrs++] = (struct tar_xattr){name, (const uint8_t *)value, (size_t)n};
        used += (size_t)n;
    }
}

static enum tar_type type_of(mode_t mode)
{
    switch (mode & S_IFMT) {
    case S_IFDIR:
        return TAR_DIRECTORY;
    case S_IFLNK:
        return TAR_SYMLINK;
    case S_IFCHR:
        return TAR_CHAR_DEVICE;
    case S_IFBLK:
        return TAR_BLOCK_DEVICE;
    case S_IFIFO:
        return TAR_FIFO;
    default:
        return TAR_FILE;
    }
}

int pack_describe(struct pack *p, int fd, const struct stat *st, struct tar_entry *e,
                  struct err *err)
{
    *e = (struct tar_entry){
        .type = type_of(st->st_mode),
        .path = p->path,
        .link = "",
        .mode = st->st_mode & 07777,
        .uid = st->st_uid,
        .gid = st->st_gid,
        .mtime_s = st->st_mtim.tv_sec,
        .mtime_ns = (uint32_t)st->st_mtim.tv_nsec,
    };
    snprintf(e->user, sizeof(e->user), "%s", owners_name(&p->owners, OWNERS_USER, st->st_uid));
    snprintf(e->group, sizeof(e->group), "%s", owners_name(&p->owners, OWNERS_GROUP, st->st_gid));
    if (e->type == TAR_CHAR_DEVICE || e->type == TAR_BLOCK_DEVICE) {
        e->dev_major = major(st->st_rdev);
        e->dev_minor = minor(st->st_rdev);
    } else if (e->type == TAR_SYMLINK) {
        e->link = p->link;
    } else if (e->type == TAR_FILE) {
        e->size = e->body_bytes = (uint64_t)st->st_size;
        if (st->st_blocks < st->st_size / 512 && find_holes(p, fd, e) < 0)
            return err_sys(err, ENOMEM, "reading %.200s", p->path);
    }
    if (fd >= 0 && p->options.xattrs)
        find_xattrs(p, fd, e);
    return 0;
}

static size_t slot_of(const struct pack *p, dev_t dev, ino_t ino)
{
    uint64_t key[2] = {dev, ino};
    size_t at = tar_digest(TAR_DIGEST_START, key, sizeof(key)) & (p->linked_cap - 1);
    while (p->linked[at].path && (p->linked[at].dev != dev || p->linked[at].ino != ino))
        at = (at + 1) & (p->linked_cap - 1);
    return at;
}

/* Twice as many slots. */
static bool grow(struct pack *p)
{
    struct pack_linked *old = p->linked;
    size_t old_cap = p->linked_cap, cap = old_cap ? old_cap * 2 : 256;
    struct pack_linked *slots = calloc(cap, sizeof(*slots));
    if (!slots)
        return false;
    p->linked = slots;
    p->linked_cap = cap;
    for (size_t i = 0; i < old_cap; i++)
        if (old[i].path)
            slots[slot_of(p, old[i].dev, old[i].ino)] = old[i];
    free(old);
    return true;
}

const char *pack_met_before(struct pack *p, const struct stat *st)
{
    if (p->n_linked * 2 >= p->linked_cap && (p->n_linked >= PACK_LINKED_MAX || !grow(p)))
        return NULL; /* copied as files of their own */
    struct pack_linked *slot = &p->linked[slot_of(p, st->st_dev, st->st_ino)];
    if (slot->path)
        return slot->path;
    *slot = (struct pack_linked){st->st_dev, st->st_ino, strdup(p->path)};
    p->n_linked += slot->path != NULL;
    return NULL;
}
