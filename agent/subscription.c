/* Cursors over output; see subscription.h. */
#include "agent/subscription.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/session.h"
#include "base/clock.h"

void subscriptions_init(struct subscriptions *set)
{
    list_init(&set->all);
    set->n = 0;
}

bool subscriptions_held(const struct session *s)
{
    list_foreach(pos, (struct list *)&s->subscriptions)
    {
        if (container_of(pos, struct subscription, in_session)->hold)
            return true;
    }
    return false;
}

static void subscription_free(struct subscriptions *set, struct subscription *sub)
{
    list_remove(&sub->member);
    list_remove(&sub->in_session);
    if (sub->session && sub->hold && sub->session->k->hold_ms > 0 &&
        !subscriptions_held(sub->session))
        session_hold_from(sub->session, sub->cursor[0].at, sub->cursor[1].at);
    list_remove(&sub->ready);
    set->n--;
    free(sub);
}

void subscriptions_clear(struct subscriptions *set)
{
    for (struct list *pos; (pos = list_first(&set->all));)
        subscription_free(set, container_of(pos, struct subscription, member));
}

static struct subscription *find(const struct subscriptions *set, uint32_t id)
{
    list_foreach(pos, &set->all)
    {
        struct subscription *sub = container_of(pos, struct subscription, member);
        if (sub->id == id)
            return sub;
    }
    return NULL;
}

static void make_ready(struct session_table *t, struct subscription *sub)
{
    if (list_empty(&sub->ready))
        list_add_tail(&t->ready, &sub->ready);
}

static bool stream_skipped(bool has, const PB(From) * from)
{
    return has && from->which_at == PB_TAG(From, skip) && from->at.skip;
}

static int64_t host_time(uint64_t ns)
{
    return ns < INT64_MAX ? (int64_t)ns : INT64_MAX;
}

/* False where the offset lies past the end. */
static bool place_cursor(struct cursor *c, const struct stream *stream, bool has,
                         const PB(From) * from, bool follow)
{
    const struct spool *spool = &stream->spool;
    uint64_t end = spool->k->total;
    if (has && from->until_ns)
        end = time_index_until(&stream->times, host_time(from->until_ns), end);
    c->done = stream_skipped(has, from);
    c->seeking = has && from->which_at == PB_TAG(From, tail_lines);
    c->at = 0;
    if (has && from->which_at == PB_TAG(From, offset))
        c->at = from->at.offset;
    else if (has && from->which_at == PB_TAG(From, tail))
        c->at = from->at.tail < end ? end - from->at.tail : 0;
    else if (has && from->which_at == PB_TAG(From, since_ns))
        c->at = time_index_since(&stream->times, host_time(from->at.since_ns), spool->k->total);
    else if (c->seeking || c->done || (has && from->which_at == PB_TAG(From, end) && from->at.end))
        c->at = spool->k->total;
    if (has && from->which_at == PB_TAG(From, tail) && c->at < spool_first(spool))
        c->at = spool_first(spool);
    if (c->seeking)
        tail_begin(&c->tail, end, from->at.tail_lines);
    c->end = follow ? UINT64_MAX : end;
    return c->at <= spool->k->total;
}

static void refuse(struct link *link, uint32_t id, const char *why)
{
    PB(FromAgent) m = PB(FromAgent_init_zero);
    m.which_kind = PB_TAG(FromAgent, subscribed);
    m.kind.subscribed.subscription = id;
    snprintf(m.kind.subscribed.error, sizeof(m.kind.subscribed.error), "%s", why);
    link_send(link, &m);
}

void subscription_open(struct subscriptions *set, struct session_table *t, struct link *link,
                       const PB(Subscribe) * request)
{
    struct session *s = session_find(t, request->session_id);
    uint32_t id = request->subscription;
    if (!s || s->k->deleting)
        return refuse(link, id, "there is no such session");
    if (find(set, id))
        return refuse(link, id, "this subscription exists");
    if (set->n >= SUBSCRIPTIONS_MAX)
        return refuse(link, id, "too many subscriptions");
    struct subscription *sub = calloc(1, sizeof(*sub));
    if (!sub)
        return refuse(link, id, "out of memory");
    sub->id = id;
    sub->session = s;
    sub->follow = request->follow;
    sub->hold = request->hold && request->follow;
    sub->times = request->times;
    sub->credit = request->credit_bytes;
    if (!place_cursor(&sub->cursor[0], &s->out[0], request->has_from_stdout, &request->from_stdout,
                      sub->follow) ||
        !place_cursor(&sub->cursor[1], &s->out[1], request->has_from_stderr, &request->from_stderr,
                      sub->follow)) {
        free(sub);
        return refuse(link, id, "the offset is past the end");
    }
    sub->window_ms = sub->kept_up_ms = clock_mono_ms();
    list_init(&sub->ready);
    list_add_tail(&set->all, &sub->member);
    list_add_tail(&s->subscriptions, &sub->in_session);
    set->n++;
    if (sub->hold)
        session_end_lease(s);
    make_ready(t, sub);
}

void subscription_add_credit(struct subscriptions *set, struct session_table *t, uint32_t id,
                             uint32_t bytes)
{
    struct subscription *sub = find(set, id);
    if (!sub)
        return;
    sub->credit += bytes; /* 64 bits of it: cannot wrap in this universe's time */
    make_ready(t, sub);
}

void subscription_close(struct subscriptions *set, uint32_t id, bool release)
{
    struct subscription *sub = find(set, id);
    if (!sub)
        return;
    sub->hold &= !release || (sub->session && sub->session->k->hold_ms == SESSION_HOLD_FOREVER);
    struct session *s = sub->session;
    subscription_free(set, sub);
    if (s)
        session_note_holders(s);
}

void subscriptions_wake(struct session *s)
{
    list_foreach(pos, &s->subscriptions)
        make_ready(s->table, container_of(pos, struct subscription, in_session));
}

void subscriptions_orphan(struct session *s)
{
    list_foreach(pos, &s->subscriptions)
    {
        struct subscription *sub = container_of(pos, struct subscription, in_session);
        sub->session = NULL;
        list_remove(pos);
        make_ready(s->table, sub);
    }
}

static bool keeps_up(const struct subscription *sub)
{
    return sub->follow && clock_mono_ms() - sub->kept_up_ms < 2 * FOLLOWER_WINDOW_MS;
}

uint64_t subscriptions_held_from(const struct stream *stream)
{
    const struct session *s = stream->session;
    int which = stream == &s->out[1];
    uint64_t from = UINT64_MAX;
    bool any = false;
    if (s->k->until_acked)
        return s->k->acked[which];
    if (s->k->hold_ms == 0)
        return from;
    list_foreach(pos, (struct list *)&s->subscriptions)
    {
        const struct subscription *sub = container_of(pos, struct subscription, in_session);
        const struct cursor *c = &sub->cursor[which];
        uint64_t place = s->k->drop_acked ? s->k->acked[which] : c->at;
        any |= sub->hold;
        if (sub->hold && !c->done && place < from)
            from = place;
    }
    if (any || !s->hold_leased)
        return from;
    return s->k->drop_acked ? s->k->acked[which] : s->hold_from[which];
}

uint64_t subscriptions_room(struct stream *stream)
{
    uint64_t from = subscriptions_held_from(stream);
    return from == UINT64_MAX ? from : spool_room(&stream->spool, from);
}

bool subscriptions_hold(struct stream *stream)
{
    const struct session *s = stream->session;
    int which = stream == &s->out[1];
    if (subscriptions_room(stream) == 0)
        return true;
    uint64_t far = stream->spool.k->limit / 2;
    uint64_t near = far / 2 < FOLLOWER_NEAR_BYTES ? far / 2 : FOLLOWER_NEAR_BYTES;
    bool any = false;
    list_foreach(pos, &s->subscriptions)
    {
        const struct subscription *sub = container_of(pos, struct subscription, in_session);
        const struct cursor *c = &sub->cursor[which];
        if (c->done || !keeps_up(sub))
            continue;
        uint64_t lag = stream->spool.k->total - c->at;
        bool waits_for_link = sub->credit > 0;
        if (lag <= near || (lag < far && !waits_for_link))
            return false;
        any = true;
    }
    return any;
}

static void note_progress(struct subscription *sub, size_t n_bytes)
{
    int64_t now = clock_mono_ms();
    sub->window_bytes += n_bytes;
    if (sub->window_bytes >= FOLLOWER_MIN_BYTES)
        sub->kept_up_ms = now;
    if (now - sub->window_ms >= FOLLOWER_WINDOW_MS) {
        sub->window_ms = now;
        sub->window_bytes = 0;
    }
}

/* True when both cursors know where they begin. */
static bool seek(struct subscription *sub, size_t *looked)
{
    for (int i = 0; i < 2; i++) {
        struct cursor *c = &sub->cursor[i];
        if (!c->seeking)
            continue;
        if (!tail_step(&c->tail, &sub->session->out[i].spool, looked))
            return false;
        c->seeking = false;
        c->at = c->tail.at;
    }
    return true;
}

static void send_announcement(struct subscription *sub, struct link *link)
{
    PB(FromAgent) m = PB(FromAgent_init_zero);
    m.which_kind = PB_TAG(FromAgent, subscribed);
    m.kind.subscribed.subscription = sub->id;
    m.kind.subscribed.stdout_offset = sub->cursor[0].at;
    m.kind.subscribed.stderr_offset = sub->cursor[1].at;
    link_send(link, &m);
    sub->announced = true;
}

static void send_gap(const struct subscription *sub, int which, struct link *link, uint64_t to)
{
    const struct spool *spool = &sub->session->out[which].spool;
    PB(FromAgent) m = PB(FromAgent_init_zero);
    m.which_kind = PB_TAG(FromAgent, gap);
    PB(Gap) *gap = &m.kind.gap;
    gap->subscription = sub->id;
    gap->stream = which ? PB(Stream_STREAM_STDERR) : PB(Stream_STREAM_STDOUT);
    gap->from = sub->cursor[which].at;
    gap->to = to;
    gap->oldest = spool_first(spool);
    snprintf(gap->reason, sizeof(gap->reason), "%s", spool_gap_reason(spool));
    link_send(link, &m);
}

static void send_stream_end(const struct subscription *sub, int which, struct link *link)
{
    PB(FromAgent) m = PB(FromAgent_init_zero);
    m.which_kind = PB_TAG(FromAgent, stream_end);
    m.kind.stream_end.subscription = sub->id;
    m.kind.stream_end.stream = which ? PB(Stream_STREAM_STDERR) : PB(Stream_STREAM_STDOUT);
    m.kind.stream_end.total = sub->session->out[which].spool.k->total;
    if (sub->session->out[which].k->cut)
        snprintf(m.kind.stream_end.cut, sizeof(m.kind.stream_end.cut), "%s",
                 sub->session->out[which].k->cut == SESSION_CUT_HELD_OPEN ? "held_open"
                                                                          : "still_writing");
    link_send(link, &m);
}

static void send_end(const struct subscription *sub, struct link *link)
{
    PB(FromAgent) m = PB(FromAgent_init_zero);
    m.which_kind = PB_TAG(FromAgent, subscription_end);
    m.kind.subscription_end.subscription = sub->id;
    link_send(link, &m);
}

/* Over what is gone. While more is written, to a point in the middle of what is kept, so that the
 * next bytes are not gone by the time that they are asked for, and not again at once. */
static bool step_gap(struct subscription *sub, int which, struct link *link, uint64_t end)
{
    struct cursor *c = &sub->cursor[which];
    struct stream *stream = &sub->session->out[which];
    uint64_t to = spool_first(&stream->spool);
    if (!stream->k->ended) {
        int64_t now = clock_mono_ms();
        if (now < c->next_gap_ms) {
            sessions_wake_in(sub->session->table, c->next_gap_ms - now);
            return false;
        }
        c->next_gap_ms = now + GAP_EVERY_MS;
        to += (stream->spool.k->total - to) / 2;
    }
    to = to < end ? to : end;
    send_gap(sub, which, link, to);
    c->at = to;
    return true;
}

/* One frame of one stream, if there is one to send. */
static bool step_stream(struct subscription *sub, int which, struct link *link)
{
    struct cursor *c = &sub->cursor[which];
    struct stream *stream = &sub->session->out[which];
    if (c->done)
        return false;
    uint64_t end = c->end < stream->spool.k->total ? c->end : stream->spool.k->total;
    if (c->at < spool_first(&stream->spool) && c->at < end)
        return step_gap(sub, which, link, end);
    if (c->at < end) {
        uint64_t max = end - c->at < sub->credit ? end - c->at : sub->credit;
        int name = which ? PB(Stream_STREAM_STDERR) : PB(Stream_STREAM_STDOUT);
        uint64_t until = UINT64_MAX; /* where the time does not hold any more */
        int64_t time_ns = sub->times ? time_index_at(&stream->times, c->at, &until) : 0;
        if (until - c->at < max)
            max = until - c->at;
        size_t n = max == 0 ? 0
                            : link_send_data(link, sub->id, name, c->at, time_ns, (size_t)max,
                                             &stream->spool);
        c->at += n;
        sub->credit -= n;
        if (n > 0)
            note_progress(sub, n);
        return n > 0 || c->at < spool_first(&stream->spool); /* the file has failed: a gap */
    }
    if (stream->k->ended && c->at == stream->spool.k->total)
        send_stream_end(sub, which, link);
    else if (c->at < c->end)
        return false;
    c->done = true;
    return true;
}

/* True if something was sent or looked at, or the subscription has ended (then it is gone). */
static bool step(struct subscriptions *set, struct subscription *sub, struct link *link,
                 size_t *looked)
{
    if (sub->session) {
        if (!seek(sub, looked))
            return true;
        if (!sub->announced) {
            send_announcement(sub, link);
            return true;
        }
        for (int i = 0; i < 2; i++) {
            int which = (sub->turn + i) % 2;
            if (step_stream(sub, which, link)) {
                sub->turn = !which;
                return true;
            }
        }
        if (!sub->cursor[0].done || !sub->cursor[1].done)
            return false;
    }
    send_end(sub, link);
    subscription_free(set, sub);
    return true;
}

bool subscriptions_pump(struct subscriptions *set, struct session_table *t, struct link *link)
{
    bool any = false;
    size_t looked = 0;
    while (link_takes_data(link) && !list_empty(&t->ready) && looked < SEEK_TURN_BYTES) {
        struct list *pos = list_first(&t->ready);
        struct subscription *sub = container_of(pos, struct subscription, ready);
        int n = set->n;
        list_remove(pos);
        if (!step(set, sub, link, &looked))
            continue;
        any = true;
        if (set->n == n && list_empty(&sub->ready))
            list_add_tail(&t->ready, &sub->ready);
    }
    return any;
}
