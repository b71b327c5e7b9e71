/* The session table and a session's life from start to deletion; see session.h. */
#include "agent/session.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/procs.h"
#include "agent/spawn.h"
#include "agent/subscription.h"
#include "base/clock.h"

enum {
    PURGE_FIRST_MS = 20,
    PURGE_MAX_MS = 10000,
    REAPS_PER_TURN = 32,
    REAP_AGAIN_MS = 5,
};

static unsigned bucket_of(const char *id)
{
    unsigned h = 2166136261u;
    for (; *id; id++)
        h = (h ^ (unsigned char)*id) * 16777619u;
    return h % SESSION_BUCKETS;
}

struct session *session_find(const struct session_table *t, const char *id)
{
    struct session *s = t->buckets[bucket_of(id)];
    while (s && strcmp(s->id, id) != 0)
        s = s->chain;
    return s;
}

static void unchain(struct session *s)
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

static void kill_everything(struct session *s, int signo)
{
    if (!cgroup_signal(&s->table->cgroups, s->id, signo))
        procs_signal_all(s->pid, s->id, signo);
}

static bool is_known(void *arg, const char *id)
{
    return session_find(arg, id) != NULL;
}

static void purge_fired(struct loop_timer *timer)
{
    struct session_table *t = container_of(timer, struct session_table, purge);
    if (cgroups_purge(&t->cgroups, is_known, t))
        return;
    /* A process that the kernel holds may stay for ever. */
    loop_arm(t->loop, &t->purge, t->purge_ms);
    t->purge_ms = t->purge_ms * 2 < PURGE_MAX_MS ? t->purge_ms * 2 : PURGE_MAX_MS;
}

void sessions_purge(struct session_table *t)
{
    t->purge_ms = PURGE_FIRST_MS;
    loop_arm(t->loop, &t->purge, 0);
}

/* The process has been reaped and nothing of it will be reported after this. */
static void finish_delete(struct session *s)
{
    struct session_table *t = s->table;
    if (s->phase != SESSION_PENDING && !cgroup_remove(&t->cgroups, s->id)) {
        kill_everything(s, SIGKILL);
        sessions_purge(t);
    } else if (t->cgroups.dir_fd < 0 && s->started_ns) {
        procs_signal_all(0, s->id, SIGKILL);
    }
    if (s->left > 0)
        t->n_left--;
    s->left = 0;
    s->phase = SESSION_EXITED;
    session_close_stdin(s);
    session_close_stream(&s->out[0]);
    session_close_stream(&s->out[1]);
    subscriptions_orphan(s);
    loop_disarm(&s->timeout);
    loop_disarm(&s->drain);
    loop_disarm(&s->lease);
    list_remove(&s->dirty);
    if (s->in_sync)
        t->n_sync--;
    s->in_sync = false;
    session_keep_none(s);
    list_remove(&s->member);
    unchain(s);
    list_add_tail(&t->deleted, &s->member);
}

/* One that has left processes is not forgotten for others: they would be killed. */
static void forget_oldest(struct session_table *t)
{
    list_foreach(pos, &t->ended)
    {
        struct session *s = container_of(pos, struct session, member);
        if (s->left == 0) {
            session_delete(s);
            return;
        }
    }
}

void session_settle(struct session *s)
{
    struct session_table *t = s->table;
    if (s->settled || session_is_live(s) || s->phase < SESSION_EXITED)
        return;
    s->settled = true;
    t->n_live--;
    if (s->deleting) {
        finish_delete(s);
        return;
    }
    t->n_ended++;
    cgroup_remove_empty(&t->cgroups, s->id); /* a cgroup costs the guest memory */
    list_remove(&s->member);
    list_add_tail(&t->ended, &s->member);
    buf_done(&s->in.buf);
    session_keep(s);
    session_mark(s);
    if (t->n_ended > SESSIONS_MAX_ENDED)
        forget_oldest(t);
}

void session_delete(struct session *s)
{
    if (s->deleting)
        return;
    s->deleting = true;
    if (s->phase == SESSION_PENDING || s->settled) {
        if (s->settled)
            s->table->n_ended--;
        else
            s->table->n_live--;
        if (s->phase == SESSION_PENDING)
            s->table->n_waiting--;
        s->settled = true;
        finish_delete(s);
        return;
    }
    if (s->pid > 0) {
        kill(s->pid, SIGKILL);
        kill_everything(s, SIGKILL);
        return; /* the rest when it has been reaped */
    }
    session_close_stream(&s->out[0]);
    session_close_stream(&s->out[1]); /* settles, as the last thing that lived */
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

void session_signal(struct session *s, int signo, PB(SignalTarget) target)
{
    if (signo < 1 || signo >= NSIG || s->phase == SESSION_PENDING || s->phase == SESSION_FAILED)
        return;
    if (target == PB(SignalTarget_SIGNAL_TARGET_ALL))
        kill_everything(s, signo);
    else if (s->pid > 0) /* a reaped pid may be anyone's */
        kill(target == PB(SignalTarget_SIGNAL_TARGET_GROUP) ? -s->pid : s->pid, signo);
}

static void timeout_fired(struct loop_timer *timer)
{
    struct session *s = container_of(timer, struct session, timeout);
    if (s->pid <= 0)
        return;
    s->timed_out = true;
    kill(s->pid, SIGKILL);
    kill_everything(s, SIGKILL);
}

/* What the child said between fork and exec, if it is known by now. */
static void take_report(struct session *s, bool last)
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
    take_report(container_of(io, struct session, report), false);
}

void session_watch_report(struct session *s, int report_fd)
{
    s->report_fd = report_fd;
    if (loop_add(s->table->loop, &s->report, report_fd, EPOLLIN) < 0)
        take_report(s, true);
}

static void session_exited(struct session *s, int status)
{
    if (s->report_fd >= 0)
        take_report(s, true);
    if (s->phase == SESSION_FAILED) {
        s->pid = 0;
        session_settle(s);
        return;
    }
    s->phase = SESSION_EXITED;
    s->ended_ns = (uint64_t)clock_real_ns();
    s->ended_mono_ns = clock_mono_ns();
    s->exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 0;
    s->signo = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    s->oom = s->signo == SIGKILL && cgroup_saw_oom(&s->table->cgroups, s->id);
    s->pid = 0;
    loop_disarm(&s->timeout);
    session_close_stdin(s);
    session_count_left(s);
    session_read_rest(s, s->deleting);
    session_mark(s);
    if (!session_is_live(s))
        session_settle(s);
    else if (s->deleting) {
        session_end_stream(&s->out[0]);
        session_end_stream(&s->out[1]);
    } else {
        session_begin_drain(s);
    }
}

/* Their own processes first, each asked for by its pid: that is quick however many children there
 * are. */
static void reap_sessions(struct session_table *t)
{
    list_foreach(pos, &t->live)
    {
        struct session *s = container_of(pos, struct session, member);
        int status;
        if (s->pid > 0 && waitpid(s->pid, &status, WNOHANG) == s->pid)
            session_exited(s, status);
    }
}

static void reaped(struct session_table *t, pid_t pid, int status)
{
    list_foreach(pos, &t->live)
    {
        struct session *s = container_of(pos, struct session, member);
        if (s->pid == pid) {
            session_exited(s, status);
            return;
        }
    }
}

/* A fork bomb ends processes, which come to us, as fast as we can reap them: the daemon has its
 * turn in between, or could not end it. */
void sessions_reap(struct session_table *t)
{
    int status;
    reap_sessions(t);
    for (int i = 0; i < REAPS_PER_TURN; i++) {
        pid_t pid = waitpid(-1, &status, WNOHANG);
        if (pid <= 0) {
            sessions_count_left(t);
            return;
        }
        reaped(t, pid, status);
    }
    loop_arm(t->loop, &t->reap, REAP_AGAIN_MS);
}

static void reap_fired(struct loop_timer *timer)
{
    sessions_reap(container_of(timer, struct session_table, reap));
}

int sessions_signal_all(struct session_table *t, int signo)
{
    list_foreach(pos, &t->live)
    {
        struct session *s = container_of(pos, struct session, member);
        session_signal(s, signo, PB(SignalTarget_SIGNAL_TARGET_ALL));
    }
    return t->n_live;
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
        unchain(s);
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
    loop_timer_init(&s->timeout, timeout_fired);
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
    loop_timer_init(&t->purge, purge_fired);
    loop_timer_init(&t->reap, reap_fired);
    loop_timer_init(&t->held, held_fired);
    loop_timer_init(&t->tell, tell_fired);
    loop_timer_init(&t->wake, wake_fired);
    loop_timer_init(&t->launch, launch_fired);
    loop_timer_init(&t->look_late, sessions_look_late_fired);
}

static void drop_all(struct list *of)
{
    for (struct list *pos; (pos = list_first(of));) {
        struct session *s = container_of(pos, struct session, member);
        if (s->pid > 0) {
            kill(s->pid, SIGKILL);
            kill_everything(s, SIGKILL);
            waitpid(s->pid, NULL, 0);
            s->pid = 0;
        }
        s->deleting = s->settled = true;
        finish_delete(s);
        session_free(s);
    }
}

void sessions_done(struct session_table *t)
{
    drop_all(&t->live);
    drop_all(&t->ended);
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
