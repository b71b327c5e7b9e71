/* The daemon's end of the agent protocol; see agent_client.h. Connection and frames are
 * agent_link.c's, cursors over output agent_subscription.c's; here is what a message means.
 *
 * The guest is hostile by assumption: everything it says is checked here or below, and what cannot
 * be true ends the link with a reason. */
#include "daemon/guest/agent_client.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/err.h"
#include "daemon/guest/agent_client_internal.h"

enum {
    STDIN_WINDOW_MIN_BYTES = 4 * 1024, /* what an agent says is brought into these bounds */
    STDIN_WINDOW_MAX_BYTES = 1024 * 1024,
    SESSIONS_MAX = 65536,
    ENTROPY_BYTES = 64,
};

const uint32_t agent_client_revision = PB(AgentRevision_AGENT_REVISION_THIRD);

static uint32_t clamp(uint32_t v, uint32_t min, uint32_t max)
{
    return v < min ? min : v > max ? max : v;
}

static void on_up(void *arg, const PB(HelloReply) * reply)
{
    struct agent_client *c = arg;
    struct agent_hello *h = &c->hello;
    *h = (struct agent_hello){
        .stdin_window_bytes =
            clamp(reply->stdin_window_bytes, STDIN_WINDOW_MIN_BYTES, STDIN_WINDOW_MAX_BYTES),
        .max_sessions = clamp(reply->max_sessions, 1, SESSIONS_MAX),
        .tail_lines = reply->tail_lines,
        .tools = reply->tools,
        .output_times = reply->output_times,
        .session_revision = reply->session_revision,
        .revision = reply->revision,
        .given_up = reply->given_up,
        .configured = reply->configured,
    };
    agent_codec_text(h->boot_id, sizeof(h->boot_id), reply->boot_id);
    agent_codec_text(h->instance, sizeof(h->instance), reply->instance);
    agent_codec_text(h->version, sizeof(h->version), reply->version);
    agent_codec_text(h->boot_error, sizeof(h->boot_error), reply->boot_error);
    c->synced = false;
    if (c->events->link_up)
        c->events->link_up(c->arg, h);
    if (!c->link.closing)
        agent_subscriptions_link_up(c);
}

static void on_down(void *arg, const struct err *why)
{
    struct agent_client *c = arg;
    agent_subscriptions_link_down(c);
    if (c->events->link_down)
        c->events->link_down(c->arg, why);
}

static void on_failed(void *arg, const struct err *why)
{
    struct agent_client *c = arg;
    if (c->events->link_failed)
        c->events->link_failed(c->arg, why);
}

static void on_clock(void *arg, int64_t ahead_ns, int64_t within_ns)
{
    struct agent_client *c = arg;
    if (c->events->clock)
        c->events->clock(c->arg, ahead_ns, within_ns);
}

static void on_kept(void *arg, const PB(KeptOutput) * kept)
{
    struct agent_client *c = arg;
    struct kept_output out = {.known = true,
                              .ended_bytes = kept->ended_bytes,
                              .ended_limit_bytes = kept->ended_limit_bytes,
                              .live_bytes = kept->live_bytes};
    if (c->events->kept)
        c->events->kept(c->arg, &out);
}

static void on_drained(void *arg)
{
    struct agent_client *c = arg;
    agent_subscriptions_drained(c);
    if (c->events->writable)
        c->events->writable(c->arg);
}

static void on_closed(void *arg)
{
    struct agent_client *c = arg;
    agent_subscriptions_orphan(c);
    buf_done(&c->link.in);
    buf_done(&c->link.out);
    free(c);
}

static int take_status(struct agent_client *c, const PB(SessionStatus) * from, struct err *err)
{
    struct agent_session_status status;
    if (!agent_codec_status(from, &status))
        return err_set(err, ERR_INVALID, "the agent sent a session status that cannot be");
    if (c->events->session_status)
        c->events->session_status(c->arg, &status);
    return 0;
}

static int take_synced(struct agent_client *c, struct err *err)
{
    if (c->synced)
        return err_set(err, ERR_INVALID, "the agent said twice that all statuses were sent");
    c->synced = true;
    if (c->events->synced)
        c->events->synced(c->arg);
    return 0;
}

static void take_configured(struct agent_client *c, const PB(Configured) * m)
{
    char error[sizeof(m->error)];
    agent_codec_text(error, sizeof(error), m->error);
    if (error[0] == '\0')
        c->hello.configured = true;
    if (c->events->configured)
        c->events->configured(c->arg, error);
}

static void take_new_agent_refused(struct agent_client *c, const PB(NewAgentRefused) * m)
{
    char error[sizeof(m->error)];
    agent_codec_text(error, sizeof(error), m->error);
    if (c->events->new_agent_refused)
        c->events->new_agent_refused(c->arg, error);
}

static int bad_id(struct err *err)
{
    return err_set(err, ERR_INVALID, "the agent sent a session id that is none");
}

static int on_message(void *arg, const struct agent_message *m, struct err *err)
{
    struct agent_client *c = arg;
    switch (m->tag) {
    case PB_TAG(FromAgent, session_status):
        return take_status(c, &m->session_status, err);
    case PB_TAG(FromAgent, synced):
        return take_synced(c, err);
    case PB_TAG(FromAgent, configured):
        take_configured(c, &m->configured);
        return 0;
    case PB_TAG(FromAgent, stdin_ack):
        if (!id_is_valid(m->stdin_ack.session_id))
            return bad_id(err);
        if (c->events->stdin_ack)
            c->events->stdin_ack(c->arg, m->stdin_ack.session_id, m->stdin_ack.offset,
                                 m->stdin_ack.closed);
        return 0;
    case PB_TAG(FromAgent, session_deleted):
        if (!id_is_valid(m->session_deleted.session_id))
            return bad_id(err);
        if (c->events->session_deleted)
            c->events->session_deleted(c->arg, m->session_deleted.session_id);
        return 0;
    case PB_TAG(FromAgent, shutting_down):
        if (c->events->shutting_down)
            c->events->shutting_down(c->arg);
        return 0;
    case PB_TAG(FromAgent, new_agent_refused):
        take_new_agent_refused(c, &m->new_agent_refused);
        return 0;
    default:
        return agent_subscriptions_message(c, m, err);
    }
}

static const struct agent_link_events link_events = {
    .up = on_up,
    .clock = on_clock,
    .kept = on_kept,
    .message = on_message,
    .down = on_down,
    .failed = on_failed,
    .drained = on_drained,
    .closed = on_closed,
};

struct agent_client *agent_client_open(struct loop *loop, const struct channel_config *channel,
                                       const struct agent_events *events, void *arg,
                                       struct err *err)
{
    struct agent_client *c = calloc(1, sizeof(*c));
    if (!c) {
        err_sys(err, ENOMEM, "guest channel");
        return NULL;
    }
    c->events = events;
    c->arg = arg;
    c->first_subscription = c->next_subscription = 1;
    list_init(&c->subscriptions);
    if (agent_link_open(&c->link, loop, channel, &link_events, c, err) < 0) {
        free(c);
        return NULL;
    }
    return c;
}

void agent_client_close(struct agent_client *c)
{
    if (!c)
        return;
    agent_subscriptions_orphan(c);
    agent_link_close(&c->link);
}

bool agent_client_is_up(const struct agent_client *c)
{
    return c->link.state == AGENT_LINK_UP;
}

const struct agent_hello *agent_client_hello(const struct agent_client *c)
{
    return &c->hello;
}

uint64_t agent_client_round_trip_us(const struct agent_client *c)
{
    return c->link.round_trip_us;
}

/* Requests */

bool agent_client_is_awake(struct agent_client *c)
{
    return agent_link_is_awake(&c->link);
}

int agent_client_configure(struct agent_client *c, const struct agent_configure *config,
                           struct err *err)
{
    PB(ToAgent) m = PB(ToAgent_init_zero);
    m.which_kind = PB_TAG(ToAgent, configure);
    PB(Configure) *out = &m.kind.configure;
    snprintf(out->vm_id, sizeof(out->vm_id), "%s", config->vm_id);
    snprintf(out->hostname, sizeof(out->hostname), "%s", config->hostname);
    snprintf(out->address_cidr, sizeof(out->address_cidr), "%s", config->address_cidr);
    snprintf(out->gateway, sizeof(out->gateway), "%s", config->gateway);
    snprintf(out->dns_server, sizeof(out->dns_server), "%s", config->dns_server);
    out->window_bytes = config->window_bytes;
    snprintf(out->work_mount, sizeof(out->work_mount), "%s", config->work_mount);
    out->spool_bytes = config->spool_bytes;
    out->realtime_ns = (uint64_t)clock_real_ns();
    ssize_t n = getrandom(out->entropy.bytes, ENTROPY_BYTES, 0);
    out->entropy.size = n > 0 ? (pb_size_t)n : 0;
    return agent_link_send(&c->link, &m, err);
}

int agent_client_set_clock(struct agent_client *c, struct err *err)
{
    PB(ToAgent) m = PB(ToAgent_init_zero);
    m.which_kind = PB_TAG(ToAgent, set_clock);
    m.kind.set_clock.realtime_ns = (uint64_t)clock_real_ns();
    return agent_link_send(&c->link, &m, err);
}

void agent_client_ping(struct agent_client *c)
{
    agent_link_ping(&c->link);
}

int agent_client_start_session(struct agent_client *c, const char *id,
                               const struct session_spec *spec, bool tool, int64_t within_ms,
                               struct err *err)
{
    return agent_link_send_start(&c->link, id, spec, tool, within_ms, err);
}

void agent_client_stood_still(struct agent_client *c)
{
    agent_link_forget_clock(&c->link);
}

int agent_client_send_stdin(struct agent_client *c, const char *session_id, uint64_t offset,
                            const void *data, uint32_t len, struct err *err)
{
    return agent_link_send_stdin(&c->link, session_id, offset, 0, false, data, len, err);
}

int agent_client_send_stdin_run(struct agent_client *c, const char *session_id, uint64_t offset,
                                uint64_t key, bool more, const void *data, uint32_t len,
                                struct err *err)
{
    return agent_link_send_stdin(&c->link, session_id, offset, key, more, data, len, err);
}

int agent_client_send_stdin_eof(struct agent_client *c, const char *session_id, uint64_t offset,
                                struct err *err)
{
    PB(ToAgent) m = PB(ToAgent_init_zero);
    m.which_kind = PB_TAG(ToAgent, stdin_eof);
    snprintf(m.kind.stdin_eof.session_id, sizeof(m.kind.stdin_eof.session_id), "%s", session_id);
    m.kind.stdin_eof.offset = offset;
    return agent_link_send(&c->link, &m, err);
}

int agent_client_signal(struct agent_client *c, const char *session_id, int signo, int target,
                        struct err *err)
{
    PB(ToAgent) m = PB(ToAgent_init_zero);
    m.which_kind = PB_TAG(ToAgent, signal);
    snprintf(m.kind.signal.session_id, sizeof(m.kind.signal.session_id), "%s", session_id);
    m.kind.signal.signo = signo;
    m.kind.signal.target = (PB(SignalTarget))target;
    return agent_link_send(&c->link, &m, err);
}

int agent_client_resize(struct agent_client *c, const char *session_id, uint32_t rows,
                        uint32_t columns, struct err *err)
{
    PB(ToAgent) m = PB(ToAgent_init_zero);
    m.which_kind = PB_TAG(ToAgent, resize);
    snprintf(m.kind.resize.session_id, sizeof(m.kind.resize.session_id), "%s", session_id);
    m.kind.resize.rows = rows;
    m.kind.resize.columns = columns;
    return agent_link_send(&c->link, &m, err);
}

int agent_client_send_new_agent(struct agent_client *c, uint32_t size, uint32_t offset,
                                const void *data, uint32_t len, struct err *err)
{
    return agent_link_send_new_agent(&c->link, size, offset, data, len, err);
}

int agent_client_ack_output(struct agent_client *c, const char *session_id, uint64_t stdout_offset,
                            uint64_t stderr_offset, struct err *err)
{
    PB(ToAgent) m = PB(ToAgent_init_zero);
    m.which_kind = PB_TAG(ToAgent, ack_output);
    snprintf(m.kind.ack_output.session_id, sizeof(m.kind.ack_output.session_id), "%s", session_id);
    m.kind.ack_output.stdout_offset = stdout_offset;
    m.kind.ack_output.stderr_offset = stderr_offset;
    return agent_link_send(&c->link, &m, err);
}

int agent_client_delete_session(struct agent_client *c, const char *session_id, struct err *err)
{
    PB(ToAgent) m = PB(ToAgent_init_zero);
    m.which_kind = PB_TAG(ToAgent, delete_session);
    snprintf(m.kind.delete_session.session_id, sizeof(m.kind.delete_session.session_id), "%s",
             session_id);
    return agent_link_send(&c->link, &m, err);
}

int agent_client_shutdown(struct agent_client *c, bool reboot, uint32_t grace_ms,
                          uint32_t linger_ms, struct err *err)
{
    PB(ToAgent) m = PB(ToAgent_init_zero);
    m.which_kind = PB_TAG(ToAgent, shutdown);
    m.kind.shutdown.mode =
        reboot ? PB(ShutdownMode_SHUTDOWN_MODE_REBOOT) : PB(ShutdownMode_SHUTDOWN_MODE_POWER_OFF);
    m.kind.shutdown.grace_ms = grace_ms;
    m.kind.shutdown.linger_ms = linger_ms;
    return agent_link_send(&c->link, &m, err);
}

/* Lost, or an agent that knows nothing of it: it goes a little later, or has gone. */
void agent_client_shutdown_saved(struct agent_client *c)
{
    PB(ToAgent) m = PB(ToAgent_init_zero);
    m.which_kind = PB_TAG(ToAgent, shutdown);
    m.kind.shutdown.saved = true;
    agent_link_send(&c->link, &m, NULL);
}
