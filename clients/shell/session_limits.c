/* Options that say how a session is bounded and when it goes: --ulimit, --nice, --output-policy, …
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "session.h"

/* Up to `end`: a number, "unlimited", or -1 as docker has it. */
static bool session_limit_parse(const char *text, const char *end, uint64_t *out)
{
    size_t n = (size_t)(end - text);
    if ((n == 9 && memcmp(text, "unlimited", n) == 0) || (n == 2 && memcmp(text, "-1", n) == 0)) {
        *out = UINT64_MAX;
        return true;
    }
    char *stop;
    errno = 0;
    *out = strtoull(text, &stop, 10);
    return n > 0 && *text >= '0' && *text <= '9' && stop == end && errno == 0;
}

/* "nofile=1024:2048" or "nofile=1024"; the name is owned. */
static bool session_limit_init(Banger__V1__ResourceLimit *limit, const char *word)
{
    char *value = NULL;
    banger__v1__resource_limit__init(limit);
    limit->name = split_pair(word, &value);
    if (!limit->name)
        return false;
    const char *end = value + strlen(value), *colon = strchr(value, ':');
    if (!session_limit_parse(value, colon ? colon : end, &limit->soft))
        return false;
    limit->hard = limit->soft;
    return !colon || session_limit_parse(colon + 1, end, &limit->hard);
}

static int session_rlimits_init(struct session_request *r, const struct opt_list *words)
{
    r->rlimits = calloc(words->n + 1, sizeof(*r->rlimits));
    r->rlimit_list = calloc(words->n + 1, sizeof(*r->rlimit_list));
    if (!r->rlimits || !r->rlimit_list)
        return cli_usage("out of memory");
    r->spec.rlimits = r->rlimit_list;
    for (size_t i = 0; i < words->n; i++) {
        r->rlimit_list[r->spec.n_rlimits++] = &r->rlimits[i];
        if (!session_limit_init(&r->rlimits[i], words->items[i]))
            return cli_usage(
                "--ulimit: \"%.60s\" is not NAME=SOFT[:HARD], such as nofile=1024:2048",
                words->items[i]);
    }
    return 0;
}

static int session_int(const char *option, const char *text, int least, int most, int32_t *out)
{
    char *end;
    errno = 0;
    long value = text ? strtol(text, &end, 10) : 0;
    if (text && (end == text || *end || errno || value < least || value > most))
        return cli_usage("%s: \"%.40s\" is not a number from %d to %d", option, text, least, most);
    *out = (int32_t)value;
    return 0;
}

static int session_choice(const char *word, const char *const *choices)
{
    for (int i = 0; word && choices[i]; i++)
        if (strcmp(word, choices[i]) == 0)
            return i + 1;
    return 0;
}

/* The values of the enums begin with 1; the table of options lets no other words through. */
static void session_policies_init(struct session_request *r, const struct session_options *o)
{
    static const char *const output[] = {"drop-oldest", "hold", "block", "until-acknowledged",
                                         NULL};
    static const char *const drain[] = {"after-quiet", "until-closed", "cut", NULL};
    r->spec.output_policy = (Banger__V1__OutputPolicy)session_choice(o->output_policy, output);
    r->limits.drain_policy = (Banger__V1__DrainPolicy)session_choice(o->drain_policy, drain);
    r->spec.stop_unwatched_ms = o->stop_unwatched.value;
    r->spec.stop_unwatched_from_start = o->unwatched_from_start;
    r->spec.delete_ended_ms = o->delete_ended.value;
}

int session_limits_init(struct session_request *r, const struct session_options *o)
{
    if (session_int("--nice", o->nice, -20, 19, &r->spec.nice) != 0 ||
        session_int("--oom-score-adj", o->oom_score_adj, -1000, 1000, &r->spec.oom_score_adj) != 0)
        return EXIT_BANGER;
    session_policies_init(r, o);
    return session_rlimits_init(r, &o->ulimits);
}

void session_limits_done(struct session_request *r)
{
    for (size_t i = 0; r->rlimits && i < r->spec.n_rlimits; i++)
        free(r->rlimits[i].name);
    free(r->rlimits);
    free(r->rlimit_list);
}
