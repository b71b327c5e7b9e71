/* Sessions of an earlier agent: made anew from their slots and files, as they are now; see
 * session.h.
 *
 * One whose process had not come to be is forgotten, as if it had not been asked for: the daemon
 * asks again. */
#include "agent/session.h"

#include <stdlib.h>
#include <unistd.h>

#include "agent/subscription.h"
#include "base/log.h"

static void discard(struct session_table *t, uint32_t slot)
{
    for (int kind = 0; kind < STORE_FDS; kind++) {
        int fd = store_inherit(&t->store, slot, kind);
        if (fd >= 0)
            close(fd);
    }
    store_free(&t->store, slot);
}

static const struct session_slot *slot_at(const struct session_table *t, uint32_t slot)
{
    return store_slot(&t->store, slot);
}

static bool never_ran(struct session_table *t, uint32_t slot)
{
    const struct session_slot *k = slot_at(t, slot);
    return k->phase == SESSION_PENDING ||
           (k->phase == SESSION_STARTING && store_void(&t->store, slot));
}

static void adopt_stdin(struct session *s, int fd)
{
    s->in.fd = fd;
    if (!s->in.k->closed)
        return;
    if (fd >= 0)
        close(fd);
    s->in.fd = -1;
    store_drop(&s->table->store, s->slot, 1u << STORE_STDIN);
}

/* The file of a stream that is still to be read; -1: none. */
static int adopt_stream(struct stream *stream, int fd)
{
    if (!stream->k->ended)
        return fd;
    stream->fd = fd;
    if (stream->k->cut && fd >= 0)
        session_add_late(stream);
    else
        session_close_stream(stream);
    return -1;
}

static void adopt_report(struct session *s, int fd)
{
    if (s->k->phase == SESSION_STARTING && fd >= 0) {
        session_watch_report(s, fd);
        return;
    }
    if (fd >= 0)
        close(fd);
    if (s->k->phase == SESSION_STARTING)
        session_judge_start(s);
}

static void adopt_files(struct session *s)
{
    struct store *store = &s->table->store;
    int in = store_inherit(store, s->slot, STORE_STDIN);
    int out = adopt_stream(&s->out[0], store_inherit(store, s->slot, STORE_STDOUT));
    int err = adopt_stream(&s->out[1], store_inherit(store, s->slot, STORE_STDERR));
    int report = store_inherit(store, s->slot, STORE_REPORT);
    adopt_stdin(s, in);
    s->out[0].fd = out;
    s->out[1].fd = err;
    if (session_open_io(s, s->in.fd, out, err) < 0)
        log_error("agent", "cannot go on reading session %s", s->id);
    for (int i = 0; i < 2; i++)
        if (!s->out[i].k->ended && s->out[i].fd < 0)
            session_end_stream(&s->out[i]); /* its file could not be kept */
    adopt_report(s, report);
}

static void adopt(struct session *s)
{
    struct session_slot *k = s->k;
    const struct store_exit *how = store_ended(&s->table->store, s->slot);
    k->pid = k->pid ? k->pid : (uint32_t)store_pid(&s->table->store, s->slot);
    if (k->phase != SESSION_EXITED && !(k->phase == SESSION_FAILED && how))
        s->pid = store_pid(&s->table->store, s->slot);
    adopt_files(s);
    if (s->pid > 0)
        session_arm_timeout(s);
    if (k->hold_ms > 0 && (k->out[0].held_from != UINT64_MAX || k->out[1].held_from != UINT64_MAX))
        session_hold_from(s, k->out[0].held_from, k->out[1].held_from);
    if (k->phase == SESSION_EXITED && session_is_live(s))
        session_after_exit(s);
}

static const struct session_table *sorted; /* qsort has no argument to pass on */

static int by_start(const void *a, const void *b)
{
    uint64_t x = slot_at(sorted, *(const uint32_t *)a)->started_at,
             y = slot_at(sorted, *(const uint32_t *)b)->started_at;
    return (x > y) - (x < y);
}

static int by_end(const void *a, const void *b)
{
    uint64_t x = slot_at(sorted, *(const uint32_t *)a)->ended_at,
             y = slot_at(sorted, *(const uint32_t *)b)->ended_at;
    return (x > y) - (x < y);
}

static struct session *of_slot(const struct session_table *t, uint32_t slot)
{
    return session_find(t, slot_at(t, slot)->id);
}

/* In order of their ends; then those that are to go. */
static void settle(struct session_table *t, uint32_t *slots, size_t n)
{
    qsort(slots, n, sizeof(*slots), by_end);
    for (size_t i = 0; i < n; i++) {
        struct session *s = of_slot(t, slots[i]);
        if (!s)
            continue;
        if (!session_is_live(s) && !s->settled && !s->k->deleting)
            session_settle(s);
        if (s->k->phase == SESSION_EXITED && !s->k->deleting)
            session_count_left(s);
    }
    for (size_t i = 0; i < n; i++) {
        struct session *s = of_slot(t, slots[i]);
        if (s && s->k->deleting) {
            s->k->deleting = false;
            session_delete(s);
        }
    }
}

static void finish_transfers(struct session_table *t)
{
    uint32_t stream;
    int slot = transfer_interrupted(&t->transfer, &stream);
    struct session *s = slot < 0 ? NULL : of_slot(t, (uint32_t)slot);
    transfer_finish_read(&t->transfer, s && stream < 2 ? &s->out[stream].spool : NULL);
}

void sessions_adopt(struct session_table *t)
{
    static uint32_t slots[STORE_SLOTS];
    size_t n = 0;
    transfer_finish_write(&t->transfer);
    for (int i = store_next(&t->store, 0); i >= 0; i = store_next(&t->store, (uint32_t)i + 1)) {
        uint32_t slot = (uint32_t)i;
        if (!slot_at(t, slot)->used)
            continue;
        if (never_ran(t, slot))
            discard(t, slot);
        else
            slots[n++] = slot;
    }
    sorted = t;
    qsort(slots, n, sizeof(*slots), by_start);
    for (size_t i = 0; i < n; i++)
        if (!session_adopt(t, slots[i]))
            abort(); /* no memory: another try is as good as going on without it */
    finish_transfers(t);
    for (size_t i = 0; i < n; i++)
        adopt(of_slot(t, slots[i]));
    settle(t, slots, n);
    sessions_look_ended(t);
    log_info("agent", "goes on with %zu sessions of an earlier agent", n);
}
