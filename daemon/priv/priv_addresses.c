/* rtnetlink; see priv_addresses.h. */
#include "daemon/priv/priv_addresses.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/err.h"
#include "daemon/priv/priv_netlink.h"

/* More notices at once than that, and all are read again. */
enum { NOTICES_MAX = 4096 };

/* As the kernel tells two apart; address is the other end's where there is one. */
struct known {
    unsigned index;
    uint32_t local, address;
    unsigned prefix;
};

static struct {
    struct mnl_socket *notices; /* NULL: nothing is known */
    struct known *at;
    size_t n, room;
} all;

static bool read_known(const struct nlmsghdr *h, struct known *k)
{
    const struct ifaddrmsg *m = mnl_nlmsg_get_payload(h);
    const struct nlattr *attr;
    bool has_local = false;
    if (mnl_nlmsg_get_payload_len(h) < sizeof(*m) || m->ifa_family != AF_INET ||
        m->ifa_prefixlen > 32)
        return false;
    *k = (struct known){.index = m->ifa_index, .prefix = m->ifa_prefixlen};
    mnl_attr_for_each(attr, h, sizeof(*m))
    {
        unsigned type = mnl_attr_get_type(attr);
        if ((type != IFA_LOCAL && type != IFA_ADDRESS) || mnl_attr_validate(attr, MNL_TYPE_U32) < 0)
            continue;
        *(type == IFA_LOCAL ? &k->local : &k->address) = ntohl(mnl_attr_get_u32(attr));
        has_local |= type == IFA_LOCAL;
    }
    return has_local;
}

static void forget(const struct known *k)
{
    for (size_t i = 0; i < all.n; i++)
        if (memcmp(&all.at[i], k, sizeof(*k)) == 0)
            all.at[i--] = all.at[--all.n];
}

static int remember(const struct known *k)
{
    if (all.n == all.room) {
        size_t room = 2 * all.room + 16;
        struct known *more = realloc(all.at, room * sizeof(*more));
        if (!more)
            return MNL_CB_ERROR;
        all.at = more;
        all.room = room;
    }
    all.at[all.n++] = *k;
    return MNL_CB_OK;
}

static int on_listed(const struct nlmsghdr *h, void *arg)
{
    struct known k;
    (void)arg;
    return h->nlmsg_type == RTM_NEWADDR && read_known(h, &k) ? remember(&k) : MNL_CB_OK;
}

/* It may tell what the list has told, and again what has changed of an address. */
static int on_notice(const struct nlmsghdr *h, void *arg)
{
    struct known k;
    (void)arg;
    if ((h->nlmsg_type != RTM_NEWADDR && h->nlmsg_type != RTM_DELADDR) || !read_known(h, &k))
        return MNL_CB_OK;
    forget(&k);
    return h->nlmsg_type == RTM_NEWADDR ? remember(&k) : MNL_CB_OK;
}

static void begin_list(void *arg)
{
    (void)arg;
    all.n = 0;
}

void addresses_forget(void)
{
    int sys = errno;
    if (all.notices)
        mnl_socket_close(all.notices);
    all.notices = NULL;
    errno = sys;
}

/* False where some were not told (ENOBUFS), or are too many. */
static bool follow_notices(void)
{
    char notice[NETLINK_MESSAGE_BYTES];
    for (int i = 0; i < NOTICES_MAX; i++) {
        struct iovec io = {.iov_base = notice, .iov_len = sizeof(notice)};
        struct msghdr m = {.msg_iov = &io, .msg_iovlen = 1};
        ssize_t n = recvmsg(mnl_socket_get_fd(all.notices), &m, MSG_DONTWAIT);
        if (n < 0)
            return errno == EAGAIN;
        if (mnl_cb_run(notice, (size_t)n, 0, 0, on_notice, NULL) < 0)
            return false;
    }
    return false;
}

/* Listens first: what changes while the list is told comes as a notice behind it. */
static int read_all(void)
{
    char buffer[NETLINK_MESSAGE_BYTES];
    struct nlmsghdr *h = netlink_request(buffer, RTM_GETADDR, NLM_F_DUMP);
    struct ifaddrmsg *m = mnl_nlmsg_put_extra_header(h, sizeof(*m));
    m->ifa_family = AF_INET;
    all.notices = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
    if (!all.notices || mnl_socket_bind(all.notices, RTMGRP_IPV4_IFADDR, MNL_SOCKET_AUTOPID) < 0 ||
        netlink_list(NETLINK_ROUTE, h, begin_list, on_listed, NULL) < 0) {
        addresses_forget();
        return -1;
    }
    return 0;
}

static uint32_t mask_of(unsigned prefix)
{
    return prefix ? UINT32_MAX << (32 - prefix) : 0;
}

int addresses_overlap(unsigned index, uint32_t address, unsigned prefix, char name[PRIV_TAP_BYTES],
                      struct err *err)
{
    char with[IF_NAMESIZE] = "?";
    if (all.notices && !follow_notices())
        addresses_forget();
    if (!all.notices && read_all() < 0)
        return err_sys(err, errno, "cannot list addresses");
    for (size_t i = 0; i < all.n; i++) {
        const struct known *k = &all.at[i];
        unsigned shorter = k->prefix < prefix ? k->prefix : prefix;
        if (k->index == index || ((k->local ^ address) & mask_of(shorter)) != 0)
            continue;
        if_indextoname(k->index, with);
        snprintf(name, PRIV_TAP_BYTES, "%s", with);
        return 1;
    }
    return 0;
}
