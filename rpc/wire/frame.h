/* gRPC's length-prefixed messages: one flag byte (compressed), four of length, big-endian. */
#ifndef BANGER_RPC_WIRE_FRAME_H
#define BANGER_RPC_WIRE_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { FRAME_PREFIX_BYTES = 5, FRAME_COMPRESSED = 1 };

struct frame {
    uint8_t flag;   /* 0: plain, 1: compressed, more: malformed */
    uint32_t bytes; /* of the message behind the prefix */
};

static inline struct frame frame_parse(const uint8_t prefix[FRAME_PREFIX_BYTES])
{
    return (struct frame){prefix[0], (uint32_t)prefix[1] << 24 | (uint32_t)prefix[2] << 16 |
                                         (uint32_t)prefix[3] << 8 | prefix[4]};
}

static inline void frame_write(uint8_t prefix[FRAME_PREFIX_BYTES], uint32_t n_bytes)
{
    prefix[0] = 0;
    prefix[1] = (uint8_t)(n_bytes >> 24);
    prefix[2] = (uint8_t)(n_bytes >> 16);
    prefix[3] = (uint8_t)(n_bytes >> 8);
    prefix[4] = (uint8_t)n_bytes;
}

#endif
