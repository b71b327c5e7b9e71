/* A system disk that is a qcow2 layer over its image: made at once, grows as it is written.
 * Whatever makes, grows or moves one is in qcow2.h. */
#include "daemon/host/object_file.h"
#include "daemon/host/qcow2.h"

static const char overlay_file[] = "system.qcow2";

static int overlay_derive_name(const char *state_dir, const char *vm_id, enum object_role role,
                               char name[VM_PATH_BYTES], struct err *err)
{
    (void)role;
    return object_file_name(state_dir, vm_id, overlay_file, name, err);
}

static int overlay_make(const struct object *o, int cancel_fd, struct err *err)
{
    return qcow2_make_overlay(o->name, o->source, o->source_format == IMAGE_RAW, o->bytes,
                              cancel_fd, err);
}

static int overlay_list(const char *state_dir, object_found_fn *found, void *arg, struct err *err)
{
    struct object_found as = {.kind = &object_overlay, .role = OBJECT_SYSTEM_DISK};
    return object_file_list(state_dir, overlay_file, &as, found, arg, err);
}

const struct object_kind object_overlay = {
    .name = "overlay",
    .roles = 1u << OBJECT_SYSTEM_DISK,
    .format = IMAGE_QCOW2,
    .keeps_data = true,
    .derive_name = overlay_derive_name,
    .make = overlay_make,
    .find = object_file_find,
    .remove = object_file_remove,
    .list = overlay_list,
};
