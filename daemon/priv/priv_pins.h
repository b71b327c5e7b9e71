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
 * are accepted there and nowhere else: `resolvers`, `answering`.
 *
 * A connection goes on when its pin has ended, for as long as the kernel knows it: what a guest
 * with names begins is in a zone of connections that is its list's (`zones`), where nothing is
 * established but what the list or a pin has let begin. Another list is another zone. What the list
 * itself opens needs none, and stays what it is when the list changes.
 *
 * Guests that were there before zones have none until their rules are made again: theirs are the
 * rules with `held`, addresses of their connections, for two hours after each packet. */
#define NAMES_SETS                                                                                 \
    "add map inet banger resolvers { type ifname : ipv4_addr . inet_service; }\n"                  \
    "add set inet banger answering { type ifname . ipv4_addr . inet_service; }\n"                  \
    "add set inet banger pinned { type ifname . ipv4_addr . inet_proto . inet_service; flags "     \
    "interval, timeout; size 32768; }\n"                                                           \
    "add map inet banger zones { typeof iifname : ct zone; }\n"                                    \
    "add set inet banger held { type ifname . ipv4_addr; flags dynamic, timeout; timeout 2h; "     \
    "size 65535; }\n"
#define NAMES_CHAIN                                                                                \
    "add chain inet banger raw { type filter hook prerouting priority raw; policy accept; }\n"
#define NAMES_HOST_RULE                                                                            \
    "add rule inet banger to_host iifname . ip daddr . udp dport @answering accept\n"
#define NAMES_RULES                                                                                \
    "add rule inet banger raw iifname != @taps accept\n"                                           \
    "add rule inet banger raw iifname . ip daddr . meta l4proto . th dport @listed accept\n"       \
    "add rule inet banger raw ct original zone set iifname map @zones\n"                           \
    "add rule inet banger prerouting udp dport 53 dnat ip to iifname map @resolvers\n"             \
    "add rule inet banger egress_names meta l4proto { tcp, udp } th dport 53 drop\n"               \
    "add rule inet banger egress_names iifname . ip daddr . meta l4proto . th dport @listed "      \
    "accept\n"                                                                                     \
    "add rule inet banger egress_names ct state established ct original zone != 0 accept\n"        \
    "add rule inet banger egress_names ct original zone 0 iifname . ip daddr . meta l4proto . th " \
    "dport @pinned update @held { iifname . ip daddr } accept\n"                                   \
    "add rule inet banger egress_names iifname . ip daddr . meta l4proto . th dport @pinned "      \
    "accept\n"                                                                                     \
    "add rule inet banger egress_names ct original zone 0 ct state established iifname . ip "      \
    "daddr @held update @held { iifname . ip daddr } accept\n"                                     \
    "add rule inet banger egress_names drop\n"

/* Where the guest's questions go: the thing's port at the host's end of its /30, where the caller
 * has a UDP socket. ERR_INVALID: there is none of his. */
int pins_resolve(const struct priv_thing *t, const char *tap, struct err *err);
/* The thing's addresses are open at its ports for its seconds, or for longer if they are already;
 * 0: not any more. ERR_LIMIT. */
int pins_set(const struct priv_thing *t, const char *tap, struct err *err);
/* Commands of nft for a tap's rules with names. */
int pins_begin(FILE *out, const char *tap, struct err *err);
/* That take away all that a tap has there. Reads all of it. */
int pins_end(FILE *out, const char *tap, struct err *err);

#endif
