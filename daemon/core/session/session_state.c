/* The one setter of a session's state, and what an agent's status means; see session.h. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "daemon/core/core.h"
#include "daemon/core/session/session_internal.h"
#include "daemon/core/vm/vm.h"

#define TO(state) (1u << (state))

/* Allowed moves. PENDING may jump: after a restart of the daemon the agent tells how it went. */
static const unsigned moves[] = {
    [SESSION_PENDING] = TO(SESSION_STARTING) | TO(SESSION_RUNNING) | TO(SESSION_STOPPING) |
                        TO(SESSION_EXITED) | TO(SESSION_FAILED) | TO(SESSION_LOST),
    [SESSION_STARTING] = TO(SESSION_RUNNING) | TO(SESSION_STOPPING) | TO(SESSION_EXITED) |
                         TO(SESSION_FAILED) | TO(SESSION_LOST),
    [SESSION_RUNNING] = TO(SESSION_STOPPING) | TO(SESSION_EXITED) | TO(SESSION_LOST),
    [SESSION_STOPPING] = TO(SESSION_EXITED) | TO(SESSION_FAILED) | TO(SESSION_LOST),
    [SESSION_EXITED] = 0,
    [SESSION_FAILED] = 0,
    [SESSION_LOST] = 0,
};

bool session_state_may_move(enum session_state from, enum session_state to)
{
    return (size_t)from < sizeof(moves) / sizeof(moves[0]) && (moves[from] & TO(to));
}

bool session_set_state(struct session_entry *e, enum session_state state)
{
    struct session *s = &e->session;
    if (s->state != SESSION_STATE_UNSPECIFIED && !session_state_may_move(s->state, state)) {
        log_warn(s->id, "a session does not go from %s to %s", session_state_name(s->state),
                 session_state_name(state));
        return false;
    }
    session_edit(e);
    s->state = state;
    s->updated_ns = clock_real_ns();
    if (session_is_terminal(state)) {
        if (s->ended_ns == 0)
            s->ended_ns = s->updated_ns;
        e->seen_end_ns = s->updated_ns;
        if (e->of)
            e->of->n_live--;
        struct vm_entry *vm = e->core->vms ? vm_find_id(e->core, s->vm_id) : NULL;
        if (vm)
            vm_used(vm);
        timer_done(&e->grace);
        session_stdin_close(e);
        session_retain(e);
    }
    session_look_watched(e);
    session_touch(e);
    if (state != SESSION_STARTING) /* see session.h */
        session_save_state(e);
    return true;
}

void session_set_lost(struct session_entry *e, const char *reason)
{
    struct session *s = &e->session;
    session_edit(e);
    snprintf(s->lost_reason, sizeof(s->lost_reason), "%s", reason);
    snprintf(s->last_error, sizeof(s->last_error), "it ended unseen: %s", reason);
    session_set_state(e, SESSION_LOST);
}

void session_set_failed(struct session_entry *e, const char *stage, const char *text)
{
    struct session *s = &e->session;
    session_edit(e);
    snprintf(s->failed_stage, sizeof(s->failed_stage), "%s", stage);
    snprintf(s->last_error, sizeof(s->last_error), "%s", text);
    session_set_state(e, SESSION_FAILED);
}

/* An agent's status */

static void raise(uint64_t *to, uint64_t value)
{
    if (value > *to)
        *to = value;
}

void session_note_slow(const struct session_entry *e, const char *what, int64_t since_ns)
{
    static const int64_t slow_ns = 1000000000;
    int64_t took_ns = clock_real_ns() - since_ns;
    if (since_ns > 0 && took_ns > slow_ns)
        log_debug(e->session.id, "%s took %lld ms: %s, %s on disk, %s the agent", what,
                  (long long)took_ns / 1000000, session_state_name(e->session.state),
                  e->n_unwritten ? "not yet" : "is", e->named ? "known to" : "unknown to");
}

static bool has_totals(const struct session *s, const struct agent_session_status *status)
{
    return s->stdout_total >= status->stdout_total && s->stderr_total >= status->stderr_total &&
           s->stdout_ended >= status->stdout_ended && s->stderr_ended >= status->stderr_ended;
}

/* Counters only go up, whatever a guest says. */
static void take_totals(struct session *s, const struct agent_session_status *status)
{
    raise(&s->stdout_total, status->stdout_total);
    raise(&s->stderr_total, status->stderr_total);
    s->stdout_ended |= status->stdout_ended;
    s->stderr_ended |= status->stderr_ended;
}

/* A code that no process can have must not read as another, least of all as 0. */
static void take_exit(struct session *s, const struct agent_session_status *status)
{
    s->timed_out = status->timed_out;
    if (status->oom) {
        s->exit_kind = SESSION_EXIT_OOM;
        s->exit_signo = 9;
    } else if (status->signo != 0) {
        s->exit_kind = SESSION_EXIT_SIGNAL;
        s->exit_signo = status->signo > 0 && status->signo <= 64 ? status->signo : 9;
    } else {
        s->exit_kind = SESSION_EXIT_CODE;
        s->exit_code = status->exit_code >= 0 && status->exit_code <= 255 ? status->exit_code : 255;
    }
}

/* A guest's word on when something was: not before the session was made, not in the future. */
static int64_t plausible(int64_t time_ns, int64_t earliest_ns)
{
    int64_t now_ns = clock_real_ns();
    if (time_ns == 0 || time_ns > now_ns)
        time_ns = now_ns;
    return time_ns < earliest_ns ? earliest_ns : time_ns;
}

static int64_t plausible_end(const struct session *s, int64_t ended_ns)
{
    return plausible(ended_ns, s->started_ns > s->created_ns ? s->started_ns : s->created_ns);
}

static void take_start(struct session_entry *e, const struct agent_session_status *status)
{
    struct session *s = &e->session;
    if (s->started_ns == 0 && status->state != AGENT_SESSION_FAILED)
        s->started_ns = plausible(status->started_ns, s->created_ns);
    if (status->pid)
        s->guest_pid = status->pid;
}

static void take_running(struct session_entry *e)
{
    enum session_state state = e->session.state;
    if (state == SESSION_PENDING || state == SESSION_STARTING)
        session_set_state(e, SESSION_RUNNING);
}

void session_take_status(struct session_entry *e, const struct agent_session_status *status)
{
    struct session *s = &e->session;
    bool over = session_is_terminal(s->state);
    session_take_left(e, status->left, status->late_bytes);
    if (over && has_totals(s, status))
        return;
    if (over || status->state != AGENT_SESSION_RUNNING || s->started_ns == 0)
        session_edit(e); /* it will be saved; else the totals are the agent's word */
    take_totals(s, status);
    if (over) {
        session_save(e);
        session_touch(e);
        return;
    }
    switch (status->state) {
    case AGENT_SESSION_RUNNING:
        take_start(e, status);
        take_running(e);
        break;
    case AGENT_SESSION_EXITED:
        take_start(e, status);
        take_exit(s, status);
        s->ended_ns = plausible_end(s, status->ended_ns);
        session_set_state(e, SESSION_EXITED);
        break;
    case AGENT_SESSION_FAILED:
        s->failed_errno = status->failed_errno;
        s->ended_ns = plausible_end(s, status->ended_ns);
        if (session_state_may_move(s->state, SESSION_FAILED))
            session_set_failed(e, status->failed_stage, status->error);
        else
            session_set_lost(e, "agent_lost"); /* it ran, and now it is said never to have */
        break;
    case AGENT_SESSION_UNKNOWN:
        if (e->sent_to[0] || s->state == SESSION_RUNNING)
            session_set_lost(e, "agent_lost");
        break;
    }
}
