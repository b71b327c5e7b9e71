/* A tool as its VM's agent comes and goes; see guest_tool.h.
 *
 * The agent names it after every hello as it does all sessions. One that it does not name was never
 * begun where it is the same agent, and is begun then; else it went with that agent. A tool that
 * nobody here knows had an owner that is gone, and is deleted. */
#include <stdio.h>
#include <string.h>

#include "daemon/core/core.h"
#include "daemon/core/session/guest_tool_internal.h"
#include "daemon/core/session/session_internal.h"

enum { FRAME_BYTES = 32 * 1024 };

/* Output */

static void enter(struct guest_tool *t)
{
    t->busy++;
}

static void leave(struct guest_tool *t)
{
    if (--t->busy == 0 && t->closed)
        guest_tool_close(t);
}

/* One line, says the contract; more is cut. */
static void take_words(struct guest_tool *t, const uint8_t *data, uint32_t len)
{
    size_t room = sizeof(t->words) - 1 - t->n_words;
    size_t n = len < room ? len : room;
    memcpy(t->words + t->n_words, data, n);
    t->n_words += n;
}

static void on_data(void *arg, int stream, uint64_t offset, const uint8_t *data, uint32_t len)
{
    struct guest_tool *t = arg;
    t->next[stream - 1] = offset + len;
    if (stream == 2) {
        take_words(t, data, len);
        agent_subscription_grant(t->sub, len);
        return;
    }
    t->credit -= len < t->credit ? len : t->credit;
    enter(t);
    t->events->data(t->arg, data, len);
    leave(t);
}

/* It is held, so this is a guest that went wrong or lies. */
static void on_gap(void *arg, int stream, uint64_t from, uint64_t to, uint64_t oldest,
                   const char *reason)
{
    struct guest_tool *t = arg;
    (void)from, (void)oldest, (void)reason;
    t->next[stream - 1] = to;
    if (stream == 1)
        guest_tool_fail(t, ERR_DATA_LOSS, "OUTPUT_LOST", "the guest has lost bytes of it");
}

static void on_sub_ended(void *arg, const struct err *err)
{
    struct guest_tool *t = arg;
    t->sub = NULL;
    if (err)
        return; /* asked for again when the agent names it */
    t->output_ended = true;
    guest_tool_look(t);
}

static const struct agent_subscription_events subscription_events = {
    .data = on_data,
    .gap = on_gap,
    .ended = on_sub_ended,
};

static void subscribe(struct guest_tool *t, struct agent_client *agent)
{
    if (t->sub || t->output_ended || t->over)
        return;
    struct agent_start from[2] = {{.at = AGENT_FROM_OFFSET, .value = t->next[0]},
                                  {.at = AGENT_FROM_OFFSET, .value = t->next[1]}};
    t->sub =
        agent_subscribe(agent, t->record.id, from[0], from[1], t->credit + GUEST_TOOL_WORDS_BYTES,
                        AGENT_FOLLOW | AGENT_HOLD, &subscription_events, t, NULL);
    if (!t->sub)
        guest_tool_fail(t, ERR_UNAVAILABLE, NULL, "out of memory");
}

/* Towards the agent */

static void tell_start(struct guest_tool *t, struct agent_client *agent)
{
    if (!agent_client_is_awake(agent)) /* a guest that comes back one day must not find it */
        return;
    struct err err = ERR_INIT;
    if (agent_client_start_session(agent, t->record.id, &t->record.spec, true, 0, &err) < 0) {
        if (err.code != ERR_UNAVAILABLE)
            guest_tool_fail(t, err.code, NULL, err.message);
        return;
    }
    t->told = true;
    snprintf(t->instance, sizeof(t->instance), "%s", agent_client_hello(agent)->instance);
    subscribe(t, agent);
}

static void tell_stdin(struct guest_tool *t, struct agent_client *agent)
{
    uint64_t end = t->acked + buf_len(&t->in);
    uint64_t limit = t->acked + agent_client_hello(agent)->stdin_window_bytes;
    while (!t->in_closed && t->sent < end && t->sent < limit) {
        uint64_t left = (end < limit ? end : limit) - t->sent;
        uint32_t n = left < FRAME_BYTES ? (uint32_t)left : FRAME_BYTES;
        if (agent_client_send_stdin(agent, t->record.id, t->sent,
                                    buf_data(&t->in) + (t->sent - t->acked), n, NULL) < 0)
            return;
        t->sent += n;
    }
    if (t->finished && !t->eof_sent && !t->in_closed && t->sent == end)
        t->eof_sent = agent_client_send_stdin_eof(agent, t->record.id, end, NULL) == 0;
}

void guest_tool_tell(struct guest_tool *t)
{
    struct session_vm *v = session_vm_find(t->core, t->record.vm_id);
    struct agent_client *agent = v && v->synced ? vm_agent(t->vm) : NULL;
    if (!agent || t->over)
        return;
    if (!t->told && !t->named)
        tell_start(t, agent);
    if (t->told || t->named)
        tell_stdin(t, agent);
}

/* What is told of the VM */

static struct guest_tool *find(struct core *core, const struct vm_entry *vm, const char *id)
{
    struct guest_tool *t = map_find(&core->sessions->tools.by_id, id);
    return t && t->vm == vm ? t : NULL;
}

/* Calls do() for those of the VM; which ones there are may change meanwhile only by their end being
 * told, which is later. */
static void for_each(struct core *core, struct vm_entry *vm, void (*act)(struct guest_tool *t))
{
    struct guest_tool *t;
    for (size_t at = 0; (t = map_next(&core->sessions->tools.by_id, &at));)
        if (t->vm == vm)
            act(t);
}

static void forget_link(struct guest_tool *t)
{
    t->told = t->named = t->eof_sent = false;
    t->sent = t->acked;
}

static void on_link(void *arg, struct vm_entry *vm)
{
    for_each(arg, vm, forget_link);
}

static void take_exit(struct guest_tool *t, const struct agent_session_status *status)
{
    t->exited = true;
    if (status->state == AGENT_SESSION_FAILED)
        err_set(&t->why, ERR_PRECONDITION, "%s",
                status->error[0] ? status->error : "the guest cannot run it");
    else if (status->signo || status->oom)
        err_set(&t->why, ERR_UNAVAILABLE, "it was killed in the guest%s",
                status->oom ? " for want of memory" : "");
    else if (status->exit_code != 0)
        t->why.code = ERR_UNKNOWN; /* its words say more */
    if (status->state == AGENT_SESSION_FAILED) {
        err_tag(&t->why,
                strcmp(status->failed_stage, "user") == 0 ? "USER_NOT_FOUND" : "TOOL_FAILED", NULL);
        t->output_ended = true;
    }
}

static void on_status(void *arg, struct vm_entry *vm, const struct agent_session_status *status)
{
    struct core *core = arg;
    struct guest_tool *t = find(core, vm, status->session_id);
    bool there = status->state != AGENT_SESSION_UNKNOWN;
    if (!t && there && status->tool)
        agent_client_delete_session(vm_agent(vm), status->session_id, NULL);
    if (!t || t->over)
        return;
    if (!there) {
        if (t->named)
            guest_tool_fail(t, ERR_UNAVAILABLE, "AGENT_LOST", "the guest's agent has forgotten it");
        return;
    }
    enter(t);
    t->named = t->known = true;
    timer_stop(&t->turn);
    subscribe(t, vm_agent(vm));
    guest_tool_take_ack(t, status->stdin_acked, status->stdin_closed);
    if (!t->exited && status->state != AGENT_SESSION_RUNNING)
        take_exit(t, status);
    guest_tool_look(t);
    leave(t);
}

static void judge(struct guest_tool *t)
{
    const struct agent_hello *hello = agent_client_hello(vm_agent(t->vm));
    if (t->over || t->named)
        return;
    if (t->known || (t->instance[0] && strcmp(t->instance, hello->instance) != 0)) {
        guest_tool_fail(t, ERR_UNAVAILABLE, "AGENT_LOST", "the guest's agent was lost meanwhile");
        return;
    }
    guest_tool_tell(t);
}

static void on_synced(void *arg, struct vm_entry *vm)
{
    if (vm_agent(vm))
        for_each(arg, vm, judge);
    for_each(arg, vm, guest_tool_tell);
}

static void on_stdin_ack(void *arg, struct vm_entry *vm, const char *id, uint64_t offset,
                         bool closed)
{
    struct guest_tool *t = find(arg, vm, id);
    if (t)
        guest_tool_take_ack(t, offset, closed);
}

static void on_writable(void *arg, struct vm_entry *vm)
{
    for_each(arg, vm, guest_tool_tell);
}

static void lose(struct guest_tool *t)
{
    t->sub = NULL; /* silent from here on; see on_gone */
    guest_tool_fail(t, ERR_UNAVAILABLE, "VM_STOPPED", "the VM has ended meanwhile");
}

static void on_gone(void *arg, struct vm_entry *vm, const char *reason)
{
    struct core *core = arg;
    (void)reason;
    struct guest_tool *t;
    for (size_t at = 0; (t = map_next(&core->sessions->tools.by_id, &at));)
        if (t->vm == vm)
            agent_unsubscribe(t->sub);
    for_each(core, vm, lose);
}

const struct vm_events guest_tool_vm_events = {
    .link_up = on_link,
    .session_status = on_status,
    .synced = on_synced,
    .stdin_ack = on_stdin_ack,
    .writable = on_writable,
    .link_down = on_link,
    .gone = on_gone,
};
