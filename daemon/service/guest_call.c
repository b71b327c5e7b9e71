/* See guest_call.h. */
#include "daemon/service/guest_call.h"

#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/utf8.h"
#include "daemon/core/core.h"
#include "daemon/core/session/guest_tool.h"
#include "daemon/core/vm/vm.h"
#include "daemon/service/request.h"
#include "rpc/wire/call.h"

void guest_call_init(struct guest_call *g, struct core *core, struct rpc_call *call)
{
    *g = (struct guest_call){.core = core, .call = rpc_call_ref(call)};
    list_init(&g->member);
}

void guest_call_done(struct guest_call *g)
{
    guest_tool_close(g->tool);
    g->tool = NULL;
    list_remove(&g->member);
    rpc_call_unref(g->call);
}

/* Whether there is room for one more. */
static int guest_call_admit(const struct guest_call *g, const char *vm_id, const char *name,
                            struct err *err)
{
    const char *principal = rpc_call_peer(g->call)->principal;
    unsigned all = 0, of_vm = 0, of_peer = 0;
    list_foreach(l, &g->core->guest_calls)
    {
        const struct guest_call *other = container_of(l, struct guest_call, member);
        all++;
        of_vm += strcmp(other->vm_id, vm_id) == 0;
        of_peer += strcmp(rpc_call_peer(other->call)->principal, principal) == 0;
    }
    if (of_vm < GUEST_CALLS_PER_VM && of_peer < GUEST_CALLS_PER_PEER && all < GUEST_CALLS)
        return 0;
    if (of_vm >= GUEST_CALLS_PER_VM)
        err_set(err, ERR_LIMIT, "VM %s has %u forwards already", name, of_vm);
    else
        err_set(err, ERR_LIMIT, "there are %u forwards %salready",
                all < GUEST_CALLS ? of_peer : all, all < GUEST_CALLS ? "of yours " : "");
    return err_tag(err, "FORWARD_LIMIT", "vm/%s", vm_id);
}

struct vm_entry *guest_call_find_vm(struct guest_call *g, const char *ref, struct err *err)
{
    return vm_find_within(g->core, request_scope(g->core, g->call), ref, err);
}

int guest_call_run(struct guest_call *g, struct vm_entry *vm, const struct guest_tool_spec *spec,
                   const struct guest_tool_events *events, void *arg, struct err *err)
{
    if (guest_call_admit(g, vm_record(vm)->id, vm_record(vm)->name, err) < 0)
        return -1;
    g->tool = guest_tool_run(g->core, vm, spec, GUEST_CALL_CREDIT, events, arg, err);
    if (!g->tool)
        return -1;
    snprintf(g->vm_id, sizeof(g->vm_id), "%s", vm_record(vm)->id);
    list_add_tail(&g->core->guest_calls, &g->member);
    return 0;
}

void guest_call_used(struct guest_call *g, uint32_t len)
{
    g->owed_bytes += len;
    guest_call_writable(g);
}

void guest_call_writable(struct guest_call *g)
{
    if (!g->tool || g->owed_bytes == 0 || !rpc_call_writable(g->call))
        return;
    guest_tool_grant(g->tool, g->owed_bytes);
    g->owed_bytes = 0;
}

int guest_lines_feed(struct guest_lines *lines, const uint8_t *data, size_t len,
                     int (*take)(void *arg, char *line), void *arg)
{
    for (size_t i = 0; i < len; i++) {
        char c = (char)data[i];
        if (c != '\n') {
            bool plain = c == '\t' || ((unsigned char)c >= ' ' && c != 0x7f);
            if (lines->n < sizeof(lines->text) - 1)
                lines->text[lines->n++] = plain ? c : '?';
            continue;
        }
        lines->text[lines->n] = '\0';
        lines->n = 0;
        utf8_mend(lines->text);
        int rc = take(arg, lines->text);
        if (rc)
            return rc;
    }
    return 0;
}
