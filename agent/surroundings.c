/* Mounts, devices and folders of a guest; see surroundings.h. */
#include "agent/surroundings.h"

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/system.h"
#include "base/log.h"

enum { RUN_MAX_ENTRIES = 4096, PATH_SIZE = 1024 };

struct mount_row {
    const char *what, *where, *type;
    unsigned long flags;
    const char *options;
};

static const struct mount_row mounts[] = {
    {"proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL},
    {"sysfs", "/sys", "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL},
    {"devtmpfs", "/dev", "devtmpfs", MS_NOSUID, "mode=0755"},
    {"devpts", "/dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "gid=5,mode=620,ptmxmode=666"},
    {"tmpfs", "/dev/shm", "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=1777"},
    {"mqueue", "/dev/mqueue", "mqueue", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL},
    {"tmpfs", "/run", "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755,size=20%"},
    {"cgroup2", "/sys/fs/cgroup", "cgroup2", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL},
};

/* devtmpfs has the devices alone. */
static const struct {
    const char *to, *path;
} links[] = {
    {"/proc/self/fd", "/dev/fd"},       {"/proc/self/fd/0", "/dev/stdin"},
    {"/proc/self/fd/1", "/dev/stdout"}, {"/proc/self/fd/2", "/dev/stderr"},
    {"/proc/kcore", "/dev/core"},
};

void surroundings_mount(void)
{
    for (size_t i = 0; i < sizeof(mounts) / sizeof(*mounts); i++) {
        const struct mount_row *m = &mounts[i];
        mkdir(m->where, 0755);
        if (mount(m->what, m->where, m->type, m->flags, m->options) < 0 && errno != EBUSY)
            log_warn("boot", "cannot mount %s: %s", m->where, strerror(errno));
    }
    for (size_t i = 0; i < sizeof(links) / sizeof(*links); i++)
        if (symlink(links[i].to, links[i].path) < 0 && errno != EEXIST)
            log_warn("boot", "cannot make %s: %s", links[i].path, strerror(errno));
    network_raise_loopback();
}

/* Of the walk under way: nftw has no argument to pass on. */
static size_t run_prefix;
static int run_entries;

/* One entry of the image's /run, of which nothing is opened: folders and links alone. */
static int copy_entry(const char *path, const struct stat *st, int type, struct FTW *at)
{
    char to[PATH_SIZE], target[PATH_SIZE];
    if (++run_entries > RUN_MAX_ENTRIES)
        return 1;
    if (at->level == 0 || snprintf(to, sizeof(to), "/run%s", path + run_prefix) >= (int)sizeof(to))
        return 0;
    if (type == FTW_D) {
        if (mkdir(to, 0755) == 0 && chown(to, st->st_uid, st->st_gid) == 0)
            chmod(to, st->st_mode & 07777);
    } else if (type == FTW_SL || type == FTW_SLN) {
        ssize_t n = readlink(path, target, sizeof(target) - 1);
        target[n > 0 ? n : 0] = '\0';
        if (n > 0 && symlink(target, to) == 0 && lchown(to, st->st_uid, st->st_gid) < 0)
            log_warn("boot", "cannot give %s its owner: %s", to, strerror(errno));
    }
    return 0;
}

/* A program that was packaged to find its folder below /run does not make it. */
static void copy_run(const char *image_run)
{
    run_prefix = strlen(image_run);
    run_entries = 0;
    nftw(image_run, copy_entry, 16, FTW_PHYS | FTW_MOUNT);
    if (mkdir("/run/lock", 0755) == 0) /* /var/lock leads here */
        chmod("/run/lock", 01777);
}

static void make_shared(const char *new_root, const char *name)
{
    char path[PATH_SIZE];
    snprintf(path, sizeof(path), "%s%s", new_root, name);
    if (mkdir(path, 0755) == 0)
        chmod(path, 01777);
}

int surroundings_move(const char *new_root)
{
    static const char *const moved[] = {"/proc", "/sys", "/dev", "/run"};
    char path[PATH_SIZE];
    snprintf(path, sizeof(path), "%s/run", new_root);
    copy_run(path);
    for (size_t i = 0; i < sizeof(moved) / sizeof(*moved); i++) {
        snprintf(path, sizeof(path), "%s%s", new_root, moved[i]);
        mkdir(path, 0755);
        if (mount(moved[i], path, NULL, MS_MOVE, NULL) < 0)
            return -1;
    }
    make_shared(new_root, "/tmp");
    make_shared(new_root, "/var/tmp");
    snprintf(path, sizeof(path), "%s/etc/mtab", new_root);
    if (symlink("/proc/mounts", path) < 0 && errno != EEXIST)
        log_warn("boot", "cannot make /etc/mtab: %s", strerror(errno));
    return 0;
}
