/* What a VM has on its host: its folder, its disks, its scope, later taps. One const table per
 * kind.
 *
 * An object's name follows from the state folder, the VM's id and its role alone, so that whoever
 * comes after a crash finds it again without a record. All calls block (on a worker) and may be
 * repeated: what is there and right stays. An object appears whole, under its name, or not at all;
 * what a crash leaves beside it is partial, which the next make replaces and a sweep removes.
 *
 * Who has which objects is the core's to say (daemon/core/vm/vm_objects.h): steps of operations
 * make them in order and remove them in reverse. Another kind: "Add a kind of host object" in
 * docs/HACKING.md. */
#ifndef BANGER_DAEMON_HOST_OBJECT_H
#define BANGER_DAEMON_HOST_OBJECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/model/egress.h"
#include "daemon/model/model.h"

struct err;
struct object_kind;

enum object_role {
    OBJECT_FOLDER,
    OBJECT_COW,
    OBJECT_SYSTEM_DISK,
    OBJECT_WORK_DISK,
    OBJECT_SSH_KEY,
    OBJECT_TAP,
    OBJECT_TAP_RULES,
    OBJECT_SCOPE,
    N_OBJECT_ROLES
};

/* One that a VM is to have. Plain data. */
struct object {
    const struct object_kind *kind;
    enum object_role role;
    char vm_id[ID_BYTES];
    char name[VM_PATH_BYTES]; /* as derive_name has it */
    uint64_t bytes;           /* virtual size of a disk; 0: its source's */
    char source[PATH_BYTES];  /* image that a disk is made of, never written; "" */
    enum image_format source_format;
    char cow[VM_PATH_BYTES]; /* file that a disk keeps what is written in, another object; "" */
    uint32_t address;        /* of a tap's guest, as a number */
    enum egress_mode egress; /* of network rules */
    struct egress_list allow;
    struct vm_limits limits; /* of a scope */
};

/* One that is there. */
struct object_found {
    const struct object_kind *kind;
    enum object_role role;
    char vm_id[ID_BYTES];
    char name[VM_PATH_BYTES];
    bool partial; /* not the object: what a make that was cut off has left of it */
};

/* found is borrowed for the call, in which it may be removed. */
typedef void object_found_fn(void *arg, const struct object_found *found);

struct object_kind {
    const char *name;         /* of the kind, for people and tables: "overlay" */
    unsigned roles;           /* set: 1 << enum object_role */
    enum image_format format; /* of a disk, as its VMM opens it; 0: no disk */
    bool device;              /* its name is a block device's */
    bool transient;           /* gone with the host's boot, and made again by the next start */
    bool mends;      /* made again beside a VM that runs, it is as if it had not been gone */
    bool keeps_data; /* one that is gone is not made again: it would begin as if new */
    bool slow;       /* making one may take minutes */
    bool privileged; /* all is asked of banger-priv, which may not answer for a while */
    /* Whether this host can make them below folder; -1 says why not. NULL: any host can. */
    int (*probe)(const char *folder, struct err *err);
    /* ERR_PRECONDITION: the state folder's path is too long. */
    int (*derive_name)(const char *state_dir, const char *vm_id, enum object_role role,
                       char name[VM_PATH_BYTES], struct err *err);
    /* One that is there is kept, and grown to bytes. What is there and is no such object is
     * ERR_PRECONDITION, less bytes than it or its source have ERR_INVALID, cancel_fd (or -1)
     * becoming readable an error soon. */
    int (*make)(const struct object *o, int cancel_fd, struct err *err);
    /* ERR_NOT_FOUND: certainly none. */
    int (*find)(const struct object *o, struct err *err);
    /* With what is partial of it. A missing one is fine. */
    int (*remove)(const struct object *o, struct err *err);
    /* All of this kind that are ours: below state_dir, by name, of a VM's id, our own files;
     * partial ones too. Never another's, whatever it is called. remove takes one that has the
     * name of what was found. */
    int (*list)(const char *state_dir, object_found_fn *found, void *arg, struct err *err);
};

/* All there are, in the order in which a VM's are made; the kind of a line is object_NAME in
 * object_NAME.c:
 * folder   the VM's folder, with all that is in it
 * overlay  qcow2 layer over its image
 * copy     raw copy of its image, sparse
 * reflink  raw, shares its image's blocks until they are written
 * cow      sparse file for what is written to a disk of device-mapper's
 * dm       raw, by device-mapper: its raw image, under what is written
 * empty    sparse file of zeros, or of nothing
 * work     raw, with an empty ext4
 * ssh_key  private key that the guest's SSH server is to take
 * tap      interface that the guest's card leads to, with the host's address
 * rules    what the guest behind the tap may reach: never a tap without them when its VMM starts
 * scope    place in the tree of control groups, with limits (scope.h) */
#define OBJECT_KINDS(X)                                                                            \
    X(folder)                                                                                      \
    X(overlay) X(copy) X(reflink) X(cow) X(dm) X(empty) X(work) X(ssh_key) X(tap) X(rules) X(scope)
#define OBJECT_DECLARE(kind) extern const struct object_kind object_##kind;
OBJECT_KINDS(OBJECT_DECLARE)
#undef OBJECT_DECLARE

/* By index, in the order in which a VM's are made; NULL behind the last. */
const struct object_kind *object_kind_at(size_t i);
/* By name; NULL: none. */
const struct object_kind *object_find_kind(const char *name);
/* "folder", "copy-on-write file", "system disk", "work disk", "SSH key", "tap", "network rules",
 * "scope". */
const char *object_role_name(enum object_role role);

/* Fills all but bytes, source, cow, address, egress and limits. */
int object_init(struct object *o, const char *kind, const char *state_dir, const char *vm_id,
                enum object_role role, struct err *err);
/* Makes them in order. made: the VM has had them all; then ERR_DATA_LOSS (DISK_MISSING) where one
 * that keeps data is gone, and nothing is made; else what keeps data is on disk by its name. After
 * an error some are there, which objects_remove takes back. */
int objects_make(const struct object *objects, size_t n, bool made, int cancel_fd, struct err *err);
/* Removes them in reverse, on past what cannot be removed; err has the first of that. */
int objects_remove(const struct object *objects, size_t n, struct err *err);
/* The first of them that should be there always and is not; NULL: all are, as far as can be told.
 */
const struct object *objects_find_missing(const struct object *objects, size_t n);

/* Puts a kind before the one of the same name, as fault injection does; NULL takes all away. Not
 * while calls are under way. */
void object_override(const struct object_kind *kind);

#endif
