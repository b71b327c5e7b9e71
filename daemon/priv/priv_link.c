/* rtnetlink; see priv_link.h. */
#include "daemon/priv/priv_link.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "daemon/priv/priv_netlink.h"

/* Finding */

static void read_link(const struct nlmsghdr *h, struct link_info *info)
{
    const struct ifinfomsg *m = mnl_nlmsg_get_payload(h);
    const struct nlattr *attr;
    *info = (struct link_info){.index = (unsigned)m->ifi_index, .up = m->ifi_flags & IFF_UP};
    mnl_attr_for_each(attr, h, sizeof(*m))
    {
        if (mnl_attr_get_type(attr) == IFLA_IFNAME)
            netlink_copy_text(info->name, sizeof(info->name), attr);
        else if (mnl_attr_get_type(attr) == IFLA_IFALIAS)
            netlink_copy_text(info->label, sizeof(info->label), attr);
    }
}

static int on_one(const struct nlmsghdr *h, void *arg)
{
    read_link(h, arg);
    return MNL_CB_OK;
}

struct links {
    struct link_info *at;
    size_t n, room;
};

static int on_listed(const struct nlmsghdr *h, void *arg)
{
    struct links *links = arg;
    if (links->n == links->room) {
        size_t room = 2 * links->room + 16;
        struct link_info *more = realloc(links->at, room * sizeof(*more));
        if (!more)
            return MNL_CB_ERROR;
        links->at = more;
        links->room = room;
    }
    read_link(h, &links->at[links->n++]);
    return MNL_CB_OK;
}

static void begin_list(void *arg)
{
    ((struct links *)arg)->n = 0;
}

int link_find(const char *name, struct link_info *info, struct err *err)
{
    char buffer[NETLINK_MESSAGE_BYTES];
    struct nlmsghdr *h = netlink_request(buffer, RTM_GETLINK, NLM_F_ACK);
    mnl_nlmsg_put_extra_header(h, sizeof(struct ifinfomsg));
    mnl_attr_put_strz(h, IFLA_IFNAME, name);
    *info = (struct link_info){0};
    if (netlink_ask(NETLINK_ROUTE, h, on_one, info) == 0)
        return 0;
    return errno == ENODEV ? err_set(err, ERR_NOT_FOUND, "there is no interface %s", name)
                           : err_sys(err, errno, "cannot look at interface %s", name);
}

int link_each(void (*fn)(void *arg, const struct link_info *info), void *arg, struct err *err)
{
    char buffer[NETLINK_MESSAGE_BYTES];
    struct links links = {.n = 0};
    struct nlmsghdr *h = netlink_request(buffer, RTM_GETLINK, NLM_F_DUMP);
    mnl_nlmsg_put_extra_header(h, sizeof(struct ifinfomsg));
    int rc = netlink_list(NETLINK_ROUTE, h, begin_list, on_listed, &links);
    if (rc < 0)
        err_sys(err, errno, "cannot list interfaces");
    for (size_t i = 0; rc == 0 && i < links.n; i++)
        fn(arg, &links.at[i]);
    free(links.at);
    return rc;
}

/* Changing */

static struct nlmsghdr *about(void *buffer, uint16_t type, unsigned index, struct ifinfomsg **m)
{
    struct nlmsghdr *h = netlink_request(buffer, type, NLM_F_ACK);
    *m = mnl_nlmsg_put_extra_header(h, sizeof(**m));
    (*m)->ifi_family = AF_UNSPEC;
    (*m)->ifi_index = (int)index;
    return h;
}

int link_label(unsigned index, const char *label, struct err *err)
{
    char buffer[NETLINK_MESSAGE_BYTES];
    struct ifinfomsg *m;
    struct nlmsghdr *h = about(buffer, RTM_SETLINK, index, &m);
    mnl_attr_put_str(h, IFLA_IFALIAS, label);
    return netlink_ask(NETLINK_ROUTE, h, NULL, NULL) < 0
               ? err_sys(err, errno, "cannot label interface %u", index)
               : 0;
}

int link_raise(unsigned index, struct err *err)
{
    char buffer[NETLINK_MESSAGE_BYTES];
    struct ifinfomsg *m;
    struct nlmsghdr *h = about(buffer, RTM_SETLINK, index, &m);
    m->ifi_flags = m->ifi_change = IFF_UP;
    return netlink_ask(NETLINK_ROUTE, h, NULL, NULL) < 0
               ? err_sys(err, errno, "cannot raise interface %u", index)
               : 0;
}

int link_remove(unsigned index, struct err *err)
{
    char buffer[NETLINK_MESSAGE_BYTES];
    struct ifinfomsg *m;
    struct nlmsghdr *h = about(buffer, RTM_DELLINK, index, &m);
    if (netlink_ask(NETLINK_ROUTE, h, NULL, NULL) < 0 && errno != ENODEV)
        return err_sys(err, errno, "cannot remove interface %u", index);
    return 0;
}

int link_give_address(unsigned index, uint32_t address, unsigned prefix, struct err *err)
{
    char buffer[NETLINK_MESSAGE_BYTES], text[16];
    struct nlmsghdr *h =
        netlink_request(buffer, RTM_NEWADDR, NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE);
    struct ifaddrmsg *m = mnl_nlmsg_put_extra_header(h, sizeof(*m));
    m->ifa_family = AF_INET;
    m->ifa_prefixlen = (uint8_t)prefix;
    m->ifa_scope = RT_SCOPE_UNIVERSE;
    m->ifa_index = index;
    mnl_attr_put_u32(h, IFA_LOCAL, htonl(address));
    mnl_attr_put_u32(h, IFA_ADDRESS, htonl(address));
    if (netlink_ask(NETLINK_ROUTE, h, NULL, NULL) == 0)
        return 0;
    priv_address_text(address, text);
    return err_sys(err, errno, "cannot give %s to interface %u", text, index);
}
