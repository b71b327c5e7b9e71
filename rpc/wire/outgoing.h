/* Metadata on its way out: checked, "-bin" values in base 64, ready for nghttp2. */
#ifndef BANGER_RPC_WIRE_OUTGOING_H
#define BANGER_RPC_WIRE_OUTGOING_H

#include <nghttp2/nghttp2.h>
#include <stddef.h>

#include "base/buf.h"
#include "rpc/wire/call.h"

enum { OUTGOING_MAX = 32, OUTGOING_MAX_BYTES = 64 << 10 };

struct outgoing {
    struct buf entries; /* {u32 key length, u32 value length, key, value}… */
    size_t n;
};

void outgoing_init(struct outgoing *o);
void outgoing_done(struct outgoing *o);
/* One entry, by the rules of HTTP/2 and gRPC. -1 with ERR_INVALID. */
int outgoing_check(const struct rpc_metadata *m, struct err *err);
/* All or none. -1: a key or value that HTTP/2 or gRPC does not allow, too much, or no memory. */
int outgoing_add(struct outgoing *o, const struct rpc_metadata *metadata, size_t n,
                 struct err *err);
/* Writes o->n headers that stay valid until o changes; returns their number. */
size_t outgoing_put(const struct outgoing *o, nghttp2_nv *to);

#endif
