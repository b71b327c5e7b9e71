/* rtnetlink: one socket to be told of changes, one to ask; see net_own.h. */
#include "daemon/vmm/net/net_own.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "daemon/vmm/net/net_filter.h"

enum { OWN_BUFFER_BYTES = 32 * 1024, OWN_ANSWER_S = 5, OWN_TRIES = 10 };

static struct mnl_socket *changes, *asking;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct net_own current, fresh;

static bool is_local(const struct nlmsghdr *h)
{
    const struct rtmsg *m = mnl_nlmsg_get_payload(h);
    return (h->nlmsg_type == RTM_NEWROUTE || h->nlmsg_type == RTM_DELROUTE) &&
           mnl_nlmsg_get_payload_len(h) >= sizeof(*m) && m->rtm_family == AF_INET &&
           m->rtm_table == RT_TABLE_LOCAL;
}

static int on_route(const struct nlmsghdr *h, void *arg)
{
    struct net_own *own = arg;
    const struct rtmsg *m = mnl_nlmsg_get_payload(h);
    struct nlattr *attr;
    if (!is_local(h))
        return MNL_CB_OK;
    if (own->n == NET_OWN_MAX) {
        errno = E2BIG;
        return MNL_CB_ERROR;
    }
    own->at[own->n].address = 0;
    own->at[own->n].prefix = m->rtm_dst_len;
    mnl_attr_for_each(attr, h, sizeof(*m)) if (mnl_attr_get_type(attr) == RTA_DST &&
                                               mnl_attr_get_payload_len(attr) == 4) own->at[own->n]
        .address = __builtin_bswap32(mnl_attr_get_u32(attr));
    own->n++;
    return MNL_CB_OK;
}

static int own_ask(struct net_own *own)
{
    static unsigned seq;
    static char buffer[OWN_BUFFER_BYTES];
    struct nlmsghdr *h = mnl_nlmsg_put_header(buffer);
    h->nlmsg_type = RTM_GETROUTE;
    h->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
    h->nlmsg_seq = ++seq;
    struct rtmsg *m = mnl_nlmsg_put_extra_header(h, sizeof(*m));
    m->rtm_family = AF_INET;
    m->rtm_table = RT_TABLE_LOCAL;
    own->n = 0;
    if (mnl_socket_sendto(asking, h, h->nlmsg_len) < 0)
        return errno;
    for (;;) {
        ssize_t n = mnl_socket_recvfrom(asking, buffer, sizeof(buffer));
        int rc = n < 0 ? -1 : mnl_cb_run(buffer, (size_t)n, seq, 0, on_route, own);
        if (rc <= 0)
            return rc < 0 ? errno : 0;
    }
}

/* They may change while they are told; then that is no answer (EINTR). What is left of one is not
 * taken for the next: its number is another. */
static int own_read(struct net_own *own)
{
    int rc = EINTR;
    for (int i = 0; i < OWN_TRIES && (rc == EINTR || rc == EPROTO); i++)
        rc = own_ask(own);
    return rc;
}

static struct mnl_socket *own_connect(unsigned groups)
{
    struct mnl_socket *s = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
    if (s && mnl_socket_bind(s, groups, MNL_SOCKET_AUTOPID) == 0)
        return s;
    int sys = errno;
    if (s)
        mnl_socket_close(s);
    errno = sys;
    return NULL;
}

int net_own_open(void)
{
    const struct timeval limit = {.tv_sec = OWN_ANSWER_S};
    int yes = 1;
    changes = own_connect(RTMGRP_IPV4_ROUTE);
    asking = changes ? own_connect(0) : NULL;
    if (!asking ||
        setsockopt(mnl_socket_get_fd(asking), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) < 0)
        return errno;
    /* Only the table that is asked for; kernels before 4.20 tell all. */
    setsockopt(mnl_socket_get_fd(asking), SOL_NETLINK, NETLINK_GET_STRICT_CHK, &yes, sizeof(yes));
    return own_read(&current);
}

static int on_change(const struct nlmsghdr *h, void *arg)
{
    *(bool *)arg |= is_local(h);
    return MNL_CB_OK;
}

static void *own_follow(void *arg)
{
    static char buffer[OWN_BUFFER_BYTES];
    (void)arg;
    for (;;) {
        bool changed = false;
        ssize_t n = mnl_socket_recvfrom(changes, buffer, sizeof(buffer));
        if (n < 0)
            changed = errno != EINTR; /* ENOBUFS: some were not told */
        else
            mnl_cb_run(buffer, (size_t)n, 0, 0, on_change, &changed);
        if (!changed)
            continue;
        if (own_read(&fresh) != 0) {
            fresh.n = 1;
            memset(&fresh.at[0], 0, sizeof(fresh.at[0]));
        }
        pthread_mutex_lock(&lock);
        current.n = fresh.n;
        memcpy(current.at, fresh.at, fresh.n * sizeof(*fresh.at));
        pthread_mutex_unlock(&lock);
    }
    return NULL;
}

int net_own_watch(void)
{
    pthread_t thread;
    return pthread_create(&thread, NULL, own_follow, NULL);
}

const struct net_own *net_own_lock(void)
{
    pthread_mutex_lock(&lock);
    return &current;
}

void net_own_unlock(void)
{
    pthread_mutex_unlock(&lock);
}
