/* Decoding of messages from a peer that may be hostile.
 *
 * protobuf-c has no recursion limit, takes any bytes for a string and turns two bytes of input into
 * hundreds of memory. So the bytes are walked first against the descriptor, which also tells how
 * much memory the decoded message needs; then protobuf-c unpacks into one arena of that size. */
#ifndef BANGER_RPC_WIRE_MESSAGE_H
#define BANGER_RPC_WIRE_MESSAGE_H

#include <protobuf-c/protobuf-c.h>
#include <stddef.h>
#include <stdint.h>

struct arena;
struct err;

struct message_limits {
    size_t max_memory_bytes; /* of the decoded message */
    unsigned max_depth;      /* of messages within messages */
};

enum { MESSAGE_MAX_DEPTH = 32, MESSAGE_SPARES = 16 };

/* Arenas that wait to be used again. */
struct message_cache {
    struct arena *spare[MESSAGE_SPARES]; /* owned */
    unsigned n_spare;
};

void message_cache_done(struct message_cache *cache);

/* Walks the bytes; 0 with the memory that unpacking needs at most (but for merged duplicates of a
 * field), or -1 with ERR_INVALID or ERR_LIMIT naming the field. */
int message_check(const ProtobufCMessageDescriptor *type, const uint8_t *data, size_t len,
                  const struct message_limits *limits, size_t *need_bytes, struct err *err);
/* Checks and unpacks. The message owns its arena; free with rpc_message_free or message_recycle. */
ProtobufCMessage *message_decode(const ProtobufCMessageDescriptor *type, const uint8_t *data,
                                 size_t len, const struct message_limits *limits,
                                 struct message_cache *cache, struct err *err);
/* Frees it, or keeps its arena for the next message. NULL is fine. */
void message_recycle(struct message_cache *cache, ProtobufCMessage *message);

#endif
