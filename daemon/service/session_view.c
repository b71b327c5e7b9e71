/* A session as a message; see view.h. The blobs hold NUL-terminated strings one after another. */
#include "daemon/service/view.h"

#include <stdlib.h>
#include <string.h>

#include "daemon/service/strings.h"

static void fill_exit(struct session_view *v, const struct session *s)
{
    banger__v1__session_exit__init(&v->exit);
    v->exit.timed_out = s->timed_out;
    if (s->state == SESSION_LOST) {
        v->exit.kind_case = BANGER__V1__SESSION_EXIT__KIND_LOST_REASON;
        v->exit.lost_reason = (char *)s->lost_reason;
    } else if (s->exit_kind == SESSION_EXIT_OOM) {
        v->exit.kind_case = BANGER__V1__SESSION_EXIT__KIND_OOM;
        v->exit.oom = true;
    } else if (s->exit_kind == SESSION_EXIT_SIGNAL) {
        v->exit.kind_case = BANGER__V1__SESSION_EXIT__KIND_SIGNAL;
        v->exit.signal = s->exit_signo;
    } else if (s->exit_kind == SESSION_EXIT_CODE) {
        v->exit.kind_case = BANGER__V1__SESSION_EXIT__KIND_CODE;
        v->exit.code = s->exit_code;
    } else {
        return;
    }
    v->session.exit = &v->exit;
}

/* "NAME=value" strings as messages: the name is a copy that ends at the '='. */
static int fill_env(struct session_view *v, const struct blob *env)
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

static int fill_spec(struct session_view *v, const struct session *s)
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
    spec->hold_output = s->hold_output;
    spec->rows = s->rows;
    spec->columns = s->columns;
    spec->stdin_mode = s->stdin_mode == SESSION_STDIN_PIPE
                           ? BANGER__V1__STDIN_MODE__STDIN_MODE_PIPE
                           : BANGER__V1__STDIN_MODE__STDIN_MODE_NONE;
    v->limits.spool_bytes = s->spool_bytes;
    v->limits.timeout_ms = s->timeout_ms;
    v->limits.drain_ms = s->drain_ms;
    spec->limits = &v->limits;
    if (s->umask > 0) { /* 0 means the default; else the mask plus one */
        spec->_umask_case = BANGER__V1__SESSION_SPEC___UMASK_UMASK;
        spec->umask = s->umask - 1;
    }
    return fill_env(v, &s->env);
}

int session_view_fill(struct session_view *view, const struct session *s, const char *vm_name,
                      bool writer_attached, uint32_t viewers)
{
    memset(view, 0, sizeof(*view));
    Banger__V1__GuestSession *m = &view->session;
    banger__v1__guest_session__init(m);
    m->id = (char *)s->id;
    m->vm_id = (char *)s->vm_id;
    if (vm_name)
        m->vm_name = (char *)vm_name;
    m->name = (char *)s->name;
    m->state = (Banger__V1__SessionState)s->state;
    m->failed_stage = (char *)s->failed_stage;
    m->last_error = (char *)s->last_error;
    m->failed_errno = s->failed_errno;
    m->guest_pid = s->guest_pid;
    m->stdout_total = s->stdout_total;
    m->stderr_total = s->stderr_total;
    m->stdin_offset = s->stdin_acked;
    m->stdin_closed = s->stdin_closed;
    m->writer_attached = writer_attached;
    m->writer_generation = s->writer_generation;
    m->viewers = viewers;
    m->created = view_time(&view->created, s->created_ns);
    m->started = view_time(&view->started, s->started_ns);
    m->ended = view_time(&view->ended, s->ended_ns);
    m->updated = view_time(&view->updated, s->updated_ns);
    fill_exit(view, s);
    m->spec = &view->spec;
    if (fill_spec(view, s) < 0) {
        session_view_done(view);
        return -1;
    }
    return 0;
}

void session_view_done(struct session_view *view)
{
    free(view->strings);
    free(view->env);
    free(view->env_pointers);
    free(view->env_names);
    view->strings = NULL;
    view->env = NULL;
    view->env_pointers = NULL;
    view->env_names = NULL;
}
