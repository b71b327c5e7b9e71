/* Requests to banger-priv, with kinds that make nothing in the place of all. Whatever comes: one
 * answer, which can be read; and no kind is asked for what was not checked. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/id.h"
#include "daemon/model/egress_name.h"
#include "daemon/priv/priv_serve.h"

enum { UID = 4001, FOUND_MAX = 3 * PRIV_FOUND_PER_PACKET };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void must(bool held)
{
    if (!held)
        abort();
}

static void check_thing(const struct priv_thing *t)
{
    must(t->owner.uid == UID && priv_state_is_valid(t->owner.state) && id_is_valid(t->vm_id));
}

static int fake_probe(const struct priv_settings *of, struct err *err)
{
    (void)of;
    return err_set(err, ERR_PRECONDITION, "there are none");
}

static int fake_find(const struct priv_thing *t, struct err *err)
{
    check_thing(t);
    return t->vm_id[0] == '0' ? 0 : err_set(err, ERR_NOT_FOUND, "none of %s", t->vm_id);
}

static int fake_make_tap(const struct priv_thing *t, struct err *err)
{
    must(priv_address_is_valid(t->address) && priv_pool_has(&t->settings->pool, t->address));
    return fake_find(t, err);
}

static int fake_make_rules(const struct priv_thing *t, struct err *err)
{
    must(t->egress != BANGER__PRIV__V1__EGRESS__EGRESS_UNSPECIFIED);
    must(t->allow.n <= EGRESS_ENTRIES_MAX + EGRESS_OWN_ENTRIES);
    must(t->allow.n == 0 || t->egress == BANGER__PRIV__V1__EGRESS__EGRESS_LIST ||
         t->egress == BANGER__PRIV__V1__EGRESS__EGRESS_NAMES);
    for (uint32_t i = 0; i < t->allow.n; i++)
        must(egress_entry_is_valid(&t->allow.at[i]));
    return fake_find(t, err);
}

static int fake_pin(const struct priv_thing *t, struct err *err)
{
    must(t->n_addresses <= PRIV_PINS_MAX && t->allow.n <= PRIV_PIN_PORTS &&
         t->seconds <= PRIV_PIN_MAX_S);
    for (size_t i = 0; i < t->n_addresses; i++)
        must(egress_name_may_lead_to(t->addresses[i]));
    for (uint32_t i = 0; i < t->allow.n; i++) {
        const struct egress_entry *e = &t->allow.at[i];
        must(e->port <= e->port_last && e->address == 0 && e->prefix == 0 &&
             (e->protocol == EGRESS_TCP || e->protocol == EGRESS_UDP));
    }
    return fake_find(t, err);
}

/* As many as the tag says. */
static int fake_list(const struct priv_owner *owner, priv_found_fn *found, void *arg,
                     struct err *err)
{
    must(owner->uid == UID && priv_state_is_valid(owner->state));
    unsigned long n = strtoul(owner->state, NULL, 16) % FOUND_MAX;
    for (unsigned long i = 0; i < n; i++)
        found(arg, "0123456789abcdef", "bg0123456789abc");
    return n % 2 ? err_set(err, ERR_UNKNOWN, "after %lu", n) : 0;
}

static const struct priv_kind fake_tap = {
    .name = "tap",
    .probe = fake_probe,
    .make = fake_make_tap,
    .find = fake_find,
    .remove = fake_find,
    .list = fake_list,
};

static const struct priv_kind fake_rules = {
    .name = "rules",
    .probe = fake_probe,
    .make = fake_make_rules,
    .find = fake_find,
    .remove = fake_find,
    .resolve = fake_find,
    .pin = fake_pin,
    .list = fake_list,
};

/* Whatever else it needs came as files, of which there are none here. */
static int fake_make_dm(const struct priv_thing *t, struct err *err)
{
    must(t->settings->disks && t->fds[0] == -1 && t->fds[1] == -1);
    return fake_find(t, err);
}

static const struct priv_kind fake_dm = {
    .name = "dm",
    .probe = fake_probe,
    .make = fake_make_dm,
    .find = fake_find,
    .remove = fake_find,
    .list = fake_list,
};

struct answer {
    size_t packets, found;
    bool over;
};

static void on_packet(void *arg, const uint8_t *packet, size_t len)
{
    struct answer *a = arg;
    must(!a->over && len > 0 && len <= PRIV_REPLY_BYTES);
    Banger__Priv__V1__Reply *m = banger__priv__v1__reply__unpack(NULL, len, packet);
    must(m != NULL);
    must(m->code == 0 || (m->last && m->message[0] && m->n_found == 0));
    a->packets++;
    a->found += m->n_found;
    a->over = m->last;
    banger__priv__v1__reply__free_unpacked(m, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static const int no_files[PRIV_FDS] = {-1, -1};
    struct priv_settings settings = {.disks = true};
    struct answer a = {0};
    must(priv_pool_read(PRIV_POOL, &settings.pool));
    priv_kind_override(BANGER__PRIV__V1__KIND__KIND_TAP, &fake_tap);
    priv_kind_override(BANGER__PRIV__V1__KIND__KIND_RULES, &fake_rules);
    priv_kind_override(BANGER__PRIV__V1__KIND__KIND_DM, &fake_dm);
    priv_serve(&settings, UID, data, len, no_files, on_packet, &a);
    must(a.over && a.found < FOUND_MAX && a.packets <= FOUND_MAX / PRIV_FOUND_PER_PACKET + 1);
    return 0;
}
