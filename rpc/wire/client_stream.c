/* The client's side of a call: response headers, trailers, status; see stream.h. */
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/base64.h"
#include "rpc/wire/alive.h"
#include "rpc/wire/conn.h"
#include "rpc/wire/content.h"
#include "rpc/wire/status.h"
#include "rpc/wire/stream.h"

enum { MAX_DETAILS_BYTES = 8 << 10, HTTP_OK = 200 };

static bool is(const uint8_t *s, size_t len, const char *literal)
{
    return len == strlen(literal) && memcmp(s, literal, len) == 0;
}

static void client_details(struct rpc_call *call, const uint8_t *value, size_t len)
{
    uint8_t details[MAX_DETAILS_BYTES];
    if (len > sizeof(details))
        return;
    ssize_t n = base64_decode(details, sizeof(details), (const char *)value, len);
    if (n > 0)
        status_parse_details(&call->status, details, (size_t)n);
}

/* gRPC's own headers; false for one to be kept. */
static bool client_grpc_header(struct rpc_call *call, const uint8_t *name, size_t name_len,
                               const uint8_t *value, size_t value_len)
{
    struct err err;
    if (is(name, name_len, "grpc-status")) {
        status_parse_code(&call->status, (const char *)value, value_len);
        call->got_status = true;
    } else if (is(name, name_len, "grpc-message")) {
        status_parse_message(&call->status, (const char *)value, value_len);
    } else if (is(name, name_len, "grpc-status-details-bin")) {
        client_details(call, value, value_len);
        return false; /* and kept, for what a struct err does not hold */
    } else if (is(name, name_len, "grpc-encoding")) {
        call->in_gzip = is(value, value_len, "gzip");
        if (!call->in_gzip && !is(value, value_len, "identity")) {
            err_set(&err, ERR_INTERNAL, "the server compresses in a way that was not offered");
            call_fail(call, &err);
        }
    } else {
        return false;
    }
    return true;
}

/* A value that is no base 64 is left out, which is not worth the call; but none goes unseen for
 * want of room. */
static void client_keep_header(struct rpc_call *call, const uint8_t *name, size_t name_len,
                               const uint8_t *value, size_t value_len)
{
    struct err err;
    if (call->over || metadata_add(&call->metadata, name, name_len, value, value_len) == 0 ||
        errno == EINVAL)
        return;
    err_set(&err, ERR_LIMIT,
            errno == ENOMEM ? "out of memory for the response's headers"
                            : "the response's headers are over the limit");
    call_fail(call, &err);
}

void client_header(struct rpc_call *call, const uint8_t *name, size_t name_len,
                   const uint8_t *value, size_t value_len)
{
    if (call->over)
        return;
    struct err err;
    if (call->header_bytes > call->conn->limits.max_header_list_bytes) {
        err_set(&err, ERR_LIMIT, "the response's headers are over the limit");
        call_fail(call, &err);
        return;
    }
    if (is(name, name_len, ":status")) {
        call->http_status = 0;
        for (size_t i = 0; i < value_len; i++)
            call->http_status = call->http_status * 10 + (value[i] - '0');
    } else if (is(name, name_len, "content-type")) {
        call->got_content_type = content_is_grpc((const char *)value, value_len);
    } else if (is(name, name_len, ALIVE_HEADER)) {
        call->alive_agreed = alive_parse(value, value_len) > 0;
    } else if (!client_grpc_header(call, name, name_len, value, value_len) && name[0] != ':') {
        client_keep_header(call, name, name_len, value, value_len);
    }
}

void client_headers_end(struct rpc_call *call, bool end_stream)
{
    if (call->over)
        return;
    /* An interim response (1xx) says nothing yet. */
    if (call->http_status / 100 == 1) {
        metadata_reset(&call->metadata);
        return;
    }
    if (call->http_status != HTTP_OK || !call->got_content_type) {
        struct err err;
        if (call->http_status != HTTP_OK)
            status_of_http(&err, call->http_status);
        else
            err_set(&err, ERR_UNKNOWN, "the server's answer is not gRPC");
        call_fail(call, &err);
        return;
    }
    /* An answer that is nothing but an error has one block, which is its trailers. */
    if (!call->got_headers && !end_stream) {
        call->got_headers = true;
        call->trailers_at = buf_len(&call->metadata.entries);
    }
    if (call->alive_agreed && call->alive_ms && call->method->streams & RPC_CLIENT_STREAMS)
        alive_begin(call);
    /* The server is done: what we still have to send, it does not want. */
    if (end_stream && !call->sent_end)
        call_reset(call, NGHTTP2_CANCEL);
}

bool rpc_call_got_headers(const struct rpc_call *call)
{
    return call->got_headers;
}

bool rpc_call_next_header(const struct rpc_call *call, size_t *at, struct rpc_metadata *header)
{
    return *at < call->trailers_at && metadata_next(&call->metadata, at, header);
}

bool rpc_call_next_trailer(const struct rpc_call *call, size_t *at, struct rpc_metadata *trailer)
{
    size_t from = call->trailers_at + *at;
    bool more = metadata_next(&call->metadata, &from, trailer);
    *at = from - call->trailers_at;
    return more;
}

/* nghttp2 closes what is above GOAWAY's last stream as REFUSED_STREAM, and what it could no more
 * send because of it as INTERNAL_ERROR. */
static bool client_was_refused(const struct rpc_call *call, uint32_t error_code)
{
    if (call->http_status != 0)
        return false;
    return error_code == NGHTTP2_REFUSED_STREAM ||
           (error_code == NGHTTP2_INTERNAL_ERROR && call->conn->draining && !call->remote_reset);
}

/* A server whose timer is quicker than ours may end a late call with a bare reset. */
static bool client_was_late(const struct rpc_call *call, uint32_t error_code)
{
    return error_code == NGHTTP2_CANCEL && clock_mono_ms() >= call->deadline_ms;
}

bool rpc_call_was_refused(const struct rpc_call *call)
{
    return call->refused;
}

/* Proxies that lose their server, or find a stream too quiet, say anything (INTERNAL_ERROR and
 * CANCEL mostly, nginx PROTOCOL_ERROR) but what would hold the next time as well. */
static bool client_was_cut(uint32_t error_code)
{
    return error_code != NGHTTP2_ENHANCE_YOUR_CALM && error_code != NGHTTP2_INADEQUATE_SECURITY &&
           error_code != NGHTTP2_HTTP_1_1_REQUIRED;
}

bool rpc_call_was_cut(const struct rpc_call *call)
{
    return call->cut;
}

void client_settle_status(struct rpc_call *call, uint32_t error_code)
{
    bool one = !(call->method->streams & RPC_SERVER_STREAMS);
    if (call->got_status && call->remote_ended) {
        if (call->status.code == ERR_NONE && one && !call->got_message)
            err_set(&call->status, ERR_INTERNAL, "the server answered OK without a message");
    } else if (client_was_refused(call, error_code)) {
        call->refused = true;
        err_set(&call->status, ERR_UNAVAILABLE, "the server did not begin the call");
    } else if (call->conn->draining && call->http_status == 0) {
        err_set(&call->status, ERR_UNAVAILABLE, "the server went away before it answered");
    } else if (client_was_late(call, error_code)) {
        err_set(&call->status, ERR_DEADLINE, "the deadline passed");
    } else if (error_code == NGHTTP2_NO_ERROR) {
        call->cut = true;
        err_set(&call->status, ERR_INTERNAL, "the server ended the stream without a status");
    } else {
        call->cut = client_was_cut(error_code);
        status_of_reset(&call->status, error_code);
    }
}
