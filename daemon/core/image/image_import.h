/* Images and kernels from files of this host, as operations. */
#ifndef BANGER_DAEMON_CORE_IMAGE_IMAGE_IMPORT_H
#define BANGER_DAEMON_CORE_IMAGE_IMAGE_IMPORT_H

#include "daemon/core/operation/operation.h"
#include "daemon/model/model.h"

struct core;
struct err;

struct image_import_request {
    const char *path;          /* absolute */
    char name[NAME_BYTES * 2]; /* moves to the new image where another has it */
    const char *kernel;        /* reference; "": the default */
};

/* image.import. NULL with err where nothing was begun. */
struct operation_entry *image_ask_import(struct core *core, const struct image_import_request *req,
                                         const struct request_meta *meta, struct err *err);

struct kernel_import_request {
    const char *kernel_path;  /* bzImage or vmlinux */
    const char *modules_path; /* …/lib/modules/VERSION; "" with initrd_path */
    const char *initrd_path;  /* of the guest's own; "": ours, with the agent */
};

/* kernel.import. */
struct operation_entry *kernel_ask_import(struct core *core,
                                          const struct kernel_import_request *req,
                                          const struct request_meta *meta, struct err *err);

extern const struct operation_kind image_import_kind, kernel_import_kind;

#endif
