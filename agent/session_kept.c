/* What ended sessions keep of their output, and the one bound for all of it; see session.h.
 *
 * Beyond it the output of those that ended first goes, as a whole: the sessions stay, and readers
 * see a gap (spool_gap_reason). Not that of a session that a reader holds or may come back to, as
 * its output is a pipe, or that is to be acknowledged, nor that of the one that ended last: whoever
 * gave it a larger spool than all may have wants to read it. */
#include "agent/session.h"
#include "agent/subscription.h"

static uint64_t output_bytes(const struct session *s)
{
    uint64_t n = 0;
    for (int i = 0; i < 2; i++)
        n += s->out[i].spool.k->total - spool_first(&s->out[i].spool);
    return n;
}

void session_keep(struct session *s)
{
    struct session_table *t = s->table;
    for (int i = 0; i < 2; i++) {
        spool_settle(&s->out[i].spool);
        time_index_settle(&s->out[i].times);
    }
    s->kept_bytes = output_bytes(s);
    if (s->kept_bytes == 0)
        return;
    t->kept_bytes += s->kept_bytes;
    t->kept_max = spool_pool_ended_max(&t->pool);
    list_add_tail(&t->kept, &s->kept);
}

void session_keep_none(struct session *s)
{
    s->table->kept_bytes -= s->kept_bytes;
    s->kept_bytes = 0;
    list_remove(&s->kept);
}

static bool may_be_dropped(const struct session *s)
{
    return !session_owes_output(s) && s->kept.next != &s->table->kept;
}

void sessions_bound_kept(struct session_table *t)
{
    if (t->kept_bytes <= t->kept_max)
        return;
    list_foreach(pos, &t->kept)
    {
        struct session *s = container_of(pos, struct session, kept);
        if (t->kept_bytes <= t->kept_max)
            return;
        if (!may_be_dropped(s))
            continue;
        session_keep_none(s);
        for (int i = 0; i < 2; i++)
            spool_drop(&s->out[i].spool);
        subscriptions_wake(s);
    }
}

void sessions_fill_kept(struct session_table *t, PB(KeptOutput) * out)
{
    t->kept_max = spool_pool_ended_max(&t->pool);
    *out = (PB(KeptOutput)){.ended_bytes = t->kept_bytes, .ended_limit_bytes = t->kept_max};
    list_foreach(pos, &t->live) out->live_bytes +=
        output_bytes(container_of(pos, struct session, member));
}
