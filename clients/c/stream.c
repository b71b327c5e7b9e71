/* A call as a stream of messages to pull. Full queue: reading is paused, and HTTP/2's flow control
 * stops the sender. */
#include "internal.h"

#include <stdlib.h>

#include "base/clock.h"
#include "rpc/wire/client.h"

static void stream_on_message(void *arg, struct rpc_call *call, const ProtobufCMessage *message)
{
    struct banger_stream *stream = arg;
    (void)message;
    if (stream->n == STREAM_QUEUE)
        return; /* not reached: reading is paused before */
    ProtobufCMessage *taken = rpc_call_take_message(call);
    if (!taken)
        return;
    stream->queue[(stream->head + stream->n) % STREAM_QUEUE] = taken;
    stream->n++;
    if (stream->n == STREAM_QUEUE) {
        stream->paused = true;
        rpc_call_pause_reading(call);
    }
}

static void stream_on_closed(void *arg, struct rpc_call *call, const struct err *status)
{
    struct banger_stream *stream = arg;
    stream->ended = true;
    stream->lost = stream->client->losing ||
                   (stream->client->wire && rpc_client_draining(stream->client->wire));
    error_of_err(&stream->status, status);
    size_t len;
    const char *details =
        status->code ? rpc_call_metadata(call, "grpc-status-details-bin", &len) : NULL;
    if (details)
        error_add_details(&stream->status, details, len);
}

static const struct rpc_call_events stream_events = {
    .message = stream_on_message,
    .closed = stream_on_closed,
};
static const struct rpc_call_events no_events;

struct banger_stream *stream_open(struct banger_client *client, const struct rpc_method *method,
                                  const ProtobufCMessage *request, int64_t timeout_ms,
                                  struct banger_error *error)
{
    if (client_ensure(client, error) < 0)
        return NULL;
    struct banger_stream *stream = calloc(1, sizeof(*stream));
    if (!stream) {
        error_no_memory(error);
        return NULL;
    }
    stream->client = client;
    stream->method = method;
    struct rpc_call_options options = {.timeout_ms = timeout_ms};
    struct err err = ERR_INIT;
    stream->call =
        rpc_client_start(client->wire, method, &options, request, &stream_events, stream, &err);
    if (!stream->call) {
        error_of_err(error, &err);
        free(stream);
        return NULL;
    }
    client_flush(client);
    return stream;
}

struct banger_stream *banger_stream_open(struct banger_client *client, const char *path,
                                         const ProtobufCMessage *request,
                                         const struct banger_call_options *options,
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
    return stream_open(client, method, request, options ? options->timeout_ms : 0, error);
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
            client_flush(stream->client);
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

int banger_stream_send(struct banger_stream *stream, const ProtobufCMessage *message,
                       struct banger_error *error)
{
    if (message->descriptor != stream->method->request)
        return error_set(error, BANGER_INVALID_ARGUMENT, "%s takes %s, not %s",
                         stream->method->name, stream->method->request->name,
                         message->descriptor->name);
    if (rpc_call_send(stream->call, message) < 0) {
        if (stream->ended && stream->status.code) {
            if (error)
                *error = stream->status;
            return -1;
        }
        return error_set(error,
                         stream->ended ? BANGER_FAILED_PRECONDITION : BANGER_RESOURCE_EXHAUSTED,
                         "%s: %s", stream->method->name,
                         stream->ended ? "the call is over" : "the message does not fit the queue");
    }
    client_flush(stream->client);
    return 0;
}

bool banger_stream_writable(struct banger_stream *stream)
{
    return !stream->ended && rpc_call_writable(stream->call);
}

void banger_stream_half_close(struct banger_stream *stream)
{
    rpc_call_half_close(stream->call);
    client_flush(stream->client);
}

void banger_stream_close(struct banger_stream *stream)
{
    if (!stream)
        return;
    rpc_call_set_events(stream->call, &no_events, NULL);
    if (!stream->ended)
        rpc_call_cancel(stream->call);
    rpc_call_unref(stream->call);
    client_flush(stream->client);
    while (stream->n > 0) {
        rpc_message_free(stream->queue[stream->head]);
        stream->head = (stream->head + 1) % STREAM_QUEUE;
        stream->n--;
    }
    free(stream);
}

void banger_message_free(ProtobufCMessage *message)
{
    if (message)
        rpc_message_free(message);
}
