/* Callers of the helper, some of whom mean ill: each keeps to his own things, and to his turn. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "daemon/priv/priv_clients.h"
#include "daemon/priv/priv_link.h"
#include "daemon/priv/priv_nft.h"
#include "daemon/priv/priv_serve.h"
#include "tests/integration/priv/peer.h"
#include "tests/support/check.h"

#define OP(name)   BANGER__PRIV__V1__OPERATION__OPERATION_##name
#define KIND(name) BANGER__PRIV__V1__KIND__KIND_##name

enum {
    ALICE = 4001,
    BOB = 4002,
    POOL = (10 << 24) + (213 << 16),
    ALICES = POOL + 2,
    BOBS = POOL + 6,
    AT_ONCE_MS = 5000, /* a limit of a machine that has other work too; hung is a minute */
    LINGER_S = 60,
};

static const char state[] = "0badcafe", vm[] = "0123456789abcdef";
static const Banger__Priv__V1__Kind kinds[] = {KIND(TAP), KIND(RULES)};

static struct peer_answer ask(int fd, Banger__Priv__V1__Operation operation,
                              Banger__Priv__V1__Kind kind, uint32_t address)
{
    Banger__Priv__V1__Request r = peer_request(operation, kind, state, vm, address);
    return peer_ask(fd, &r);
}

static void done(struct peer_answer a)
{
    CHECK(!a.gone);
    CHECK_INT(a.err.code, ERR_NONE);
}

/* As the kernel has them: whoever asks. */
static bool has_both(uint32_t uid, const char *of_state)
{
    struct priv_owner owner = {.uid = uid};
    char name[PRIV_TAP_BYTES], label[PRIV_LABEL_BYTES];
    struct link_info link;
    struct nft_guest rules;
    snprintf(owner.state, sizeof(owner.state), "%s", of_state);
    priv_tap_name(&owner, vm, name);
    priv_label(&owner, vm, label);
    return link_find(name, &link, NULL) == 0 && link.up && strcmp(link.label, label) == 0 &&
           nft_find(name, &rules, NULL) == 0 && strcmp(rules.label, label) == 0 &&
           rules.egress == BANGER__PRIV__V1__EGRESS__EGRESS_ALL;
}

static void make_bobs(void)
{
    int bob = peer_connect(BOB);
    for (int i = 0; i < 2; i++)
        CHECK_INT(ask(bob, OP(MAKE), kinds[i], BOBS).err.code, ERR_NONE);
    CHECK(has_both(BOB, state));
    close(bob);
}

/* Users, and state folders */

static void knows_nothing(int fd, const char *of_state)
{
    for (int i = 0; i < 2; i++) {
        Banger__Priv__V1__Request r = peer_request(OP(FIND), kinds[i], of_state, vm, BOBS);
        CHECK_INT(peer_ask(fd, &r).err.code, ERR_NOT_FOUND);
        r.operation = OP(LIST);
        CHECK_INT(peer_ask(fd, &r).n_found, 0);
        r.operation = OP(REMOVE);
        CHECK_INT(peer_ask(fd, &r).err.code, ERR_NONE);
    }
    Banger__Priv__V1__Request make = peer_request(OP(MAKE), KIND(TAP), of_state, vm, BOBS);
    struct peer_answer a = peer_ask(fd, &make);
    CHECK_INT(a.err.code, ERR_EXISTS);
    CHECK_STR(a.err.reason, "ADDRESS_TAKEN");
    CHECK(has_both(BOB, state));
}

static void test_another_users_things_are_out_of_reach(void)
{
    int alice = peer_connect(ALICE);
    knows_nothing(alice, state);
    close(alice);
}

static void test_another_state_folders_things_are_out_of_reach(void)
{
    int bob = peer_connect(BOB);
    knows_nothing(bob, "0badcaff");
    close(bob);
}

/* A hand has made what is called as Alice's would be. */
static void test_a_strangers_name_is_left_alone(void)
{
    struct priv_owner owner = {.uid = ALICE, .state = "0badcafe"};
    struct ifreq r = {.ifr_flags = IFF_TAP | IFF_NO_PI};
    char command[256];
    struct link_info link;
    struct nft_guest rules;
    int alice = peer_connect(ALICE), tun = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
    priv_tap_name(&owner, vm, r.ifr_name);
    CHECK_INT(ioctl(tun, TUNSETIFF, &r), 0);
    snprintf(command, sizeof(command),
             "add element inet banger taps { \"%s\" comment \"banger %d %s %s\" }\n", r.ifr_name,
             BOB, state, vm);
    CHECK_INT(nft_run(command, NULL), 0);
    for (int i = 0; i < 2; i++) {
        struct peer_answer a = ask(alice, OP(MAKE), kinds[i], ALICES);
        CHECK_INT(a.err.code, ERR_EXISTS);
        CHECK_STR(a.err.reason, "STRANGER");
        CHECK_INT(ask(alice, OP(REMOVE), kinds[i], 0).err.code, ERR_NONE);
        CHECK_INT(ask(alice, OP(LIST), kinds[i], 0).n_found, 0);
    }
    CHECK_INT(link_find(r.ifr_name, &link, NULL), 0);
    CHECK_STR(link.label, "");
    CHECK_INT(nft_find(r.ifr_name, &rules, NULL), 0);
    CHECK_STR(rules.tap, r.ifr_name);
    snprintf(command, sizeof(command), "delete element inet banger taps { \"%s\" }\n", r.ifr_name);
    CHECK_INT(nft_run(command, NULL), 0);
    close(tun);
    close(alice);
}

static void test_addresses_are_of_the_pool_and_a_guests(void)
{
    static const uint32_t wrong[] = {0,          POOL,       POOL + 1,     POOL + 3,  POOL - 2,
                                     UINT32_MAX, 0x7f000002, POOL + 65538, 0xa9fea9fe};
    int alice = peer_connect(ALICE);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
        CHECK_INT(ask(alice, OP(MAKE), KIND(TAP), wrong[i]).err.code, ERR_INVALID);
    CHECK_INT(ask(alice, OP(LIST), KIND(TAP), 0).n_found, 0);
    close(alice);
}

/* Packets */

static void refused(int fd, Banger__Priv__V1__Request r)
{
    CHECK(peer_ask(fd, &r).err.code > ERR_NONE);
}

static void test_what_is_no_request_is_refused(void)
{
    static const char *const no_tags[] = {"",         "0badcaf",   "0badcafe0", "0BADCAFE",
                                          "../../..", "0badcaf\n", "0badcaf\""};
    static const char *const no_ids[] = {
        "", "x", "0123456789abcdeu", "0123456789abcdef0", "0123456789abcd\"}", "../../etc/passwd"};
    Banger__Priv__V1__Request good = peer_request(OP(MAKE), KIND(RULES), state, vm, ALICES);
    int alice = peer_connect(ALICE);
    for (size_t i = 0; i < sizeof(no_tags) / sizeof(*no_tags); i++)
        for (int op = 0; op <= OP(LIST) + 1; op++)
            refused(alice, peer_request(op, KIND(TAP), no_tags[i], vm, ALICES));
    for (size_t i = 0; i < sizeof(no_ids) / sizeof(*no_ids); i++)
        for (int op = OP(MAKE); op <= OP(REMOVE); op++)
            refused(alice, peer_request(op, KIND(RULES), state, no_ids[i], ALICES));
    refused(alice, peer_request(OP(MAKE), 0, state, vm, ALICES));
    refused(alice, peer_request(OP(MAKE), 4711, state, vm, ALICES));
    refused(alice, peer_request(OP(MAKE), -1, state, vm, ALICES));
    refused(alice, peer_request(0, KIND(TAP), state, vm, ALICES));
    refused(alice, peer_request(4711, KIND(TAP), state, vm, ALICES));
    good.egress = 4711;
    refused(alice, good);
    CHECK_INT(ask(alice, OP(LIST), KIND(RULES), 0).n_found, 0);
    close(alice);
}

static void test_garbage_is_answered(void)
{
    uint8_t bytes[4 * PRIV_REQUEST_BYTES];
    int alice = peer_connect(ALICE);
    srand(1);
    for (size_t len = 1; len <= sizeof(bytes); len += len < 64 ? 1 : len / 7) {
        for (size_t i = 0; i < len; i++)
            bytes[i] = (uint8_t)rand(); /* NOLINT(cert-msc30-c,cert-msc50-cpp) */
        CHECK(peer_send(alice, bytes, len, -1));
        CHECK(peer_receive(alice).err.code > ERR_NONE);
    }
    close(alice);
}

/* None of the beginnings of a request makes what the whole would. */
static void test_a_request_that_is_cut_off_makes_nothing(void)
{
    uint8_t packed[PRIV_REQUEST_BYTES];
    Banger__Priv__V1__Request r = peer_request(OP(MAKE), KIND(TAP), state, vm, ALICES);
    r.egress = 0;
    size_t len = banger__priv__v1__request__pack(&r, packed);
    int alice = peer_connect(ALICE);
    for (size_t n = 1; n < len; n++) {
        CHECK(peer_send(alice, packed, n, -1));
        CHECK(peer_receive(alice).err.code > ERR_NONE);
    }
    CHECK_INT(ask(alice, OP(LIST), KIND(TAP), 0).n_found, 0);
    close(alice);
}

/* An empty packet is not told from an end. */
static void test_an_empty_packet_ends_its_connection(void)
{
    int alice = peer_connect(ALICE);
    CHECK(peer_send(alice, "", 0, -1));
    CHECK(peer_receive(alice).gone);
    close(alice);
}

/* Descriptors */

static void test_descriptors_that_are_attached_do_not_stay(void)
{
    uint8_t packed[PRIV_REQUEST_BYTES];
    Banger__Priv__V1__Request r = peer_request(OP(FIND), KIND(TAP), state, vm, 0);
    size_t len = banger__priv__v1__request__pack(&r, packed);
    int bob = peer_connect(BOB);
    done(peer_ask(bob, &r));
    int before = peer_count_fds();
    for (int i = 0; i < 100; i++) {
        int alice = peer_connect(ALICE);
        CHECK(peer_send(alice, packed, len, STDERR_FILENO));
        CHECK(peer_receive(alice).gone);
        close(alice);
    }
    done(peer_ask(bob, &r));
    CHECK_INT(peer_count_fds(), before);
    close(bob);
}

/* A connection with data that nobody takes, whose close waits for that. */
static int make_lingering(int *listener)
{
    const struct linger waits = {.l_onoff = 1, .l_linger = LINGER_S};
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(to);
    static char bytes[64 * 1024];
    struct link_info lo;
    CHECK_INT(link_find("lo", &lo, NULL), 0);
    CHECK_INT(link_raise(lo.index, NULL), 0);
    *listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_INT(bind(*listener, (struct sockaddr *)&to, sizeof(to)), 0);
    CHECK_INT(listen(*listener, 1), 0);
    CHECK_INT(getsockname(*listener, (struct sockaddr *)&to, &len), 0);
    CHECK_INT(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
    while (send(fd, bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
        ;
    CHECK_INT(setsockopt(fd, SOL_SOCKET, SO_LINGER, &waits, sizeof(waits)), 0);
    return fd;
}

static void test_a_descriptor_that_lingers_holds_nobody_up(void)
{
    uint8_t packed[PRIV_REQUEST_BYTES];
    Banger__Priv__V1__Request r = peer_request(OP(FIND), KIND(TAP), state, vm, 0);
    size_t len = banger__priv__v1__request__pack(&r, packed);
    int bob = peer_connect(BOB), alice = peer_connect(ALICE), listener[2];
    kill(peer_helper(), SIGSTOP); /* the second is closed with what waits at its connection */
    for (int i = 0; i < 2; i++) {
        int lingering = make_lingering(&listener[i]);
        CHECK(peer_send(alice, packed, len, lingering));
        close(lingering);
    }
    kill(peer_helper(), SIGCONT);
    int64_t begun = clock_mono_ms();
    CHECK(peer_receive(alice).gone);
    done(peer_ask(bob, &r));
    CHECK(clock_mono_ms() - begun < AT_ONCE_MS);
    for (int i = 0; i < 2; i++)
        close(listener[i]);
    close(alice);
    close(bob);
}

/* Turns */

static bool is_gone(int fd)
{
    char byte;
    return recv(fd, &byte, 1, MSG_DONTWAIT) == 0;
}

static void test_a_user_has_so_many_connections(void)
{
    enum { MANY = 5 * PRIV_CLIENTS_PER_USER };
    int bob = peer_connect(BOB), alices[MANY], open = 0;
    done(ask(bob, OP(FIND), KIND(TAP), 0));
    int before = peer_count_fds();
    for (int i = 0; i < MANY; i++)
        alices[i] = peer_connect(ALICE);
    CHECK_INT(ask(alices[MANY - 1], OP(FIND), KIND(TAP), 0).err.code, ERR_NOT_FOUND);
    CHECK_INT(peer_count_fds(), before + PRIV_CLIENTS_PER_USER);
    for (int i = 0; i < MANY; i++)
        open += !is_gone(alices[i]);
    CHECK_INT(open, PRIV_CLIENTS_PER_USER);
    done(ask(bob, OP(FIND), KIND(TAP), 0));
    for (int i = 0; i < MANY; i++)
        close(alices[i]);
    close(bob);
}

/* Whoever is in use stays. */
static void test_where_all_are_taken_the_most_idle_goes(void)
{
    enum { USERS = PRIV_CLIENTS_MAX / PRIV_CLIENTS_PER_USER };
    static int fds[PRIV_CLIENTS_MAX + 4];
    int bob = peer_connect(BOB);
    for (int i = 0; i < PRIV_CLIENTS_MAX; i++) {
        fds[i] = peer_connect(5000 + (uint32_t)i % (USERS + 1));
        if (i % 10 == 0)
            done(ask(bob, OP(FIND), KIND(TAP), 0));
    }
    for (int i = PRIV_CLIENTS_MAX; i < PRIV_CLIENTS_MAX + 4; i++) {
        fds[i] = peer_connect(ALICE);
        CHECK_INT(ask(fds[i], OP(FIND), KIND(TAP), 0).err.code, ERR_NOT_FOUND);
    }
    CHECK(is_gone(fds[0]) && is_gone(fds[1]));
    CHECK(!is_gone(fds[PRIV_CLIENTS_MAX - 1]) && !is_gone(bob));
    for (int i = 0; i < PRIV_CLIENTS_MAX + 4; i++)
        close(fds[i]);
    close(bob);
}

/* Who takes no answers has as many as fit, and holds up nobody. */
static void test_who_does_not_read_is_cut_off(void)
{
    uint8_t packed[PRIV_REQUEST_BYTES];
    Banger__Priv__V1__Request r = peer_request(OP(FIND), KIND(TAP), state, vm, 0);
    size_t len = banger__priv__v1__request__pack(&r, packed);
    const int little = 4096;
    int alice = peer_connect(ALICE), bob = peer_connect(BOB);
    setsockopt(alice, SOL_SOCKET, SO_RCVBUF, &little, sizeof(little));
    while (peer_send(alice, packed, len, -1))
        ;
    done(peer_ask(bob, &r));
    close(alice);
    close(bob);
}

/* Privileges */

static void status_of(const char *field, char value[64])
{
    char path[32], line[256];
    snprintf(path, sizeof(path), "/proc/%d/status", (int)peer_helper());
    FILE *f = fopen(path, "re");
    *value = '\0';
    while (f && fgets(line, sizeof(line), f))
        if (strncmp(line, field, strlen(field)) == 0)
            sscanf(line + strlen(field), ": %63s", value);
    if (f)
        fclose(f);
}

static void test_the_helper_keeps_what_it_needs_alone(void)
{
    static const struct {
        const char *field, *value;
    } want[] = {
        {"Seccomp", "2"},
        {"NoNewPrivs", "1"},
        {"CapEff", "0000000000001000"}, /* CAP_NET_ADMIN */
        {"CapPrm", "0000000000001000"},
        {"CapInh", "0000000000000000"},
        {"CapBnd", "0000000000001000"},
        {"CapAmb", "0000000000000000"},
    };
    char value[64];
    for (size_t i = 0; i < sizeof(want) / sizeof(*want); i++) {
        status_of(want[i].field, value);
        if (!CHECK_STR(value, want[i].value))
            fprintf(stderr, "  of %s\n", want[i].field);
    }
}

static void test_bobs_things_are_as_they_were(void)
{
    int bob = peer_connect(BOB);
    CHECK(has_both(BOB, state));
    for (int i = 2; i-- > 0;) {
        struct peer_answer a = ask(bob, OP(LIST), kinds[i], 0);
        CHECK_INT(a.n_found, 1);
        CHECK_STR(a.vm, vm);
        CHECK_INT(ask(bob, OP(REMOVE), kinds[i], 0).err.code, ERR_NONE);
        CHECK_INT(ask(bob, OP(LIST), kinds[i], 0).n_found, 0);
    }
    close(bob);
}

int main(void)
{
    const char *lacks = peer_lacks();
    if (lacks)
        return check_skip(lacks);
    if (!peer_open(PRIV_FILE))
        return EXIT_FAILURE;
    make_bobs();
    RUN(test_another_users_things_are_out_of_reach);
    RUN(test_another_state_folders_things_are_out_of_reach);
    RUN(test_a_strangers_name_is_left_alone);
    RUN(test_addresses_are_of_the_pool_and_a_guests);
    RUN(test_what_is_no_request_is_refused);
    RUN(test_garbage_is_answered);
    RUN(test_a_request_that_is_cut_off_makes_nothing);
    RUN(test_an_empty_packet_ends_its_connection);
    RUN(test_descriptors_that_are_attached_do_not_stay);
    RUN(test_a_descriptor_that_lingers_holds_nobody_up);
    RUN(test_a_user_has_so_many_connections);
    RUN(test_where_all_are_taken_the_most_idle_goes);
    RUN(test_who_does_not_read_is_cut_off);
    RUN(test_the_helper_keeps_what_it_needs_alone);
    RUN(test_bobs_things_are_as_they_were);
    peer_close();
    return check_end();
}
