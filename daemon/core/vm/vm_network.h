/* What a VM's card leads to: which kinds there are, and its addresses. On the loop's thread. */
#ifndef BANGER_DAEMON_CORE_VM_VM_NETWORK_H
#define BANGER_DAEMON_CORE_VM_VM_NETWORK_H

#include <stdint.h>

#include "daemon/model/model.h"

struct core;
struct err;
struct vm_entry;
struct vmm_config;

/* ERR_INVALID (INVALID_SPEC); ERR_UNIMPLEMENTED. */
int vm_net_check(enum net_mode net, struct err *err);
/* Fills runtime.guest_ip where a VM is to have an address and has none. ERR_LIMIT (ADDRESSES_USED):
 * the host's guest_network is used up. */
int vm_net_give_address(const struct core *core, struct vm *vm, struct err *err);
/* That of a tap's guest, as a number; 0: none. */
uint32_t vm_net_address(const struct vm *vm);
/* Whose tap leads to that address; NULL. */
struct vm_entry *vm_net_find(const struct core *core, uint32_t address);
/* What its guest is to have; all "" where that has no network. */
void vm_net_of_guest(const struct vm *vm, struct guest_network *net);
/* Its card, where it has one. */
void vm_net_config(const struct core *core, const struct vm *vm, struct vmm_config *c);

#endif
