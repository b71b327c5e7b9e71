/* Kinds, and sets of objects as wholes; see object.h. */
#include "daemon/host/object.h"

#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/fs.h"

#define OBJECT_ENTRY(kind) &object_##kind,
static const struct object_kind *const object_kinds[] = {OBJECT_KINDS(OBJECT_ENTRY)};
#undef OBJECT_ENTRY

enum { N_OBJECT_KINDS = sizeof(object_kinds) / sizeof(object_kinds[0]) };

static const struct object_kind *object_overriding[N_OBJECT_KINDS];

void object_override(const struct object_kind *kind)
{
    for (size_t i = 0; i < N_OBJECT_KINDS; i++)
        if (!kind || strcmp(kind->name, object_kinds[i]->name) == 0)
            object_overriding[i] = kind;
}

const struct object_kind *object_kind_at(size_t i)
{
    if (i >= N_OBJECT_KINDS)
        return NULL;
    return object_overriding[i] ? object_overriding[i] : object_kinds[i];
}

const struct object_kind *object_find_kind(const char *name)
{
    const struct object_kind *kind;
    for (size_t i = 0; (kind = object_kind_at(i)); i++)
        if (strcmp(kind->name, name) == 0)
            return kind;
    return NULL;
}

const char *object_role_name(enum object_role role)
{
    static const char *const names[N_OBJECT_ROLES] = {
        "folder", "copy-on-write file", "system disk", "work disk", "SSH key",
        "tap",    "network rules",      "scope"};
    return names[role];
}

int object_init(struct object *o, const char *kind, const char *state_dir, const char *vm_id,
                enum object_role role, struct err *err)
{
    *o = (struct object){.kind = object_find_kind(kind), .role = role};
    if (!o->kind || !(o->kind->roles >> role & 1))
        return err_set(err, ERR_INTERNAL, "a %s is no VM's %s", kind, object_role_name(role));
    snprintf(o->vm_id, sizeof(o->vm_id), "%s", vm_id);
    return o->kind->derive_name(state_dir, vm_id, role, o->name, err);
}

static int object_check_kept(const struct object *o, struct err *err)
{
    struct err why = ERR_INIT;
    if (!o->kind->keeps_data || o->kind->find(o, &why) == 0)
        return 0;
    if (why.code != ERR_NOT_FOUND) {
        if (err)
            *err = why;
        return err_wrap(err, "cannot tell whether its %s is there", object_role_name(o->role));
    }
    err_set(err, ERR_DATA_LOSS,
            "its %s %s is gone; put it back, or delete the VM (a new one would be empty)",
            object_role_name(o->role), o->name);
    return err_tag(err, "DISK_MISSING", "vm/%s", o->vm_id);
}

/* Its name is on disk, and that of its folder, which is the VM's: a VM that is committed then has
 * what it will be asked for, whenever the host's power goes. */
static int object_sync(const struct object *o, struct err *err)
{
    char path[VM_PATH_BYTES];
    memcpy(path, o->name, sizeof(path));
    for (int i = 0; i < 2; i++) {
        *strrchr(path, '/') = '\0';
        if (fs_sync(path, err) < 0)
            return -1;
    }
    return 0;
}

int objects_make(const struct object *objects, size_t n, bool made, int cancel_fd, struct err *err)
{
    for (size_t i = 0; made && i < n; i++)
        if (object_check_kept(&objects[i], err) < 0)
            return -1;
    const struct object *keeps = NULL;
    for (size_t i = 0; i < n; i++) {
        if (objects[i].kind->make(&objects[i], cancel_fd, err) < 0)
            return err_wrap(err, "cannot make its %s", object_role_name(objects[i].role));
        keeps = objects[i].kind->keeps_data ? &objects[i] : keeps;
    }
    if (keeps && !made && object_sync(keeps, err) < 0)
        return err_wrap(err, "cannot make its %s", object_role_name(keeps->role));
    return 0;
}

int objects_remove(const struct object *objects, size_t n, struct err *err)
{
    int rc = 0;
    while (n-- > 0) {
        struct err why = ERR_INIT;
        if (objects[n].kind->remove(&objects[n], &why) == 0 || rc < 0)
            continue;
        rc = err_wrap(&why, "cannot remove its %s", object_role_name(objects[n].role));
        if (err)
            *err = why;
    }
    return rc;
}

const struct object *objects_find_missing(const struct object *objects, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct err why = ERR_INIT;
        if (!objects[i].kind->transient && objects[i].kind->find(&objects[i], &why) < 0 &&
            why.code == ERR_NOT_FOUND)
            return &objects[i];
    }
    return NULL;
}
