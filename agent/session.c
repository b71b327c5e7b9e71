/* The session table, and sessions from their start to their process; see session.h. How they end is
 * session_end.c's. */
#include "agent/session.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/spawn.h"
#include "agent/subscription.h"
#include "base/clock.h"
#include "base/hash.h"

static unsigned bucket_of(const char *id)
{
    return hash_text(HASH_START, id) % SESSION_BUCKETS;
}

struct session *session_find(const struct session_table *t, const char *id)
{
    struct session *s = t->buckets[bucket_of(id)];
    while (s && strcmp(s->id, id) != 0)
        s = s->chain;
    return s;
}

void session_unchain(struct session *s)
{
    struct session **at = &s->table->buckets[bucket_of(s->id)];
    while (*at && *at != s)
        at = &(*at)->chain;
    if (*at)
        *at = s->chain;
}

/* A name that can be a folder below the cgroup mount, and nothing else. */
static bool id_is_usable(const char *id)
{
    size_t n = strspn(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_");
    return n > 0 && n < SESSION_ID_BYTES && id[n] == '\0';
}

bool session_is_live(const struct session *s)
{
    return s->phase == SESSION_PENDING || s->pid > 0 || !s->out[0].ended || !s->out[1].ended;
}

void session_mark(struct session *s)
{
    if (s->phase == SESSION_PENDING || s->phase == SESSION_STARTING)
        return; /* nothing to tell yet */
    s->status_dirty = true;
    if (list_empty(&s->dirty))
        list_add_tail(&s->table->dirty, &s->dirty);
}

void session_mark_ack(struct session *s)
{
    s->ack_dirty = true;
    if (list_empty(&s->dirty))
        list_add_tail(&s->table->dirty, &s->dirty);
}

void session_fail(struct session *s, const char *stage, int sys, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(s->error, sizeof(s->error), fmt, ap);
    va_end(ap);
    s->phase = SESSION_FAILED;
    s->failed_stage = stage;
    s->failed_errno = sys;
    s->ended_ns = (uint64_t)clock_real_ns();
    s->ended_mono_ns = clock_mono_ns();
    session_close_stdin(s);
    session_end_stream(&s->out[0]);
    session_end_stream(&s->out[1]);
    session_mark(s);
    session_settle(s);
}

void session_free(struct session *s)
{
    list_remove(&s->member);
    list_remove(&s->dirty);
    loop_remove(s->table->loop, &s->report);
    if (s->report_fd >= 0)
        close(s->report_fd);
    buf_done(&s->in.buf);
    for (int i = 0; i < 2; i++)
        spool_done(&s->out[i].spool);
    free(s->request);
    free(s);
}

/* What the child said between fork and exec, if it is known by now. */
void session_take_report(struct session *s, bool last)
{
    struct spawn_report report;
    int known = spawn_read_report(s->report_fd, &report);
    if (known < 0 && !last)
        return;
    loop_remove(s->table->loop, &s->report);
    close(s->report_fd);
    s->report_fd = -1;
    if (known != 1) {
        s->phase = SESSION_RUNNING;
        session_mark(s);
        return;
    }
    const char *stage = report.stage == SPAWN_USER  ? "user"
                        : report.stage == SPAWN_CWD ? "cwd"
                                                    : "spawn";
    char what[sizeof(s->error)];
    memcpy(what, s->error, sizeof(what));
    session_fail(s, stage, report.sys, "%.200s: %s", what, strerror(report.sys));
}

static void report_ready(struct loop_io *io, uint32_t events)
{
    (void)events;
    session_take_report(container_of(io, struct session, report), false);
}

void session_watch_report(struct session *s, int report_fd)
{
    s->report_fd = report_fd;
    if (loop_add(s->table->loop, &s->report, report_fd, EPOLLIN) < 0)
        session_take_report(s, true);
}

static void add_to_sync(struct session *s)
{
    s->in_sync = false;
    session_mark(s);
    if (!s->status_dirty)
        return;
    s->in_sync = true;
    s->table->n_sync++;
    s->table->sync_total++;
}

void sessions_resync(struct session_table *t)
{
    for (struct list *pos; (pos = list_first(&t->dirty));) {
        struct session *s = container_of(pos, struct session, dirty);
        s->status_dirty = s->ack_dirty = false;
        list_remove(pos);
    }
    t->n_sync = 0;
    t->sync_total = 0;
    t->sync_wanted = true;
    list_foreach(pos, &t->ended) add_to_sync(container_of(pos, struct session, member));
    list_foreach(pos, &t->live) add_to_sync(container_of(pos, struct session, member));
}

void session_fill_status(const struct session *s, PB(SessionStatus) * out)
{
    *out = (PB(SessionStatus))PB(SessionStatus_init_zero);
    snprintf(out->session_id, sizeof(out->session_id), "%s", s->id);
    out->state = s->phase == SESSION_FAILED   ? PB(SessionState_SESSION_STATE_FAILED)
                 : s->phase == SESSION_EXITED ? PB(SessionState_SESSION_STATE_EXITED)
                                              : PB(SessionState_SESSION_STATE_RUNNING);
    out->pid = s->pid_told;
    out->exit_code = s->exit_code;
    out->signo = s->signo;
    out->oom = s->oom;
    out->timed_out = s->timed_out;
    if (s->phase == SESSION_FAILED) {
        snprintf(out->failed_stage, sizeof(out->failed_stage), "%s", s->failed_stage);
        snprintf(out->error, sizeof(out->error), "%s", s->error);
        out->failed_errno = s->failed_errno;
    }
    out->stdout_total = s->out[0].spool.total;
    out->stderr_total = s->out[1].spool.total;
    out->stdout_ended = s->out[0].ended;
    out->stderr_ended = s->out[1].ended;
    out->stdin_acked = s->in.acked;
    out->stdin_closed = s->in.closed;
    out->stdin_received = s->in.acked + buf_len(&s->in.buf);
    out->stdin_eof = s->in.eof_known;
    out->left = s->left;
    out->late_bytes = s->late_bytes;
    out->started_ns = s->started_ns;
    out->ended_ns = s->ended_ns;
    int64_t now_ns = clock_mono_ns();
    if (s->started_mono_ns)
        out->started_ago_ns = (uint64_t)(now_ns - s->started_mono_ns) + 1;
    if (s->ended_mono_ns)
        out->ended_ago_ns = (uint64_t)(now_ns - s->ended_mono_ns) + 1;
}

static void launch_all(struct session_table *t)
{
    loop_disarm(&t->launch);
    list_foreach(pos, &t->live)
    {
        struct session *s = container_of(pos, struct session, member);
        if (s->phase != SESSION_PENDING)
            continue;
        uint8_t *request = s->request;
        s->request = NULL;
        t->n_waiting--;
        session_launch(s, (struct slice){request, s->request_len});
        free(request);
    }
}

void sessions_open(struct session_table *t, const char *error)
{
    t->open = true;
    snprintf(t->closed_error, sizeof(t->closed_error), "%s", error);
    launch_all(t);
}

void sessions_launch_waiting(struct session_table *t)
{
    if (t->n_waiting > 0 && t->open)
        launch_all(t);
}

static void launch_fired(struct loop_timer *timer)
{
    sessions_launch_waiting(container_of(timer, struct session_table, launch));
}

void sessions_forget_waiting(struct session_table *t)
{
    list_foreach(pos, &t->live)
    {
        struct session *s = container_of(pos, struct session, member);
        if (s->phase != SESSION_PENDING)
            continue;
        t->n_live--;
        t->n_waiting--;
        session_unchain(s);
        session_free(s);
    }
}

static void lease_fired(struct loop_timer *timer)
{
    session_end_lease(container_of(timer, struct session, lease));
}

void session_end_lease(struct session *s)
{
    loop_disarm(&s->lease);
    s->hold_leased = false;
    sessions_release_held(s->table);
}

void session_hold_from(struct session *s, uint64_t stdout_at, uint64_t stderr_at)
{
    s->hold_from[0] = stdout_at;
    s->hold_from[1] = stderr_at;
    s->hold_leased = true;
    loop_arm(s->table->loop, &s->lease, s->hold_ms);
}

static struct session *session_new(struct session_table *t, const char *id)
{
    struct session *s = calloc(1, sizeof(*s));
    if (!s)
        return NULL;
    s->table = t;
    snprintf(s->id, sizeof(s->id), "%s", id);
    s->phase = SESSION_PENDING;
    s->report_fd = s->in.fd = s->out[0].fd = s->out[1].fd = -1;
    list_init(&s->dirty);
    list_init(&s->kept);
    list_init(&s->subscriptions);
    loop_io_init(&s->report, report_ready);
    loop_timer_init(&s->timeout, session_timeout_fired);
    loop_timer_init(&s->drain, session_drain_fired);
    loop_timer_init(&s->lease, lease_fired);
    buf_init(&s->in.buf, SESSION_STDIN_BYTES);
    for (int i = 0; i < 2; i++) {
        s->out[i].session = s;
        list_init(&s->out[i].late);
        loop_io_init(&s->out[i].io, NULL);
        spool_init(&s->out[i].spool, &t->pool, 0);
    }
    loop_io_init(&s->in.io, NULL);
    struct session **bucket = &t->buckets[bucket_of(id)];
    s->chain = *bucket;
    *bucket = s;
    list_add_tail(&t->live, &s->member);
    t->n_live++;
    return s;
}

bool sessions_start(struct session_table *t, struct slice body)
{
    struct codec_start start;
    if (!codec_read_start(body, &start) || !id_is_usable(start.message.session_id))
        return false;
    struct session *s = session_find(t, start.message.session_id);
    if (s) {
        session_mark(s);
        return true;
    }
    bool full = t->n_live >= SESSIONS_MAX_LIVE;
    s = session_new(t, start.message.session_id);
    if (!s)
        return false;
    if (full) {
        session_fail(s, "limit", EAGAIN, "%d sessions are live already", SESSIONS_MAX_LIVE);
        return true;
    }
    s->request = malloc(body.len ? body.len : 1);
    if (!s->request) {
        session_fail(s, "spawn", ENOMEM, "out of memory");
        return true;
    }
    memcpy(s->request, body.data, body.len);
    s->request_len = body.len;
    t->n_waiting++;
    loop_arm(t->loop, &t->launch, SESSIONS_LAUNCH_MS);
    return true;
}

static void held_fired(struct loop_timer *timer)
{
    sessions_release_held(container_of(timer, struct session_table, held));
}

static void tell_fired(struct loop_timer *timer)
{
    struct session_table *t = container_of(timer, struct session_table, tell);
    list_foreach(pos, &t->live)
    {
        struct session *s = container_of(pos, struct session, member);
        if (s->grown)
            session_mark(s);
        s->grown = false;
    }
}

void session_watch_growth(struct session *s)
{
    struct session_table *t = s->table;
    s->grown = true;
    if (list_empty(&t->tell.member))
        loop_arm(t->loop, &t->tell, SESSIONS_TELL_MS);
}

static void wake_fired(struct loop_timer *timer)
{
    struct session_table *t = container_of(timer, struct session_table, wake);
    list_foreach(pos, &t->live) subscriptions_wake(container_of(pos, struct session, member));
}

void sessions_wake_in(struct session_table *t, int64_t ms)
{
    if (list_empty(&t->wake.member))
        loop_arm(t->loop, &t->wake, ms);
}

void sessions_init(struct session_table *t, struct loop *loop)
{
    *t = (struct session_table){.loop = loop, .cgroups.dir_fd = -1};
    spool_pool_init(&t->pool);
    list_init(&t->live);
    list_init(&t->ended);
    list_init(&t->dirty);
    list_init(&t->deleted);
    list_init(&t->ready);
    list_init(&t->late);
    list_init(&t->kept);
    loop_timer_init(&t->purge, sessions_purge_fired);
    loop_timer_init(&t->reap, sessions_reap_fired);
    loop_timer_init(&t->held, held_fired);
    loop_timer_init(&t->tell, tell_fired);
    loop_timer_init(&t->wake, wake_fired);
    loop_timer_init(&t->launch, launch_fired);
    loop_timer_init(&t->look_late, sessions_look_late_fired);
}

void sessions_done(struct session_table *t)
{
    sessions_drop(&t->live);
    sessions_drop(&t->ended);
    for (struct list *pos; (pos = list_first(&t->deleted));)
        session_free(container_of(pos, struct session, member));
    loop_disarm(&t->purge);
    loop_disarm(&t->reap);
    loop_disarm(&t->held);
    loop_disarm(&t->tell);
    loop_disarm(&t->wake);
    loop_disarm(&t->launch);
    loop_disarm(&t->look_late);
    cgroups_done(&t->cgroups);
    spool_pool_done(&t->pool);
}
