/* Connections; see channel.h. */
#include "channel.h"

#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"
#include "rpc/wire/client.h"
#include "target.h"

enum {
    READS = 16, /* per process: others get their turn */
    GREETING_TIMEOUT_MS = 10000,
    /* A server that vanished without a word is noticed while calls wait for it. Its own limit for
     * pings is far below. */
    KEEPALIVE_MS = 30000,
    KEEPALIVE_TIMEOUT_MS = 20000,
};

/* The socket stands: our greeting may go. */
static void channel_reach(struct channel *ch)
{
    ch->reached = true;
    ch->greeted_until_ms = clock_mono_ms() + GREETING_TIMEOUT_MS;
    channel_flush(ch);
}

struct channel *channel_open(struct target *target, int epoll_fd, uint8_t *input, struct err *err)
{
    struct channel *ch = calloc(1, sizeof(*ch));
    if (!ch) {
        err_set(err, ERR_LIMIT, "out of memory for a connection");
        return NULL;
    }
    list_init(&ch->link);
    ch->greeted_until_ms = INT64_MAX;
    ch->input = input;
    transport_init(&ch->transport, target, epoll_fd);
    ch->wire = rpc_client_new(target->authority, err);
    if (ch->wire && !*target->path)
        rpc_client_set_secure(ch->wire);
    if (!ch->wire || transport_open(&ch->transport, err) < 0) {
        channel_close(ch, err);
        return NULL;
    }
    if (ch->transport.phase == TRANSPORT_OPEN)
        channel_reach(ch);
    return ch;
}

void channel_close(struct channel *ch, const struct err *why)
{
    list_remove(&ch->link);
    transport_done(&ch->transport);
    ch->losing = true;
    if (ch->wire)
        rpc_client_lost(ch->wire, why);
    rpc_client_free(ch->wire);
    free(ch);
}

static int channel_greet(struct channel *ch, struct err *err)
{
    if (ch->greeted || !rpc_client_is_greeted(ch->wire))
        return 0;
    ch->greeted = true;
    ch->greeted_until_ms = INT64_MAX;
    /* The kernel tells when the other end of a Unix socket is gone. */
    if (ch->transport.tls &&
        rpc_client_set_keepalive(ch->wire, KEEPALIVE_MS, KEEPALIVE_TIMEOUT_MS) < 0)
        return err_set(err, ERR_LIMIT, "out of memory for a connection");
    return 0;
}

static int channel_take(struct channel *ch, const uint8_t *data, size_t len, struct err *err)
{
    if (len > 0 && rpc_client_receive(ch->wire, data, len, err) < 0)
        return -1;
    return channel_greet(ch, err);
}

static int channel_read(struct channel *ch, struct err *err)
{
    struct transport *t = &ch->transport;
    for (int i = 0; i < READS; i++) {
        const uint8_t *data;
        size_t len;
        int n = transport_read(t, ch->input, CHANNEL_READ_BYTES, &data, &len, err);
        if (n <= 0)
            return n;
        if (channel_take(ch, data, len, err) < 0)
            return -1;
        if (!t->more)
            return 0;
    }
    return 0;
}

static int channel_write(struct channel *ch, struct err *err)
{
    struct transport *t = &ch->transport;
    for (;;) {
        const uint8_t *data;
        if (transport_flush(t, err) < 0)
            return -1;
        if (buf_len(&t->rest) > 0)
            return 0;
        ssize_t len = rpc_client_output(ch->wire, &data, err);
        if (len <= 0)
            return (int)len;
        if (transport_send(t, data, (size_t)len, err) < 0)
            return -1;
    }
}

void channel_flush(struct channel *ch)
{
    if (!ch->reached || ch->broken.code)
        return;
    if (channel_write(ch, &ch->broken) < 0 && !ch->broken.code)
        err_set(&ch->broken, ERR_UNAVAILABLE, "write to %s failed",
                target_name(ch->transport.target));
}

/* Opens on. 1: the socket stands, 0: not yet, -1. */
static int channel_step(struct channel *ch, struct err *err)
{
    if (ch->reached)
        return 1;
    int rv = transport_step(&ch->transport, err);
    if (rv <= 0)
        return rv;
    channel_reach(ch);
    /* What came with the end of the handshake. */
    const struct buf *plain = &ch->transport.plain;
    return channel_take(ch, buf_data(plain), buf_len(plain), err) < 0 ? -1 : 1;
}

static int channel_check(const struct channel *ch, struct err *err)
{
    if (rpc_client_is_finished(ch->wire) && !rpc_client_draining(ch->wire))
        return err_set(err, ERR_UNAVAILABLE, "the server at %s breaks the rules of HTTP/2",
                       target_name(ch->transport.target));
    if (clock_mono_ms() >= ch->greeted_until_ms)
        return err_set(err, ERR_UNAVAILABLE, "the server at %s does not say hello in HTTP/2",
                       target_name(ch->transport.target));
    return 0;
}

int channel_process(struct channel *ch, struct err *err)
{
    rpc_client_tick(ch->wire);
    int open = channel_step(ch, err);
    if (open <= 0)
        return open;
    struct err read_err = ERR_INIT;
    *err = ch->broken;
    bool failed = err->code != ERR_NONE;
    /* What came before a failure still counts, such as the answer of a server that then went; and a
     * refusal that arrived explains a write that failed. */
    if (channel_read(ch, &read_err) < 0 && (!failed || read_err.code == ERR_UNAUTHENTICATED)) {
        *err = read_err;
        failed = true;
    }
    if (!failed)
        failed = channel_write(ch, err) < 0;
    if (!failed)
        failed = channel_check(ch, err) < 0;
    if (!failed)
        return 0;
    if (err->code != ERR_UNAVAILABLE && err->code != ERR_UNAUTHENTICATED) {
        err_wrap(err, "the connection to %s failed", target_name(ch->transport.target));
        err->code = ERR_UNAVAILABLE;
    }
    return -1;
}

bool channel_is_draining(const struct channel *ch)
{
    return ch->broken.code != ERR_NONE || rpc_client_draining(ch->wire);
}

bool channel_takes_calls(const struct channel *ch)
{
    return ch->greeted && !ch->refusing && !channel_is_draining(ch);
}

size_t channel_open_calls(const struct channel *ch)
{
    return rpc_client_open_calls(ch->wire);
}

int64_t channel_due_ms(const struct channel *ch)
{
    int64_t now = clock_mono_ms(), due = ch->transport.until_ms;
    int64_t tick = rpc_client_next_tick_ms(ch->wire);
    if (ch->broken.code)
        return now;
    if (ch->greeted_until_ms < due)
        due = ch->greeted_until_ms;
    return tick >= 0 && now + tick < due ? now + tick : due;
}
