/* Files as wholes; see fs.h. */
#include "base/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"

int fs_open_file(const char *path, int flags, mode_t mode, struct err *err)
{
    struct stat st;
    auto_fd int fd = open(path, flags | O_NONBLOCK | O_CLOEXEC | O_NOCTTY, mode);
    if (fd < 0 && (errno == ELOOP || errno == ENXIO || errno == EISDIR))
        return err_set(err, ERR_PRECONDITION, "%s is no plain file", path);
    if (fd < 0 || fstat(fd, &st) < 0)
        return err_sys(err, errno, "cannot open %s", path);
    if (!S_ISREG(st.st_mode))
        return err_set(err, ERR_PRECONDITION, "%s is no plain file", path);
    return take_fd(&fd);
}

int fs_open_own(const char *path, int flags, mode_t mode, struct err *err)
{
    struct stat st;
    auto_fd int fd = fs_open_file(path, flags | O_NOFOLLOW, mode, err);
    if (fd < 0)
        return -1;
    if (fstat(fd, &st) < 0)
        return err_sys(err, errno, "cannot look at %s", path);
    if (st.st_uid != geteuid() && st.st_uid != 0)
        return err_set(err, ERR_DENIED, "%s belongs to user %u", path, (unsigned)st.st_uid);
    return take_fd(&fd);
}

int fs_check_own(const char *path, struct err *err)
{
    struct err why = ERR_INIT;
    auto_fd int fd = fs_open_own(path, O_RDONLY, 0, &why);
    if (fd >= 0 || why.code == ERR_NOT_FOUND)
        return 0;
    if (err)
        *err = why;
    return -1;
}

int fs_check_folder(const char *path, bool shared, struct err *err)
{
    struct stat st;
    if (stat(path, &st) < 0)
        return err_sys(err, errno, "cannot look at %s", path);
    if (!S_ISDIR(st.st_mode))
        return err_set(err, ERR_PRECONDITION, "%s is not a folder", path);
    if (st.st_uid != geteuid() && !(shared && st.st_uid == 0))
        return err_set(err, ERR_DENIED, "%s belongs to user %u", path, (unsigned)st.st_uid);
    /* Where the sticky bit is set nobody takes away what is another's. */
    if (shared && st.st_mode & S_ISVTX)
        return 0;
    if (st.st_mode & (S_IWGRP | S_IWOTH))
        return err_set(err, ERR_DENIED, "%s may write to %s: chmod go-w it",
                       st.st_mode & S_IWOTH ? "everyone" : "its group", path);
    return 0;
}

/* All of fd, whose name is for errors. */
static int read_all(int fd, const char *path, size_t max_bytes, char **data, size_t *len,
                    struct err *err)
{
    size_t cap = 4096, n = 0;
    auto_free char *text = malloc(cap);
    for (;;) {
        if (!text)
            return err_set(err, ERR_LIMIT, "out of memory reading %s", path);
        ssize_t got = read(fd, text + n, cap - 1 - n);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return err_sys(err, errno, "cannot read %s", path);
        if (got == 0)
            break;
        n += (size_t)got;
        if (n > max_bytes)
            return err_set(err, ERR_LIMIT, "%s is larger than %zu bytes", path, max_bytes);
        if (n == cap - 1) {
            char *more = realloc(text, cap *= 2);
            if (!more)
                return err_set(err, ERR_LIMIT, "out of memory reading %s", path);
            text = more;
        }
    }
    text[n] = '\0';
    *data = take_ptr(&text);
    if (len)
        *len = n;
    return 0;
}

int fs_read(const char *path, size_t max_bytes, char **data, size_t *len, struct err *err)
{
    auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return err_sys(err, errno, "cannot open %s", path);
    return read_all(fd, path, max_bytes, data, len, err);
}

int fs_read_own(const char *path, size_t max_bytes, char **data, size_t *len, struct err *err)
{
    auto_fd int fd = fs_open_own(path, O_RDONLY, 0, err);
    return fd < 0 ? -1 : read_all(fd, path, max_bytes, data, len, err);
}

static int write_all(int fd, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, data, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        data += n;
        len -= (size_t)n;
    }
    return 0;
}

bool fs_has(const char *path, const void *data, size_t len)
{
    auto_free char *text = NULL;
    size_t n;
    return fs_read_own(path, len, &text, &n, NULL) == 0 && n == len && memcmp(text, data, n) == 0;
}

static int fs_replace(const char *path, const void *data, size_t len, mode_t mode, bool sync,
                      struct err *err)
{
    char temp[PATH_MAX];
    if ((size_t)snprintf(temp, sizeof(temp), "%s.XXXXXX", path) >= sizeof(temp))
        return err_set(err, ERR_INVALID, "path too long: %s", path);
    auto_fd int fd = mkostemp(temp, O_CLOEXEC);
    if (fd < 0)
        return err_sys(err, errno, "cannot create %s", temp);
    if (write_all(fd, data, len) < 0 || fchmod(fd, mode) < 0 || (sync && fsync(fd) < 0) ||
        rename(temp, path) < 0) {
        int cause = errno;
        unlink(temp);
        return err_sys(err, cause, "cannot write %s", path);
    }
    return 0;
}

int fs_write_atomic(const char *path, const void *data, size_t len, mode_t mode, struct err *err)
{
    return fs_replace(path, data, len, mode, true, err);
}

int fs_write_scratch(const char *path, const void *data, size_t len, mode_t mode, struct err *err)
{
    return fs_replace(path, data, len, mode, false, err);
}

int fs_sync(const char *path, struct err *err)
{
    auto_fd int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || fsync(fd) < 0)
        return err_sys(err, errno, "cannot sync %s", path);
    return 0;
}

int fs_make_dirs(const char *path, mode_t mode, struct err *err)
{
    char part[PATH_MAX];
    size_t n = strlen(path);
    if (n == 0 || n >= sizeof(part))
        return err_set(err, ERR_INVALID, "path empty or too long: %s", path);
    for (size_t i = 1; i <= n; i++) {
        if (path[i] != '/' && path[i] != '\0')
            continue;
        memcpy(part, path, i);
        part[i] = '\0';
        if (mkdir(part, mode) < 0 && errno != EEXIST)
            return err_sys(err, errno, "cannot create folder %s", part);
    }
    struct stat st;
    if (stat(path, &st) < 0)
        return err_sys(err, errno, "cannot look at %s", path);
    if (!S_ISDIR(st.st_mode))
        return err_set(err, ERR_PRECONDITION, "%s is not a folder", path);
    return 0;
}

/* Of the walk under way: nftw has no argument to pass on. */
static _Thread_local struct {
    int cause; /* errno for which the first entry stays, or 0 */
    char path[PATH_MAX];
} remove_left;

static int remove_entry(const char *path, const struct stat *st, int kind, struct FTW *at)
{
    (void)st;
    (void)kind;
    (void)at;
    if (remove(path) < 0 && errno != ENOENT && remove_left.cause == 0) {
        remove_left.cause = errno;
        snprintf(remove_left.path, sizeof(remove_left.path), "%s", path);
    }
    return 0;
}

int fs_remove_tree(const char *path, struct err *err)
{
    remove_left.cause = 0;
    if (nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT) < 0 && errno != ENOENT)
        return err_sys(err, errno, "cannot remove %s", path);
    if (remove_left.cause)
        return err_sys(err, remove_left.cause, "cannot remove %s", remove_left.path);
    return 0;
}
