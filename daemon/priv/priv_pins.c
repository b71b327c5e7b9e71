/* Writing elements, and reading them as libnftables has them; see priv_pins.h.
 *
 * An element that is added again keeps its time, with most kernels; so it is taken away and made
 * anew, which no packet sees: it is one transaction. What has to be there for a removal is added
 * before, for the same reason. */
#include "daemon/priv/priv_pins.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "daemon/priv/priv_egress.h"
#include "daemon/priv/priv_kind.h"
#include "daemon/priv/priv_nft.h"

enum { PORT_FIRST = 1024, PORT_LAST = 65535 }; /* what anybody may have */

/* Removing */

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
        const json_t *timed = json_object_get(json_object_get(element, "elem"), "val");
        const json_t *key = json_object_get(timed ? timed : element, "concat");
        if (!key) /* of a map: [TAP, {"concat": …}] */
            key = element;
        const char *of = json_string_value(json_array_get(key, 0));
        size_t parts = key == element ? 1 : json_array_size(key);
        if (!of || strcmp(of, tap) != 0)
            continue;
        fprintf(out, "delete element inet banger %s { \"%s\"", name, tap);
        for (size_t k = 1; k < parts; k++) {
            fputs(" . ", out);
            egress_put_part(out, json_array_get(key, k));
        }
        fputs(" }\n", out);
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

int pins_end(FILE *out, const char *tap, struct err *err)
{
    int rc = nft_has_chain("egress_names", err);
    if (rc <= 0)
        return rc;
    return resolve_end(out, tap, err) < 0 || end_of(out, "set", "pinned", tap, err) < 0 ||
                   end_of(out, "set", "held", tap, err) < 0
               ? -1
               : 0;
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

/* Pins */

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

int pins_set(const struct priv_thing *t, const char *tap, struct err *err)
{
    auto_free char *commands = NULL;
    size_t len = 0;
    if (!is_of_pool(t))
        return err_set(err, ERR_INVALID, "there is no socket for questions of %s", tap);
    FILE *out = open_memstream(&commands, &len);
    if (!out)
        return err_sys(err, errno, "no room for rules");
    pin_hold(out, t, tap);
    for (size_t i = 0; i < t->n_addresses; i++)
        for (uint32_t k = 0; k < t->allow.n; k++) {
            const struct egress_entry *ports = &t->allow.at[k];
            pin_put(out, "add", tap, t->addresses[i], ports, PRIV_PIN_MAX_S);
            pin_put(out, "delete", tap, t->addresses[i], ports, 0);
            if (t->seconds)
                pin_put(out, "add", tap, t->addresses[i], ports, t->seconds);
        }
    if (fclose(out) != 0)
        return err_sys(err, ENOMEM, "no room for rules");
    return nft_run(commands, err);
}
