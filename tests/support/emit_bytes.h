/* Bytes that a test knows without having seen them: a stream of a seed, at any offset. Shared by
 * the generator that runs in guests (emit.c) and the tests that check what arrives. */
#ifndef BANGER_TESTS_EMIT_BYTES_H
#define BANGER_TESTS_EMIT_BYTES_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* splitmix64 of the word's index (Steele, Lea, Flood: Fast Splittable Pseudorandom Number
 * Generators, OOPSLA 2014). */
static inline uint64_t emit_word(uint64_t seed, uint64_t index)
{
    uint64_t z = seed * 0x2545f4914f6cdd1dU + (index + 1) * 0x9e3779b97f4a7c15U;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
    return z ^ (z >> 31);
}

/* Fills len bytes of the stream from offset on. */
static inline void emit_fill(uint64_t seed, uint64_t offset, uint8_t *to, size_t len)
{
    while (len > 0) {
        uint64_t word = emit_word(seed, offset / 8);
        size_t skip = (size_t)(offset % 8), n = 8 - skip < len ? 8 - skip : len;
        memcpy(to, (uint8_t *)&word + skip, n);
        to += n;
        offset += n;
        len -= n;
    }
}

#endif
