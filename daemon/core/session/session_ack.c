/* Acknowledged output, of sessions whose process waits for that; see session.h.
 *
 * Who acknowledges says that he has stored the bytes. The offset is on disk before he is answered
 * and before the agent hears of it, which then may drop them; it is told again on each link. */
#include <errno.h>
#include <stdlib.h>

#include "base/err.h"
#include "daemon/core/core.h"
#include "daemon/core/session/session_internal.h"
#include "daemon/store/store.h"

struct acknowledgement {
    struct session_entry *session; /* referenced */
    void (*done)(void *arg, const struct err *err);
    void *arg;
};

static bool raise(uint64_t *to, uint64_t value)
{
    bool more = value > *to;
    if (more)
        *to = value;
    return more;
}

void session_saw_output(struct session_entry *e, int stream, uint64_t end)
{
    raise(stream == 2 ? &e->session.stderr_total : &e->session.stdout_total, end);
}

static void on_stored(void *arg, const struct err *err)
{
    struct acknowledgement *a = arg;
    if (!err)
        session_tell(a->session);
    a->done(a->arg, err);
    session_unref(a->session);
    free(a);
}

static int check(const struct session_entry *e, uint64_t stdout_at, uint64_t stderr_at,
                 struct err *err)
{
    const struct session *s = &e->session;
    if (s->spec.output_policy != OUTPUT_UNTIL_ACKNOWLEDGED) {
        err_set(err, ERR_PRECONDITION, "the output of session %s waits for no acknowledgement",
                s->id);
        return err_tag(err, "OUTPUT_NOT_HELD", "session/%s", s->id);
    }
    /* Before it has named it, an agent may have more than was recorded here. */
    bool beyond = e->named && (stdout_at > s->stdout_total || stderr_at > s->stderr_total);
    return beyond ? err_set(err, ERR_RANGE, "session %s has not written so much", s->id) : 0;
}

int session_ack_output(struct session_entry *e, uint64_t stdout_at, uint64_t stderr_at,
                       void (*done)(void *arg, const struct err *err), void *arg, struct err *err)
{
    if (check(e, stdout_at, stderr_at, err) < 0)
        return -1;
    struct acknowledgement *a = malloc(sizeof(*a));
    if (!a)
        return err_sys(err, ENOMEM, "acknowledging output");
    *a = (struct acknowledgement){session_ref(e), done, arg};
    struct store_txn *txn = store_txn_new();
    session_edit(e);
    bool more = raise(&e->session.stdout_acked, stdout_at);
    more |= raise(&e->session.stderr_acked, stderr_at);
    if (more && session_put(e, txn, err) < 0) {
        store_txn_free(txn);
        session_unref(e);
        free(a);
        return -1;
    }
    store_commit(e->core->store, txn, on_stored, a);
    return 0;
}

/* By whoever stored it, or by those who hold it: then it is as durable as they are. */
static void acknowledged(const struct session_entry *e, uint64_t to[2])
{
    const struct session *shown = session_shown(e);
    bool stored = shown && shown->spec.output_policy == OUTPUT_UNTIL_ACKNOWLEDGED;
    to[0] = stored ? shown->stdout_acked : e->taken[0];
    to[1] = stored ? shown->stderr_acked : e->taken[1];
}

void session_tell_acknowledged(struct session_entry *e, struct agent_client *agent)
{
    uint64_t to[2];
    acknowledged(e, to);
    if (to[0] <= e->told.acked[0] && to[1] <= e->told.acked[1])
        return;
    if (agent_client_ack_output(agent, e->session.id, to[0], to[1], NULL) < 0)
        return; /* when there is room */
    e->told.acked[0] = to[0];
    e->told.acked[1] = to[1];
}
