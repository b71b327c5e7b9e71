/* Streams that are answered, status and all, while their peer may still send. Such a peer is asked
 * to stop by RST_STREAM(NO_ERROR) (RFC 9113 8.1); but there are clients and proxies that drop what
 * they have not yet handed on when it comes. So the stream is left to its peer, which mostly ends
 * it of its own accord, for a time that a slow reader gets by with; what comes on it is thrown
 * away, and no more than a window. For rpc/wire only. */
#ifndef BANGER_RPC_WIRE_LINGER_H
#define BANGER_RPC_WIRE_LINGER_H

struct rpc_call;
struct wire_conn;

void linger_init(struct wire_conn *conn);
/* Nothing lingers any more. */
void linger_done(struct wire_conn *conn);
/* The call's last frame is out: it is closed() soon, and its stream lingers. */
void linger_begin(struct rpc_call *call);
/* Its stream is closed; harmless on any other call. */
void linger_end(struct rpc_call *call);
/* The connection drains: it does not wait long for those. */
void linger_hurry(struct wire_conn *conn);

#endif
