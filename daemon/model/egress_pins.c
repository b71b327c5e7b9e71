/* See egress_pins.h. */
#include "daemon/model/egress_pins.h"

#include <assert.h>

#include "daemon/model/dns.h"
#include "daemon/model/egress.h"

uint32_t egress_pin_seconds(uint32_t ttl_s)
{
    uint32_t s = ttl_s < EGRESS_PIN_MIN_S ? EGRESS_PIN_MIN_S : ttl_s;
    return (s > EGRESS_PIN_MAX_S ? EGRESS_PIN_MAX_S : s) + EGRESS_PIN_GRACE_S;
}

static struct egress_pin *find(struct egress_pins *pins, uint32_t address)
{
    for (size_t i = 0; i < pins->n; i++)
        if (pins->at[i].address == address)
            return &pins->at[i];
    return NULL;
}

bool egress_pins_open(const struct egress_pins *pins, uint32_t address, uint32_t which,
                      int64_t until_ms)
{
    const struct egress_pin *p = find((struct egress_pins *)pins, address);
    for (size_t i = 0; p && i < EGRESS_NAMES_MAX; i++)
        if ((which >> i & 1) && p->by[i].until_ms < until_ms)
            return false;
    return p != NULL;
}

/* Until when something of a name's may pass. */
static int64_t end_by(const struct egress_pin *p, size_t i)
{
    int64_t until_ms = p->by[i].until_ms, used_ms = p->by[i].used_ms;
    int64_t idle_ms = used_ms ? used_ms + (int64_t)EGRESS_PIN_IDLE_S * 1000 : 0;
    return idle_ms > until_ms ? idle_ms : until_ms;
}

static int64_t end_of(const struct egress_pin *p)
{
    int64_t end_ms = 0;
    for (size_t i = 0; i < EGRESS_NAMES_MAX; i++)
        if (end_by(p, i) > end_ms)
            end_ms = end_by(p, i);
    return end_ms;
}

static bool is_among(const uint32_t *addresses, size_t n, uint32_t address)
{
    for (size_t i = 0; i < n; i++)
        if (addresses[i] == address)
            return true;
    return false;
}

/* NULL: all are kept. */
static struct egress_pin *first_to_end(struct egress_pins *pins, const uint32_t *kept, size_t n)
{
    struct egress_pin *first = NULL;
    for (size_t i = 0; i < pins->n; i++)
        if (!is_among(kept, n, pins->at[i].address) &&
            (!first || end_of(&pins->at[i]) < end_of(first)))
            first = &pins->at[i];
    return first;
}

size_t egress_pins_make_room(struct egress_pins *pins, const uint32_t *addresses, size_t n,
                             int64_t now_ms, uint32_t *gone)
{
    size_t n_new = 0, n_gone = 0;
    struct egress_pin *first;
    for (size_t i = 0; i < n; i++)
        n_new += !find(pins, addresses[i]);
    while (pins->n + n_new > EGRESS_PINS_MAX && (first = first_to_end(pins, addresses, n))) {
        if (end_of(first) > now_ms)
            gone[n_gone++] = first->address;
        *first = pins->at[--pins->n];
    }
    return n_gone;
}

void egress_pins_add(struct egress_pins *pins, uint32_t address, uint32_t which, int64_t until_ms)
{
    struct egress_pin *p = find(pins, address);
    if (!p) {
        assert(pins->n < EGRESS_PINS_MAX);
        p = &pins->at[pins->n++];
        *p = (struct egress_pin){.address = address};
    }
    for (size_t i = 0; i < EGRESS_NAMES_MAX; i++)
        if ((which >> i & 1) && until_ms > p->by[i].until_ms)
            p->by[i].until_ms = until_ms;
}

/* By names that are open, or by those that are not any more: what one that is open lets through
 * keeps none of the others. */
static bool allow_by(struct egress_pin *p, const struct egress_names *names, uint8_t protocol,
                     int port, bool open, int64_t now_ms)
{
    bool allowed = false;
    for (uint32_t i = 0; i < names->n; i++) {
        if ((p->by[i].until_ms > now_ms) != open || end_by(p, i) <= now_ms ||
            !egress_names_allow(names, UINT32_C(1) << i, protocol, port))
            continue;
        p->by[i].used_ms = now_ms;
        allowed = true;
    }
    return allowed;
}

bool egress_pins_allow(struct egress_pins *pins, const struct egress_names *names, uint32_t address,
                       uint8_t protocol, int port, bool begins, int64_t now_ms)
{
    struct egress_pin *p = find(pins, address);
    return p && (allow_by(p, names, protocol, port, true, now_ms) ||
                 (!begins && allow_by(p, names, protocol, port, false, now_ms)));
}

uint32_t egress_answer_clean(struct dns_answer *a, const struct egress_ranges *listed)
{
    size_t kept = 0;
    uint32_t taken = 0;
    for (size_t i = 0; i < a->n; i++) {
        if (egress_name_may_lead_to(a->addresses[i]) || egress_lists(listed, a->addresses[i]))
            a->addresses[kept++] = a->addresses[i];
        else if (!taken)
            taken = a->addresses[i];
    }
    a->n = kept;
    return taken;
}
