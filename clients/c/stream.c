/* A call as a stream of messages to pull. Full queue: reading is paused, and HTTP/2's flow control
 * stops the sender.
 *
 * A stream waits in client->waiting until a connection takes it (connect.c). What was sent is kept
 * until the server has answered: with that the call is begun, and begun anew, once, if the server
 * says that it has done nothing about it. */
#include "internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "call.h"
#include "rpc/wire/client.h"
#include "rpc/wire/outgoing.h"

static void stream_forget(struct banger_stream *stream)
{
    stream->keeps = false;
    stream->request = NULL;
    buf_done(&stream->kept);
}

/* ---- what the wire says ---- */

static void stream_on_message(void *arg, struct rpc_call *call, const ProtobufCMessage *message)
{
    struct banger_stream *stream = arg;
    (void)message;
    stream->client->news++;
    stream_forget(stream);
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
    struct channel *channel = stream->channel;
    stream->channel = NULL;
    stream->client->news++;
    channel->refusing |= rpc_call_was_refused(call);
    if (rpc_call_was_refused(call) && stream->keeps && !stream->again && !stream->client->closed) {
        stream->again = true;
        stream->begun = false;
        list_add_tail(&stream->client->waiting, &stream->link);
        return;
    }
    stream->ended = true;
    stream->lost = channel->losing || channel_is_draining(channel);
    error_of_err(&stream->status, status);
    if (stream->client->closed) {
        error_set(&stream->status, BANGER_CANCELLED, "the client was closed");
        stream->lost = false;
        return;
    }
    if (rpc_call_was_cut(call)) {
        stream->lost = true;
        stream->status.code = BANGER_UNAVAILABLE;
    }
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

/* ---- beginning ---- */

/* Each kept message is its length and its bytes. */
static int stream_keep(struct banger_stream *stream, const ProtobufCMessage *message)
{
    uint32_t len = (uint32_t)protobuf_c_message_get_packed_size(message);
    uint8_t *at = buf_reserve(&stream->kept, sizeof(len) + len);
    if (!at)
        return -1;
    memcpy(at, &len, sizeof(len));
    protobuf_c_message_pack(message, at + sizeof(len));
    buf_commit(&stream->kept, sizeof(len) + len);
    return 0;
}

/* The kept message at offset *at, which moves on; NULL at the end, or without memory. To be freed
 * with protobuf_c_message_free_unpacked. */
static ProtobufCMessage *stream_kept(const struct banger_stream *stream, size_t *at)
{
    uint32_t len;
    if (*at >= buf_len(&stream->kept))
        return NULL;
    const uint8_t *data = buf_data(&stream->kept) + *at;
    memcpy(&len, data, sizeof(len));
    *at += sizeof(len) + len;
    return protobuf_c_message_unpack(stream->method->request, NULL, len, data + sizeof(len));
}

static int stream_send_kept(struct banger_stream *stream, struct err *err)
{
    for (size_t at = 0; at < buf_len(&stream->kept);) {
        ProtobufCMessage *message = stream_kept(stream, &at);
        int rv = message ? rpc_call_send(stream->call, message) : -1;
        if (message)
            protobuf_c_message_free_unpacked(message, NULL);
        if (rv < 0)
            return err_set(err, ERR_LIMIT, "%s: a message could not be sent", stream->method->name);
    }
    if (stream->half_closed)
        rpc_call_half_close(stream->call);
    return 0;
}

static struct rpc_call *stream_start(struct banger_stream *stream, struct rpc_client *wire,
                                     struct err *err)
{
    struct rpc_metadata metadata[OUTGOING_MAX];
    struct rpc_call_options options = {.timeout_ms = -1,
                                       .alive_ms = stream->client->alive_ms,
                                       .metadata = metadata,
                                       .n_metadata =
                                           call_metadata_list(&stream->metadata, metadata)};
    int64_t left = stream->deadline_ms - clock_mono_ms();
    if (stream->deadline_ms != INT64_MAX)
        options.timeout_ms = left > 0 ? left : 1; /* 0 would mean the method's default */
    if (stream->request || stream->method->streams & RPC_CLIENT_STREAMS)
        return rpc_client_start(wire, stream->method, &options, stream->request, &stream_events,
                                stream, err);
    size_t at = 0;
    ProtobufCMessage *request = stream_kept(stream, &at);
    if (!request) {
        err_set(err, ERR_LIMIT, "out of memory for a call");
        return NULL;
    }
    struct rpc_call *call =
        rpc_client_start(wire, stream->method, &options, request, &stream_events, stream, err);
    protobuf_c_message_free_unpacked(request, NULL);
    return call;
}

void stream_begin(struct banger_stream *stream, struct channel *channel)
{
    struct err err = ERR_INIT;
    rpc_call_unref(stream->call);
    stream->call = stream_start(stream, channel->wire, &err);
    if (!stream->call) {
        stream_fail(stream, &err);
        return;
    }
    stream->channel = channel;
    stream->begun = true;
    stream->give_up_ms = 0;
    if (stream->method->streams & RPC_CLIENT_STREAMS && stream_send_kept(stream, &err) < 0) {
        rpc_call_set_events(stream->call, &no_events, NULL);
        rpc_call_cancel(stream->call);
        stream->channel = NULL;
        stream_fail(stream, &err);
    }
}

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
    if (stream->call) {
        rpc_call_set_events(stream->call, &no_events, NULL);
        if (!stream->ended)
            rpc_call_cancel(stream->call);
        rpc_call_unref(stream->call);
    }
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
