/* What a VM has on its host (daemon/host/object.h): which, and making and removing them on workers.
 *
 * Steps of operations make them, journaled before the first and in the order they are listed in,
 * and remove them in reverse; reconcile asks whether they are there, and sweeps what no VM has. On
 * the loop's thread. */
#ifndef BANGER_DAEMON_CORE_VM_VM_OBJECTS_H
#define BANGER_DAEMON_CORE_VM_VM_OBJECTS_H

#include <stdbool.h>

#include "daemon/host/object.h"
#include "daemon/model/model.h"

struct core;
struct err;
struct list;
struct vm_objects_job;

enum { VM_OBJECTS_MAX = 9 };

struct vm_objects {
    size_t n;
    struct object at[VM_OBJECTS_MAX]; /* in the order in which they are made */
};

/* By the record alone, but for its image, which may be gone: then a disk has no source. */
int vm_objects_of(const struct core *core, const struct vm *vm, struct vm_objects *o,
                  struct err *err);

/* Of those the rules of its tap alone. */
int vm_objects_of_rules(const struct core *core, const struct vm *vm, struct vm_objects *o,
                        struct err *err);

typedef void vm_objects_done_fn(void *arg, const struct err *err);

/* See objects_make and objects_remove. done comes once, later, NULL on success; a job that returns
 * NULL was refused and done never comes. Making goes to core->slow where it may take minutes, and
 * ends with ERR_CANCELLED when it is told to; what asks for privileges has core->privileged. */
struct vm_objects_job *vm_objects_make(struct core *core, const struct vm_objects *o, bool made,
                                       vm_objects_done_fn *done, void *arg, struct err *err);
struct vm_objects_job *vm_objects_remove(struct core *core, const struct vm_objects *o,
                                         vm_objects_done_fn *done, void *arg, struct err *err);
/* Somebody waits for its end: a make is cancelled, a removal goes ahead. */
void vm_objects_hurry(struct vm_objects_job *j);
/* The daemon is about to end: what takes minutes is cut off, and the next daemon begins it anew. */
void vm_objects_drain(struct core *core);

#endif
