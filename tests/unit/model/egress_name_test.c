/* Names of egress lists: texts, what they match, the pieces of their ports, and what they never
 * lead to. */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/err.h"
#include "daemon/model/dns.h"
#include "daemon/model/egress.h"
#include "daemon/model/egress_pins.h"
#include "tests/support/check.h"

#define IPV4(a, b, c, d) ((uint32_t)(a) << 24 | (uint32_t)(b) << 16 | (uint32_t)(c) << 8 | (d))

static void test_texts(void)
{
    static const char *const texts[][2] = {
        {"example.org", "example.org"},
        {"EXAMPLE.Org:443", "example.org:443"},
        {"*.debian.org", "*.debian.org"},
        {"*.debian.org:80-443/tcp", "*.debian.org:80-443/tcp"},
        {"xn--bcher-kva.example/udp", "xn--bcher-kva.example/udp"},
        {"a_b.1.example.org:53-53", "a_b.1.example.org:53"},
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        struct egress_name n;
        char text[EGRESS_NAME_TEXT_BYTES];
        CHECK(egress_is_name(texts[i][0]));
        CHECK_INT(egress_name_parse(texts[i][0], &n, NULL), 0);
        egress_name_text(&n, text);
        CHECK_STR(text, texts[i][1]);
    }
}

static void test_what_is_no_name(void)
{
    static const char *const wrong[][2] = {
        {"localhost", "one label"},
        {"*.org", "one label"},
        {"*", "wildcard"},
        {"a.*.example.org", "wildcard"},
        {"*.*.example.org", "wildcard"},
        {"*example.org", "wildcard"},
        {"example..org", "empty label"},
        {".example.org", "empty label"},
        {"example.org.", "empty label"},
        {"*..org", "empty label"},
        {"b\xc3\xbc"
         "cher.example",
         "xn--"},
        {"box.vm", "no other guest"},
        {"*.box.vm", "no other guest"},
        {"exa mple.org", "is no name"},
        {"example.123", "ends with a number"},
        {"example.org:0", "is no NAME"},
        {"example.org:", "is no NAME"},
        {"example.org:70000", "is no NAME"},
        {"example.org:9-8", "is no NAME"},
        {"example.org:80/icmp", "is no NAME"},
        {"example.org/24", "is no NAME"},
        {"example.org:8 ", "is no NAME"},
        {"example.org:08", "is no NAME"},
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
        struct err err = ERR_INIT;
        struct egress_name n;
        CHECK_INT(egress_name_parse(wrong[i][0], &n, &err), -1);
        CHECK_INT(err.code, ERR_INVALID);
        CHECK_CONTAINS(err.message, wrong[i][1]);
    }
    char label[80] = "", name[300] = "";
    struct egress_name n;
    struct err err = ERR_INIT;
    memset(label, 'a', 64);
    memcpy(label + 64, ".org", 5);
    CHECK_INT(egress_name_parse(label, &n, &err), -1);
    CHECK_CONTAINS(err.message, "63");
    for (size_t i = 0; i < 254; i++)
        name[i] = i % 2 ? '.' : 'a';
    CHECK_INT(egress_name_parse(name, &n, &err), -1);
    CHECK_CONTAINS(err.message, "253");
    name[253] = '\0';
    CHECK_INT(egress_name_parse(name, &n, &err), 0);
}

static void test_addresses_are_no_names(void)
{
    static const char *const addresses[] = {"",           "192.0.2.1", "10.0.0.0/8",
                                            "1.2.3.4:80", "192.0.2",   "::/0",
                                            "[::1]:80",   " a.org",    "2001:db8::1"};
    for (size_t i = 0; i < sizeof(addresses) / sizeof(*addresses); i++)
        CHECK(!egress_is_name(addresses[i]));
}

static struct egress_names names_of(const char *const *texts, uint32_t n)
{
    struct egress_names names = {.n = n};
    for (uint32_t i = 0; i < n; i++)
        CHECK_INT(egress_name_parse(texts[i], &names.at[i], NULL), 0);
    return names;
}

static const char *const some[] = {"example.org:443/tcp", "*.example.org:22-443",
                                   "deep.example.org/udp"};

static void test_matching(void)
{
    struct egress_names names = names_of(some, 3);
    CHECK_INT(egress_names_match(&names, "example.org"), 1);
    CHECK_INT(egress_names_match(&names, "www.example.org"), 2);
    CHECK_INT(egress_names_match(&names, "a.b.example.org"), 2);
    CHECK_INT(egress_names_match(&names, "deep.example.org"), 6);
    CHECK_INT(egress_names_match(&names, "badexample.org"), 0);
    CHECK_INT(egress_names_match(&names, "example.org.evil.net"), 0);
    CHECK_INT(egress_names_match(&names, "org"), 0);
    CHECK_INT(egress_names_match(&names, ".example.org"), 0);
    CHECK_INT(egress_names_match(&names, ""), 0);
}

/* Of any two sets of names the pieces are the same or apart. */
static void test_pieces_of_ports(void)
{
    struct egress_names names = names_of(some, 3);
    struct egress_ports all[EGRESS_PORTS_MAX], part[EGRESS_PORTS_MAX];
    int n_all = egress_names_ports(&names, UINT32_MAX, all);
    CHECK(n_all > 3);
    for (uint32_t which = 0; which < 8; which++) {
        int n = egress_names_ports(&names, which, part);
        CHECK(which ? n > 0 : n == 0);
        for (int i = 0; i < n; i++) {
            int same = 0;
            for (int k = 0; k < n_all; k++)
                same += part[i].protocol == all[k].protocol && part[i].port == all[k].port &&
                        part[i].port_last == all[k].port_last;
            CHECK_INT(same, 1);
        }
        for (int port = 0; port <= 65535; port++)
            for (int p = 0; p < 2; p++) {
                uint8_t protocol = p ? EGRESS_UDP : EGRESS_TCP;
                int in = 0;
                for (int i = 0; i < n; i++)
                    in += part[i].protocol == protocol && port >= part[i].port &&
                          port <= part[i].port_last;
                CHECK(in == egress_names_allow(&names, which, protocol, port));
            }
    }
    CHECK(!egress_names_allow(&names, 7, 1, 443));         /* ICMP */
    CHECK(!egress_names_allow(&names, 1, EGRESS_TCP, -1)); /* a fragment */
    CHECK(egress_names_allow(&names, 4, EGRESS_UDP, -1));
    struct egress_names many = {.n = EGRESS_NAMES_MAX};
    for (uint32_t i = 0; i < many.n; i++)
        many.at[i] = (struct egress_name){.port = (uint16_t)(10 * i + 1),
                                          .port_last = (uint16_t)(10 * i + 2)};
    CHECK_INT(egress_names_ports(&many, UINT32_MAX, part), -1);
}

static void test_what_a_name_never_leads_to(void)
{
    static const uint32_t closed[] = {0,
                                      IPV4(127, 0, 0, 1),
                                      IPV4(169, 254, 169, 254),
                                      IPV4(10, 1, 2, 3),
                                      IPV4(172, 31, 0, 1),
                                      IPV4(192, 168, 255, 255),
                                      IPV4(100, 64, 0, 1),
                                      IPV4(224, 0, 0, 251),
                                      UINT32_MAX};
    struct egress_list list = {.n = 1};
    static struct egress_ranges ranges;
    struct dns_answer a = {.n = 4,
                           .addresses = {IPV4(192, 0, 2, 1), IPV4(10, 1, 2, 3), IPV4(127, 0, 0, 1),
                                         IPV4(10, 2, 0, 1)}};
    for (size_t i = 0; i < sizeof(closed) / sizeof(*closed); i++)
        CHECK(!egress_name_may_lead_to(closed[i]));
    CHECK(egress_name_may_lead_to(IPV4(172, 32, 0, 1)));
    CHECK_INT(egress_entry_parse("10.1.0.0/16:443", &list.at[0], NULL), 0);
    CHECK_INT(egress_compile(&list, &ranges, NULL), 0);
    CHECK_INT(egress_answer_clean(&a, &ranges), IPV4(127, 0, 0, 1));
    CHECK_INT(a.n, 2);
    CHECK_INT(a.addresses[0], IPV4(192, 0, 2, 1));
    CHECK_INT(a.addresses[1], IPV4(10, 1, 2, 3)); /* which the list itself opens */
}

int main(void)
{
    RUN(test_texts);
    RUN(test_what_is_no_name);
    RUN(test_addresses_are_no_names);
    RUN(test_matching);
    RUN(test_pieces_of_ports);
    RUN(test_what_a_name_never_leads_to);
    return check_end();
}
