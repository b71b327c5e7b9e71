/* qcow2 overlays: new ones and headers by ourselves, the rest through qemu-img; see qcow2.h.
 * Format: https://gitlab.com/qemu-project/qemu/-/blob/master/docs/interop/qcow2.txt */
#include "daemon/host/qcow2.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fs.h"
#include "daemon/host/qcow2_new.h"
#include "daemon/host/run.h"

enum {
    QCOW2_HEADER_BYTES = 72, /* of version 2: what all versions begin with */
    QCOW2_TOOL_DEADLINE_MS = 30000,
    QCOW2_FLATTEN_DEADLINE_MS = 3600 * 1000,
};

static uint64_t qcow2_get(const uint8_t *at, int n)
{
    uint64_t v = 0;
    for (int i = 0; i < n; i++)
        v = v << 8 | at[i];
    return v;
}

int qcow2_read(const char *path, struct qcow2_info *info, struct err *err)
{
    auto_fd int fd = fs_open_file(path, O_RDONLY, 0, err);
    if (fd < 0)
        return -1;
    uint8_t h[QCOW2_HEADER_BYTES];
    ssize_t n = pread(fd, h, sizeof(h), 0);
    if (n < 0)
        return err_sys(err, errno, "cannot read %s", path);
    if (n < (ssize_t)sizeof(h) || memcmp(h, "QFI\xfb", 4) != 0)
        return err_set(err, ERR_INVALID, "%s is not a qcow2 file", path);
    uint64_t version = qcow2_get(h + 4, 4), name_at = qcow2_get(h + 8, 8);
    uint64_t name_len = qcow2_get(h + 16, 4);
    if (version < 2 || version > 3 || name_len >= QCOW2_BACKING_BYTES || name_at > INT64_MAX / 2)
        return err_set(err, ERR_INVALID, "%s has a qcow2 header that makes no sense", path);
    info->virtual_bytes = qcow2_get(h + 24, 8);
    info->backing[0] = '\0';
    if (name_at == 0)
        return 0;
    if (pread(fd, info->backing, name_len, (off_t)name_at) != (ssize_t)name_len)
        return err_set(err, ERR_INVALID, "%s ends within its backing file's name", path);
    info->backing[name_len] = '\0';
    return 0;
}

int qcow2_virtual_size(const char *path, bool raw, uint64_t *bytes, struct err *err)
{
    if (!raw) {
        struct qcow2_info info;
        if (qcow2_read(path, &info, err) < 0)
            return -1;
        *bytes = info.virtual_bytes;
        return 0;
    }
    struct stat st;
    if (stat(path, &st) < 0)
        return err_sys(err, errno, "cannot look at %s", path);
    if (!S_ISREG(st.st_mode))
        return err_set(err, ERR_INVALID, "%s is not a file", path);
    *bytes = (uint64_t)st.st_size;
    return 0;
}

/* qemu-img takes "json:" and "PROTOCOL:" prefixes in names; an absolute path is taken as it is. */
static int qcow2_check_path(const char *path, struct err *err)
{
    if (path[0] != '/')
        return err_set(err, ERR_INVALID, "not an absolute path: %s", path);
    return 0;
}

static int qcow2_grow(const char *path, uint64_t bytes, int cancel_fd, struct err *err)
{
    char size[32];
    snprintf(size, sizeof(size), "%llu", (unsigned long long)bytes);
    const char *argv[] = {"qemu-img", "resize", "-q", "-f", "qcow2", path, size, NULL};
    if (run_checked(argv, QCOW2_TOOL_DEADLINE_MS, cancel_fd, err) < 0)
        return err_wrap(err, "cannot grow %s", path);
    return 0;
}

/* The same file of the same folder, ID/root.raw, elsewhere. */
static bool qcow2_is_moved(const char *stored, const char *backing)
{
    const char *at = strrchr(backing, '/');
    while (at && at > backing && at[-1] != '/')
        at--;
    size_t n = strlen(stored), len = at ? strlen(at) : 0;
    return len > 0 && n > len && stored[n - len - 1] == '/' && strcmp(stored + n - len, at) == 0;
}

/* Writes another name into the header, nothing else. */
static int qcow2_rename_backing(const char *path, const char *backing, bool backing_raw,
                                int cancel_fd, struct err *err)
{
    const char *argv[] = {"qemu-img", "rebase", "-q",    "-u", "-f",
                          "qcow2",    "-b",     backing, "-F", backing_raw ? "raw" : "qcow2",
                          path,       NULL};
    if (run_checked(argv, QCOW2_TOOL_DEADLINE_MS, cancel_fd, err) < 0)
        return err_wrap(err, "cannot tell %s where its image is now", path);
    return 0;
}

int qcow2_make_overlay(const char *path, const char *backing, bool backing_raw,
                       uint64_t virtual_bytes, int cancel_fd, struct err *err)
{
    uint64_t base;
    if (qcow2_check_path(path, err) < 0 || qcow2_check_path(backing, err) < 0 ||
        qcow2_virtual_size(backing, backing_raw, &base, err) < 0)
        return -1;
    if (virtual_bytes && virtual_bytes < base)
        return err_set(err, ERR_INVALID,
                       "a disk of %llu bytes is smaller than its image (%llu); ask for more",
                       (unsigned long long)virtual_bytes, (unsigned long long)base);
    struct qcow2_info info;
    if (access(path, F_OK) < 0)
        return qcow2_new_overlay(path, backing, backing_raw, virtual_bytes ? virtual_bytes : base,
                                 err);
    if (qcow2_read(path, &info, err) < 0)
        return err_wrap(err, "what is there is not ours to replace");
    if (strcmp(info.backing, backing) != 0 && qcow2_is_moved(info.backing, backing)) {
        if (qcow2_rename_backing(path, backing, backing_raw, cancel_fd, err) < 0)
            return -1;
    } else if (strcmp(info.backing, backing) != 0)
        return err_set(err, ERR_PRECONDITION, "%s is an overlay of %s, not of %s", path,
                       info.backing[0] ? info.backing : "nothing", backing);
    if (virtual_bytes && virtual_bytes < info.virtual_bytes)
        return err_set(err, ERR_INVALID, "a disk cannot shrink from %llu to %llu bytes",
                       (unsigned long long)info.virtual_bytes, (unsigned long long)virtual_bytes);
    if (virtual_bytes > info.virtual_bytes)
        return qcow2_grow(path, virtual_bytes, cancel_fd, err);
    return 0;
}

int qcow2_flatten(const char *path, const char *raw, int cancel_fd, struct err *err)
{
    const char *argv[] = {"qemu-img", "convert", "-q", "-f", "qcow2", "-O", "raw", path, raw, NULL};
    if (qcow2_check_path(path, err) < 0 || qcow2_check_path(raw, err) < 0)
        return -1;
    if (run_checked(argv, QCOW2_FLATTEN_DEADLINE_MS, cancel_fd, err) < 0)
        return err_wrap(err, "cannot copy %s", path);
    return 0;
}
