/* Which connection a call gets: at most one takes calls, others drain beside it.
 *
 * All decisions are made in client_settle, never inside the wire's callbacks: these only put
 * streams on the list of those that wait. A connection that could not be made fails the streams
 * that do not want to wait and leaves the others; while any is left, it is tried again with
 * backoff. */
#include "internal.h"

#include "base/clock.h"

/* Rounds of one client_settle: a connection found dead is replaced, but not for ever. */
enum { SETTLE_ROUNDS = 3 };

static struct banger_stream *stream_of(struct list *link)
{
    return container_of(link, struct banger_stream, link);
}

/* How long the stream waits for a server that cannot be reached. */
static int64_t stream_patience_ms(const struct banger_stream *stream)
{
    const struct banger_client *client = stream->client;
    if (stream->fail_fast)
        return -1;
    if (client->wait_for_ready_ms)
        return client->wait_for_ready_ms;
    return client->ever_connected ? client->retry_ms : -1;
}

/* An attempt to connect failed: whoever does not wait hears why. */
static void client_fail_waiting(struct banger_client *client, int64_t now)
{
    list_foreach(link, &client->waiting)
    {
        struct banger_stream *stream = stream_of(link);
        int64_t patience = stream_patience_ms(stream);
        if (client->why.code != ERR_UNAVAILABLE || patience <= 0)
            stream_fail(stream, &client->why);
        else if (stream->give_up_ms == 0)
            stream->give_up_ms = now + patience;
    }
}

static void client_note_failure(struct banger_client *client, const struct err *why)
{
    int64_t now = clock_mono_ms();
    client->why = *why;
    client->retry_at_ms = now + retry_backoff_ms(client->n_failed++);
    client_fail_waiting(client, now);
}

void client_lose(struct banger_client *client, struct channel *channel, const struct err *why)
{
    bool greeted = channel->greeted, used = channel->used, current = channel == client->current;
    if (current)
        client->current = NULL;
    client->ever_connected |= channel->reached;
    client_log(client, greeted ? "lost the connection to %s: %s" : "cannot connect to %s: %s",
               target_name(&client->target), why->message);
    channel_close(channel, why);
    if (current && !used)
        client_note_failure(client, why);
}

/* The current connection takes no more calls. One that never took any has failed, however politely:
 * who greets and goes is not called again at once. */
static void client_give_up_current(struct banger_client *client)
{
    struct err why = ERR_INIT;
    bool used = client->current->used;
    client->current = NULL;
    if (used)
        return;
    err_set(&why, ERR_UNAVAILABLE, "the server at %s takes no calls", target_name(&client->target));
    client_log(client, "cannot connect to %s: %s", target_name(&client->target), why.message);
    client_note_failure(client, &why);
}

/* Connections that take no more calls go with their last one. */
static void client_retire(struct banger_client *client)
{
    struct err why = ERR_INIT;
    err_set(&why, ERR_UNAVAILABLE, "the connection was drained");
    list_foreach(link, &client->channels)
    {
        struct channel *channel = container_of(link, struct channel, link);
        client->ever_connected |= channel->reached;
        if (!channel->greeted || channel_takes_calls(channel))
            continue;
        if (channel == client->current)
            client_give_up_current(client);
        if (!channel->broken.code && channel_open_calls(channel) == 0)
            channel_close(channel, &why);
    }
}

/* Streams whose time is over. */
static void client_expire(struct banger_client *client)
{
    int64_t now = clock_mono_ms();
    list_foreach(link, &client->waiting)
    {
        struct banger_stream *stream = stream_of(link);
        struct err err = client->why;
        if (now >= stream->deadline_ms) {
            if (!err.code)
                err_set(&err, ERR_UNAVAILABLE, "no answer from %s yet",
                        target_name(&client->target));
            err_wrap(&err, "the deadline passed before there was a connection");
            err.code = ERR_DEADLINE;
            stream_fail(stream, &err);
        } else if (stream->give_up_ms && now >= stream->give_up_ms) {
            stream_fail(stream, &err);
        }
    }
}

/* Whether one of those that wait has not yet seen an attempt fail. */
static bool client_is_pressed(const struct banger_client *client)
{
    list_foreach(link,
                 (struct list *)&client->waiting) if (stream_of(link)->give_up_ms == 0) return true;
    return false;
}

static void client_try(struct banger_client *client)
{
    struct err err = ERR_INIT;
    int64_t now = clock_mono_ms();
    if (now < client->retry_at_ms) {
        /* Whoever has patience joins the others' wait. */
        if (client->why.code == ERR_UNAVAILABLE)
            list_foreach(link, &client->waiting)
            {
                struct banger_stream *stream = stream_of(link);
                int64_t patience = stream_patience_ms(stream);
                if (stream->give_up_ms == 0 && patience > 0)
                    stream->give_up_ms = now + patience;
            }
        if (!client_is_pressed(client))
            return;
    }
    struct channel *channel = channel_open(&client->target, client->epoll_fd, client->input, &err);
    if (!channel) {
        client_log(client, "cannot connect to %s: %s", target_name(&client->target), err.message);
        client_note_failure(client, &err);
        return;
    }
    list_add_tail(&client->channels, &channel->link);
    client->current = channel;
    client->ever_connected |= channel->reached;
}

/* The connection that takes calls now, or NULL. */
static struct channel *client_ready_channel(struct banger_client *client)
{
    struct channel *channel = client->current;
    struct err err = ERR_INIT;
    if (!channel || !channel->greeted)
        return NULL;
    /* One that idled may have ended meanwhile, which its socket knows: better to hear of it before
     * the call is sent than after. */
    if (channel_open_calls(channel) == 0 && channel_process(channel, &err) < 0) {
        client_lose(client, channel, &err);
        return NULL;
    }
    if (channel_takes_calls(channel))
        return channel;
    client_give_up_current(client);
    return NULL;
}

static void client_begin_waiting(struct banger_client *client, struct channel *channel)
{
    struct list now;
    list_init(&now); /* those that have to begin anew at once wait for the next round */
    list_move_all(&now, &client->waiting);
    for (struct list *link; (link = list_first(&now));) {
        list_remove(link);
        stream_begin(stream_of(link), channel);
    }
    if (!channel->used) {
        channel->used = true;
        client_log(client, "connected to %s", target_name(&client->target));
    }
    err_clear(&client->why);
    client->retry_at_ms = 0;
    channel_flush(channel);
}

void client_settle(struct banger_client *client)
{
    client_retire(client);
    client_expire(client);
    for (int i = 0; i < SETTLE_ROUNDS && !list_empty(&client->waiting); i++) {
        if (!client->current)
            client_try(client);
        struct channel *channel = client_ready_channel(client);
        if (channel)
            client_begin_waiting(client, channel);
        else if (client->current)
            break; /* it is being made */
    }
    client_arm(client);
}

int64_t client_settle_due_ms(const struct banger_client *client)
{
    int64_t due = INT64_MAX;
    if (list_empty(&client->waiting))
        return due;
    if (!client->current)
        due = client->retry_at_ms;
    else if (client->current->greeted)
        due = 0;
    list_foreach(link, (struct list *)&client->waiting)
    {
        const struct banger_stream *stream = stream_of(link);
        if (stream->deadline_ms < due)
            due = stream->deadline_ms;
        if (stream->give_up_ms && stream->give_up_ms < due)
            due = stream->give_up_ms;
    }
    return due;
}
