/* What a connection holds against its peer: floods and bombs that HTTP/2 itself allows.
 *
 * One account has a price for everything that a peer can make us do below a message, in units of
 * what a frame costs that does nothing, about 100 ns. Frames are charged by their heads before
 * nghttp2 reads them, so that what it drops in silence is paid for as well; what a frame unfolds to
 * is charged where it does. Data and answers pay it back, and time does. Beyond the limit, and for
 * streams that are opened for nothing, the connection ends with ENHANCE_YOUR_CALM, and the reason
 * is kept for the log (wire_conn_blame). docs/security.md has the list. Functions that return an
 * int return 0 or NGHTTP2_ERR_CALLBACK_FAILURE. For rpc/wire only. */
#ifndef BANGER_RPC_WIRE_ABUSE_H
#define BANGER_RPC_WIRE_ABUSE_H

#include <nghttp2/nghttp2.h>

#include "rpc/wire/conn.h"
#include "rpc/wire/stream.h"

enum {
    /* For nghttp2, which counts resets of answered streams, too. */
    ABUSE_ANY_RESET_BURST = 10000,
    ABUSE_ANY_RESET_RATE = 1000,
    ABUSE_HEADERS_FACTOR = 4, /* so far over the limit that the rest is not worth decoding */
    ABUSE_FRAME = 1,          /* units of any frame */
    ABUSE_EARNED = 16,        /* by a frame that does something for a call */
    ABUSE_FREE_FIELDS = 32,   /* of a call's header fields: more than usual ones have */
};

void abuse_init(struct wire_conn *conn);
/* Charges the frames that begin in what came. Returns how much of it may be read: less than len
 * where the frame behind that is too much; abuse_overdrawn then. */
size_t abuse_frames(struct wire_conn *conn, const uint8_t *data, size_t len);
int abuse_overdrawn(struct wire_conn *conn);
/* Charges what came of a frame. */
int abuse_spend(struct wire_conn *conn, size_t units);
/* A frame that did something for a call makes up for some that did not. */
static inline void abuse_useful_frame(struct wire_conn *conn)
{
    conn->account.spent -= conn->account.spent < ABUSE_EARNED ? conn->account.spent : ABUSE_EARNED;
}
/* One that is more than usual calls have. */
int abuse_dear_field(struct wire_conn *conn, struct rpc_call *call);
/* One more header field of a call, bytes long as RFC 9113 6.5.2 counts. A failure is final. */
static inline int abuse_field(struct wire_conn *conn, struct rpc_call *call, size_t bytes)
{
    call->header_bytes += bytes;
    return ++call->n_fields <= ABUSE_FREE_FIELDS &&
                   call->header_bytes <= conn->limits.max_header_list_bytes
               ? 0
               : abuse_dear_field(conn, call);
}
/* A stream that was opened for nothing. */
int abuse_wasted_stream(struct wire_conn *conn);
int abuse_ping(struct wire_conn *conn);
/* What we had to send tells what the peer did. Not for HEADERS and DATA. */
int abuse_sent(struct wire_conn *conn, const nghttp2_frame *frame);

#endif
