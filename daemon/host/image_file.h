/* Importing a disk image that lies on this host: checked, copied, digested, and published as
 * images_dir/ID/root.raw or root.qcow2. On the loop's thread, blocking work on workers. */
#ifndef BANGER_DAEMON_HOST_IMAGE_FILE_H
#define BANGER_DAEMON_HOST_IMAGE_FILE_H

#include "daemon/host/task.h"
#include "daemon/model/model.h"

struct image_file_import;

struct image_file_spec {
    const char *images_dir; /* created where missing */
    const char *id;         /* that it gets; NULL: a new one */
    const char *path;       /* absolute; raw or qcow2 without a backing file */
    const char *name;
    task_progress_fn *progress; /* NULL: nobody looks */
    /* Once, later. image is NULL on error and borrowed for the call, like err. */
    void (*done)(void *arg, const struct image *image, const struct err *err);
    void *arg; /* for both */
};

/* spec's strings are copied. NULL with err, and done never comes. */
struct image_file_import *image_file_import_start(struct loop *loop, struct workers *workers,
                                                  const struct image_file_spec *spec,
                                                  struct err *err);
/* Asks; done still comes. The import may not be touched after done. */
void image_file_import_cancel(struct image_file_import *i);

#endif
