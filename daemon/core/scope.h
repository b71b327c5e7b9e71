/* Which VMs a principal may see and touch, where its role is bound to a label selector: those that
 * have all of its labels, and what hangs off them (sessions, operations, events). The rest is as if
 * it were not there.
 *
 * A scope is a set of labels; NULL stands for everything. A VM that is deleted takes its labels
 * along, yet those who saw it have to hear of its end: the labels of the latest SCOPE_REMEMBERED
 * deleted VMs are kept in memory, so long as the daemon lives. */
#ifndef BANGER_DAEMON_CORE_SCOPE_H
#define BANGER_DAEMON_CORE_SCOPE_H

#include <stdbool.h>

#include "daemon/model/model.h"

struct core;
struct err;

enum { SCOPE_REMEMBERED = 1024 };

bool scope_has_vm(const struct labels *scope, const struct vm *vm);
/* By id; also of VMs that were deleted lately. False for "" unless scope is NULL. */
bool scope_has_vm_id(const struct core *core, const struct labels *scope, const char *vm_id);
/* Events of VMs of the scope, and of images and kernels, which belong to all. */
bool scope_has_event(const struct core *core, const struct labels *scope,
                     const struct event *event);
/* ERR_DENIED (OUT_OF_SCOPE) with the label that is missing; labels NULL: none. */
int scope_check_labels(const struct labels *scope, const struct labels *labels, struct err *err);
/* The VM that a resource ("vm/ID", "session/ID", "operation/ID") is or belongs to, or "". */
void scope_owner(const struct core *core, const char *resource, char vm_id[ID_BYTES]);

/* The VM is being removed. */
void scope_remember(struct core *core, const struct vm *vm);
void scope_forget_all(struct core *core);

#endif
