/* Which VMs a principal may see and touch, where its role is bound to a label selector: those that
 * have all of its labels, and what hangs off them (sessions, operations, events). The rest is as if
 * it were not there.
 *
 * A scope is a set of labels; NULL stands for everything. A VM that is deleted takes its labels
 * along, yet those who saw it have to hear of its end: the labels of the latest SCOPE_REMEMBERED
 * deleted VMs are kept in memory, so long as the daemon lives. */
#ifndef BANGER_DAEMON_CORE_ACCESS_SCOPE_H
#define BANGER_DAEMON_CORE_ACCESS_SCOPE_H

#include <stdbool.h>

#include "daemon/model/model.h"

struct core;
struct err;
struct scope_memory;

enum { SCOPE_REMEMBERED = 1024 };

bool scope_has_vm(const struct labels *scope, const struct vm *vm);
/* By id; also of VMs that were deleted lately. False for "" unless scope is NULL. */
bool scope_has_vm_id(const struct core *core, const struct labels *scope, const char *vm_id);
/* Events of VMs of the scope, and of images and kernels, which belong to all. */
bool scope_has_event(const struct core *core, const struct labels *scope,
                     const struct event *event);
/* ERR_DENIED (OUT_OF_SCOPE) with the label that is missing; labels NULL: none. */
int scope_check_labels(const struct labels *scope, const struct labels *labels, struct err *err);

/* find: the record of a VM that there is, borrowed for a moment, or NULL. */
struct scope_memory *scope_memory_new(const struct vm *(*find)(const struct core *core,
                                                               const char *vm_id),
                                      struct err *err);
void scope_memory_free(struct scope_memory *m);
/* The VM is being removed. */
void scope_remember(struct core *core, const struct vm *vm);

#endif
