/* UTF-8 (RFC 3629): no overlong forms, no surrogates, nothing above U+10FFFF. */
#ifndef BANGER_BASE_UTF8_H
#define BANGER_BASE_UTF8_H

#include <stddef.h>
#include <stdint.h>

/* Length of the longest prefix that is whole, valid UTF-8 without a NUL byte. */
size_t utf8_prefix(const uint8_t *s, size_t len);
/* Puts '?' in place of every byte of a text that is not part of valid UTF-8, such as a character
 * that was cut in two. Proto strings must be valid, or a client can read none of the message. */
void utf8_mend(char *text);
/* That, and one '?' for each control character: C0, DEL, and C1, which terminals obey as well as an
 * escape. For texts of others that are shown to people. */
void utf8_tame(char *text);

#endif
