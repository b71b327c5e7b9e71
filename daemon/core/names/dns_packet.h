/* DNS (RFC 1035) as far as names of VMs go: what is answered to a packet, without I/O. */
#ifndef BANGER_DAEMON_CORE_NAMES_DNS_PACKET_H
#define BANGER_DAEMON_CORE_NAMES_DNS_PACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/model/model.h"

enum {
    DNS_QUERY_BYTES = 1232, /* longer ones are not read */
    DNS_REPLY_BYTES = 512,  /* none is longer */
    DNS_TTL_S = 1,          /* names of VMs change hands */
};

/* Who is asked. Addresses are in the host's order. */
struct dns_names {
    /* A VM of that name (lower case), and its address; 0: it has none that the host reaches. */
    bool (*by_name)(void *arg, const char *name, uint32_t *address);
    bool (*by_address)(void *arg, uint32_t address, char name[NAME_BYTES]);
    void *arg;
};

/* How long the reply is; 0: none is due, as the packet is no question. */
size_t dns_answer(const uint8_t *query, size_t len, const struct dns_names *names,
                  uint8_t reply[DNS_REPLY_BYTES]);

#endif
