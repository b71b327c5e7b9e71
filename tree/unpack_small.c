/* A small file, made when all of it has come: so nothing of it is there before, not even under a
 * part's name, and whoever goes on has it sent again. In a folder that the archive has made it is
 * made without a name and then linked, which saves a file system a third of its work; in one that
 * was there others may look at, and would be told of a new file otherwise than they are used to
 * (inotify(7): moved to its name), and names may be taken. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "tree/unpack_internal.h"

bool unpack_small_begin(struct unpack *u, const struct tar_entry *e)
{
    if (e->sparse || e->size > UNPACK_SMALL_BYTES)
        return false;
    if (!u->small.data && !(u->small.data = malloc(UNPACK_SMALL_BYTES)))
        return false;
    u->small.on = true;
    u->small.len = 0;
    return true;
}

void unpack_small_data(struct unpack *u, const uint8_t *data, size_t len)
{
    if (u->small.len == 0)
        u->small.begin = u->reader.place;
    memcpy(u->small.data + u->small.len, data, len); /* no more than the entry's size comes */
    u->small.len += len;
}

/* Who has no right to link what he has open does it by its name in /proc. */
static bool give_name(int fd, int dir, const char *name)
{
    char path[40];
    if (linkat(fd, "", dir, name, AT_EMPTY_PATH) == 0)
        return true;
    if (errno != ENOENT)
        return false;
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    return linkat(AT_FDCWD, path, dir, name, AT_SYMLINK_FOLLOW) == 0;
}

static bool write_once(int fd, const uint8_t *data, size_t len)
{
    return len == 0 || pwrite(fd, data, len, 0) == (ssize_t)len;
}

bool unpack_small_put(struct unpack *u)
{
    int dir = unpack_here(u);
    if (u->small.no_unnamed || u->depth == 0 || !u->folders[u->depth - 1].made)
        return false;
    struct tree_trouble before = u->trouble;
    auto_fd int fd = openat(dir, ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
    if (fd >= 0 && write_once(fd, u->small.data, u->small.len)) {
        unpack_meta_apply(u, u->meta, fd, u->name, false);
        if (give_name(fd, dir, u->name))
            return true;
    }
    u->small.no_unnamed = fd < 0 || errno != EEXIST;
    u->trouble = before; /* it is told when it is made */
    return false;
}
