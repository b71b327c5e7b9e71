/* A VM's link to its agent; see vm_agent.h.
 *
 * Sessions see a link only once the guest is configured: a hello that says "configured" is passed
 * on as it is, a fresh guest's link_up and synced are held back until our configuration is in. */
#include "daemon/core/vm/vm_agent.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "daemon/core/core.h"
#include "daemon/core/vm/vm_clock.h"
#include "daemon/core/vm/vm_internal.h"
#include "daemon/core/vm/vm_network.h"
#include "daemon/core/vm/vm_new_agent.h"
#include "daemon/core/vm/vm_spec.h"
#include "daemon/core/vm/vm_ssh.h"
#include "daemon/guest/agent_client.h"
#include "daemon/vmm/vmm.h"

static const char *const guest_names[] = {
    [VM_GUEST_DOWN] = "down",
    [VM_GUEST_SYNCED] = "synced",
    [VM_GUEST_READY] = "ready",
    [VM_GUEST_BROKEN] = "broken",
};

#define TO(state) (1u << VM_GUEST_##state)
static const unsigned guest_moves[] = {
    [VM_GUEST_DOWN] = TO(DOWN) | TO(SYNCED) | TO(READY) | TO(BROKEN),
    [VM_GUEST_SYNCED] = TO(DOWN) | TO(READY) | TO(BROKEN),
    [VM_GUEST_READY] = TO(DOWN),
    [VM_GUEST_BROKEN] = TO(DOWN), /* by another link */
};
#undef TO

/* why: it is not ready; NULL: as before. A move that the table lacks is refused and logged. */
static void vm_guest_move(struct vm_entry *e, enum vm_guest_state to, const char *why)
{
    if (!(guest_moves[e->guest] & 1u << to)) {
        log_error(e->vm.id, "its guest would go from %s to %s", guest_names[e->guest],
                  guest_names[to]);
        return;
    }
    bool was_ready = vm_guest_is_ready(e);
    e->guest = to;
    if (vm_guest_is_ready(e) != was_ready || e->agent_changed_ns == 0)
        e->agent_changed_ns = clock_real_ns();
    if (why)
        snprintf(e->agent_error, sizeof(e->agent_error), "%s", why);
    vm_notify(e);
}

static void vm_agent_ready(struct vm_entry *e)
{
    bool synced = e->guest == VM_GUEST_SYNCED;
    vm_guest_move(e, VM_GUEST_READY, "");
    VM_TELL(e->core, link_up, e);
    if (synced)
        VM_TELL(e->core, synced, e);
    if (e->agent)
        vm_new_agent_offer(e);
}

static int vm_agent_configure(struct vm_entry *e, struct err *err)
{
    struct agent_configure c = {.spool_bytes = 0};
    struct guest_network net;
    const struct vm *vm = &e->vm;
    snprintf(c.vm_id, sizeof(c.vm_id), "%s", vm->id);
    if (vm_is_over_ssh(&vm->spec))
        return agent_client_configure(e->agent, &c, err); /* the rest is its own init's */
    if (vm_boots(&vm->spec)) {                            /* else that would be this host's */
        snprintf(c.hostname, sizeof(c.hostname), "%s", vm->name);
        vm_net_of_guest(vm, &net);
        if (net.address[0])
            snprintf(c.address_cidr, sizeof(c.address_cidr), "%s/%u", net.address, net.prefix);
        snprintf(c.gateway, sizeof(c.gateway), "%s", net.gateway);
        snprintf(c.dns_server, sizeof(c.dns_server), "%s", net.dns);
        c.window_bytes = net.window_bytes;
        if (vm->spec.work_disk_bytes > 0)
            snprintf(c.work_mount, sizeof(c.work_mount), "/work");
    }
    return agent_client_configure(e->agent, &c, err);
}

static void vm_agent_link_up(void *arg, const struct agent_hello *hello)
{
    struct vm_entry *e = arg;
    vm_guest_move(e, VM_GUEST_DOWN, NULL); /* by this link */
    if (strcmp(e->vm.boot_id, hello->boot_id) != 0) {
        vm_edit(e);
        snprintf(e->vm.boot_id, sizeof(e->vm.boot_id), "%s", hello->boot_id);
        vm_save(e, NULL);
    }
    if (hello->boot_error[0]) {
        vm_guest_move(e, VM_GUEST_BROKEN, hello->boot_error);
        return;
    }
    struct err err = ERR_INIT;
    if (hello->configured) {
        vm_clock_set(e); /* before any session of this link */
        vm_agent_ready(e);
    }
    if (!hello->configured && vm_agent_configure(e, &err) < 0)
        log_err(LOG_LEVEL_WARN, e->vm.id, &err, "cannot configure the guest");
}

static void vm_agent_synced(void *arg)
{
    struct vm_entry *e = arg;
    if (vm_guest_is_ready(e))
        VM_TELL(e->core, synced, e);
    else if (e->guest == VM_GUEST_DOWN)
        vm_guest_move(e, VM_GUEST_SYNCED, NULL);
}

/* One that nobody waits for any more says nothing. */
static void vm_agent_configured(void *arg, const char *error)
{
    struct vm_entry *e = arg;
    if (vm_guest_is_ready(e) || e->guest == VM_GUEST_BROKEN)
        return;
    if (error[0]) {
        log_warn(e->vm.id, "the guest could not be configured: %s", error);
        vm_guest_move(e, VM_GUEST_BROKEN, error);
        return;
    }
    vm_agent_ready(e);
    agent_client_ping(e->agent); /* it knows now where it keeps output, and how much of it */
}

static void vm_agent_clock(void *arg, int64_t ahead_ns, int64_t within_ns)
{
    vm_clock_measured(arg, ahead_ns, within_ns);
}

static void vm_agent_kept(void *arg, const struct kept_output *kept)
{
    struct vm_entry *e = arg;
    e->kept = *kept;
}

/* Why a guest cannot be used is worth more than that it is gone. */
static void vm_agent_down(struct vm_entry *e, const char *why)
{
    bool was_ready = vm_guest_is_ready(e);
    vm_new_agent_drop(e);
    if (e->guest != VM_GUEST_BROKEN)
        vm_guest_move(e, VM_GUEST_DOWN, why);
    if (was_ready)
        VM_TELL(e->core, link_down, e);
}

static void vm_agent_link_down(void *arg, const struct err *why)
{
    vm_agent_down(arg, why ? why->message : "the link to the agent is down");
}

/* What its SSH server did this time says more than that it was lost once. */
static void vm_agent_link_failed(void *arg, const struct err *why)
{
    struct vm_entry *e = arg;
    if (vm_is_over_ssh(&e->vm.spec) && e->guest == VM_GUEST_DOWN && why)
        snprintf(e->agent_error, sizeof(e->agent_error), "%.200s", why->message);
}

static void vm_agent_session_status(void *arg, const struct agent_session_status *status)
{
    struct vm_entry *e = arg;
    VM_TELL(e->core, session_status, e, status);
}

static void vm_agent_session_deleted(void *arg, const char *session_id)
{
    struct vm_entry *e = arg;
    VM_TELL(e->core, session_deleted, e, session_id);
}

static void vm_agent_stdin_ack(void *arg, const char *session_id, uint64_t offset, bool closed)
{
    struct vm_entry *e = arg;
    VM_TELL(e->core, stdin_ack, e, session_id, offset, closed);
}

static void vm_agent_writable(void *arg)
{
    struct vm_entry *e = arg;
    vm_new_agent_writable(e);
    VM_TELL(e->core, writable, e);
}

static void vm_agent_new_agent_refused(void *arg, const char *error)
{
    struct vm_entry *e = arg;
    log_warn(e->vm.id, "its agent does not take a newer one: %s", error);
    vm_new_agent_drop(e);
}

static void vm_agent_shutting_down(void *arg)
{
    struct vm_entry *e = arg;
    VM_TELL(e->core, shutting_down, e);
}

static const struct agent_events vm_agent_events = {
    .link_up = vm_agent_link_up,
    .synced = vm_agent_synced,
    .link_down = vm_agent_link_down,
    .link_failed = vm_agent_link_failed,
    .configured = vm_agent_configured,
    .clock = vm_agent_clock,
    .kept = vm_agent_kept,
    .session_status = vm_agent_session_status,
    .session_deleted = vm_agent_session_deleted,
    .stdin_ack = vm_agent_stdin_ack,
    .shutting_down = vm_agent_shutting_down,
    .new_agent_refused = vm_agent_new_agent_refused,
    .writable = vm_agent_writable,
};

int vm_agent_open(struct vm_entry *e, struct err *err)
{
    const struct vmm_channel *of = vmm_get_channel(e->machine);
    struct channel_config channel = {.kind = channel_find(of->kind), .port = of->port};
    snprintf(channel.socket_path, sizeof(channel.socket_path), "%s", of->path);
    if (of->kind == GUEST_CHANNEL_SSH && vm_ssh_channel(e, &channel, err) < 0)
        return -1;
    vm_guest_move(e, VM_GUEST_DOWN, "");
    e->n_new_agents = 0;
    e->agent = agent_client_open(e->core->loop, &channel, &vm_agent_events, e, err);
    return e->agent ? 0 : -1;
}

void vm_agent_refused(struct vm_entry *e, const char *why)
{
    if (e->guest == VM_GUEST_DOWN)
        vm_guest_move(e, VM_GUEST_BROKEN, why);
    else if (e->guest == VM_GUEST_BROKEN)
        snprintf(e->agent_error, sizeof(e->agent_error), "%s", why);
}

void vm_agent_accepted(struct vm_entry *e)
{
    if (e->guest == VM_GUEST_BROKEN)
        vm_guest_move(e, VM_GUEST_DOWN, "");
}

void vm_agent_close(struct vm_entry *e)
{
    if (!e->agent)
        return;
    vm_agent_down(e, "");
    agent_client_close(e->agent);
    e->agent = NULL;
    e->kept.known = false;
}
