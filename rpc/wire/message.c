/* Messages and their memory; see message.h. */
#include "rpc/wire/message.h"

#include "base/err.h"
#include "rpc/wire/arena.h"
#include "rpc/wire/call.h"
#include "rpc/wire/decode.h"

enum { SPARE_BYTES = 2048 }; /* size of an arena that is kept; a usual request fits */

void message_cache_done(struct message_cache *cache)
{
    while (cache->n_spare > 0)
        arena_free(cache->spare[--cache->n_spare]);
}

static struct arena *message_arena(struct message_cache *cache, size_t first, size_t budget)
{
    if (first > SPARE_BYTES || cache->n_spare == 0)
        return arena_new(first > SPARE_BYTES ? first : SPARE_BYTES, budget);
    struct arena *a = cache->spare[--cache->n_spare];
    arena_reset(a, budget);
    return a;
}

static ProtobufCMessage *message_make(const ProtobufCMessageDescriptor *type, const uint8_t *data,
                                      size_t len, const struct message_limits *limits,
                                      struct message_cache *cache, bool borrow, struct err *err)
{
    struct decoder d;
    d.arena = message_arena(cache, type->sizeof_message, limits->max_memory_bytes);
    d.max_depth = limits->max_depth;
    d.borrow = borrow;
    d.depth = 0;
    d.err = err;
    if (!d.arena) {
        err_set(err, ERR_LIMIT, "out of memory for a message of %zu bytes", len);
        return NULL;
    }
    ProtobufCMessage *m = decode_message(&d, type, data, len);
    if (!m)
        arena_free(d.arena);
    return m;
}

ProtobufCMessage *message_decode(const ProtobufCMessageDescriptor *type, const uint8_t *data,
                                 size_t len, const struct message_limits *limits,
                                 struct message_cache *cache, struct err *err)
{
    return message_make(type, data, len, limits, cache, false, err);
}

ProtobufCMessage *message_borrow(const ProtobufCMessageDescriptor *type, const uint8_t *data,
                                 size_t len, const struct message_limits *limits,
                                 struct message_cache *cache, struct err *err)
{
    return message_make(type, data, len, limits, cache, true, err);
}

size_t message_left_bytes(ProtobufCMessage *message)
{
    return arena_of(message)->left_bytes;
}

int message_own(ProtobufCMessage *message)
{
    return arena_own(arena_of(message));
}

void message_recycle(struct message_cache *cache, ProtobufCMessage *message)
{
    if (!message)
        return;
    struct arena *a = arena_of(message);
    if (cache->n_spare == MESSAGE_SPARES || a->first_bytes != SPARE_BYTES)
        arena_free(a);
    else
        cache->spare[cache->n_spare++] = a;
}

void rpc_message_free(ProtobufCMessage *message)
{
    if (message)
        arena_free(arena_of(message));
}
