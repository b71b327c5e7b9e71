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

/* An entry's verdict; 0: it has another target. */
static int verdict_of(const uint8_t *entries, size_t len, size_t at, struct ipt_entry *e)
{
    struct xt_standard_target t;
    if (len < sizeof(*e) || at > len - sizeof(*e))
        return 0;
    memcpy(e, entries + at, sizeof(*e));
    if (e->target_offset > len - at || sizeof(t) > len - at - e->target_offset)
        return 0;
    memcpy(&t, entries + at + e->target_offset, sizeof(t));
    return t.target.u.user.name[0] ? 0 : t.verdict;
}

/* What comes from any tap is accepted there. */
static bool excepts(const struct ipt_entry *e, int verdict)
{
    static const char prefix[] = "bg";
    const size_t n = sizeof(prefix) - 1;
    return verdict == VERDICT_ACCEPT && memcmp(e->ip.iniface, prefix, n) == 0 &&
           e->ip.iniface_mask[n - 1] && !e->ip.iniface_mask[n] &&
           !(e->ip.invflags & IPT_INV_VIA_IN);
}

bool legacy_table_drops(const uint8_t *entries, size_t len, size_t first, size_t policy)
{
    struct ipt_entry e = {.next_offset = 0};
    if (first > policy || verdict_of(entries, len, policy, &e) != VERDICT_DROP)
        return false;
    for (size_t at = 0; at < len; at += e.next_offset) {
        int verdict = verdict_of(entries, len, at, &e);
        if (len - at < sizeof(e) || e.next_offset < sizeof(e) || e.next_offset > len - at)
            return true; /* it is no table that we know: as its policy says */
        if (excepts(&e, verdict))
            return false;
    }
    return true;
}

bool legacy_drops_forward(void)
{
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
           legacy_table_drops((const uint8_t *)table->entrytable, info.size,
                              info.hook_entry[NF_INET_FORWARD], info.underflow[NF_INET_FORWARD]);
}
