/* Identifiers and names; see id.h. */
#include "base/id.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

static const char alphabet[] = "0123456789abcdefghjkmnpqrstvwxyz";

void id_make(char id[ID_BYTES])
{
    uint8_t random[ID_CHARS];
    if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
        abort(); /* cannot happen for 256 bytes or fewer: getrandom(2) */
    for (int i = 0; i < ID_CHARS; i++)
        id[i] = alphabet[random[i] & 31];
    id[ID_CHARS] = '\0';
}

bool id_is_prefix(const char *s)
{
    size_t n = strspn(s, alphabet);
    return n >= 1 && n <= ID_CHARS && s[n] == '\0';
}

bool id_is_valid(const char *s)
{
    return id_is_prefix(s) && strlen(s) == ID_CHARS;
}

static bool is_alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

bool name_is_valid(const char *s)
{
    size_t n = strlen(s);
    if (n < 1 || n > 63 || !is_alnum(s[0]) || !is_alnum(s[n - 1]))
        return false;
    for (size_t i = 0; i < n; i++)
        if (!is_alnum(s[i]) && s[i] != '-')
            return false;
    return true;
}
