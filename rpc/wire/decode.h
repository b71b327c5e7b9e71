/* Bytes of a message to its struct, in one pass that checks as it goes. */
#ifndef BANGER_RPC_WIRE_DECODE_H
#define BANGER_RPC_WIRE_DECODE_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rpc/wire/message.h"

struct arena;
struct err;

struct decoder {
    struct arena *arena; /* what the message is made of; its first block has room for the struct */
    unsigned max_depth;  /* of messages within messages */
    bool borrow;         /* larger bytes fields may point into the data: the arena knows which */
    const ProtobufCFieldDescriptor *path[MESSAGE_MAX_DEPTH]; /* to where it is, for errors */
    unsigned depth;
    struct err *err;
};

/* The message, which is the first thing in the arena; NULL with ERR_INVALID or ERR_LIMIT naming the
 * field. Fields that the type does not know are skipped, duplicates merged as protocol buffers say
 * (the last number or string, the sum of messages). Types with required fields are not for this. */
ProtobufCMessage *decode_message(struct decoder *d, const ProtobufCMessageDescriptor *type,
                                 const uint8_t *data, size_t len);

#endif
