/* Output that waits to be acknowledged, and what a session's output is still owed; see session.h.
 *
 * Nothing behind an acknowledged offset is dropped: the stream is not read further than half the
 * spool ahead of it, as with a holder's place. What the daemon tells may come twice, and late. */
#include "agent/session.h"
#include "agent/subscription.h"

static void raise(uint64_t *acked, uint64_t to, uint64_t total)
{
    if (to > total)
        to = total;
    if (to > *acked)
        *acked = to;
}

void session_ack_output(struct session *s, uint64_t stdout_at, uint64_t stderr_at)
{
    raise(&s->k->acked[0], stdout_at, s->out[0].spool.k->total);
    raise(&s->k->acked[1], stderr_at, s->out[1].spool.k->total);
    sessions_release_held(s->table);
}

static bool lies_ahead(const struct session *s, const uint64_t from[2])
{
    return from[0] < s->out[0].spool.k->total || from[1] < s->out[1].spool.k->total;
}

bool session_owes_output(const struct session *s)
{
    if (s->k->until_acked)
        return lies_ahead(s, s->k->acked);
    if (s->hold_leased && s->k->hold_ms == SESSION_HOLD_FOREVER)
        return lies_ahead(s, s->hold_from);
    return s->hold_leased || subscriptions_held(s);
}
