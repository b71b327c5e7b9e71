/* See vm_egress.h.
 *
 * A resolver that answers is a way out, too: whoever owns a domain reads what a guest asks for in
 * it. So with NONE a guest has no resolver; with a list of addresses it has the host's, as names
 * are what programs know, and that is said in docs/security.md; with names in it, it has ours,
 * which knows those alone. */
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

int vm_egress_add(struct vm_allow *allow, const char *text, struct err *err)
{
    struct egress_names *names = &allow->names;
    if (allow->list.n + names->n == EGRESS_ENTRIES_MAX)
        return err_set(err, ERR_INVALID, "more than %d entries", EGRESS_ENTRIES_MAX);
    if (!egress_is_name(text)) {
        if (egress_entry_parse(text, &allow->list.at[allow->list.n], err) < 0)
            return -1;
        allow->list.n++;
        return 0;
    }
    if (names->n == EGRESS_NAMES_MAX)
        return err_set(err, ERR_INVALID, "more than %d names", EGRESS_NAMES_MAX);
    if (egress_name_parse(text, &names->at[names->n], err) < 0)
        return -1;
    names->n++;
    allow->list.names = true;
    return 0;
}

static int vm_egress_check_ports(const struct egress_names *names, struct err *err)
{
    struct egress_ports ports[EGRESS_PORTS_MAX];
    return egress_names_ports(names, UINT32_MAX, ports) >= 0
               ? 0
               : err_set(err, ERR_INVALID, "its names have too many different ports");
}

int vm_egress_read(const struct vm_egress *egress, struct vm_allow *allow, struct err *err)
{
    const char *at = (const char *)egress->allow.data, *end = at + egress->allow.len;
    static struct egress_ranges ranges; /* the loop's alone, and large */
    *allow = (struct vm_allow){.list.n = 0};
    if (vm_egress_check_mode(egress, err) < 0)
        return vm_egress_invalid(err);
    for (; at < end; at += strlen(at) + 1)
        if (vm_egress_add(allow, at, err) < 0)
            return vm_egress_invalid(err);
    if (vm_egress_check_ports(&allow->names, err) < 0 ||
        egress_compile(&allow->list, &ranges, err) < 0)
        return vm_egress_invalid(err);
    return 0;
}

size_t vm_egress_text(const struct vm_allow *allow, uint32_t i, char text[EGRESS_NAME_TEXT_BYTES])
{
    if (i < allow->list.n)
        egress_entry_text(&allow->list.at[i], text);
    else if (i - allow->list.n < allow->names.n)
        egress_name_text(&allow->names.at[i - allow->list.n], text);
    else
        return 0;
    return strlen(text) + 1;
}

int vm_egress_set(struct vm_egress *egress, enum egress_mode mode, const struct vm_allow *allow,
                  struct err *err)
{
    char texts[EGRESS_ENTRIES_MAX * EGRESS_TEXT_BYTES + EGRESS_NAMES_MAX * EGRESS_NAME_TEXT_BYTES];
    size_t len = 0, n = 1;
    for (uint32_t i = 0; i < EGRESS_ENTRIES_MAX && n > 0; i++)
        len += n = vm_egress_text(allow, i, texts + len);
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
    struct vm_allow allow;
    if (spec->egress.mode == 0)
        spec->egress.mode = EGRESS_ALL;
    return vm_egress_read(&spec->egress, &allow, err) < 0
               ? -1
               : vm_egress_check_host(core, spec, spec->egress.mode, err);
}

int vm_egress_settle(struct vm_spec *spec, struct err *err)
{
    struct vm_allow allow;
    return vm_egress_read(&spec->egress, &allow, err) < 0
               ? -1
               : vm_egress_set(&spec->egress, spec->egress.mode, &allow, err);
}

bool vm_egress_has_names(const struct vm *vm)
{
    const struct vm_egress *egress = &vm->spec.egress;
    const char *at = (const char *)egress->allow.data, *end = at + egress->allow.len;
    for (; egress->mode == EGRESS_LIST && at < end; at += strlen(at) + 1)
        if (egress_is_name(at))
            return true;
    return false;
}

void vm_egress_of(const struct vm *vm, struct vm_allow *allow)
{
    struct egress_list *list = &allow->list;
    struct guest_network net;
    char text[EGRESS_TEXT_BYTES];
    struct egress_entry *own;
    if (vm_egress_read(&vm->spec.egress, allow, NULL) < 0)
        *allow = (struct vm_allow){.list.n = 0}; /* no record is loaded with such */
    if (vm->spec.egress.mode != EGRESS_LIST || vm->spec.net != NET_TAP || list->names)
        return; /* what passt, or we, answer is none of the list's */
    vm_net_of_guest(vm, &net);
    own = &list->at[list->n];
    snprintf(text, sizeof(text), "%s:53", net.dns);
    if (egress_entry_parse(text, own, NULL) == 0)
        list->n++;
}
