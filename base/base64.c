/* Base 64; see base64.h. */
#include "base/base64.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_encode(char *to, const uint8_t *data, size_t len)
{
    for (; len >= 3; len -= 3, data += 3) {
        *to++ = alphabet[data[0] >> 2];
        *to++ = alphabet[(data[0] & 3) << 4 | data[1] >> 4];
        *to++ = alphabet[(data[1] & 15) << 2 | data[2] >> 6];
        *to++ = alphabet[data[2] & 63];
    }
    if (len == 0)
        return;
    *to++ = alphabet[data[0] >> 2];
    if (len == 1) {
        *to = alphabet[(data[0] & 3) << 4];
        return;
    }
    *to++ = alphabet[(data[0] & 3) << 4 | data[1] >> 4];
    *to = alphabet[(data[1] & 15) << 2];
}

static int base64_value(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == '+' || c == '-')
        return 62;
    return c == '/' || c == '_' ? 63 : -1;
}

ssize_t base64_decode(uint8_t *to, size_t size, const char *text, size_t len)
{
    if (len > 0 && len % 4 == 0 && text[len - 1] == '=')
        len -= text[len - 2] == '=' ? 2 : 1;
    if (len % 4 == 1 || len / 4 * 3 + (len % 4 ? len % 4 - 1 : 0) > size)
        return -1;
    uint8_t *start = to;
    uint32_t bits = 0;
    unsigned n_bits = 0;
    for (size_t i = 0; i < len; i++) {
        int v = base64_value(text[i]);
        if (v < 0)
            return -1;
        bits = bits << 6 | (uint32_t)v;
        n_bits += 6;
        if (n_bits >= 8) {
            n_bits -= 8;
            *to++ = (uint8_t)(bits >> n_bits);
            bits &= (1u << n_bits) - 1;
        }
    }
    return bits == 0 ? to - start : -1;
}
