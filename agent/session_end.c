/* How sessions end: the process's exit, signals, deletion, and what is left of their cgroups; see
 * session.h.
 *
 * One that is deleted while it lives is killed, and goes when its process has been reaped. It
 * settles, as an ended one, when process and streams have ended. */
#include "agent/session.h"

#include <signal.h>
#include <sys/wait.h>

#include "agent/procs.h"
#include "agent/subscription.h"
#include "base/clock.h"

enum {
    PURGE_FIRST_MS = 20,
    PURGE_MAX_MS = 10000,
    REAPS_PER_TURN = 32,
    REAP_AGAIN_MS = 5,
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

void session_signal(struct session *s, int signo, PB(SignalTarget) target)
{
    if (signo < 1 || signo >= NSIG || s->phase == SESSION_PENDING || s->phase == SESSION_FAILED)
        return;
    if (target == PB(SignalTarget_SIGNAL_TARGET_ALL))
        kill_everything(s, signo);
    else if (s->pid > 0) /* a reaped pid may be anyone's */
        kill(target == PB(SignalTarget_SIGNAL_TARGET_GROUP) ? -s->pid : s->pid, signo);
}

void session_timeout_fired(struct loop_timer *timer)
{
    struct session *s = container_of(timer, struct session, timeout);
    if (s->pid <= 0)
        return;
    s->timed_out = true;
    kill(s->pid, SIGKILL);
    kill_everything(s, SIGKILL);
}

static void session_exited(struct session *s, int status)
{
    if (s->report_fd >= 0)
        session_take_report(s, true);
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

void sessions_drop(struct list *of)
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
