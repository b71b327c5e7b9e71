/* A new qcow2 overlay, written by ourselves: its layers are all empty, and a program that is
 * started for them costs more than they do. Blocking: on a worker. */
#ifndef BANGER_DAEMON_HOST_QCOW2_NEW_H
#define BANGER_DAEMON_HOST_QCOW2_NEW_H

#include <stdbool.h>
#include <stdint.h>

struct err;

/* As qemu-img makes it (version 3, clusters of 64 KiB, backing format given); what is in it is on
 * disk when this returns, its name not yet (objects_make). bytes are rounded up to a sector. A
 * crash leaves path absent or whole, and perhaps path + ".new". */
int qcow2_new_overlay(const char *path, const char *backing, bool backing_raw, uint64_t bytes,
                      struct err *err);

#endif
