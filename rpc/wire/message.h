/* Decoding of messages from a peer that may be hostile.
 *
 * protobuf-c's own unpacking has no recursion limit, takes any bytes for a string, turns two bytes
 * of input into hundreds of memory, and copies everything. So it is done here, from protobuf-c's
 * descriptors to protobuf-c's structs, in one pass, into one arena with a budget. */
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

/* NULL with ERR_INVALID or ERR_LIMIT naming the field. The message owns its arena; free with
 * rpc_message_free or message_recycle. */
ProtobufCMessage *message_decode(const ProtobufCMessageDescriptor *type, const uint8_t *data,
                                 size_t len, const struct message_limits *limits,
                                 struct message_cache *cache, struct err *err);
/* The same, but some bytes fields may still point into data. */
ProtobufCMessage *message_borrow(const ProtobufCMessageDescriptor *type, const uint8_t *data,
                                 size_t len, const struct message_limits *limits,
                                 struct message_cache *cache, struct err *err);
/* Of its memory's limit, what it has not taken. */
size_t message_left_bytes(ProtobufCMessage *message);
/* The message no longer needs what it was decoded from. -1: no memory. */
int message_own(ProtobufCMessage *message);
/* Frees it, or keeps its arena for the next message. NULL is fine. */
void message_recycle(struct message_cache *cache, ProtobufCMessage *message);

#endif
