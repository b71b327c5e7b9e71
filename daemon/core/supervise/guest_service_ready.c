/* Whether a service that runs is ready, by a command that is asked again and again; see
 * guest_service.h.
 *
 * A check is a tool of the agent's (agent/tool_check.c), not a session: nobody lists it, and no
 * disk knows of it. So readiness is what is true now, for the run that was asked about: the next
 * daemon asks anew. One that cannot be asked, as its VM is paused, stays as it is. */
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/log.h"
#include "daemon/core/core.h"
#include "daemon/core/event/event.h"
#include "daemon/core/session/guest_tool.h"
#include "daemon/core/supervise/guest_service_internal.h"

static bool has_check(const struct guest_service_entry *e)
{
    return e->row.policy.readiness.argv.len > 0;
}

bool guest_service_is_ready(const struct guest_service_entry *e)
{
    return guest_service_state(e) == GUEST_SERVICE_RUNNING && (!has_check(e) || e->ready.is);
}

const char *guest_service_not_ready(const struct guest_service_entry *e)
{
    bool asked = guest_service_state(e) == GUEST_SERVICE_RUNNING && has_check(e) && !e->ready.is;
    return asked ? e->ready.why : "";
}

static void tell(struct guest_service_entry *e, const char *kind, const char *detail)
{
    char resource[96];
    snprintf(resource, sizeof(resource), "service/%s", e->row.id);
    event_emit(e->of->core, NULL, kind, resource, e->row.vm_id, detail, NULL);
}

static void answered(struct guest_service_entry *e, const struct err *err)
{
    struct guest_service_ready *r = &e->ready;
    guest_tool_close(r->check);
    r->check = NULL;
    timer_start(&r->timer, e->row.policy.readiness.interval_ms);
    if (!err) {
        r->failures = 0;
        if (r->is)
            return;
        r->is = true;
        tell(e, "service.ready", e->row.name);
        guest_service_look_at_others(e);
        return;
    }
    snprintf(r->why, sizeof(r->why), "%s", err->message);
    r->failures++;
    if (r->is && r->failures >= e->row.policy.readiness.retries) {
        r->is = false;
        tell(e, "service.not_ready", r->why);
    }
}

static void on_ended(void *arg, const struct err *err)
{
    struct guest_service_entry *e = arg;
    if (err && err->code == ERR_UNAVAILABLE) { /* the guest is not there to be asked */
        guest_tool_close(e->ready.check);
        e->ready.check = NULL;
        timer_start(&e->ready.timer, e->row.policy.readiness.interval_ms);
        return;
    }
    answered(e, err);
}

static void ask(struct guest_service_entry *e)
{
    static const struct guest_tool_events events = {.ended = on_ended};
    const struct guest_service_readiness *r = &e->row.policy.readiness;
    const char *argv[GUEST_TOOL_ARGS] = {"check"};
    struct guest_tool_spec spec = {
        .argv = argv, .argc = 1, .user = e->row.spec.user, .group = e->row.spec.group};
    const char *at = (const char *)r->argv.data, *end = at + r->argv.len;
    for (; at < end && spec.argc < GUEST_TOOL_ARGS; at += strlen(at) + 1)
        argv[spec.argc++] = at;
    struct err err = ERR_INIT;
    struct vm_entry *vm = vm_find_id(e->of->core, e->row.vm_id);
    e->ready.check = vm ? guest_tool_run(e->of->core, vm, &spec, 0, &events, e, &err) : NULL;
    if (e->ready.check)
        guest_tool_finish(e->ready.check);
    else
        snprintf(e->ready.why, sizeof(e->ready.why), "it cannot be asked: %.400s", err.message);
    timer_start(&e->ready.timer, e->ready.check ? r->timeout_ms : r->interval_ms);
}

/* Time for the next check, or one has taken too long. */
static void on_time(void *arg)
{
    struct guest_service_entry *e = arg;
    struct err err = ERR_INIT;
    if (e->ready.check) {
        err_set(&err, ERR_DEADLINE, "it took longer than %u ms",
                e->row.policy.readiness.timeout_ms);
        answered(e, &err);
    } else {
        ask(e);
    }
}

void guest_service_stop_asking(struct guest_service_entry *e)
{
    struct guest_service_ready *r = &e->ready;
    guest_tool_close(r->check);
    timer_stop(&r->timer);
    *r = (struct guest_service_ready){.timer = r->timer};
}

void guest_service_look_ready(struct guest_service_entry *e)
{
    struct guest_service_ready *r = &e->ready;
    if (guest_service_state(e) != GUEST_SERVICE_RUNNING || !has_check(e)) {
        guest_service_stop_asking(e);
        return;
    }
    if (strcmp(r->run, guest_service_run(e)) != 0) {
        guest_service_stop_asking(e);
        snprintf(r->run, sizeof(r->run), "%s", guest_service_run(e));
        snprintf(r->why, sizeof(r->why), "it has not been asked yet");
    }
    if (!r->check && !timer_pending(&r->timer))
        ask(e);
}

int guest_service_ready_open(struct guest_service_entry *e)
{
    return timer_init(&e->ready.timer, e->of->core->loop, on_time, e);
}

void guest_service_ready_close(struct guest_service_entry *e)
{
    guest_service_stop_asking(e);
    timer_done(&e->ready.timer);
}
