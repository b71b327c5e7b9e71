/* grpc-timeout; see timeout.h. */
#include "rpc/wire/timeout.h"

#include <stdio.h>

enum { MAX_DIGITS = 8, MAX_VALUE = 99999999 };

int64_t timeout_parse(const char *text, size_t len)
{
    if (len < 2 || len > MAX_DIGITS + 1)
        return -1;
    int64_t value = 0;
    for (size_t i = 0; i + 1 < len; i++) {
        if (text[i] < '0' || text[i] > '9')
            return -1;
        value = value * 10 + (text[i] - '0');
    }
    switch (text[len - 1]) {
    case 'H':
        return value * 3600 * 1000;
    case 'M':
        return value * 60 * 1000;
    case 'S':
        return value * 1000;
    case 'm':
        return value;
    case 'u':
        return (value + 999) / 1000;
    case 'n':
        return (value + 999999) / 1000000;
    default:
        return -1;
    }
}

size_t timeout_format(char text[TIMEOUT_BYTES], int64_t timeout_ms)
{
    static const struct {
        int64_t ms;
        char unit;
    } units[] = {{1, 'm'}, {1000, 'S'}, {60 * 1000, 'M'}, {3600 * 1000, 'H'}};
    if (timeout_ms < 0)
        timeout_ms = 0;
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        int64_t value = timeout_ms / units[i].ms + (timeout_ms % units[i].ms != 0);
        if (value <= MAX_VALUE)
            return (size_t)snprintf(text, TIMEOUT_BYTES, "%u%c", (unsigned)value, units[i].unit);
    }
    return (size_t)snprintf(text, TIMEOUT_BYTES, "%uH", (unsigned)MAX_VALUE);
}
