/* Where a VM's guest may connect to: its spec's list of addresses and names (daemon/model/egress.h,
 * egress_name.h), and whether this host keeps it to that. On the loop's thread. */
#ifndef BANGER_DAEMON_CORE_VM_VM_EGRESS_H
#define BANGER_DAEMON_CORE_VM_VM_EGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/model/egress.h"
#include "daemon/model/egress_name.h"
#include "daemon/model/model.h"

struct core;
struct err;

/* A list, taken apart. */
struct vm_allow {
    struct egress_list list;
    struct egress_names names;
};

/* A list as it was asked for; nothing where the mode has none. ERR_INVALID (INVALID_SPEC): it is no
 * list, or the mode is none. */
int vm_egress_read(const struct vm_egress *egress, struct vm_allow *allow, struct err *err);
/* One more entry, by its text. ERR_INVALID. */
int vm_egress_add(struct vm_allow *allow, const char *text, struct err *err);
/* The text of entry i, addresses before names; its length with the NUL, 0: there is none. */
size_t vm_egress_text(const struct vm_allow *allow, uint32_t i, char text[EGRESS_NAME_TEXT_BYTES]);
/* Makes it the spec's, in the texts that entries have. -1: out of memory, and it is as it was. */
int vm_egress_set(struct vm_egress *egress, enum egress_mode mode, const struct vm_allow *allow,
                  struct err *err);
/* A new spec's, whose list is borrowed: fills in the mode. ERR_INVALID (INVALID_SPEC); or as below.
 */
int vm_egress_check(const struct core *core, struct vm_spec *spec, struct err *err);
/* That of one which owns its list: entries get their texts. ERR_LIMIT: out of memory. */
int vm_egress_settle(struct vm_spec *spec, struct err *err);
/* ERR_PRECONDITION (EGRESS_UNAVAILABLE): nothing on this host would hold the guest to it. */
int vm_egress_check_host(const struct core *core, const struct vm_spec *spec, enum egress_mode mode,
                         struct err *err);
bool vm_egress_has_names(const struct vm *vm);
/* What its rules allow: the list, and the resolver that its guest is given where that is not ours.
 */
void vm_egress_of(const struct vm *vm, struct vm_allow *allow);

#endif
