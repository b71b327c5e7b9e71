/* The files of a console log, and where they are in it; see console_log.h. */
#include "daemon/vmm/console_log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fs.h"
#include "daemon/model/model.h"

/* Where the log is in all that was ever written: PATH.at says of one file, by its inode, at which
 * offset it begins. It is the one that becomes PATH.1, written before that happens: so it is right
 * whether the renaming came to pass or not, and a log whose files are of another folder (a copy)
 * merely begins anew. One write of a fixed length, so that it is never half there. */
enum { AT_BYTES = 42 };

static void console_log_at_path(const char *path, char at[PATH_BYTES + 4])
{
    snprintf(at, PATH_BYTES + 4, "%s.at", path);
}

static void console_log_put_at(const char *path, uint64_t ino, uint64_t base)
{
    char at[PATH_BYTES + 4], text[AT_BYTES + 1];
    console_log_at_path(path, at);
    auto_fd int fd = fs_open_own(at, O_WRONLY | O_CREAT, 0600, NULL);
    snprintf(text, sizeof(text), "%020llu %020llu\n", (unsigned long long)ino,
             (unsigned long long)base);
    if (fd >= 0)
        (void)!pwrite(fd, text, AT_BYTES, 0);
}

static bool console_log_get_at(const char *path, uint64_t *ino, uint64_t *base)
{
    char at[PATH_BYTES + 4], text[AT_BYTES + 1] = "";
    unsigned long long i, b;
    console_log_at_path(path, at);
    auto_fd int fd = fs_open_own(at, O_RDONLY, 0, NULL);
    if (fd < 0 || pread(fd, text, AT_BYTES, 0) != AT_BYTES ||
        sscanf(text, "%20llu %20llu", &i, &b) != 2 || b > INT64_MAX)
        return false;
    *ino = i;
    *base = b;
    return true;
}

static int console_log_open_one(const char *path, struct stat *st)
{
    int fd = fs_open_own(path, O_RDONLY, 0, NULL);
    if (fd >= 0 && fstat(fd, st) == 0)
        return fd;
    if (fd >= 0)
        close(fd);
    *st = (struct stat){0};
    return -1;
}

static bool console_log_look(const char *path, struct console_log *log)
{
    char old[PATH_BYTES + 2];
    struct stat st, st_old, again = {0};
    uint64_t ino = 0, base = 0;
    snprintf(old, sizeof(old), "%s.1", path);
    log->fd = console_log_open_one(path, &st);
    log->old_fd = console_log_open_one(old, &st_old);
    bool known = console_log_get_at(path, &ino, &base);
    /* A rotation in between would show one file twice, or hide one. */
    bool same = stat(path, &again) == 0 ? log->fd >= 0 && again.st_ino == st.st_ino : log->fd < 0;
    log->old_base = known && log->old_fd >= 0 && ino == st_old.st_ino ? base : 0;
    log->base = log->old_base + (uint64_t)st_old.st_size;
    if (known && log->fd >= 0 && ino == st.st_ino) {
        log->base = base;
        log->old_base = base > (uint64_t)st_old.st_size ? base - (uint64_t)st_old.st_size : 0;
    }
    log->end = log->base + (uint64_t)st.st_size;
    return same && (log->fd < 0 || st.st_ino != st_old.st_ino);
}

void console_log_open(const char *path, struct console_log *log)
{
    for (int tries = 3;; tries--) {
        if (console_log_look(path, log) || tries == 0)
            return;
        console_log_close(log);
    }
}

void console_log_close(struct console_log *log)
{
    if (log->fd >= 0)
        close(log->fd);
    if (log->old_fd >= 0)
        close(log->old_fd);
    log->fd = log->old_fd = -1;
}

void console_log_rotate(const char *path)
{
    char old[PATH_BYTES + 2];
    struct console_log log;
    struct stat st;
    console_log_open(path, &log);
    if (log.fd >= 0 && fstat(log.fd, &st) == 0) {
        snprintf(old, sizeof(old), "%s.1", path);
        console_log_put_at(path, st.st_ino, log.base);
        (void)!rename(path, old);
    }
    console_log_close(&log);
}

void console_log_remove(const char *path, struct err *err)
{
    char old[PATH_BYTES + 2], at[PATH_BYTES + 4];
    if (path[0] == '\0')
        return;
    snprintf(old, sizeof(old), "%s.1", path);
    console_log_at_path(path, at);
    if ((unlink(path) < 0 && errno != ENOENT) || (unlink(old) < 0 && errno != ENOENT) ||
        (unlink(at) < 0 && errno != ENOENT))
        err_sys(err, errno, "cannot remove %s", path);
}
