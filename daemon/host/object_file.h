/* What kinds that are a file in the VM's folder share: STATE/vms/ID/FILE, made as FILE.new. */
#ifndef BANGER_DAEMON_HOST_OBJECT_FILE_H
#define BANGER_DAEMON_HOST_OBJECT_FILE_H

#include "daemon/host/object.h"

enum { OBJECT_TEMP_BYTES = VM_PATH_BYTES + 4 };

/* STATE/vms/ID, and a file in it. */
int object_folder_name(const char *state_dir, const char *vm_id, char name[VM_PATH_BYTES],
                       struct err *err);
int object_file_name(const char *state_dir, const char *vm_id, const char *file,
                     char name[VM_PATH_BYTES], struct err *err);
/* As find: a plain file, of whatever content. */
int object_file_find(const struct object *o, struct err *err);
int object_file_remove(const struct object *o, struct err *err);
/* As list: the files of that name, and partial ones, in all folders of VMs. */
int object_file_list(const char *state_dir, const char *file, const struct object_found *as,
                     object_found_fn *found, void *arg, struct err *err);
/* Calls found for each folder of a VM with its name; what it has is the caller's to look at. */
int object_folders_walk(const char *state_dir, object_found_fn *found, void *arg, struct err *err);

/* Writes the content into the new empty file at temp, open as fd. */
typedef int object_fill_fn(const struct object *o, const char *temp, int fd, int cancel_fd,
                           struct err *err);
/* Where there is none: FILE.new, in the place of one that a crash left, is filled and gets its
 * name; on_disk: not before its content is there, whatever happens to the host. */
int object_file_make(const struct object *o, object_fill_fn *fill, bool on_disk, int cancel_fd,
                     struct err *err);
/* A raw file that is there: grown to o->bytes, never cut (ERR_INVALID). */
int object_file_grow(const struct object *o, struct err *err);
/* The virtual size that o asks for, given its source's; ERR_INVALID: less than that. */
int object_size(const struct object *o, uint64_t source_bytes, uint64_t *bytes, struct err *err);
/* Whether the caller gave up. */
bool object_is_cancelled(int cancel_fd);

#endif
