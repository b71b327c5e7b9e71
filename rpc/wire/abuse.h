/* What a server's connection holds against its peer: floods and bombs that HTTP/2 itself allows.
 * Each is counted, ends the connection with ENHANCE_YOUR_CALM beyond its limit, and is kept for the
 * log (wire_conn_blame). docs/security.md has the list. Functions return 0 or
 * NGHTTP2_ERR_CALLBACK_FAILURE, for want of memory. For rpc/wire only. */
#ifndef BANGER_RPC_WIRE_ABUSE_H
#define BANGER_RPC_WIRE_ABUSE_H

#include <nghttp2/nghttp2.h>

#include "rpc/wire/conn.h"

enum {
    /* For nghttp2, which counts resets of answered streams, too. */
    ABUSE_ANY_RESET_BURST = 10000,
    ABUSE_ANY_RESET_RATE = 1000,
    ABUSE_HEADERS_FACTOR = 4, /* so far over the limit that the rest is not worth decoding */
    ABUSE_FRAMES_EARNED = 16,
};

/* Frames that do nothing for any call: SETTINGS, PING, PRIORITY, WINDOW_UPDATE, RST_STREAM, empty
 * DATA (CVE-2019-9511 and its kin). */
int abuse_idle_frame(struct wire_conn *conn);
/* One with data makes up for some of them. */
static inline void abuse_useful_frame(struct wire_conn *conn)
{
    conn->idle_frames -=
        conn->idle_frames < ABUSE_FRAMES_EARNED ? conn->idle_frames : ABUSE_FRAMES_EARNED;
}
/* A stream that was opened for nothing. */
int abuse_wasted_stream(struct wire_conn *conn);
int abuse_ping(struct wire_conn *conn);
/* What we had to send tells what the peer did. Not for HEADERS and DATA. */
int abuse_sent(struct wire_conn *conn, const nghttp2_frame *frame);

#endif
