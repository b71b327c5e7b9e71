/* What the guest behind a VM's tap may reach: two elements of the table inet banger, those of its
 * list (priv_egress.h), and what its names have led to (priv_pins.h), made and removed together. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "daemon/priv/priv_blocks.h"
#include "daemon/priv/priv_egress.h"
#include "daemon/priv/priv_kind.h"
#include "daemon/priv/priv_nft.h"
#include "daemon/priv/priv_pins.h"

#define MESSAGE(name) BANGER__PRIV__V1__EGRESS__##name

static int rules_probe(const struct priv_settings *settings, struct err *err)
{
    (void)settings;
    return nft_table(err);
}

struct rules_search {
    char tap[PRIV_TAP_BYTES];
    struct nft_guest found; /* tap "": none */
};

/* found.tap is "" where there is none. ERR_EXISTS (STRANGER). */
static int rules_look(const struct priv_thing *t, struct rules_search *s, struct err *err)
{
    char vm_id[ID_BYTES];
    *s = (struct rules_search){0};
    priv_tap_name(&t->owner, t->vm_id, s->tap);
    if (nft_find(s->tap, &s->found, err) < 0)
        return -1;
    if (!s->found.tap[0] || priv_label_read(&t->owner, s->found.label, vm_id))
        return 0;
    err_set(err, ERR_EXISTS, "table inet banger has tap %s as another's: \"%s\"", s->tap,
            s->found.label);
    return err_tag(err, "STRANGER", NULL);
}

/* Both elements, or one where a hand has taken the other. */
static void rules_end(FILE *out, const struct rules_search *s)
{
    if (s->found.egress != MESSAGE(EGRESS_UNSPECIFIED))
        fprintf(out, "delete element inet banger egress { \"%s\" }\n", s->tap);
    if (s->found.tap[0])
        fprintf(out, "delete element inet banger taps { \"%s\" }\n", s->tap);
}

static int rules_begin(FILE *out, const struct priv_thing *t, const struct rules_search *s,
                       const struct egress_ranges *ranges, struct err *err)
{
    static const char *const chains[] = {[MESSAGE(EGRESS_ALL)] = "egress_all",
                                         [MESSAGE(EGRESS_NONE)] = "egress_none",
                                         [MESSAGE(EGRESS_LIST)] = "egress_list",
                                         [MESSAGE(EGRESS_NAMES)] = "egress_names"};
    char label[PRIV_LABEL_BYTES];
    priv_label(&t->owner, t->vm_id, label);
    fprintf(out,
            "add element inet banger taps { \"%s\" comment \"%s\" }\n"
            "add element inet banger egress { \"%s\" : goto %s }\n",
            s->tap, label, s->tap, chains[t->egress]);
    egress_add(out, s->tap, label, ranges);
    return t->egress == MESSAGE(EGRESS_NAMES) ? pins_begin(out, s->tap, err) : 0;
}

/* It has no elements but those two. */
static bool is_simple(Banger__Priv__V1__Egress egress)
{
    return egress == MESSAGE(EGRESS_ALL) || egress == MESSAGE(EGRESS_NONE);
}

/* It has some, or is to get some; without a verdict a hand may have left some. What is read for it
 * is everyone's, so only then. */
static bool is_named(const struct rules_search *s, const struct priv_thing *t)
{
    Banger__Priv__V1__Egress now = s->found.egress;
    return now == MESSAGE(EGRESS_NAMES) ||
           (t ? t->egress == MESSAGE(EGRESS_NAMES) : now == MESSAGE(EGRESS_UNSPECIFIED));
}

/* All of it as one transaction; t NULL: nothing comes in its place. */
static int rules_replace(const struct priv_owner *owner, const struct rules_search *s,
                         const struct priv_thing *t, const struct egress_ranges *ranges,
                         struct err *err)
{
    auto_free char *commands = NULL;
    size_t len = 0;
    bool more = !is_simple(s->found.egress) || !s->found.tap[0] || (t && !is_simple(t->egress));
    FILE *out = open_memstream(&commands, &len);
    if (!out)
        return err_sys(err, errno, "no room for rules");
    rules_end(out, s);
    int rc = more ? egress_end(out, owner, s->tap, err) : 0;
    if (rc == 0 && is_named(s, t))
        rc = pins_end(out, s->tap, err);
    if (rc == 0 && t)
        rc = rules_begin(out, t, s, ranges, err);
    if (fclose(out) != 0)
        return err_sys(err, ENOMEM, "no room for rules");
    return rc < 0 || len == 0 ? rc : nft_run(commands, err);
}

static int rules_make(const struct priv_thing *t, struct err *err)
{
    auto_free struct egress_ranges *ranges = malloc(sizeof(*ranges));
    struct rules_search s;
    if (!ranges)
        return err_sys(err, ENOMEM, "no room for rules");
    if (egress_compile(&t->allow, ranges, err) < 0 || nft_table(err) < 0 ||
        rules_look(t, &s, err) < 0)
        return -1;
    if (s.found.tap[0] && s.found.egress == t->egress && is_simple(t->egress))
        return 0;
    return rules_replace(&t->owner, &s, t, ranges, err);
}

static int rules_find(const struct priv_thing *t, struct err *err)
{
    struct rules_search s;
    if (rules_look(t, &s, err) < 0)
        return -1;
    return s.found.tap[0] && s.found.egress == t->egress
               ? 0
               : err_set(err, ERR_NOT_FOUND, "table inet banger has no rules for %s", s.tap);
}

/* A stranger's stays. */
static int rules_remove(const struct priv_thing *t, struct err *err)
{
    struct rules_search s;
    struct err why = ERR_INIT;
    if (rules_look(t, &s, &why) < 0) {
        if (why.code == ERR_EXISTS)
            return 0;
        *err = why;
        return -1;
    }
    return rules_replace(&t->owner, &s, NULL, NULL, err);
}

/* Its own, with names. */
static int rules_named(const struct priv_thing *t, struct rules_search *s, struct err *err)
{
    if (rules_look(t, s, err) < 0)
        return -1;
    return s->found.tap[0] && s->found.egress == MESSAGE(EGRESS_NAMES)
               ? 0
               : err_set(err, ERR_NOT_FOUND, "table inet banger has no names for %s", s->tap);
}

static int rules_resolve(const struct priv_thing *t, struct err *err)
{
    struct rules_search s;
    return rules_named(t, &s, err) < 0 ? -1 : pins_resolve(t, s.tap, err);
}

static int rules_pin(const struct priv_thing *t, struct err *err)
{
    struct rules_search s;
    return rules_named(t, &s, err) < 0 ? -1 : pins_set(t, s.tap, err);
}

struct rules_list {
    const struct priv_owner *owner;
    priv_found_fn *found;
    void *arg;
    char last[ID_BYTES]; /* of the elements that are left: one VM's come one after another */
    struct err err;      /* of looking for their taps */
};

static void rules_seen(void *arg, const char *tap, const char *label)
{
    const struct rules_list *l = arg;
    char vm_id[ID_BYTES];
    if (priv_label_read(l->owner, label, vm_id))
        l->found(l->arg, vm_id, tap);
}

/* Of a list whose tap a hand has taken out of the table. */
static void rules_seen_listed(void *arg, const char *tap, const char *label)
{
    struct rules_list *l = arg;
    struct nft_guest guest;
    char vm_id[ID_BYTES];
    if (!priv_label_read(l->owner, label, vm_id) || strcmp(vm_id, l->last) == 0)
        return;
    memcpy(l->last, vm_id, sizeof(vm_id));
    if (nft_find(tap, &guest, &l->err) == 0 && !guest.tap[0])
        l->found(l->arg, vm_id, tap);
}

static int rules_list(const struct priv_owner *owner, priv_found_fn *found, void *arg,
                      struct err *err)
{
    struct rules_list l = {.owner = owner, .found = found, .arg = arg};
    if (nft_each(rules_seen, &l, err) < 0 || egress_each(rules_seen_listed, &l, err) < 0)
        return -1;
    if (l.err.code == ERR_NONE)
        return 0;
    *err = l.err;
    return -1;
}

const struct priv_kind priv_rules = {
    .name = "rules",
    .probe = rules_probe,
    .check = priv_check_forward,
    .make = rules_make,
    .find = rules_find,
    .remove = rules_remove,
    .resolve = rules_resolve,
    .pin = rules_pin,
    .list = rules_list,
};
