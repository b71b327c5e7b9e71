/* libmnl; see priv_netlink.h. */
#include "daemon/priv/priv_netlink.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>

enum { LIST_TRIES = 32 };

struct nlmsghdr *netlink_request(void *buffer, uint16_t type, uint16_t flags)
{
    struct nlmsghdr *h = mnl_nlmsg_put_header(buffer);
    h->nlmsg_type = type;
    h->nlmsg_flags = NLM_F_REQUEST | flags;
    h->nlmsg_seq = (uint32_t)time(NULL);
    return h;
}

static int converse(struct mnl_socket *socket, const struct nlmsghdr *h, mnl_cb_t on_message,
                    void *arg)
{
    char answer[NETLINK_MESSAGE_BYTES];
    struct timeval limit = {.tv_sec = NETLINK_ANSWER_MS / 1000};
    uint32_t seq = h->nlmsg_seq;
    int rc = MNL_CB_OK;
    if (mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) < 0 ||
        setsockopt(mnl_socket_get_fd(socket), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) < 0 ||
        mnl_socket_sendto(socket, h, h->nlmsg_len) < 0)
        return -1;
    while (rc > MNL_CB_STOP) {
        ssize_t n = mnl_socket_recvfrom(socket, answer, sizeof(answer));
        if (n < 0)
            return -1;
        rc = mnl_cb_run(answer, (size_t)n, seq, mnl_socket_get_portid(socket), on_message, arg);
    }
    return rc;
}

int netlink_ask(int bus, const struct nlmsghdr *h, mnl_cb_t on_message, void *arg)
{
    struct mnl_socket *socket = mnl_socket_open2(bus, SOCK_CLOEXEC);
    if (!socket)
        return -1;
    int rc = converse(socket, h, on_message, arg), sys = errno;
    mnl_socket_close(socket);
    errno = sys;
    return rc < 0 ? -1 : 0;
}

int netlink_list(int bus, const struct nlmsghdr *h, void (*begin)(void *arg), mnl_cb_t on_message,
                 void *arg)
{
    for (int i = 0; i < LIST_TRIES; i++) {
        begin(arg);
        if (netlink_ask(bus, h, on_message, arg) == 0)
            return 0;
        if (errno != EINTR)
            return -1;
    }
    errno = EAGAIN;
    return -1;
}

void netlink_copy_text(char *out, size_t size, const struct nlattr *attr)
{
    if (mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) == 0)
        snprintf(out, size, "%s", mnl_attr_get_str(attr));
}
