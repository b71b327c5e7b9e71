/* Bytes of a stream to messages; see stream.h.
 *
 * Flow control: the connection's window is given back at once, so that one stream whose reader
 * pauses never stalls the others (held_bytes bounds what that can cost). A stream's window is given
 * back when its handler took the message, or when the bytes are part of a message not yet whole. */
#include <errno.h>
#include <string.h>

#include "rpc/wire/conn.h"
#include "rpc/wire/frame.h"
#include "rpc/wire/gzip.h"
#include "rpc/wire/observer.h"
#include "rpc/wire/pool.h"
#include "rpc/wire/stream.h"
#include "rpc/wire/unpack.h"

enum {
    CONSUME_STEP_BYTES = 128 << 10, /* windows are given back in steps of this */
    PAUSED_MAX_BYTES = 32 << 20,    /* held by paused streams, before the connection stalls too */
    HELD_MAX_BYTES = 64 << 20,      /* held at all, before messages not yet whole are refused */
    HOLD_AHEAD_BYTES = 64 << 10,    /* room made at once for a message not yet whole */
    MEMORY_FACTOR = 4,              /* decoded size allowed per byte of the message limit */
    USUAL_FACTOR = 4,               /* decoded size of a byte that is as usual, … */
    USUAL_BYTES = 64 << 10,         /* … beyond this */
    LIGHT_BYTES = 64 << 10,         /* longer ones are texts and bytes more than structs */
    MEMORY_A_BYTE = 8,              /* decoding to so much takes as long as unpacking a byte */
};

static void input_consume_stream(struct rpc_call *call)
{
    struct wire_conn *conn = call->conn;
    if (call->unconsumed_bytes == 0 || (call->over && wire_conn_is_server(conn)))
        return;
    if (call->stream_open && !call->remote_ended && !conn->broken)
        wire_conn_check(conn, nghttp2_session_consume_stream(conn->session, call->stream_id,
                                                             call->unconsumed_bytes));
    call->unconsumed_bytes = 0;
}

/* Only what handlers will take or drop may stall the connection: messages that wait for their own
 * rest would wait for ever. */
static bool input_stalls_conn(const struct wire_conn *conn)
{
    size_t paused = 0;
    if (conn->held_bytes < PAUSED_MAX_BYTES)
        return false;
    for (const struct list *l = conn->calls.next; l != &conn->calls; l = l->next) {
        const struct rpc_call *call = container_of(l, struct rpc_call, link);
        paused += call_input_flows(call) ? 0 : buf_len(&call->in);
    }
    return paused >= PAUSED_MAX_BYTES;
}

static void input_consume_conn(struct wire_conn *conn)
{
    if (conn->unconsumed_bytes < CONSUME_STEP_BYTES || !conn->session || conn->broken ||
        input_stalls_conn(conn))
        return;
    wire_conn_check(conn,
                    nghttp2_session_consume_connection(conn->session, conn->unconsumed_bytes));
    conn->unconsumed_bytes = 0;
    wire_conn_touch(conn);
}

/* Gives back what may be given back. */
static void input_settle(struct rpc_call *call)
{
    if (call_input_flows(call) && call->unconsumed_bytes >= CONSUME_STEP_BYTES)
        input_consume_stream(call);
    input_consume_conn(call->conn);
}

static void input_fail(struct rpc_call *call, enum err_code code, const char *why)
{
    struct err err;
    err_set(&err, code, "%s", why);
    call_fail(call, &err);
}

/* borrow: data stays as it is until the message is done with. Takes no more memory than max_bytes.
 */
static ProtobufCMessage *input_make(struct rpc_call *call, const uint8_t *data, size_t len,
                                    bool borrow, size_t max_bytes, struct err *err)
{
    const struct message_limits limits = {max_bytes, MESSAGE_MAX_DEPTH};
    const ProtobufCMessageDescriptor *type =
        wire_conn_is_server(call->conn) ? call->method->request : call->method->response;
    struct message_cache *cache = &call->conn->pool->messages;
    return borrow ? message_borrow(type, data, len, &limits, cache, err)
                  : message_decode(type, data, len, &limits, cache, err);
}

/* The same for one that takes much, which is charged for. */
static ProtobufCMessage *input_make_heavy(struct rpc_call *call, const uint8_t *data, size_t len,
                                          bool borrow, struct err *err)
{
    size_t most = MEMORY_FACTOR * call->max_message_bytes;
    ProtobufCMessage *m = input_make(call, data, len, borrow, most, err);
    size_t took = m ? most - message_left_bytes(m) : most;
    if (took > USUAL_BYTES)
        unpack_charge(call->conn, len / MEMORY_A_BYTE, took / MEMORY_A_BYTE);
    return m;
}

static size_t input_usual(size_t len)
{
    size_t light = len < LIGHT_BYTES ? len : LIGHT_BYTES;
    return USUAL_BYTES + USUAL_FACTOR * light + (len - light);
}

/* Two bytes on the wire may be forty in memory. A message that takes more than is usual by its
 * length pays for the try, and is begun again in its turn with those that unpack to more; NULL and
 * starved until then. */
static ProtobufCMessage *input_decode(struct rpc_call *call, const uint8_t *data, size_t len,
                                      bool borrow, struct err *err)
{
    size_t most = MEMORY_FACTOR * call->max_message_bytes;
    size_t usual = input_usual(len);
    if (usual < most && !call->heavy) {
        ProtobufCMessage *m = input_make(call, data, len, borrow, usual, err);
        if (m || err->code != ERR_LIMIT)
            return m;
        unpack_charge(call->conn, 0, usual / MEMORY_A_BYTE);
        call->heavy = true;
    }
    if (call->heavy && !unpack_begin(call))
        return NULL;
    call->heavy = false;
    return input_make_heavy(call, data, len, borrow, err);
}

static ProtobufCMessage *input_unpack(struct rpc_call *call, const uint8_t *data, size_t len,
                                      struct err *err)
{
    ProtobufCMessage *m = NULL;
    struct buf plain;
    buf_init(&plain, call->max_message_bytes + 1);
    if (gzip_decompress(&plain, call->max_message_bytes, data, len, err) == 0)
        m = input_make_heavy(call, buf_data(&plain), buf_len(&plain), false, err);
    unpack_charge(call->conn, len, buf_len(&plain));
    buf_done(&plain);
    return m;
}

/* The peer's direction has one message, and no stream of them. */
static bool input_is_one(const struct rpc_call *call)
{
    unsigned streams = wire_conn_is_server(call->conn) ? RPC_CLIENT_STREAMS : RPC_SERVER_STREAMS;
    return !(call->method->streams & streams);
}

/* Only where both sides know of them: what comes from a server that does not is a message. */
static bool input_is_sign_of_life(const struct rpc_call *call, const struct frame *f)
{
    return f->bytes == 0 && call->alive_ms > 0 && !input_is_one(call) &&
           (wire_conn_is_server(call->conn) || call->alive_agreed);
}

/* One whole message; in the server's view of a unary call it waits for the end of the stream.
 * False: it has to wait for its turn, and comes again. */
static bool input_message(struct rpc_call *call, const uint8_t *data, size_t len, bool compressed)
{
    struct wire_conn *conn = call->conn;
    bool server = wire_conn_is_server(conn), one = input_is_one(call);
    if (one && call->got_message) {
        input_fail(call, server ? ERR_INVALID : ERR_INTERNAL,
                   "more than one message where the method takes one");
        return true;
    }
    struct err err;
    bool waits = server && one;
    ProtobufCMessage *m = compressed ? input_unpack(call, data, len, &err)
                                     : input_decode(call, data, len, !waits, &err);
    if (!m && call->starved)
        return false;
    bool first = !call->got_message;
    call->got_message = true;
    call->message_gzip = compressed;
    if (!m) {
        call_fail(call, &err);
        return true;
    }
    if (first && server && conn->server->observer && conn->server->observer->requested)
        conn->server->observer->requested(conn->server->observer_arg, call, m);
    if (waits) {
        call->request = m;
        return true;
    }
    call->current = m;
    call->delivering = true;
    if (call->events && call->events->message)
        call->events->message(call->arg, call, m);
    call->delivering = false;
    message_recycle(&conn->pool->messages, call->current);
    call->current = NULL;
    return true;
}

/* Takes the whole messages at the head of data; returns the bytes taken. */
static size_t input_run(struct rpc_call *call, const uint8_t *data, size_t len)
{
    size_t used = 0;
    while (call_input_flows(call) && !call->over && len - used >= FRAME_PREFIX_BYTES) {
        struct frame f = frame_parse(data + used);
        if (f.flag > 1 || (f.flag == FRAME_COMPRESSED && !call->in_gzip)) {
            input_fail(call, ERR_INTERNAL,
                       f.flag == FRAME_COMPRESSED ? "a compressed message without a grpc-encoding"
                                                  : "malformed message prefix");
            break;
        }
        if (f.bytes > call->max_message_bytes) {
            struct err err;
            err_set(&err, ERR_LIMIT, "a message of %u bytes is over the limit of %zu", f.bytes,
                    call->max_message_bytes);
            call_fail(call, &err);
            break;
        }
        if (input_is_sign_of_life(call, &f)) {
            used += FRAME_PREFIX_BYTES;
            continue;
        }
        if (len - used - FRAME_PREFIX_BYTES < f.bytes ||
            (f.flag == FRAME_COMPRESSED && !unpack_begin(call)) ||
            !input_message(call, data + used + FRAME_PREFIX_BYTES, f.bytes,
                           f.flag == FRAME_COMPRESSED))
            break;
        used += FRAME_PREFIX_BYTES + f.bytes;
    }
    return used;
}

/* Appends to what is held; makes room for the whole message where it begins one. */
static void input_hold(struct rpc_call *call, const uint8_t *data, size_t len)
{
    struct wire_conn *conn = call->conn;
    if (call_input_flows(call) && conn->held_bytes + len > HELD_MAX_BYTES) {
        input_fail(call, ERR_LIMIT, "too many large messages at once on one connection");
        return;
    }
    if (conn->held_bytes + len > POOL_SHARE_BYTES &&
        conn->pool->held_bytes + len > POOL_HELD_MAX_BYTES) {
        input_fail(call, ERR_LIMIT, "too many large messages at once on all connections");
        return;
    }
    size_t room = len;
    if (buf_len(&call->in) == 0 && len >= FRAME_PREFIX_BYTES) {
        size_t whole = FRAME_PREFIX_BYTES + (size_t)frame_parse(data).bytes;
        room = whole < HOLD_AHEAD_BYTES ? whole : HOLD_AHEAD_BYTES;
    }
    uint8_t *to = buf_reserve(&call->in, room > len ? room : len);
    if (to) {
        memcpy(to, data, len);
        buf_commit(&call->in, len);
        conn_hold(conn, len);
        return;
    }
    input_fail(call, ERR_LIMIT,
               errno == ENOMEM ? "out of memory for a message"
                               : "the peer sent more than its window");
}

/* What makes the message whole whose beginning is held: 0 when it is. */
static size_t input_missing(const struct rpc_call *call)
{
    size_t have = buf_len(&call->in), whole = FRAME_PREFIX_BYTES;
    if (!call_input_flows(call))
        return SIZE_MAX;
    if (have >= FRAME_PREFIX_BYTES)
        whole += frame_parse(buf_data(&call->in)).bytes;
    return have < whole ? whole - have : 0;
}

static void input_run_held(struct rpc_call *call)
{
    size_t n = input_run(call, buf_data(&call->in), buf_len(&call->in));
    if (call->over) {
        call_input_drop(call);
        return;
    }
    buf_consume(&call->in, n);
    conn_release(call->conn, n);
}

void call_input_drop(struct rpc_call *call)
{
    if (call->delivering)
        return; /* whoever delivers looks again */
    conn_release(call->conn, buf_len(&call->in));
    buf_reset(&call->in);
    message_recycle(&call->conn->pool->messages, call->request);
    call->request = NULL;
    input_consume_conn(call->conn);
}

/* Bytes beyond a message that is held are not added to it: they need no copy if they are whole. */
void call_input(struct rpc_call *call, const uint8_t *data, size_t len)
{
    call->unconsumed_bytes += len;
    if (call->over)
        call->paused = call->starved = false;
    while (len > 0 && !call->over && buf_len(&call->in) > 0) {
        size_t missing = input_missing(call), n = len < missing ? len : missing;
        if (n > 0)
            input_hold(call, data, n);
        input_run_held(call);
        data += n;
        len -= n;
    }
    if (len > 0 && !call->over) {
        size_t n = input_run(call, data, len);
        if (n < len && !call->over)
            input_hold(call, data + n, len - n);
    }
    input_settle(call);
}

/* After the last message, once. */
static void input_report_end(struct rpc_call *call)
{
    if (call->end_reported || call->over || !call_input_flows(call))
        return;
    call->end_reported = true;
    bool server = wire_conn_is_server(call->conn);
    if (buf_len(&call->in) > 0)
        input_fail(call, server ? ERR_INVALID : ERR_INTERNAL, "the stream ends within a message");
    else if (server && !(call->method->streams & RPC_CLIENT_STREAMS))
        serve_dispatch(call);
    else if (call->events && call->events->half_closed)
        call->events->half_closed(call->arg, call);
}

void call_input_end(struct rpc_call *call)
{
    call->remote_ended = true;
    input_report_end(call);
}

void call_input_resume(struct rpc_call *call)
{
    if (buf_len(&call->in) > 0 && call->method)
        input_run_held(call);
    if (call_input_flows(call))
        input_consume_stream(call);
    input_settle(call);
    wire_conn_touch(call->conn);
    if (call->remote_ended && call_input_flows(call))
        input_report_end(call);
    /* A client's call whose stream is closed waited only for its messages to be read. */
    if (!call->stream_open && !call_input_pending(call) && !call->closed)
        call_close_soon(call);
}
