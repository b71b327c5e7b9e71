/* Everything that a guest can say to the daemon: messages, their order, and the frames around them.
 *
 * The input is a list of payloads (length u16 little-endian, payload). Each is handed to an agent
 * client that has two subscriptions; a payload that the client refuses breaks the link, which comes
 * back. What holders are told must hold whatever was said: contiguous offsets, never more than the
 * credit, one end. The whole input goes through the frame reader, too. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/frame.h"
#include "daemon/guest/agent_client_internal.h"
#include "rpc/event/loop.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { CREDIT_BYTES = 1000, MAX_PAYLOADS = 512 };

struct holder {
    struct agent_subscription *sub;
    bool opened, ended[2];
    uint64_t next[2], got;
};

static void must(bool ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "broken promise: %s\n", what);
    abort();
}

static void on_opened(void *arg, uint64_t stdout_offset, uint64_t stderr_offset)
{
    struct holder *h = arg;
    must(!h->opened, "opened once");
    h->opened = true;
    h->next[0] = stdout_offset;
    h->next[1] = stderr_offset;
}

static void on_data(void *arg, int stream, uint64_t offset, const uint8_t *data, uint32_t len)
{
    struct holder *h = arg;
    must(h->opened && (stream == 1 || stream == 2), "data of a stream");
    must(!h->ended[stream - 1] && offset == h->next[stream - 1], "contiguous data");
    h->got += len;
    must(h->got <= CREDIT_BYTES, "no more than the credit");
    h->next[stream - 1] += len;
    for (uint32_t i = 0; i < len; i++)
        h->got += data[i] & 0; /* readable */
}

static void on_gap(void *arg, int stream, uint64_t from, uint64_t to, uint64_t oldest,
                   const char *reason)
{
    (void)oldest;
    struct holder *h = arg;
    must(h->opened && from == h->next[stream - 1] && to > from && reason, "a gap forward");
    h->next[stream - 1] = to;
}

static void on_stream_end(void *arg, int stream, uint64_t total, const char *cut)
{
    (void)cut;
    struct holder *h = arg;
    must(h->opened && !h->ended[stream - 1] && total == h->next[stream - 1], "one end");
    h->ended[stream - 1] = true;
}

static void on_ended(void *arg, const struct err *err)
{
    struct holder *h = arg;
    (void)err;
    must(h->sub != NULL, "ended once");
    h->sub = NULL;
}

static const struct agent_subscription_events sub_events = {
    .opened = on_opened,
    .data = on_data,
    .gap = on_gap,
    .stream_end = on_stream_end,
    .ended = on_ended,
};
static const struct agent_events events = {.link_up = NULL};

/* A channel that takes nothing: the loop does not run. */
static size_t takes_nothing(struct channel *c, const struct iovec *iov, size_t n)
{
    (void)c;
    (void)iov;
    (void)n;
    return 0;
}

static void wants_nothing(struct channel *c, int wanted)
{
    (void)c;
    (void)wanted;
}

static bool is_alive(const struct channel *c)
{
    (void)c;
    return true;
}

static void closes(struct channel *c)
{
    (void)c;
}

static const struct channel_kind silent_kind = {
    .name = "silent",
    .send = takes_nothing,
    .want = wants_nothing,
    .is_alive = is_alive,
    .close = closes,
};

static void give(struct agent_client *c, const uint8_t *payload, size_t len)
{
    struct agent_message m;
    struct err err = ERR_INIT;
    bool ok =
        agent_codec_read(payload, len, &m) && (m.tag == 0 || m.tag == PB_TAG(FromAgent, pong) ||
                                               m.tag == PB_TAG(FromAgent, hello_reply) ||
                                               c->link.events->message(c->link.arg, &m, &err) == 0);
    if (ok)
        return;
    agent_subscriptions_link_down(c);
    buf_reset(&c->link.out);
    c->synced = false;
    agent_subscriptions_link_up(c);
}

static void read_frames(const uint8_t *data, size_t size)
{
    while (size > 0) {
        struct frame frame;
        size_t used;
        enum frame_found found = frame_find(data, size, &frame, &used);
        must(used <= size, "no more than there is");
        if (found == FRAME_MORE || used == 0)
            return;
        data += used;
        size -= used;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    read_frames(data, size);
    struct loop *loop = loop_new(NULL);
    struct channel channel = {.kind = &silent_kind};
    struct channel_config config = {.kind = &silent_kind};
    struct agent_client *c = loop ? agent_client_open(loop, &config, &events, NULL, NULL) : NULL;
    must(c, "a client");
    c->link.channel = &channel; /* the loop does not run: nothing connects */
    c->link.state = AGENT_LINK_UP;
    struct holder h[2] = {{0}, {0}};
    struct agent_start zero = {AGENT_FROM_OFFSET, 0}, tail = {AGENT_FROM_TAIL, 10},
                       skip = {AGENT_SKIP, 0};
    h[0].sub = agent_subscribe(c, "0123456789abcdef", zero, tail, CREDIT_BYTES, true, &sub_events,
                               &h[0], NULL);
    h[1].sub = agent_subscribe(c, "0123456789abcdeg", skip, zero, CREDIT_BYTES, false, &sub_events,
                               &h[1], NULL);
    for (int i = 0; i < MAX_PAYLOADS && size >= 2; i++) {
        size_t len = (size_t)data[0] | (size_t)data[1] << 8;
        data += 2;
        size -= 2;
        if (len > size)
            len = size;
        give(c, data, len);
        data += len;
        size -= len;
    }
    agent_client_close(c);
    for (int i = 0; i < 2; i++)
        agent_unsubscribe(h[i].sub);
    loop_free(loop);
    return 0;
}
