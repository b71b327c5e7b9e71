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

enum {
    ENTRIES_MAX = 64 << 20, /* bytes */
    VISITS_MAX = 1 << 20,
    DEPTH_MAX = 64,
    VERDICT_DROP = -NF_DROP - 1,
    VERDICT_RETURN = -NF_REPEAT - 1, /* others below 0 are not in the table filter; above: a jump */
};

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
static bool is_for_guests(const uint8_t *entries, size_t len, size_t at, const struct ipt_entry *e)
{
    static const struct ipt_ip all;
    struct ipt_ip ip = e->ip;
    struct xt_entry_match m;
    ip.flags &= (uint8_t)~IPT_F_GOTO;
    if (is_of_taps(e)) {
        memset(ip.iniface, 0, sizeof(ip.iniface));
        memset(ip.iniface_mask, 0, sizeof(ip.iniface_mask));
    }
    if (memcmp(&ip, &all, sizeof(all)) != 0 || e->target_offset > len - at)
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

struct walk {
    const uint8_t *entries;
    size_t len;
    unsigned visits, depth;
};

/* What becomes of a guest's packet that nobody has named, from the entry at on: its verdict; 0: it
 * leaves the chain, or that cannot be said. A built-in chain ends with its policy, others with a
 * return. */
static int walk(struct walk *w, size_t at)
{
    struct ipt_entry e;
    bool may_leave = false; /* packets like it may have */
    for (; at < w->len; at += e.next_offset) {
        int verdict = verdict_of(w->entries, w->len, at, &e);
        if (e.next_offset < sizeof(e) || e.next_offset > w->len - at || ++w->visits > VISITS_MAX)
            return 0;
        if (!is_for_guests(w->entries, w->len, at, &e)) {
            may_leave |= verdict == VERDICT_RETURN;
            continue;
        }
        if (verdict == VERDICT_RETURN)
            return 0;
        if (verdict > 0 && w->depth < DEPTH_MAX) {
            w->depth++;
            verdict = walk(w, (size_t)verdict);
            w->depth--;
        }
        if (verdict == VERDICT_DROP && may_leave)
            verdict = 0;
        if (verdict < 0 || (e.ip.flags & IPT_F_GOTO))
            return verdict;
    }
    return 0;
}

bool legacy_table_drops(const uint8_t *entries, size_t len, size_t first, size_t policy)
{
    struct walk w = {.entries = entries, .len = len};
    struct ipt_entry e;
    int verdict = walk(&w, first);
    return (verdict ? verdict : verdict_of(entries, len, policy, &e)) == VERDICT_DROP;
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
    return getsockopt(fd, IPPROTO_IP, IPT_SO_GET_ENTRIES, table, &len) == 0 &&
           legacy_table_drops((const uint8_t *)table->entrytable, info.size, info.hook_entry[hook],
                              info.underflow[hook]);
}
