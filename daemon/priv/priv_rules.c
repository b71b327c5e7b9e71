/* What the guest behind a VM's tap may reach: two elements of the table inet banger, made and
 * removed together. */
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "daemon/priv/priv_doctor.h"
#include "daemon/priv/priv_kind.h"
#include "daemon/priv/priv_nft.h"

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
static int rules_end(const struct rules_search *s, char *commands, size_t size)
{
    int n = 0;
    if (s->found.egress != BANGER__PRIV__V1__EGRESS__EGRESS_UNSPECIFIED)
        n += snprintf(commands, size, "delete element inet banger egress { \"%s\" }\n", s->tap);
    if (s->found.tap[0])
        n += snprintf(commands + n, size - (size_t)n,
                      "delete element inet banger taps { \"%s\" }\n", s->tap);
    return n;
}

static int rules_make(const struct priv_thing *t, struct err *err)
{
    bool all = t->egress == BANGER__PRIV__V1__EGRESS__EGRESS_ALL;
    char commands[1024], label[PRIV_LABEL_BYTES];
    struct rules_search s;
    if (nft_table(err) < 0 || rules_look(t, &s, err) < 0)
        return -1;
    if (s.found.tap[0] && s.found.egress == t->egress)
        return 0;
    priv_label(&t->owner, t->vm_id, label);
    int n = rules_end(&s, commands, sizeof(commands));
    snprintf(commands + n, sizeof(commands) - (size_t)n,
             "add element inet banger taps { \"%s\" comment \"%s\" }\n"
             "add element inet banger egress { \"%s\" : goto %s }\n",
             s.tap, label, s.tap, all ? "egress_all" : "egress_none");
    return nft_run(commands, err);
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
    char commands[512];
    struct rules_search s;
    struct err why = ERR_INIT;
    if (rules_look(t, &s, &why) < 0) {
        if (why.code == ERR_EXISTS)
            return 0;
        *err = why;
        return -1;
    }
    return rules_end(&s, commands, sizeof(commands)) > 0 ? nft_run(commands, err) : 0;
}

struct rules_list {
    const struct priv_owner *owner;
    priv_found_fn *found;
    void *arg;
};

static void rules_seen(void *arg, const struct nft_guest *guest)
{
    const struct rules_list *l = arg;
    char vm_id[ID_BYTES];
    if (priv_label_read(l->owner, guest->label, vm_id))
        l->found(l->arg, vm_id, guest->tap);
}

static int rules_list(const struct priv_owner *owner, priv_found_fn *found, void *arg,
                      struct err *err)
{
    struct rules_list l = {owner, found, arg};
    return nft_each(rules_seen, &l, err);
}

const struct priv_kind priv_rules = {
    .name = "rules",
    .probe = rules_probe,
    .check = priv_check_forward,
    .make = rules_make,
    .find = rules_find,
    .remove = rules_remove,
    .list = rules_list,
};
