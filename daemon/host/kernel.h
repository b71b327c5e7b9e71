/* Importing a kernel: vmlinux, the modules guests need, and the initramfs with our agent, published
 * together as kernels_dir/ID/{vmlinux,initramfs.cpio,modules/{order,NAME.ko}}.
 *
 * It comes from files, from a cloud kernel installed on this host, or from Debian's package, which
 * is downloaded without root and not installed. On the loop's thread, blocking work on workers. */
#ifndef BANGER_DAEMON_HOST_KERNEL_H
#define BANGER_DAEMON_HOST_KERNEL_H

#include "daemon/host/task.h"
#include "daemon/model/model.h"

struct kernel_import;

struct kernel_import_spec {
    const char *kernels_dir;  /* created where missing */
    const char *id;           /* that it gets; NULL: a new one */
    const char *cache_dir;    /* downloaded packages; may be emptied at any time */
    const char *agent_path;   /* the static guest agent */
    const char *vmlinuz_path; /* bzImage or vmlinux; NULL: host's own, else Debian's package */
    const char
        *modules_dir; /* of that kernel, searched in depth; NULL exactly where vmlinuz_path is */
    const char *
        version; /* of that kernel; NULL: what its banner says, else the last part of modules_dir */
    bool ignore_host;           /* take Debian's package even where the host has such a kernel */
    task_progress_fn *progress; /* NULL: nobody looks */
    /* Once, later. kernel is NULL on error and borrowed for the call, like err. */
    void (*done)(void *arg, const struct kernel *kernel, const struct err *err);
    void *arg; /* for both */
};

/* spec's strings are copied. NULL with err, and done never comes. */
struct kernel_import *kernel_import_start(struct loop *loop, struct workers *workers,
                                          const struct kernel_import_spec *spec, struct err *err);
/* Asks; done still comes. The import may not be touched after done. */
void kernel_import_cancel(struct kernel_import *k);

#endif
