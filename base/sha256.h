/* SHA-256 (FIPS 180-4), for what is static and has no OpenSSL: the agent. */
#ifndef BANGER_BASE_SHA256_H
#define BANGER_BASE_SHA256_H

#include <stddef.h>
#include <stdint.h>

enum { SHA256_BYTES = 32, SHA256_HEX_BYTES = 2 * SHA256_BYTES + 1, SHA256_BLOCK_BYTES = 64 };

struct sha256 {
    uint32_t state[8];
    uint64_t total; /* bytes */
    uint8_t block[SHA256_BLOCK_BYTES];
};

void sha256_init(struct sha256 *s);
void sha256_add(struct sha256 *s, const void *data, size_t len);
/* s is used up. */
void sha256_end(struct sha256 *s, uint8_t digest[SHA256_BYTES]);
void sha256_hex(const uint8_t digest[SHA256_BYTES], char text[SHA256_HEX_BYTES]);

#endif
