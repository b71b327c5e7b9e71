/* Parsing names, and what they open; see egress_name.h. */
#include "daemon/model/egress_name.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "daemon/model/egress.h"

enum { LABEL_MAX = 63, CUTS_MAX = 2 * EGRESS_NAMES_MAX };

/* Texts */

static bool is_name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* Where the name ends and its ports begin. */
static size_t name_len(const char *text)
{
    return strcspn(text, ":/");
}

bool egress_is_name(const char *text)
{
    size_t len = name_len(text);
    return strspn(text, "0123456789.") < len && text[0] != '[' && text[0] != ' ';
}

/* Labels of letters, digits and dashes, the last one not of digits alone, two at least. */
static const char *name_fault(const char *name)
{
    size_t label = 0, labels = 1;
    for (const char *c = name; *c; c++) {
        if ((unsigned char)*c >= 0x80)
            return "write it as DNS has it (xn--…)";
        if (*c == '*')
            return "a wildcard is the first label alone, as in *.example.org";
        if (*c != '.' && !is_name_char(*c))
            return "it is no name";
        if (*c == '.' && (label == 0 || !c[1]))
            return "it has an empty label";
        label = *c == '.' ? 0 : label + 1;
        labels += *c == '.';
        if (label > LABEL_MAX)
            return "it has a label of more than 63 characters";
    }
    const char *last = strrchr(name, '.');
    if (labels < 2)
        return "it has one label alone";
    if (strspn(last + 1, "0123456789") == strlen(last + 1))
        return "it ends with a number";
    return strcmp(last, ".vm") == 0 ? "guests reach no other guest" : NULL;
}

int egress_name_parse(const char *text, struct egress_name *n, struct err *err)
{
    struct egress_ports ports;
    size_t len = name_len(text);
    *n = (struct egress_name){.below = strncmp(text, "*.", 2) == 0};
    const char *from = text + (n->below ? 2 : 0);
    len -= (size_t)(from - text);
    if (len >= EGRESS_NAME_BYTES)
        return err_set(err, ERR_INVALID, "\"%.40s…\" has more than %d characters", text,
                       EGRESS_NAME_BYTES - 1);
    for (size_t i = 0; i < len; i++)
        n->name[i] = lower(from[i]);
    const char *fault = name_fault(n->name);
    if (fault)
        return err_set(err, ERR_INVALID, "\"%.80s\": %s", text, fault);
    if (!egress_ports_parse(from + len, &ports))
        return err_set(err, ERR_INVALID,
                       "\"%.80s\" is no NAME[:PORT[-PORT]][/tcp|udp], as example.org:443 is", text);
    n->protocol = ports.protocol;
    n->port = ports.port;
    n->port_last = ports.port_last;
    return 0;
}

void egress_name_text(const struct egress_name *n, char text[EGRESS_NAME_TEXT_BYTES])
{
    const size_t size = EGRESS_NAME_TEXT_BYTES;
    const int at = snprintf(text, size, "%s%s", n->below ? "*." : "", n->name);
    const struct egress_ports ports = {n->protocol, n->port, n->port_last};
    egress_ports_text(&ports, text + at, size - (size_t)at);
}

/* Matching */

static bool matches(const struct egress_name *n, const char *name)
{
    size_t have = strlen(name), want = strlen(n->name);
    if (!n->below)
        return strcmp(name, n->name) == 0;
    return have > want + 1 && name[have - want - 1] == '.' &&
           strcmp(name + have - want, n->name) == 0;
}

uint32_t egress_names_match(const struct egress_names *names, const char *name)
{
    uint32_t which = 0;
    for (uint32_t i = 0; name[0] && i < names->n; i++)
        which |= matches(&names->at[i], name) ? UINT32_C(1) << i : 0;
    return which;
}

bool egress_names_allow(const struct egress_names *names, uint32_t which, uint8_t protocol,
                        int port)
{
    if (protocol != EGRESS_TCP && protocol != EGRESS_UDP)
        return false;
    for (uint32_t i = 0; i < names->n; i++) {
        const struct egress_name *n = &names->at[i];
        bool all = n->port == 0; /* then a packet whose port cannot be told, too */
        if ((which >> i & 1) && (n->protocol == 0 || n->protocol == protocol) &&
            (all || (port >= n->port && port <= n->port_last)))
            return true;
    }
    return false;
}

bool egress_name_may_lead_to(uint32_t address)
{
    return !egress_is_closed(address) && !egress_is_private(address);
}

/* Ports */

static int compare_cuts(const void *a, const void *b)
{
    const uint32_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

int egress_names_ports(const struct egress_names *names, uint32_t which,
                       struct egress_ports out[EGRESS_PORTS_MAX])
{
    static const uint8_t protocols[] = {EGRESS_TCP, EGRESS_UDP};
    uint32_t cuts[CUTS_MAX] = {0};
    size_t n_cuts = 0;
    int n = 0;
    for (uint32_t i = 0; i < names->n; i++) {
        cuts[n_cuts++] = names->at[i].port;
        cuts[n_cuts++] = names->at[i].port_last + UINT32_C(1);
    }
    qsort(cuts, n_cuts, sizeof(*cuts), compare_cuts);
    for (size_t p = 0; p < sizeof(protocols); p++)
        for (size_t i = 0; i + 1 < n_cuts; i++) {
            if (cuts[i] == cuts[i + 1] ||
                !egress_names_allow(names, which, protocols[p], (int)cuts[i]))
                continue;
            if (n == EGRESS_PORTS_MAX)
                return -1;
            out[n++] =
                (struct egress_ports){protocols[p], (uint16_t)cuts[i], (uint16_t)(cuts[i + 1] - 1)};
        }
    return n;
}
