/* A session's spec as a message; see view.h. The blobs hold NUL-terminated strings one after
 * another. */
#include "daemon/service/view.h"

#include <stdlib.h>
#include <string.h>

#include "base/rlimit.h"
#include "daemon/service/strings.h"

/* "NAME=value" strings as messages: the name is a copy that ends at the '='. */
static int fill_env(struct session_spec_view *v, const struct blob *env)
{
    size_t n = strings_count(env);
    if (n == 0)
        return 0;
    v->env = calloc(n, sizeof(*v->env));
    v->env_pointers = calloc(n, sizeof(*v->env_pointers));
    v->env_names = malloc(env->len);
    if (!v->env || !v->env_pointers || !v->env_names)
        return -1;
    memcpy(v->env_names, env->data, env->len);
    char *at = v->env_names;
    for (size_t i = 0; i < n; i++) {
        size_t whole = strlen(at) + 1;
        char *equals = strchr(at, '=');
        banger__v1__env_var__init(&v->env[i]);
        v->env[i].name = at;
        if (equals) {
            *equals = '\0';
            v->env[i].value = equals + 1;
        }
        v->env_pointers[i] = &v->env[i];
        at += whole;
    }
    v->spec.n_env = n;
    v->spec.env = v->env_pointers;
    return 0;
}

static int fill_rlimits(struct session_spec_view *v, const struct blob *rlimits)
{
    size_t n = strings_count(rlimits);
    if (n == 0)
        return 0;
    v->rlimits = calloc(n, sizeof(*v->rlimits));
    v->rlimit_pointers = calloc(n, sizeof(*v->rlimit_pointers));
    if (!v->rlimits || !v->rlimit_pointers)
        return -1;
    const char *at = (const char *)rlimits->data;
    for (size_t i = 0; i < n; i++, at += strlen(at) + 1) {
        struct rlimit_value value;
        if (!rlimit_parse(at, &value))
            continue;
        Banger__V1__ResourceLimit *limit = &v->rlimits[v->spec.n_rlimits];
        banger__v1__resource_limit__init(limit);
        limit->name = (char *)rlimit_name(value.resource);
        limit->soft = value.soft;
        limit->hard = value.hard;
        v->rlimit_pointers[v->spec.n_rlimits++] = limit;
    }
    v->spec.rlimits = v->rlimit_pointers;
    return 0;
}

static int fill_all(struct session_spec_view *v, const struct session_spec *s)
{
    Banger__V1__SessionSpec *spec = &v->spec;
    banger__v1__session_spec__init(spec);
    banger__v1__session_limits__init(&v->limits);
    spec->n_argv = strings_count(&s->argv);
    spec->n_tags = strings_count(&s->tags);
    spec->n_required_commands = strings_count(&s->required_commands);
    size_t n = spec->n_argv + spec->n_tags + spec->n_required_commands;
    v->strings = calloc(n ? n : 1, sizeof(*v->strings));
    if (!v->strings)
        return -1;
    spec->argv = v->strings;
    spec->tags = spec->argv + spec->n_argv;
    spec->required_commands = spec->tags + spec->n_tags;
    strings_list(&s->argv, spec->argv);
    strings_list(&s->tags, spec->tags);
    strings_list(&s->required_commands, spec->required_commands);
    spec->clear_env = s->clear_env;
    spec->cwd = (char *)s->cwd;
    spec->user = (char *)s->user;
    spec->group = (char *)s->group;
    spec->tty = s->tty;
    spec->drop_taken = s->output_policy == OUTPUT_HOLD_DROP_TAKEN;
    spec->hold_output = s->output_policy == OUTPUT_HOLD || spec->drop_taken;
    spec->output_policy =
        (Banger__V1__OutputPolicy)(spec->drop_taken ? OUTPUT_HOLD : s->output_policy);
    spec->stop_unwatched_ms = s->stop_unwatched_ms;
    spec->stop_unwatched_from_start = s->stop_unwatched_from_start;
    spec->delete_ended_ms = s->delete_ended_ms;
    spec->rows = s->rows;
    spec->columns = s->columns;
    spec->stdin_mode = s->stdin_mode == SESSION_STDIN_PIPE
                           ? BANGER__V1__STDIN_MODE__STDIN_MODE_PIPE
                           : BANGER__V1__STDIN_MODE__STDIN_MODE_NONE;
    v->limits.spool_bytes = s->spool_bytes;
    v->limits.timeout_ms = s->timeout_ms;
    v->limits.drain_ms = s->drain_ms;
    v->limits.drain_policy = (Banger__V1__DrainPolicy)s->drain_policy;
    spec->limits = &v->limits;
    if (s->umask > 0) { /* 0 means the default; else the mask plus one */
        spec->_umask_case = BANGER__V1__SESSION_SPEC___UMASK_UMASK;
        spec->umask = s->umask - 1;
    }
    spec->merge_stderr = s->merge_stderr;
    spec->nice = s->nice;
    spec->oom_score_adj = s->oom_score_adj;
    return fill_env(v, &s->env) < 0 ? -1 : fill_rlimits(v, &s->rlimits);
}

int session_spec_view_fill(struct session_spec_view *view, const struct session_spec *spec)
{
    memset(view, 0, sizeof(*view));
    if (fill_all(view, spec) == 0)
        return 0;
    session_spec_view_done(view);
    return -1;
}

void session_spec_view_done(struct session_spec_view *view)
{
    free(view->strings);
    free(view->env);
    free(view->env_pointers);
    free(view->env_names);
    free(view->rlimits);
    free(view->rlimit_pointers);
    *view = (struct session_spec_view){0};
}
