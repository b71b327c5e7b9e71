/* What this host has that bears our tag, against what the registry says: processes of VMs and every
 * kind of host object. Looks and judges, and touches nothing; garbage.h acts on it.
 *
 * The look is a worker's, the judging the loop's, and comes after it: whatever was seen has by then
 * the record that it will ever have, as a record is there before the first object of its VM and
 * goes after the last. So a VM that is made or deleted meanwhile is never taken for garbage. */
#ifndef BANGER_DAEMON_CORE_SUPERVISE_HOST_AUDIT_H
#define BANGER_DAEMON_CORE_SUPERVISE_HOST_AUDIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "daemon/host/object.h"

struct core;
struct err;

/* As HostObjectState of host.proto numbers them. */
enum host_thing_state {
    HOST_THING_OK = 1,
    HOST_THING_MISSING,  /* its VM should have it */
    HOST_THING_PARTIAL,  /* a make that was cut off has left it */
    HOST_THING_EXTRA,    /* its VM should have none such */
    HOST_THING_ORPHAN,   /* of a VM without record, folder and process: garbage */
    HOST_THING_UNLISTED, /* of a VM without record: what becomes of it is said to recover.h */
    HOST_THING_STRANGER, /* has our name, is none of ours */
    HOST_THING_UNKNOWN,
};

struct host_thing {
    const struct object_kind *kind; /* NULL: a process */
    enum object_role role;
    pid_t pid;                /* of a process */
    char name[VM_PATH_BYTES]; /* "": all of this kind cannot be told */
    char vm_id[ID_BYTES];     /* "": as above */
    char vm_name[NAME_BYTES]; /* "" without a record */
    enum host_thing_state state;
    int64_t since_ns; /* it was made, garbage was first seen by this daemon; 0: not known */
    int64_t age_ms;   /* of garbage, since then */
    char message[256];
    bool removed; /* garbage.h's */
    /* host_audit.c's. */
    bool partial, has_folder;
};

/* In the order in which things are shown: processes, then kinds as VMs' are made. Unique together
 * with the VM's id. */
int64_t host_thing_order(const struct host_thing *t);
/* "process", or the kind's name. */
const char *host_thing_kind(const struct host_thing *t);

/* things are the callee's to change, for the call. err: nothing is known. */
typedef void host_audit_fn(void *arg, struct host_thing *const *things, size_t n,
                           const struct err *err);

/* orphans_only: of those alone, without asking for each thing that should be there. done comes
 * once, later. -1: never. On the loop. */
int host_audit_start(struct core *core, bool orphans_only, host_audit_fn *done, void *arg,
                     struct err *err);

#endif
