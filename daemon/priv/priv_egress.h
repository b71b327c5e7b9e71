/* What guests whose egress is a list may reach: elements of the set `listed` of the table inet
 * banger, by tap, destination, protocol and port. They bear their owner's label, as taps do. */
#ifndef BANGER_DAEMON_PRIV_PRIV_EGRESS_H
#define BANGER_DAEMON_PRIV_PRIV_EGRESS_H

#include <jansson.h>
#include <stdio.h>

#include "daemon/model/egress.h"
#include "daemon/priv/priv_names.h"

struct err;

/* Of priv_nft.c's table. */
#define EGRESS_SET                                                                                 \
    "add set inet banger listed { type ifname . ipv4_addr . inet_proto . inet_service; flags "     \
    "interval; }\n"
#define EGRESS_RULE                                                                                \
    "add rule inet banger egress_list iifname . ip daddr . meta l4proto . th dport @listed "       \
    "accept\n"                                                                                     \
    "add rule inet banger egress_list drop\n"

/* Commands of nft that add a tap's elements. */
void egress_add(FILE *out, const char *tap, const char *label, const struct egress_ranges *ranges);
/* That take away all which the owner has there of the tap. Reads the whole set. */
int egress_end(FILE *out, const struct priv_owner *owner, const char *tap, struct err *err);
/* A part of an element's key, which libnftables has as JSON, as nft(8) has it. */
void egress_put_part(FILE *out, const json_t *part);
/* Each element's tap and label. */
int egress_each(void (*fn)(void *arg, const char *tap, const char *label), void *arg,
                struct err *err);

#endif
