/* News that other news is about to follow, and goes with it: the acknowledgement of what was typed
 * at a terminal with its echo, the end of a stream with that of its process. Each for itself costs
 * a switch to the agent and back, and the host a notification. Where nothing follows it is told a
 * little later. No byte of output waits. */
#include "agent/session.h"

static bool is_waited(const struct session_table *t)
{
    return !list_empty(&t->typed) || !list_empty(&t->ending);
}

static void wait_for_other(struct session_table *t, struct list *member, struct list *of)
{
    if (!is_waited(t))
        loop_arm(t->loop, &t->overdue, SESSIONS_JOIN_MS);
    if (list_empty(member))
        list_add_tail(of, member);
}

static void has_come(struct session_table *t, struct list *member)
{
    if (list_empty(member))
        return;
    list_remove(member);
    if (!is_waited(t))
        loop_disarm(&t->overdue);
}

void session_ack_typed(struct session *s)
{
    wait_for_other(s->table, &s->typed, &s->table->typed);
}

void session_join_ack(struct session *s)
{
    if (list_empty(&s->typed))
        return;
    has_come(s->table, &s->typed);
    session_mark_ack(s);
}

void session_end_soon(struct stream *stream)
{
    struct session *s = stream->session;
    if (s->pid <= 0) {
        session_end_stream(stream);
        return;
    }
    loop_remove(s->table->loop, &stream->io);
    wait_for_other(s->table, &stream->ending, &s->table->ending);
}

void session_join_end(struct stream *stream)
{
    has_come(stream->session->table, &stream->ending);
}

static void overdue_fired(struct loop_timer *timer)
{
    struct session_table *t = container_of(timer, struct session_table, overdue);
    for (struct list *pos; (pos = list_first(&t->typed));)
        session_join_ack(container_of(pos, struct session, typed));
    for (struct list *pos; (pos = list_first(&t->ending));)
        session_end_stream(container_of(pos, struct stream, ending));
}

void sessions_join_init(struct session_table *t)
{
    list_init(&t->typed);
    list_init(&t->ending);
    loop_timer_init(&t->overdue, overdue_fired);
}
