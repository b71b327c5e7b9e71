/* What the names of an egress list lead to, as the guest's resolver has told it: an address each,
 * with an end for each name that it was told for. Pure; times are monotonic.
 *
 * An address is open to a name's ports for as long as the name's answer said, within bounds, and
 * some more, as programs look up once and connect again; another name's answer makes that neither
 * longer nor shorter. Connections that there are go on for as long as they are used. */
#ifndef BANGER_DAEMON_MODEL_EGRESS_PINS_H
#define BANGER_DAEMON_MODEL_EGRESS_PINS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/model/egress_name.h"

struct dns_answer;
struct egress_ranges;

enum {
    EGRESS_PINS_MAX = 256, /* of a VM; the one that would end first makes room */
    EGRESS_PIN_MIN_S = 60, /* bounds of what an answer says of itself */
    EGRESS_PIN_MAX_S = 3600,
    EGRESS_PIN_GRACE_S = 600,     /* and what is added */
    EGRESS_PIN_IDLE_S = 2 * 3600, /* a connection is not used for so long (RFC 5382: 2 h) */
};

struct egress_pin {
    uint32_t address;
    struct {
        int64_t until_ms, used_ms; /* 0: it was not told for that name; not used */
    } by[EGRESS_NAMES_MAX];        /* the list's */
};

struct egress_pins {
    size_t n;
    struct egress_pin at[EGRESS_PINS_MAX];
};

/* How long an answer of that TTL is open. */
uint32_t egress_pin_seconds(uint32_t ttl_s);
/* Is it open until then, to each of those names? */
bool egress_pins_open(const struct egress_pins *pins, uint32_t address, uint32_t which,
                      int64_t until_ms);
/* Takes out as many as have to go for n addresses (EGRESS_PINS_MAX at most) to be there, none of
 * which goes: those that end first. gone: what was still open of them, room for n. Returns how
 * many. */
size_t egress_pins_make_room(struct egress_pins *pins, const uint32_t *addresses, size_t n,
                             int64_t now_ms, uint32_t *gone);
/* That it is open to those names until then; never for shorter than it is. There is room for it. */
void egress_pins_add(struct egress_pins *pins, uint32_t address, uint32_t which, int64_t until_ms);
/* May a packet go there? begins: it is one that a connection begins with, or of no connection. */
bool egress_pins_allow(struct egress_pins *pins, const struct egress_names *names, uint32_t address,
                       uint8_t protocol, int port, bool begins, int64_t now_ms);

/* Leaves of an answer's addresses those that names may lead to, or that the list itself opens at
 * some port. The first that it has taken out, or 0. */
uint32_t egress_answer_clean(struct dns_answer *answer, const struct egress_ranges *listed);

#endif
