/* Parsing entries and making ranges of them; see egress.h.
 *
 * Sets of nftables want ranges that do not overlap, and lists of people do. So the addresses are
 * cut wherever something begins or ends; between two cuts all entries hold or do not, and their
 * ports are joined; neighbours with the same ports become one again. */
#include "daemon/model/egress.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"

#define IPV4(a, b, c, d) ((uint32_t)(a) << 24 | (uint32_t)(b) << 16 | (uint32_t)(c) << 8 | (d))

struct network {
    uint32_t address;
    uint8_t prefix;
    const char *what;
};

static const struct network closed[] = {
    {IPV4(0, 0, 0, 0), 8, "\"this host\""},
    {IPV4(127, 0, 0, 0), 8, "loopback"},
    {IPV4(169, 254, 0, 0), 16, "link-local"},
    {IPV4(224, 0, 0, 0), 3, "multicast or reserved"},
};

/* RFC 1918, RFC 6598. */
static const struct network private_networks[] = {
    {IPV4(10, 0, 0, 0), 8, NULL},
    {IPV4(100, 64, 0, 0), 10, NULL},
    {IPV4(172, 16, 0, 0), 12, NULL},
    {IPV4(192, 168, 0, 0), 16, NULL},
};

enum {
    N_CLOSED = sizeof(closed) / sizeof(*closed),
    N_PRIVATE = sizeof(private_networks) / sizeof(*private_networks),
    N_ENTRIES = EGRESS_ENTRIES_MAX + EGRESS_OWN_ENTRIES,
    CUTS_MAX = 2 * (N_ENTRIES + N_CLOSED + N_PRIVATE),
};

/* The bits that are not the network's. */
static uint32_t host_mask(uint8_t prefix)
{
    return prefix == 0 ? UINT32_MAX : (uint32_t)((UINT64_C(1) << (32 - prefix)) - 1);
}

static bool is_in(uint32_t address, uint32_t network, uint8_t prefix)
{
    return ((address ^ network) & ~host_mask(prefix)) == 0;
}

static const struct network *find_closed(uint32_t address)
{
    for (size_t i = 0; i < N_CLOSED; i++)
        if (is_in(address, closed[i].address, closed[i].prefix))
            return &closed[i];
    return NULL;
}

bool egress_is_closed(uint32_t address)
{
    return find_closed(address) != NULL;
}

bool egress_is_private(uint32_t address)
{
    for (size_t i = 0; i < N_PRIVATE; i++)
        if (is_in(address, private_networks[i].address, private_networks[i].prefix))
            return true;
    return false;
}

/* The closed network that all of the entry is in. */
static const struct network *entry_closed(const struct egress_entry *e)
{
    const struct network *c = find_closed(e->address);
    return c && e->prefix >= c->prefix ? c : NULL;
}

static bool has_all_ports(const struct egress_entry *e)
{
    return e->port == 0 && e->port_last == EGRESS_PORT_MAX;
}

bool egress_entry_is_valid(const struct egress_entry *e)
{
    bool ports = has_all_ports(e) || (e->port > 0 && e->port <= e->port_last);
    return e->prefix <= 32 && (e->address & host_mask(e->prefix)) == 0 && ports &&
           (e->protocol == 0 || e->protocol == EGRESS_TCP || e->protocol == EGRESS_UDP) &&
           !entry_closed(e);
}

/* Texts */

/* A number of max at most, without sign or zeros before it; *at moves on. */
static bool take_number(const char **at, unsigned max, unsigned *value)
{
    const char *s = *at;
    *value = 0;
    if (*s < '0' || *s > '9' || (s[0] == '0' && s[1] >= '0' && s[1] <= '9'))
        return false;
    for (; *s >= '0' && *s <= '9'; s++) {
        *value = *value * 10 + (unsigned)(*s - '0');
        if (*value > max)
            return false;
    }
    *at = s;
    return true;
}

static bool take_char(const char **at, char c)
{
    if (**at != c)
        return false;
    ++*at;
    return true;
}

static bool take_address(const char **at, uint32_t *address)
{
    *address = 0;
    for (int i = 0; i < 4; i++) {
        unsigned part;
        if ((i > 0 && !take_char(at, '.')) || !take_number(at, 255, &part))
            return false;
        *address = *address << 8 | part;
    }
    return true;
}

bool egress_ports_parse(const char *at, struct egress_ports *p)
{
    unsigned first = 0, last = EGRESS_PORT_MAX;
    if (take_char(&at, ':')) {
        if (!take_number(&at, EGRESS_PORT_MAX, &first) || first == 0)
            return false;
        last = first;
        if (take_char(&at, '-') && !take_number(&at, EGRESS_PORT_MAX, &last))
            return false;
    }
    p->port = (uint16_t)first;
    p->port_last = (uint16_t)last;
    p->protocol = strcmp(at, "/tcp") == 0 ? EGRESS_TCP : strcmp(at, "/udp") == 0 ? EGRESS_UDP : 0;
    return first <= last && (p->protocol || !*at);
}

void egress_ports_text(const struct egress_ports *p, char *text, size_t size)
{
    int n = 0;
    text[0] = '\0';
    if (p->port != 0)
        n += snprintf(text, size, ":%u", p->port);
    if (p->port != 0 && p->port_last != p->port)
        n += snprintf(text + n, size - (size_t)n, "-%u", p->port_last);
    if (p->protocol)
        snprintf(text + n, size - (size_t)n, "/%s", p->protocol == EGRESS_TCP ? "tcp" : "udp");
}

static bool take_entry(const char *at, struct egress_entry *e)
{
    unsigned prefix = 32;
    struct egress_ports ports;
    *e = (struct egress_entry){.address = 0};
    if (!take_address(&at, &e->address))
        return false;
    if (at[0] == '/' && at[1] >= '0' && at[1] <= '9' &&
        (!take_char(&at, '/') || !take_number(&at, 32, &prefix)))
        return false;
    e->prefix = (uint8_t)prefix;
    if (!egress_ports_parse(at, &ports))
        return false;
    e->protocol = ports.protocol;
    e->port = ports.port;
    e->port_last = ports.port_last;
    return true;
}

int egress_entry_parse(const char *text, struct egress_entry *entry, struct err *err)
{
    char meant[EGRESS_TEXT_BYTES];
    if (!take_entry(text, entry))
        return err_set(err, ERR_INVALID,
                       "\"%.80s\" is no IPv4 CIDR[:PORT[-PORT]][/tcp|udp], as 192.0.2.0/24:443 is",
                       text);
    const struct network *c = entry_closed(entry);
    if (c)
        return err_set(err, ERR_INVALID, "%s is never reached: it is %s", text, c->what);
    if (!(entry->address & host_mask(entry->prefix)))
        return 0;
    entry->address &= ~host_mask(entry->prefix);
    egress_entry_text(entry, meant);
    return err_set(err, ERR_INVALID, "%s has bits behind its prefix; say %s", text, meant);
}

void egress_entry_text(const struct egress_entry *e, char text[EGRESS_TEXT_BYTES])
{
    int n = snprintf(text, EGRESS_TEXT_BYTES, "%u.%u.%u.%u", e->address >> 24,
                     e->address >> 16 & 255, e->address >> 8 & 255, e->address & 255);
    if (e->prefix < 32)
        n += snprintf(text + n, EGRESS_TEXT_BYTES - (size_t)n, "/%u", e->prefix);
    const struct egress_ports ports = {e->protocol, e->port, e->port_last};
    egress_ports_text(&ports, text + n, EGRESS_TEXT_BYTES - (size_t)n);
}

/* Ranges */

struct cuts {
    size_t n;
    uint64_t at[CUTS_MAX]; /* first addresses of what lies between two of them */
};

static void cut(struct cuts *c, uint32_t address, uint8_t prefix)
{
    c->at[c->n++] = address;
    c->at[c->n++] = (uint64_t)address + host_mask(prefix) + 1;
}

static int compare_cuts(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

static int compare_ports(const void *a, const void *b)
{
    const struct egress_range *x = a, *y = b;
    return (x->port > y->port) - (x->port < y->port);
}

static bool entry_covers(const struct egress_entry *e, uint32_t address)
{
    if (!is_in(address, e->address, e->prefix))
        return false;
    for (size_t i = 0; i < N_PRIVATE; i++)
        if (is_in(address, private_networks[i].address, private_networks[i].prefix))
            return e->prefix >= private_networks[i].prefix;
    return true;
}

/* The ports of one protocol that are open at an address; joined: how many ranges. */
static size_t join_ports(const struct egress_list *list, uint32_t address, uint8_t protocol,
                         struct egress_range out[N_ENTRIES])
{
    size_t n = 0, joined = 0;
    for (uint32_t i = 0; i < list->n; i++) {
        const struct egress_entry *e = &list->at[i];
        if ((e->protocol == 0 || e->protocol == protocol) && entry_covers(e, address))
            out[n++] = (struct egress_range){.port = e->port, .port_last = e->port_last};
    }
    qsort(out, n, sizeof(*out), compare_ports);
    for (size_t i = 0; i < n; i++) {
        struct egress_range *before = joined ? &out[joined - 1] : NULL;
        if (!before || out[i].port > before->port_last + 1)
            out[joined++] = out[i];
        else if (out[i].port_last > before->port_last)
            before->port_last = out[i].port_last;
    }
    for (size_t i = 0; i < joined; i++)
        out[i].protocol = protocol;
    return joined;
}

static bool is_open(const struct egress_list *list, uint32_t address)
{
    for (uint32_t i = 0; i < list->n; i++)
        if (list->at[i].protocol == 0 && has_all_ports(&list->at[i]) &&
            entry_covers(&list->at[i], address))
            return true;
    return false;
}

/* All that is open at an address, its addresses left out. */
static size_t open_at(const struct egress_list *list, uint32_t address,
                      struct egress_range out[2 * N_ENTRIES])
{
    if (egress_is_closed(address))
        return 0;
    if (is_open(list, address)) {
        out[0] = (struct egress_range){.port_last = EGRESS_PORT_MAX};
        return 1;
    }
    size_t n = join_ports(list, address, EGRESS_TCP, out);
    return n + join_ports(list, address, EGRESS_UDP, out + n);
}

/* Where the ranges from `from` on end before first and have the same ports as these. */
static bool goes_on(const struct egress_ranges *r, size_t from, const struct egress_range *with,
                    size_t n, uint32_t first)
{
    if (n == 0 || r->n - from != n || r->at[from].last + 1 != first)
        return false;
    for (size_t i = 0; i < n; i++) {
        const struct egress_range *a = &r->at[from + i], *b = &with[i];
        if (a->protocol != b->protocol || a->port != b->port || a->port_last != b->port_last)
            return false;
    }
    return true;
}

int egress_compile(const struct egress_list *list, struct egress_ranges *r, struct err *err)
{
    struct cuts cuts = {0};
    struct egress_range with[2 * N_ENTRIES];
    size_t from = 0; /* where those of the span before begin */
    for (uint32_t i = 0; i < list->n; i++)
        cut(&cuts, list->at[i].address, list->at[i].prefix);
    for (size_t i = 0; i < N_CLOSED; i++)
        cut(&cuts, closed[i].address, closed[i].prefix);
    for (size_t i = 0; i < N_PRIVATE; i++)
        cut(&cuts, private_networks[i].address, private_networks[i].prefix);
    qsort(cuts.at, cuts.n, sizeof(*cuts.at), compare_cuts);
    r->n = 0;
    for (size_t i = 0; i + 1 < cuts.n; i++) {
        uint32_t first = (uint32_t)cuts.at[i], last = (uint32_t)(cuts.at[i + 1] - 1);
        size_t n = cuts.at[i] == cuts.at[i + 1] ? 0 : open_at(list, first, with);
        if (n == 0)
            continue;
        if (!goes_on(r, from, with, n, first)) {
            if (n > EGRESS_RANGES_MAX - r->n)
                return err_set(err, ERR_INVALID, "the list is too intricate: more than %d ranges",
                               EGRESS_RANGES_MAX);
            from = r->n;
            for (size_t k = 0; k < n; k++, r->n++) {
                r->at[r->n] = with[k];
                r->at[r->n].first = first;
            }
        }
        for (size_t k = from; k < r->n; k++)
            r->at[k].last = last;
    }
    return 0;
}

/* The next range behind `from` (NULL: of all) that has the address; NULL: none has. */
static const struct egress_range *next_at(const struct egress_ranges *r, uint32_t address,
                                          const struct egress_range *from)
{
    const struct egress_range *a = from ? from + 1 : r->at;
    for (; a < r->at + r->n && a->first <= address; a++)
        if (address <= a->last)
            return a;
    return NULL;
}

bool egress_allows(const struct egress_ranges *r, uint32_t address, uint8_t protocol, int port)
{
    for (const struct egress_range *a = NULL; (a = next_at(r, address, a));) {
        bool ports = a->port == 0 && a->port_last == EGRESS_PORT_MAX;
        if ((a->protocol == 0 || a->protocol == protocol) &&
            (ports || (port >= a->port && port <= a->port_last)))
            return true;
    }
    return false;
}

bool egress_lists(const struct egress_ranges *r, uint32_t address)
{
    return next_at(r, address, NULL) != NULL;
}
