/* See stand_ins.h. */
#include "tests/integration/core/stand_ins.h"

#include <errno.h>
#include <unistd.h>

#include "base/err.h"
#include "daemon/host/object.h"
#include "daemon/host/object_file.h"

static const char dm_file[] = "system.dm";

static struct object_kind stand_in_reflink, stand_in_dm;

static int probe(const char *folder, struct err *err)
{
    (void)folder, (void)err;
    return 0;
}

static int fill(const struct object *o, const char *temp, int fd, int cancel_fd, struct err *err)
{
    (void)o, (void)cancel_fd;
    return ftruncate(fd, 1 << 20) < 0 ? err_sys(err, errno, "cannot size %s", temp) : 0;
}

static int make(const struct object *o, int cancel_fd, struct err *err)
{
    return object_file_make(o, fill, false, cancel_fd, err);
}

static int derive_dm_name(const char *state_dir, const char *vm_id, enum object_role role,
                          char name[VM_PATH_BYTES], struct err *err)
{
    (void)role;
    return object_file_name(state_dir, vm_id, dm_file, name, err);
}

static int list_dm(const char *state_dir, object_found_fn *found, void *arg, struct err *err)
{
    struct object_found as = {.kind = &stand_in_dm, .role = OBJECT_SYSTEM_DISK};
    return object_file_list(state_dir, dm_file, &as, found, arg, err);
}

void stand_ins_use(void)
{
    stand_in_reflink = object_reflink;
    stand_in_reflink.probe = probe;
    stand_in_reflink.make = make;
    stand_in_dm = object_dm;
    stand_in_dm.device = false;
    stand_in_dm.probe = probe;
    stand_in_dm.derive_name = derive_dm_name;
    stand_in_dm.make = make;
    stand_in_dm.find = object_file_find;
    stand_in_dm.remove = object_file_remove;
    stand_in_dm.list = list_dm;
    object_override(&stand_in_reflink);
    object_override(&stand_in_dm);
}
