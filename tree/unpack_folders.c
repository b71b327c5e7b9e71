/* The folders below the root that lead to where the archive is; see unpack.h. */
#include "tree/unpack_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void unpack_leave(struct unpack *u, size_t depth)
{
    while (u->depth > depth) {
        struct unpack_folder *f = &u->folders[--u->depth];
        if (f->meta)
            unpack_meta_apply(u, f->meta, f->fd, f->name, false);
        unpack_meta_free(f->meta);
        free(f->name);
        close(f->fd);
    }
}

int unpack_here(const struct unpack *u)
{
    return u->depth > 0 ? u->folders[u->depth - 1].fd : u->root_fd;
}

/* Why a folder cannot be opened, in words. */
static int not_entered(int dir, const char *name, int sys, struct err *err)
{
    struct stat st;
    if (sys != ENOTDIR && sys != ELOOP)
        return err_sys(err, sys, "%.300s", name);
    if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(st.st_mode))
        return err_sys(err, ELOOP, "%.300s is a link, and nothing is written through one", name);
    return err_sys(err, ENOTDIR, "%.300s is no folder, and one is to be there", name);
}

/* One that was there, and of which a user took his own right to write into it. */
static void open_up(int fd)
{
    struct stat st;
    if (geteuid() != 0 && fstat(fd, &st) == 0 && st.st_uid == geteuid() && (~st.st_mode & 0700))
        fchmod(fd, (st.st_mode & 07777) | 0700);
}

int unpack_enter_folder(struct unpack *u, const char *name, struct unpack_meta *meta,
                        struct err *err)
{
    int dir = unpack_here(u);
    char *copy = strdup(name);
    int rc = copy ? 0 : err_sys(err, ENOMEM, "%.300s", name);
    if (rc == 0 && u->depth == TREE_DEPTH_MAX)
        rc = err_sys(err, ENAMETOOLONG, "%.300s: more than %d folders deep", name, TREE_DEPTH_MAX);
    /* Ours alone until it is left. */
    bool made = rc == 0 && mkdirat(dir, name, meta ? 0700 : 0777) == 0;
    if (rc == 0 && !made && errno != EEXIST)
        rc = err_sys(err, errno, "%.300s", name);
    int how = meta ? O_RDONLY : O_PATH;
    int fd = rc == 0 ? openat(dir, name, how | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) : -1;
    if (rc == 0 && fd < 0)
        rc = not_entered(dir, name, errno, err);
    if (rc < 0) {
        free(copy);
        unpack_meta_free(meta);
        return -1;
    }
    u->folders[u->depth++] = (struct unpack_folder){fd, copy, meta, made};
    if (meta)
        open_up(fd);
    return 0;
}

/* The next part of a path: its length, 0 at the end. *path is put behind it. */
static size_t next_part(const char **path, const char **part)
{
    size_t n;
    do {
        *part = *path + strspn(*path, "/");
        n = strcspn(*part, "/");
        *path = *part + n;
    } while (n == 1 && **part == '.');
    return n;
}

/* Takes a part out of a path; refuses what leads up. */
static int copy_part(char name[256], const char *part, size_t n, struct err *err)
{
    if (n > 255)
        return err_sys(err, ENAMETOOLONG, "%.300s", part);
    memcpy(name, part, n);
    name[n] = '\0';
    return strcmp(name, "..") == 0
               ? err_sys(err, EINVAL, "%.300s: a name in the archive leads out of it", part)
               : 0;
}

int unpack_enter(struct unpack *u, const char *path, const char **last, struct err *err)
{
    size_t depth = 0;
    const char *part, *behind, *left = path;
    size_t n = next_part(&left, &part), n_next;
    *last = "";
    for (; n > 0; n = n_next, part = behind, depth++) {
        char name[256];
        n_next = next_part(&left, &behind);
        if (copy_part(name, part, n, err) < 0)
            return -1;
        if (n_next == 0) {
            free(u->name);
            *last = u->name = strdup(name);
            if (!u->name)
                return err_sys(err, ENOMEM, "%.300s", path);
            break;
        }
        if (depth < u->depth && strcmp(u->folders[depth].name, name) == 0)
            continue;
        unpack_leave(u, depth);
        if (unpack_enter_folder(u, name, NULL, err) < 0)
            return -1;
    }
    unpack_leave(u, depth);
    return unpack_here(u);
}

int unpack_find(struct unpack *u, const char *path, char name[256], struct err *err)
{
    int fd = fcntl(u->root_fd, F_DUPFD_CLOEXEC, 3);
    const char *part, *behind, *left = path;
    size_t n = next_part(&left, &part), n_next;
    for (; fd >= 0 && n > 0; n = n_next, part = behind) {
        n_next = next_part(&left, &behind);
        if (copy_part(name, part, n, err) < 0)
            break;
        if (n_next == 0)
            return fd;
        int next = openat(fd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (next < 0) {
            not_entered(fd, name, errno, err);
            break;
        }
        close(fd);
        fd = next;
    }
    if (fd < 0)
        return err_sys(err, errno, "%.300s", path);
    close(fd);
    return n == 0 ? err_sys(err, EINVAL, "%.300s: no name of a file", path) : -1;
}
