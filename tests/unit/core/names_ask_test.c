/* Questions of guests that are asked of the host's servers: how many at once, and whose. The server
 * is a socket of this test, which keeps silent. */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "daemon/core/core.h"
#include "daemon/core/names/names_internal.h"
#include "tests/support/check.h"

enum { FEW = 40 };

static struct core core;
static struct names_guests all;
static struct guest_names guests[2];
static struct sockaddr_in from;
static int server, client;

static int udp_socket(struct sockaddr_in *at)
{
    socklen_t len = sizeof(*at);
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    *at = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    CHECK_INT(bind(fd, (struct sockaddr *)at, sizeof(*at)), 0);
    CHECK_INT(getsockname(fd, (struct sockaddr *)at, &len), 0);
    return fd;
}

static void begin(uint64_t max_files)
{
    struct sockaddr_in at;
    names_guests_init(&all, max_files);
    server = udp_socket(&at);
    memcpy(&all.servers.at[0], &at, sizeof(at));
    all.servers.n = 1;
    all.servers_until_ms = INT64_MAX;
    client = udp_socket(&from);
    for (size_t i = 0; i < 2; i++) {
        guests[i] = (struct guest_names){.core = &core, .all = &all, .fd = dup(client)};
        list_init(&guests[i].asks);
        list_add_tail(&all.list, &guests[i].link);
    }
}

static void end(void)
{
    for (size_t i = 0; i < 2; i++) {
        list_foreach(l, &guests[i].asks) names_ask_end(container_of(l, struct names_ask, link));
        CHECK_INT(guests[i].n_asks, 0);
        close(guests[i].fd);
    }
    CHECK_INT(all.n_asks, 0);
    close(client);
    close(server);
}

static void ask(struct guest_names *g, uint16_t id)
{
    struct dns_question q = {.id = id, .type = 1, .class = 1, .wire_len = sizeof("\1a")};
    memcpy(q.wire, "\1a", sizeof("\1a"));
    names_ask_begin(g, &q, &from);
}

/* The id of a question that failed; -1: none has since. */
static int failed(void)
{
    uint8_t packet[DNS_TOLD_BYTES];
    ssize_t n = recv(client, packet, sizeof(packet), MSG_DONTWAIT);
    if (n < 12)
        return -1;
    CHECK_INT(packet[3] & 15, DNS_FAILED);
    return packet[0] << 8 | packet[1];
}

static void test_of_one_guest(void)
{
    begin(0);
    for (uint16_t i = 0; i < NAMES_ASKS_MAX; i++)
        ask(&guests[0], i);
    CHECK_INT(failed(), -1);
    CHECK_INT(guests[0].n_asks, NAMES_ASKS_MAX);
    ask(&guests[0], 77);
    CHECK_INT(failed(), 77);
    CHECK_INT(guests[0].n_asks, NAMES_ASKS_MAX);
    end();
}

/* Who has many gives up those that have waited longest, and keeps as many as others have. */
static void test_of_all_guests(void)
{
    begin(FEW * NAMES_ASKS_PART);
    for (uint16_t i = 0; i < NAMES_ASKS_MAX; i++)
        ask(&guests[0], i);
    for (uint16_t i = 0; i < FEW - NAMES_ASKS_MAX; i++)
        ask(&guests[1], 100 + i);
    CHECK_INT(failed(), -1);
    for (uint16_t i = FEW - NAMES_ASKS_MAX; i < FEW / 2; i++) {
        ask(&guests[1], 100 + i);
        CHECK_INT(failed(), i - (FEW - NAMES_ASKS_MAX));
    }
    CHECK_INT(guests[0].n_asks, FEW / 2);
    CHECK_INT(guests[1].n_asks, FEW / 2);
    ask(&guests[1], 200);
    CHECK_INT(failed(), 200);
    ask(&guests[0], 201);
    CHECK_INT(failed(), 201);
    CHECK_INT(all.n_asks, FEW);
    end();
}

static void test_by_the_files_that_there_are(void)
{
    names_guests_init(&all, 0); /* nobody knows */
    CHECK_INT(all.max_asks, NAMES_ASKS_ALL);
    names_guests_init(&all, 1 << 20);
    CHECK_INT(all.max_asks, NAMES_ASKS_ALL);
    names_guests_init(&all, 1024);
    CHECK_INT(all.max_asks, 1024 / NAMES_ASKS_PART);
}

int main(void)
{
    core.loop = loop_new(NULL);
    RUN(test_of_one_guest);
    RUN(test_of_all_guests);
    RUN(test_by_the_files_that_there_are);
    loop_free(core.loop);
    return check_end();
}
