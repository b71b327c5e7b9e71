/* Output of an attach: the agent's subscription, gaps for what is gone, the last word; see
 * attach.h.
 *
 * attach_pump looks at where the attach and its session stand and does what is next. It runs from
 * the registry's turn after anything has changed, and after a subscription's events. Any event may
 * close the attach, which then lives until the outermost leave(). How the session stands is what is
 * on disk of it (session_shown): an end that nobody has written down is not told. */
#include <stdio.h>
#include <stdlib.h>

#include "base/err.h"
#include "daemon/core/session/attach_internal.h"
#include "daemon/core/session/output_internal.h"

static void enter(struct attach *a)
{
    a->busy++;
}

static void leave(struct attach *a)
{
    if (--a->busy == 0 && a->closed)
        attach_free(a);
}

/* Telling */

static const struct session *seen(const struct attach *a)
{
    const struct session *shown = session_shown(a->session);
    return shown ? shown : &a->session->session;
}

/* The session is on disk, and the number of a writer. */
static bool may_open(const struct attach *a)
{
    return a->session->stored && seen(a)->writer_generation >= a->generation;
}

static void tell_opened(struct attach *a)
{
    struct attach_opened opened = {
        .stdout_offset = a->streams[0].next,
        .stderr_offset = a->streams[1].next,
        .stdin_offset = session_stdin_end(a->session),
        .writer_generation = session_writer_generation(a->session),
        .stdin_window_bytes = session_stdin_window(a->session),
        .stdin_foreign = session_stdin_foreign(a->session, a->writer_key),
        .wants_taken = attach_wants_taken(a),
    };
    a->opened = true;
    for (int i = 0; i < 2; i++)
        a->taken[i] = a->streams[i].next;
    session_note_taken(a->session); /* what it had when it was cut off may be all that is kept */
    /* A writer hears at once what is acknowledged: one that came back may give up no more. */
    a->acked_told = UINT64_MAX;
    a->events->opened(a->arg, &opened);
}

static void tell_end(struct attach *a, int which, uint64_t total, const char *cut)
{
    a->streams[which].ended = true;
    a->events->stream_end(a->arg, which + 1, total, cut);
}

static void tell_failed(struct attach *a, const struct err *err)
{
    a->over = true;
    a->events->failed(a->arg, err);
}

static const char *gone_reason(const struct attach *a)
{
    const struct session *s = seen(a);
    if (a->session->removed)
        return "deleted";
    if (s->state == SESSION_LOST)
        return s->lost_reason;
    const struct vm_entry *vm = attach_vm(a);
    return vm && vm_agent(vm) ? "agent_lost" : "vm_stopped";
}

static uint64_t total_of(const struct attach *a, int which)
{
    const struct session *s = &a->session->session;
    uint64_t total = which ? s->stderr_total : s->stdout_total;
    return total > a->streams[which].next ? total : a->streams[which].next;
}

/* The agent's subscription */

static int which_of(int stream)
{
    return stream == 2;
}

static void on_opened(void *arg, uint64_t stdout_offset, uint64_t stderr_offset)
{
    struct attach *a = arg;
    enter(a);
    if (!a->opened) {
        a->streams[0].next = stdout_offset;
        a->streams[1].next = stderr_offset;
        tell_opened(a);
    }
    if (!a->closed)
        attach_pump(a);
    leave(a);
}

static void on_data(void *arg, int stream, uint64_t offset, const uint8_t *data, uint32_t len)
{
    struct attach *a = arg;
    enter(a);
    a->streams[which_of(stream)].next = offset + len;
    session_saw_output(a->session, stream, offset + len);
    a->credit -= len < a->credit ? len : a->credit;
    for (uint32_t at = 0; at < len && !a->closed;) {
        uint32_t n = len - at < ATTACH_DATA_BYTES ? len - at : ATTACH_DATA_BYTES;
        attach_note_given(a, which_of(stream), n);
        a->events->data(a->arg, stream, offset + at, data + at, n);
        at += n;
    }
    leave(a);
}

static void on_time(void *arg, int stream, int64_t time_ns)
{
    const struct attach *a = arg;
    if (a->events->time)
        a->events->time(a->arg, stream, time_ns);
}

static void on_gap(void *arg, int stream, uint64_t from, uint64_t to, uint64_t oldest,
                   const char *reason)
{
    struct attach *a = arg;
    enter(a);
    a->streams[which_of(stream)].next = to;
    a->events->gap(a->arg, stream, from, to, oldest, reason);
    leave(a);
}

static void on_stream_end(void *arg, int stream, uint64_t total, const char *cut)
{
    struct attach *a = arg;
    enter(a);
    if (!a->streams[which_of(stream)].ended)
        tell_end(a, which_of(stream), total, cut);
    if (!a->closed)
        attach_pump(a);
    leave(a);
}

static bool wanted_has_ended(const struct attach *a)
{
    for (int i = 0; i < 2; i++)
        if (!a->streams[i].ended && a->streams[i].from.at != AGENT_SKIP)
            return false;
    return true;
}

static struct agent_start start_of(const struct attach *a, int which)
{
    const struct attach_stream *s = &a->streams[which];
    if (s->from.at == AGENT_SKIP || !a->opened)
        return s->from;
    return (struct agent_start){AGENT_FROM_OFFSET, s->next};
}

static void on_kept_ended(void *arg, const struct err *err)
{
    struct attach *a = arg;
    enter(a);
    output_read_close(a->kept);
    a->kept = NULL;
    a->caught_up = !err;
    a->output_gone = err;
    attach_pump(a);
    leave(a);
}

static const struct agent_subscription_events kept_events = {
    .opened = on_opened,
    .data = on_data,
    .time = on_time,
    .gap = on_gap,
    .ended = on_kept_ended,
};

/* No agent can give it (any more): what was saved of it is read, once, and then it is gone. */
static void lose_output(struct attach *a)
{
    if (a->kept)
        return;
    if (!a->kept_tried)
        a->kept = output_read(a->session, start_of(a, 0), start_of(a, 1), a->until_ns, a->credit,
                              a->times ? AGENT_TIMES : 0, &kept_events, a);
    a->kept_tried = true;
    a->output_gone = !a->kept;
}

/* The agent would not open it, or gave it up. */
static void take_refusal(struct attach *a, const struct err *err)
{
    const struct session_entry *e = a->session;
    enum session_state state = e->session.state;
    if (!session_seems_live(e)) {
        lose_output(a);
        return;
    }
    bool known = e->named && (state == SESSION_RUNNING || state == SESSION_STOPPING);
    if (a->opened || !known || !err) {
        a->refused = true;
        return;
    }
    struct err why = *err;
    bool past_end = (a->streams[0].from.at == AGENT_FROM_OFFSET && a->streams[0].from.value > 0) ||
                    (a->streams[1].from.at == AGENT_FROM_OFFSET && a->streams[1].from.value > 0);
    why.code = past_end ? ERR_RANGE : ERR_UNAVAILABLE;
    err_wrap(&why, "output of session %s", e->session.id);
    tell_failed(a, &why);
}

static void on_ended(void *arg, const struct err *err)
{
    struct attach *a = arg;
    enter(a);
    a->sub = NULL;
    if (!err && !a->follow)
        a->caught_up = true;
    else if (err || !wanted_has_ended(a))
        take_refusal(a, err);
    if (!a->closed)
        attach_pump(a);
    leave(a);
}

static const struct agent_subscription_events subscription_events = {
    .opened = on_opened,
    .data = on_data,
    .time = on_time,
    .gap = on_gap,
    .stream_end = on_stream_end,
    .ended = on_ended,
};

void attach_drop_subscription(struct attach *a)
{
    if (a->released)
        agent_subscription_release(a->sub);
    agent_unsubscribe(a->sub);
    a->sub = NULL;
    output_read_close(a->kept);
    a->kept = NULL;
}

/* What is asked of the agent is known to it; an older one would take it for offset 0. */
static bool is_understood(const struct attach *a, const struct agent_hello *hello)
{
    if (a->until_ns && !hello->output_times)
        return false;
    for (int i = 0; i < 2 && !a->opened; i++) {
        int at = a->streams[i].from.at;
        if ((at == AGENT_FROM_TAIL_LINES && !hello->tail_lines) ||
            (at == AGENT_FROM_TIME && !hello->output_times))
            return false;
    }
    return true;
}

static void tell_agent_is_old(struct attach *a)
{
    struct err err = ERR_INIT;
    err_set(&err, ERR_PRECONDITION,
            "the agent of session %s's VM is older than this; it is renewed when the VM is started",
            a->session->session.id);
    err_tag(&err, "AGENT_OLD", "session/%s", a->session->session.id);
    tell_failed(a, &err);
}

static void subscribe(struct attach *a)
{
    struct session_entry *e = a->session;
    enum session_state state = seen(a)->state;
    if (a->sub && agent_subscription_is_orphan(a->sub))
        attach_drop_subscription(a);
    a->output_gone |= state == SESSION_FAILED;
    if (a->sub || a->kept || a->refused || a->output_gone || a->caught_up || e->removed ||
        (a->opened && wanted_has_ended(a)) || !may_open(a))
        return;
    struct vm_entry *vm = attach_vm(a);
    bool has_agent = vm && vm_agent(vm);
    bool forgotten = e->of->synced && !e->named && !session_seems_live(e);
    if (state == SESSION_LOST || (!session_seems_live(e) && (!has_agent || forgotten))) {
        lose_output(a);
        return;
    }
    /* Where stdin goes on. */
    bool untold = session_is_live(e) && !e->in.known && !e->in.closed;
    if (!has_agent || untold || (state == SESSION_PENDING && !e->named))
        return; /* there will be news */
    const struct agent_hello *hello = agent_client_hello(vm_agent(vm));
    if (!is_understood(a, hello)) {
        if (hello->instance[0])
            tell_agent_is_old(a);
        return;
    }
    struct err err = ERR_INIT;
    a->sub = agent_subscribe_until(
        vm_agent(vm), e->session.id, start_of(a, 0), start_of(a, 1), a->until_ns, a->credit,
        (a->follow ? AGENT_FOLLOW : 0) | (a->hold ? AGENT_HOLD : 0) | (a->times ? AGENT_TIMES : 0),
        &subscription_events, a, &err);
    if (!a->sub)
        tell_failed(a, &err);
}

void attach_forget_agent(struct attach *a)
{
    attach_drop_subscription(a);
    a->refused = a->kept_tried = false;
}

void attach_retry(struct attach *a)
{
    a->refused = false;
}

/* What is next */

/* Where a viewer of output that is gone would have begun. False: past the end. The totals of a lost
 * session are only what was recorded last: a viewer may have seen more of it. */
static bool place(struct attach *a, int which)
{
    struct attach_stream *s = &a->streams[which];
    uint64_t total = total_of(a, which);
    switch (s->from.at) {
    case AGENT_FROM_OFFSET:
        s->next = s->from.value;
        return s->next <= total || seen(a)->state == SESSION_LOST;
    case AGENT_FROM_TAIL:
        s->next = s->from.value < total ? total - s->from.value : 0;
        return true;
    case AGENT_FROM_TAIL_LINES: /* nobody can say where they were */
    case AGENT_FROM_TIME:
        s->next = 0;
        return true;
    default:
        s->next = total;
        return true;
    }
}

/* Opens, and announces what nobody can give any more. */
static void tell_output_gone(struct attach *a)
{
    if (a->sub)
        attach_drop_subscription(a);
    if (!a->opened) {
        bool in_range = place(a, 0);
        in_range &= place(a, 1);
        if (!in_range) {
            struct err err = ERR_INIT;
            err_set(&err, ERR_RANGE, "the offset is past the end of session %s's output",
                    a->session->session.id);
            tell_failed(a, &err);
            return;
        }
        tell_opened(a);
    }
    for (int i = 0; i < 2 && !a->closed; i++) {
        struct attach_stream *s = &a->streams[i];
        uint64_t total = total_of(a, i);
        if (s->ended)
            continue;
        if (s->next < total && s->from.at != AGENT_SKIP) {
            uint64_t from = s->next;
            s->next = total;
            a->events->gap(a->arg, i + 1, from, total, total, gone_reason(a));
        }
        if (!a->closed)
            tell_end(a, i, total, "");
    }
}

/* A stream that was not asked for ends when the session's has. */
static void end_skipped(struct attach *a)
{
    const struct session *s = &a->session->session;
    for (int i = 0; i < 2 && !a->closed; i++) {
        bool known = i ? s->stderr_ended : s->stdout_ended;
        if (a->streams[i].from.at == AGENT_SKIP && !a->streams[i].ended && known)
            tell_end(a, i, total_of(a, i), "");
    }
}

static bool has_both_ends(const struct attach *a)
{
    return a->streams[0].ended && a->streams[1].ended;
}

static void tell_last(struct attach *a)
{
    const struct session_entry *e = a->session;
    const struct session *s = seen(a);
    struct err stalled = ERR_INIT;
    if (!a->caught_up && !has_both_ends(a))
        return;
    if (!e->removed && session_seems_live(e) && !a->caught_up) {
        if (session_check_end(e, &stalled) < 0)
            tell_failed(a, &stalled);
        return;
    }
    a->over = true;
    if (e->removed)
        a->events->lost(a->arg, "deleted", "the session was deleted");
    else if (!a->follow)
        a->events->caught_up(a->arg);
    else if (s->state == SESSION_EXITED) {
        session_note_slow(e, "the end of its output",
                          a->begun_ns > e->seen_end_ns ? a->begun_ns : e->seen_end_ns);
        a->events->exit(a->arg, total_of(a, 0), total_of(a, 1));
    } else if (s->state == SESSION_FAILED)
        a->events->lost(a->arg, "failed", s->last_error);
    else
        a->events->lost(a->arg, s->lost_reason, s->last_error);
}

static void tell_writer(struct attach *a)
{
    struct session_entry *e = a->session;
    if (a->foreign_due && session_stdin_foreign(e, a->writer_key) > 0) {
        a->foreign_due = false;
        if (a->events->stdin_foreign)
            a->events->stdin_foreign(a->arg, session_stdin_foreign(e, a->writer_key));
    }
    if (a->closed)
        return;
    if (a->was_writer && e->writer != a && session_writer_generation(e) > a->generation) {
        bool paused = a->full_told;
        a->was_writer = false;
        a->full_told = false;
        a->events->writer_changed(a->arg, session_writer_generation(e), false);
        if (paused && !a->closed)
            a->events->stdin_writable(a->arg);
    }
    if (!a->was_writer || a->closed)
        return;
    bool closed = e->in.closed;
    if (a->acked_told != e->in.acked || a->closed_told != closed) {
        a->acked_told = e->in.acked;
        a->closed_told = closed;
        a->events->stdin_ack(a->arg, e->in.acked, closed);
    }
    if (!a->closed && a->full_told && buf_len(&e->in.buf) <= session_stdin_window(e) / 2) {
        a->full_told = false;
        a->events->stdin_writable(a->arg);
    }
}

static void fail_stalled(struct attach *a)
{
    struct err err = ERR_INIT;
    session_stalled_error(a->session, &err);
    tell_failed(a, &err);
}

void attach_pump(struct attach *a)
{
    if (a->over)
        return;
    enter(a);
    struct err kicked = ERR_INIT;
    if (attach_was_kicked(a, &kicked))
        tell_failed(a, &kicked);
    else if (a->session->removed)
        a->output_gone = true;
    else if (!may_open(a) && a->session->stalled)
        fail_stalled(a);
    if (!a->over)
        subscribe(a);
    if (!a->over && a->output_gone && may_open(a))
        tell_output_gone(a);
    if (!a->over && !a->closed && a->opened)
        tell_writer(a);
    if (!a->over && !a->closed && a->opened)
        end_skipped(a);
    if (!a->over && !a->closed && a->opened)
        tell_last(a);
    if (a->over && (a->sub || a->kept))
        attach_drop_subscription(a);
    leave(a);
}
