/* A message's struct to bytes, from its end to its beginning: lengths are known when they are
 * written, so that nothing is measured first and moved afterwards. The bytes are those of
 * protobuf_c_message_pack. For lists of thousands, where packing is what takes the time. */
#ifndef BANGER_RPC_WIRE_ENCODE_H
#define BANGER_RPC_WIRE_ENCODE_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Fills room from its end. */
struct encoder {
    uint8_t *begin; /* of the room */
    uint8_t *at;    /* of what is written: begins at the room's end */
    bool full;      /* it did not fit; what is there is worth nothing */
};

void encode_message(struct encoder *e, const ProtobufCMessage *message);
/* The same as an element of a repeated field, tag and length included. */
void encode_element(struct encoder *e, uint32_t field, const ProtobufCMessage *message);

#endif
