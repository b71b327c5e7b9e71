/* What names have led to, as elements of the table: their ends, their number, and that none of them
 * is in the way of what comes after, whenever it ends. In a network namespace of its own; what is
 * told to libnftables is looked at by a wrapper, which may let something happen before. */
#include <arpa/inet.h>
#include <jansson.h>
#include <nftables/libnftables.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/priv/priv_kind.h"
#include "daemon/priv/priv_nft.h"
#include "daemon/priv/priv_pins.h"
#include "tests/integration/priv/peer.h"
#include "tests/support/check.h"

#define EGRESS(name) BANGER__PRIV__V1__EGRESS__EGRESS_##name

enum { GUEST = 0x0ad50002, SERVER = 0xc0000207 }; /* 10.213.0.2, 192.0.2.7 */

static const struct priv_settings settings = {.pool = {.base = 0x0ad50000, .prefix = 16}};
static struct priv_thing thing;
static char tap[PRIV_TAP_BYTES];

/* What ends before the transaction that would take it away, and how often sets are listed. */
static const char *ends_first;
static int n_listed;

/* NOLINTBEGIN(bugprone-reserved-identifier): the linker's names */
int __real_nft_run_cmd_from_buffer(struct nft_ctx *nft, const char *commands);
int __wrap_nft_run_cmd_from_buffer(struct nft_ctx *nft, const char *commands);

int __wrap_nft_run_cmd_from_buffer(struct nft_ctx *nft, const char *commands)
{
    const char *first = ends_first;
    n_listed += strncmp(commands, "list ", 5) == 0;
    if (first && strstr(commands, "delete element")) {
        ends_first = NULL;
        CHECK_INT(nft_run(first, NULL), 0);
    }
    return __real_nft_run_cmd_from_buffer(nft, commands);
}
/* NOLINTEND(bugprone-reserved-identifier) */

static int done(int (*call)(const struct priv_thing *t, struct err *err))
{
    struct err err = ERR_INIT;
    int rc = call(&thing, &err);
    if (rc < 0 && err.code != ERR_LIMIT)
        fprintf(stderr, "  %s\n", err.message);
    return (int)err.code;
}

static int make(Banger__Priv__V1__Egress egress)
{
    thing.egress = egress;
    thing.allow.n = 0;
    return done(priv_rules.make);
}

/* Rules of a VM with names, whose questions are led to us. */
static int begin(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(GUEST - 1)};
    socklen_t len = sizeof(at);
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    CHECK_INT(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    CHECK_INT(getsockname(fd, (struct sockaddr *)&at, &len), 0);
    CHECK_INT(make(EGRESS(NAMES)), ERR_NONE);
    thing.address = GUEST;
    thing.port = ntohs(at.sin_port);
    CHECK_INT(done(priv_rules.resolve), ERR_NONE);
    return fd;
}

static int pin(uint32_t address, uint16_t port, uint16_t port_last, uint32_t seconds)
{
    thing.addresses[0] = address;
    thing.n_addresses = 1;
    thing.allow.n = 1;
    thing.allow.at[0] =
        (struct egress_entry){.protocol = EGRESS_TCP, .port = port, .port_last = port_last};
    thing.seconds = seconds;
    return done(priv_rules.pin);
}

static void list(const char *what, const char *set, json_t **answer, json_t **elements)
{
    char command[64];
    snprintf(command, sizeof(command), "list %s inet banger %s", what, set);
    *elements = nft_elements(command, what, answer, NULL);
}

static size_t count(const char *what, const char *set)
{
    json_t *answer, *elements;
    list(what, set, &answer, &elements);
    size_t n = json_array_size(elements);
    json_decref(answer);
    return n;
}

/* Of the only pin there is. */
static int left_s(void)
{
    json_t *answer, *elements;
    list("set", "pinned", &answer, &elements);
    CHECK_INT(json_array_size(elements), 1);
    const json_t *body = json_object_get(json_array_get(elements, 0), "elem");
    int left = (int)json_integer_value(json_object_get(body, "expires"));
    json_decref(answer);
    return left;
}

static void test_ports_are_never_open_for_shorter_than_they_are(void)
{
    int fd = begin();
    CHECK_INT(pin(SERVER, 443, 443, 660), ERR_NONE);
    CHECK(left_s() > 600 && left_s() <= 660);
    CHECK_INT(pin(SERVER, 443, 443, 4200), ERR_NONE);
    CHECK(left_s() > 4100);
    CHECK_INT(pin(SERVER, 443, 443, 660), ERR_NONE); /* another name's */
    CHECK(left_s() > 4100);
    CHECK_INT(pin(SERVER, 443, 443, 0), ERR_NONE);
    CHECK_INT(count("set", "pinned"), 0);
    CHECK_INT(pin(SERVER, 0, 65535, 4200), ERR_NONE);
    CHECK_INT(pin(SERVER, 0, 65535, 660), ERR_NONE);
    CHECK(left_s() > 4100);
    CHECK_INT(done(priv_rules.remove), ERR_NONE);
    close(fd);
}

/* As if its time were over: the kernel has it no more. */
static void test_what_ends_amid_a_change_is_in_nobodys_way(void)
{
    char ends[160], held[160];
    snprintf(ends, sizeof(ends),
             "delete element inet banger pinned { \"%s\" . 192.0.2.7 . 6 . 443 }", tap);
    snprintf(held, sizeof(held), "delete element inet banger held { \"%s\" . 192.0.2.9 }", tap);
    for (int i = 0; i < 4; i++) {
        int fd = begin();
        CHECK_INT(pin(SERVER, 443, 443, 60), ERR_NONE);
        char add[160] = "add";
        snprintf(add, sizeof(add), "add%s", held + strlen("delete"));
        CHECK_INT(nft_run(add, NULL), 0); /* of a guest from before zones */
        ends_first = i < 3 ? ends : held;
        CHECK_INT(i == 0   ? pin(SERVER, 443, 443, 600)
                  : i == 1 ? make(EGRESS(NAMES))
                           : done(priv_rules.remove),
                  ERR_NONE);
        CHECK(!ends_first); /* it has ended, indeed */
        CHECK_INT(count("set", "pinned"), i == 0);
        CHECK_INT(done(priv_rules.remove), ERR_NONE);
        CHECK_INT(count("set", "held"), 0);
        CHECK_INT(count("map", "zones"), 0);
        close(fd);
    }
}

/* All but one of those that it may have, as if asked for. */
static void fill(void)
{
    char *commands = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&commands, &len);
    fputs("add element inet banger pinned { ", out);
    for (unsigned i = 0; i + 1 < PRIV_PINS_OF_TAP; i++)
        fprintf(out, "\"%s\" . 198.51.%u.%u . 6 . 443 timeout 600s, ", tap, i >> 8, i & 255);
    fputs("}\n", out);
    fclose(out);
    CHECK_INT(nft_run(commands, NULL), 0);
    free(commands);
}

static void test_a_tap_has_so_many(void)
{
    const uint32_t there = 0xc6330000; /* 198.51.0.0 */
    int fd = begin();
    fill();
    CHECK_INT(pin(SERVER, 1, 1, 60), ERR_NONE);
    CHECK_INT(pin(SERVER, 2, 2, 60), ERR_LIMIT);
    CHECK_INT(pin(there, 443, 443, 700), ERR_NONE); /* what is there is made longer, */
    CHECK_INT(pin(there, 443, 443, 0), ERR_NONE);   /* or closed, */
    CHECK_INT(pin(SERVER, 2, 2, 60), ERR_NONE);     /* which makes room for another one */
    CHECK_INT(done(priv_rules.remove), ERR_NONE);
    CHECK_INT(count("set", "pinned"), 0);
    close(fd);
}

/* A guest without names does not wait for what others' names have led to. */
static void test_nobodys_pins_are_read_for_rules_without_names(void)
{
    static const Banger__Priv__V1__Egress without[] = {EGRESS(ALL), EGRESS(LIST), EGRESS(NONE)};
    CHECK_INT(make(EGRESS(NONE)), ERR_NONE);
    for (size_t i = 0; i < sizeof(without) / sizeof(*without); i++) {
        n_listed = 0;
        CHECK_INT(make(without[i]), ERR_NONE);
        CHECK(n_listed <= 1); /* those of lists */
    }
    n_listed = 0;
    CHECK_INT(make(EGRESS(NAMES)), ERR_NONE);
    CHECK(n_listed > 1);
    CHECK_INT(make(EGRESS(ALL)), ERR_NONE); /* which takes away all of them */
    CHECK_INT(count("map", "zones"), 0);
    CHECK_INT(done(priv_rules.remove), ERR_NONE);
}

int main(void)
{
    const char *lacks = peer_lacks();
    if (!lacks && system("ip addr add 10.213.0.1/30 dev lo && ip link set lo up") != 0)
        lacks = "no address: apt install iproute2";
    if (lacks)
        return check_skip(lacks);
    thing = (struct priv_thing){.settings = &settings,
                                .owner = {.uid = 0, .state = "0badcafe"},
                                .vm_id = "0123456789abcdef"};
    priv_tap_name(&thing.owner, thing.vm_id, tap);
    RUN(test_ports_are_never_open_for_shorter_than_they_are);
    RUN(test_what_ends_amid_a_change_is_in_nobodys_way);
    RUN(test_a_tap_has_so_many);
    RUN(test_nobodys_pins_are_read_for_rules_without_names);
    return check_end();
}
