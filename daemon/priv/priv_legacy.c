/* ip_tables of the kernel, by its socket options; see priv_legacy.h. The program iptables-legacy
 * asks the same. */
#include "daemon/priv/priv_legacy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <netinet/in.h>

#include <linux/netfilter_ipv4/ip_tables.h>

#include "base/cleanup.h"

enum { ENTRIES_MAX = 1 << 20, VERDICT_DROP = -NF_DROP - 1, VERDICT_ACCEPT = -NF_ACCEPT - 1 };

/* The kernel makes a table when it is asked for, which is nobody's wish. */
static bool has_filter(void)
{
    char line[64];
    bool found = false;
    FILE *f = fopen("/proc/net/ip_tables_names", "re");
    while (f && !found && fgets(line, sizeof(line), f))
        found = strcmp(line, "filter\n") == 0;
    if (f)
        fclose(f);
    return found;
}

/* An entry's verdict; 0: it has another target, or is none. */
static int verdict_of(const uint8_t *entries, size_t len, size_t at, struct ipt_entry *e)
{
    struct xt_standard_target t;
    *e = (struct ipt_entry){.next_offset = 0};
    if (len < sizeof(*e) || at > len - sizeof(*e))
        return 0;
    memcpy(e, entries + at, sizeof(*e));
    if (e->target_offset > len - at || sizeof(t) > len - at - e->target_offset)
        return 0;
    memcpy(&t, entries + at + e->target_offset, sizeof(t));
    if (strncmp(t.target.u.user.name, "REJECT", sizeof(t.target.u.user.name)) == 0)
        return VERDICT_DROP;
    return t.target.u.user.name[0] ? 0 : t.verdict;
}

/* What comes from any tap. */
static bool is_of_taps(const struct ipt_entry *e)
{
    static const char prefix[] = "bg";
    const size_t n = sizeof(prefix) - 1;
    return memcmp(e->ip.iniface, prefix, n) == 0 && e->ip.iniface_mask[n - 1] &&
           !e->ip.iniface_mask[n] && !(e->ip.invflags & IPT_INV_VIA_IN);
}

/* Comments are the only matches that narrow nothing. */
static bool is_for_all(const uint8_t *entries, size_t len, size_t at, const struct ipt_entry *e)
{
    static const struct ipt_ip all;
    struct xt_entry_match m;
    if (memcmp(&e->ip, &all, sizeof(all)) != 0 || e->target_offset > len - at)
        return false;
    for (size_t i = sizeof(*e); i < e->target_offset; i += m.u.match_size) {
        if (sizeof(m) > e->target_offset - i)
            return false;
        memcpy(&m, entries + at + i, sizeof(m));
        if (m.u.match_size < sizeof(m) ||
            strncmp(m.u.user.name, "comment", sizeof(m.u.user.name)) != 0)
            return false;
    }
    return true;
}

/* The verdict, from the entry at to the one that is last, for a guest's packet that nobody has
 * named; 0: none. */
static int decided(const uint8_t *entries, size_t len, size_t at, size_t last)
{
    struct ipt_entry e;
    for (; at <= last && at < len; at += e.next_offset) {
        int verdict = verdict_of(entries, len, at, &e);
        if (e.next_offset < sizeof(e) || e.next_offset > len - at)
            return 0;
        if ((verdict == VERDICT_ACCEPT && is_of_taps(&e)) ||
            ((verdict == VERDICT_ACCEPT || verdict == VERDICT_DROP) &&
             is_for_all(entries, len, at, &e)))
            return verdict;
    }
    return 0;
}

static bool lets_taps_through(const uint8_t *entries, size_t len, size_t at)
{
    struct ipt_entry e;
    for (; at < len; at += e.next_offset) {
        int verdict = verdict_of(entries, len, at, &e);
        if (e.next_offset < sizeof(e) || e.next_offset > len - at)
            return false;
        if (verdict == VERDICT_ACCEPT && is_of_taps(&e))
            return true;
    }
    return false;
}

bool legacy_table_drops(const uint8_t *entries, size_t len, const struct legacy_chain *chain)
{
    return decided(entries, len, chain->first, chain->policy) == VERDICT_DROP &&
           !lets_taps_through(entries, len, chain->user);
}

bool legacy_drops(bool input)
{
    const unsigned hook = input ? NF_INET_LOCAL_IN : NF_INET_FORWARD;
    struct ipt_getinfo info = {.name = "filter"};
    socklen_t len = sizeof(info);
    auto_fd int fd = has_filter() ? socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0) : -1;
    if (fd < 0 || getsockopt(fd, IPPROTO_IP, IPT_SO_GET_INFO, &info, &len) < 0 ||
        info.size > ENTRIES_MAX)
        return false;
    len = (socklen_t)(sizeof(struct ipt_get_entries) + info.size);
    auto_free struct ipt_get_entries *table = calloc(1, len);
    if (!table)
        return false;
    memcpy(table->name, info.name, sizeof(table->name));
    table->size = info.size;
    const struct legacy_chain chain = {.first = info.hook_entry[hook],
                                       .policy = info.underflow[hook],
                                       .user = info.underflow[NF_INET_LOCAL_OUT]};
    return getsockopt(fd, IPPROTO_IP, IPT_SO_GET_ENTRIES, table, &len) == 0 &&
           legacy_table_drops((const uint8_t *)table->entrytable, info.size, &chain);
}
