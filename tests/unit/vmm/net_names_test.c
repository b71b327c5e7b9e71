/* A guest's questions as frames: what goes on, what comes back, and what that opens. */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/vmm/net/net_filter.h"
#include "daemon/vmm/net/net_names.h"
#include "tests/support/check.h"

enum { TCP = 6, UDP = 17, HEADS = 14 + 20 + 8, GUEST_PORT = 4711, ID = 0x1234, OURS = 0xbeef };

#define RESOLVER "10.0.2.3"
#define GUEST    "10.0.2.15"
#define SERVER   "192.0.2.7"

static struct net_names names;
static struct net_policy policy;
static struct net_own own = {.n = 1,
                             .at = {{.address = 0xc0000263, .prefix = 32}}}; /* 192.0.2.99 */
static uint8_t asked[NET_DNS_BYTES];
static size_t n_asked;
static enum net_names_way way;

static void question(const uint8_t *frame, size_t len)
{
    way = net_names_ask(&names, frame, len, asked, &n_asked);
}

static void begin(void)
{
    memset(&names, 0, sizeof(names));
    memset(&policy, 0, sizeof(policy));
    names.now_ms = 1000;
    names.next_id = OURS;
    names.names.n = 1;
    CHECK_INT(egress_name_parse("*.example.org:443", &names.names.at[0], NULL), 0);
    struct egress_list list = {.n = 1};
    CHECK_INT(egress_entry_parse("198.51.100.0/24", &list.at[0], NULL), 0);
    CHECK_INT(egress_compile(&list, &policy.ranges, NULL), 0);
    policy.mode = EGRESS_LIST;
    policy.names = &names;
    policy.question = question;
    way = NET_NAMES_NOWHERE;
}

static size_t udp(uint8_t *frame, const char *from, uint16_t from_port, const char *to,
                  uint16_t to_port, const void *payload, size_t len)
{
    memset(frame, 0, HEADS);
    memcpy(frame, "TO.MAC", 6);
    memcpy(frame + 6, "FR.MAC", 6);
    frame[12] = 8;
    frame[14] = 0x45;
    frame[14 + 2] = (uint8_t)((len + 28) >> 8);
    frame[14 + 3] = (uint8_t)(len + 28);
    frame[14 + 9] = UDP;
    CHECK_INT(inet_pton(AF_INET, from, frame + 26), 1);
    CHECK_INT(inet_pton(AF_INET, to, frame + 30), 1);
    frame[34] = (uint8_t)(from_port >> 8);
    frame[35] = (uint8_t)from_port;
    frame[36] = (uint8_t)(to_port >> 8);
    frame[37] = (uint8_t)to_port;
    frame[38] = (uint8_t)((len + 8) >> 8);
    frame[39] = (uint8_t)(len + 8);
    memcpy(frame + HEADS, payload, len);
    return HEADS + len;
}

static struct dns_question of(const char *wire, size_t len, uint16_t type)
{
    struct dns_question q = {.id = ID, .flags = 0x0100, .type = type, .class = 1};
    q.wire_len = len;
    memcpy(q.wire, wire, len);
    return q;
}

#define WWW  "\3www\7example\3org"
#define EVIL "\3www\4evil\3org"

/* What the guest asks, put through the filter's stream. */
static void guest_asks(const struct dns_question *q, uint16_t type)
{
    uint8_t stream[NET_HEAD_BYTES + NET_DNS_BYTES], payload[DNS_PACKET_BYTES];
    size_t kept, n = dns_question_write(q, q->id, payload);
    payload[12 + q->wire_len] = (uint8_t)(type >> 8);
    payload[12 + q->wire_len + 1] = (uint8_t)type;
    n = udp(stream + NET_HEAD_BYTES, GUEST, GUEST_PORT, RESOLVER, 53, payload, n);
    const uint32_t head = htonl((uint32_t)n);
    memcpy(stream, &head, sizeof(head));
    CHECK_INT(net_filter_stream(&policy, &own, stream, NET_HEAD_BYTES + n, &kept),
              (int64_t)(NET_HEAD_BYTES + n));
    CHECK_INT(kept, 0); /* none passes as it is */
}

/* What the resolver says to the guest; false: that is not told. */
static bool resolver_says(const struct dns_question *q, uint16_t id, uint16_t port,
                          uint32_t address, uint8_t told[NET_DNS_BYTES], size_t *n_told)
{
    uint8_t frame[NET_DNS_BYTES], payload[DNS_TOLD_BYTES];
    struct dns_question ours = *q;
    ours.id = id;
    struct dns_answer a = {.ttl_s = 300, .n = 1, .addresses = {address}};
    size_t n = dns_answer_write(&ours, &a, payload);
    n = udp(frame, RESOLVER, 53, GUEST, port, payload, n);
    CHECK(net_names_is_answer(frame, n));
    return net_names_tell(&names, &policy.ranges, &own, frame, n, told, n_told);
}

static bool passes(int protocol, const char *to, uint16_t port, uint8_t tcp_flags)
{
    uint8_t frame[HEADS + 20];
    static const uint8_t nothing[20];
    udp(frame, GUEST, 5000, to, port, nothing, sizeof(nothing));
    frame[14 + 9] = (uint8_t)protocol;
    frame[34 + 13] = tcp_flags;
    return net_filter_frame(&policy, &own, frame, sizeof(frame));
}

static unsigned sum_of(const uint8_t *ip)
{
    unsigned sum = 0;
    for (size_t i = 0; i < 20; i += 2)
        sum += (unsigned)ip[i] << 8 | ip[i + 1];
    return (sum & 0xffff) + (sum >> 16);
}

static void test_a_listed_name_is_asked_and_opens_its_address(void)
{
    struct dns_question q = of(WWW, sizeof(WWW), 1), there;
    struct dns_answer a;
    uint8_t told[NET_DNS_BYTES];
    size_t n_told = 0;
    begin();
    CHECK(!passes(TCP, SERVER, 443, 2));
    guest_asks(&q, 1);
    CHECK_INT(way, NET_NAMES_TO_PASST);
    CHECK(net_names_is_question(asked, n_asked));
    CHECK(memcmp(asked, "TO.MACFR.MAC", 12) == 0);
    CHECK_INT(sum_of(asked + 14), 0xffff);
    CHECK_INT(dns_question_read(asked + HEADS, n_asked - HEADS, &there), DNS_OK);
    CHECK_INT(there.id, OURS);
    CHECK_STR(there.name, "www.example.org");
    CHECK(!resolver_says(&q, OURS + 1, GUEST_PORT, 0xc0000207, told, &n_told));
    CHECK(!resolver_says(&q, OURS, GUEST_PORT + 1, 0xc0000207, told, &n_told));
    CHECK(!passes(TCP, SERVER, 443, 2));
    CHECK(resolver_says(&q, OURS, GUEST_PORT, 0xc0000207, told, &n_told));
    CHECK(dns_answer_read(told + HEADS, n_told - HEADS, &q, ID, &a));
    CHECK_INT(a.n, 1);
    CHECK_INT(a.ttl_s, 300);
    CHECK_INT(sum_of(told + 14), 0xffff);
    CHECK(!resolver_says(&q, OURS, GUEST_PORT, 0xc0000208, told, &n_told)); /* it came already */
    CHECK(passes(TCP, SERVER, 443, 2));
    CHECK(passes(UDP, SERVER, 443, 0));
    CHECK(!passes(TCP, SERVER, 80, 2));
    CHECK(!passes(1, SERVER, 443, 0));
    names.now_ms += (300 + EGRESS_PIN_GRACE_S) * INT64_C(1000);
    CHECK(!passes(TCP, SERVER, 443, 2)); /* nothing begins there any more */
    CHECK(passes(TCP, SERVER, 443, 16)); /* and what there is goes on */
}

static void test_all_else_is_told_here(void)
{
    struct dns_question q = of(EVIL, sizeof(EVIL), 1), www = of(WWW, sizeof(WWW), 28);
    begin();
    guest_asks(&q, 1);
    CHECK_INT(way, NET_NAMES_TO_GUEST);
    CHECK(net_names_is_answer(asked, n_asked));
    CHECK(memcmp(asked, "FR.MACTO.MAC", 12) == 0);
    CHECK_INT(asked[HEADS + 3] & 15, DNS_NO_SUCH_NAME);
    CHECK_INT(asked[HEADS], ID >> 8);
    guest_asks(&www, 28); /* listed, but of no address that a guest can use */
    CHECK_INT(way, NET_NAMES_TO_GUEST);
    CHECK_INT(asked[HEADS + 3] & 15, DNS_OK);
    CHECK_INT(asked[HEADS + 7], 0);
}

static void test_no_name_leads_inside(void)
{
    static const uint32_t inside[] = {0x7f000001, 0x0a010203, 0xa9fea9fe, 0xc0a80001,
                                      0x0a00020f, 0xc0000263, 0};
    struct dns_question q = of(WWW, sizeof(WWW), 1);
    struct dns_answer a;
    uint8_t told[NET_DNS_BYTES];
    size_t n_told;
    for (size_t i = 0; i < sizeof(inside) / sizeof(*inside); i++) {
        begin();
        guest_asks(&q, 1);
        CHECK(resolver_says(&q, OURS, GUEST_PORT, inside[i], told, &n_told));
        CHECK(dns_answer_read(told + HEADS, n_told - HEADS, &q, ID, &a));
        CHECK_INT(a.n, 0);
        CHECK_INT(names.pins.n, 0);
    }
}

static void test_there_is_no_other_resolver(void)
{
    begin();
    CHECK(passes(UDP, "198.51.100.1", 54, 0));
    CHECK(!passes(UDP, "198.51.100.1", 53, 0));
    CHECK(!passes(TCP, "198.51.100.1", 53, 2));
    CHECK(!passes(UDP, "192.0.2.53", 53, 0));
    CHECK(!passes(UDP, RESOLVER, 53, 0)); /* it goes another way */
}

/* Whose port is not known may be led to 53: passt takes what is in its place. */
static void test_nor_is_there_one_by_a_fragment(void)
{
    uint8_t frame[HEADS + 20];
    static const uint8_t nothing[20];
    begin();
    udp(frame, GUEST, 5000, "198.51.100.1", 53, nothing, sizeof(nothing));
    for (int protocol = TCP; protocol <= UDP; protocol += UDP - TCP) {
        frame[14 + 9] = (uint8_t)protocol;
        frame[14 + 6] = 0x20; /* the first of some */
        CHECK(!net_filter_frame(&policy, &own, frame, sizeof(frame)));
        frame[14 + 6] = 0;
        frame[14 + 7] = 1; /* a later one */
        CHECK(!net_filter_frame(&policy, &own, frame, sizeof(frame)));
        frame[14 + 7] = 0;
        CHECK(!net_filter_frame(&policy, &own, frame, 14 + 20 + 3)); /* it is cut off */
    }
    frame[14 + 6] = 0x20;
    frame[14 + 9] = 1; /* ICMP has none, in fragments or not */
    CHECK(net_filter_frame(&policy, &own, frame, sizeof(frame)));
}

/* More questions than there is room for: the first is forgotten, the others are not. */
static void test_many_questions(void)
{
    struct dns_question q = of(WWW, sizeof(WWW), 1);
    uint8_t told[NET_DNS_BYTES];
    size_t n_told;
    begin();
    for (unsigned i = 0; i <= NET_ASKED_MAX; i++) {
        names.now_ms++;
        names.next_id = (uint16_t)i;
        guest_asks(&q, 1);
    }
    CHECK(!resolver_says(&q, 0, GUEST_PORT, 0xc0000207, told, &n_told));
    for (unsigned i = 1; i <= NET_ASKED_MAX; i++)
        CHECK(resolver_says(&q, (uint16_t)i, GUEST_PORT, 0xc0000207, told, &n_told));
    CHECK_INT(names.pins.n, 1);
}

int main(void)
{
    RUN(test_a_listed_name_is_asked_and_opens_its_address);
    RUN(test_all_else_is_told_here);
    RUN(test_no_name_leads_inside);
    RUN(test_there_is_no_other_resolver);
    RUN(test_nor_is_there_one_by_a_fragment);
    RUN(test_many_questions);
    return check_end();
}
