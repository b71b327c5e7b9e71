/* qcow2 overlays: look at headers, make and grow overlays. Blocking: on a worker. */
#ifndef BANGER_DAEMON_HOST_QCOW2_H
#define BANGER_DAEMON_HOST_QCOW2_H

#include <stdbool.h>
#include <stdint.h>

struct err;

enum { QCOW2_BACKING_BYTES = 1024 }; /* the format's own limit is 1023 */

struct qcow2_info {
    uint64_t virtual_bytes;
    char backing[QCOW2_BACKING_BYTES]; /* file name as stored, "" without */
};

/* ERR_INVALID: it is not a qcow2 file. */
int qcow2_read(const char *path, struct qcow2_info *info, struct err *err);
/* Size that a guest sees of a raw or qcow2 file. */
int qcow2_virtual_size(const char *path, bool raw, uint64_t *bytes, struct err *err);
/* Makes sure that path is an overlay of backing with virtual_bytes (0: the backing's). One that is
 * there with the same backing keeps its content and only grows; where the state folder
 * was moved, so that the backing's last folder and name are the same, the header gets its new path;
 * anything else there is ERR_PRECONDITION. Smaller than the backing or than what is there:
 * ERR_INVALID. A crash leaves path absent or whole (and perhaps path + ".new", which the next call
 * replaces). */
int qcow2_make_overlay(const char *path, const char *backing, bool backing_raw,
                       uint64_t virtual_bytes, int cancel_fd, struct err *err);
/* Writes what a guest sees of a qcow2 file into the file at raw, sparse. */
int qcow2_flatten(const char *path, const char *raw, int cancel_fd, struct err *err);

#endif
