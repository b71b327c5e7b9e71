/* UTF-8 check; see utf8.h. ASCII runs go eight bytes at a time. */
#include "base/utf8.h"

#include <stdbool.h>
#include <string.h>

/* Length of the sequence at s, or 0 where it is not valid. */
static size_t utf8_sequence(const uint8_t *s, size_t left)
{
    uint8_t c = s[0];
    size_t n = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;
    if (c < 0xc2 || c > 0xf4 || n > left)
        return 0;
    for (size_t i = 1; i < n; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    if ((c == 0xe0 && s[1] < 0xa0) || (c == 0xed && s[1] > 0x9f) || (c == 0xf0 && s[1] < 0x90) ||
        (c == 0xf4 && s[1] > 0x8f))
        return 0;
    return n;
}

size_t utf8_prefix(const uint8_t *s, size_t len)
{
    const uint64_t ones = 0x0101010101010101, tops = 0x8080808080808080;
    size_t at = 0;
    while (at < len) {
        uint64_t word;
        if (len - at >= sizeof(word)) {
            memcpy(&word, s + at, sizeof(word));
            /* No byte with its top bit, and (the classic test) no zero byte. */
            if (((word | (word - ones)) & tops) == 0) {
                at += sizeof(word);
                continue;
            }
        }
        if (s[at] == 0)
            break;
        if (s[at] < 0x80) {
            at++;
            continue;
        }
        size_t n = utf8_sequence(s + at, len - at);
        if (n == 0)
            break;
        at += n;
    }
    return at;
}

void utf8_mend(char *text)
{
    size_t left = strlen(text);
    for (size_t n; (n = utf8_prefix((const uint8_t *)text, left)) < left;) {
        text += n;
        left -= n + 1;
        *text++ = '?';
    }
}

void utf8_tame(char *text)
{
    enum { DEL = 0x7f, C1_LEAD = 0xc2, C1_END = 0xa0 };
    utf8_mend(text);
    char *to = text;
    for (const char *from = text; *from; from++) {
        unsigned char c = (unsigned char)from[0], next = (unsigned char)from[1];
        bool c1 = c == C1_LEAD && next < C1_END;
        *to++ = c < ' ' || c == DEL || c1 ? '?' : *from;
        from += c1;
    }
    *to = '\0';
}
