/* Room kept for a full disk; see reserve.h. */
#include "daemon/store/reserve.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"

enum { LOOK_EVERY_MS = 5000 };

void reserve_init(struct reserve *r, const char *database)
{
    *r = (struct reserve){.looked_ms = INT64_MIN / 2};
    snprintf(r->path, sizeof(r->path), "%.580s-reserve", database);
    snprintf(r->wal_path, sizeof(r->wal_path), "%.580s-wal", database);
}

static bool reserve_has_room(const char *path)
{
    char folder[sizeof(((struct reserve *)0)->path)];
    struct statvfs fs;
    snprintf(folder, sizeof(folder), "%s", path);
    char *slash = strrchr(folder, '/');
    if (slash)
        *slash = '\0';
    return statvfs(slash ? folder : ".", &fs) == 0 &&
           (uint64_t)fs.f_bavail * fs.f_frsize >= RESERVE_MIN_FREE_BYTES + RESERVE_BYTES;
}

void reserve_keep(struct reserve *r)
{
    if (r->there || clock_mono_ms() - r->looked_ms < LOOK_EVERY_MS)
        return;
    r->looked_ms = clock_mono_ms();
    auto_fd int fd = open(r->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
        return;
    /* What an earlier daemon left counts, if it has its blocks. */
    if ((int64_t)st.st_blocks * 512 >= RESERVE_BYTES) {
        r->there = true;
        return;
    }
    if (!reserve_has_room(r->path) || fallocate(fd, 0, 0, RESERVE_BYTES) < 0) {
        unlink(r->path);
        return;
    }
    r->there = true;
}

bool reserve_spend(struct reserve *r)
{
    struct stat st;
    bool was = r->there || (lstat(r->path, &st) == 0 && S_ISREG(st.st_mode) && st.st_blocks > 0);
    if (!was || unlink(r->path) < 0)
        return false;
    r->there = false;
    r->looked_ms = clock_mono_ms();
    auto_fd int fd = open(r->wal_path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0 || fstat(fd, &st) < 0)
        return true; /* the blocks are free all the same */
    /* A log is written from its start again after a checkpoint: all of it is room. */
    if (fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, st.st_size + RESERVE_BYTES - (1 << 20)) < 0)
        log_warn("store", "cannot give the reserve to the write-ahead log: %s", strerror(errno));
    log_warn("store",
             "the disk is full: the reserve is in use; delete VMs or images, or make room");
    return true;
}
