/* banger-net between a guest and a passt that both are this test: what waits for the one direction
 * does not hold up the other. net/main.c */
#include <arpa/inet.h>
#include <linux/sockios.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "daemon/host/run.h"
#include "daemon/model/dns.h"
#include "daemon/model/egress.h"
#include "tests/support/check.h"

enum {
    HEAD = 4,
    HEADS = 14 + 20 + 8,
    WAIT_MS = 20000,
    GUEST_PORT = 4711,
    LISTED_PORT = 443,
    ID = 1,
    FRAME_MAX = 2048
};

#define LINK_VARIABLE "BANGER_TEST_LINK"
#define WWW           "\3www\7example\3org"

static char folder[] = "/tmp/banger-net-XXXXXX";
static int guest = -1, passt = -1;

/* passt: gives its end of the link to the test, and is ready. */

static int stand_in(const char *path)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    char byte = 0, control[CMSG_SPACE(sizeof(int))] = {0};
    struct iovec iov = {.iov_base = &byte, .iov_len = 1};
    struct msghdr m = {.msg_iov = &iov,
                       .msg_iovlen = 1,
                       .msg_control = control,
                       .msg_controllen = sizeof(control)};
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    int link = 3, fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    *c = (struct cmsghdr){
        .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(link))};
    memcpy(CMSG_DATA(c), &link, sizeof(link));
    snprintf(to.sun_path, sizeof(to.sun_path), "%s", path);
    return fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0 || sendmsg(fd, &m, 0) != 1;
}

static int take_link(int listener)
{
    char byte, control[CMSG_SPACE(sizeof(int))];
    struct iovec iov = {.iov_base = &byte, .iov_len = 1};
    struct msghdr m = {.msg_iov = &iov,
                       .msg_iovlen = 1,
                       .msg_control = control,
                       .msg_controllen = sizeof(control)};
    int link = -1, fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    struct cmsghdr *c =
        fd >= 0 && recvmsg(fd, &m, MSG_CMSG_CLOEXEC) == 1 ? CMSG_FIRSTHDR(&m) : NULL;
    if (c && c->cmsg_type == SCM_RIGHTS)
        memcpy(&link, CMSG_DATA(c), sizeof(link));
    close(fd);
    return link;
}

static void start(void)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    struct run_result *r = malloc(sizeof(*r));
    struct err err = ERR_INIT;
    char counts[64], self[256] = "";
    int ends[2], listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(mkdtemp(folder) && readlink("/proc/self/exe", self, sizeof(self) - 1) > 0);
    snprintf(at.sun_path, sizeof(at.sun_path), "%s/link", folder);
    snprintf(counts, sizeof(counts), "%s/counts", folder);
    setenv(LINK_VARIABLE, at.sun_path, 1);
    CHECK_INT(bind(listener, (struct sockaddr *)&at, sizeof(at)), 0);
    CHECK_INT(listen(listener, 1), 0);
    CHECK_INT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    const char *const argv[] = {
        NET_FILE, self, counts, "list", "198.51.100.0/24", "*.example.org:443", NULL};
    int rc = run_program_on(argv, ends[1], WAIT_MS, -1, r, &err);
    if (rc < 0 || r->code != 0) {
        fprintf(stderr, "banger-net: %s %s\n", err.message, rc < 0 ? "" : r->out);
        exit(EXIT_FAILURE);
    }
    close(ends[1]);
    guest = ends[0];
    passt = take_link(listener);
    close(listener);
    free(r);
    CHECK(passt >= 0);
}

/* Frames */

enum way { QUESTION, ANSWER, LISTED };

static size_t udp(uint8_t *out, enum way way, const void *payload, size_t len)
{
    static const uint8_t us[] = {10, 0, 2, 15}, resolver[] = {10, 0, 2, 3},
                         listed[] = {198, 51, 100, 7};
    const uint8_t *from = way == ANSWER ? resolver : us, *to = way == QUESTION ? resolver : listed;
    const uint16_t ports[] = {htons(way == ANSWER ? DNS_PORT : GUEST_PORT),
                              htons(way == ANSWER     ? GUEST_PORT
                                    : way == QUESTION ? DNS_PORT
                                                      : LISTED_PORT)},
                   udp_len = htons((uint16_t)(len + 8));
    const uint32_t head = htonl((uint32_t)(HEADS + len));
    uint8_t *ip = out + HEAD + 14;
    memmove(ip + 28, payload, len);
    memcpy(out, &head, sizeof(head));
    memset(out + HEAD, 0, HEADS);
    out[HEAD + 12] = 8;
    ip[0] = 0x45;
    ip[9] = EGRESS_UDP;
    memcpy(ip + 12, from, 4);
    memcpy(ip + 16, way == ANSWER ? us : to, 4);
    memcpy(ip + 20, ports, sizeof(ports));
    memcpy(ip + 24, &udp_len, sizeof(udp_len));
    return HEAD + HEADS + len;
}

static size_t question(uint8_t *out)
{
    uint8_t payload[DNS_PACKET_BYTES];
    struct dns_question q = {.wire_len = sizeof(WWW)};
    memcpy(q.wire, WWW, sizeof(WWW));
    return udp(out, QUESTION, payload, dns_question_write(&q, ID, payload));
}

static bool wait_for(int fd, short events)
{
    struct pollfd p = {.fd = fd, .events = events};
    return poll(&p, 1, WAIT_MS) == 1 && (p.revents & events);
}

static size_t read_frame(int fd, uint8_t *out)
{
    uint32_t head = 0;
    size_t n = 0;
    if (!wait_for(fd, POLLIN) || recv(fd, &head, HEAD, MSG_WAITALL) != HEAD ||
        (n = ntohl(head)) > FRAME_MAX || recv(fd, out, n, MSG_WAITALL) != (ssize_t)n)
        return 0;
    return n;
}

/* Load */

/* How many bytes a link takes, in frames of so many, until who writes has to wait. */
static size_t link_takes(size_t len)
{
    static const uint8_t nothing[FRAME_MAX];
    int ends[2];
    size_t n = 0;
    CHECK_INT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    while (send(ends[0], nothing, len, MSG_DONTWAIT) == (ssize_t)len)
        n += len;
    close(ends[0]);
    close(ends[1]);
    return n;
}

static bool comes_to(unsigned long request, int fd, size_t bytes)
{
    int64_t until_ms = clock_mono_ms() + WAIT_MS;
    int n = -1;
    while (ioctl(fd, request, &n) == 0 && n != (int)bytes && clock_mono_ms() < until_ms)
        sched_yield();
    return n == (int)bytes;
}

/* One by one, as each takes a place of its own in the link. */
static void fill_the_link(size_t len)
{
    uint8_t frame[FRAME_MAX] = {0};
    size_t bytes = link_takes(len);
    udp(frame, LISTED, frame + HEAD + HEADS, len - HEAD - HEADS);
    for (size_t at = 0; at < bytes; at += len)
        if (!CHECK(write(guest, frame, len) == (ssize_t)len) ||
            !CHECK(comes_to(FIONREAD, passt, at + len)))
            break;
}

static void test_an_answer_passes_by_a_question_that_waits(void)
{
    uint8_t frame[FRAME_MAX], asked[FRAME_MAX], payload[DNS_TOLD_BYTES];
    struct dns_question q;
    struct dns_answer a = {.ttl_s = 60, .n = 1, .addresses = {0xc0000207}}, told = {0};
    size_t n_asked = question(asked);
    CHECK(write(guest, asked, n_asked) == (ssize_t)n_asked);
    size_t n = read_frame(passt, frame);
    CHECK(n > HEADS && dns_question_read(frame + HEADS, n - HEADS, &q) == DNS_OK);
    fill_the_link(HEAD + n);
    CHECK(write(guest, asked, n_asked) == (ssize_t)n_asked);
    CHECK(comes_to(SIOCOUTQ, guest, 0)); /* it is read, and has no place to go on to */
    n = udp(frame, ANSWER, payload, dns_answer_write(&q, &a, payload));
    CHECK(write(passt, frame, n) == (ssize_t)n);
    n = read_frame(guest, frame);
    CHECK(n > HEADS && dns_answer_read(frame + HEADS, n - HEADS, &q, ID, &told));
    CHECK_INT(told.n, 1);
    close(passt);
    close(guest);
}

int main(int argc, char **argv)
{
    char path[64];
    (void)argv;
    if (argc > 1)
        return stand_in(getenv(LINK_VARIABLE));
    start();
    RUN(test_an_answer_passes_by_a_question_that_waits);
    snprintf(path, sizeof(path), "%s/counts", folder);
    unlink(path);
    snprintf(path, sizeof(path), "%s/link", folder);
    unlink(path);
    rmdir(folder);
    return check_end();
}
