/* See vm_network.h.
 *
 * Of user mode all guests have the same address, which nobody but their VMM sees. One with a tap
 * has a /30 of the host's guest_network, from its creation to its deletion: the lowest that no VM
 * has, beginning at a place that follows from the state folder, so that two daemons seldom want the
 * same. */
#include "daemon/core/vm/vm_network.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/hash.h"
#include "daemon/core/core.h"
#include "daemon/core/vm/vm_egress.h"
#include "daemon/core/vm/vm_internal.h"
#include "daemon/core/vm/vm_spec.h"
#include "daemon/host/object.h"
#include "daemon/host/resolver.h"
#include "daemon/priv/priv_names.h"
#include "daemon/vmm/parts.h"

/* passt of 2023 throws away what its socket to the guest does not take at once, and sends all of it
 * again from there on: with the megabytes that a guest's TCP asks for by itself a download was on
 * its way six times over. That socket has 208 KiB. */
enum { NET_WINDOW_BYTES = 65535 };

static const struct guest_network user_network = {.address = "10.0.2.15",
                                                  .netmask = "255.255.255.0",
                                                  .gateway = "10.0.2.2",
                                                  .dns = "10.0.2.3",
                                                  .prefix = 24,
                                                  .window_bytes = NET_WINDOW_BYTES};

int vm_net_check(enum net_mode net, struct err *err)
{
    if (net == NET_NONE || net == NET_USER || net == NET_TAP)
        return 0;
    if (net == NET_BRIDGE)
        err_set(err, ERR_UNIMPLEMENTED,
                "network \"bridge\" is not built; take \"tap\" (an address that the host reaches), "
                "\"user\" (outgoing connections) or \"none\"");
    else
        err_set(err, ERR_INVALID, "network %d is not a mode; take \"tap\", \"user\" or \"none\"",
                (int)net);
    return err_tag(err, "INVALID_SPEC", NULL);
}

uint32_t vm_net_address(const struct vm *vm)
{
    struct in_addr in;
    bool is = vm->spec.net == NET_TAP && inet_pton(AF_INET, vm->runtime.guest_ip, &in) == 1;
    return is ? ntohl(in.s_addr) : 0;
}

int vm_net_enter(struct vm_uses *uses, struct vm_entry *e)
{
    return vm_net_address(&e->vm) ? map_put(&uses->addresses, e->vm.runtime.guest_ip, e) : 0;
}

/* Another has the same where the records of two daemons were put together: then it is that one's.
 */
void vm_net_leave(struct vm_uses *uses, const struct vm_entry *e)
{
    if (map_find(&uses->addresses, e->vm.runtime.guest_ip) == e)
        map_take(&uses->addresses, e->vm.runtime.guest_ip);
}

struct vm_entry *vm_net_find(const struct core *core, uint32_t address)
{
    char text[INET_ADDRSTRLEN];
    const struct vm_uses *uses = vm_uses(core);
    priv_address_text(address, text);
    return uses ? map_find(&uses->addresses, text) : NULL;
}

/* In turn, so that a walk over those that are used is rare, and what was just given back, of which
 * others may still have connections, comes last. */
static int net_take_free(const struct core *core, struct vm *vm, struct err *err)
{
    const struct priv_pool *pool = &core->config.guest_network;
    struct vm_uses *uses = vm_uses(core);
    uint32_t size = priv_pool_size(pool), next = uses ? uses->next_address : 0;
    uint32_t first = (uint32_t)hash_text(HASH_START, core->config.state_dir) % size;
    for (uint32_t i = 0; i < size; i++) {
        uint32_t at = (next + i) % size;
        uint32_t address = priv_pool_at(pool, (first + at) % size);
        if (vm_net_find(core, address))
            continue;
        priv_address_text(address, vm->runtime.guest_ip);
        if (uses)
            uses->next_address = at + 1;
        return 0;
    }
    err_set(err, ERR_LIMIT, "all %u addresses of guest_network are used", (unsigned)size);
    return err_tag(err, "ADDRESSES_USED", NULL);
}

int vm_net_give_address(const struct core *core, struct vm *vm, struct err *err)
{
    if (vm->runtime.guest_ip[0])
        return 0;
    if (vm->spec.net == NET_USER && vm_boots(&vm->spec))
        snprintf(vm->runtime.guest_ip, sizeof(vm->runtime.guest_ip), "%s", user_network.address);
    return vm->spec.net == NET_TAP ? net_take_free(core, vm, err) : 0;
}

void vm_net_of_guest(const struct vm *vm, struct guest_network *net)
{
    uint32_t address = vm_net_address(vm);
    *net = (struct guest_network){.prefix = 0};
    if (!vm_boots(&vm->spec)) /* it would be this host's */
        return;
    if (vm->spec.net == NET_USER)
        *net = user_network;
    if (vm->spec.egress.mode == EGRESS_NONE) /* a resolver is a way out */
        net->dns[0] = '\0';
    if (!address)
        return;
    priv_address_text(address, net->address);
    priv_address_text(address - 1, net->gateway);
    snprintf(net->netmask, sizeof(net->netmask), "255.255.255.252");
    net->prefix = PRIV_PREFIX;
    if (vm_egress_has_names(vm))
        memcpy(net->dns, net->gateway, sizeof(net->dns)); /* where the daemon answers */
    else if (vm->spec.egress.mode != EGRESS_NONE)
        resolver_find(net->dns);
}

void vm_net_config(const struct core *core, const struct vm *vm, struct vmm_config *c)
{
    if (vm->spec.net == NET_NONE)
        return;
    struct vmm_nic *nic = &c->nics[c->n_nics++];
    nic->backend = vm->spec.net;
    vmm_mac_make(vm->id, nic->mac);
    vm_net_of_guest(vm, &nic->guest);
    nic->egress = vm->spec.egress.mode;
    struct vm_allow allow;
    vm_egress_of(vm, &allow);
    nic->allow = allow.list;
    nic->names = allow.names;
    if (vm->spec.net == NET_TAP) {
        char name[VM_PATH_BYTES] = "";
        object_tap.derive_name(core->config.state_dir, vm->id, OBJECT_TAP, name, NULL);
        snprintf(nic->tap, sizeof(nic->tap), "%.*s", VMM_TAP_BYTES - 1, name);
    }
}
