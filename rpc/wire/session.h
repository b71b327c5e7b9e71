/* Between a connection and nghttp2's session of it. For rpc/wire only. */
#ifndef BANGER_RPC_WIRE_SESSION_H
#define BANGER_RPC_WIRE_SESSION_H

#include <stdint.h>

struct wire_conn;

/* Sets conn->session, whose SETTINGS wait to be pulled. 0, or an error of nghttp2's, with what
 * there is left to heap_done. */
int session_open(struct wire_conn *conn);
/* conn.c: the peer has answered a ping of ours. 0 or NGHTTP2_ERR_CALLBACK_FAILURE. */
int conn_ping_answered(struct wire_conn *conn, const uint8_t *ping);

#endif
