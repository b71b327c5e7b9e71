/* Building the default image: a Debian root filesystem as an ext4 file, published as
 * images_dir/ID/root.raw.
 *
 * mmdebstrap makes the tree as root, in a user namespace, or under fakechroot: whichever works here
 * is found by trying. mke2fs fills the file from the tree: nothing is ever mounted. Packages come
 * from where this host's apt gets its own; the image itself is left with Debian's public address.
 * On the loop's thread, blocking work on workers and in children. */
#ifndef BANGER_DAEMON_HOST_ROOTFS_H
#define BANGER_DAEMON_HOST_ROOTFS_H

#include "daemon/host/task.h"
#include "daemon/model/model.h"

struct rootfs_build;

enum rootfs_mode {
    ROOTFS_MODE_AUTO, /* the best that works */
    ROOTFS_MODE_ROOT,
    ROOTFS_MODE_UNSHARE,
    ROOTFS_MODE_FAKECHROOT,
};

struct rootfs_build_spec {
    const char *images_dir;      /* created where missing */
    const char *id;              /* that it gets; NULL: a new one */
    const char *name;            /* NULL: debian-SUITE */
    const char *suite;           /* NULL: bookworm */
    const char *const *packages; /* besides the minimum; NULL-terminated or NULL */
    uint64_t disk_bytes;         /* virtual size; 0: 2 GiB */
    enum rootfs_mode mode;
    task_progress_fn *progress; /* NULL: nobody looks */
    /* Once, later. image is NULL on error and borrowed for the call, like err. */
    void (*done)(void *arg, const struct image *image, const struct err *err);
    void *arg; /* for both */
};

/* spec's strings are copied. NULL with err, and done never comes. */
struct rootfs_build *rootfs_build_start(struct loop *loop, struct workers *workers,
                                        const struct rootfs_build_spec *spec, struct err *err);
/* Asks; done still comes. The build may not be touched after done. */
void rootfs_build_cancel(struct rootfs_build *b);

/* Percent of the whole build that a line of mmdebstrap's output stands for, or -1. Sans I/O. */
int rootfs_parse_progress(const char *line);
/* PRETTY_NAME of an os-release text; "Linux" without one, as os-release(5) has it. */
void rootfs_parse_os(const char *os_release, char *os, size_t os_bytes);

#endif
