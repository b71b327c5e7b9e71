/* Files as wholes: bounded reads, atomic writes, folders. All set err with the path. */
#ifndef BANGER_BASE_FS_H
#define BANGER_BASE_FS_H

#include <stddef.h>
#include <sys/types.h>

struct err;

/* Whole content with a NUL behind it (not counted); ERR_LIMIT above max_bytes. Caller frees *data.
 */
int fs_read(const char *path, size_t max_bytes, char **data, size_t *len, struct err *err);
/* Temporary file beside it, fsync, rename: readers see the old content or the new. */
int fs_write_atomic(const char *path, const void *data, size_t len, mode_t mode, struct err *err);
/* Creates path and missing parents; an existing folder is fine. */
int fs_make_dirs(const char *path, mode_t mode, struct err *err);
/* Removes a file or a whole tree, never following links or crossing file systems. Missing is fine.
 * What cannot be removed does not keep the rest from being removed; err names the first of it. */
int fs_remove_tree(const char *path, struct err *err);

#endif
