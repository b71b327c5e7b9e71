/* A VM's folder, STATE/vms/ID: made first, removed last, with all that drivers and guests have left
 * in it. */
#include <errno.h>
#include <sys/stat.h>

#include "base/err.h"
#include "base/fs.h"
#include "daemon/host/object_file.h"

enum { FOLDER_REMOVE_TRIES = 3 };

static int folder_derive_name(const char *state_dir, const char *vm_id, enum object_role role,
                              char name[VM_PATH_BYTES], struct err *err)
{
    (void)role;
    return object_folder_name(state_dir, vm_id, name, err);
}

static int folder_make(const struct object *o, int cancel_fd, struct err *err)
{
    (void)cancel_fd;
    return fs_make_dirs(o->name, 0700, err);
}

static int folder_find(const struct object *o, struct err *err)
{
    struct stat st;
    if (lstat(o->name, &st) < 0)
        return err_sys(err, errno, "cannot look at %s", o->name);
    return S_ISDIR(st.st_mode) ? 0 : err_set(err, ERR_PRECONDITION, "%s is no folder", o->name);
}

/* A late handles.json may turn up in between. */
static int folder_remove(const struct object *o, struct err *err)
{
    struct err why = ERR_INIT;
    for (int i = 0; i < FOLDER_REMOVE_TRIES; i++) {
        err_clear(&why);
        if (fs_remove_tree(o->name, &why) == 0)
            return 0;
        if (why.sys != ENOTEMPTY)
            break;
    }
    if (err)
        *err = why;
    return -1;
}

struct folder_list {
    object_found_fn *found;
    void *arg;
};

static void folder_found(void *arg, const struct object_found *folder)
{
    const struct folder_list *l = arg;
    struct object_found f = *folder;
    f.kind = &object_folder;
    l->found(l->arg, &f);
}

static int folder_list(const char *state_dir, object_found_fn *found, void *arg, struct err *err)
{
    struct folder_list l = {found, arg};
    return object_folders_walk(state_dir, folder_found, &l, err);
}

const struct object_kind object_folder = {
    .name = "folder",
    .roles = 1u << OBJECT_FOLDER,
    .derive_name = folder_derive_name,
    .make = folder_make,
    .find = folder_find,
    .remove = folder_remove,
    .list = folder_list,
};
