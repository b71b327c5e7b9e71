/* What guests whose egress list has names reach besides: where their questions go, and what these
 * were answered with, as elements of the table inet banger that end by themselves. */
#ifndef BANGER_DAEMON_PRIV_PRIV_PINS_H
#define BANGER_DAEMON_PRIV_PRIV_PINS_H

#include <stdint.h>
#include <stdio.h>

#include "daemon/model/egress_pins.h"

struct err;
struct priv_thing;

enum {
    PRIV_PINS_OF_TAP = EGRESS_PINS_MAX * EGRESS_PORTS_MAX, /* elements of `pinned` */
    PRIV_PINS_OF_HOST = 32768,                             /* as its size is below */
};

/* Of priv_nft.c's table. Questions go to the daemon's socket, wherever the guest has sent them, and
 * are accepted there and nowhere else: `resolvers`, `answering`. `held` has the addresses of
 * connections that there are: these go on when the pin has ended, for as long as they are used. */
#define NAMES_SETS                                                                                 \
    "add map inet banger resolvers { type ifname : ipv4_addr . inet_service; }\n"                  \
    "add set inet banger answering { type ifname . ipv4_addr . inet_service; }\n"                  \
    "add set inet banger pinned { type ifname . ipv4_addr . inet_proto . inet_service; flags "     \
    "interval, timeout; size 32768; }\n"                                                           \
    "add set inet banger held { type ifname . ipv4_addr; flags dynamic, timeout; timeout 2h; "     \
    "size 65535; }\n"
#define NAMES_HOST_RULE                                                                            \
    "add rule inet banger to_host iifname . ip daddr . udp dport @answering accept\n"
#define NAMES_RULES                                                                                \
    "add rule inet banger prerouting udp dport 53 dnat ip to iifname map @resolvers\n"             \
    "add rule inet banger egress_names meta l4proto { tcp, udp } th dport 53 drop\n"               \
    "add rule inet banger egress_names iifname . ip daddr . meta l4proto . th dport @listed "      \
    "accept\n"                                                                                     \
    "add rule inet banger egress_names iifname . ip daddr . meta l4proto . th dport @pinned "      \
    "update @held { iifname . ip daddr } accept\n"                                                 \
    "add rule inet banger egress_names iifname . ip daddr . meta l4proto . th dport @pinned "      \
    "accept\n" /* where `held` is full */                                                          \
    "add rule inet banger egress_names ct state established iifname . ip daddr @held update "      \
    "@held { iifname . ip daddr } accept\n"                                                        \
    "add rule inet banger egress_names drop\n"

/* Where the guest's questions go: the thing's port at the host's end of its /30, where the caller
 * has a UDP socket. ERR_INVALID: there is none of his. */
int pins_resolve(const struct priv_thing *t, const char *tap, struct err *err);
/* The thing's addresses are open at its ports for its seconds, or for longer if they are already;
 * 0: not any more. ERR_LIMIT. */
int pins_set(const struct priv_thing *t, const char *tap, struct err *err);
/* Commands of nft that take away all that a tap has there. Reads all of it. */
int pins_end(FILE *out, const char *tap, struct err *err);

#endif
