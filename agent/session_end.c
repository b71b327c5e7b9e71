/* How sessions end: the process's exit, signals, deletion, and what is left of their cgroups; see
 * session.h.
 *
 * One that is deleted while it lives is killed, and goes when its process has been reaped. It
 * settles, as an ended one, when process and streams have ended. */
#include "agent/session.h"

#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/procs.h"
#include "agent/subscription.h"
#include "base/clock.h"

enum {
    PURGE_FIRST_MS = 20,
    PURGE_MAX_MS = 10000,
    REAPS_PER_TURN = 32,
    REAP_AGAIN_MS = 5,
    KILLED_MS = 2000,
};

static void kill_everything(struct session *s, int signo)
{
    if (!cgroup_signal(&s->table->cgroups, s->id, signo))
        procs_signal_all(s->pid, s->id, signo);
}

static bool is_known(void *arg, const char *id)
{
    return session_find(arg, id) != NULL;
}

void sessions_purge_fired(struct loop_timer *timer)
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
    if (s->k->phase != SESSION_PENDING && !s->cgroup_gone && !cgroup_remove(&t->cgroups, s->id)) {
        kill_everything(s, SIGKILL);
        sessions_purge(t);
    } else if (t->cgroups.dir_fd < 0 && s->k->started_ns) {
        procs_signal_all(0, s->id, SIGKILL);
    }
    if (s->left > 0)
        t->n_left--;
    s->left = 0;
    s->k->deleting = true;
    s->k->phase = SESSION_EXITED;
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
    session_unchain(s);
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
    if (s->settled || session_is_live(s) || s->k->phase < SESSION_EXITED)
        return;
    s->settled = true;
    t->n_live--;
    if (s->k->deleting) {
        finish_delete(s);
        return;
    }
    t->n_ended++;
    s->cgroup_gone = cgroup_remove_empty(&t->cgroups, s->id); /* it costs the guest memory */
    session_count_left(s);
    list_remove(&s->member);
    list_add_tail(&t->ended, &s->member);
    if (!s->k->ended_at)
        s->k->ended_at = ++t->store.head->orders;
    list_add_tail(&t->untidy, &s->untidy);
    session_keep(s);
    session_mark(s);
    if (t->n_ended > SESSIONS_MAX_ENDED)
        forget_oldest(t);
}

void sessions_tidy(struct session_table *t)
{
    for (struct list *pos; (pos = list_first(&t->untidy));) {
        const struct session *s = container_of(pos, struct session, untidy);
        list_remove(pos);
        store_drop(&t->store, s->slot, STORE_PIPES);
    }
}

void session_delete(struct session *s)
{
    if (s->k->deleting)
        return;
    s->k->deleting = true;
    if (s->k->phase == SESSION_PENDING || s->settled) {
        if (s->settled)
            s->table->n_ended--;
        else
            s->table->n_live--;
        if (s->k->phase == SESSION_PENDING)
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

void session_signal(struct session *s, int signo, PB(SignalTarget) target)
{
    if (signo < 1 || signo >= NSIG || s->k->phase == SESSION_PENDING ||
        s->k->phase == SESSION_FAILED)
        return;
    sessions_feed(s->table); /* what came before it */
    if (target == PB(SignalTarget_SIGNAL_TARGET_ALL))
        kill_everything(s, signo);
    else if (s->pid > 0) /* a reaped pid may be anyone's */
        kill(target == PB(SignalTarget_SIGNAL_TARGET_GROUP) ? -s->pid : s->pid, signo);
}

void session_arm_timeout(struct session *s)
{
    if (s->k->timeout_at_ms)
        loop_arm(s->table->loop, &s->timeout, s->k->timeout_at_ms - clock_mono_ms());
}

void session_timeout_fired(struct loop_timer *timer)
{
    struct session *s = container_of(timer, struct session, timeout);
    if (s->pid <= 0)
        return;
    s->k->timed_out = true;
    kill(s->pid, SIGKILL);
    kill_everything(s, SIGKILL);
}

static void session_exited(struct session *s, const struct store_exit *how)
{
    s->pid = 0;
    if (s->report_fd >= 0)
        session_take_report(s, true);
    if (s->k->phase == SESSION_FAILED) {
        session_settle(s);
        return;
    }
    s->k->ended_ns = (uint64_t)how->real_ns;
    s->k->ended_mono_ns = how->mono_ns;
    s->k->exit_code = WIFEXITED(how->status) ? WEXITSTATUS(how->status) : 0;
    s->k->signo = WIFSIGNALED(how->status) ? WTERMSIG(how->status) : 0;
    s->k->oom = s->k->signo == SIGKILL && cgroup_saw_oom(&s->table->cgroups, s->id);
    session_enter(s, SESSION_EXITED);
    loop_disarm(&s->timeout);
    session_close_stdin(s);
    session_after_exit(s);
}

void session_after_exit(struct session *s)
{
    session_read_rest(s, s->k->deleting);
    session_mark(s);
    if (!session_is_live(s)) {
        session_settle(s);
    } else if (s->k->deleting) {
        session_end_stream(&s->out[0]);
        session_end_stream(&s->out[1]);
    } else {
        session_count_left(s);
        session_begin_drain(s);
    }
}

/* Who waited for them has written down how they ended (store.h). */
void sessions_look_ended(struct session_table *t)
{
    list_foreach(pos, &t->live)
    {
        struct session *s = container_of(pos, struct session, member);
        const struct store_exit *how = s->pid > 0 ? store_ended(&t->store, s->slot) : NULL;
        if (how)
            session_exited(s, how);
    }
    sessions_count_left(t);
}

/* A fork bomb ends processes, which come to us or the keeper, as fast as they can be reaped: the
 * daemon has its turn in between, or could not end it. */
void sessions_reap(struct session_table *t)
{
    bool again = false;
    store_reap(&t->store, REAPS_PER_TURN, 0, &again);
    sessions_look_ended(t);
    if (again)
        loop_arm(t->loop, &t->reap, REAP_AGAIN_MS);
}

void sessions_keeper_ready(struct loop_io *io, uint32_t events)
{
    struct session_table *t = container_of(io, struct session_table, keeper);
    char word[16];
    ssize_t n;
    do {
        n = recv(t->store.keeper_fd, word, sizeof(word), MSG_DONTWAIT);
    } while (n > 0);
    if (events & EPOLLHUP)
        loop_remove(t->loop, io);
    sessions_look_ended(t);
}

void sessions_reap_fired(struct loop_timer *timer)
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

/* One that has been killed. */
static void await_end(struct session *s)
{
    struct store *store = &s->table->store;
    struct pollfd word = {.fd = store->keeper_fd, .events = POLLIN};
    char text[16];
    bool again;
    int64_t until_ms = clock_mono_ms() + KILLED_MS;
    while (!store_ended(store, s->slot) && clock_mono_ms() < until_ms) {
        if (store->keeper_fd < 0)
            store_reap(store, REAPS_PER_TURN, 0, &again);
        if (store->keeper_fd >= 0 && poll(&word, 1, 10) > 0 &&
            recv(store->keeper_fd, text, sizeof(text), MSG_DONTWAIT) == 0)
            return;
        if (store->keeper_fd < 0)
            usleep(500);
    }
}

void sessions_drop(struct list *of)
{
    for (struct list *pos; (pos = list_first(of));) {
        struct session *s = container_of(pos, struct session, member);
        if (s->pid > 0) {
            kill(s->pid, SIGKILL);
            kill_everything(s, SIGKILL);
            await_end(s);
            s->pid = 0;
        }
        s->k->deleting = s->settled = true;
        finish_delete(s);
        session_free(s);
    }
}
