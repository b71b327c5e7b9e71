/* Names of VMs by DNS (daemon/model/dns.h): what is answered to a packet, without I/O. */
#ifndef BANGER_DAEMON_CORE_NAMES_VM_NAMES_H
#define BANGER_DAEMON_CORE_NAMES_VM_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/model/dns.h"
#include "daemon/model/model.h"

enum { VM_NAMES_TTL_S = 1 }; /* they change hands */

/* Who is asked. Addresses are in the host's order. */
struct vm_names {
    /* A VM of that name (lower case), and its address; 0: it has none that the host reaches. */
    bool (*by_name)(void *arg, const char *name, uint32_t *address);
    bool (*by_address)(void *arg, uint32_t address, char name[NAME_BYTES]);
    void *arg;
};

/* How long the reply is; 0: none is due, as the packet is no question. */
size_t vm_names_answer(const uint8_t *query, size_t len, const struct vm_names *names,
                       uint8_t reply[DNS_TOLD_BYTES]);

#endif
