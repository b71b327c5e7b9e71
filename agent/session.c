/* The session table, and sessions from their start to their process; see session.h. How they end is
 * session_end.c's. */
#include "agent/session.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/limits.h"
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
    return s->k->phase == SESSION_PENDING || s->pid > 0 || !s->out[0].k->ended ||
           !s->out[1].k->ended;
}

void session_mark(struct session *s)
{
    if (s->k->phase == SESSION_PENDING || s->k->phase == SESSION_STARTING)
        return; /* nothing to tell yet */
    s->status_dirty = true;
    if (list_empty(&s->dirty))
        list_add_tail(&s->table->dirty, &s->dirty);
}

void session_mark_ack(struct session *s)
{
    list_remove(&s->typed);
    s->ack_dirty = true;
    if (s->k->phase == SESSION_STARTING)
        return; /* with the status that it runs */
    if (list_empty(&s->dirty))
        list_add_tail(&s->table->dirty, &s->dirty);
}

void session_enter(struct session *s, enum session_phase phase)
{
    atomic_signal_fence(memory_order_seq_cst); /* what it says is true by now */
    s->k->phase = phase;
}

void session_fail(struct session *s, const char *stage, int sys, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(s->k->error, sizeof(s->k->error), fmt, ap);
    va_end(ap);
    snprintf(s->k->failed_stage, sizeof(s->k->failed_stage), "%s", stage);
    s->k->failed_errno = sys;
    s->k->ended_ns = (uint64_t)clock_real_ns();
    s->k->ended_mono_ns = clock_mono_ns();
    session_enter(s, SESSION_FAILED);
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
    list_remove(&s->fed);
    list_remove(&s->untidy);
    list_remove(&s->typed);
    loop_remove(s->table->loop, &s->report);
    if (s->report_fd >= 0)
        close(s->report_fd);
    for (int i = 0; i < 2; i++) {
        spool_done(&s->out[i].spool);
        time_index_done(&s->out[i].times);
    }
    store_free(&s->table->store, s->slot);
    free(s->request);
    free(s);
}

/* What the child said between fork and exec, if it is known by now. */
void session_take_report(struct session *s, bool last)
{
    int known = spawn_read_report(s->report_fd);
    if (known < 0 && !last)
        return;
    loop_remove(s->table->loop, &s->report);
    close(s->report_fd);
    s->report_fd = -1;
    session_judge_start(s);
}

void session_judge_start(struct session *s)
{
    if (!s->k->spawn_stage) {
        session_enter(s, SESSION_RUNNING);
        session_mark(s);
        return;
    }
    bool limits = s->k->spawn_stage == SPAWN_LIMITS;
    const char *stage = s->k->spawn_stage == SPAWN_USER  ? "user"
                        : s->k->spawn_stage == SPAWN_CWD ? "cwd"
                        : limits                         ? "limits"
                                                         : "spawn";
    char what[sizeof(s->k->error)];
    memcpy(what, s->k->error, sizeof(what));
    session_fail(s, stage, s->k->spawn_errno, "%.200s: %s%s%s", what,
                 limits ? limits_name(s->k->spawn_what) : "", limits ? ": " : "",
                 strerror(s->k->spawn_errno));
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
    out->state = s->k->phase == SESSION_FAILED   ? PB(SessionState_SESSION_STATE_FAILED)
                 : s->k->phase == SESSION_EXITED ? PB(SessionState_SESSION_STATE_EXITED)
                                                 : PB(SessionState_SESSION_STATE_RUNNING);
    out->pid = s->k->pid;
    out->exit_code = s->k->exit_code;
    out->signo = s->k->signo;
    out->oom = s->k->oom;
    out->timed_out = s->k->timed_out;
    if (s->k->phase == SESSION_FAILED) {
        snprintf(out->failed_stage, sizeof(out->failed_stage), "%s", s->k->failed_stage);
        snprintf(out->error, sizeof(out->error), "%s", s->k->error);
        out->failed_errno = s->k->failed_errno;
    }
    out->stdout_total = s->out[0].spool.k->total;
    out->stderr_total = s->out[1].spool.k->total;
    out->stdout_ended = s->out[0].k->ended;
    out->stderr_ended = s->out[1].k->ended;
    out->stdin_acked = s->in.k->acked;
    out->stdin_closed = s->in.k->closed;
    out->stdin_received = s->in.k->received;
    out->stdin_eof = s->in.k->eof_known;
    if (s->in_sync)
        stdin_runs_fill(&s->in.k->runs, out);
    out->left = s->left;
    out->tool = s->k->tool;
    out->late_bytes = s->k->late_bytes;
    out->started_ns = s->k->started_ns;
    out->ended_ns = s->k->ended_ns;
    int64_t now_ns = clock_mono_ns();
    if (s->k->started_mono_ns)
        out->started_ago_ns = (uint64_t)(now_ns - s->k->started_mono_ns) + 1;
    if (s->k->ended_mono_ns)
        out->ended_ago_ns = (uint64_t)(now_ns - s->k->ended_mono_ns) + 1;
}

static void forget(struct session *s)
{
    s->table->n_live--;
    s->table->n_waiting--;
    session_unchain(s);
    session_free(s);
}

/* Whoever asked for it has given it up by now, and says that it has not happened. */
static bool is_too_late(const struct session *s)
{
    return s->not_after_ns && (uint64_t)clock_ns(CLOCK_BOOTTIME) > s->not_after_ns;
}

static void launch_all(struct session_table *t)
{
    loop_disarm(&t->launch);
    list_foreach(pos, &t->live)
    {
        struct session *s = container_of(pos, struct session, member);
        if (s->k->phase != SESSION_PENDING)
            continue;
        if (is_too_late(s)) {
            forget(s);
            continue;
        }
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
        if (s->k->phase == SESSION_PENDING)
            forget(s);
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
    session_note_holders(s);
    sessions_release_held(s->table);
}

void session_note_holders(struct session *s)
{
    for (int i = 0; i < 2; i++)
        s->out[i].k->held_from = subscriptions_held_from(&s->out[i]);
}

void session_hold_from(struct session *s, uint64_t stdout_at, uint64_t stderr_at)
{
    s->hold_from[0] = stdout_at;
    s->hold_from[1] = stderr_at;
    s->hold_leased = true;
    session_note_holders(s);
    if (s->k->hold_ms != SESSION_HOLD_FOREVER)
        loop_arm(s->table->loop, &s->lease, s->k->hold_ms);
}

/* Around a slot, of which nothing is changed. */
static struct session *session_wrap(struct session_table *t, uint32_t slot)
{
    struct session *s = calloc(1, sizeof(*s));
    if (!s)
        return NULL;
    s->table = t;
    s->slot = slot;
    s->k = store_slot(&t->store, slot);
    snprintf(s->id, sizeof(s->id), "%s", s->k->id);
    s->report_fd = s->in.fd = s->out[0].fd = s->out[1].fd = -1;
    list_init(&s->dirty);
    list_init(&s->fed);
    list_init(&s->untidy);
    list_init(&s->typed);
    list_init(&s->kept);
    list_init(&s->subscriptions);
    loop_io_init(&s->report, report_ready);
    loop_timer_init(&s->timeout, session_timeout_fired);
    loop_timer_init(&s->drain, session_drain_fired);
    loop_timer_init(&s->lease, lease_fired);
    for (int i = 0; i < 2; i++) {
        s->out[i].session = s;
        s->out[i].k = &s->k->out[i];
        list_init(&s->out[i].late);
        list_init(&s->out[i].ending);
        loop_io_init(&s->out[i].io, NULL);
    }
    s->in.k = &s->k->in;
    s->in.room = store_room(&t->store, slot, 2);
    loop_io_init(&s->in.io, NULL);
    struct session **bucket = &t->buckets[bucket_of(s->id)];
    s->chain = *bucket;
    *bucket = s;
    list_add_tail(&t->live, &s->member);
    t->n_live++;
    return s;
}

static struct session *session_new(struct session_table *t, const char *id)
{
    int slot = store_take(&t->store);
    if (slot < 0)
        return NULL;
    struct session_slot *k = store_slot(&t->store, (uint32_t)slot);
    snprintf(k->id, sizeof(k->id), "%s", id);
    k->started_at = ++t->store.head->orders;
    struct session *s = session_wrap(t, (uint32_t)slot);
    if (!s) {
        store_free(&t->store, (uint32_t)slot);
        return NULL;
    }
    for (uint32_t i = 0; i < 2; i++) {
        k->out[i].held_from = UINT64_MAX;
        spool_init(&s->out[i].spool, &t->pool, s->slot, i, &k->out[i].spool, 0, false);
    }
    return s;
}

struct session *session_adopt(struct session_table *t, uint32_t slot)
{
    struct session *s = session_wrap(t, slot);
    for (uint32_t i = 0; s && i < 2; i++)
        spool_adopt(&s->out[i].spool, &t->pool, slot, i, &s->k->out[i].spool);
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
    bool full = t->n_live >= t->max_live;
    s = session_new(t, start.message.session_id);
    if (!s)
        return false;
    if (full) {
        session_fail(s, "limit", EAGAIN, "%d sessions are live already", t->max_live);
        return true;
    }
    s->request = malloc(body.len ? body.len : 1);
    if (!s->request) {
        session_fail(s, "spawn", ENOMEM, "out of memory");
        return true;
    }
    memcpy(s->request, body.data, body.len);
    s->request_len = body.len;
    s->not_after_ns = start.message.not_after_ns;
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

int sessions_init(struct session_table *t, struct loop *loop, struct store *store)
{
    *t = (struct session_table){.loop = loop, .cgroups.dir_fd = -1, .max_live = SESSIONS_MAX_LIVE};
    t->store = *store;
    *store = (struct store){.fd = -1, .keeper_fd = -1};
    spool_pool_init(&t->pool, &t->store);
    list_init(&t->live);
    list_init(&t->ended);
    list_init(&t->dirty);
    list_init(&t->fed);
    list_init(&t->untidy);
    list_init(&t->deleted);
    list_init(&t->ready);
    list_init(&t->late);
    sessions_join_init(t);
    list_init(&t->kept);
    pace_init(&t->pace, loop);
    loop_timer_init(&t->purge, sessions_purge_fired);
    loop_timer_init(&t->reap, sessions_reap_fired);
    loop_timer_init(&t->held, held_fired);
    loop_timer_init(&t->tell, tell_fired);
    loop_timer_init(&t->wake, wake_fired);
    loop_timer_init(&t->launch, launch_fired);
    loop_timer_init(&t->look_late, sessions_look_late_fired);
    loop_io_init(&t->keeper, sessions_keeper_ready);
    if (transfer_init(&t->transfer, &t->store) < 0)
        return -1;
    return t->store.keeper_fd < 0 ? 0 : sessions_use_keeper(t);
}

int sessions_use_keeper(struct session_table *t)
{
    transfer_put(&t->transfer);
    return loop_add(t->loop, &t->keeper, t->store.keeper_fd, EPOLLIN);
}

void sessions_done(struct session_table *t)
{
    sessions_drop(&t->live);
    sessions_drop(&t->ended);
    for (struct list *pos; (pos = list_first(&t->deleted));)
        session_free(container_of(pos, struct session, member));
    pace_done(&t->pace);
    loop_disarm(&t->purge);
    loop_disarm(&t->reap);
    loop_disarm(&t->held);
    loop_disarm(&t->tell);
    loop_disarm(&t->wake);
    loop_disarm(&t->launch);
    loop_disarm(&t->look_late);
    loop_disarm(&t->overdue);
    loop_remove(t->loop, &t->keeper);
    cgroups_done(&t->cgroups);
    spool_pool_done(&t->pool);
    transfer_done(&t->transfer);
    store_done(&t->store);
}
