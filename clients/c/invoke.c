/* Unary calls, with retries where they are safe. Until a connection has taken the call, and where
 * the server did not begin with it, that is any method, and the stream's business; here are those
 * that the contract calls idempotent, after UNAVAILABLE. A mutation is that only with a request id,
 * so one without gets its own here: sent twice, it is done once. Likewise the key of SendStdin. */
#include "internal.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/id.h"
#include "call.h"
#include "rpc/wire/call.h"

/* What tells a repetition, where the request has such a field and it is empty: a request id, or a
 * key. */
static const ProtobufCFieldDescriptor *empty_identity(const ProtobufCMessage *request)
{
    const ProtobufCFieldDescriptor *key =
        protobuf_c_message_descriptor_get_field_by_name(request->descriptor, "key");
    uint64_t value = 1;
    if (key && key->type == PROTOBUF_C_TYPE_FIXED64)
        memcpy(&value, (const char *)request + key->offset, sizeof(value));
    if (value == 0)
        return key;
    const ProtobufCFieldDescriptor *field =
        protobuf_c_message_descriptor_get_field_by_name(request->descriptor, "request_id");
    if (!field || field->type != PROTOBUF_C_TYPE_STRING)
        return NULL;
    const char *given = *(char *const *)(const void *)((const char *)request + field->offset);
    return given && *given ? NULL : field;
}

/* A copy of request, which borrows all but its identity; to be freed with free. NULL: out of
 * memory. */
static ProtobufCMessage *identify_request(const ProtobufCMessage *request,
                                          const ProtobufCFieldDescriptor *field, char id[ID_BYTES])
{
    char *copy = malloc(request->descriptor->sizeof_message);
    if (!copy)
        return NULL;
    memcpy(copy, request, request->descriptor->sizeof_message);
    id_make(id);
    uint64_t key = 0;
    if (field->type == PROTOBUF_C_TYPE_STRING)
        *(char **)(void *)(copy + field->offset) = id;
    else if (getrandom(&key, sizeof(key), 0) == (ssize_t)sizeof(key))
        memcpy(copy + field->offset, &key, sizeof(key));
    return (ProtobufCMessage *)(void *)copy;
}

/* A server that says UNAVAILABLE is asked again so often; one whose connection breaks, for as long
 * as the client was told. */
enum { SAID_ATTEMPTS = 6 };

enum outcome { OUTCOME_FINAL, OUTCOME_LOST, OUTCOME_SAID_UNAVAILABLE };

struct invocation {
    struct banger_client *client;
    const struct rpc_method *method;
    const ProtobufCMessage *request;
    struct banger_call *call; /* NULL: nothing was told, and nobody looks */
};

/* What came beside the answer, or the error, of a stream that is over. */
static int take_beside(struct banger_call *call, const struct banger_stream *stream)
{
    if (!call || !stream->call || !stream->ended)
        return 0;
    if (call_metadata_take(&call->headers, stream->call, rpc_call_next_header) < 0)
        return -1;
    return call_metadata_take(&call->trailers, stream->call, rpc_call_next_trailer);
}

static void forget_beside(struct banger_call *call)
{
    if (!call)
        return;
    call_metadata_reset(&call->headers);
    call_metadata_reset(&call->trailers);
}

/* One attempt. */
static ProtobufCMessage *invoke_once(const struct invocation *i, int64_t timeout_ms,
                                     enum outcome *outcome, struct banger_error *error)
{
    const struct stream_config config = {.request = i->request,
                                         .borrowed = true,
                                         .timeout_ms = timeout_ms,
                                         .metadata = i->call ? &i->call->metadata : NULL};
    ProtobufCMessage *response = NULL, *more = NULL;
    struct banger_stream *stream = stream_open(i->client, i->method, &config, error);
    *outcome = OUTCOME_FINAL;
    forget_beside(i->call);
    if (!stream)
        return NULL;
    enum banger_next next;
    while ((next = banger_stream_next(stream, -1, &more, error)) == BANGER_NEXT_MESSAGE) {
        banger_message_free(response);
        response = more;
    }
    bool whole = true;
    if (next == BANGER_NEXT_ERROR) {
        if (stream->ended && stream->begun && error->code == BANGER_UNAVAILABLE)
            *outcome = stream->lost ? OUTCOME_LOST : OUTCOME_SAID_UNAVAILABLE;
        whole = false;
    } else if (!response) {
        error_set(error, BANGER_INTERNAL, "%s: the server answered without a message",
                  i->method->name);
    }
    if (take_beside(i->call, stream) < 0 && whole) {
        error_no_memory(error);
        whole = false;
    }
    if (!whole) {
        banger_message_free(response);
        response = NULL;
    }
    banger_stream_close(stream);
    return response;
}

/* Again and again, as far as that is safe and there is time. */
static ProtobufCMessage *invoke_retried(const struct invocation *i, int64_t timeout_ms,
                                        struct banger_error *error)
{
    int64_t deadline = timeout_ms < 0 ? INT64_MAX : clock_mono_ms() + timeout_ms;
    struct retry retry = {0};
    for (unsigned said = 0;;) {
        enum outcome outcome;
        int64_t left = deadline == INT64_MAX ? -1 : deadline - clock_mono_ms();
        if (deadline != INT64_MAX && left < 1)
            left = 1; /* less would mean none */
        ProtobufCMessage *response = invoke_once(i, left, &outcome, error);
        if (response || outcome == OUTCOME_FINAL || !i->method->idempotent)
            return response;
        if (outcome == OUTCOME_SAID_UNAVAILABLE && ++said == SAID_ATTEMPTS)
            return NULL;
        if (retry_wait(&retry, i->client, i->client->retry_ms, deadline, error) < 0)
            return NULL;
    }
}

ProtobufCMessage *banger_invoke(struct banger_client *client, const char *path,
                                const ProtobufCMessage *request, struct banger_call *call,
                                struct banger_error *error)
{
    /* Attempts that failed leave no trace in the caller's error when a later one does better. */
    struct banger_error own;
    const struct rpc_method *method = method_find(path, error);
    if (!method)
        return NULL;
    if (method->streams || request->descriptor != method->request) {
        error_set(error, BANGER_INVALID_ARGUMENT, "%s %s", method->name,
                  method->streams ? "streams: open it as a stream" : "takes another message");
        return NULL;
    }
    char id[ID_BYTES];
    auto_free ProtobufCMessage *identified = NULL;
    const ProtobufCFieldDescriptor *field = method->idempotent ? empty_identity(request) : NULL;
    if (field && !(identified = identify_request(request, field, id))) {
        error_no_memory(error);
        return NULL;
    }
    const struct invocation i = {.client = client,
                                 .method = method,
                                 .request = identified ? identified : request,
                                 .call = call};
    ProtobufCMessage *response = invoke_retried(&i, call_timeout_ms(call, client, method), &own);
    if (!response && error)
        *error = own;
    return response;
}
