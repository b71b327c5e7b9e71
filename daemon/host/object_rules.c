/* What the guest behind a VM's tap may reach: elements of the nftables table inet banger, called
 * after the tap. */
#include "daemon/host/object_priv.h"

static int rules_probe(const char *folder, struct err *err)
{
    (void)folder;
    return object_priv_probe(BANGER__PRIV__V1__KIND__KIND_RULES, err);
}

static int rules_make(const struct object *o, int cancel_fd, struct err *err)
{
    (void)cancel_fd;
    return object_priv_make(o, BANGER__PRIV__V1__KIND__KIND_RULES, err);
}

static int rules_find(const struct object *o, struct err *err)
{
    return object_priv_find(o, BANGER__PRIV__V1__KIND__KIND_RULES, err);
}

static int rules_remove(const struct object *o, struct err *err)
{
    return object_priv_remove(o, BANGER__PRIV__V1__KIND__KIND_RULES, err);
}

static int rules_list(const char *state_dir, object_found_fn *found, void *arg, struct err *err)
{
    struct object_found as = {.kind = &object_rules, .role = OBJECT_TAP_RULES};
    return object_priv_list(state_dir, &as, BANGER__PRIV__V1__KIND__KIND_RULES, found, arg, err);
}

const struct object_kind object_rules = {
    .name = "rules",
    .transient = true,
    .mends = true,
    .privileged = true,
    .roles = 1u << OBJECT_TAP_RULES,
    .probe = rules_probe,
    .derive_name = object_priv_name,
    .make = rules_make,
    .find = rules_find,
    .remove = rules_remove,
    .list = rules_list,
};
