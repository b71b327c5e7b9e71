/* Names in an egress list: "example.org:443", "*.debian.org". What a name leads to is open to the
 * guest for as long as its resolver, which is ours then, has told it so (egress_pins.h). Pure.
 *
 * A wildcard is all that is below a name, at any depth, and not the name itself. A name opens TCP
 * and UDP, and never the way to a closed or a private address, whoever answers for it. */
#ifndef BANGER_DAEMON_MODEL_EGRESS_NAME_H
#define BANGER_DAEMON_MODEL_EGRESS_NAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/model/egress.h"

struct err;

enum {
    EGRESS_NAMES_MAX = 32,
    EGRESS_NAME_BYTES = 254,                         /* RFC 1035: 253 characters */
    EGRESS_NAME_TEXT_BYTES = EGRESS_NAME_BYTES + 20, /* "*.", ":65535-65535/tcp" */
    EGRESS_PORTS_MAX = 32, /* that all ports of a list's names may come to */
};

struct egress_name {
    char name[EGRESS_NAME_BYTES]; /* lower case, without the wildcard */
    bool below;                   /* all that is below it */
    uint8_t protocol;             /* EGRESS_TCP, EGRESS_UDP; 0: both */
    uint16_t port, port_last;     /* 0 to 65535: all */
};

struct egress_names {
    uint32_t n;
    struct egress_name at[EGRESS_NAMES_MAX];
};

/* Would it be read as a name rather than as an address? */
bool egress_is_name(const char *text);
/* ERR_INVALID. */
int egress_name_parse(const char *text, struct egress_name *name, struct err *err);
/* The one text of it, which parses to the same. */
void egress_name_text(const struct egress_name *name, char text[EGRESS_NAME_TEXT_BYTES]);

/* Which of the names a question's (lower case) is one of: a bit each. */
uint32_t egress_names_match(const struct egress_names *names, const char *name);
/* Does one of those open a port? */
bool egress_names_allow(const struct egress_names *names, uint32_t which, uint8_t protocol,
                        int port);

/* The ports of some of them, in pieces that follow from all: so those of two addresses, or of one
 * at two times, are the same or have nothing in common. -1: more than EGRESS_PORTS_MAX. */
int egress_names_ports(const struct egress_names *names, uint32_t which,
                       struct egress_ports out[EGRESS_PORTS_MAX]);
/* May a name lead there at all? */
bool egress_name_may_lead_to(uint32_t address);

#endif
