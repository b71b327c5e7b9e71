/* See rlimit.h. */
#include "base/rlimit.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

static const char *const names[RLIMIT_KINDS] = {
    [RLIMIT_AS] = "as",
    [RLIMIT_CORE] = "core",
    [RLIMIT_CPU] = "cpu",
    [RLIMIT_DATA] = "data",
    [RLIMIT_FSIZE] = "fsize",
    [RLIMIT_LOCKS] = "locks",
    [RLIMIT_MEMLOCK] = "memlock",
    [RLIMIT_MSGQUEUE] = "msgqueue",
    [RLIMIT_NICE] = "nice",
    [RLIMIT_NOFILE] = "nofile",
    [RLIMIT_NPROC] = "nproc",
    [RLIMIT_RSS] = "rss",
    [RLIMIT_RTPRIO] = "rtprio",
    [RLIMIT_RTTIME] = "rttime",
    [RLIMIT_SIGPENDING] = "sigpending",
    [RLIMIT_STACK] = "stack",
};

static int find(const char *name, size_t len)
{
    for (int i = 0; i < RLIMIT_KINDS; i++)
        if (strlen(names[i]) == len && memcmp(names[i], name, len) == 0)
            return i;
    return -1;
}

int rlimit_find(const char *name)
{
    return find(name, strlen(name));
}

const char *rlimit_name(int resource)
{
    return resource >= 0 && resource < RLIMIT_KINDS ? names[resource] : NULL;
}

/* A number, or "unlimited", up to `end`. */
static bool parse_limit(const char *text, const char *end, uint64_t *out)
{
    static const char unlimited[] = "unlimited";
    size_t len = (size_t)(end - text);
    if (len == sizeof(unlimited) - 1 && memcmp(text, unlimited, len) == 0) {
        *out = RLIMIT_UNLIMITED;
        return true;
    }
    char *stop;
    errno = 0;
    *out = strtoull(text, &stop, 10);
    return text[0] >= '0' && text[0] <= '9' && stop == end && errno == 0;
}

bool rlimit_parse(const char *text, struct rlimit_value *out)
{
    const char *equals = strchr(text, '=');
    const char *colon = equals ? strchr(equals, ':') : NULL;
    if (!colon)
        return false;
    out->resource = find(text, (size_t)(equals - text));
    return out->resource >= 0 && parse_limit(equals + 1, colon, &out->soft) &&
           parse_limit(colon + 1, colon + 1 + strlen(colon + 1), &out->hard) &&
           out->soft <= out->hard;
}

static void format_limit(char *out, size_t size, uint64_t value)
{
    if (value == RLIMIT_UNLIMITED)
        snprintf(out, size, "unlimited");
    else
        snprintf(out, size, "%" PRIu64, value);
}

void rlimit_format(const struct rlimit_value *value, char out[RLIMIT_TEXT_BYTES])
{
    char soft[24], hard[24];
    format_limit(soft, sizeof(soft), value->soft);
    format_limit(hard, sizeof(hard), value->hard);
    snprintf(out, RLIMIT_TEXT_BYTES, "%s=%s:%s", rlimit_name(value->resource), soft, hard);
}
