/* Looking for one element of the table inet banger, whose cost does not grow with how many there
 * are: libnftables reads a whole set to tell of one, so the kernel is asked directly. So it is for
 * the one set that is read for each answer to a guest: 10 ms for 10,000 elements, 200 by
 * libnftables. */
#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "daemon/priv/priv_netlink.h"
#include "daemon/priv/priv_nft.h"

/* libnftnl's: how user data of an element begins that is a comment. */
enum { UDATA_COMMENT = 0 };

static struct nlmsghdr *about(void *buffer, unsigned message, uint16_t flags)
{
    struct nlmsghdr *h =
        netlink_request(buffer, (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | message), flags);
    struct nfgenmsg *m = mnl_nlmsg_put_extra_header(h, sizeof(*m));
    m->nfgen_family = NFPROTO_INET;
    m->version = NFNETLINK_V0;
    return h;
}

/* 1: the kernel has it; 0: not. */
static int look(const struct nlmsghdr *h, mnl_cb_t on_message, void *arg, struct err *err)
{
    if (netlink_ask(NETLINK_NETFILTER, h, on_message, arg) == 0)
        return 1;
    return errno == ENOENT ? 0 : err_sys(err, errno, "cannot look into table inet banger");
}

int nft_has_chain(const char *name, struct err *err)
{
    char buffer[NETLINK_MESSAGE_BYTES];
    struct nlmsghdr *h = about(buffer, NFT_MSG_GETCHAIN, NLM_F_ACK);
    mnl_attr_put_strz(h, NFTA_CHAIN_TABLE, "banger");
    mnl_attr_put_strz(h, NFTA_CHAIN_NAME, name);
    return look(h, NULL, NULL, err);
}

/* The first attribute of that type among those that are nested in attr; NULL: none. */
static const struct nlattr *within(const struct nlattr *attr, unsigned type)
{
    const struct nlattr *inner;
    mnl_attr_for_each_nested(inner, attr)
    {
        if (mnl_attr_get_type(inner) == type)
            return inner;
    }
    return NULL;
}

/* User data are a type, a length, and bytes: a comment is the first. */
static void read_comment(const struct nlattr *attr, char label[PRIV_LABEL_BYTES])
{
    const uint8_t *at = mnl_attr_get_payload(attr);
    size_t len = mnl_attr_get_payload_len(attr);
    if (len >= 2 && at[0] == UDATA_COMMENT && at[1] <= len - 2)
        snprintf(label, PRIV_LABEL_BYTES, "%.*s", (int)at[1], (const char *)at + 2);
}

static void read_verdict(const struct nlattr *data, struct nft_guest *guest)
{
    char chain[64] = "";
    const struct nlattr *verdict = within(data, NFTA_DATA_VERDICT);
    const struct nlattr *name = verdict ? within(verdict, NFTA_VERDICT_CHAIN) : NULL;
    if (name)
        netlink_copy_text(chain, sizeof(chain), name);
    guest->egress = nft_egress_named(chain);
}

static int on_element(const struct nlmsghdr *h, void *arg)
{
    struct nft_guest *guest = arg;
    const struct nlattr *attr, *inner, *list = NULL;
    mnl_attr_for_each(attr, h, sizeof(struct nfgenmsg))
    {
        if (mnl_attr_get_type(attr) == NFTA_SET_ELEM_LIST_ELEMENTS)
            list = within(attr, NFTA_LIST_ELEM);
    }
    if (!list)
        return MNL_CB_OK;
    mnl_attr_for_each_nested(inner, list)
    {
        if (mnl_attr_get_type(inner) == NFTA_SET_ELEM_USERDATA)
            read_comment(inner, guest->label);
        else if (mnl_attr_get_type(inner) == NFTA_SET_ELEM_DATA)
            read_verdict(inner, guest);
    }
    return MNL_CB_OK;
}

static int look_up(const char *set, const char *tap, struct nft_guest *guest, struct err *err)
{
    char buffer[NETLINK_MESSAGE_BYTES], key[PRIV_TAP_BYTES] = "";
    struct nlmsghdr *h = about(buffer, NFT_MSG_GETSETELEM, NLM_F_ACK);
    snprintf(key, sizeof(key), "%s", tap);
    mnl_attr_put_strz(h, NFTA_SET_ELEM_LIST_TABLE, "banger");
    mnl_attr_put_strz(h, NFTA_SET_ELEM_LIST_SET, set);
    struct nlattr *elements = mnl_attr_nest_start(h, NFTA_SET_ELEM_LIST_ELEMENTS);
    struct nlattr *element = mnl_attr_nest_start(h, NFTA_LIST_ELEM);
    struct nlattr *value = mnl_attr_nest_start(h, NFTA_SET_ELEM_KEY);
    mnl_attr_put(h, NFTA_DATA_VALUE, sizeof(key), key);
    mnl_attr_nest_end(h, value);
    mnl_attr_nest_end(h, element);
    mnl_attr_nest_end(h, elements);
    return look(h, on_element, guest, err);
}

int nft_find(const char *tap, struct nft_guest *guest, struct err *err)
{
    *guest = (struct nft_guest){0};
    int rc = look_up("taps", tap, guest, err);
    if (rc < 0 || look_up("egress", tap, guest, err) < 0)
        return -1;
    if (rc)
        snprintf(guest->tap, sizeof(guest->tap), "%s", tap);
    return 0;
}

/* Pins */

/* A key of `pinned`, as the kernel has it. */
struct pinned_key {
    char tap[16];
    uint32_t address; /* in network order, as the port */
    uint8_t protocol, pad[3];
    uint16_t port, pad_port;
};

struct pinned_walk {
    nft_pinned_fn *fn;
    void (*begin)(void *arg);
    void *arg;
};

static void begin_pinned(void *arg)
{
    const struct pinned_walk *w = arg;
    w->begin(w->arg);
}

static bool read_key(const struct nlattr *attr, struct pinned_key *key)
{
    const struct nlattr *value = within(attr, NFTA_DATA_VALUE);
    if (!value || mnl_attr_get_payload_len(value) != sizeof(*key))
        return false;
    memcpy(key, mnl_attr_get_payload(value), sizeof(*key));
    return memchr(key->tap, '\0', sizeof(key->tap));
}

/* false: it is none of ours. */
static bool read_pinned(const struct nlattr *element, struct nft_pinned *p)
{
    const struct nlattr *inner, *first = NULL, *last = NULL;
    struct pinned_key from, to;
    *p = (struct nft_pinned){0};
    mnl_attr_for_each_nested(inner, element)
    {
        unsigned type = mnl_attr_get_type(inner);
        if (type == NFTA_SET_ELEM_KEY)
            first = inner;
        else if (type == NFTA_SET_ELEM_KEY_END)
            last = inner;
        else if (type == NFTA_SET_ELEM_EXPIRATION && mnl_attr_validate(inner, MNL_TYPE_U64) == 0)
            p->left_s = (uint32_t)(be64toh(mnl_attr_get_u64(inner)) / 1000);
    }
    if (!first || !read_key(first, &from) || !read_key(last ? last : first, &to) ||
        from.address != to.address || from.protocol != to.protocol)
        return false;
    snprintf(p->tap, sizeof(p->tap), "%s", from.tap);
    p->address = ntohl(from.address);
    p->ports.protocol = from.protocol;
    p->ports.port = ntohs(from.port);
    p->ports.port_last = ntohs(to.port);
    return true;
}

static int on_pinned(const struct nlmsghdr *h, void *arg)
{
    const struct pinned_walk *w = arg;
    const struct nlattr *attr, *element;
    struct nft_pinned p;
    mnl_attr_for_each(attr, h, sizeof(struct nfgenmsg))
    {
        if (mnl_attr_get_type(attr) != NFTA_SET_ELEM_LIST_ELEMENTS)
            continue;
        mnl_attr_for_each_nested(element, attr)
        {
            if (read_pinned(element, &p))
                w->fn(w->arg, &p);
        }
    }
    return MNL_CB_OK;
}

int nft_each_pinned(nft_pinned_fn *fn, void (*begin)(void *arg), void *arg, struct err *err)
{
    char buffer[NETLINK_MESSAGE_BYTES];
    struct pinned_walk w = {fn, begin, arg};
    struct nlmsghdr *h = about(buffer, NFT_MSG_GETSETELEM, NLM_F_DUMP);
    mnl_attr_put_strz(h, NFTA_SET_ELEM_LIST_TABLE, "banger");
    mnl_attr_put_strz(h, NFTA_SET_ELEM_LIST_SET, "pinned");
    if (netlink_list(NETLINK_NETFILTER, h, begin_pinned, on_pinned, &w) == 0)
        return 0;
    return err_sys(err, errno, "cannot list table inet banger");
}
