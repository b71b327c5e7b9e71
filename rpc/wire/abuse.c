/* Frames that cost us more than their peer; see abuse.h. */
#include "rpc/wire/abuse.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "rpc/wire/conn.h"
#include "rpc/wire/stream.h"

enum {
    SPENT_MAX = 10000,  /* a millisecond of work for nothing */
    FORGIVEN_RATE = 10, /* in a millisecond: as much again each second */
    PREFACE_BYTES = 24,
    /* Streams that a peer may reset before they are answered (CVE-2023-44487), or make us reset
     * (CVE-2025-8671), at once and per second. */
    RESET_BURST = 1000,
    RESET_RATE = 100,
    MAX_PING_STRIKES = 2,
};

void wire_conn_blame(struct wire_conn *conn, const char *fmt, ...)
{
    if (conn->fault[0])
        return;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(conn->fault, sizeof(conn->fault), fmt, ap);
    va_end(ap);
}

/* Sends the peer away. NGHTTP2_ERR_CALLBACK_FAILURE: no memory even for that. */
static int abuse_calm(struct wire_conn *conn, const char *why)
{
    wire_conn_blame(conn, "ENHANCE_YOUR_CALM: %s", why);
    return wire_conn_check(
               conn, nghttp2_session_terminate_session(conn->session, NGHTTP2_ENHANCE_YOUR_CALM))
               ? 0
               : NGHTTP2_ERR_CALLBACK_FAILURE;
}

void abuse_init(struct wire_conn *conn)
{
    conn->walk.left = wire_conn_is_server(conn) ? PREFACE_BYTES : 0;
    conn->account.since_ms = conn->now_ms;
}

/* What time makes good, which is looked at only when it matters. */
static bool account_holds(struct wire_conn *conn)
{
    struct wire_account *a = &conn->account;
    int64_t forgiven = (conn->now_ms - a->since_ms) * FORGIVEN_RATE;
    if (forgiven > SPENT_MAX)
        forgiven = SPENT_MAX;
    a->since_ms = conn->now_ms;
    a->spent -= (size_t)forgiven < a->spent ? (size_t)forgiven : a->spent;
    return a->spent <= SPENT_MAX;
}

/* A frame is one unit, and what it may unfold to by its length. A byte of a block may be a field;
 * but the fields of calls are charged where they come out, other blocks as their frame begins
 * (session.c, which gives a call's its unit back), and true blocks have no CONTINUATION. */
static size_t frame_price(const uint8_t head[FRAME_HEAD_BYTES])
{
    size_t len = (size_t)head[0] << 16 | (size_t)head[1] << 8 | head[2];
    switch (head[3]) {
    case NGHTTP2_DATA: /* its bytes are the message's business */
        return ABUSE_FRAME;
    case NGHTTP2_HEADERS:
        return ABUSE_FRAME + (len >> 6);
    case NGHTTP2_CONTINUATION:
        return ABUSE_FRAME + (len >> 3);
    default:
        return ABUSE_FRAME + (len >> 8);
    }
}

size_t abuse_frames(struct wire_conn *conn, const uint8_t *data, size_t len)
{
    struct frame_walk *w = &conn->walk;
    for (size_t at = 0;;) {
        if (w->left >= len - at) {
            w->left -= len - at;
            return len;
        }
        at += w->left;
        w->left = 0;
        const uint8_t *head = data + at;
        size_t n =
            len - at < FRAME_HEAD_BYTES - w->n_head ? len - at : FRAME_HEAD_BYTES - w->n_head;
        if (n < FRAME_HEAD_BYTES) { /* in two pieces */
            memcpy(w->head + w->n_head, head, n);
            w->n_head += n;
            head = w->head;
            if (w->n_head < FRAME_HEAD_BYTES)
                return len;
            w->n_head = 0;
        }
        conn->account.spent += frame_price(head);
        if (conn->account.spent > SPENT_MAX && !account_holds(conn))
            return at;
        at += n;
        w->left = (size_t)head[0] << 16 | (size_t)head[1] << 8 | head[2];
    }
}

int abuse_overdrawn(struct wire_conn *conn)
{
    return abuse_calm(conn, "too many frames that do nothing");
}

int abuse_spend(struct wire_conn *conn, size_t units)
{
    conn->account.spent += units;
    return conn->account.spent <= SPENT_MAX || account_holds(conn) ? 0 : abuse_overdrawn(conn);
}

int abuse_dear_field(struct wire_conn *conn, struct rpc_call *call)
{
    if (call->header_bytes > ABUSE_HEADERS_FACTOR * conn->limits.max_header_list_bytes) {
        wire_conn_blame(conn, "headers over the limit of %zu bytes",
                        conn->limits.max_header_list_bytes);
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    }
    if (call->n_fields <= ABUSE_FREE_FIELDS || ++conn->account.spent <= SPENT_MAX ||
        account_holds(conn))
        return 0;
    wire_conn_blame(conn, "too many header fields");
    return NGHTTP2_ERR_CALLBACK_FAILURE;
}

int abuse_wasted_stream(struct wire_conn *conn)
{
    int64_t forgiven = (conn->now_ms - conn->wasted_ms) * RESET_RATE / 1000;
    if (forgiven > 0) {
        conn->wasted_streams -=
            forgiven < (int64_t)conn->wasted_streams ? (unsigned)forgiven : conn->wasted_streams;
        conn->wasted_ms = conn->now_ms;
    }
    return ++conn->wasted_streams <= RESET_BURST ? 0 : abuse_calm(conn, "too many streams reset");
}

/* A ping costs the peer nothing and us an answer: too many without any call between end the
 * connection, as gRPC's servers do it (A8-client-side-keepalive.md). */
int abuse_ping(struct wire_conn *conn)
{
    int64_t before = conn->peer_pinged_ms;
    if (conn->limits.min_ping_interval_ms == 0)
        return 0;
    conn->peer_pinged_ms = conn->now_ms;
    if (conn->sent_data) {
        conn->sent_data = false;
        conn->ping_strikes = 0;
        return 0;
    }
    if (before == 0 || conn->now_ms - before >= conn->limits.min_ping_interval_ms ||
        ++conn->ping_strikes <= MAX_PING_STRIKES)
        return 0;
    if (wire_conn_goaway(conn, NGHTTP2_ENHANCE_YOUR_CALM, "too_many_pings") < 0)
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    return abuse_calm(conn, "too many pings");
}

/* HTTP/2's errors: the connection's ends it, too many of streams as well. A stream is refused when
 * there are too many at once, or its headers are not for a call; the others are the peer's doing.
 */
int abuse_sent(struct wire_conn *conn, const nghttp2_frame *frame)
{
    if (frame->hd.type == NGHTTP2_GOAWAY && frame->goaway.error_code != NGHTTP2_NO_ERROR) {
        const nghttp2_goaway *g = &frame->goaway;
        conn->condemned = true;
        wire_conn_blame(conn, "%s%s%.*s", nghttp2_http2_strerror(g->error_code),
                        g->opaque_data_len > 0 ? ": " : "", (int)g->opaque_data_len,
                        g->opaque_data_len > 0 ? (const char *)g->opaque_data : "");
        return 0;
    }
    if (frame->hd.type != NGHTTP2_RST_STREAM)
        return 0;
    uint32_t code = frame->rst_stream.error_code;
    if (code == NGHTTP2_NO_ERROR || code == NGHTTP2_CANCEL)
        return 0;
    return code == NGHTTP2_REFUSED_STREAM ? abuse_spend(conn, 1) : abuse_wasted_stream(conn);
}

void wire_conn_last_words(struct wire_conn *conn, const struct err *why, struct buf *to)
{
    enum { HEAD_BYTES = 9, FIXED_BYTES = 8 };
    size_t len = strlen(why->message), n = FIXED_BYTES + len;
    uint32_t last =
        conn->session ? (uint32_t)nghttp2_session_get_last_proc_stream_id(conn->session) : 0;
    const uint8_t head[HEAD_BYTES + FIXED_BYTES] = {
        [1] = (uint8_t)(n >> 8),
        [2] = (uint8_t)n,
        [3] = NGHTTP2_GOAWAY,
        [9] = (uint8_t)(last >> 24),
        [10] = (uint8_t)(last >> 16),
        [11] = (uint8_t)(last >> 8),
        [12] = (uint8_t)last,
        [16] = why->code == ERR_INVALID ? NGHTTP2_PROTOCOL_ERROR
               : conn->fault[0]         ? NGHTTP2_ENHANCE_YOUR_CALM
                                        : NGHTTP2_INTERNAL_ERROR,
    };
    if (buf_append(to, head, sizeof(head)) == 0)
        (void)buf_append(to, why->message, len);
}
