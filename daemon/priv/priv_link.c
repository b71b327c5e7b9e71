/* rtnetlink; see priv_link.h. */
#include "daemon/priv/priv_link.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "daemon/priv/priv_netlink.h"

/* Finding */

struct walk {
    void (*fn)(void *arg, const struct link_info *info);
    void *arg;
};

static int on_link(const struct nlmsghdr *h, void *arg)
{
    const struct walk *walk = arg;
    const struct ifinfomsg *m = mnl_nlmsg_get_payload(h);
    struct link_info info = {.index = (unsigned)m->ifi_index, .up = m->ifi_flags & IFF_UP};
    struct nlattr *attr;
    mnl_attr_for_each(attr, h, sizeof(*m))
    {
        if (mnl_attr_get_type(attr) == IFLA_IFNAME)
            netlink_copy_text(info.name, sizeof(info.name), attr);
        else if (mnl_attr_get_type(attr) == IFLA_IFALIAS)
            netlink_copy_text(info.label, sizeof(info.label), attr);
    }
    walk->fn(walk->arg, &info);
    return MNL_CB_OK;
}

static void keep_one(void *arg, const struct link_info *info)
{
    *(struct link_info *)arg = *info;
}

int link_find(const char *name, struct link_info *info, struct err *err)
{
    char buffer[NETLINK_MESSAGE_BYTES];
    struct walk walk = {keep_one, info};
    struct nlmsghdr *h = netlink_request(buffer, RTM_GETLINK, NLM_F_ACK);
    mnl_nlmsg_put_extra_header(h, sizeof(struct ifinfomsg));
    mnl_attr_put_strz(h, IFLA_IFNAME, name);
    *info = (struct link_info){0};
    if (netlink_ask(NETLINK_ROUTE, h, on_link, &walk) == 0)
        return 0;
    return errno == ENODEV ? err_set(err, ERR_NOT_FOUND, "there is no interface %s", name)
                           : err_sys(err, errno, "cannot look at interface %s", name);
}

int link_each(void (*fn)(void *arg, const struct link_info *info), void *arg, struct err *err)
{
    char buffer[NETLINK_MESSAGE_BYTES];
    struct walk walk = {fn, arg};
    struct nlmsghdr *h = netlink_request(buffer, RTM_GETLINK, NLM_F_DUMP);
    mnl_nlmsg_put_extra_header(h, sizeof(struct ifinfomsg));
    return netlink_ask(NETLINK_ROUTE, h, on_link, &walk) < 0
               ? err_sys(err, errno, "cannot list interfaces")
               : 0;
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

struct overlap {
    unsigned index, with;
    uint32_t address, prefix;
};

static uint32_t mask_of(unsigned prefix)
{
    return prefix ? UINT32_MAX << (32 - prefix) : 0;
}

static int on_address(const struct nlmsghdr *h, void *arg)
{
    struct overlap *o = arg;
    const struct ifaddrmsg *m = mnl_nlmsg_get_payload(h);
    unsigned shorter = m->ifa_prefixlen < o->prefix ? m->ifa_prefixlen : o->prefix;
    struct nlattr *attr;
    mnl_attr_for_each(attr, h, sizeof(*m))
    {
        if (m->ifa_family != AF_INET || mnl_attr_get_type(attr) != IFA_LOCAL ||
            mnl_attr_validate(attr, MNL_TYPE_U32) < 0)
            continue;
        uint32_t other = ntohl(mnl_attr_get_u32(attr));
        if (m->ifa_index != o->index && ((other ^ o->address) & mask_of(shorter)) == 0)
            o->with = m->ifa_index;
    }
    return MNL_CB_OK;
}

int link_overlap(unsigned index, uint32_t address, unsigned prefix, char name[PRIV_TAP_BYTES],
                 struct err *err)
{
    char buffer[NETLINK_MESSAGE_BYTES], found[IF_NAMESIZE] = "?";
    struct overlap o = {.index = index, .address = address, .prefix = prefix};
    struct nlmsghdr *h = netlink_request(buffer, RTM_GETADDR, NLM_F_DUMP);
    struct ifaddrmsg *m = mnl_nlmsg_put_extra_header(h, sizeof(*m));
    m->ifa_family = AF_INET;
    if (netlink_ask(NETLINK_ROUTE, h, on_address, &o) < 0)
        return err_sys(err, errno, "cannot list addresses");
    if (!o.with)
        return 0;
    if_indextoname(o.with, found);
    snprintf(name, PRIV_TAP_BYTES, "%s", found);
    return 1;
}
