/* Looking at a guest's frames; see net_filter.h. */
#include "daemon/vmm/net/net_filter.h"

#include <arpa/inet.h>
#include <string.h>

enum {
    ETHER_BYTES = 14,
    ETHER_IPV4 = 0x0800,
    ETHER_ARP = 0x0806,
    IPV4_BYTES = 20,
    IPV4_UDP = 17,
    PORT_DNS = 53,
    PORT_DHCP = 67,
};

#define IPV4(a, b, c, d) ((uint32_t)(a) << 24 | (uint32_t)(b) << 16 | (uint32_t)(c) << 8 | (d))

/* Destinations that lead nowhere. */
static const struct range {
    uint32_t address;
    int bits;
} net_closed[] = {
    {IPV4(0, 0, 0, 0), 8},      /* "this host": connect takes it for loopback */
    {IPV4(127, 0, 0, 0), 8},    /* loopback */
    {IPV4(169, 254, 0, 0), 16}, /* link-local */
    {IPV4(10, 0, 2, 0), 24}, /* the guest's own: nobody is there, and on the host somebody may be */
    {IPV4(224, 0, 0, 0), 3}, /* multicast, reserved, broadcast: of the host's network */
};

/* passt itself answers these. */
static const struct service {
    uint32_t address;
    uint16_t port; /* UDP */
} net_services[] = {
    {IPV4(10, 0, 2, 3), PORT_DNS},
    {IPV4(10, 0, 2, 2), PORT_DHCP},
    {IPV4(255, 255, 255, 255), PORT_DHCP},
};

static uint16_t net_u16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

static uint32_t net_u32(const uint8_t *p)
{
    return (uint32_t)net_u16(p) << 16 | net_u16(p + 2);
}

static bool net_is_closed(uint32_t address)
{
    for (size_t i = 0; i < sizeof(net_closed) / sizeof(*net_closed); i++)
        if ((address ^ net_closed[i].address) >> (32 - net_closed[i].bits) == 0)
            return true;
    return false;
}

/* packet: whose header of head bytes is there. */
static bool net_is_service(const uint8_t *packet, size_t len, size_t head)
{
    bool is_fragment =
        (net_u16(packet + 6) & 0x3fff) != 0; /* which has no port, or half a packet */
    if (packet[9] != IPV4_UDP || is_fragment || len < head + 4)
        return false;
    for (size_t i = 0; i < sizeof(net_services) / sizeof(*net_services); i++)
        if (net_u32(packet + 16) == net_services[i].address &&
            net_u16(packet + head + 2) == net_services[i].port)
            return true;
    return false;
}

static bool net_filter_ipv4(const uint8_t *packet, size_t len)
{
    if (len < IPV4_BYTES || packet[0] >> 4 != 4)
        return false;
    size_t head = (size_t)(packet[0] & 15) * 4;
    if (head < IPV4_BYTES || head > len)
        return false;
    return !net_is_closed(net_u32(packet + 16)) || net_is_service(packet, len, head);
}

bool net_filter_frame(const uint8_t *frame, size_t len)
{
    if (len < ETHER_BYTES)
        return false;
    uint16_t type = net_u16(frame + 12);
    return type == ETHER_ARP ||
           (type == ETHER_IPV4 && net_filter_ipv4(frame + ETHER_BYTES, len - ETHER_BYTES));
}

int64_t net_filter_stream(uint8_t *data, size_t len, size_t *kept)
{
    size_t at = 0;
    *kept = 0;
    while (len - at >= NET_HEAD_BYTES) {
        size_t n = net_u32(data + at);
        if (n > NET_FRAME_MAX_BYTES)
            return -1;
        if (len - at - NET_HEAD_BYTES < n)
            break;
        if (net_filter_frame(data + at + NET_HEAD_BYTES, n)) {
            if (*kept != at)
                memmove(data + *kept, data + at, NET_HEAD_BYTES + n);
            *kept += NET_HEAD_BYTES + n;
        }
        at += NET_HEAD_BYTES + n;
    }
    return (int64_t)at;
}
