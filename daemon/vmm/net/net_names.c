/* See net_names.h. */
#include "daemon/vmm/net/net_names.h"

#include <string.h>

#include "daemon/vmm/net/net_filter.h"

enum {
    ETHER_BYTES = 14,
    IPV4_BYTES = 20,
    UDP_BYTES = 8,
    HEADS_BYTES = ETHER_BYTES + IPV4_BYTES + UDP_BYTES,
    MAC_BYTES = 6,
    RESOLVER = 10 << 24 | 2 << 8 | 3, /* 10.0.2.3, as passt is told */
    HOPS = 64,
};

static uint16_t get16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

static void put16(uint8_t *p, unsigned value)
{
    p[0] = (uint8_t)(value >> 8);
    p[1] = (uint8_t)value;
}

static uint32_t get32(const uint8_t *p)
{
    return (uint32_t)get16(p) << 16 | get16(p + 2);
}

/* A whole UDP packet of IPv4: where its payload is; 0: it is none. */
static size_t udp_payload(const uint8_t *frame, size_t len, size_t *payload_len)
{
    if (len < HEADS_BYTES || get16(frame + 12) != 0x0800 || frame[ETHER_BYTES] >> 4 != 4 ||
        frame[ETHER_BYTES + 9] != EGRESS_UDP || (get16(frame + ETHER_BYTES + 6) & 0x3fff) != 0)
        return 0;
    size_t at = ETHER_BYTES + (size_t)(frame[ETHER_BYTES] & 15) * 4;
    if (at < ETHER_BYTES + IPV4_BYTES || at + UDP_BYTES > len)
        return 0;
    size_t udp_len = get16(frame + at + 4);
    if (udp_len < UDP_BYTES || udp_len > len - at)
        return 0;
    *payload_len = udp_len - UDP_BYTES;
    return at + UDP_BYTES;
}

bool net_names_is_question(const uint8_t *frame, size_t len)
{
    size_t n, at = udp_payload(frame, len, &n);
    return at > 0 && get32(frame + ETHER_BYTES + 16) == RESOLVER &&
           get16(frame + at - UDP_BYTES + 2) == DNS_PORT;
}

bool net_names_is_answer(const uint8_t *frame, size_t len)
{
    size_t n, at = udp_payload(frame, len, &n);
    return at > 0 && get32(frame + ETHER_BYTES + 12) == RESOLVER &&
           get16(frame + at - UDP_BYTES) == DNS_PORT;
}

/* A frame like that one, with another payload: out has that already. back: the other way. */
static size_t frame_like(const uint8_t *frame, size_t payload_at, bool back, uint8_t *out,
                         size_t payload_len)
{
    const uint8_t *ip = frame + ETHER_BYTES, *udp = frame + payload_at - UDP_BYTES;
    uint8_t *to_ip = out + ETHER_BYTES, *to_udp = to_ip + IPV4_BYTES;
    uint32_t sum = 0;
    memcpy(out + (back ? MAC_BYTES : 0), frame, MAC_BYTES);
    memcpy(out + (back ? 0 : MAC_BYTES), frame + MAC_BYTES, MAC_BYTES);
    put16(out + 12, 0x0800);
    memset(to_ip, 0, IPV4_BYTES);
    to_ip[0] = 0x45;
    put16(to_ip + 2, (unsigned)(IPV4_BYTES + UDP_BYTES + payload_len));
    to_ip[8] = HOPS;
    to_ip[9] = EGRESS_UDP;
    memcpy(to_ip + (back ? 16 : 12), ip + 12, 4);
    memcpy(to_ip + (back ? 12 : 16), ip + 16, 4);
    for (size_t i = 0; i < IPV4_BYTES; i += 2)
        sum += get16(to_ip + i);
    sum = (sum & 0xffff) + (sum >> 16);
    put16(to_ip + 10, ~(sum + (sum >> 16)) & 0xffff);
    memcpy(to_udp + (back ? 2 : 0), udp, 2);
    memcpy(to_udp + (back ? 0 : 2), udp + 2, 2);
    put16(to_udp + 4, (unsigned)(UDP_BYTES + payload_len));
    put16(to_udp + 6, 0); /* none, as IPv4 lets it */
    return HEADS_BYTES + payload_len;
}

/* Questions that are under way */

static struct net_asked *asked_new(struct net_names *n)
{
    struct net_asked *first = &n->asked[0];
    for (size_t i = 1; i < NET_ASKED_MAX; i++)
        if (n->asked[i].until_ms < first->until_ms)
            first = &n->asked[i];
    return first;
}

enum net_names_way net_names_ask(struct net_names *n, const uint8_t *frame, size_t len,
                                 uint8_t out[NET_DNS_BYTES], size_t *out_len)
{
    struct dns_question q;
    struct dns_answer a = {.code = DNS_OK};
    size_t payload_len, at = udp_payload(frame, len, &payload_len);
    a.code = at ? dns_question_read(frame + at, payload_len, &q) : -1;
    if (a.code < 0)
        return NET_NAMES_NOWHERE;
    if (a.code == DNS_OK && egress_names_match(&n->names, q.name) == 0)
        a.code = DNS_NO_SUCH_NAME;
    if (a.code != DNS_OK || !dns_question_is_for_addresses(&q)) {
        *out_len = frame_like(frame, at, true, out, dns_answer_write(&q, &a, out + HEADS_BYTES));
        return NET_NAMES_TO_GUEST;
    }
    struct net_asked *asked = asked_new(n);
    *asked = (struct net_asked){.until_ms = n->now_ms + NET_ASKED_MS,
                                .id = n->next_id,
                                .port = get16(frame + at - UDP_BYTES),
                                .q = q};
    *out_len =
        frame_like(frame, at, false, out, dns_question_write(&q, asked->id, out + HEADS_BYTES));
    return NET_NAMES_TO_PASST;
}

/* Answers */

static void names_open(struct net_names *n, const struct dns_question *q,
                       const struct dns_answer *a)
{
    uint32_t open[DNS_ADDRESSES_MAX], gone[DNS_ADDRESSES_MAX];
    uint32_t which = egress_names_match(&n->names, q->name);
    int64_t until_ms = n->now_ms + (int64_t)egress_pin_seconds(a->ttl_s) * 1000;
    size_t n_open = 0;
    for (size_t i = 0; i < a->n; i++)
        if (egress_name_may_lead_to(a->addresses[i]))
            open[n_open++] = a->addresses[i];
    egress_pins_make_room(&n->pins, open, n_open, n->now_ms, gone);
    for (size_t i = 0; i < n_open; i++)
        egress_pins_add(&n->pins, open[i], which, until_ms);
}

static void names_clean(struct dns_answer *a, const struct egress_ranges *listed,
                        const struct net_own *own)
{
    size_t kept = 0;
    egress_answer_clean(a, listed);
    for (size_t i = 0; i < a->n; i++)
        if (!net_is_closed(own, a->addresses[i]))
            a->addresses[kept++] = a->addresses[i];
    a->n = kept;
}

bool net_names_tell(struct net_names *n, const struct egress_ranges *listed,
                    const struct net_own *own, const uint8_t *frame, size_t len,
                    uint8_t out[NET_DNS_BYTES], size_t *out_len)
{
    struct dns_answer a;
    size_t payload_len, at = udp_payload(frame, len, &payload_len);
    for (size_t i = 0; at > 0 && i < NET_ASKED_MAX; i++) {
        struct net_asked *asked = &n->asked[i];
        if (asked->until_ms <= n->now_ms || asked->port != get16(frame + at - UDP_BYTES + 2) ||
            !dns_answer_read(frame + at, payload_len, &asked->q, asked->id, &a))
            continue;
        asked->until_ms = 0;
        names_clean(&a, listed, own);
        if (a.ttl_s > EGRESS_PIN_MAX_S)
            a.ttl_s = EGRESS_PIN_MAX_S;
        names_open(n, &asked->q, &a);
        *out_len =
            frame_like(frame, at, false, out, dns_answer_write(&asked->q, &a, out + HEADS_BYTES));
        return true;
    }
    return false;
}
