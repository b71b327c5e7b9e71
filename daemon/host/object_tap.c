/* A VM's tap, with the host's end of the guest's network. */
#include "base/err.h"
#include "daemon/host/object_priv.h"
#include "daemon/priv/priv_call.h"

static int tap_probe(const char *folder, struct err *err)
{
    (void)folder;
    return object_priv_probe(BANGER__PRIV__V1__KIND__KIND_TAP, err);
}

static int tap_make(const struct object *o, int cancel_fd, struct err *err)
{
    (void)cancel_fd;
    return object_priv_make(o, BANGER__PRIV__V1__KIND__KIND_TAP, err);
}

static int tap_find(const struct object *o, struct err *err)
{
    return object_priv_find(o, BANGER__PRIV__V1__KIND__KIND_TAP, err);
}

static int tap_remove(const struct object *o, struct err *err)
{
    return object_priv_remove(o, BANGER__PRIV__V1__KIND__KIND_TAP, err);
}

int object_tap_give(const char *vm_id, uint32_t uid, struct err *err)
{
    Banger__Priv__V1__Request request = BANGER__PRIV__V1__REQUEST__INIT;
    request.operation = BANGER__PRIV__V1__OPERATION__OPERATION_GIVE;
    request.kind = BANGER__PRIV__V1__KIND__KIND_TAP;
    request.vm = (char *)(uintptr_t)vm_id;
    request.user = uid;
    if (priv_call(&request, NULL, NULL, err) == 0)
        return 0;
    return err_wrap(err, "cannot give its tap to user %u", (unsigned)uid);
}

static int tap_list(const char *state_dir, object_found_fn *found, void *arg, struct err *err)
{
    struct object_found as = {.kind = &object_tap, .role = OBJECT_TAP};
    return object_priv_list(state_dir, &as, BANGER__PRIV__V1__KIND__KIND_TAP, found, arg, err);
}

const struct object_kind object_tap = {
    .name = "tap",
    .transient = true,
    .privileged = true,
    .roles = 1u << OBJECT_TAP,
    .probe = tap_probe,
    .derive_name = object_priv_name,
    .make = tap_make,
    .find = tap_find,
    .remove = tap_remove,
    .list = tap_list,
};
