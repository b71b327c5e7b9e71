/* Memory kept for the next call; see pool.h. */
#include "rpc/wire/pool.h"

#include "rpc/wire/stream.h"

enum { KEPT_CALLS = 256, KEPT_BUF_BYTES = 1024 };

void wire_pool_init(struct wire_pool *pool)
{
    list_init(&pool->calls);
    pool->n_calls = 0;
    pool->held_bytes = pool->queued_bytes = pool->calls_bytes = 0;
    pool->messages = (struct message_cache){0};
    pool->unpack = (struct unpack_budget){0, 0};
    list_init(&pool->unpackers);
    heap_spares_init(&pool->blocks);
}

void wire_pool_done(struct wire_pool *pool)
{
    for (struct rpc_call *call; (call = wire_pool_take(pool));)
        call_free(call);
    message_cache_done(&pool->messages);
    heap_spares_done(&pool->blocks);
}

struct rpc_call *wire_pool_take(struct wire_pool *pool)
{
    /* The one used last is the one still in the cache. */
    struct list *l = list_first(&pool->calls);
    if (!l)
        return NULL;
    list_remove(l);
    pool->n_calls--;
    return container_of(l, struct rpc_call, link);
}

bool wire_pool_keep(struct wire_pool *pool, struct rpc_call *call)
{
    if (pool->n_calls >= KEPT_CALLS || call->in.cap > KEPT_BUF_BYTES ||
        call->out.cap > KEPT_BUF_BYTES || call->metadata.entries.cap > KEPT_BUF_BYTES)
        return false;
    list_add_tail(pool->calls.next, &call->link);
    pool->n_calls++;
    return true;
}
