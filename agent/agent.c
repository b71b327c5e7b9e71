/* Requests in, news out; see agent.h. */
#include "agent/agent.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "agent/host_clock.h"
#include "agent/keeper.h"
#include "agent/procs.h"
#include "base/cleanup.h"
#include "base/clock.h"

enum {
    PROTOCOL = 1,
    LAST_WORD_MS = 100,
    KILLED_MS = 2000,
    MAX_PUMPS = 16,
    TERM_GRACE_MS = 2000, /* when it is not the daemon that ends us */
    TERM_LINGER_MS = 4000,
};

static void read_line(const char *path, char *out, size_t size)
{
    auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? 0 : read(fd, out, size - 1);
    out[n > 0 ? n : 0] = '\0';
    out[strcspn(out, "\n")] = '\0';
}

/* Must not wait for the pool to be ready: the name needs to be new, not secret. */
static void make_instance(char *out, size_t size)
{
    uint64_t v[2] = {0};
    if (getrandom(v, sizeof(v), GRND_NONBLOCK) != (ssize_t)sizeof(v)) {
        struct timespec now;
        clock_gettime(CLOCK_MONOTONIC, &now);
        v[0] = (uint64_t)now.tv_sec << 32 | (uint64_t)getpid();
        v[1] = (uint64_t)now.tv_nsec;
    }
    snprintf(out, size, "%016llx%016llx", (unsigned long long)v[0], (unsigned long long)v[1]);
}

static void send_hello_reply(struct agent *a, uint64_t nonce)
{
    PB(FromAgent) m = PB(FromAgent_init_zero);
    m.which_kind = PB_TAG(FromAgent, hello_reply);
    PB(HelloReply) *r = &m.kind.hello_reply;
    r->nonce = nonce;
    r->protocol = PROTOCOL;
    if (!a->boot_id[0])
        read_line("/proc/sys/kernel/random/boot_id", a->boot_id, sizeof(a->boot_id));
    snprintf(r->boot_id, sizeof(r->boot_id), "%s", a->boot_id);
    snprintf(r->instance, sizeof(r->instance), "%s", a->k->instance);
    snprintf(r->version, sizeof(r->version), "%s", AGENT_VERSION);
    r->stdin_window_bytes = SESSION_STDIN_BYTES;
    r->configured = a->k->configured;
    snprintf(r->boot_error, sizeof(r->boot_error), "%s", a->k->boot_error);
    r->max_sessions = (uint32_t)a->sessions.max_live;
    r->tail_lines = true;
    r->tools = true;
    r->output_times = true;
    r->session_revision = SESSION_REVISION;
    r->revision = a->sessions.store.keeper_fd >= 0 ? AGENT_REVISION : 0;
    r->given_up = a->sessions.store.head->fell_back;
    link_send(&a->link, &m);
}

static bool take_hello(struct agent *a, struct slice body)
{
    PB(Hello) hello;
    if (!codec_read(body, PB(Hello_fields), &hello))
        return false;
    subscriptions_clear(&a->subscriptions);
    sessions_forget_waiting(&a->sessions);
    new_agent_forget(&a->newer);
    link_restart(&a->link);
    send_hello_reply(a, hello.nonce);
    sessions_resync(&a->sessions);
    return true;
}

static void send_configured(struct agent *a, const char *error)
{
    PB(FromAgent) m = PB(FromAgent_init_zero);
    m.which_kind = PB_TAG(FromAgent, configured);
    snprintf(m.kind.configured.error, sizeof(m.kind.configured.error), "%s", error);
    link_send(&a->link, &m);
}

/* Needs the root: the files that it writes and the work disk are there. */
static void apply_configure(struct agent *a)
{
    a->wanted_pending = false;
    char error[256];
    snprintf(error, sizeof(error), "%s", a->k->boot_error);
    if (!error[0] && a->system && a->system->configure)
        a->system->configure(a, &a->wanted, error, sizeof(error));
    if (a->wanted.spool_bytes)
        a->sessions.pool.default_bytes = a->k->spool_bytes = a->wanted.spool_bytes;
    memset(a->wanted.entropy.bytes, 0, sizeof(a->wanted.entropy.bytes));
    a->k->configured = error[0] == '\0';
    send_configured(a, error);
}

static bool take_configure(struct agent *a, struct slice body)
{
    if (!codec_read(body, PB(Configure_fields), &a->wanted))
        return false;
    host_clock_set(a->wanted.realtime_ns);
    a->wanted_pending = true;
    if (a->k->root_ready)
        apply_configure(a);
    return true;
}

static void send_unknown(struct agent *a, const char *id)
{
    PB(FromAgent) m = PB(FromAgent_init_zero);
    m.which_kind = PB_TAG(FromAgent, session_status);
    snprintf(m.kind.session_status.session_id, sizeof(m.kind.session_status.session_id), "%s", id);
    m.kind.session_status.state = PB(SessionState_SESSION_STATE_UNKNOWN);
    link_send(&a->link, &m);
}

/* The session, or NULL and the daemon is told that there is none. */
static struct session *find_or_tell(struct agent *a, const char *id)
{
    struct session *s = session_find(&a->sessions, id);
    if (!s)
        send_unknown(a, id);
    return s;
}

static bool take_start(struct agent *a, struct slice body)
{
    return a->shutting_down || sessions_start(&a->sessions, body);
}

static bool take_stdin(struct agent *a, struct slice body)
{
    struct codec_stdin in;
    if (!codec_read_stdin(body, &in))
        return false;
    struct session *s = find_or_tell(a, in.message.session_id);
    return !s || session_take_stdin(s, &in);
}

static bool take_stdin_eof(struct agent *a, struct slice body)
{
    PB(StdinEof) m;
    if (!codec_read(body, PB(StdinEof_fields), &m))
        return false;
    struct session *s = find_or_tell(a, m.session_id);
    return !s || session_take_eof(s, m.offset);
}

static bool take_signal(struct agent *a, struct slice body)
{
    PB(Signal) m;
    if (!codec_read(body, PB(Signal_fields), &m))
        return false;
    struct session *s = find_or_tell(a, m.session_id);
    if (s)
        session_signal(s, m.signo, m.target);
    return true;
}

static bool take_resize(struct agent *a, struct slice body)
{
    PB(Resize) m;
    if (!codec_read(body, PB(Resize_fields), &m))
        return false;
    struct session *s = find_or_tell(a, m.session_id);
    if (s)
        session_resize(s, m.rows, m.columns);
    return true;
}

static void send_deleted(struct agent *a, const char *id)
{
    PB(FromAgent) m = PB(FromAgent_init_zero);
    m.which_kind = PB_TAG(FromAgent, session_deleted);
    snprintf(m.kind.session_deleted.session_id, sizeof(m.kind.session_deleted.session_id), "%s",
             id);
    link_send(&a->link, &m);
}

/* Deleting what is not there has succeeded: the answer to an earlier one may have been lost. */
static bool take_delete(struct agent *a, struct slice body)
{
    PB(DeleteSession) m;
    if (!codec_read(body, PB(DeleteSession_fields), &m))
        return false;
    struct session *s = session_find(&a->sessions, m.session_id);
    if (s)
        session_delete(s);
    else
        send_deleted(a, m.session_id);
    return true;
}

static bool take_ack_output(struct agent *a, struct slice body)
{
    PB(AckOutput) m;
    if (!codec_read(body, PB(AckOutput_fields), &m))
        return false;
    struct session *s = find_or_tell(a, m.session_id);
    if (s)
        session_ack_output(s, m.stdout_offset, m.stderr_offset);
    return true;
}

static bool take_subscribe(struct agent *a, struct slice body)
{
    PB(Subscribe) m;
    if (!codec_read(body, PB(Subscribe_fields), &m))
        return false;
    subscription_open(&a->subscriptions, &a->sessions, &a->link, &m);
    return true;
}

static bool take_credit(struct agent *a, struct slice body)
{
    PB(Credit) m;
    if (!codec_read(body, PB(Credit_fields), &m))
        return false;
    subscription_add_credit(&a->subscriptions, &a->sessions, m.subscription, m.bytes);
    return true;
}

static bool take_unsubscribe(struct agent *a, struct slice body)
{
    PB(Unsubscribe) m;
    if (!codec_read(body, PB(Unsubscribe_fields), &m))
        return false;
    subscription_close(&a->subscriptions, m.subscription, m.release);
    return true;
}

/* What the daemon has not been told it is told by the one that follows. */
static bool take_new_agent(struct agent *a, struct slice body)
{
    struct codec_new_agent part;
    if (!codec_read_new_agent(body, &part))
        return false;
    int rc = new_agent_take(&a->newer, &part, &a->sessions.store);
    a->replaced = rc > 0;
    if (rc >= 0)
        return true;
    PB(FromAgent) m = PB(FromAgent_init_zero);
    m.which_kind = PB_TAG(FromAgent, new_agent_refused);
    snprintf(m.kind.new_agent_refused.error, sizeof(m.kind.new_agent_refused.error), "%s",
             strerror(errno));
    link_send(&a->link, &m);
    return true;
}

static bool take_shutdown(struct agent *a, struct slice body)
{
    PB(Shutdown) m;
    if (!codec_read(body, PB(Shutdown_fields), &m))
        return false;
    if (m.saved)
        a->linger_until_ms = 0;
    else
        agent_shut_down(a, m.mode, m.grace_ms, m.linger_ms);
    return true;
}

static bool take_ping(struct agent *a, struct slice body)
{
    PB(Ping) ping;
    if (!codec_read(body, PB(Ping_fields), &ping))
        return false;
    PB(FromAgent) m = PB(FromAgent_init_zero);
    m.which_kind = PB_TAG(FromAgent, pong);
    m.kind.pong.token = ping.token;
    m.kind.pong.realtime_ns = (uint64_t)clock_real_ns();
    m.kind.pong.boottime_ns = (uint64_t)clock_ns(CLOCK_BOOTTIME);
    m.kind.pong.has_kept = a->k->configured; /* before, it may be on another disk later */
    sessions_fill_kept(&a->sessions, &m.kind.pong.kept);
    link_send(&a->link, &m);
    return true;
}

static bool take_set_clock(struct agent *a, struct slice body)
{
    PB(SetClock) m;
    if (!codec_read(body, PB(SetClock_fields), &m))
        return false;
    host_clock_set(m.realtime_ns);
    if (a->system && a->system->set_clock && m.realtime_ns)
        a->system->set_clock(m.realtime_ns);
    return true;
}

/* By the field's number in ToAgent. */
static bool (*const handlers[])(struct agent *, struct slice) = {
    [PB_TAG(ToAgent, hello)] = take_hello,
    [PB_TAG(ToAgent, configure)] = take_configure,
    [PB_TAG(ToAgent, start_session)] = take_start,
    [banger_agent_v1_ToAgent_stdin_tag] = take_stdin, /* PB_TAG would expand musl's stdin */
    [PB_TAG(ToAgent, stdin_eof)] = take_stdin_eof,
    [PB_TAG(ToAgent, signal)] = take_signal,
    [PB_TAG(ToAgent, delete_session)] = take_delete,
    [PB_TAG(ToAgent, subscribe)] = take_subscribe,
    [PB_TAG(ToAgent, credit)] = take_credit,
    [PB_TAG(ToAgent, unsubscribe)] = take_unsubscribe,
    [PB_TAG(ToAgent, shutdown)] = take_shutdown,
    [PB_TAG(ToAgent, ping)] = take_ping,
    [PB_TAG(ToAgent, resize)] = take_resize,
    [PB_TAG(ToAgent, set_clock)] = take_set_clock,
    [PB_TAG(ToAgent, ack_output)] = take_ack_output,
    [PB_TAG(ToAgent, new_agent)] = take_new_agent,
};

bool agent_take_frame(struct link *link, const struct frame *frame)
{
    struct agent *a = container_of(link, struct agent, link);
    struct codec_request request;
    bool sane = codec_open(frame->payload, frame->len, &request);
    if (sane && request.tag == PB_TAG(ToAgent, hello) && frame->sequence == 0)
        return take_hello(a, request.body);
    if (!link->linked)
        return true; /* left over from an earlier link */
    if (!sane || frame->sequence != link->next_in || request.tag == PB_TAG(ToAgent, hello))
        return false;
    link->next_in++;
    return request.tag == 0 || handlers[request.tag](a, request.body);
}

static void lost(struct link *link)
{
    struct agent *a = container_of(link, struct agent, link);
    subscriptions_clear(&a->subscriptions);
    sessions_forget_waiting(&a->sessions);
    a->sessions.sync_wanted = false;
}

static void send_status(struct agent *a, struct session *s)
{
    PB(FromAgent) m = PB(FromAgent_init_zero);
    m.which_kind = PB_TAG(FromAgent, session_status);
    session_fill_status(s, &m.kind.session_status);
    s->status_dirty = false;
    if (s->in_sync)
        a->sessions.n_sync--;
    s->in_sync = false;
    link_send(&a->link, &m);
}

static void send_ack(struct agent *a, struct session *s)
{
    PB(FromAgent) m = PB(FromAgent_init_zero);
    m.which_kind = PB_TAG(FromAgent, stdin_ack);
    snprintf(m.kind.stdin_ack.session_id, sizeof(m.kind.stdin_ack.session_id), "%s", s->id);
    m.kind.stdin_ack.offset = s->in.k->acked;
    m.kind.stdin_ack.closed = s->in.k->closed;
    s->ack_dirty = false;
    link_send(&a->link, &m);
}

static void send_shutting_down(struct agent *a)
{
    PB(FromAgent) m = PB(FromAgent_init_zero);
    m.which_kind = PB_TAG(FromAgent, shutting_down);
    link_send(&a->link, &m);
}

static void send_synced(struct agent *a)
{
    PB(FromAgent) m = PB(FromAgent_init_zero);
    m.which_kind = PB_TAG(FromAgent, synced);
    m.kind.synced.sessions = a->sessions.sync_total;
    a->sessions.sync_wanted = false;
    link_send(&a->link, &m);
    if (a->shutting_down) /* to a daemon that has not heard of it, or on a link that was lost */
        send_shutting_down(a);
}

static void pump_sessions(struct agent *a)
{
    struct session_table *t = &a->sessions;
    sessions_feed(t); /* ahead of what it acknowledges */
    while (link_takes_control(&a->link) && !list_empty(&t->dirty)) {
        struct session *s = container_of(list_first(&t->dirty), struct session, dirty);
        list_remove(&s->dirty);
        if (s->ack_dirty)
            send_ack(a, s);
        if (s->status_dirty)
            send_status(a, s);
    }
    if (t->sync_wanted && t->n_sync == 0 && link_takes_control(&a->link))
        send_synced(a);
    /* without a link nobody is owed an answer: the daemon asks again */
    while (!list_empty(&t->deleted) && (!a->link.linked || link_takes_control(&a->link))) {
        struct session *s = container_of(list_first(&t->deleted), struct session, member);
        send_deleted(a, s->id);
        session_free(s);
    }
}

/* Until nothing moves any more, or the processes should have a turn again: then more is due at
 * once, as no event will announce it. */
static void pump(struct agent *a)
{
    a->more_due = true;
    for (int i = 0; i < MAX_PUMPS && a->more_due; i++) {
        pump_sessions(a);
        bool any = subscriptions_pump(&a->subscriptions, &a->sessions, &a->link);
        a->more_due = link_flush(&a->link) || any;
    }
}

static void signals_ready(struct loop_io *io, uint32_t events)
{
    (void)events;
    struct agent *a = container_of(io, struct agent, signals);
    struct signalfd_siginfo info;
    bool child = false, term = false;
    while (read(a->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
        child |= info.ssi_signo == SIGCHLD;
        term |= info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT;
    }
    if (child)
        sessions_reap(&a->sessions);
    a->init_ends |= term && a->k->machine.has_init;
    if (term && a->init_ends && a->asked)
        a->ended = true; /* we asked it to, and it waits for us now */
    else if (term)
        agent_shut_down(a, PB(ShutdownMode_SHUTDOWN_MODE_POWER_OFF), TERM_GRACE_MS, TERM_LINGER_MS);
}

int agent_watch_signals(struct agent *a)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    loop_remove(&a->loop, &a->signals);
    if (a->signal_fd >= 0)
        close(a->signal_fd);
    a->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (a->signal_fd < 0)
        return -1;
    if (a->sessions.store.keeper_fd < 0)
        prctl(PR_SET_CHILD_SUBREAPER, 1);
    return loop_add(&a->loop, &a->signals, a->signal_fd, EPOLLIN);
}

void agent_set_root(struct agent *a, const char *error)
{
    snprintf(a->k->boot_error, sizeof(a->k->boot_error), "%s", error);
    a->k->root_ready = true;
    if (a->wanted_pending)
        apply_configure(a);
    sessions_open(&a->sessions, error);
}

/* Somebody reads what the sessions have left. */
static bool lingers(const struct agent *a)
{
    return a->link.linked && clock_mono_ms() < a->linger_until_ms;
}

/* The sessions have ended: goes, or stays until their output has been read. */
static void finish_shutdown(struct agent *a)
{
    if (lingers(a)) {
        loop_arm(&a->loop, &a->shutdown, a->linger_until_ms - clock_mono_ms());
        return;
    }
    loop_disarm(&a->shutdown);
    pump(a);
    int wait_ms = 0;
    if (a->system && a->system->power_off && !a->init_ends)
        wait_ms = a->system->power_off(a, a->shutdown_mode, a->asked);
    a->asked = true;
    a->ended = wait_ms == 0;
    if (wait_ms)
        loop_arm(&a->loop, &a->shutdown, wait_ms);
}

/* Grace has run out: SIGKILL. The processes of sessions die at once; a bound is kept all the same.
 */
static void shutdown_fired(struct loop_timer *timer)
{
    struct agent *a = container_of(timer, struct agent, shutdown);
    if (a->killed || a->asked || a->sessions.n_live == 0) {
        finish_shutdown(a);
        return;
    }
    a->killed = true;
    sessions_signal_all(&a->sessions, SIGKILL);
    loop_arm(&a->loop, &a->shutdown, a->sessions.n_live > 0 ? KILLED_MS : LAST_WORD_MS);
}

void agent_shut_down(struct agent *a, PB(ShutdownMode) mode, uint32_t grace_ms, uint32_t linger_ms)
{
    send_shutting_down(a);
    if (!a->shutting_down)
        sessions_signal_all(&a->sessions, SIGTERM);
    a->shutting_down = true;
    a->shutdown_mode = mode;
    a->linger_until_ms = linger_ms ? clock_mono_ms() + linger_ms : 0;
    if (!a->killed && !a->asked)
        loop_arm(&a->loop, &a->shutdown, grace_ms);
}

bool agent_round(struct agent *a, int max_wait_ms)
{
    if (loop_round(&a->loop, a->more_due ? 0 : max_wait_ms) < 0)
        abort(); /* another one may do better */
    if (!link_has_input(&a->link))
        sessions_launch_waiting(&a->sessions);
    pump(a);
    sessions_tidy(&a->sessions);
    sessions_release_held(&a->sessions);
    sessions_bound_kept(&a->sessions);
    if (a->shutting_down && a->sessions.n_live == 0 && !a->asked)
        finish_shutdown(a);
    return !a->ended && !a->link.ended && !a->replaced;
}

int agent_init(struct agent *a, const struct agent_system *system, struct store *store)
{
    struct store own;
    *a = (struct agent){.system = system, .signal_fd = -1};
    loop_io_init(&a->signals, signals_ready);
    loop_timer_init(&a->shutdown, shutdown_fired);
    if (!store && store_make(&own) < 0)
        return -1;
    if (loop_init(&a->loop) < 0)
        return -1;
    link_init(&a->link, &a->loop, agent_take_frame, lost);
    subscriptions_init(&a->subscriptions);
    new_agent_init(&a->newer);
    int rc = sessions_init(&a->sessions, &a->loop, store ? store : &own);
    if (a->sessions.store.keeper_fd >= 0)
        procs_set_root(getppid());
    a->k = store_slot(&a->sessions.store, STORE_AGENT);
    if (!a->k->instance[0])
        make_instance(a->k->instance, sizeof(a->k->instance));
    return rc;
}

void agent_adopt(struct agent *a)
{
    if (!a->sessions.store.adopted)
        return;
    if (a->k->spool_bytes)
        a->sessions.pool.default_bytes = a->k->spool_bytes;
    sessions_adopt(&a->sessions);
    link_ask_hello(&a->link); /* a port stays connected when an agent ends */
}

int agent_get_keeper(struct agent *a, char *const *argv)
{
    if (keeper_split(&a->sessions.store, argv) < 0)
        return -1;
    procs_set_root(getppid());
    return sessions_use_keeper(&a->sessions);
}

int agent_run(struct agent *a)
{
    store_say(&a->sessions.store, STORE_OP_READY, 0, 0, NULL, 0);
    while (agent_round(a, -1))
        continue;
    if (a->replaced)
        _exit(KEEPER_AGAIN); /* as if killed: what is in the store is the next one's */
    agent_done(a);
    return EXIT_SUCCESS;
}

void agent_done(struct agent *a)
{
    subscriptions_clear(&a->subscriptions);
    sessions_done(&a->sessions);
    link_done(&a->link);
    loop_remove(&a->loop, &a->signals);
    if (a->signal_fd >= 0)
        close(a->signal_fd);
    loop_done(&a->loop);
}
