/* Attaches as others see them: whose, how far behind; and sending one away. See attach.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "daemon/core/session/attach_internal.h"

struct attach_who *attach_who_new(const struct attach_options *options)
{
    const char *principal = options->principal ? options->principal : "";
    const char *address = options->address ? options->address : "";
    size_t n_principal = strlen(principal) + 1, n_address = strlen(address) + 1;
    struct attach_who *who = malloc(sizeof(*who) + n_principal + n_address);
    if (!who)
        return NULL;
    who->logs = options->logs;
    who->address_at = n_principal;
    memcpy(who->text, principal, n_principal);
    memcpy(who->text + n_principal, address, n_address);
    return who;
}

int attach_check_number(const struct session_entry *e, struct err *err)
{
    uint32_t n = 0;
    if (!e->of)
        return 0;
    list_foreach(pos, &e->of->sessions) n +=
        container_of(pos, struct session_entry, vm_link)->n_attached;
    if (n < ATTACHES_PER_VM_MAX)
        return 0;
    err_set(err, ERR_LIMIT, "%u attaches and readers of logs follow sessions of this VM already",
            (unsigned)n);
    return err_tag(err, "VIEWER_LIMIT", "vm/%s", e->session.vm_id);
}

void attach_note_given(struct attach *a, int which, uint32_t bytes)
{
    a->owed[which] += bytes;
    if (!a->stalled_ns)
        a->stalled_ns = clock_real_ns();
}

void attach_note_granted(struct attach *a, uint32_t bytes)
{
    uint64_t left = bytes;
    for (int i = 0; i < 2; i++) {
        uint64_t n = left < a->owed[i] ? left : a->owed[i];
        a->owed[i] -= n;
        left -= n;
    }
    if (a->owed[0] == 0 && a->owed[1] == 0)
        a->stalled_ns = 0;
}

/* Those that are still to begin have taken nothing. False: nobody wants that stream. */
static bool taken_by_all(const struct session_entry *e, int which, uint64_t *taken)
{
    bool any = false;
    *taken = UINT64_MAX;
    list_foreach(pos, (struct list *)&e->attaches)
    {
        const struct attach *a = attach_of_link(pos);
        if (!attach_wants_taken(a) || a->streams[which].from.at == AGENT_SKIP)
            continue;
        any = true;
        if (a->taken[which] < *taken)
            *taken = a->taken[which];
    }
    return any;
}

void session_note_taken(struct session_entry *e)
{
    bool more = false;
    for (int i = 0; i < 2; i++) {
        uint64_t taken;
        if (!taken_by_all(e, i, &taken) || taken <= e->taken[i])
            continue;
        e->taken[i] = taken;
        more = true;
    }
    struct agent_client *agent = more ? session_agent(e) : NULL;
    if (agent && session_agent_knows(e))
        session_tell_acknowledged(e, agent);
}

static struct attach_viewer viewer_of(const struct attach *a)
{
    const struct session *s = &a->session->session;
    const uint64_t totals[] = {s->stdout_total, s->stderr_total};
    struct attach_viewer v = {
        .id = a->id,
        .principal = a->who->text,
        .address = a->who->text + a->who->address_at,
        .writer = a->session->writer == a,
        .logs = a->who->logs,
        .since_ns = a->begun_ns,
        .stalled_ns = a->stalled_ns,
    };
    for (int i = 0; i < 2 && a->opened; i++) {
        const struct attach_stream *stream = &a->streams[i];
        uint64_t total = totals[i] > stream->next ? totals[i] : stream->next;
        v.offset[i] = stream->next - a->owed[i];
        if (stream->from.at != AGENT_SKIP)
            v.lag_bytes[i] = total - v.offset[i];
    }
    return v;
}

void attach_each(const struct session_entry *e,
                 void (*fn)(void *arg, const struct attach_viewer *viewer), void *arg)
{
    list_foreach(pos, (struct list *)&e->attaches)
    {
        struct attach_viewer v = viewer_of(attach_of_link(pos));
        fn(arg, &v);
    }
}

int attach_kick(struct session_entry *e, uint64_t id, const char *by, struct err *err)
{
    list_foreach(pos, &e->attaches)
    {
        struct attach *a = attach_of_link(pos);
        if (a->id != id)
            continue;
        if (!a->kicked_by && !(a->kicked_by = strdup(by)))
            return err_sys(err, ENOMEM, "kick");
        session_touch(e);
        return 0;
    }
    err_set(err, ERR_NOT_FOUND, "nobody of that number follows session %s", e->session.id);
    return err_tag(err, "VIEWER_NOT_FOUND", "session/%s", e->session.id);
}

bool attach_was_kicked(const struct attach *a, struct err *err)
{
    if (!a->kicked_by)
        return false;
    err_set(err, ERR_ABORTED, "sent away from session %s by %s", a->session->session.id,
            a->kicked_by);
    err_tag(err, "VIEWER_KICKED", "session/%s", a->session->session.id);
    return true;
}
