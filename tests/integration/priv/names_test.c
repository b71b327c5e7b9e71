/* What passes from a guest with names, packet by packet, by the table as the helper makes it: three
 * network namespaces, the host's, a guest's, and one that is the world.
 *
 * What does not pass is told by what was sent behind it, on the same processor. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/priv/priv_kind.h"
#include "daemon/priv/priv_nft.h"
#include "tests/integration/priv/peer.h"
#include "tests/integration/priv/rules_3.h"
#include "tests/support/check.h"

#define EGRESS(name) BANGER__PRIV__V1__EGRESS__EGRESS_##name

enum { WAIT_MS = 10000, WEB = 443, SSH = 22, MARK = 9 };
enum { HOST = 0x0ad50001, GUEST, SERVER = 0xc0000202, LISTED }; /* 10.213.0.1, 192.0.2.2 */

static const struct priv_settings settings = {.pool = {.base = 0x0ad50000, .prefix = 16}};
static struct priv_thing thing;
static char tap[PRIV_TAP_BYTES];
static int host_ns, guest_ns, world_ns;
static int web, other_web, ssh, listed, mark; /* servers of the world */

static int namespace(void)
{
    return unshare(CLONE_NEWNET) < 0 ? -1 : open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
}

/* A socket there; of the guest's it leads to the address. */
static int socket_in(int ns, uint32_t address, uint16_t port)
{
    struct sockaddr_in at = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(address)};
    setns(ns, CLONE_NEWNET);
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    int rc = ns == guest_ns ? connect(fd, (struct sockaddr *)&at, sizeof(at))
                            : bind(fd, (struct sockaddr *)&at, sizeof(at));
    setns(host_ns, CLONE_NEWNET);
    CHECK_INT(rc, 0);
    return fd;
}

static bool arrives(int fd, int wait_ms, struct sockaddr_in *from)
{
    char byte;
    socklen_t len = sizeof(*from);
    struct pollfd p = {.fd = fd, .events = POLLIN};
    return poll(&p, 1, wait_ms) == 1 &&
           recvfrom(fd, &byte, 1, 0, (struct sockaddr *)from, &len) == 1;
}

/* Does it get to the server? Then it is answered. *port: as which the world sees it. */
static bool passes_as(int client, int server, uint16_t *port)
{
    struct sockaddr_in from;
    static int marker = -1;
    if (marker < 0)
        marker = socket_in(guest_ns, LISTED, MARK);
    CHECK_INT(send(client, "?", 1, 0), 1);
    CHECK_INT(send(marker, "!", 1, 0), 1);
    CHECK(arrives(mark, WAIT_MS, &from));
    if (!arrives(server, 0, &from))
        return false;
    *port = ntohs(from.sin_port);
    CHECK_INT(sendto(server, "!", 1, 0, (struct sockaddr *)&from, sizeof(from)), 1);
    return arrives(client, WAIT_MS, &from);
}

static bool passes(int client, int server)
{
    uint16_t port;
    return passes_as(client, server, &port);
}

static bool begins(uint32_t address, uint16_t port, int server)
{
    int client = socket_in(guest_ns, address, port);
    bool did = passes(client, server);
    close(client);
    return did;
}

static void works(int (*call)(const struct priv_thing *t, struct err *err))
{
    struct err err = ERR_INIT;
    if (!CHECK_INT(call(&thing, &err), 0))
        fprintf(stderr, "  %s\n", err.message);
}

/* Rules with one address in the list, and whatever is wanted. */
static void make(Banger__Priv__V1__Egress egress)
{
    thing.egress = egress;
    thing.allow.n = egress == EGRESS(ALL) ? 0 : 1;
    thing.allow.at[0] = (struct egress_entry){
        .address = LISTED, .prefix = 32, .protocol = EGRESS_UDP, .port = 1, .port_last = 99};
    works(priv_rules.make);
}

static int make_named(void)
{
    struct sockaddr_in at;
    socklen_t len = sizeof(at);
    int fd = socket_in(host_ns, HOST, 0);
    CHECK_INT(getsockname(fd, (struct sockaddr *)&at, &len), 0);
    make(EGRESS(NAMES));
    thing.address = GUEST;
    thing.port = ntohs(at.sin_port);
    works(priv_rules.resolve);
    return fd;
}

static void pin(uint16_t port, uint32_t seconds)
{
    thing.addresses[0] = SERVER;
    thing.n_addresses = 1;
    thing.seconds = seconds;
    thing.allow.n = 1;
    thing.allow.at[0] =
        (struct egress_entry){.protocol = EGRESS_UDP, .port = port, .port_last = port};
    works(priv_rules.pin);
}

static void test_a_connection_outlives_its_pin_and_nothing_begins(void)
{
    int own = make_named();
    CHECK(!begins(SERVER, WEB, web));
    pin(WEB, 60);
    int client = socket_in(guest_ns, SERVER, WEB);
    CHECK(passes(client, web));
    CHECK(!begins(SERVER, SSH, ssh));
    pin(WEB, 0);
    CHECK(passes(client, web));
    CHECK(!begins(SERVER, WEB, web));
    CHECK(!begins(SERVER, SSH, ssh));
    close(client);
    close(own);
}

/* What was begun to another port of an address that a name leads to now has not begun by a name. */
static void test_a_list_ends_what_it_does_not_open(void)
{
    make(EGRESS(ALL));
    int old = socket_in(guest_ns, SERVER, SSH), kept = socket_in(guest_ns, LISTED, 80);
    uint16_t before, after;
    CHECK(passes(old, ssh));
    CHECK(passes_as(kept, listed, &before));
    int own = make_named();
    CHECK(!passes(old, ssh));
    pin(WEB, 60);
    int client = socket_in(guest_ns, SERVER, WEB);
    CHECK(passes(client, web));
    CHECK(passes(client, web));
    CHECK(!passes(old, ssh));
    CHECK(passes_as(kept, listed, &after)); /* as the same, which the list opens */
    CHECK_INT(after, before);
    close(old);
    close(kept);
    close(client);
    close(own);
}

static void test_another_list_ends_what_names_have_begun(void)
{
    int own = make_named();
    uint16_t before, after;
    pin(WEB, 60);
    int client = socket_in(guest_ns, SERVER, WEB), kept = socket_in(guest_ns, LISTED, 80);
    CHECK(passes(client, web));
    CHECK(passes_as(kept, listed, &before));
    int next = make_named();
    CHECK(!passes(client, web));
    CHECK(passes_as(kept, listed, &after));
    CHECK_INT(after, before);
    pin(SSH, 60);
    CHECK(begins(SERVER, SSH, ssh));
    CHECK(!passes(client, web));
    close(client);
    close(kept);
    close(own);
    close(next);
}

/* The host's own connection to its guest is none of the guest's. */
static void test_the_host_reaches_its_guest(void)
{
    struct sockaddr_in from,
        to = {.sin_family = AF_INET, .sin_port = htons(2222), .sin_addr.s_addr = htonl(GUEST)};
    int own = make_named(), host = socket_in(host_ns, HOST, 0);
    setns(guest_ns, CLONE_NEWNET);
    int guest = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    CHECK_INT(bind(guest, (struct sockaddr *)&to, sizeof(to)), 0);
    setns(host_ns, CLONE_NEWNET);
    for (int i = 0; i < 2; i++) {
        CHECK_INT(sendto(host, "?", 1, 0, (struct sockaddr *)&to, sizeof(to)), 1);
        CHECK(arrives(guest, WAIT_MS, &from));
        CHECK_INT(sendto(guest, "!", 1, 0, (struct sockaddr *)&from, sizeof(from)), 1);
        CHECK(arrives(host, WAIT_MS, &from));
    }
    close(own);
    close(host);
    close(guest);
}

static void pinned(const char *verb, const char *address)
{
    char command[128];
    snprintf(command, sizeof(command),
             "%s element inet banger pinned { \"%s\" . %s . 17 . 443 %s }", verb, tap, address,
             strcmp(verb, "add") == 0 ? "timeout 60s" : "");
    CHECK_INT(nft_run(command, NULL), 0);
}

/* The table as it was before zones, with a guest that has names and a connection. */
static void begin_before_zones(void)
{
    char label[PRIV_LABEL_BYTES], commands[1024];
    priv_label(&thing.owner, thing.vm_id, label);
    works(priv_rules.remove);
    CHECK_INT(nft_run("delete table inet banger", NULL), 0);
    CHECK_INT(nft_run(rules_3, NULL), 0);
    snprintf(commands, sizeof(commands),
             "add element inet banger taps { \"%s\" comment \"%s\" }\n"
             "add element inet banger egress { \"%s\" : goto egress_names }\n"
             "add element inet banger listed { \"%s\" . 192.0.2.3 . 17 . 1-99 comment \"%s\" }\n",
             tap, label, tap, tap, label);
    CHECK_INT(nft_run(commands, NULL), 0);
}

static void test_another_helper_neither_opens_nor_cuts_what_there_is(void)
{
    make(EGRESS(ALL));
    int old = socket_in(guest_ns, SERVER, SSH);
    CHECK(passes(old, ssh));
    begin_before_zones();
    pinned("add", "192.0.2.3");
    int client = socket_in(guest_ns, LISTED, WEB);
    for (int i = 0; i < 2; i++)
        CHECK(passes(client, other_web));
    CHECK(!passes(old, ssh));
    CHECK_INT(priv_rules.probe(&settings, NULL), 0); /* brings the table up */
    CHECK_INT(nft_has_chain("rules_4", NULL), 1);
    CHECK(!passes(old, ssh));
    CHECK(passes(client, other_web));
    CHECK(begins(LISTED, WEB, other_web));
    CHECK(!begins(SERVER, SSH, ssh));
    pinned("add", "192.0.2.2");
    int later = socket_in(guest_ns, SERVER, WEB);
    for (int i = 0; i < 2; i++)
        CHECK(passes(later, web));
    pinned("delete", "192.0.2.2");
    pinned("delete", "192.0.2.3");
    CHECK(passes(client, other_web));
    CHECK(passes(later, web));
    CHECK(!begins(SERVER, WEB, web));
    CHECK(!begins(LISTED, WEB, other_web));
    int own = make_named();
    CHECK(!passes(client, other_web));
    CHECK(!passes(old, ssh));
    pin(WEB, 60);
    CHECK(begins(SERVER, WEB, web));
    close(old);
    close(client);
    close(later);
    close(own);
}

__attribute__((format(printf, 2, 3))) static bool run_in(int ns, const char *format, ...)
{
    char command[512];
    va_list args;
    va_start(args, format);
    vsnprintf(command, sizeof(command), format, args);
    va_end(args);
    setns(ns, CLONE_NEWNET);
    int rc = system(command);
    setns(host_ns, CLONE_NEWNET);
    return rc == 0;
}

static bool set_up(void)
{
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET((size_t)sched_getcpu(), &one);
    sched_setaffinity(0, sizeof(one), &one);
    guest_ns = namespace();
    world_ns = namespace();
    host_ns = namespace();
    priv_tap_name(&thing.owner, thing.vm_id, tap);
    return run_in(host_ns,
                  "ip link set lo up && ip link add %s type veth peer name e0 netns /proc/%d/fd/%d "
                  "&& ip link add out type veth peer name w0 netns /proc/%d/fd/%d && ip addr add "
                  "10.213.0.1/30 dev %s && ip link set %s up && ip addr add 192.0.2.1/24 dev out "
                  "&& ip link set out up && echo 1 >/proc/sys/net/ipv4/ip_forward",
                  tap, (int)getpid(), guest_ns, (int)getpid(), world_ns, tap, tap) &&
           run_in(guest_ns, "ip addr add 10.213.0.2/30 dev e0 && ip link set e0 up && ip route add "
                            "default via 10.213.0.1") &&
           run_in(world_ns, "ip addr add 192.0.2.2/24 dev w0 && ip addr add 192.0.2.3/24 dev w0 && "
                            "ip link set w0 up");
}

int main(void)
{
    const char *lacks = peer_lacks();
    thing = (struct priv_thing){.settings = &settings,
                                .owner = {.uid = 0, .state = "0badcafe"},
                                .vm_id = "0123456789abcdef"};
    if (!lacks && !set_up())
        lacks = "no three networks: apt install iproute2, and a kernel with veth";
    if (lacks)
        return check_skip(lacks);
    web = socket_in(world_ns, SERVER, WEB);
    other_web = socket_in(world_ns, LISTED, WEB);
    ssh = socket_in(world_ns, SERVER, SSH);
    listed = socket_in(world_ns, LISTED, 80);
    mark = socket_in(world_ns, LISTED, MARK);
    RUN(test_a_connection_outlives_its_pin_and_nothing_begins);
    RUN(test_a_list_ends_what_it_does_not_open);
    RUN(test_another_list_ends_what_names_have_begun);
    RUN(test_the_host_reaches_its_guest);
    RUN(test_another_helper_neither_opens_nor_cuts_what_there_is);
    return check_end();
}
