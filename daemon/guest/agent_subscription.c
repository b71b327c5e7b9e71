/* Cursors over sessions' output; see agent_client.h.
 *
 * A cursor counts what it has given its holder, so that after a broken link it is asked for again
 * at exactly that offset, with the credit that was left. Numbers are new on every link. An agent
 * that sends what was not asked for, not allowed (credit) or not next is dropped.
 *
 * A holder may unsubscribe, or close the whole client, inside any callback: after one nothing of
 * the cursor is touched. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "daemon/guest/agent_client_internal.h"

struct agent_subscription {
    struct list member;          /* of the client */
    struct agent_client *client; /* NULL: it was closed */
    uint32_t number;             /* on this link; 0: still to be asked for */
    char session_id[ID_BYTES];
    struct agent_start from[2]; /* as asked for; used until opened */
    int64_t until_ns;           /* 0: none */
    bool follow, hold, times, release;
    bool opened;   /* offsets are known */
    bool answered; /* on this link */
    bool ended[2];
    uint64_t next[2]; /* first offset not given yet; the total once ended */
    uint32_t credit;  /* bytes that the agent may still send */
    uint32_t owed;    /* part of credit that the agent has not been told of */
    uint32_t window;  /* the most credit there was: tells when it is worth a message */
    const struct agent_subscription_events *events;
    void *arg;
};

static struct agent_subscription *find(struct agent_client *c, uint32_t number)
{
    if (c->latest && c->latest->number == number)
        return c->latest;
    list_foreach(pos, &c->subscriptions)
    {
        struct agent_subscription *s = container_of(pos, struct agent_subscription, member);
        if (s->number == number)
            return c->latest = s;
    }
    return NULL;
}

static void detach(struct agent_subscription *s)
{
    if (s->client && s->client->latest == s)
        s->client->latest = NULL;
    list_remove(&s->member);
    s->client = NULL;
}

/* Last word to the holder. */
static void finish(struct agent_subscription *s, const struct err *err)
{
    const struct agent_subscription_events *events = s->events;
    void *arg = s->arg;
    detach(s);
    free(s);
    events->ended(arg, err);
}

/* Asking */

static void put_from(PB(From) * out, const struct agent_subscription *s, int which)
{
    const struct agent_start *from = &s->from[which];
    out->until_ns = (uint64_t)s->until_ns;
    if (from->at == AGENT_SKIP) {
        out->which_at = PB_TAG(From, skip);
        out->at.skip = true;
    } else if (s->opened || from->at == AGENT_FROM_OFFSET) {
        out->which_at = PB_TAG(From, offset);
        out->at.offset = s->opened ? s->next[which] : from->value;
    } else if (from->at == AGENT_FROM_TAIL) {
        out->which_at = PB_TAG(From, tail);
        out->at.tail = from->value;
    } else if (from->at == AGENT_FROM_TAIL_LINES) {
        out->which_at = PB_TAG(From, tail_lines);
        out->at.tail_lines = from->value < UINT32_MAX ? (uint32_t)from->value : UINT32_MAX;
    } else if (from->at == AGENT_FROM_TIME) {
        out->which_at = PB_TAG(From, since_ns);
        out->at.since_ns = from->value;
    } else {
        out->which_at = PB_TAG(From, end);
        out->at.end = true;
    }
}

static void ask(struct agent_subscription *s)
{
    struct agent_client *c = s->client;
    PB(ToAgent) m = PB(ToAgent_init_zero);
    m.which_kind = PB_TAG(ToAgent, subscribe);
    PB(Subscribe) *out = &m.kind.subscribe;
    out->subscription = c->next_subscription;
    snprintf(out->session_id, sizeof(out->session_id), "%s", s->session_id);
    out->has_from_stdout = out->has_from_stderr = true;
    put_from(&out->from_stdout, s, 0);
    put_from(&out->from_stderr, s, 1);
    out->credit_bytes = s->credit;
    out->follow = s->follow;
    out->hold = s->hold;
    out->times = s->times;
    if (agent_link_send(&c->link, &m, NULL) < 0)
        return; /* at link_up, or when drained */
    s->number = c->next_subscription++;
    s->owed = 0;
}

/* Small grants are saved up until they are worth a message: a quarter of the window, or all that
 * the agent has left. */
static void pay(struct agent_subscription *s)
{
    if (s->number == 0 || s->owed == 0)
        return;
    uint32_t known = s->credit - s->owed;
    if (s->owed < s->window / 4 && known > s->owed)
        return;
    PB(ToAgent) m = PB(ToAgent_init_zero);
    m.which_kind = PB_TAG(ToAgent, credit);
    m.kind.credit.subscription = s->number;
    m.kind.credit.bytes = s->owed;
    if (agent_link_send(&s->client->link, &m, NULL) == 0)
        s->owed = 0;
}

void agent_subscriptions_link_up(struct agent_client *c)
{
    c->first_subscription = c->next_subscription;
    agent_subscriptions_drained(c);
}

void agent_subscriptions_link_down(struct agent_client *c)
{
    c->latest = NULL;
    list_foreach(pos, &c->subscriptions)
    {
        struct agent_subscription *s = container_of(pos, struct agent_subscription, member);
        s->number = 0;
        s->answered = false;
    }
}

void agent_subscriptions_drained(struct agent_client *c)
{
    list_foreach(pos, &c->subscriptions)
    {
        struct agent_subscription *s = container_of(pos, struct agent_subscription, member);
        if (s->number == 0)
            ask(s);
        else
            pay(s);
    }
}

void agent_subscriptions_orphan(struct agent_client *c)
{
    for (struct list *pos; (pos = list_first(&c->subscriptions));)
        detach(container_of(pos, struct agent_subscription, member));
}

/* What the agent says */

static int unasked(struct err *err, const char *what)
{
    return err_set(err, ERR_INVALID, "the agent sent %s that was not asked for", what);
}

/* What is under way for a cursor that has been given up is dropped; a number never used is a lie.
 * 0 with *out NULL: ignore. */
static int look_up(struct agent_client *c, uint32_t number, const char *what,
                   struct agent_subscription **out, struct err *err)
{
    *out = NULL;
    if (number - c->first_subscription >= c->next_subscription - c->first_subscription)
        return unasked(err, what);
    *out = find(c, number);
    return 0;
}

/* Index of a stream that may be spoken of now; -1 with err. */
static int check_stream(const struct agent_subscription *s, uint32_t stream, const char *what,
                        struct err *err)
{
    if ((stream != 1 && stream != 2) || !s->answered || s->from[stream - 1].at == AGENT_SKIP)
        return unasked(err, what);
    return (int)stream - 1;
}

static int take_subscribed(struct agent_client *c, const PB(Subscribed) * m, struct err *err)
{
    struct agent_subscription *s;
    if (look_up(c, m->subscription, "a subscription", &s, err) < 0)
        return -1;
    if (!s)
        return 0;
    if (s->answered)
        return err_set(err, ERR_INVALID, "the agent answered a subscription twice");
    if (m->error[0] != '\0') {
        char text[sizeof(m->error)];
        agent_codec_text(text, sizeof(text), m->error);
        struct err why = ERR_INIT;
        err_set(&why, ERR_NOT_FOUND, "%s", text);
        finish(s, &why);
        return 0;
    }
    uint64_t at[2] = {m->stdout_offset, m->stderr_offset};
    for (int i = 0; i < 2; i++) {
        bool fixed = s->opened || s->from[i].at == AGENT_FROM_OFFSET;
        uint64_t want = s->opened ? s->next[i] : s->from[i].value;
        if (fixed && s->from[i].at != AGENT_SKIP && at[i] != want)
            return err_set(err, ERR_INVALID, "the agent begins at another offset than asked for");
    }
    s->answered = true;
    if (s->opened)
        return 0;
    s->opened = true;
    s->next[0] = at[0];
    s->next[1] = at[1];
    if (s->events->opened)
        s->events->opened(s->arg, at[0], at[1]);
    return 0;
}

static int take_data(struct agent_client *c, const struct agent_data *m, struct err *err)
{
    struct agent_subscription *s;
    if (look_up(c, m->subscription, "output", &s, err) < 0)
        return -1;
    if (!s)
        return 0;
    int which = check_stream(s, m->stream, "output", err);
    if (which < 0)
        return -1;
    if (s->ended[which])
        return err_set(err, ERR_INVALID, "the agent sent output behind its end");
    if (m->offset != s->next[which] || m->len > UINT64_MAX - m->offset)
        return err_set(err, ERR_DATA_LOSS, "the agent sent output at another offset than the next");
    if (m->len > s->credit - s->owed)
        return err_set(err, ERR_LIMIT, "the agent sent more output than it had credit for");
    if (m->len == 0)
        return 0;
    s->next[which] += m->len;
    s->credit -= (uint32_t)m->len;
    if (s->events->time && m->time_ns && m->time_ns < INT64_MAX)
        s->events->time(s->arg, which + 1, (int64_t)m->time_ns);
    if (s->events->data)
        s->events->data(s->arg, which + 1, m->offset, m->data, (uint32_t)m->len);
    return 0;
}

static int take_gap(struct agent_client *c, const PB(Gap) * m, struct err *err)
{
    struct agent_subscription *s;
    if (look_up(c, m->subscription, "a gap", &s, err) < 0)
        return -1;
    if (!s)
        return 0;
    int which = check_stream(s, (uint32_t)m->stream, "a gap", err);
    if (which < 0)
        return -1;
    if (s->ended[which] || m->from != s->next[which] || m->to <= m->from)
        return err_set(err, ERR_INVALID, "the agent announced a gap that cannot be");
    uint64_t oldest = m->oldest ? m->oldest : m->to;
    if (oldest <= m->from)
        return err_set(err, ERR_INVALID, "the agent announced a gap in what it keeps");
    s->next[which] = m->to;
    char reason[sizeof(m->reason)];
    agent_codec_text(reason, sizeof(reason), m->reason);
    if (s->events->gap)
        s->events->gap(s->arg, which + 1, m->from, m->to, oldest, reason);
    return 0;
}

static int take_stream_end(struct agent_client *c, const PB(StreamEnd) * m, struct err *err)
{
    struct agent_subscription *s;
    if (look_up(c, m->subscription, "the end of a stream", &s, err) < 0)
        return -1;
    if (!s)
        return 0;
    int which = check_stream(s, (uint32_t)m->stream, "the end of a stream", err);
    if (which < 0)
        return -1;
    if (m->total != s->next[which])
        return err_set(err, ERR_INVALID,
                       "the agent ended a stream at another offset than the next");
    if (s->ended[which])
        return 0; /* told again after a broken link */
    s->ended[which] = true;
    char cut[sizeof(m->cut)];
    agent_codec_text(cut, sizeof(cut), m->cut);
    if (s->events->stream_end)
        s->events->stream_end(s->arg, which + 1, m->total, cut);
    return 0;
}

static int take_end(struct agent_client *c, const PB(SubscriptionEnd) * m, struct err *err)
{
    struct agent_subscription *s;
    if (look_up(c, m->subscription, "the end of a subscription", &s, err) < 0)
        return -1;
    if (s)
        finish(s, NULL);
    return 0;
}

int agent_subscriptions_message(struct agent_client *c, const struct agent_message *m,
                                struct err *err)
{
    switch (m->tag) {
    case PB_TAG(FromAgent, data):
        return take_data(c, &m->data, err);
    case PB_TAG(FromAgent, subscribed):
        return take_subscribed(c, &m->subscribed, err);
    case PB_TAG(FromAgent, gap):
        return take_gap(c, &m->gap, err);
    case PB_TAG(FromAgent, stream_end):
        return take_stream_end(c, &m->stream_end, err);
    case PB_TAG(FromAgent, subscription_end):
        return take_end(c, &m->subscription_end, err);
    default:
        return 0;
    }
}

/* The holder's side */

struct agent_subscription *
agent_subscribe(struct agent_client *c, const char *session_id, struct agent_start from_stdout,
                struct agent_start from_stderr, uint32_t credit_bytes, unsigned how,
                const struct agent_subscription_events *events, void *arg, struct err *err)
{
    return agent_subscribe_until(c, session_id, from_stdout, from_stderr, 0, credit_bytes, how,
                                 events, arg, err);
}

struct agent_subscription *agent_subscribe_until(struct agent_client *c, const char *session_id,
                                                 struct agent_start from_stdout,
                                                 struct agent_start from_stderr, int64_t until_ns,
                                                 uint32_t credit_bytes, unsigned how,
                                                 const struct agent_subscription_events *events,
                                                 void *arg, struct err *err)
{
    struct agent_subscription *s = calloc(1, sizeof(*s));
    if (!s) {
        err_sys(err, ENOMEM, "subscription");
        return NULL;
    }
    s->client = c;
    snprintf(s->session_id, sizeof(s->session_id), "%s", session_id);
    s->from[0] = from_stdout;
    s->from[1] = from_stderr;
    s->until_ns = until_ns;
    s->follow = how & AGENT_FOLLOW;
    s->hold = how & AGENT_HOLD;
    s->times = how & AGENT_TIMES;
    s->credit = s->window = credit_bytes;
    s->events = events;
    s->arg = arg;
    list_add_tail(&c->subscriptions, &s->member);
    if (agent_client_is_up(c))
        ask(s);
    return s;
}

bool agent_subscription_is_orphan(const struct agent_subscription *s)
{
    return !s->client;
}

void agent_subscription_grant(struct agent_subscription *s, uint32_t bytes)
{
    if (!s->client || bytes == 0)
        return;
    uint32_t room = UINT32_MAX - s->credit;
    uint32_t more = bytes < room ? bytes : room;
    s->credit += more;
    s->owed += more;
    if (s->credit > s->window)
        s->window = s->credit;
    pay(s);
}

void agent_subscription_release(struct agent_subscription *s)
{
    if (s)
        s->release = true;
}

void agent_unsubscribe(struct agent_subscription *s)
{
    if (!s)
        return;
    struct agent_client *c = s->client;
    uint32_t number = s->number;
    bool release = s->release;
    detach(s);
    free(s);
    if (!c || number == 0)
        return;
    PB(ToAgent) m = PB(ToAgent_init_zero);
    m.which_kind = PB_TAG(ToAgent, unsubscribe);
    m.kind.unsubscribe.subscription = number;
    m.kind.unsubscribe.release = release;
    agent_link_send(&c->link, &m, NULL); /* lost: the credit runs out, the link's end clears it */
}
