/* What unpacking compressed messages may cost. A kilobyte of gzip can be a megabyte, which takes
 * milliseconds: so a connection, and all of a pool's together, may unpack so much a second beyond
 * what usual data would be. A message that is more waits: its call is not read from meanwhile, so
 * that HTTP/2 stops its peer. For its connection's budget it waits by the clock; for that of all
 * connections come in turn, a message each (wire_pool.unpackers). For rpc/wire only. */
#ifndef BANGER_RPC_WIRE_UNPACK_H
#define BANGER_RPC_WIRE_UNPACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rpc_call;
struct wire_conn;

/* Bytes that may be unpacked; below 0 where the last message was more than there was. */
struct unpack_budget {
    int64_t left_bytes;
    int64_t since_ms;
};

void unpack_init(struct wire_conn *conn);
/* Nothing waits any more. */
void unpack_done(struct wire_conn *conn);
/* Whether the call's message may be unpacked now. False: the call waits (call->starved), or has
 * failed for want of memory. */
bool unpack_begin(struct rpc_call *call);
/* It was: packed_bytes have become plain_bytes, or did not fit beyond that. */
void unpack_charge(struct wire_conn *conn, size_t packed_bytes, size_t plain_bytes);

#endif
