/* The call that a stream is once a connection has taken it. What was sent is kept until the server
 * has answered: with that the call is begun, and begun anew, once, if the server says that it has
 * done nothing about it. */
#include "internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "rpc/wire/client.h"
#include "rpc/wire/outgoing.h"

void stream_forget(struct banger_stream *stream)
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
    stream->client->n_failed = 0;
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
    if (!stream->lost && status->code != ERR_DEADLINE && status->code != ERR_CANCELLED)
        stream->client->n_failed = 0; /* the server's own word */
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

int stream_keep(struct banger_stream *stream, const ProtobufCMessage *message)
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

void stream_detach(struct banger_stream *stream)
{
    if (!stream->call)
        return;
    rpc_call_set_events(stream->call, &no_events, NULL);
    if (!stream->ended)
        rpc_call_cancel(stream->call);
    rpc_call_unref(stream->call);
}
