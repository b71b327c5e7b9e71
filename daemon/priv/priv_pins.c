/* Writing elements, and reading them as libnftables or the kernel has them; see priv_pins.h.
 *
 * An element that is added again keeps its time, with most kernels; so it is taken away and made
 * anew, which no packet sees: it is one transaction. One that has a time may end between being read
 * and being taken away, and what is not there cannot be: so it is added before. */
#include "daemon/priv/priv_pins.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "daemon/priv/priv_egress.h"
#include "daemon/priv/priv_kind.h"
#include "daemon/priv/priv_nft.h"

enum { PORT_FIRST = 1024, PORT_LAST = 65535 }; /* what anybody may have */

/* Pins: reading and writing */

/* Pins of a tap, and how many there are of all. */
struct pinned_list {
    const char *tap;
    struct nft_pinned *at; /* owned */
    size_t n, n_all;
    bool cut; /* out of memory */
};

static void pinned_begin(void *arg)
{
    struct pinned_list *l = arg;
    l->n = l->n_all = 0;
}

static void pinned_add(void *arg, const struct nft_pinned *p)
{
    struct pinned_list *l = arg;
    l->n_all++;
    if (strcmp(p->tap, l->tap) != 0 || l->cut)
        return;
    if ((l->n & (l->n + 1)) == 0) { /* it doubles */
        struct nft_pinned *at = realloc(l->at, (2 * l->n + 1) * sizeof(*at));
        l->cut = !at;
        if (!at)
            return;
        l->at = at;
    }
    l->at[l->n++] = *p;
}

/* list->at is the caller's, whatever comes of it. */
static int pinned_read(const char *tap, struct pinned_list *l, struct err *err)
{
    *l = (struct pinned_list){.tap = tap};
    if (nft_each_pinned(pinned_add, pinned_begin, l, err) < 0)
        return -1;
    return l->cut ? err_sys(err, ENOMEM, "no room for pins") : 0;
}

static const struct nft_pinned *pinned_find(const struct pinned_list *l, uint32_t address,
                                            const struct egress_entry *ports)
{
    for (size_t i = 0; i < l->n; i++) {
        const struct nft_pinned *p = &l->at[i];
        if (p->address == address && p->ports.protocol == ports->protocol &&
            p->ports.port == ports->port && p->ports.port_last == ports->port_last)
            return p;
    }
    return NULL;
}

static void pin_put(FILE *out, const char *verb, const char *tap, uint32_t address,
                    const struct egress_entry *ports, uint32_t seconds)
{
    char text[16];
    priv_address_text(address, text);
    fprintf(out, "%s element inet banger pinned { \"%s\" . %s . %u . %u", verb, tap, text,
            ports->protocol, ports->port);
    if (ports->port_last != ports->port)
        fprintf(out, "-%u", ports->port_last);
    if (seconds)
        fprintf(out, " timeout %us", (unsigned)seconds);
    fputs(" }\n", out);
}

static void pin_take(FILE *out, const char *tap, uint32_t address, const struct egress_entry *ports)
{
    pin_put(out, "add", tap, address, ports, PRIV_PIN_MAX_S);
    pin_put(out, "delete", tap, address, ports, 0);
}

/* Removing */

/* The key of an element of a set or map; NULL: it is not the tap's. */
static const json_t *key_of(const json_t *element, const char *tap)
{
    const json_t *timed = json_object_get(json_object_get(element, "elem"), "val");
    const json_t *key = json_object_get(timed ? timed : element, "concat");
    const char *of = json_string_value(json_array_get(key ? key : element, 0));
    if (!of || strcmp(of, tap) != 0)
        return NULL;
    return key ? key : element; /* of a map: [TAP, {"concat": …}] */
}

static void end_one(FILE *out, const char *verb, const char *name, const char *tap,
                    const json_t *key, size_t parts)
{
    fprintf(out, "%s element inet banger %s { \"%s\"", verb, name, tap);
    for (size_t k = 1; k < parts; k++) {
        fputs(" . ", out);
        egress_put_part(out, json_array_get(key, k));
    }
    fputs(" }\n", out);
}

/* What nft(8) is told to remove: elements of a set or map whose key begins with the tap. */
static int end_of(FILE *out, const char *what, const char *name, const char *tap, struct err *err)
{
    json_t *answer, *element;
    size_t i;
    char command[64];
    snprintf(command, sizeof(command), "list %s inet banger %s", what, name);
    json_t *elements = nft_elements(command, what, &answer, err);
    if (!answer)
        return err_wrap(err, "cannot list table inet banger");
    json_array_foreach(elements, i, element)
    {
        const json_t *key = key_of(element, tap);
        if (!key)
            continue;
        size_t parts = key == element ? 1 : json_array_size(key);
        if (json_object_get(element, "elem")) /* it has a time */
            end_one(out, "add", name, tap, key, parts);
        end_one(out, "delete", name, tap, key, parts);
    }
    json_decref(answer);
    return 0;
}

static int resolve_end(FILE *out, const char *tap, struct err *err)
{
    return end_of(out, "map", "resolvers", tap, err) < 0
               ? -1
               : end_of(out, "set", "answering", tap, err);
}

static int pinned_end(FILE *out, const char *tap, struct err *err)
{
    struct pinned_list l;
    int rc = pinned_read(tap, &l, err);
    for (size_t i = 0; rc == 0 && i < l.n; i++)
        pin_take(out, tap, l.at[i].address, &l.at[i].ports);
    free(l.at);
    return rc;
}

int pins_end(FILE *out, const char *tap, struct err *err)
{
    int rc = nft_has_chain("egress_names", err);
    if (rc <= 0)
        return rc;
    return nft_table(err) < 0 || resolve_end(out, tap, err) < 0 ||
                   end_of(out, "map", "zones", tap, err) < 0 || pinned_end(out, tap, err) < 0 ||
                   end_of(out, "set", "held", tap, err) < 0
               ? -1
               : 0;
}

/* Connections */

/* Another one than that of the list before, or of a guest that had the address before: by chance,
 * so that nobody has to remember these. */
int pins_begin(FILE *out, const char *tap, struct err *err)
{
    uint16_t zone;
    do
        if (getrandom(&zone, sizeof(zone), 0) != sizeof(zone))
            return err_sys(err, errno, "no random number");
    while (zone == 0);
    fprintf(out, "add element inet banger zones { \"%s\" : %u }\n", tap, zone);
    return 0;
}

/* Where questions go */

/* A caller's own: else a guest could be led to what of the host it must not reach. */
static bool is_of_pool(const struct priv_thing *t)
{
    return priv_address_is_valid(t->address) && priv_pool_has(&t->settings->pool, t->address) &&
           t->port >= PORT_FIRST && t->port <= PORT_LAST;
}

static bool has_socket(uint32_t uid, uint32_t address, uint32_t port)
{
    char line[256];
    bool found = false;
    FILE *f = fopen("/proc/net/udp", "re");
    while (f && !found && fgets(line, sizeof(line), f)) {
        unsigned at, at_port, owner;
        if (sscanf(line, " %*u: %x:%x %*x:%*x %*x %*x:%*x %*x:%*x %*x %u", &at, &at_port, &owner) ==
            3)
            found = at == htonl(address) && at_port == port && owner == uid;
    }
    if (f)
        fclose(f);
    return found;
}

int pins_resolve(const struct priv_thing *t, const char *tap, struct err *err)
{
    uint32_t host = t->address - 1;
    auto_free char *commands = NULL;
    size_t len = 0;
    char address[16];
    if (!is_of_pool(t) || !has_socket(t->owner.uid, host, t->port))
        return err_set(err, ERR_INVALID, "no socket of user %u is at the host's end of %s",
                       (unsigned)t->owner.uid, tap);
    FILE *out = open_memstream(&commands, &len);
    if (!out)
        return err_sys(err, errno, "no room for rules");
    int rc = resolve_end(out, tap, err);
    priv_address_text(host, address);
    fprintf(out,
            "add element inet banger resolvers { \"%s\" : %s . %u }\n"
            "add element inet banger answering { \"%s\" . %s . %u }\n",
            tap, address, (unsigned)t->port, tap, address, (unsigned)t->port);
    if (fclose(out) != 0)
        return err_sys(err, ENOMEM, "no room for rules");
    return rc < 0 ? -1 : nft_run(commands, err);
}

/* Pinning */

/* What was asked for before the rules were made anew fails: the socket is another now, and none of
 * the transaction is done. */
static void pin_hold(FILE *out, const struct priv_thing *t, const char *tap)
{
    static const char *const verbs[] = {"delete", "add"};
    char address[16];
    priv_address_text(t->address - 1, address);
    for (int i = 0; i < 2; i++)
        fprintf(out, "%s element inet banger answering { \"%s\" . %s . %u }\n", verbs[i], tap,
                address, (unsigned)t->port);
}

/* Returns how many elements come. Another name, or an earlier daemon, may have opened the same
 * ports for longer: that stays. */
static size_t pin_one(FILE *out, const struct priv_thing *t, const char *tap, uint32_t address,
                      const struct egress_entry *ports, const struct nft_pinned *there)
{
    if (there && t->seconds && there->left_s >= t->seconds)
        return 0;
    if (there)
        pin_take(out, tap, address, ports);
    if (t->seconds)
        pin_put(out, "add", tap, address, ports, t->seconds);
    return !there && t->seconds;
}

static int pins_write(FILE *out, const struct priv_thing *t, const char *tap, struct err *err)
{
    struct pinned_list l;
    size_t n = 0;
    int rc = pinned_read(tap, &l, err);
    pin_hold(out, t, tap);
    for (size_t i = 0; rc == 0 && i < t->n_addresses; i++)
        for (uint32_t k = 0; k < t->allow.n; k++)
            n += pin_one(out, t, tap, t->addresses[i], &t->allow.at[k],
                         pinned_find(&l, t->addresses[i], &t->allow.at[k]));
    free(l.at);
    if (rc < 0)
        return -1;
    if (n > 0 && (l.n + n > PRIV_PINS_OF_TAP || l.n_all + n > PRIV_PINS_OF_HOST))
        return err_set(err, ERR_LIMIT,
                       "%zu addresses and ports are open to %s by names, %zu to all", l.n, tap,
                       l.n_all);
    return 0;
}

int pins_set(const struct priv_thing *t, const char *tap, struct err *err)
{
    auto_free char *commands = NULL;
    size_t len = 0;
    if (!is_of_pool(t))
        return err_set(err, ERR_INVALID, "there is no socket for questions of %s", tap);
    FILE *out = open_memstream(&commands, &len);
    if (!out)
        return err_sys(err, errno, "no room for rules");
    int rc = pins_write(out, t, tap, err);
    if (fclose(out) != 0)
        return err_sys(err, ENOMEM, "no room for rules");
    return rc < 0 ? -1 : nft_run(commands, err);
}
