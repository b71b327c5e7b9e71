/* Importing a kernel with an initrd of its own, as a distribution made it: published together as
 * kernels_dir/ID/{vmlinux,initramfs.cpio}. Guests boot by it their own way, without our agent. On
 * the loop's thread, blocking work on workers. */
#ifndef BANGER_DAEMON_HOST_KERNEL_OWN_H
#define BANGER_DAEMON_HOST_KERNEL_OWN_H

#include "daemon/host/task.h"
#include "daemon/model/model.h"

struct kernel_own_import;

struct kernel_own_spec {
    const char *kernels_dir;  /* created where missing */
    const char *id;           /* that it gets; NULL: a new one */
    const char *vmlinuz_path; /* bzImage or vmlinux */
    const char *initrd_path;
    task_progress_fn *progress; /* NULL: nobody looks */
    /* Once, later. kernel is NULL on error and borrowed for the call, like err. */
    void (*done)(void *arg, const struct kernel *kernel, const struct err *err);
    void *arg; /* for both */
};

/* spec's strings are copied. NULL with err, and done never comes. */
struct kernel_own_import *kernel_own_import_start(struct loop *loop, struct workers *workers,
                                                  const struct kernel_own_spec *spec,
                                                  struct err *err);
/* Asks; done still comes. The import may not be touched after done. */
void kernel_own_import_cancel(struct kernel_own_import *k);

#endif
