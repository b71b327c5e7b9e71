/* See when.h. */
#include "when.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "opt.h"

enum { NANOS = 1000000000 };

/* ".5" -> 500000000; *text moves behind it. */
static int64_t when_fraction(const char **text)
{
    int64_t ns = 0, unit = NANOS;
    if (**text != '.' || !isdigit((unsigned char)(*text)[1]))
        return 0;
    for (++*text; isdigit((unsigned char)**text); ++*text) {
        unit /= 10;
        ns += (**text - '0') * unit;
    }
    return ns;
}

/* "Z", "+01:00", or nothing: local time. False: none of these. */
static bool when_zone(const char *text, struct tm *tm, int64_t *seconds)
{
    int hours, minutes, n = 0;
    char sign;
    if (!*text) {
        *seconds = (int64_t)mktime(tm);
        return true;
    }
    *seconds = (int64_t)timegm(tm);
    if (strcmp(text, "Z") == 0 || strcmp(text, "z") == 0)
        return true;
    if (sscanf(text, "%c%2d:%2d%n", &sign, &hours, &minutes, &n) != 3 || text[n] ||
        (sign != '+' && sign != '-') || hours < 0 || minutes < 0 || minutes > 59)
        return false;
    int64_t ahead = hours * 3600 + minutes * 60;
    *seconds -= sign == '+' ? ahead : -ahead;
    return true;
}

static int64_t when_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * NANOS + t.tv_nsec;
}

bool when_parse(const char *text, int64_t *unix_ns)
{
    static const char *const forms[] = {"%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M",
                                        "%Y-%m-%d"};
    uint64_t ms;
    if (opt_parse_duration(text, &ms)) {
        int64_t now = when_now();
        *unix_ns = ms < (uint64_t)now / 1000000 ? now - (int64_t)ms * 1000000 : 1;
        return true;
    }
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        struct tm tm = {.tm_isdst = -1};
        int64_t seconds;
        const char *end = strptime(text, forms[i], &tm);
        if (!end)
            continue;
        int64_t fraction = when_fraction(&end);
        if (!when_zone(end, &tm, &seconds) || seconds <= 0)
            continue;
        *unix_ns = seconds < INT64_MAX / NANOS ? seconds * NANOS + fraction : INT64_MAX;
        return true;
    }
    return false;
}

const char *when_format(char out[WHEN_BYTES], int64_t unix_ns)
{
    time_t seconds = (time_t)(unix_ns / NANOS);
    struct tm tm;
    size_t n =
        unix_ns ? strftime(out, WHEN_BYTES, "%Y-%m-%dT%H:%M:%S", gmtime_r(&seconds, &tm)) : 0;
    if (n == 0)
        snprintf(out, WHEN_BYTES, "-");
    else
        snprintf(out + n, WHEN_BYTES - n, ".%03dZ", (int)(unix_ns % NANOS / 1000000));
    return out;
}
