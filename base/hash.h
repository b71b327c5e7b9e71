/* FNV-1a of 64 bits (RFC 9923): it spreads, and hides nothing. Where others choose what is hashed
 * and a collision would cost something, begin at HASH_START ^ a random seed.
 *
 * The result of one call is where the next begins. MACs and UUIDs are made of it: it stays as it
 * is. */
#ifndef BANGER_BASE_HASH_H
#define BANGER_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

#define HASH_START UINT64_C(0xcbf29ce484222325)

static inline uint64_t hash_byte(uint64_t hash, uint8_t byte)
{
    return (hash ^ byte) * UINT64_C(0x100000001b3);
}

static inline uint64_t hash_bytes(uint64_t hash, const void *data, size_t len)
{
    for (const uint8_t *at = data, *end = at + len; at < end; at++)
        hash = hash_byte(hash, *at);
    return hash;
}

static inline uint64_t hash_text(uint64_t hash, const char *text)
{
    for (; *text; text++)
        hash = hash_byte(hash, (uint8_t)*text);
    return hash;
}

#endif
