/* Memory that waits to be used again by any connection of a thread: calls, arenas of messages,
 * blocks of HTTP/2 sessions. It belongs to whoever has the connections, so that an idle connection
 * keeps nothing of what its last call needed. And an account of what all of them keep for their
 * peers: many that each stay within their own limits are too much together, so beyond a total each
 * has only its share. */
#ifndef BANGER_RPC_WIRE_POOL_H
#define BANGER_RPC_WIRE_POOL_H

#include "base/list.h"
#include "rpc/wire/heap.h"
#include "rpc/wire/message.h"
#include "rpc/wire/unpack.h"

struct rpc_call;

enum {
    POOL_HELD_MAX_BYTES = 256 << 20,   /* input: beyond this in all … */
    POOL_QUEUED_MAX_BYTES = 256 << 20, /* output: the same */
    POOL_SHARE_BYTES = 1 << 20,        /* … a connection keeps no more than this */
    POOL_CALLS_MAX_BYTES = 64 << 20, /* the open calls themselves and their metadata: the same … */
    POOL_CALLS_SHARE_BYTES = 64 << 10, /* … and the share */
};

struct wire_pool {
    struct list calls; /* rpc_call.link */
    unsigned n_calls;
    struct message_cache messages;
    struct heap_spares blocks;
    size_t held_bytes, queued_bytes, calls_bytes; /* of all open connections */
    struct unpack_budget unpack;
    struct list
        unpackers; /* wire_conn.unpack_link: wait for it, in order; the first one's clock runs */
};

void wire_pool_init(struct wire_pool *pool);
/* All connections must be closed; calls that somebody holds may live on. */
void wire_pool_done(struct wire_pool *pool);
/* A used call, or NULL. */
struct rpc_call *wire_pool_take(struct wire_pool *pool);
/* Keeps it for the next one. False: there are enough, or it has grown; the caller frees it. */
bool wire_pool_keep(struct wire_pool *pool, struct rpc_call *call);

#endif
