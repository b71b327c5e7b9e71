/* Base 64 for "-bin" metadata: written without padding, read with or without (PROTOCOL-HTTP2.md).
 */
#ifndef BANGER_BASE_BASE64_H
#define BANGER_BASE_BASE64_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

static inline size_t base64_encoded_bytes(size_t len)
{
    return len / 3 * 4 + (len % 3 ? len % 3 + 1 : 0);
}

/* Writes base64_encoded_bytes(len) characters, no NUL. */
void base64_encode(char *to, const uint8_t *data, size_t len);
/* Bytes written to `to` (at most len / 4 * 3 + 2; may be text itself), or -1. */
ssize_t base64_decode(uint8_t *to, const char *text, size_t len);

#endif
