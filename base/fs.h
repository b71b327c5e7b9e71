/* Files as wholes: bounded reads, atomic writes, folders. All set err with the path.
 *
 * What lies below the state folder is opened by fs_open_own and fs_read_own: whatever has been put
 * there (a FIFO, a device, a link, a folder, another's file) is an error at once, never a wait. */
#ifndef BANGER_BASE_FS_H
#define BANGER_BASE_FS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct err;

/* Whole content with a NUL behind it (not counted); ERR_LIMIT above max_bytes. Caller frees *data.
 */
int fs_read(const char *path, size_t max_bytes, char **data, size_t *len, struct err *err);
/* As open, never blocking: ERR_PRECONDITION for whatever is no regular file. Returns an fd, -1. Not
 * with O_TRUNC, which would come before the look. */
int fs_open_file(const char *path, int flags, mode_t mode, struct err *err);
/* The same for a file of ours: no link, and ERR_DENIED where it is neither ours nor root's. */
int fs_open_own(const char *path, int flags, mode_t mode, struct err *err);
/* fs_read of such a file. */
int fs_read_own(const char *path, size_t max_bytes, char **data, size_t *len, struct err *err);
/* Whether fs_open_own would take it, for those that others open; a missing one is fine. */
int fs_check_own(const char *path, struct err *err);
/* -1 with ERR_DENIED for a folder that is another user's, or to which its group or everyone may
 * write. shared: it may be root's, and sticky ones are fine (/tmp), for a socket in it. */
int fs_check_folder(const char *path, bool shared, struct err *err);
/* Whether there is a file of ours with exactly that content. */
bool fs_has(const char *path, const void *data, size_t len);
/* Temporary file beside it, fsync, rename: readers see the old content or the new. */
int fs_write_atomic(const char *path, const void *data, size_t len, mode_t mode, struct err *err);
/* As that without the fsync, for what means nothing once the host has crashed: it may be empty
 * then. */
int fs_write_scratch(const char *path, const void *data, size_t len, mode_t mode, struct err *err);
/* What is in a file, or which names are in a folder, is on disk when this returns. */
int fs_sync(const char *path, struct err *err);
/* Creates path and missing parents; an existing folder is fine. */
int fs_make_dirs(const char *path, mode_t mode, struct err *err);
/* Removes a file or a whole tree, never following links or crossing file systems. Missing is fine.
 * What cannot be removed does not keep the rest from being removed; err names the first of it. */
int fs_remove_tree(const char *path, struct err *err);

#endif
