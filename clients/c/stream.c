/* A call as a stream of messages to pull. Full queue: reading is paused, and HTTP/2's flow control
 * stops the sender.
 *
 * A stream waits in client->waiting until a connection takes it (connect.c); the call that it is
 * from then on is stream_wire.c's. */
#include "internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "call.h"
#include "rpc/wire/call.h"

void stream_fail(struct banger_stream *stream, const struct err *why)
{
    list_remove(&stream->link);
    stream->client->news++;
    stream->ended = true;
    error_of_err(&stream->status, why);
}

static int stream_take_config(struct banger_stream *stream, const struct stream_config *config,
                              struct banger_error *error)
{
    int64_t ms = config->timeout_ms;
    stream->fail_fast = config->fail_fast;
    stream->keeps = true;
    stream->deadline_ms = ms < 0 ? INT64_MAX : clock_mono_ms() + ms;
    /* A request of its own size; streams of messages up to a limit. */
    buf_init(&stream->kept, config->request ? UINT32_MAX : STREAM_KEEP_BYTES);
    call_metadata_init(&stream->metadata);
    call_metadata_init(&stream->headers);
    call_metadata_init(&stream->trailers);
    if (call_metadata_merge(&stream->metadata, &stream->client->metadata, config->metadata, error) <
        0)
        return -1;
    if (config->borrowed)
        stream->request = config->request;
    else if (config->request && stream_keep(stream, config->request) < 0)
        return error_no_memory(error);
    return 0;
}

struct banger_stream *stream_open(struct banger_client *client, const struct rpc_method *method,
                                  const struct stream_config *config, struct banger_error *error)
{
    if (client->closed) {
        error_set(error, BANGER_CANCELLED, "the client was closed");
        return NULL;
    }
    struct banger_stream *stream = calloc(1, sizeof(*stream));
    if (!stream) {
        error_no_memory(error);
        return NULL;
    }
    list_init(&stream->link);
    stream->client = client;
    client_use(client);
    stream->method = method;
    if (stream_take_config(stream, config, error) < 0) {
        banger_stream_close(stream);
        return NULL;
    }
    list_add_tail(&client->waiting, &stream->link);
    client_settle(client);
    return stream;
}

struct banger_stream *banger_stream_open(struct banger_client *client, const char *path,
                                         const ProtobufCMessage *request, struct banger_call *call,
                                         struct banger_error *error)
{
    const struct rpc_method *method = method_find(path, error);
    if (!method)
        return NULL;
    bool streams = method->streams & RPC_CLIENT_STREAMS;
    if (streams != !request || (request && request->descriptor != method->request)) {
        error_set(error, BANGER_INVALID_ARGUMENT, "%s takes %s", method->name,
                  streams ? "no first message" : method->request->name);
        return NULL;
    }
    const struct stream_config config = {.request = request,
                                         .timeout_ms = call_timeout_ms(call, client, method),
                                         .metadata = call ? &call->metadata : NULL};
    return stream_open(client, method, &config, error);
}

/* ---- using ---- */

static bool stream_waits(const struct banger_stream *stream)
{
    return !stream->ended && !stream->channel;
}

static void stream_flush(struct banger_stream *stream)
{
    if (stream->channel)
        channel_flush(stream->channel);
    client_settle(stream->client);
}

/* Takes what is there. */
static enum banger_next stream_take(struct banger_stream *stream, ProtobufCMessage **message,
                                    struct banger_error *error)
{
    if (stream->n > 0) {
        *message = stream->queue[stream->head];
        stream->head = (stream->head + 1) % STREAM_QUEUE;
        stream->n--;
        if (stream->paused && stream->n <= STREAM_QUEUE / 2) {
            stream->paused = false;
            rpc_call_resume_reading(stream->call);
            stream_flush(stream);
        }
        if (*message)
            return BANGER_NEXT_MESSAGE;
        error_no_memory(error);
        return BANGER_NEXT_ERROR;
    }
    if (!stream->ended)
        return BANGER_NEXT_NOTHING;
    if (!stream->status.code)
        return BANGER_NEXT_END;
    if (error)
        *error = stream->status;
    return BANGER_NEXT_ERROR;
}

enum banger_next banger_stream_next(struct banger_stream *stream, int64_t timeout_ms,
                                    ProtobufCMessage **message, struct banger_error *error)
{
    int64_t deadline = timeout_ms < 0 ? INT64_MAX : clock_mono_ms() + timeout_ms;
    *message = NULL;
    for (;;) {
        enum banger_next next = stream_take(stream, message, error);
        if (next != BANGER_NEXT_NOTHING || timeout_ms == 0)
            return next;
        int64_t left = deadline == INT64_MAX ? -1 : deadline - clock_mono_ms();
        if (deadline != INT64_MAX && left <= 0)
            return BANGER_NEXT_NOTHING;
        if (client_wait(stream->client, left, error) < 0)
            return BANGER_NEXT_ERROR;
    }
}

static int stream_send(struct banger_stream *stream, const ProtobufCMessage *message)
{
    if (stream->half_closed || stream->ended)
        return -1;
    if (stream_waits(stream))
        return stream->keeps ? stream_keep(stream, message) : -1;
    if (rpc_call_send(stream->call, message) < 0)
        return -1;
    if (stream->keeps && stream_keep(stream, message) < 0)
        stream_forget(stream);
    return 0;
}

int banger_stream_send(struct banger_stream *stream, const ProtobufCMessage *message,
                       struct banger_error *error)
{
    if (message->descriptor != stream->method->request)
        return error_set(error, BANGER_INVALID_ARGUMENT, "%s takes %s, not %s",
                         stream->method->name, stream->method->request->name,
                         message->descriptor->name);
    if (stream_send(stream, message) < 0) {
        if (stream->ended && stream->status.code) {
            if (error)
                *error = stream->status;
            return -1;
        }
        bool over = stream->ended || stream->half_closed;
        return error_set(error, over ? BANGER_FAILED_PRECONDITION : BANGER_RESOURCE_EXHAUSTED,
                         "%s: %s", stream->method->name,
                         over ? "the call is over" : "the message does not fit the queue");
    }
    stream_flush(stream);
    return 0;
}

bool banger_stream_writable(struct banger_stream *stream)
{
    if (stream->ended || stream->half_closed)
        return false;
    return stream_waits(stream) ? buf_len(&stream->kept) < STREAM_KEEP_BYTES / 2
                                : rpc_call_writable(stream->call);
}

const struct banger_metadata *banger_stream_headers(struct banger_stream *stream)
{
    bool there = stream->call && (stream->ended || rpc_call_got_headers(stream->call));
    if (there && !stream->has_headers)
        stream->has_headers =
            call_metadata_take(&stream->headers, stream->call, rpc_call_next_header) == 0;
    return stream->has_headers ? &stream->headers : NULL;
}

const struct banger_metadata *banger_stream_trailers(struct banger_stream *stream)
{
    bool there = stream->call && stream->ended;
    if (there && !stream->has_trailers)
        stream->has_trailers =
            call_metadata_take(&stream->trailers, stream->call, rpc_call_next_trailer) == 0;
    return stream->has_trailers ? &stream->trailers : NULL;
}

void banger_stream_half_close(struct banger_stream *stream)
{
    stream->half_closed = true;
    if (stream->channel)
        rpc_call_half_close(stream->call);
    stream_flush(stream);
}

void banger_stream_close(struct banger_stream *stream)
{
    if (!stream)
        return;
    list_remove(&stream->link);
    stream_detach(stream);
    stream_flush(stream);
    while (stream->n > 0) {
        rpc_message_free(stream->queue[stream->head]);
        stream->head = (stream->head + 1) % STREAM_QUEUE;
        stream->n--;
    }
    buf_done(&stream->kept);
    call_metadata_done(&stream->metadata);
    call_metadata_done(&stream->headers);
    call_metadata_done(&stream->trailers);
    client_unuse(stream->client);
    free(stream);
}

void banger_message_free(ProtobufCMessage *message)
{
    if (message)
        rpc_message_free(message);
}
