/* Records in the folders of VMs, images and kernels: what is needed to list them again when the
 * database is lost (recover.h). On the loop's thread; the files are written by a worker.
 *
 * Written after the commit that made them true, and at the start where one is missing or old; never
 * for a change of state. One at a time and in order, so that the last one stays. What cannot be
 * written is told in the log and tried again at the next start. */
#ifndef BANGER_DAEMON_CORE_RECORD_H
#define BANGER_DAEMON_CORE_RECORD_H

struct core;
struct err;
struct image;
struct kernel;
struct record_keeper;
struct store_txn;
struct vm;

struct record_keeper *record_keeper_new(struct core *core, struct err *err);
/* What has not been written yet is left to the next start. NULL is fine. */
void record_keeper_free(struct record_keeper *k);

/* Copied. Nothing is written where it is on disk already, or where the folder is gone. */
void record_keep_vm(struct core *core, const struct vm *vm);
void record_keep_image(struct core *core, const struct image *image);
void record_keep_kernel(struct core *core, const struct kernel *kernel);
/* The same when txn is on disk. */
void record_keep_vm_with(struct core *core, const struct vm *vm, struct store_txn *txn);
void record_keep_image_with(struct core *core, const struct image *image, struct store_txn *txn);
void record_keep_kernel_with(struct core *core, const struct kernel *kernel, struct store_txn *txn);

#endif
