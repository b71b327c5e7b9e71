/* What a session's agent has still to be told; see session.h.
 *
 * That is worked out, never noted: what is wanted by the record and by what was asked for, and has
 * not been told on this link, is owed. A message may be refused (the queue is full, the guest says
 * nothing) and may be lost with the link, which forgets what was told on it. So all of it is looked
 * at again when the link is back and whenever there is room. Every message may come twice. */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "daemon/core/core.h"
#include "daemon/core/session/session_internal.h"
#include "daemon/core/vm/vm.h"

enum { TARGET_GROUP = 2, TARGET_ALL = 3 };

struct agent_client *session_agent(const struct session_entry *e)
{
    struct vm_entry *vm = vm_find_id(e->core, e->session.vm_id);
    return vm && e->of && e->of->synced ? vm_agent(vm) : NULL;
}

bool session_agent_knows(const struct session_entry *e)
{
    return e->named || e->told.start;
}

/* A process is there to take signals. */
static bool has_begun(const struct session_entry *e)
{
    return e->session.started_ns != 0;
}

bool session_may_be_started(const struct session_entry *e, const struct agent_hello *hello)
{
    enum session_state state = e->session.state;
    bool stopping = state == SESSION_STOPPING && !has_begun(e);
    if (e->named)
        return false;
    if (e->sent_to[0] == '\0') /* or by a daemon that did not live to hear the answer */
        return state == SESSION_PENDING;
    return (session_is_starting(state) || stopping) && strcmp(e->sent_to, hello->instance) == 0;
}

static void tell_start(struct session_entry *e, struct agent_client *agent)
{
    struct err err = ERR_INIT;
    const struct agent_hello *hello = agent_client_hello(agent);
    if (e->told.start || !e->stored || e->unclaimed || session_is_going(e) ||
        !session_may_be_started(e, hello))
        return;
    if (!agent_client_is_awake(agent))
        return; /* it must not be found by a guest that comes back one day */
    int64_t within_ms = session_patience_left_ms(e);
    if (within_ms == 0)
        return; /* it is just being taken back */
    if (agent_client_start_session(agent, e->session.id, &e->session.spec, false,
                                   within_ms > 0 ? within_ms : 0, &err) < 0) {
        if (err.code != ERR_UNAVAILABLE)
            session_set_failed(e, "start", err.message);
        return;
    }
    e->told.start = e->told.size = true;
    snprintf(e->sent_to, sizeof(e->sent_to), "%s", hello->instance);
    snprintf(e->boot_id, sizeof(e->boot_id), "%s", hello->boot_id);
    if (e->session.state == SESSION_PENDING)
        session_set_state(e, SESSION_STARTING);
    session_touch(e); /* attaches may subscribe now */
}

/* A process that did not run yet may have missed it. */
static void tell_signal(struct session_entry *e, struct agent_client *agent, int signo, int target,
                        bool *told)
{
    if (!*told)
        *told = agent_client_signal(agent, e->session.id, signo, target, NULL) == 0 && has_begun(e);
}

static void tell_live(struct session_entry *e, struct agent_client *agent)
{
    const struct session *s = &e->session;
    if (e->stop_asked && !e->kill_asked)
        tell_signal(e, agent, SIGTERM, TARGET_GROUP, &e->told.stop);
    if (s->spec.tty && s->spec.rows > 0 && has_begun(e) && !e->told.size)
        e->told.size = agent_client_resize(agent, s->id, s->spec.rows, s->spec.columns, NULL) == 0;
    session_stdin_pump(e);
}

void session_tell(struct session_entry *e)
{
    bool acked = e->session.stdout_acked > 0 || e->session.stderr_acked > 0 || e->taken[0] > 0 ||
                 e->taken[1] > 0;
    if (!session_is_live(e) && e->left == 0 && !e->unwanted && !acked)
        return;
    struct agent_client *agent = session_agent(e);
    if (!agent)
        return;
    if (session_is_live(e))
        tell_start(e, agent);
    if (!session_agent_knows(e))
        return;
    if (e->unwanted && !e->told.end)
        e->told.end = agent_client_delete_session(agent, e->session.id, NULL) == 0;
    if (e->kill_asked)
        tell_signal(e, agent, SIGKILL, TARGET_ALL, &e->told.kill);
    session_tell_acknowledged(e, agent);
    if (session_is_live(e))
        tell_live(e, agent);
}

void session_tell_anew(struct session_entry *e)
{
    e->named = e->unwanted = false;
    e->told = (struct session_told){0};
}
