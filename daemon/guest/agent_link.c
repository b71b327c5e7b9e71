/* The link below an agent_client; see agent_link.h. Output is in agent_link_out.c.
 *
 * The one tricky invariant: a message lies in `in` while its callback runs, so nothing may drop the
 * connection (which empties `in`) from inside a callback. Writes therefore wait until `busy` is 0.
 */
#include "daemon/guest/agent_link.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/log.h"
#include "daemon/guest/agent_link_out.h"

enum {
    READ_BYTES = 64 * 1024,
    READS_PER_EVENT = 16, /* then others have their turn */
    IN_BYTES = FRAME_MAX_BYTES + READ_BYTES,
    PROTOCOL = 1,
};

const struct agent_link_timing agent_link_timing = {
    .hello_ms = 15000,
    .ping_every_ms = 5000,
    .ping_lost_ms = 10000,
    .retry_min_ms = 10,
    .retry_max_ms = 1000,
    .distrust_min_ms = 20, /* an agent that follows another looks like that, too */
    .distrust_max_ms = 10000,
};

static void enter(struct agent_link *l)
{
    l->busy++;
}

static void leave(struct agent_link *l)
{
    if (l->busy == 1 && !l->closing)
        agent_link_flush(l);
    if (--l->busy > 0 || !l->closing)
        return;
    l->events->closed(l->arg);
}

static int64_t backoff(int64_t min_ms, int64_t max_ms, unsigned n)
{
    int64_t ms = n < 16 ? min_ms << n : max_ms;
    return ms < max_ms ? ms : max_ms;
}

static void disconnect(struct agent_link *l)
{
    timer_stop(&l->wait);
    timer_stop(&l->retry);
    channel_close(l->channel);
    l->channel = NULL;
    l->state = AGENT_LINK_IDLE;
    buf_done(&l->in);
    buf_done(&l->out);
    l->preamble_left = 0;
    l->refused = l->wake_asked = false;
}

/* Gives the connection up and plans the next. Never from inside a callback. */
static void drop(struct agent_link *l, const struct err *why, bool distrust)
{
    bool was_up = l->state == AGENT_LINK_UP;
    bool was_long = was_up && clock_mono_ns() - l->up_ns > l->timing.ping_lost_ms * 1000000;
    disconnect(l);
    if (was_long)
        l->distrust = 0;
    if (was_up)
        l->failures = 0;
    int64_t delay_ms =
        distrust ? backoff(l->timing.distrust_min_ms, l->timing.distrust_max_ms, l->distrust++)
                 : backoff(l->timing.retry_min_ms, l->timing.retry_max_ms, l->failures++);
    timer_start(&l->retry, delay_ms);
    if (was_up && !l->closing)
        l->events->down(l->arg, why);
    else if (!l->closing && l->events->failed)
        l->events->failed(l->arg, why);
}

/* Hello and ping */

void agent_link_forget_clock(struct agent_link *l)
{
    l->agent_clock_ns = l->agent_clock_at_ns = 0;
}

static void say_hello(struct agent_link *l)
{
    if (getrandom(&l->nonce, sizeof(l->nonce), 0) != (ssize_t)sizeof(l->nonce))
        l->nonce = (uint64_t)clock_mono_ns(); /* cannot happen for so few bytes: getrandom(2) */
    l->state = AGENT_LINK_HELLO;
    l->preamble_left = FRAME_PREAMBLE_BYTES;
    l->next_out = 0;
    PB(ToAgent) m = PB(ToAgent_init_zero);
    m.which_kind = PB_TAG(ToAgent, hello);
    m.kind.hello.nonce = l->nonce;
    m.kind.hello.protocol = PROTOCOL;
    agent_link_queue(l, &m, NULL);
    timer_start(&l->wait, l->timing.hello_ms + channel_open_ms(&l->config));
}

static void send_ping(struct agent_link *l)
{
    PB(ToAgent) m = PB(ToAgent_init_zero);
    m.which_kind = PB_TAG(ToAgent, ping);
    m.kind.ping.token = ++l->ping_token;
    /* A full queue is as good as a ping: the agent does not take what it was sent. */
    agent_link_queue(l, &m, NULL);
    l->ping_sent_ns = clock_mono_ns();
    l->ping_real_ns = clock_real_ns();
}

void agent_link_ping(struct agent_link *l)
{
    if (l->state != AGENT_LINK_UP)
        return;
    l->ping_owed = l->ping_sent_ns != 0;
    if (!l->ping_owed)
        send_ping(l);
}

/* It was written between the sending of the ping and now; what our own clock did meanwhile makes it
 * less exact. */
static void measure_clock(struct agent_link *l, int64_t guest_ns, int64_t took_ns)
{
    int64_t now_ns = clock_real_ns(), passed_ns = now_ns - l->ping_real_ns;
    int64_t within_ns = passed_ns > took_ns ? passed_ns : took_ns;
    l->events->clock(l->arg, guest_ns - (now_ns - took_ns / 2), within_ns);
}

static void take_pong(struct agent_link *l, const PB(Pong) * pong)
{
    if (pong->token != l->ping_token || l->ping_sent_ns == 0)
        return;
    int64_t took_ns = clock_mono_ns() - l->ping_sent_ns;
    l->round_trip_us = (uint64_t)took_ns / 1000 + 1;
    l->ping_sent_ns = 0;
    l->agent_clock_ns = pong->boottime_ns < INT64_MAX / 2 ? (int64_t)pong->boottime_ns : 0;
    l->agent_clock_at_ns = clock_mono_ns();
    if (l->round_trip_us > AGENT_LINK_SLOW_US)
        log_debug("guest", "a ping by %s took %llu ms", l->config.socket_path,
                  (unsigned long long)l->round_trip_us / 1000);
    if (l->events->clock && pong->realtime_ns > 0 && pong->realtime_ns < INT64_MAX)
        measure_clock(l, (int64_t)pong->realtime_ns, took_ns);
    if (l->events->kept && pong->has_kept)
        l->events->kept(l->arg, &pong->kept);
    bool owed = l->ping_owed;
    l->ping_owed = false;
    if (l->wake_asked) {
        l->wake_asked = false;
        l->events->drained(l->arg);
    }
    if (owed)
        agent_link_ping(l);
}

/* The pong was written before it came: so the agent's clock is no earlier than this says, and what
 * is over by it is over by ours. One that is up to a sixteenth slower is allowed for. */
int64_t agent_link_clock_in(const struct agent_link *l, int64_t ms)
{
    int64_t passed_ns = clock_mono_ns() - l->agent_clock_at_ns, left_ns = ms * 1000000;
    if (l->agent_clock_ns == 0 || passed_ns > l->timing.ping_lost_ms * 1000000)
        return 0;
    int64_t slack_ns = (passed_ns + left_ns) / 16;
    return l->agent_clock_ns +
           (passed_ns + left_ns > slack_ns ? passed_ns + left_ns - slack_ns : 1);
}

bool agent_link_is_awake(struct agent_link *l)
{
    bool has_clock = l->agent_clock_at_ns != 0 || channel_open_ms(&l->config) == 0;
    if (clock_mono_ms() - l->heard_ms <= AGENT_LINK_AWAKE_MS && has_clock)
        return true;
    if (!l->wake_asked && l->state == AGENT_LINK_UP) {
        l->wake_asked = true;
        if (l->ping_sent_ns == 0)
            send_ping(l);
    }
    return false;
}

static void on_wait(void *arg)
{
    struct agent_link *l = arg;
    enter(l);
    struct err why = ERR_INIT;
    if (l->state == AGENT_LINK_HELLO) {
        err_set(&why, ERR_DEADLINE, "the agent does not answer");
        drop(l, &why, false);
    } else if (l->ping_sent_ns != 0 &&
               clock_mono_ns() - l->ping_sent_ns >= l->timing.ping_lost_ms * 1000000) {
        err_set(&why, ERR_DEADLINE, "the agent has not answered a ping for %d ms",
                (int)l->timing.ping_lost_ms);
        drop(l, &why, false);
    } else {
        if (l->ping_sent_ns == 0)
            send_ping(l);
        timer_start(&l->wait, l->timing.ping_every_ms);
    }
    leave(l);
}

static void take_hello(struct agent_link *l, const PB(HelloReply) * reply)
{
    l->state = AGENT_LINK_UP;
    agent_link_forget_clock(l);
    l->next_in = 1;
    l->up_ns = clock_mono_ns();
    l->ping_sent_ns = 0;
    l->ping_owed = false;
    timer_start(&l->wait, l->timing.ping_every_ms);
    l->events->up(l->arg, reply);
    if (!l->closing)
        agent_link_ping(l); /* unless up() has */
}

/* Reading */

/* Before the hello's reply: whatever is not it belongs to an earlier link. */
static int take_early_frame(struct agent_link *l, const struct frame *frame, struct err *err)
{
    struct agent_message m;
    if (frame->sequence != 0 || !agent_codec_read(frame->payload, frame->len, &m) ||
        m.tag != PB_TAG(FromAgent, hello_reply) || m.hello_reply.nonce != l->nonce)
        return 0;
    if (m.hello_reply.protocol != PROTOCOL)
        return err_set(err, ERR_UNIMPLEMENTED, "the agent speaks protocol %u, not %d",
                       (unsigned)m.hello_reply.protocol, PROTOCOL);
    take_hello(l, &m.hello_reply);
    return 0;
}

static int take_frame(struct agent_link *l, const struct frame *frame, struct err *err)
{
    if (frame->sequence != l->next_in)
        return err_set(err, ERR_DATA_LOSS, "frame %u from the agent instead of %u",
                       (unsigned)frame->sequence, (unsigned)l->next_in);
    l->next_in++;
    struct agent_message m;
    if (!agent_codec_read(frame->payload, frame->len, &m))
        return err_set(err, ERR_INVALID, "the agent sent a malformed message");
    if (m.tag == PB_TAG(FromAgent, pong)) {
        take_pong(l, &m.pong);
        return 0;
    }
    if (m.tag == PB_TAG(FromAgent, hello_reply))
        return err_set(err, ERR_INVALID, "the agent said hello again");
    return m.tag == 0 ? 0 : l->events->message(l->arg, &m, err);
}

/* buf_consume gives memory back whenever the buffer runs empty: too often here. */
static void consume(struct buf *b, size_t n_bytes)
{
    b->head += n_bytes;
    if (b->head == b->tail)
        b->head = b->tail = 0;
}

static int take_frames(struct agent_link *l, struct err *err)
{
    while (buf_len(&l->in) > 0 && !l->closing) {
        const uint8_t *data = buf_data(&l->in);
        struct frame frame = {0};
        size_t used = 0;
        enum frame_found found = frame_find(data, buf_len(&l->in), &frame, &used);
        if (l->state == AGENT_LINK_UP) {
            bool clean = found == FRAME_WHOLE ? frame.payload == data + FRAME_HEADER_BYTES
                                              : found == FRAME_MORE && used == 0;
            if (!clean)
                return err_set(err, ERR_DATA_LOSS, "bytes from the agent that are not a frame");
            if (found == FRAME_WHOLE && take_frame(l, &frame, err) < 0)
                return -1;
        } else if (found == FRAME_WHOLE && take_early_frame(l, &frame, err) < 0) {
            return -1;
        }
        consume(&l->in, used);
        if (found == FRAME_MORE)
            break;
    }
    return 0;
}

static void read_some(struct agent_link *l)
{
    struct err why = ERR_INIT;
    for (int i = 0; i < READS_PER_EVENT && !l->closing; i++) {
        uint8_t *room = buf_reserve(&l->in, READ_BYTES);
        if (!room) {
            err_set(&why, ERR_LIMIT, "no memory for what the agent sends");
            drop(l, &why, false);
            return;
        }
        ssize_t n = channel_recv(l->channel, room, READ_BYTES, &why);
        if (n < 0) {
            drop(l, &why, false);
            return;
        }
        if (n == 0)
            break;
        buf_commit(&l->in, (size_t)n);
        l->heard_ms = clock_mono_ms();
        if (take_frames(l, &why) < 0) {
            drop(l, &why, true);
            return;
        }
        if ((size_t)n < READ_BYTES)
            break;
    }
    if (buf_len(&l->in) == 0)
        buf_done(&l->in); /* a quiet link holds no buffer */
}

static void on_ready(void *arg, int events)
{
    struct agent_link *l = arg;
    enter(l);
    if (events & WATCH_READ)
        read_some(l);
    leave(l);
    /* WATCH_WRITE: leave() flushes. */
}

/* Connecting */

static void try_connect(struct agent_link *l)
{
    struct err why = ERR_INIT;
    l->channel = l->config.kind->open(l->loop, &l->config, on_ready, l, &why);
    if (!l->channel) {
        drop(l, &why, false);
        return;
    }
    channel_want(l->channel, WATCH_READ);
    say_hello(l);
}

static void on_retry(void *arg)
{
    struct agent_link *l = arg;
    enter(l);
    if (!l->channel) {
        try_connect(l);
    } else if (channel_is_alive(l->channel) && agent_link_is_drained(l)) {
        l->refused = false;
        l->events->drained(l->arg);
    }
    leave(l);
}

int agent_link_open(struct agent_link *l, struct loop *loop, const struct channel_config *channel,
                    const struct agent_link_events *events, void *arg, struct err *err)
{
    *l = (struct agent_link){.loop = loop,
                             .config = *channel,
                             .timing = agent_link_timing,
                             .events = events,
                             .arg = arg};
    buf_init(&l->in, IN_BYTES);
    buf_init(&l->out, AGENT_LINK_QUEUE_BYTES);
    if (timer_init(&l->retry, loop, on_retry, l) < 0 ||
        timer_init(&l->wait, loop, on_wait, l) < 0) {
        timer_done(&l->retry);
        return err_sys(err, ENOMEM, "guest channel");
    }
    timer_start(&l->retry, 0);
    return 0;
}

void agent_link_close(struct agent_link *l)
{
    l->closing = true;
    timer_done(&l->retry);
    timer_done(&l->wait);
    channel_close(l->channel);
    l->channel = NULL;
    l->state = AGENT_LINK_IDLE;
    if (l->busy == 0)
        l->events->closed(l->arg);
}
