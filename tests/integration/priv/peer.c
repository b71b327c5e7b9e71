/* See peer.h. */
#include "tests/integration/priv/peer.h"

#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/priv/priv_serve.h"

static struct sockaddr_un at = {.sun_family = AF_UNIX};
static pid_t helper;

const char *peer_lacks(void)
{
    if (geteuid() != 0 || access("/dev/net/tun", R_OK | W_OK) < 0)
        return "it needs root and /dev/net/tun";
    return unshare(CLONE_NEWNET) < 0 ? "it needs a network namespace" : NULL;
}

bool peer_open(const char *program)
{
    snprintf(at.sun_path, sizeof(at.sun_path), "/tmp/banger-priv-test.%d", (int)getpid());
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0 || chmod(at.sun_path, 0666) < 0 ||
        listen(fd, SOMAXCONN) < 0)
        return false;
    helper = fork();
    if (helper == 0) {
        dup2(fd, 3);
        if (fd == 3)
            fcntl(3, F_SETFD, 0);
        execl(program, program, NULL);
        _exit(127);
    }
    close(fd);
    return helper > 0;
}

void peer_close(void)
{
    kill(helper, SIGKILL);
    waitpid(helper, NULL, 0);
    unlink(at.sun_path);
}

pid_t peer_helper(void)
{
    return helper;
}

int peer_count_fds(void)
{
    char path[32];
    int n = 0;
    snprintf(path, sizeof(path), "/proc/%d/fd", (int)helper);
    DIR *d = opendir(path);
    while (d && readdir(d))
        n++;
    if (d)
        closedir(d);
    return n;
}

int peer_connect(uint32_t uid)
{
    const struct timeval limit = {.tv_sec = PEER_WAIT_S};
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (seteuid(uid) < 0)
        abort();
    int rc = connect(fd, (struct sockaddr *)&at, sizeof(at));
    if (seteuid(0) < 0 || rc < 0 ||
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) < 0)
        abort();
    return fd;
}

bool peer_send(int fd, const void *bytes, size_t len, int attached)
{
    union {
        struct cmsghdr head;
        char room[CMSG_SPACE(sizeof(int))];
    } control = {.head = {.cmsg_len = CMSG_LEN(sizeof(int)),
                          .cmsg_level = SOL_SOCKET,
                          .cmsg_type = SCM_RIGHTS}};
    struct iovec io = {.iov_base = (void *)bytes, .iov_len = len};
    struct msghdr m = {.msg_iov = &io, .msg_iovlen = 1};
    if (attached >= 0) {
        m.msg_control = &control;
        m.msg_controllen = sizeof(control.room);
        memcpy(CMSG_DATA(&control.head), &attached, sizeof(attached));
    }
    return sendmsg(fd, &m, MSG_NOSIGNAL) == (ssize_t)len;
}

static bool read_packet(struct peer_answer *a, const uint8_t *packet, size_t len)
{
    Banger__Priv__V1__Reply *m = banger__priv__v1__reply__unpack(NULL, len, packet);
    if (!m)
        abort();
    bool last = m->last;
    if (m->code) {
        err_set(&a->err, (enum err_code)m->code, "%s", m->message);
        err_tag(&a->err, m->reason, NULL);
    }
    a->n_found += m->n_found;
    if (m->n_found) {
        snprintf(a->vm, sizeof(a->vm), "%s", m->found[m->n_found - 1]->vm);
        snprintf(a->name, sizeof(a->name), "%s", m->found[m->n_found - 1]->name);
    }
    banger__priv__v1__reply__free_unpacked(m, NULL);
    return last;
}

struct peer_answer peer_receive(int fd)
{
    uint8_t packet[PRIV_REPLY_BYTES];
    struct peer_answer a = {.err = ERR_INIT};
    for (;;) {
        ssize_t n = recv(fd, packet, sizeof(packet), 0);
        if (n <= 0) {
            a.gone = true;
            return a;
        }
        if (read_packet(&a, packet, (size_t)n))
            return a;
    }
}

struct peer_answer peer_ask(int fd, const Banger__Priv__V1__Request *request)
{
    uint8_t packed[PRIV_REQUEST_BYTES];
    size_t len = banger__priv__v1__request__pack(request, packed);
    peer_send(fd, packed, len, -1);
    return peer_receive(fd);
}

Banger__Priv__V1__Request peer_request(Banger__Priv__V1__Operation operation,
                                       Banger__Priv__V1__Kind kind, const char *state,
                                       const char *vm, uint32_t address)
{
    Banger__Priv__V1__Request r = BANGER__PRIV__V1__REQUEST__INIT;
    r.operation = operation;
    r.kind = kind;
    r.state = (char *)state;
    r.vm = (char *)vm;
    r.address = address;
    r.egress = BANGER__PRIV__V1__EGRESS__EGRESS_ALL;
    return r;
}
