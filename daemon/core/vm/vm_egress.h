/* Where a VM's guest may connect to: its spec's list (daemon/model/egress.h), and whether this host
 * keeps it to that. On the loop's thread. */
#ifndef BANGER_DAEMON_CORE_VM_VM_EGRESS_H
#define BANGER_DAEMON_CORE_VM_VM_EGRESS_H

#include "daemon/model/egress.h"
#include "daemon/model/model.h"

struct core;
struct err;

/* A list as it was asked for; n 0 where the mode has none. ERR_INVALID (INVALID_SPEC): it is no
 * list, or the mode is none. */
int vm_egress_read(const struct vm_egress *egress, struct egress_list *list, struct err *err);
/* Makes it the spec's, in the texts that entries have. -1: out of memory, and it is as it was. */
int vm_egress_set(struct vm_egress *egress, enum egress_mode mode, const struct egress_list *list,
                  struct err *err);
/* A new spec's, whose list is borrowed: fills in the mode. ERR_INVALID (INVALID_SPEC); or as below.
 */
int vm_egress_check(const struct core *core, struct vm_spec *spec, struct err *err);
/* That of one which owns its list: entries get their texts. ERR_LIMIT: out of memory. */
int vm_egress_settle(struct vm_spec *spec, struct err *err);
/* ERR_PRECONDITION (EGRESS_UNAVAILABLE): nothing on this host would hold the guest to it. */
int vm_egress_check_host(const struct core *core, const struct vm_spec *spec, enum egress_mode mode,
                         struct err *err);
/* What its rules allow: the list, and the resolver that its guest is given. */
void vm_egress_of(const struct vm *vm, struct egress_list *list);

#endif
