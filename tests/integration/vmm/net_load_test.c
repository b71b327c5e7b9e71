/* banger-net with names, while its neighbours do not read: what passt sends gets to the guest,
 * whatever the guest's own frames wait for. This program is passt as well: it hands the socket that
 * it gets to the test. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/model/dns.h"
#include "daemon/vmm/net/net_filter.h"
#include "daemon/vmm/net/net_names.h"
#include "tests/support/check.h"

enum { HEADS = 14 + 20 + 8, LINK_FD = 3, STUCK_MS = 500, WAIT_MS = 10000, MOST = 100000 };

#define RESOLVER 0x0a000203 /* 10.0.2.3 */
#define GUEST    0x0a00020f
#define NAME     "\3www\7example\3org"
#define OVER_ENV "NET_LOAD_TEST_SOCKET" /* the socket comes this way; abstract */

static int guest, passt; /* our ends */

/* As passt: to be ready is to return. */

union control {
    struct cmsghdr align;
    char room[CMSG_SPACE(sizeof(int))];
};

static struct sockaddr_un over(const char *name, socklen_t *len)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    snprintf(at.sun_path + 1, sizeof(at.sun_path) - 1, "%s", name);
    *len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(name));
    return at;
}

static int be_passt(void)
{
    union control control = {.room = {0}};
    struct iovec byte = {"!", 1};
    struct msghdr m = {.msg_iov = &byte,
                       .msg_iovlen = 1,
                       .msg_control = control.room,
                       .msg_controllen = sizeof(control.room)};
    const int link_fd = LINK_FD;
    socklen_t len;
    const char *name = getenv(OVER_ENV);
    struct sockaddr_un at = over(name ? name : "", &len);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    *CMSG_FIRSTHDR(&m) = (struct cmsghdr){
        .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(link_fd))};
    memcpy(CMSG_DATA(CMSG_FIRSTHDR(&m)), &link_fd, sizeof(link_fd));
    return connect(fd, (struct sockaddr *)&at, len) == 0 && sendmsg(fd, &m, 0) == 1 ? 0 : 1;
}

static int take_link(int listening)
{
    union control control;
    char byte;
    int fd = -1;
    struct iovec to = {&byte, 1};
    struct msghdr m = {.msg_iov = &to,
                       .msg_iovlen = 1,
                       .msg_control = control.room,
                       .msg_controllen = sizeof(control.room)};
    struct pollfd p = {.fd = listening, .events = POLLIN};
    if (poll(&p, 1, WAIT_MS) != 1)
        return -1;
    int from = accept4(listening, NULL, NULL, SOCK_CLOEXEC);
    if (recvmsg(from, &m, MSG_CMSG_CLOEXEC) == 1 && CMSG_FIRSTHDR(&m))
        memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof(fd));
    close(from);
    return fd;
}

/* Frames */

static size_t udp(uint8_t *out, uint32_t from, uint16_t from_port, uint32_t to, uint16_t to_port,
                  size_t payload_len)
{
    const uint32_t head = htonl((uint32_t)(HEADS + payload_len)), source = htonl(from),
                   target = htonl(to);
    const uint16_t ip_len = htons((uint16_t)(28 + payload_len)),
                   ports[] = {htons(from_port), htons(to_port), htons((uint16_t)(8 + payload_len))};
    uint8_t *frame = out + NET_HEAD_BYTES;
    memset(frame, 0, HEADS);
    memcpy(out, &head, sizeof(head));
    frame[12] = 8;
    frame[14] = 0x45;
    memcpy(frame + 16, &ip_len, sizeof(ip_len));
    frame[23] = EGRESS_UDP;
    memcpy(frame + 26, &source, sizeof(source));
    memcpy(frame + 30, &target, sizeof(target));
    memcpy(frame + 34, ports, sizeof(ports));
    return NET_HEAD_BYTES + HEADS + payload_len;
}

static size_t question(uint8_t *out)
{
    struct dns_question q = {.id = 1, .flags = 0x0100, .type = 1, .class = 1};
    q.wire_len = sizeof(NAME);
    memcpy(q.wire, NAME, sizeof(NAME));
    size_t n = dns_question_write(&q, q.id, out + NET_HEAD_BYTES + HEADS);
    return udp(out, GUEST, 4711, RESOLVER, 53, n);
}

/* Sends whole frames until nobody has taken one for long. */
static bool fill(int fd, const uint8_t *frame, size_t len)
{
    struct pollfd p = {.fd = fd, .events = POLLOUT};
    for (int i = 0; i < MOST; i++) {
        if (poll(&p, 1, STUCK_MS) == 0)
            return true;
        if (send(fd, frame, len, MSG_DONTWAIT) < 0 && errno != EAGAIN)
            return false;
    }
    return false;
}

static bool gets(int fd, const uint8_t *want, size_t len)
{
    uint8_t got[256];
    size_t have = 0;
    struct pollfd p = {.fd = fd, .events = POLLIN};
    while (have < len && poll(&p, 1, WAIT_MS) == 1) {
        ssize_t n = read(fd, got + have, len - have);
        if (n <= 0)
            return false;
        have += (size_t)n;
    }
    return have == len && memcmp(got, want, len) == 0;
}

static void test_questions_that_wait_hold_up_no_answer(void)
{
    uint8_t asked[NET_HEAD_BYTES + NET_DNS_BYTES], answer[256], other[256];
    size_t len = question(asked);
    CHECK(fill(guest, asked, len)); /* passt reads none of them */
    len = udp(answer, RESOLVER, 53, GUEST, 4711, 12);
    CHECK_INT(send(passt, answer, len, 0), (ssize_t)len); /* of nothing that was asked */
    len = udp(other, 0xc0000207, 443, GUEST, 4711, 12);
    CHECK_INT(send(passt, other, len, 0), (ssize_t)len);
    CHECK(gets(guest, other, len));
}

static void end_of_it(int signo)
{
    (void)signo;
    _exit(EXIT_FAILURE);
}

int main(int argc, char **argv)
{
    char self[256] = "", name[64], counts[] = "/tmp/net-load-test.XXXXXX";
    int ends[2], status = -1;
    socklen_t len;
    if (argc > 1 && strcmp(argv[1], "--ipv4-only") == 0)
        return be_passt();
    signal(SIGALRM, end_of_it);
    alarm(6 * WAIT_MS / 1000);
    snprintf(name, sizeof(name), "net-load-test.%d", (int)getpid());
    setenv(OVER_ENV, name, 1);
    struct sockaddr_un at = over(name, &len);
    int listening = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (readlink("/proc/self/exe", self, sizeof(self) - 1) < 0 ||
        bind(listening, (struct sockaddr *)&at, len) < 0 || listen(listening, 1) < 0 ||
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
        return EXIT_FAILURE;
    close(mkstemp(counts));
    pid_t pid = fork();
    if (pid == 0) {
        dup2(ends[1], STDIN_FILENO);
        execl(NET_FILE, NET_FILE, self, counts, "list", "www.example.org:443", (char *)NULL);
        _exit(127);
    }
    close(ends[1]);
    guest = ends[0];
    passt = take_link(listening);
    waitpid(pid, &status, 0);
    CHECK_INT(status, 0);
    CHECK(passt >= 0);
    RUN(test_questions_that_wait_hold_up_no_answer);
    close(guest); /* it ends with a neighbour */
    close(passt);
    unlink(counts);
    return check_end();
}
