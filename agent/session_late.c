/* What comes after a session's process has ended: output that others hold open, and the processes
 * that it has left; see session.h.
 *
 * Output is read on until none has come for drain_ms, and not for ever. A stream that is given up
 * then stays open all the same: whoever holds it must not die of SIGPIPE for that, nor block for
 * good. What comes is counted and dropped, a little at a time.
 *
 * What is left is counted, so that the daemon can tell, and keeps the session until it has gone. It
 * can only become none when a child of ours ends: orphans become our children. */
#include "agent/session.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/procs.h"
#include "agent/subscription.h"
#include "base/cleanup.h"
#include "base/clock.h"

enum {
    LATE_BYTES = 64 * 1024,
    LATE_READS = 16,     /* of one stream at a look: 10 MiB a second */
    LATE_BUSY_MS = 100,  /* until the next look, while something comes, */
    LATE_IDLE_MS = 1000, /* and while nothing does */
    CHILDREN_BYTES = 4096,
};

/* The streams' ends */

void session_begin_drain(struct session *s)
{
    s->exited_ms = s->k->ended_mono_ns / 1000000;
    s->read_ms = clock_mono_ms();
    s->drain_until_ms =
        s->exited_ms +
        (s->k->drain_ms > SESSION_DRAIN_MAX_MS ? (int64_t)s->k->drain_ms : SESSION_DRAIN_MAX_MS);
    if (!s->k->drain_until_closed)
        loop_arm(s->table->loop, &s->drain, s->k->drain_ms);
}

void session_add_late(struct stream *stream)
{
    struct session_table *t = stream->session->table;
    list_add_tail(&t->late, &stream->late);
    if (t->n_late++ == 0)
        loop_arm(t->loop, &t->look_late, LATE_BUSY_MS);
}

static void cut_stream(struct stream *stream, enum session_cut why)
{
    struct session_table *t = stream->session->table;
    if (stream->k->ended)
        return;
    if (t->n_late < SESSIONS_LATE_MAX) {
        session_add_late(stream);
        stream->k->cut = why;
        session_end_stream(stream);
    } else {
        stream->k->cut = why;
        session_close_stream(stream);
    }
}

static bool waits_for_holder(struct session *s)
{
    return (!s->out[0].k->ended && subscriptions_room(&s->out[0]) == 0) ||
           (!s->out[1].k->ended && subscriptions_room(&s->out[1]) == 0);
}

void session_drain_fired(struct loop_timer *timer)
{
    struct session *s = container_of(timer, struct session, drain);
    session_read_rest(s, true);
    if (s->out[0].k->ended && s->out[1].k->ended)
        return;
    int64_t now = clock_mono_ms();
    if (waits_for_holder(s)) { /* the time that the reader takes is not the writers' */
        s->drain_until_ms += now - s->read_ms;
        s->read_ms = now;
    }
    int64_t quiet = now - s->read_ms;
    if (quiet < (int64_t)s->k->drain_ms && now < s->drain_until_ms) {
        int64_t left = (int64_t)s->k->drain_ms - quiet, most = s->drain_until_ms - now;
        loop_arm(s->table->loop, &s->drain, left < most ? left : most);
        return;
    }
    enum session_cut why =
        quiet < (int64_t)s->k->drain_ms ? SESSION_CUT_STILL_WRITING : SESSION_CUT_HELD_OPEN;
    cut_stream(&s->out[0], why);
    cut_stream(&s->out[1], why);
}

/* Late output */

/* False at its end. */
static bool drop_late(struct stream *stream, bool *any)
{
    static uint8_t scratch[LATE_BYTES];
    for (int i = 0; i < LATE_READS; i++) {
        ssize_t n = read(stream->fd, scratch, sizeof(scratch));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 && errno == EAGAIN;
        stream->session->k->late_bytes += (uint64_t)n;
        *any = true;
    }
    return true;
}

void sessions_look_late_fired(struct loop_timer *timer)
{
    struct session_table *t = container_of(timer, struct session_table, look_late);
    bool any = false;
    list_foreach(pos, &t->late)
    {
        struct stream *stream = container_of(pos, struct stream, late);
        uint64_t before = stream->session->k->late_bytes;
        if (!drop_late(stream, &any))
            session_close_stream(stream);
        if (stream->session->k->late_bytes != before)
            session_mark(stream->session);
    }
    if (t->n_late > 0)
        loop_arm(t->loop, &t->look_late, any ? LATE_BUSY_MS : LATE_IDLE_MS);
}

/* Processes that are left */

static bool is_leader(const struct session_table *t, pid_t pid)
{
    list_foreach(pos, (struct list *)&t->live)
    {
        if (container_of(pos, struct session, member)->pid == pid)
            return true;
    }
    return false;
}

/* Whether our children, or the keeper's, are more than sessions' own processes and agents: whatever
 * a session has left descends from one. True where that cannot be said. */
static bool has_strays(const struct session_table *t)
{
    siginfo_t info;
    bool kept = t->store.keeper_fd >= 0;
    if (!kept && waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0 && errno == ECHILD)
        return false;
    char path[64], text[CHILDREN_BYTES];
    int parent = (int)procs_root();
    snprintf(path, sizeof(path), "/proc/%d/task/%d/children", parent, parent);
    auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
    if (n < 0 || n == (ssize_t)sizeof(text) - 1)
        return true;
    text[n] = '\0';
    for (char *at = text, *end;; at = end) {
        long pid = strtol(at, &end, 10);
        if (end == at)
            return false;
        if (pid != getpid() && !is_leader(t, (pid_t)pid))
            return true;
    }
}

void session_count_left(struct session *s)
{
    struct session_table *t = s->table;
    uint32_t left = 0;
    if (!s->cgroup_gone && has_strays(t))
        left = t->cgroups.dir_fd >= 0 ? cgroup_count(&t->cgroups, s->id)
                                      : procs_signal_all(0, s->id, 0);
    if (left == s->left)
        return;
    t->n_left += (left > 0) - (s->left > 0);
    s->left = left;
    session_mark(s);
}

void sessions_count_left(struct session_table *t)
{
    if (t->n_left == 0)
        return;
    struct list *of[] = {&t->live, &t->ended};
    for (int i = 0; i < 2; i++)
        list_foreach(pos, of[i])
        {
            struct session *s = container_of(pos, struct session, member);
            if (s->left > 0)
                session_count_left(s);
        }
}
