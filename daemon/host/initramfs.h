/* The guest's initramfs: our agent as /init, the kernel modules in load order, and the folders it
 * mounts on. Deterministic: the same input gives the same bytes. */
#ifndef BANGER_DAEMON_HOST_INITRAMFS_H
#define BANGER_DAEMON_HOST_INITRAMFS_H

#include <stdatomic.h>
#include <stdbool.h>

#include "daemon/model/model.h"

struct err;
struct workers;

/* Writes path atomically (newc cpio, not compressed: unpacking costs a TCG guest more than
 * reading). modules_dir holds NAME.ko files and "order", their file names one a line; agent_path is
 * a static program. digest (may be NULL) gets that of the content. For workers. */
int initramfs_write(const char *agent_path, const char *modules_dir, const char *path,
                    char digest[DIGEST_BYTES], struct err *err);

/* Brings a kernel's initramfs up to date with this agent, on a worker: written again only when its
 * content differs. done comes once, later, on the loop's thread. 0, or -1 and done never comes. */
int initramfs_refresh_start(struct workers *workers, const char *agent_path,
                            const struct kernel *kernel,
                            void (*done)(void *arg, bool written, const struct err *err), void *arg,
                            struct err *err);

#endif
