/* Which frames pass, one by one and in a stream. */
#include <arpa/inet.h>
#include <stdlib.h>

#include "daemon/vmm/net/net_filter.h"
#include "tests/support/check.h"

static struct net_policy policy = {.mode = EGRESS_ALL};
static struct net_own own;

enum { TCP = 6, UDP = 17, FRAME = 14 + 20 + 8 };

/* A frame of IPv4 to address and port, without options. */
static void make(uint8_t frame[FRAME], int protocol, const char *address, uint16_t port)
{
    memset(frame, 0, FRAME);
    frame[12] = 0x08;
    frame[14] = 0x45;
    frame[23] = (uint8_t)protocol;
    CHECK_INT(inet_pton(AF_INET, address, frame + 30), 1);
    frame[36] = (uint8_t)(port >> 8);
    frame[37] = (uint8_t)port;
}

static bool passes(int protocol, const char *address, uint16_t port)
{
    uint8_t frame[FRAME];
    make(frame, protocol, address, port);
    return net_filter_frame(&policy, &own, frame, FRAME);
}

static void test_addresses(void)
{
    static const char *const open[] = {
        "1.0.0.0",     "192.0.2.1",  "126.255.255.255", "128.0.0.1", "169.253.0.1",
        "169.255.0.1", "10.0.1.255", "10.0.3.0",        "10.1.2.3",  "223.255.255.255"};
    static const char *const closed[] = {
        "0.0.0.0",         "0.255.1.1",       "127.0.0.1", "127.255.255.255", "169.254.0.0",
        "169.254.169.254", "10.0.2.2",        "10.0.2.3",  "10.0.2.15",       "10.0.2.255",
        "224.0.0.251",     "255.255.255.255", "240.0.0.1", "169.254.255.255"};
    for (size_t i = 0; i < sizeof(open) / sizeof(*open); i++)
        for (int p = 0; p < 256; p++)
            CHECK(passes(p, open[i], 80));
    for (size_t i = 0; i < sizeof(closed) / sizeof(*closed); i++)
        for (int p = 0; p < 256; p++)
            CHECK(!passes(p, closed[i], 80));
}

static void test_what_passt_answers_itself(void)
{
    uint8_t frame[FRAME];
    CHECK(passes(UDP, "10.0.2.3", 53));
    CHECK(passes(UDP, "10.0.2.2", 67));
    CHECK(passes(UDP, "255.255.255.255", 67));
    CHECK(!passes(TCP, "10.0.2.3", 53));
    CHECK(!passes(UDP, "10.0.2.2", 53));
    CHECK(!passes(UDP, "10.0.2.3", 67));
    CHECK(!passes(UDP, "127.0.0.53", 53));
    make(frame, UDP, "10.0.2.3", 53);
    CHECK(!net_filter_frame(&policy, &own, frame, 14 + 20 + 3)); /* the port is cut off */
    frame[20] = 0x20;                                            /* more fragments */
    CHECK(!net_filter_frame(&policy, &own, frame, FRAME));
    frame[20] = 0x40; /* don't fragment */
    CHECK(net_filter_frame(&policy, &own, frame, FRAME));
    frame[21] = 1; /* a later fragment, whose bytes are no port */
    CHECK(!net_filter_frame(&policy, &own, frame, FRAME));
}

/* The port is behind the options, not in them. */
static void test_options_of_a_header(void)
{
    uint8_t frame[FRAME + 4];
    make(frame, UDP, "10.0.2.3", 53);
    frame[14] = 0x46;
    memset(frame + FRAME, 0, 4);
    CHECK(!net_filter_frame(&policy, &own, frame, sizeof(frame)));
    frame[36] = frame[37] = 0;
    frame[41] = 53;
    CHECK(net_filter_frame(&policy, &own, frame, sizeof(frame)));
    frame[14] = 0x4f; /* longer than the packet */
    CHECK(!net_filter_frame(&policy, &own, frame, sizeof(frame)));
}

static void test_frames_of_other_kinds(void)
{
    uint8_t frame[FRAME];
    make(frame, UDP, "192.0.2.1", 1);
    for (size_t len = 0; len < 34; len++)
        CHECK(!net_filter_frame(&policy, &own, frame, len));
    CHECK(net_filter_frame(&policy, &own, frame, 34));
    frame[14] = 0x44; /* a header too short */
    CHECK(!net_filter_frame(&policy, &own, frame, FRAME));
    frame[14] = 0x65; /* version 6 */
    CHECK(!net_filter_frame(&policy, &own, frame, FRAME));
    frame[14] = 0x45;
    for (unsigned type = 0; type < 65536; type++) {
        frame[12] = (uint8_t)(type >> 8);
        frame[13] = (uint8_t)type;
        CHECK(net_filter_frame(&policy, &own, frame, FRAME) == (type == 0x0800 || type == 0x0806));
    }
}

static size_t put(uint8_t *at, const char *address)
{
    uint32_t len = htonl(FRAME);
    memcpy(at, &len, sizeof(len));
    make(at + NET_HEAD_BYTES, TCP, address, 80);
    return NET_HEAD_BYTES + FRAME;
}

/* However the stream is cut, the same frames come through, in order. */
static void test_a_stream_in_pieces(void)
{
    static const char *const to[] = {"127.0.0.1", "192.0.2.1", "169.254.1.1",
                                     "0.0.0.0",   "192.0.2.2", "192.0.2.3"};
    uint8_t all[512], want[512], data[512], got[512];
    size_t n = 0, n_want = 0;
    for (size_t i = 0; i < 6; i++) {
        n += put(all + n, to[i]);
        if (to[i][0] == '1' && to[i][1] == '9')
            n_want += put(want + n_want, to[i]);
    }
    for (size_t piece = 1; piece <= n; piece++) {
        size_t have = 0, n_got = 0, kept;
        for (size_t at = 0; at < n; at += piece) {
            size_t part = n - at < piece ? n - at : piece;
            memcpy(data + have, all + at, part);
            have += part;
            int64_t seen = net_filter_stream(&policy, &own, data, have, &kept);
            CHECK(seen >= 0 && (size_t)seen <= have && kept <= (size_t)seen);
            memcpy(got + n_got, data, kept);
            n_got += kept;
            have -= (size_t)seen;
            memmove(data, data + seen, have);
        }
        CHECK_INT(have, 0);
        CHECK_INT(n_got, n_want);
        CHECK(memcmp(got, want, n_want) == 0);
    }
}

static void test_lengths(void)
{
    uint8_t data[8] = {0};
    size_t kept;
    CHECK_INT(net_filter_stream(&policy, &own, data, 8, &kept), 8); /* two empty ones */
    CHECK_INT(kept, 0);
    data[1] = 1; /* 65536 */
    CHECK_INT(net_filter_stream(&policy, &own, data, 8, &kept), 0);
    data[0] = 1;
    CHECK_INT(net_filter_stream(&policy, &own, data, 8, &kept), -1);
    data[0] = 0xff;
    CHECK_INT(net_filter_stream(&policy, &own, data, 8, &kept), -1);
    CHECK_INT(net_filter_stream(&policy, &own, data, 3, &kept), 0);
}

static void list_of(const char *const *texts)
{
    struct egress_list list = {0};
    for (; *texts; texts++)
        CHECK_INT(egress_entry_parse(*texts, &list.at[list.n++], NULL), 0);
    CHECK_INT(egress_compile(&list, &policy.ranges, NULL), 0);
    policy.mode = EGRESS_LIST;
}

static void test_nothing_passes_with_none(void)
{
    uint8_t frame[FRAME];
    policy.mode = EGRESS_NONE;
    CHECK(!passes(TCP, "192.0.2.1", 443));
    CHECK(!passes(UDP, "8.8.8.8", 53));
    CHECK(!passes(1, "192.0.2.1", 0));
    CHECK(!passes(UDP, "10.0.2.3", 53)); /* nor a question for a name */
    CHECK(passes(UDP, "10.0.2.2", 67));  /* its address passt gives it by itself */
    make(frame, TCP, "192.0.2.1", 443);
    frame[13] = 0x06; /* ARP, which passt answers itself */
    CHECK(net_filter_frame(&policy, &own, frame, FRAME));
    policy.mode = EGRESS_ALL;
}

static void test_what_is_listed_passes(void)
{
    uint8_t frame[FRAME];
    list_of(
        (const char *const[]){"192.0.2.0/24:443/tcp", "192.0.2.9:53/udp", "198.51.100.7", NULL});
    CHECK(passes(TCP, "192.0.2.1", 443));
    CHECK(!passes(TCP, "192.0.2.1", 80));
    CHECK(!passes(UDP, "192.0.2.1", 443));
    CHECK(!passes(1, "192.0.2.1", 443)); /* ICMP has no port, whatever is in its place */
    CHECK(!passes(TCP, "192.0.3.1", 443));
    CHECK(passes(UDP, "192.0.2.9", 53));
    CHECK(passes(UDP, "10.0.2.3", 53));
    CHECK(!passes(TCP, "127.0.0.1", 443));
    CHECK(!passes(TCP, "169.254.169.254", 80));
    CHECK(!passes(TCP, "10.1.2.3", 443));
    CHECK(passes(1, "198.51.100.7", 0));
    make(frame, TCP, "192.0.2.1", 443);
    CHECK(!net_filter_frame(&policy, &own, frame, 14 + 20 + 3)); /* its port is cut off */
    frame[20] = 0x20;
    CHECK(!net_filter_frame(&policy, &own, frame, FRAME)); /* the first fragment */
    frame[20] = 0;
    frame[21] = 1;
    CHECK(!net_filter_frame(&policy, &own, frame, FRAME)); /* a later one */
    make(frame, TCP, "198.51.100.7", 443);
    frame[21] = 1;
    CHECK(net_filter_frame(&policy, &own, frame, FRAME)); /* where all is open */
    policy.mode = EGRESS_ALL;
}

static void test_the_hosts_own_addresses(void)
{
    own.n = 2;
    own.at[0].address = 0xc0000207; /* 192.0.2.7 */
    own.at[0].prefix = 32;
    own.at[1].address = 0xcb007100; /* 203.0.113.0 */
    own.at[1].prefix = 24;
    CHECK(!passes(TCP, "192.0.2.7", 22));
    CHECK(!passes(TCP, "203.0.113.200", 22));
    CHECK(passes(TCP, "192.0.2.8", 22));
    list_of((const char *const[]){"192.0.2.7", "192.0.2.8", NULL});
    CHECK(!passes(TCP, "192.0.2.7", 22)); /* listed or not */
    CHECK(passes(TCP, "192.0.2.8", 22));
    policy.mode = EGRESS_ALL;
    own.n = 1; /* as where they cannot be read */
    own.at[0].address = 0;
    own.at[0].prefix = 0;
    CHECK(!passes(TCP, "192.0.2.8", 22));
    CHECK(passes(UDP, "10.0.2.3", 53));
    own.n = 0;
}

int main(void)
{
    RUN(test_addresses);
    RUN(test_what_passt_answers_itself);
    RUN(test_options_of_a_header);
    RUN(test_frames_of_other_kinds);
    RUN(test_a_stream_in_pieces);
    RUN(test_lengths);
    RUN(test_nothing_passes_with_none);
    RUN(test_what_is_listed_passes);
    RUN(test_the_hosts_own_addresses);
    return check_end();
}
