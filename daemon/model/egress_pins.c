/* See egress_pins.h. */
#include "daemon/model/egress_pins.h"

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

const struct egress_pin *egress_pins_find(const struct egress_pins *pins, uint32_t address,
                                          int64_t now_ms)
{
    const struct egress_pin *p = find((struct egress_pins *)pins, address);
    return p && p->until_ms > now_ms ? p : NULL;
}

/* Until when something of it may pass. */
static int64_t end_of(const struct egress_pin *p)
{
    int64_t idle_ms = p->used_ms ? p->used_ms + (int64_t)EGRESS_PIN_IDLE_S * 1000 : 0;
    return idle_ms > p->until_ms ? idle_ms : p->until_ms;
}

static struct egress_pin *make_room(struct egress_pins *pins, int64_t now_ms, uint32_t *gone)
{
    struct egress_pin *first = &pins->at[0];
    if (pins->n < EGRESS_PINS_MAX)
        return &pins->at[pins->n++];
    for (size_t i = 1; i < pins->n; i++)
        if (end_of(&pins->at[i]) < end_of(first))
            first = &pins->at[i];
    *gone = end_of(first) > now_ms ? first->address : 0;
    return first;
}

void egress_pins_add(struct egress_pins *pins, uint32_t address, uint32_t which, int64_t until_ms,
                     int64_t now_ms, uint32_t *gone)
{
    struct egress_pin *p = find(pins, address);
    *gone = 0;
    if (!p) {
        p = make_room(pins, now_ms, gone);
        *p = (struct egress_pin){.address = address};
    } else if (end_of(p) <= now_ms) {
        p->which = 0; /* what it was open for is over */
    }
    p->which |= which;
    if (until_ms > p->until_ms)
        p->until_ms = until_ms;
}

bool egress_pins_allow(struct egress_pins *pins, const struct egress_names *names, uint32_t address,
                       uint8_t protocol, int port, bool begins, int64_t now_ms)
{
    struct egress_pin *p = find(pins, address);
    if (!p || !egress_names_allow(names, p->which, protocol, port) ||
        (begins ? p->until_ms : end_of(p)) <= now_ms)
        return false;
    p->used_ms = now_ms;
    return true;
}

static bool is_listed(const struct egress_ranges *r, uint32_t address)
{
    for (size_t i = 0; i < r->n; i++)
        if (address >= r->at[i].first && address <= r->at[i].last)
            return true;
    return false;
}

uint32_t egress_answer_clean(struct dns_answer *a, const struct egress_ranges *listed)
{
    size_t kept = 0;
    uint32_t taken = 0;
    for (size_t i = 0; i < a->n; i++) {
        if (egress_name_may_lead_to(a->addresses[i]) || is_listed(listed, a->addresses[i]))
            a->addresses[kept++] = a->addresses[i];
        else if (!taken)
            taken = a->addresses[i];
    }
    a->n = kept;
    return taken;
}
