/* Entries of egress lists, and the ranges that they come to. */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/err.h"
#include "daemon/model/egress.h"
#include "tests/support/check.h"

static uint32_t number(const char *address)
{
    struct in_addr in;
    CHECK_INT(inet_pton(AF_INET, address, &in), 1);
    return ntohl(in.s_addr);
}

static void test_texts(void)
{
    static const char *const same[] = {"0.0.0.0/0",
                                       "1.0.0.0",
                                       "10.0.0.0/8",
                                       "192.0.2.1:443",
                                       "192.0.2.1:1/tcp",
                                       "192.0.2.0/24/udp",
                                       "192.0.2.0/31:80-90",
                                       "223.255.255.255:65535",
                                       "10.1.2.3/tcp",
                                       "8.0.0.0/5:53/udp",
                                       "192.0.2.128/25:1-65535"};
    static const char *const others[][2] = {{"192.0.2.1/32", "192.0.2.1"},
                                            {"192.0.2.1/32:80-80/udp", "192.0.2.1:80/udp"}};
    struct egress_entry e;
    char text[EGRESS_TEXT_BYTES];
    for (size_t i = 0; i < sizeof(same) / sizeof(*same); i++) {
        CHECK_INT(egress_entry_parse(same[i], &e, NULL), 0);
        CHECK(egress_entry_is_valid(&e));
        egress_entry_text(&e, text);
        CHECK_STR(text, same[i]);
    }
    for (size_t i = 0; i < 2; i++) {
        CHECK_INT(egress_entry_parse(others[i][0], &e, NULL), 0);
        egress_entry_text(&e, text);
        CHECK_STR(text, others[i][1]);
    }
}

static void test_what_is_no_entry(void)
{
    static const char *const wrong[][2] = {
        {"", "is no IPv4"},
        {"example.com:443", "is no IPv4"},
        {"[2001:db8::1]:443", "is no IPv4"},
        {"::/0", "is no IPv4"},
        {"192.0.2", "is no IPv4"},
        {"192.0.2.256", "is no IPv4"},
        {"192.0.02.1", "is no IPv4"},
        {"192.0.2.1.", "is no IPv4"},
        {" 192.0.2.1", "is no IPv4"},
        {"192.0.2.1 ", "is no IPv4"},
        {"+192.0.2.1", "is no IPv4"},
        {"192.0.2.0/33", "is no IPv4"},
        {"192.0.2.0/", "is no IPv4"},
        {"192.0.2.0/024", "is no IPv4"},
        {"192.0.2.1:", "is no IPv4"},
        {"192.0.2.1:0", "is no IPv4"},
        {"192.0.2.1:65536", "is no IPv4"},
        {"192.0.2.1:99999999999999999999", "is no IPv4"},
        {"192.0.2.1:90-80", "is no IPv4"},
        {"192.0.2.1:80-", "is no IPv4"},
        {"192.0.2.1:-80", "is no IPv4"},
        {"192.0.2.1/tcp:80", "is no IPv4"},
        {"192.0.2.1:80/icmp", "is no IPv4"},
        {"192.0.2.1:80/TCP", "is no IPv4"},
        {"192.0.2.1:80/tcp/udp", "is no IPv4"},
        {"192.0.2.1/24:80", "say 192.0.2.0/24:80"},
        {"1.2.3.4/0", "say 0.0.0.0/0"},
        {"127.0.0.1:80", "never reached: it is loopback"},
        {"169.254.169.254", "never reached: it is link-local"},
        {"0.0.0.0:80", "never reached: it is \"this host\""},
        {"224.0.0.0/4", "never reached: it is multicast or reserved"},
        {"255.255.255.255:67/udp", "never reached"},
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
        struct egress_entry e;
        struct err err = ERR_INIT;
        CHECK_INT(egress_entry_parse(wrong[i][0], &e, &err), -1);
        CHECK_INT(err.code, ERR_INVALID);
        CHECK_CONTAINS(err.message, wrong[i][1]);
    }
}

static void test_entries_of_others(void)
{
    static const struct egress_entry wrong[] = {
        {.prefix = 33, .port_last = EGRESS_PORT_MAX},
        {.prefix = 24, .address = 0xc0000201, .port_last = EGRESS_PORT_MAX},
        {.prefix = 32, .address = 0x7f000001, .port_last = EGRESS_PORT_MAX},
        {.prefix = 32, .address = 0xc0000201, .port = 0, .port_last = 1},
        {.prefix = 32, .address = 0xc0000201, .port = 2, .port_last = 1},
        {.prefix = 32, .address = 0xc0000201, .port_last = EGRESS_PORT_MAX, .protocol = 1}};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
        CHECK(!egress_entry_is_valid(&wrong[i]));
}

static void list_of(const char *const *texts, struct egress_list *list)
{
    *list = (struct egress_list){0};
    for (; *texts; texts++)
        CHECK_INT(egress_entry_parse(*texts, &list->at[list->n++], NULL), 0);
}

static void compile(const char *const *texts, struct egress_ranges *ranges)
{
    struct egress_list list;
    struct err err = ERR_INIT;
    list_of(texts, &list);
    CHECK_INT(egress_compile(&list, ranges, &err), 0);
}

#define COMPILE(...) compile((const char *const[]){__VA_ARGS__, NULL}, &ranges)

static struct egress_ranges ranges;

static void check_range(size_t i, const char *first, const char *last, int protocol, int port,
                        int port_last)
{
    CHECK(i < ranges.n);
    CHECK_INT(ranges.at[i].first, number(first));
    CHECK_INT(ranges.at[i].last, number(last));
    CHECK_INT(ranges.at[i].protocol, protocol);
    CHECK_INT(ranges.at[i].port, port);
    CHECK_INT(ranges.at[i].port_last, port_last);
}

static void test_ranges(void)
{
    COMPILE("192.0.2.0/24:443");
    CHECK_INT(ranges.n, 2);
    check_range(0, "192.0.2.0", "192.0.2.255", EGRESS_TCP, 443, 443);
    check_range(1, "192.0.2.0", "192.0.2.255", EGRESS_UDP, 443, 443);
    COMPILE("192.0.2.0/25:1-10/tcp", "192.0.2.128/25:5-20/tcp", "192.0.2.128/25:1-10/tcp",
            "192.0.2.0/25:11-20/tcp");
    CHECK_INT(ranges.n, 1); /* neighbours, and their ports join */
    check_range(0, "192.0.2.0", "192.0.2.255", EGRESS_TCP, 1, 20);
    COMPILE("10.0.0.0/8", "10.1.0.0/16:80", "10.1.0.0/16/udp");
    CHECK_INT(ranges.n, 1); /* in what is open anyway */
    check_range(0, "10.0.0.0", "10.255.255.255", 0, 0, EGRESS_PORT_MAX);
    COMPILE("192.0.2.0/24:80/tcp", "192.0.2.7");
    CHECK_INT(ranges.n, 3);
    check_range(1, "192.0.2.7", "192.0.2.7", 0, 0, EGRESS_PORT_MAX);
    check_range(2, "192.0.2.8", "192.0.2.255", EGRESS_TCP, 80, 80);
}

static void test_private_networks_are_named_themselves(void)
{
    COMPILE("0.0.0.0/0:443/tcp");
    check_range(0, "1.0.0.0", "9.255.255.255", EGRESS_TCP, 443, 443);
    check_range(ranges.n - 1, "192.169.0.0", "223.255.255.255", EGRESS_TCP, 443, 443);
    CHECK(egress_allows(&ranges, number("192.0.2.1"), EGRESS_TCP, 443));
    static const char *const never[] = {"10.0.0.1",        "100.64.0.1", "172.31.0.1",
                                        "192.168.1.1",     "127.0.0.1",  "0.0.0.0",
                                        "169.254.169.254", "224.0.0.1",  "255.255.255.255"};
    for (size_t i = 0; i < sizeof(never) / sizeof(*never); i++)
        CHECK(!egress_allows(&ranges, number(never[i]), EGRESS_TCP, 443));
    COMPILE("0.0.0.0/0:443/tcp", "192.168.1.0/24:22");
    CHECK(egress_allows(&ranges, number("192.168.1.1"), EGRESS_TCP, 22));
    CHECK(!egress_allows(&ranges, number("192.168.1.1"), EGRESS_TCP, 443));
    CHECK(!egress_allows(&ranges, number("192.168.2.1"), EGRESS_TCP, 22));
    COMPILE("8.0.0.0/5"); /* reaches over 10.0.0.0/8, and does not open it */
    CHECK(egress_allows(&ranges, number("11.0.0.1"), EGRESS_UDP, 1));
    CHECK(!egress_allows(&ranges, number("10.0.0.1"), EGRESS_UDP, 1));
}

static void test_what_is_allowed(void)
{
    COMPILE("192.0.2.1:443/tcp", "192.0.2.2/udp", "192.0.2.3");
    CHECK(egress_allows(&ranges, number("192.0.2.1"), EGRESS_TCP, 443));
    CHECK(!egress_allows(&ranges, number("192.0.2.1"), EGRESS_TCP, 444));
    CHECK(!egress_allows(&ranges, number("192.0.2.1"), EGRESS_UDP, 443));
    CHECK(!egress_allows(&ranges, number("192.0.2.1"), EGRESS_TCP, -1)); /* a fragment */
    CHECK(!egress_allows(&ranges, number("192.0.2.1"), 1, 443));
    CHECK(egress_allows(&ranges, number("192.0.2.2"), EGRESS_UDP, 0));
    CHECK(egress_allows(&ranges, number("192.0.2.2"), EGRESS_UDP, -1));
    CHECK(!egress_allows(&ranges, number("192.0.2.2"), EGRESS_TCP, 1));
    CHECK(egress_allows(&ranges, number("192.0.2.3"), 1, -1));
    CHECK(!egress_allows(&ranges, number("192.0.2.4"), 1, -1));
}

/* Whatever is listed: the ranges are disjoint and in order, and say what the entries say. */
static void test_lists_made_up(void)
{
    srand(1);
    for (int round = 0; round < 300; round++) {
        struct egress_list list = {.n = 1 + (uint32_t)rand() % 8};
        for (uint32_t i = 0; i < list.n; i++) {
            static const uint8_t protocols[] = {0, EGRESS_TCP, EGRESS_UDP};
            uint8_t prefix = (uint8_t)(24 + rand() % 9);
            bool all = rand() % 3 == 0;
            uint16_t port = all ? 0 : (uint16_t)(1 + rand() % 6);
            list.at[i] = (struct egress_entry){
                .address = 0xc0000200 | ((uint32_t)rand() & 0xff & ~((1u << (32 - prefix)) - 1)),
                .prefix = prefix,
                .protocol = protocols[rand() % 3],
                .port = port,
                .port_last = all ? EGRESS_PORT_MAX : (uint16_t)(port + rand() % 3)};
            CHECK(egress_entry_is_valid(&list.at[i]));
        }
        CHECK_INT(egress_compile(&list, &ranges, NULL), 0);
        for (int probe = 0; probe < 200; probe++) {
            uint32_t address = 0xc0000200 | ((uint32_t)rand() & 0xff);
            uint8_t protocol = rand() % 2 ? EGRESS_TCP : EGRESS_UDP;
            int port = 1 + rand() % 9;
            bool want = false;
            int have = 0;
            for (uint32_t i = 0; i < list.n; i++) {
                const struct egress_entry *e = &list.at[i];
                want |= (address ^ e->address) >> (32 - e->prefix) == 0 && port >= e->port &&
                        port <= e->port_last && (!e->protocol || e->protocol == protocol);
            }
            for (size_t i = 0; i < ranges.n; i++) {
                const struct egress_range *r = &ranges.at[i];
                have += address >= r->first && address <= r->last && port >= r->port &&
                        port <= r->port_last && (!r->protocol || r->protocol == protocol);
            }
            CHECK_INT(have, want);
            CHECK_INT(egress_allows(&ranges, address, protocol, port), want);
        }
    }
}

static void test_too_intricate(void)
{
    struct egress_list list = {.n = EGRESS_ENTRIES_MAX};
    struct err err = ERR_INIT;
    for (uint32_t i = 0; i < list.n; i++) {
        bool port = i % 2;
        list.at[i] = (struct egress_entry){.address = port ? 0xc0000000 : 0xc0000000 + i * 256,
                                           .prefix = port ? 16 : 24,
                                           .port = (uint16_t)(port ? 2 * i : 65535),
                                           .port_last = (uint16_t)(port ? 2 * i : 65535)};
    }
    CHECK_INT(egress_compile(&list, &ranges, &err), -1);
    CHECK_INT(err.code, ERR_INVALID);
    CHECK_CONTAINS(err.message, "too intricate");
}

int main(void)
{
    RUN(test_texts);
    RUN(test_what_is_no_entry);
    RUN(test_entries_of_others);
    RUN(test_ranges);
    RUN(test_private_networks_are_named_themselves);
    RUN(test_what_is_allowed);
    RUN(test_lists_made_up);
    RUN(test_too_intricate);
    return check_end();
}
