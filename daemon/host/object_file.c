/* Files of VMs; see object_file.h. */
#include "daemon/host/object_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"

int object_folder_name(const char *state_dir, const char *vm_id, char name[VM_PATH_BYTES],
                       struct err *err)
{
    if ((size_t)snprintf(name, VM_PATH_BYTES, "%s/vms/%s", state_dir, vm_id) < VM_PATH_BYTES)
        return 0;
    return err_set(err, ERR_PRECONDITION, "the state folder's path is too long: %s", state_dir);
}

int object_file_name(const char *state_dir, const char *vm_id, const char *file,
                     char name[VM_PATH_BYTES], struct err *err)
{
    char folder[VM_PATH_BYTES];
    if (object_folder_name(state_dir, vm_id, folder, err) < 0)
        return -1;
    if ((size_t)snprintf(name, VM_PATH_BYTES, "%s/%s", folder, file) < VM_PATH_BYTES)
        return 0;
    return err_set(err, ERR_PRECONDITION, "the state folder's path is too long: %s", state_dir);
}

static void object_temp_name(const struct object *o, char temp[OBJECT_TEMP_BYTES])
{
    snprintf(temp, OBJECT_TEMP_BYTES, "%s.new", o->name);
}

int object_file_find(const struct object *o, struct err *err)
{
    struct stat st;
    if (lstat(o->name, &st) < 0)
        return err_sys(err, errno, "cannot look at %s", o->name);
    if (!S_ISREG(st.st_mode))
        return err_set(err, ERR_PRECONDITION, "%s is no plain file", o->name);
    return 0;
}

int object_file_remove(const struct object *o, struct err *err)
{
    char temp[OBJECT_TEMP_BYTES];
    object_temp_name(o, temp);
    if (unlink(o->name) < 0 && errno != ENOENT)
        return err_sys(err, errno, "cannot remove %s", o->name);
    if (unlink(temp) < 0 && errno != ENOENT)
        return err_sys(err, errno, "cannot remove %s", temp);
    return 0;
}

/* Looking for all */

static bool object_is_ours(const char *path, mode_t type)
{
    struct stat st;
    return lstat(path, &st) == 0 && (st.st_mode & S_IFMT) == type &&
           (st.st_uid == geteuid() || st.st_uid == 0);
}

int object_folders_walk(const char *state_dir, object_found_fn *found, void *arg, struct err *err)
{
    char path[PATH_BYTES];
    if ((size_t)snprintf(path, sizeof(path), "%s/vms", state_dir) >= sizeof(path))
        return err_set(err, ERR_INVALID, "path too long: %s", state_dir);
    auto_dir DIR *dir = opendir(path);
    if (!dir)
        return errno == ENOENT ? 0 : err_sys(err, errno, "cannot list %s", path);
    for (struct dirent *d; (d = readdir(dir));) {
        struct object_found f = {.role = OBJECT_FOLDER};
        if (!id_is_valid(d->d_name) || object_folder_name(state_dir, d->d_name, f.name, NULL) < 0)
            continue;
        snprintf(f.vm_id, sizeof(f.vm_id), "%s", d->d_name);
        if (object_is_ours(f.name, S_IFDIR))
            found(arg, &f);
    }
    return 0;
}

struct object_file_walk {
    const char *state_dir, *file;
    const struct object_found *as;
    object_found_fn *found;
    void *arg;
};

static void object_file_look(void *arg, const struct object_found *folder)
{
    const struct object_file_walk *w = arg;
    for (int partial = 0; partial < 2; partial++) {
        char file[64];
        struct object_found f = *w->as;
        snprintf(file, sizeof(file), "%s%s", w->file, partial ? ".new" : "");
        memcpy(f.vm_id, folder->vm_id, sizeof(f.vm_id));
        f.partial = partial;
        if (object_file_name(w->state_dir, f.vm_id, file, f.name, NULL) == 0 &&
            object_is_ours(f.name, S_IFREG))
            w->found(w->arg, &f);
    }
}

int object_file_list(const char *state_dir, const char *file, const struct object_found *as,
                     object_found_fn *found, void *arg, struct err *err)
{
    struct object_file_walk w = {state_dir, file, as, found, arg};
    return object_folders_walk(state_dir, object_file_look, &w, err);
}

/* Making */

static int object_file_make_new(const struct object *o, object_fill_fn *fill, bool on_disk,
                                int cancel_fd, struct err *err)
{
    char temp[OBJECT_TEMP_BYTES];
    object_temp_name(o, temp);
    if (unlink(temp) < 0 && errno != ENOENT)
        return err_sys(err, errno, "cannot replace %s", temp);
    auto_fd int fd = open(temp, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return err_sys(err, errno, "cannot make %s", temp);
    int rc = fill(o, temp, fd, cancel_fd, err);
    if (rc == 0 && ((on_disk && fsync(fd) < 0) || rename(temp, o->name) < 0))
        rc = err_sys(err, errno, "cannot make %s", o->name);
    if (rc < 0)
        unlink(temp);
    return rc;
}

int object_file_make(const struct object *o, object_fill_fn *fill, bool on_disk, int cancel_fd,
                     struct err *err)
{
    struct err why = ERR_INIT;
    if (object_file_find(o, &why) == 0)
        return 0;
    if (why.code == ERR_NOT_FOUND)
        return object_file_make_new(o, fill, on_disk, cancel_fd, err);
    if (err)
        *err = why;
    return -1;
}

int object_size(const struct object *o, uint64_t source_bytes, uint64_t *bytes, struct err *err)
{
    *bytes = o->bytes ? o->bytes : source_bytes;
    if (*bytes < source_bytes)
        return err_set(err, ERR_INVALID,
                       "a disk of %" PRIu64 " bytes is smaller than its image (%" PRIu64
                       "); ask for more",
                       *bytes, source_bytes);
    if (*bytes > INT64_MAX / 2)
        return err_set(err, ERR_INVALID, "a disk of %" PRIu64 " bytes", *bytes);
    return 0;
}

int object_file_grow(const struct object *o, struct err *err)
{
    struct stat st;
    if (o->bytes == 0)
        return 0;
    if (lstat(o->name, &st) < 0)
        return err_sys(err, errno, "cannot look at %s", o->name);
    if ((uint64_t)st.st_size > o->bytes)
        return err_set(err, ERR_INVALID,
                       "a disk cannot shrink from %" PRIu64 " to %" PRIu64 " bytes",
                       (uint64_t)st.st_size, o->bytes);
    if ((uint64_t)st.st_size < o->bytes && truncate(o->name, (off_t)o->bytes) < 0)
        return err_sys(err, errno, "cannot grow %s", o->name);
    return 0;
}

bool object_is_cancelled(int cancel_fd)
{
    struct pollfd p = {.fd = cancel_fd, .events = POLLIN};
    return cancel_fd >= 0 && poll(&p, 1, 0) > 0;
}
