/* Egress lists: what a request may hold, and what of it is in the table. */
#include <arpa/inet.h>
#include <jansson.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/priv/priv_egress.h"
#include "daemon/priv/priv_nft.h"
#include "tests/integration/priv/peer.h"
#include "tests/support/check.h"

#define OP(name)     BANGER__PRIV__V1__OPERATION__OPERATION_##name
#define EGRESS(name) BANGER__PRIV__V1__EGRESS__EGRESS_##name

enum { ALICE = 4001, BOB = 4002, MOST = EGRESS_ENTRIES_MAX + EGRESS_OWN_ENTRIES };

static const char state[] = "0badcafe", vm[] = "0123456789abcdef";
static int alice, bob;

static Banger__Priv__V1__Allowed entry(const char *text)
{
    Banger__Priv__V1__Allowed a = BANGER__PRIV__V1__ALLOWED__INIT;
    struct egress_entry e;
    CHECK_INT(egress_entry_parse(text, &e, NULL), 0);
    a.address = e.address;
    a.prefix = e.prefix;
    a.protocol = e.protocol;
    a.port = e.port;
    a.port_last = e.port_last;
    return a;
}

static struct peer_answer ask(int fd, Banger__Priv__V1__Operation operation,
                              Banger__Priv__V1__Egress egress, Banger__Priv__V1__Allowed *allow,
                              size_t n)
{
    Banger__Priv__V1__Allowed *pointers[MOST + 1];
    Banger__Priv__V1__Request r =
        peer_request(operation, BANGER__PRIV__V1__KIND__KIND_RULES, state, vm, 0);
    for (size_t i = 0; i < n; i++)
        pointers[i] = &allow[i];
    r.egress = egress;
    r.allow = pointers;
    r.n_allow = n;
    return peer_ask(fd, &r);
}

static int make(int fd, Banger__Priv__V1__Egress egress, Banger__Priv__V1__Allowed *allow, size_t n)
{
    struct peer_answer a = ask(fd, OP(MAKE), egress, allow, n);
    CHECK(!a.gone);
    if (a.err.code != ERR_NONE && a.err.code != ERR_INVALID)
        fprintf(stderr, "%s\n", a.err.message);
    return (int)a.err.code;
}

struct count {
    char tap[PRIV_TAP_BYTES], label[PRIV_LABEL_BYTES];
    int n;
};

static void count_one(void *arg, const char *tap, const char *label)
{
    struct count *c = arg;
    c->n += strcmp(tap, c->tap) == 0 && strcmp(label, c->label) == 0;
}

/* Elements of the user's list, as the kernel has them. */
static int elements(uint32_t uid)
{
    struct priv_owner owner = {.uid = uid};
    struct count c = {.n = 0};
    snprintf(owner.state, sizeof(owner.state), "%s", state);
    priv_tap_name(&owner, vm, c.tap);
    priv_label(&owner, vm, c.label);
    CHECK_INT(egress_each(count_one, &c, NULL), 0);
    return c.n;
}

static Banger__Priv__V1__Egress verdict(uint32_t uid)
{
    struct priv_owner owner = {.uid = uid};
    char tap[PRIV_TAP_BYTES];
    struct nft_guest guest;
    snprintf(owner.state, sizeof(owner.state), "%s", state);
    priv_tap_name(&owner, vm, tap);
    CHECK_INT(nft_find(tap, &guest, NULL), 0);
    return guest.egress;
}

static void test_a_list_is_made_replaced_and_removed(void)
{
    Banger__Priv__V1__Allowed first[] = {entry("192.0.2.0/24:443/tcp"), entry("10.0.0.0/8")},
                              second[] = {entry("192.0.2.0/25:1-500"), entry("10.1.0.0/16"),
                                          entry("10.1.2.0/24:80"), entry("0.0.0.0/0:53/udp")};
    CHECK_INT(make(bob, EGRESS(LIST), first, 2), ERR_NONE);
    CHECK_INT(make(alice, EGRESS(LIST), first, 2), ERR_NONE);
    CHECK_INT(elements(ALICE), 2);
    CHECK_INT(verdict(ALICE), EGRESS(LIST));
    CHECK_INT(ask(alice, OP(FIND), EGRESS(LIST), first, 2).err.code, ERR_NONE);
    CHECK_INT(ask(alice, OP(FIND), EGRESS(ALL), NULL, 0).err.code, ERR_NOT_FOUND);
    CHECK_INT(make(alice, EGRESS(LIST), first, 2), ERR_NONE); /* as it is */
    CHECK_INT(elements(ALICE), 2);
    CHECK_INT(make(alice, EGRESS(LIST), second, 4), ERR_NONE); /* which overlaps with it */
    CHECK(elements(ALICE) > 4);
    CHECK_INT(make(alice, EGRESS(NONE), NULL, 0), ERR_NONE);
    CHECK_INT(elements(ALICE), 0);
    CHECK_INT(verdict(ALICE), EGRESS(NONE));
    CHECK_INT(make(alice, EGRESS(LIST), second, 4), ERR_NONE);
    CHECK_INT(ask(alice, OP(REMOVE), 0, NULL, 0).err.code, ERR_NONE);
    CHECK_INT(elements(ALICE), 0);
    CHECK_INT(verdict(ALICE), EGRESS(UNSPECIFIED));
    CHECK_INT(elements(BOB), 2); /* another's */
    CHECK_INT(verdict(BOB), EGRESS(LIST));
}

static void test_the_longest_list_fits(void)
{
    Banger__Priv__V1__Allowed all[MOST + 1];
    char text[EGRESS_TEXT_BYTES];
    for (unsigned i = 0; i <= MOST; i++) {
        snprintf(text, sizeof(text), "198.51.100.%u:60000-65535/tcp", i);
        all[i] = entry(text);
    }
    CHECK_INT(make(alice, EGRESS(LIST), all, MOST + 1), ERR_INVALID);
    CHECK_INT(elements(ALICE), 0);
    for (unsigned i = 0; i < MOST; i++) /* none joins its neighbour */
        all[i].port += i;
    CHECK_INT(make(alice, EGRESS(LIST), all, MOST), ERR_NONE);
    CHECK_INT(elements(ALICE), MOST);
    CHECK_INT(ask(alice, OP(REMOVE), 0, NULL, 0).err.code, ERR_NONE);
}

static void test_what_is_no_list(void)
{
    Banger__Priv__V1__Allowed good = entry("192.0.2.0/24:443/tcp"), bad;
    CHECK_INT(make(alice, EGRESS(ALL), &good, 1), ERR_INVALID);
    CHECK_INT(make(alice, EGRESS(NONE), &good, 1), ERR_INVALID);
    CHECK_INT(make(alice, (Banger__Priv__V1__Egress)5, &good, 1), ERR_INVALID);
#define BAD(what)                                                                                  \
    ((bad = good), (bad.what), CHECK_INT(make(alice, EGRESS(LIST), &bad, 1), ERR_INVALID))
    BAD(prefix = 33);
    BAD(prefix = 16); /* bits behind it */
    BAD(prefix = UINT32_MAX);
    BAD(protocol = 1);
    BAD(protocol = 256 + EGRESS_TCP);
    BAD(port = 65536 + 443);
    BAD(port = 444);
    BAD(port = 0);
    BAD(port_last = 65536 + 443);
    BAD(address = 0x7f000100); /* loopback */
    BAD(address = 0xa9fea900); /* link-local */
    BAD(address = 0xe0000000);
#undef BAD
    CHECK_INT(elements(ALICE), 0);
    CHECK_INT(verdict(ALICE), EGRESS(UNSPECIFIED));
}

static void test_what_a_hand_has_left_of_it_is_found(void)
{
    Banger__Priv__V1__Allowed list = entry("0.0.0.0/0:443/tcp");
    struct priv_owner owner = {.uid = ALICE};
    char tap[PRIV_TAP_BYTES], command[256];
    snprintf(owner.state, sizeof(owner.state), "%s", state);
    priv_tap_name(&owner, vm, tap);
    CHECK_INT(make(alice, EGRESS(LIST), &list, 1), ERR_NONE);
    CHECK(elements(ALICE) > 1);
    snprintf(command, sizeof(command),
             "delete element inet banger taps { \"%s\" }\ndelete element inet banger egress { "
             "\"%s\" }\n",
             tap, tap);
    CHECK_INT(nft_run(command, NULL), 0);
    struct peer_answer a = ask(alice, OP(LIST), 0, NULL, 0);
    CHECK_INT(a.n_found, 1);
    CHECK_STR(a.vm, vm);
    CHECK_INT(ask(alice, OP(FIND), EGRESS(LIST), NULL, 0).err.code, ERR_NOT_FOUND);
    CHECK_INT(make(alice, EGRESS(LIST), &list, 1), ERR_NONE); /* over what is left */
    CHECK_INT(nft_run(command, NULL), 0);
    CHECK_INT(ask(alice, OP(REMOVE), 0, NULL, 0).err.code, ERR_NONE);
    CHECK_INT(elements(ALICE), 0);
    CHECK_INT(ask(alice, OP(LIST), 0, NULL, 0).n_found, 0);
    CHECK_INT(elements(BOB), 2);
}

/* Names */

enum { GUEST = 0x0ad50002 }; /* 10.213.0.2 */

/* How many elements of the table have the user's tap in a set or map. */
static int count_in(const char *what, const char *name, uint32_t uid)
{
    struct priv_owner owner = {.uid = uid};
    char tap[PRIV_TAP_BYTES], command[64], want[PRIV_TAP_BYTES + 2];
    int n = 0;
    snprintf(owner.state, sizeof(owner.state), "%s", state);
    priv_tap_name(&owner, vm, tap);
    snprintf(command, sizeof(command), "list %s inet banger %s", what, name);
    snprintf(want, sizeof(want), "\"%s\"", tap);
    json_t *answer = nft_read(command, NULL);
    char *text = json_dumps(answer, 0);
    for (const char *at = text; at && (at = strstr(at, want)); at++)
        n++;
    free(text);
    json_decref(answer);
    return n;
}

static struct peer_answer name_ask(int fd, Banger__Priv__V1__Operation operation, uint32_t port,
                                   uint32_t *addresses, size_t n, uint32_t seconds)
{
    Banger__Priv__V1__Allowed web = BANGER__PRIV__V1__ALLOWED__INIT, *ports[] = {&web};
    Banger__Priv__V1__Request r =
        peer_request(operation, BANGER__PRIV__V1__KIND__KIND_RULES, state, vm, GUEST);
    web.protocol = EGRESS_TCP;
    web.port = web.port_last = 443;
    r.port = port;
    if (operation == OP(PIN)) {
        r.allow = ports;
        r.n_allow = 1;
    }
    r.addresses = addresses;
    r.n_addresses = n;
    r.seconds = seconds;
    return peer_ask(fd, &r);
}

/* A socket of that user's at the host's end, which is on the loopback here. */
static int name_socket(uint32_t uid, uint32_t address, uint32_t *port)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(address)};
    socklen_t len = sizeof(at);
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    CHECK(fd >= 0 && fchown(fd, uid, uid) == 0);
    CHECK_INT(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    CHECK_INT(getsockname(fd, (struct sockaddr *)&at, &len), 0);
    *port = ntohs(at.sin_port);
    return fd;
}

#define RESOLVE(fd, port) ((int)name_ask(fd, OP(RESOLVE), port, NULL, 0, 0).err.code)
#define PIN(port, address, s)                                                                      \
    ((int)name_ask(alice, OP(PIN), port, &(uint32_t){address}, 1, s).err.code)

static void test_questions_go_to_who_has_the_socket_and_what_they_open_ends(void)
{
    uint32_t port, bobs, elsewhere, again;
    if (system("ip addr add 10.213.0.1/30 dev lo && ip link set lo up") != 0)
        exit(check_skip("no address: apt install iproute2"));
    int own = name_socket(ALICE, GUEST - 1, &port), other = name_socket(BOB, GUEST - 1, &bobs),
        wrong = name_socket(ALICE, 0x7f000001, &elsewhere);
    CHECK_INT(RESOLVE(alice, port), ERR_NOT_FOUND); /* no rules at all */
    CHECK_INT(make(alice, EGRESS(LIST), NULL, 0), ERR_NONE);
    CHECK_INT(RESOLVE(alice, port), ERR_NOT_FOUND); /* none with names */
    CHECK_INT(make(alice, EGRESS(NAMES), NULL, 0), ERR_NONE);
    CHECK_INT(verdict(ALICE), EGRESS(NAMES));
    CHECK_INT(RESOLVE(bob, bobs), ERR_NOT_FOUND);
    CHECK_INT(RESOLVE(alice, bobs), ERR_INVALID);
    CHECK_INT(RESOLVE(alice, elsewhere), ERR_INVALID);
    CHECK_INT(RESOLVE(alice, 53), ERR_INVALID);
    CHECK_INT(RESOLVE(alice, port + 65536), ERR_INVALID);
    CHECK(PIN(port, 0xc0000207, 60) != ERR_NONE); /* nothing is led there */
    CHECK_INT(count_in("map", "resolvers", ALICE), 0);
    for (int i = 0; i < 2; i++)
        CHECK_INT(RESOLVE(alice, port), ERR_NONE);
    CHECK_INT(count_in("map", "resolvers", ALICE), 1);
    CHECK_INT(count_in("set", "answering", ALICE), 1);
    for (int i = 0; i < 2; i++) /* again and again */
        CHECK_INT(PIN(port, 0xc0000207, 60 + (uint32_t)i), ERR_NONE);
    CHECK_INT(PIN(port, 0xc0000208, 60), ERR_NONE);
    CHECK_INT(count_in("set", "pinned", ALICE), 2);
    CHECK_INT(PIN(port, 0xc0000208, 0), ERR_NONE);
    CHECK_INT(PIN(port, 0xc0000209, 0), ERR_NONE); /* which was not there */
    CHECK_INT(count_in("set", "pinned", ALICE), 1);
    static const uint32_t inside[] = {0x7f000001, 0xa9fea9fe, 0x0a000001,
                                      0xc0a80001, 0,          0xe0000001};
    for (size_t i = 0; i < sizeof(inside) / sizeof(*inside); i++)
        CHECK_INT(PIN(port, inside[i], 60), ERR_INVALID);
    CHECK_INT(PIN(port, 0xc0000207, 4201), ERR_INVALID);
    CHECK_INT(PIN(53, 0xc0000207, 60), ERR_INVALID);
    CHECK_INT(make(alice, EGRESS(NAMES), NULL, 0), ERR_NONE); /* anew: nothing of before is left, */
    CHECK_INT(count_in("set", "pinned", ALICE), 0);
    CHECK_INT(count_in("map", "resolvers", ALICE), 0);
    CHECK(PIN(port, 0xc0000207, 60) != ERR_NONE); /* and nothing of it comes late */
    int next = name_socket(ALICE, GUEST - 1, &again);
    CHECK_INT(RESOLVE(alice, again), ERR_NONE);
    CHECK(PIN(port, 0xc0000207, 60) != ERR_NONE);
    CHECK_INT(PIN(again, 0xc0000207, 60), ERR_NONE);
    CHECK_INT(count_in("set", "pinned", ALICE), 1);
    CHECK_INT(ask(alice, OP(REMOVE), 0, NULL, 0).err.code, ERR_NONE);
    CHECK_INT(count_in("set", "pinned", ALICE), 0);
    CHECK_INT(count_in("map", "resolvers", ALICE), 0);
    CHECK_INT(count_in("set", "answering", ALICE), 0);
    close(own);
    close(other);
    close(wrong);
    close(next);
}

int main(void)
{
    const char *lacks = peer_lacks();
    if (lacks)
        return check_skip(lacks);
    if (!peer_open(PRIV_FILE))
        return EXIT_FAILURE;
    alice = peer_connect(ALICE);
    bob = peer_connect(BOB);
    RUN(test_a_list_is_made_replaced_and_removed);
    RUN(test_the_longest_list_fits);
    RUN(test_what_is_no_list);
    RUN(test_questions_go_to_who_has_the_socket_and_what_they_open_ends);
    RUN(test_what_a_hand_has_left_of_it_is_found);
    close(alice);
    close(bob);
    peer_close();
    return check_end();
}
