/* Looking at a guest's frames; see net_filter.h. */
#include "daemon/vmm/net/net_filter.h"

#include <string.h>

#include "daemon/vmm/net/net_names.h"

enum {
    ETHER_BYTES = 14,
    ETHER_IPV4 = 0x0800,
    ETHER_ARP = 0x0806,
    IPV4_BYTES = 20,
    PORT_DNS = 53,
    PORT_DHCP = 67,
};

#define IPV4(a, b, c, d) ((uint32_t)(a) << 24 | (uint32_t)(b) << 16 | (uint32_t)(c) << 8 | (d))

/* passt itself answers these. */
static const struct service {
    uint32_t address;
    uint16_t port; /* UDP */
} net_services[] = {
    {IPV4(10, 0, 2, 2), PORT_DHCP},
    {IPV4(255, 255, 255, 255), PORT_DHCP},
    {IPV4(10, 0, 2, 3), PORT_DNS}, /* but with EGRESS_NONE */
};

static uint16_t net_u16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

static uint32_t net_u32(const uint8_t *p)
{
    return (uint32_t)net_u16(p) << 16 | net_u16(p + 2);
}

/* The guest's own network is closed too: nobody is there, and on the host somebody may be. */
bool net_is_closed(const struct net_own *own, uint32_t address)
{
    if (egress_is_closed(address) || address >> 8 == IPV4(10, 0, 2, 0) >> 8)
        return true;
    for (size_t i = 0; i < own->n; i++)
        if ((uint64_t)(address ^ own->at[i].address) >> (32 - own->at[i].prefix) == 0)
            return true;
    return false;
}

/* The port that a packet of IPv4 leads to; -1: it has none, or a fragment that may not be it. */
static int net_port(const uint8_t *packet, size_t len, size_t head)
{
    bool is_fragment = (net_u16(packet + 6) & 0x3fff) != 0;
    bool has_ports = packet[9] == EGRESS_UDP || packet[9] == EGRESS_TCP;
    return has_ports && !is_fragment && len >= head + 4 ? net_u16(packet + head + 2) : -1;
}

static bool net_is_service(const struct net_policy *policy, uint8_t protocol, uint32_t address,
                           int port)
{
    for (size_t i = 0; i < sizeof(net_services) / sizeof(*net_services); i++)
        if (protocol == EGRESS_UDP && address == net_services[i].address &&
            port == net_services[i].port)
            return port != PORT_DNS || (policy->mode != EGRESS_NONE && !policy->names);
    return false;
}

/* Is it one that a connection begins with? Of UDP that cannot be told: a pin that is used stays. */
static bool net_begins(const uint8_t *packet, size_t len, size_t head)
{
    enum { TCP_FLAGS = 13, SYN = 2, ACK = 16 };
    return packet[9] == EGRESS_TCP &&
           (len <= head + TCP_FLAGS || (packet[head + TCP_FLAGS] & (SYN | ACK)) == SYN);
}

/* By a list with names there is no other resolver than ours, and what has a port but does not tell
 * it may lead to one. */
static bool net_may_ask(const struct net_policy *policy, uint8_t protocol, int port)
{
    bool hides = port < 0 && (protocol == EGRESS_TCP || protocol == EGRESS_UDP);
    return policy->names && (port == PORT_DNS || hides);
}

static bool net_is_named(const struct net_policy *policy, const uint8_t *packet, size_t len,
                         size_t head, uint32_t address, int port)
{
    struct net_names *n = policy->names;
    return n && egress_pins_allow(&n->pins, &n->names, address, packet[9], port,
                                  net_begins(packet, len, head), n->now_ms);
}

static bool net_filter_ipv4(const struct net_policy *policy, const struct net_own *own,
                            const uint8_t *packet, size_t len)
{
    if (len < IPV4_BYTES || packet[0] >> 4 != 4)
        return false;
    size_t head = (size_t)(packet[0] & 15) * 4;
    if (head < IPV4_BYTES || head > len)
        return false;
    uint32_t address = net_u32(packet + 16);
    int port = net_port(packet, len, head);
    if (net_is_closed(own, address))
        return net_is_service(policy, packet[9], address, port);
    if (policy->mode != EGRESS_LIST || net_may_ask(policy, packet[9], port))
        return policy->mode == EGRESS_ALL;
    return egress_allows(&policy->ranges, address, packet[9], port) ||
           net_is_named(policy, packet, len, head, address, port);
}

bool net_filter_frame(const struct net_policy *policy, const struct net_own *own,
                      const uint8_t *frame, size_t len)
{
    if (len < ETHER_BYTES)
        return false;
    uint16_t type = net_u16(frame + 12);
    return type == ETHER_ARP ||
           (type == ETHER_IPV4 &&
            net_filter_ipv4(policy, own, frame + ETHER_BYTES, len - ETHER_BYTES));
}

int64_t net_filter_stream(const struct net_policy *policy, const struct net_own *own, uint8_t *data,
                          size_t len, size_t *kept)
{
    size_t at = 0;
    *kept = 0;
    while (len - at >= NET_HEAD_BYTES) {
        size_t n = net_u32(data + at);
        if (n > NET_FRAME_MAX_BYTES)
            return -1;
        if (len - at - NET_HEAD_BYTES < n)
            break;
        if (policy->names && net_names_is_question(data + at + NET_HEAD_BYTES, n)) {
            policy->question(data + at + NET_HEAD_BYTES, n);
        } else if (net_filter_frame(policy, own, data + at + NET_HEAD_BYTES, n)) {
            if (*kept != at)
                memmove(data + *kept, data + at, NET_HEAD_BYTES + n);
            *kept += NET_HEAD_BYTES + n;
        }
        at += NET_HEAD_BYTES + n;
    }
    return (int64_t)at;
}
