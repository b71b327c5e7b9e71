/* See vm_egress.h.
 *
 * A resolver that answers is a way out, too: whoever owns a domain reads what a guest asks for in
 * it. So with NONE a guest has no resolver; with LIST it has, as names are what lists are written
 * for, and that is said in docs/security.md. */
#include "daemon/core/vm/vm_egress.h"

#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "daemon/core/core.h"
#include "daemon/core/vm/vm_network.h"
#include "daemon/core/vm/vm_spec.h"
#include "daemon/vmm/vmm.h"

static int vm_egress_invalid(struct err *err)
{
    err_wrap(err, "egress");
    return err_tag(err, "INVALID_SPEC", NULL);
}

static int vm_egress_check_mode(const struct vm_egress *egress, struct err *err)
{
    if (egress->mode > EGRESS_LIST)
        return err_set(err, ERR_INVALID, "%d is no mode; take all, none or a list",
                       (int)egress->mode);
    if (egress->mode != EGRESS_LIST && egress->allow.len > 0)
        return err_set(err, ERR_INVALID, "there are entries, and its mode is not LIST");
    if (egress->mode == EGRESS_LIST && egress->allow.len == 0)
        return err_set(err, ERR_INVALID, "a list without entries; NONE is what allows nothing");
    return 0;
}

int vm_egress_read(const struct vm_egress *egress, struct egress_list *list, struct err *err)
{
    const char *at = (const char *)egress->allow.data, *end = at + egress->allow.len;
    static struct egress_ranges ranges; /* the loop's alone, and large */
    list->n = 0;
    if (vm_egress_check_mode(egress, err) < 0)
        return vm_egress_invalid(err);
    for (; at < end; at += strlen(at) + 1) {
        if (list->n == EGRESS_ENTRIES_MAX) {
            err_set(err, ERR_INVALID, "more than %d entries", EGRESS_ENTRIES_MAX);
            return vm_egress_invalid(err);
        }
        if (egress_entry_parse(at, &list->at[list->n++], err) < 0)
            return vm_egress_invalid(err);
    }
    return egress_compile(list, &ranges, err) < 0 ? vm_egress_invalid(err) : 0;
}

int vm_egress_set(struct vm_egress *egress, enum egress_mode mode, const struct egress_list *list,
                  struct err *err)
{
    char texts[EGRESS_ENTRIES_MAX * EGRESS_TEXT_BYTES];
    size_t len = 0;
    for (uint32_t i = 0; i < list->n && i < EGRESS_ENTRIES_MAX; i++) {
        egress_entry_text(&list->at[i], texts + len);
        len += strlen(texts + len) + 1;
    }
    if (blob_set(&egress->allow, texts, len) < 0)
        return err_set(err, ERR_LIMIT, "out of memory for an egress list");
    egress->mode = mode;
    return 0;
}

static int vm_egress_unavailable(struct err *err, const char *why)
{
    err_set(err, ERR_PRECONDITION, "egress: %s", why);
    return err_tag(err, "EGRESS_UNAVAILABLE", NULL);
}

int vm_egress_check_host(const struct core *core, const struct vm_spec *spec, enum egress_mode mode,
                         struct err *err)
{
    if (mode != EGRESS_NONE && mode != EGRESS_LIST)
        return 0;
    if (!vm_boots(spec))
        return vm_egress_unavailable(err, "its guest is a process of this host and has the host's "
                                          "network; take a driver that boots one");
    if (mode == EGRESS_LIST && spec->net == NET_USER && core->vmm_host && core->vmm_host->slirp)
        return vm_egress_unavailable(err, "user_network is slirp, which knows all or none; a list "
                                          "needs passt, or a tap");
    if (mode == EGRESS_LIST && spec->net == NET_NONE) {
        err_set(err, ERR_INVALID, "it has no network");
        return vm_egress_invalid(err);
    }
    return 0;
}

int vm_egress_check(const struct core *core, struct vm_spec *spec, struct err *err)
{
    struct egress_list list;
    if (spec->egress.mode == 0)
        spec->egress.mode = EGRESS_ALL;
    return vm_egress_read(&spec->egress, &list, err) < 0
               ? -1
               : vm_egress_check_host(core, spec, spec->egress.mode, err);
}

int vm_egress_settle(struct vm_spec *spec, struct err *err)
{
    struct egress_list list;
    return vm_egress_read(&spec->egress, &list, err) < 0
               ? -1
               : vm_egress_set(&spec->egress, spec->egress.mode, &list, err);
}

void vm_egress_of(const struct vm *vm, struct egress_list *list)
{
    struct guest_network net;
    char text[EGRESS_TEXT_BYTES];
    struct egress_entry *own;
    if (vm_egress_read(&vm->spec.egress, list, NULL) < 0)
        list->n = 0; /* no record is loaded with such */
    if (vm->spec.egress.mode != EGRESS_LIST || vm->spec.net != NET_TAP)
        return; /* what passt answers itself is none of the list's */
    vm_net_of_guest(vm, &net);
    own = &list->at[list->n];
    snprintf(text, sizeof(text), "%s:53", net.dns);
    if (egress_entry_parse(text, own, NULL) == 0)
        list->n++;
}
