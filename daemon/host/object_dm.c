/* A system disk of device-mapper's: its raw image, and over it what the VM has written, which is in
 * a file (object_cow.c). The helper makes it of both, which it gets open. It holds nothing itself:
 * what a reboot of the host takes away the next start makes again. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fs.h"
#include "daemon/host/object_file.h"
#include "daemon/host/object_priv.h"
#include "daemon/host/qcow2.h"
#include "daemon/priv/priv_call.h"

static const char nodes[] = "/dev/mapper";

/* What can be told without asking: whoever asks next starts a helper, or has none. */
static int dm_probe(const char *folder, struct err *err)
{
    static const char *const needed[] = {"/dev/mapper/control", "/dev/loop-control"};
    (void)folder;
    for (size_t i = 0; i < sizeof(needed) / sizeof(*needed); i++) {
        /* A node may be there for a driver that is not; to be opened is not everybody's. */
        auto_fd int fd = open(needed[i], O_RDWR | O_CLOEXEC);
        if (fd >= 0 || errno == EACCES || errno == EPERM)
            continue;
        err_sys(err, errno, "this host has no %s", needed[i]);
        return err_tag(err, "STORAGE_UNAVAILABLE", "host");
    }
    return priv_look(err);
}

static int dm_derive_name(const char *state_dir, const char *vm_id, enum object_role role,
                          char name[VM_PATH_BYTES], struct err *err)
{
    struct priv_owner owner;
    char folder[VM_PATH_BYTES], dm[PRIV_DM_BYTES];
    (void)role;
    if (object_folder_name(state_dir, vm_id, folder, err) < 0 ||
        priv_owner_of(state_dir, &owner, err) < 0)
        return -1;
    priv_dm_name(&owner, vm_id, dm);
    snprintf(name, VM_PATH_BYTES, "%s/%s", nodes, dm);
    return 0;
}

static int dm_make(const struct object *o, int cancel_fd, struct err *err)
{
    uint64_t base;
    Banger__Priv__V1__Request request = BANGER__PRIV__V1__REQUEST__INIT;
    (void)cancel_fd;
    if (qcow2_virtual_size(o->source, true, &base, err) < 0 ||
        object_size(o, base, &request.bytes, err) < 0)
        return -1;
    auto_fd int image = fs_open_file(o->source, O_RDONLY, 0, err);
    auto_fd int cow = image < 0 ? -1 : fs_open_own(o->cow, O_RDWR, 0, err);
    if (cow < 0)
        return -1;
    const int fds[] = {image, cow};
    request.operation = BANGER__PRIV__V1__OPERATION__OPERATION_MAKE;
    request.kind = BANGER__PRIV__V1__KIND__KIND_DM;
    request.vm = (char *)o->vm_id;
    return priv_call_with(&request, fds, sizeof(fds) / sizeof(*fds), err);
}

static int dm_find(const struct object *o, struct err *err)
{
    return object_priv_find(o, BANGER__PRIV__V1__KIND__KIND_DM, err);
}

static int dm_remove(const struct object *o, struct err *err)
{
    return object_priv_remove(o, BANGER__PRIV__V1__KIND__KIND_DM, err);
}

static int dm_list(const char *state_dir, object_found_fn *found, void *arg, struct err *err)
{
    struct object_found as = {.kind = &object_dm, .role = OBJECT_SYSTEM_DISK};
    return object_priv_list(state_dir, &as, BANGER__PRIV__V1__KIND__KIND_DM, found, arg, err);
}

const struct object_kind object_dm = {
    .name = "dm",
    .roles = 1u << OBJECT_SYSTEM_DISK,
    .format = IMAGE_RAW,
    .device = true,
    .transient = true,
    .privileged = true,
    .probe = dm_probe,
    .derive_name = dm_derive_name,
    .make = dm_make,
    .find = dm_find,
    .remove = dm_remove,
    .list = dm_list,
};
