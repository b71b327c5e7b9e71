/* See limits.h. */
#include "agent/limits.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/cleanup.h"

enum { NICE_FIRST = -20, NICE_LAST = 19, OOM_SCORE_MOST = 1000 };
enum { WHAT_NICE = RLIMIT_KINDS, WHAT_OOM_SCORE };

bool limits_read(const struct codec_start *start, struct limits *out)
{
    const struct slice *s = &start->rlimits;
    *out =
        (struct limits){.nice = start->message.nice, .oom_score_adj = start->message.oom_score_adj};
    if (out->nice < NICE_FIRST || out->nice > NICE_LAST || out->oom_score_adj < -OOM_SCORE_MOST ||
        out->oom_score_adj > OOM_SCORE_MOST || codec_count_strings(*s) < 0)
        return false;
    for (const char *at = (const char *)s->data; at < (const char *)s->data + s->len;
         at += strlen(at) + 1)
        if (out->n == RLIMIT_KINDS || !rlimit_parse(at, &out->at[out->n++]))
            return false;
    return true;
}

int limits_set_oom_score(int score)
{
    char text[16];
    int n = snprintf(text, sizeof(text), "%d", score);
    auto_fd int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    return fd >= 0 && write(fd, text, (size_t)n) == n ? 0 : -1;
}

static rlim_t limit_of(uint64_t value)
{
    return value == RLIMIT_UNLIMITED ? RLIM_INFINITY : (rlim_t)value;
}

int limits_set_scores(const struct limits *limits)
{
    if (limits->nice && setpriority(PRIO_PROCESS, 0, limits->nice) < 0)
        return WHAT_NICE;
    if (limits->oom_score_adj && limits_set_oom_score(limits->oom_score_adj) < 0)
        return WHAT_OOM_SCORE;
    return -1;
}

int limits_set_rlimits(const struct limits *limits)
{
    for (int i = 0; i < limits->n; i++) {
        const struct rlimit_value *v = &limits->at[i];
        struct rlimit limit = {limit_of(v->soft), limit_of(v->hard)};
        if (setrlimit((unsigned)v->resource, &limit) < 0)
            return v->resource;
    }
    return -1;
}

const char *limits_name(int what)
{
    return what == WHAT_NICE        ? "nice"
           : what == WHAT_OOM_SCORE ? "oom_score_adj"
                                    : rlimit_name(what);
}
