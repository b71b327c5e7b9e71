/* Where a guest may connect to: a list of IPv4 networks and ports, as text, as numbers, and as
 * ranges that rules are made of. Pure; guests have no IPv6.
 *
 * No list leads to the host's loopback, to link-local or multicast addresses, and none to private
 * networks but by an entry that lies within one: "0.0.0.0/0:443" is the internet. */
#ifndef BANGER_DAEMON_MODEL_EGRESS_H
#define BANGER_DAEMON_MODEL_EGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;

enum {
    EGRESS_ENTRIES_MAX = 64, /* that a VM's owner may list, names included */
    EGRESS_OWN_ENTRIES = 1,  /* and of ours: its resolver */
    EGRESS_TEXT_BYTES = 40,  /* "255.255.255.255/32:65535-65535/tcp" */
    EGRESS_RANGES_MAX = 512, /* that all entries may come to */
    EGRESS_PORT_MAX = 65535,
    EGRESS_TCP = 6,
    EGRESS_UDP = 17,
};

struct egress_ports {
    uint8_t protocol; /* EGRESS_TCP, EGRESS_UDP; 0: both */
    uint16_t port, port_last;
};

/* With ports and protocol 0: TCP and UDP; ports 0 to 65535 and protocol 0: whatever there is. */
struct egress_entry {
    uint32_t address; /* of the network, whose other bits are 0 */
    uint8_t prefix, protocol;
    uint16_t port, port_last;
};

struct egress_list {
    uint32_t n;
    bool names; /* there are names besides (egress_name.h): no other resolver than ours */
    struct egress_entry at[EGRESS_ENTRIES_MAX + EGRESS_OWN_ENTRIES];
};

/* ":443", ":8000-8080/tcp", "/udp", "": what is behind an address or a name; 0 to 65535 are all. */
bool egress_ports_parse(const char *text, struct egress_ports *ports);
/* The one text of it, which parses to the same; all of it fits. */
void egress_ports_text(const struct egress_ports *ports, char *text, size_t size);
/* "10.0.0.0/8", "192.0.2.1:443", "192.0.2.0/24:8000-8080/tcp", "192.0.2.1/udp". ERR_INVALID. */
int egress_entry_parse(const char *text, struct egress_entry *entry, struct err *err);
/* The one text of it, which parses to the same. */
void egress_entry_text(const struct egress_entry *entry, char text[EGRESS_TEXT_BYTES]);
/* Could it come of a text? For entries of somebody else's. */
bool egress_entry_is_valid(const struct egress_entry *entry);
/* Destinations that no guest reaches. */
bool egress_is_closed(uint32_t address);
/* Of a network that only an entry within it opens. */
bool egress_is_private(uint32_t address);

struct egress_range {
    uint32_t first, last;     /* addresses */
    uint16_t port, port_last; /* 0 to 65535 with protocol 0 */
    uint8_t protocol;         /* 0: any */
};

/* Disjoint, by ascending addresses. */
struct egress_ranges {
    size_t n;
    struct egress_range at[EGRESS_RANGES_MAX];
};

/* ERR_INVALID: they come to too many. Entries are valid. */
int egress_compile(const struct egress_list *list, struct egress_ranges *ranges, struct err *err);
/* port: -1 where it cannot be told, as in a fragment; then all ports have to be open. */
bool egress_allows(const struct egress_ranges *ranges, uint32_t address, uint8_t protocol,
                   int port);
/* Is anything open there? */
bool egress_lists(const struct egress_ranges *ranges, uint32_t address);

#endif
