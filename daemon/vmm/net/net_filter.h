/* Which frames of a guest may go on to passt. Pure.
 *
 * passt opens a socket of the host for whatever address a guest writes into its packets: 127.0.0.1
 * and 0.0.0.0 are the host's own loopback then, 169.254.169.254 is who gives out the credentials of
 * a cloud's machine, and the guest's root needs no more than a raw socket. So every frame is looked
 * at before. What is no ARP and no IPv4 does not pass.
 *
 * Only where a frame leads is looked at, never what came before it: nobody outside begins a
 * connection, so all that a guest sends goes to whom it has asked for itself. A fragment may pass
 * where all ports are open, as none of them but the first has one, and passt takes what is in that
 * place for it. */
#ifndef BANGER_DAEMON_VMM_NET_NET_FILTER_H
#define BANGER_DAEMON_VMM_NET_NET_FILTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/model/egress.h"
#include "daemon/model/model.h"

enum {
    NET_HEAD_BYTES = 4,               /* before each frame: its length, in network order */
    NET_FRAME_MAX_BYTES = 65535 + 14, /* the longest IPv4 packet, behind an Ethernet header */
};

/* Addresses of the host that guests have no business with: those that it has. */
enum { NET_OWN_MAX = 4096 };
struct net_own {
    size_t n;
    struct {
        uint32_t address;
        uint8_t prefix;
    } at[NET_OWN_MAX];
};

struct net_names;

struct net_policy {
    enum egress_mode mode;
    struct egress_ranges ranges; /* of EGRESS_LIST */
    struct net_names *names;     /* and what it has of names; NULL: none */
    /* With names: gets each question to the resolver, which does not pass by itself. What the
     * filter reads may change meanwhile. */
    void (*question)(const uint8_t *frame, size_t len);
};

/* Addresses of the host, the guest's own network, and what no guest reaches. */
bool net_is_closed(const struct net_own *own, uint32_t address);

/* May one Ethernet frame pass? */
bool net_filter_frame(const struct net_policy *policy, const struct net_own *own,
                      const uint8_t *frame, size_t len);

/* Takes the frames that may not pass out of the stream of len bytes at data: *kept bytes of whole
 * frames are left there, in order. Returns how many bytes were looked at; what is behind them is
 * the beginning of a frame. -1: a frame too long, and nothing behind it means anything. */
int64_t net_filter_stream(const struct net_policy *policy, const struct net_own *own, uint8_t *data,
                          size_t len, size_t *kept);

#endif
