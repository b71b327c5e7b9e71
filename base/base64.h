/* Base 64 (RFC 4648): written without padding, read with or without, in either alphabet. */
#ifndef BANGER_BASE_BASE64_H
#define BANGER_BASE_BASE64_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

static inline size_t base64_encoded_bytes(size_t len)
{
    return len / 3 * 4 + (len % 3 ? len % 3 + 1 : 0);
}

static inline size_t base64_decoded_bytes(size_t len)
{
    return len / 4 * 3 + 2;
}

/* Writes base64_encoded_bytes(len) characters, no NUL. */
void base64_encode(char *to, const uint8_t *data, size_t len);
/* Bytes written to `to` (at most base64_decoded_bytes(len); may be text itself), or -1 where the
 * text is no base 64 or more than size bytes. */
ssize_t base64_decode(uint8_t *to, size_t size, const char *text, size_t len);

#endif
