/* UTF-8 (RFC 3629): no overlong forms, no surrogates, nothing above U+10FFFF. */
#ifndef BANGER_RPC_WIRE_UTF8_H
#define BANGER_RPC_WIRE_UTF8_H

#include <stddef.h>
#include <stdint.h>

/* Length of the longest prefix that is whole, valid UTF-8 without a NUL byte. */
size_t utf8_prefix(const uint8_t *s, size_t len);

#endif
