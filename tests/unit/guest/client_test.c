/* The agent client against agents that lie, stall, or say nothing: the link goes down with a reason
 * and comes back, nothing else happens. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "daemon/guest/agent_client_internal.h"
#include "tests/support/check.h"
#include "tests/unit/guest/fake_agent.h"

static const char session_id[] = "0123456789abcdef";

static struct {
    struct loop *loop;
    struct timer deadline;
    struct fake_agent agent;
    struct agent_client *client;
    struct agent_subscription *sub;
    char reason[512]; /* of the first link_down */
    unsigned ups, downs, writables, ended, stop_at_ups, stop_at_downs;
    bool timed_out;
} t;

static void on_deadline(void *arg)
{
    (void)arg;
    t.timed_out = true;
    loop_stop(t.loop);
}

static void on_link_up(void *arg, const struct agent_hello *hello)
{
    (void)arg;
    CHECK_STR(hello->boot_id, "boot");
    if (++t.ups == t.stop_at_ups)
        loop_stop(t.loop);
}

static void on_link_down(void *arg, const struct err *why)
{
    (void)arg;
    if (t.downs++ == 0)
        snprintf(t.reason, sizeof(t.reason), "%s", why->message);
    if (t.downs == t.stop_at_downs)
        loop_stop(t.loop);
}

static void on_writable(void *arg)
{
    (void)arg;
    t.writables++;
    loop_stop(t.loop);
}

static void on_ended(void *arg, const struct err *err)
{
    (void)arg;
    (void)err;
    t.sub = NULL;
    t.ended++;
}

static const struct agent_events events = {
    .link_up = on_link_up,
    .link_down = on_link_down,
    .writable = on_writable,
};
static const struct agent_subscription_events sub_events = {.ended = on_ended};

static void begin(void)
{
    memset(&t, 0, sizeof(t));
    t.loop = loop_new(NULL);
    timer_init(&t.deadline, t.loop, on_deadline, NULL);
    timer_start(&t.deadline, 10000);
    fake_agent_open(&t.agent, t.loop);
    struct channel_config channel = {.kind = &channel_unix};
    snprintf(channel.socket_path, sizeof(channel.socket_path), "%s", t.agent.path);
    t.client = agent_client_open(t.loop, &channel, &events, NULL, NULL);
    t.client->link.timing.distrust_min_ms = 5;
}

static void end(void)
{
    CHECK(!t.timed_out);
    agent_unsubscribe(t.sub);
    agent_client_close(t.client);
    fake_agent_close(&t.agent);
    timer_done(&t.deadline);
    loop_free(t.loop);
}

static void subscribe(void)
{
    struct agent_start start = {AGENT_FROM_OFFSET, 100}, skip = {AGENT_SKIP, 0};
    t.sub = agent_subscribe(t.client, session_id, start, skip, 1000, true, &sub_events, NULL, NULL);
}

/* Lies told as soon as the link is up */

static void send_kind(struct fake_agent *f, pb_size_t kind)
{
    PB(FromAgent) m = PB(FromAgent_init_zero);
    m.which_kind = kind;
    fake_agent_send(f, &m);
}

static void lie_sequence(struct fake_agent *f)
{
    f->next_out += 1;
    send_kind(f, PB_TAG(FromAgent, synced));
}

static void lie_garbage(struct fake_agent *f)
{
    fake_agent_send_raw(f, "garbage", 7);
}

static void lie_malformed(struct fake_agent *f)
{
    fake_agent_send_payload(f, "\xff\xff\xff\xff\xff\xff", 6);
}

static void lie_truncated(struct fake_agent *f)
{
    fake_agent_send_payload(f, "\x22\x7f\x01", 3); /* a status longer than its frame */
}

static void lie_hello(struct fake_agent *f)
{
    send_kind(f, PB_TAG(FromAgent, hello_reply));
}

static void lie_synced(struct fake_agent *f)
{
    send_kind(f, PB_TAG(FromAgent, synced));
    send_kind(f, PB_TAG(FromAgent, synced));
}

static void send_status(struct fake_agent *f, const char *id, int state)
{
    PB(FromAgent) m = PB(FromAgent_init_zero);
    m.which_kind = PB_TAG(FromAgent, session_status);
    snprintf(m.kind.session_status.session_id, sizeof(m.kind.session_status.session_id), "%s", id);
    m.kind.session_status.state = (PB(SessionState))state;
    fake_agent_send(f, &m);
}

static void lie_status_id(struct fake_agent *f)
{
    send_status(f, "../../etc/passwd", 1);
}

static void lie_status_state(struct fake_agent *f)
{
    send_status(f, session_id, 77);
}

static void lie_ack_id(struct fake_agent *f)
{
    send_kind(f, PB_TAG(FromAgent, stdin_ack));
}

static void lie_unasked(struct fake_agent *f)
{
    fake_agent_data(f, 4711, 1, 0, 10);
}

/* Lies told to a subscription from 100 of stdout, stderr skipped, with a credit of 1000 */

static void lie_offset(struct fake_agent *f)
{
    fake_agent_subscribed(f, 99, 0);
}

static void lie_early(struct fake_agent *f)
{
    fake_agent_data(f, f->subscription, 1, 100, 10);
}

static void lie_twice(struct fake_agent *f)
{
    fake_agent_subscribed(f, 100, 0);
    fake_agent_subscribed(f, 100, 0);
}

static void lie_hole(struct fake_agent *f)
{
    fake_agent_subscribed(f, 100, 0);
    fake_agent_data(f, f->subscription, 1, 100, 10);
    fake_agent_data(f, f->subscription, 1, 111, 10);
}

static void lie_credit(struct fake_agent *f)
{
    fake_agent_subscribed(f, 100, 0);
    fake_agent_data(f, f->subscription, 1, 100, 600);
    fake_agent_data(f, f->subscription, 1, 700, 401);
}

static void lie_stream(struct fake_agent *f)
{
    fake_agent_subscribed(f, 100, 0);
    fake_agent_data(f, f->subscription, 3, 100, 10);
}

static void lie_skipped(struct fake_agent *f)
{
    fake_agent_subscribed(f, 100, 0);
    fake_agent_data(f, f->subscription, 2, 0, 10);
}

static void lie_gap(struct fake_agent *f)
{
    fake_agent_subscribed(f, 100, 0);
    PB(FromAgent) m = PB(FromAgent_init_zero);
    m.which_kind = PB_TAG(FromAgent, gap);
    m.kind.gap.subscription = f->subscription;
    m.kind.gap.stream = PB(Stream_STREAM_STDOUT);
    m.kind.gap.from = 100;
    m.kind.gap.to = 50;
    fake_agent_send(f, &m);
}

static void lie_gap_over_what_is_kept(struct fake_agent *f)
{
    fake_agent_subscribed(f, 100, 0);
    PB(FromAgent) m = PB(FromAgent_init_zero);
    m.which_kind = PB_TAG(FromAgent, gap);
    m.kind.gap.subscription = f->subscription;
    m.kind.gap.stream = PB(Stream_STREAM_STDOUT);
    m.kind.gap.from = 100;
    m.kind.gap.to = 150;
    m.kind.gap.oldest = 100;
    fake_agent_send(f, &m);
}

static void send_stream_end(struct fake_agent *f, uint64_t total)
{
    PB(FromAgent) m = PB(FromAgent_init_zero);
    m.which_kind = PB_TAG(FromAgent, stream_end);
    m.kind.stream_end.subscription = f->subscription;
    m.kind.stream_end.stream = PB(Stream_STREAM_STDOUT);
    m.kind.stream_end.total = total;
    fake_agent_send(f, &m);
}

static void lie_total(struct fake_agent *f)
{
    fake_agent_subscribed(f, 100, 0);
    send_stream_end(f, 101);
}

static void lie_behind_end(struct fake_agent *f)
{
    fake_agent_subscribed(f, 100, 0);
    send_stream_end(f, 100);
    fake_agent_data(f, f->subscription, 1, 100, 10);
}

static void lie_overflow(struct fake_agent *f)
{
    fake_agent_subscribed(f, 100, 0);
    fake_agent_data(f, f->subscription, 1, UINT64_MAX, 10);
}

static const struct {
    void (*lie)(struct fake_agent *f);
    bool to_subscription;
    const char *reason;
} lies[] = {
    {lie_sequence, false, "frame 2 from the agent instead of 1"},
    {lie_garbage, false, "not a frame"},
    {lie_malformed, false, "malformed"},
    {lie_truncated, false, "malformed"},
    {lie_hello, false, "hello again"},
    {lie_synced, false, "twice"},
    {lie_status_id, false, "cannot be"},
    {lie_status_state, false, "cannot be"},
    {lie_ack_id, false, "session id"},
    {lie_unasked, false, "not asked for"},
    {lie_offset, true, "another offset"},
    {lie_early, true, "not asked for"},
    {lie_twice, true, "twice"},
    {lie_hole, true, "another offset"},
    {lie_credit, true, "credit"},
    {lie_stream, true, "not asked for"},
    {lie_skipped, true, "not asked for"},
    {lie_gap, true, "gap"},
    {lie_gap_over_what_is_kept, true, "in what it keeps"},
    {lie_total, true, "another offset"},
    {lie_behind_end, true, "behind its end"},
    {lie_overflow, true, "another offset"},
};

static void test_lies(void)
{
    for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
        begin();
        if (lies[i].to_subscription)
            t.agent.on_subscribe = lies[i].lie;
        else
            t.agent.on_up = lies[i].lie;
        subscribe();
        t.stop_at_ups = 3;
        loop_run(t.loop, NULL);
        CHECK(t.downs >= 2);
        if (!CHECK_CONTAINS(t.reason, lies[i].reason))
            fprintf(stderr, "lie %zu\n", i);
        CHECK_INT(t.ended, 0);
        end();
    }
}

static bool other_nonce(struct fake_agent *f, PB(HelloReply) * reply)
{
    if (f->hellos < 3)
        reply->nonce++;
    return true;
}

static bool junk_first(struct fake_agent *f, PB(HelloReply) * reply)
{
    /* What an earlier link left behind: half a frame, a frame of another hello, noise. */
    static const uint8_t noise[] = "BGR1BGR1\xff\xff\xff\xff noise BGR";
    (void)reply;
    fake_agent_send_raw(f, noise, sizeof(noise) - 1);
    uint8_t header[FRAME_HEADER_BYTES];
    frame_put_header(header, 5000, 17);
    fake_agent_send_raw(f, header, sizeof(header));
    static const uint8_t zeros[FRAME_PREAMBLE_BYTES];
    fake_agent_send_raw(f, zeros, sizeof(zeros));
    f->next_out = 33;
    send_status(f, session_id, 1);
    f->next_out = 0;
    return true;
}

static void test_stale_bytes(void)
{
    begin();
    t.agent.on_hello = junk_first;
    t.stop_at_ups = 1;
    loop_run(t.loop, NULL);
    CHECK_INT(t.ups, 1);
    CHECK_INT(t.downs, 0);
    end();
}

static void test_nonce(void)
{
    begin();
    t.agent.on_hello = other_nonce;
    t.client->link.timing.hello_ms = 30;
    t.stop_at_ups = 1;
    loop_run(t.loop, NULL);
    CHECK_INT(t.agent.hellos, 3);
    CHECK_INT(t.ups, 1);
    end();
}

static void test_silence(void)
{
    begin();
    t.agent.mute = true;
    t.client->link.timing.hello_ms = 10;
    t.stop_at_ups = 1;
    timer_start(&t.deadline, 300);
    loop_run(t.loop, NULL);
    CHECK(t.timed_out);
    CHECK(t.agent.hellos >= 2);
    CHECK_INT(t.ups, 0);
    t.timed_out = false;
    t.agent.mute = false;
    timer_start(&t.deadline, 10000);
    loop_run(t.loop, NULL);
    CHECK_INT(t.ups, 1);
    end();
}

static void test_lost_ping(void)
{
    begin();
    t.agent.no_pong = true;
    t.client->link.timing.ping_every_ms = 10;
    t.client->link.timing.ping_lost_ms = 40;
    t.stop_at_downs = 1;
    loop_run(t.loop, NULL);
    CHECK_CONTAINS(t.reason, "ping");
    end();
}

/* Nobody reads: requests are refused at the bound, stdin long before, and later there is room. */
static void test_full_output(void)
{
    begin();
    t.stop_at_ups = 1;
    loop_run(t.loop, NULL);
    static const uint8_t block[32 * 1024];
    struct err err = ERR_INIT;
    uint64_t offset = 0;
    while (agent_client_send_stdin(t.client, session_id, offset, block, sizeof(block), &err) == 0 &&
           offset < 64u * 1024 * 1024)
        offset += sizeof(block);
    CHECK_INT(err.code, ERR_UNAVAILABLE);
    CHECK(offset < 8u * 1024 * 1024);
    unsigned signals = 0;
    CHECK_INT(agent_client_signal(t.client, session_id, 9, 3, &err), 0);
    while (agent_client_signal(t.client, session_id, 9, 3, &err) == 0 && signals < 1000000)
        signals++;
    CHECK_INT(err.code, ERR_UNAVAILABLE);
    CHECK(signals > 1000 && signals < 1000000);
    CHECK(t.client->link.out.cap <= 2 * AGENT_LINK_QUEUE_BYTES);
    loop_run(t.loop, NULL);
    CHECK_INT(t.writables, 1);
    CHECK_INT(t.downs, 0);
    CHECK_INT(agent_client_signal(t.client, session_id, 9, 3, &err), 0);
    end();
}

/* Small grants are saved up, and none is lost. */
static void credit_answer(struct fake_agent *f)
{
    fake_agent_subscribed(f, 100, 0);
    fake_agent_data(f, f->subscription, 1, 100, 1000);
}

static void stop_loop(void *arg)
{
    loop_stop(arg);
}

static void test_grants(void)
{
    begin();
    t.agent.on_subscribe = credit_answer;
    t.stop_at_ups = 1;
    subscribe();
    loop_run(t.loop, NULL);
    while (t.agent.credit == 0 && !t.timed_out) {
        loop_post(t.loop, stop_loop, t.loop);
        loop_run(t.loop, NULL);
    }
    for (int i = 0; i < 100; i++)
        agent_subscription_grant(t.sub, 10);
    struct err err = ERR_INIT;
    CHECK_INT(agent_client_delete_session(t.client, session_id, &err), 0);
    while (t.agent.requests[PB_TAG(ToAgent, delete_session)] == 0 && !t.timed_out) {
        loop_post(t.loop, stop_loop, t.loop);
        loop_run(t.loop, NULL);
    }
    unsigned messages = t.agent.requests[PB_TAG(ToAgent, credit)];
    CHECK(messages >= 1 && messages < 20);
    end();
}

static void close_in_up(void *arg, const struct agent_hello *hello)
{
    (void)arg;
    (void)hello;
    agent_client_close(t.client);
    t.client = NULL;
    loop_stop(t.loop);
}

static void test_close_inside_callback(void)
{
    static const struct agent_events closing = {.link_up = close_in_up};
    begin();
    t.client->events = &closing;
    subscribe();
    loop_run(t.loop, NULL);
    CHECK(agent_subscription_is_orphan(t.sub));
    end();
}

static void test_text(void)
{
    char out[16];
    agent_codec_text(out, sizeof(out), "pl\xc3\xa4in \xff\x01\xc3");
    CHECK_STR(out, "pl\xc3\xa4in ???");
    agent_codec_text(out, 6, "1234\xe2\x82\xac");
    CHECK_STR(out, "1234");
    agent_codec_text(out, sizeof(out), "\xed\xa0\x80\xc0\x80");
    CHECK_STR(out, "?????");
}

int main(void)
{
    RUN(test_lies);
    RUN(test_stale_bytes);
    RUN(test_nonce);
    RUN(test_silence);
    RUN(test_lost_ping);
    RUN(test_full_output);
    RUN(test_grants);
    RUN(test_close_inside_callback);
    RUN(test_text);
    return check_end();
}
