/* VMService: what only looks. Answered from memory, so that no VM can hold these up, but for what
 * the kernel counts of a VM's process. */
#include "daemon/service/vm.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "daemon/core/core.h"
#include "daemon/core/access/scope.h"
#include "daemon/core/vm/vm.h"
#include "daemon/guest/agent_client.h"
#include "daemon/service/page.h"
#include "daemon/service/request.h"
#include "daemon/service/service.h"
#include "daemon/service/view.h"
#include "daemon/service/worker_call.h"
#include "daemon/vmm/usage.h"

/* Of what is on disk (vm_shown), as all that is told of a record. */
static void fill_view(struct vm_view *view, const struct vm_entry *e)
{
    /* The view borrows: conditions live in its own storage. */
    size_t n = vm_get_conditions(e, view->condition_models);
    vm_view_fill(view, vm_shown(e), view->condition_models, n, vm_kept_output(e),
                 vm_offered_ssh_host_key(e));
}

void vm_service_get(void *self, struct rpc_call *call, const Banger__V1__GetVMRequest *request)
{
    struct vm_entry *e = request_find_vm(self, call, request->vm);
    if (!e)
        return;
    struct vm_view view;
    fill_view(&view, e);
    banger_v1_vm_service_get_vm_reply(call, &view.vm);
}

void vm_service_list(void *self, struct rpc_call *call, const Banger__V1__ListVMsRequest *request)
{
    struct core *core = self;
    struct err err = ERR_INIT;
    struct page page;
    struct labels selector;
    uint32_t states;
    if (page_parse(&page, request->page_size, request->page_token, &err) < 0 ||
        request_states(&states, request->states, request->n_states, VM_UNKNOWN, &err) < 0 ||
        request_selector(&selector, request->selector, &err) < 0) {
        rpc_call_finish(call, &err);
        return;
    }
    const struct labels *scope = request_scope(core, call);
    struct vm_entry *e;
    for (size_t i = vm_order_after(core, page.after_ns, page.after_id); (e = vm_at(core, i)); i++) {
        vm_expect(vm_at(core, i + 1));
        const struct vm *vm = vm_shown(e);
        __builtin_prefetch(vm ? vm->labels.at : NULL);
        if (!vm || !(states >> vm->runtime.state & 1) || !scope_has_vm(scope, vm) ||
            !label_list_have(&vm->labels, &selector))
            continue;
        if (page_is_cut(&page))
            break;
        struct vm_view view;
        fill_view(&view, e);
        page_add(&page, call, vm->created_ns, vm->id, &view.vm.base);
    }
    Banger__V1__ListVMsResponse response = BANGER__V1__LIST_VMS_RESPONSE__INIT;
    response.next_page_token = page.next;
    banger_v1_vm_service_list_vms_reply(call, &response);
}

void vm_service_get_handles(void *self, struct rpc_call *call,
                            const Banger__V1__GetVMHandlesRequest *request)
{
    struct vm_entry *e = request_find_vm(self, call, request->vm);
    if (!e)
        return;
    const struct vm_handles *h = vm_handles(e);
    Banger__V1__VMHandles response = BANGER__V1__VMHANDLES__INIT;
    response.pid = h->pid;
    response.pid_start_time = h->pid_start_time;
    response.host_boot_id = (char *)h->host_boot_id;
    response.tap_device = (char *)h->tap_device;
    response.base_loop = (char *)h->base_loop;
    response.cow_loop = (char *)h->cow_loop;
    response.dm_name = (char *)h->dm_name;
    response.dm_dev = (char *)h->dm_dev;
    banger_v1_vm_service_get_vm_handles_reply(call, &response);
}

struct stats {
    pid_t pid; /* 0: it does not run */
    int64_t started_ns;
    struct vmm_usage usage;
    char id[ID_BYTES], name[NAME_BYTES], tap[16], vm_dir[VM_PATH_BYTES];
};

static void stats_look(void *data)
{
    struct stats *s = data;
    if (s->pid > 0)
        vmm_usage_look(s->pid, s->tap, s->vm_dir, &s->usage);
}

static void stats_reply(struct core *core, struct rpc_call *call, void *data)
{
    (void)core;
    struct stats *s = data;
    Banger__V1__VMStats stats = BANGER__V1__VMSTATS__INIT;
    stats.vm_id = s->id;
    stats.vm_name = s->name;
    stats.cpu_ns = s->usage.cpu_ns;
    stats.memory_rss_bytes = s->usage.rss_bytes;
    stats.disk_read_bytes = s->usage.read_bytes;
    stats.disk_written_bytes = s->usage.written_bytes;
    stats.network_received_bytes = s->usage.received_bytes;
    stats.network_sent_bytes = s->usage.sent_bytes;
    int64_t up_ns = s->pid > 0 && s->started_ns ? clock_real_ns() - s->started_ns : 0;
    stats.uptime_ms = up_ns > 0 ? (uint64_t)up_ns / 1000000 : 0; /* the clock may be set back */
    banger_v1_vm_service_get_vm_stats_reply(call, &stats);
}

void vm_service_get_stats(void *self, struct rpc_call *call,
                          const Banger__V1__GetVMStatsRequest *request)
{
    struct vm_entry *e = request_find_vm(self, call, request->vm);
    if (!e)
        return;
    struct stats s = {.pid = vm_handles(e)->pid, .started_ns = vm_record(e)->started_ns};
    memcpy(s.id, vm_record(e)->id, sizeof(s.id));
    memcpy(s.name, vm_record(e)->name, sizeof(s.name));
    memcpy(s.tap, vm_handles(e)->tap_device, sizeof(s.tap));
    memcpy(s.vm_dir, vm_record(e)->runtime.vm_dir, sizeof(s.vm_dir));
    worker_call_start(self, call, &s, sizeof(s), stats_look, stats_reply);
}

void vm_service_check_health(void *self, struct rpc_call *call,
                             const Banger__V1__CheckVMHealthRequest *request)
{
    struct vm_entry *e = request_find_vm(self, call, request->vm);
    if (!e)
        return;
    Banger__V1__CheckVMHealthResponse response = BANGER__V1__CHECK_VMHEALTH_RESPONSE__INIT;
    char why[TEXT_BYTES] = "";
    response.agent_ready = vm_guest_is_ready(e);
    if (vm_agent(e))
        response.round_trip_us = agent_client_round_trip_us(vm_agent(e));
    if (!vm_guest_is_ready(e))
        snprintf(why, sizeof(why), "the VM is %s%s%s", vm_state_name(vm_record(e)->runtime.state),
                 *vm_agent_error(e) ? ": " : "", vm_agent_error(e));
    response.explanation = why;
    banger_v1_vm_service_check_vm_health_reply(call, &response);
}
