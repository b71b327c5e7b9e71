/* StartSessionRequest -> model: lengths and ranges are checked here, meaning by the core and the
 * guest. */
#include "daemon/service/guest_session.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/rlimit.h"
#include "daemon/core/vm/vm_spec.h"
#include "daemon/model/model.h"
#include "daemon/service/request.h"
#include "daemon/service/strings.h"

enum { DRAIN_MAX_MS = 3600 * 1000, RETENTION_MIN_MS = 1000 };
#define LONGEST_MS (UINT64_C(365) * 24 * 3600 * 1000)
static const uint64_t spool_min = 64 << 10, spool_max = UINT64_C(16) << 30;

static int fill_env(struct blob *env, Banger__V1__EnvVar *const *vars, size_t n, struct err *err)
{
    size_t total = 0;
    for (size_t i = 0; i < n; i++) {
        if (!*vars[i]->name || strchr(vars[i]->name, '='))
            return err_set(err, ERR_INVALID, "\"%.80s\" is not the name of an environment variable",
                           vars[i]->name);
        total += strlen(vars[i]->name) + strlen(vars[i]->value) + 2;
    }
    if (total > SESSION_ENV_BYTES)
        return err_set(err, ERR_INVALID, "env is %zu bytes, at most %d are allowed", total,
                       SESSION_ENV_BYTES);
    if (total == 0)
        return 0;
    env->data = malloc(total);
    if (!env->data)
        return err_set(err, ERR_LIMIT, "out of memory");
    char *at = (char *)env->data;
    for (size_t i = 0; i < n; i++) {
        at = stpcpy(at, vars[i]->name);
        *at++ = '=';
        at = stpcpy(at, vars[i]->value) + 1;
    }
    env->len = total;
    return 0;
}

static int fill_limits(struct session_spec *s, const Banger__V1__SessionLimits *limits,
                       struct err *err)
{
    if (!limits)
        return 0;
    if (limits->spool_bytes && (limits->spool_bytes < spool_min || limits->spool_bytes > spool_max))
        return err_set(err, ERR_INVALID, "limits.spool_bytes must be from 64 KiB to 16 GiB");
    if (limits->timeout_ms > UINT32_MAX)
        return err_set(err, ERR_INVALID, "limits.timeout_ms must be less than 50 days");
    if (limits->drain_ms > DRAIN_MAX_MS)
        return err_set(err, ERR_INVALID, "limits.drain_ms must be an hour at most");
    s->spool_bytes = limits->spool_bytes;
    s->timeout_ms = (uint32_t)limits->timeout_ms;
    s->drain_ms = limits->drain_ms;
    return 0;
}

static int fill_output(struct session_spec *s, const Banger__V1__SessionSpec *spec, struct err *err)
{
    int policy = (int)spec->output_policy;
    int drain = spec->limits ? (int)spec->limits->drain_policy : 0;
    if (policy < 0 || policy > OUTPUT_UNTIL_ACKNOWLEDGED)
        return err_set(err, ERR_INVALID, "output_policy %d is not known", policy);
    if (drain < 0 || drain > DRAIN_CUT)
        return err_set(err, ERR_INVALID, "limits.drain_policy %d is not known", drain);
    if (spec->hold_output && policy != 0 && policy != OUTPUT_HOLD)
        return err_set(err, ERR_INVALID,
                       "hold_output is OUTPUT_POLICY_HOLD: give another output_policy without it");
    s->output_policy = policy              ? (enum output_policy)policy
                       : spec->hold_output ? OUTPUT_HOLD
                                           : OUTPUT_DROP_OLDEST;
    if (spec->drop_taken && s->output_policy != OUTPUT_HOLD)
        return err_set(err, ERR_INVALID, "drop_taken is for output that is held: set hold_output");
    if (spec->drop_taken)
        s->output_policy = OUTPUT_HOLD_DROP_TAKEN;
    s->drain_policy = drain ? (enum drain_policy)drain : DRAIN_AFTER_QUIET;
    return 0;
}

static int fill_end(struct session_spec *s, const Banger__V1__SessionSpec *spec, struct err *err)
{
    if (spec->stop_unwatched_ms > LONGEST_MS)
        return err_set(err, ERR_INVALID, "stop_unwatched_ms must be 365 days at most");
    if (spec->stop_unwatched_from_start && spec->stop_unwatched_ms == 0)
        return err_set(err, ERR_INVALID, "stop_unwatched_from_start goes with stop_unwatched_ms");
    if (spec->delete_ended_ms &&
        (spec->delete_ended_ms < RETENTION_MIN_MS || spec->delete_ended_ms > LONGEST_MS))
        return err_set(err, ERR_INVALID, "delete_ended_ms must be from 1000 to 365 days");
    s->stop_unwatched_ms = spec->stop_unwatched_ms;
    s->stop_unwatched_from_start = spec->stop_unwatched_from_start;
    s->delete_ended_ms = spec->delete_ended_ms;
    return 0;
}

static int fill_rlimits(struct session_spec *s, Banger__V1__ResourceLimit *const *limits, size_t n,
                        struct err *err)
{
    char texts[RLIMIT_KINDS][RLIMIT_TEXT_BYTES];
    char *list[RLIMIT_KINDS];
    bool given[RLIMIT_KINDS] = {false};
    for (size_t i = 0; i < n; i++) {
        struct rlimit_value v = {rlimit_find(limits[i]->name), limits[i]->soft, limits[i]->hard};
        if (v.resource < 0)
            return err_set(err, ERR_INVALID,
                           "rlimits: there is no limit \"%.40s\"; they are nofile, nproc, core, … "
                           "as in setrlimit(2)",
                           limits[i]->name);
        if (given[v.resource])
            return err_set(err, ERR_INVALID, "rlimits: %s is given twice", limits[i]->name);
        if (v.soft > v.hard)
            return err_set(err, ERR_INVALID, "rlimits: the soft limit of %s is above the hard one",
                           limits[i]->name);
        given[v.resource] = true;
        rlimit_format(&v, texts[i]);
        list[i] = texts[i];
    }
    return strings_join(&s->rlimits, list, n, SESSION_RLIMITS_BYTES, "rlimits", err);
}

static int fill_scheduling(struct session_spec *s, const Banger__V1__SessionSpec *spec,
                           struct err *err)
{
    if (spec->nice < -20 || spec->nice > 19)
        return err_set(err, ERR_INVALID, "nice must be from -20 to 19");
    if (spec->oom_score_adj < -1000 || spec->oom_score_adj > 1000)
        return err_set(err, ERR_INVALID, "oom_score_adj must be from -1000 to 1000");
    s->nice = spec->nice;
    s->oom_score_adj = spec->oom_score_adj;
    return fill_rlimits(s, spec->rlimits, spec->n_rlimits, err);
}

static int fill_identity(struct session_spec *s, const Banger__V1__SessionSpec *spec,
                         struct err *err)
{
    if (spec->n_argv == 0 || !*spec->argv[0])
        return err_set(err, ERR_INVALID, "argv needs at least the name of a program");
    if (request_copy(s->cwd, sizeof(s->cwd), spec->cwd, "cwd", err) < 0 ||
        request_copy(s->user, sizeof(s->user), spec->user, "user", err) < 0 ||
        request_copy(s->group, sizeof(s->group), spec->group, "group", err) < 0)
        return -1;
    if (*s->cwd && s->cwd[0] != '/')
        return err_set(err, ERR_INVALID, "cwd must be an absolute path in the guest");
    if (spec->_umask_case == BANGER__V1__SESSION_SPEC___UMASK_UMASK) {
        if (spec->umask > 0777)
            return err_set(err, ERR_INVALID, "umask must be from 0 to 0777");
        s->umask = spec->umask + 1; /* 0 means the default */
    }
    return 0;
}

static int fill_stdio(struct session_spec *s, const Banger__V1__SessionSpec *spec, struct err *err)
{
    s->tty = spec->tty;
    s->merge_stderr = spec->merge_stderr;
    s->rows = spec->rows;
    s->columns = spec->columns;
    if ((unsigned)spec->stdin_mode > BANGER__V1__STDIN_MODE__STDIN_MODE_PIPE)
        return err_set(err, ERR_INVALID, "stdin_mode %d is not known", (int)spec->stdin_mode);
    if (spec->rows > UINT16_MAX || spec->columns > UINT16_MAX)
        return err_set(err, ERR_INVALID, "a terminal of %u x %u", spec->rows, spec->columns);
    s->stdin_mode = spec->stdin_mode == BANGER__V1__STDIN_MODE__STDIN_MODE_PIPE
                        ? SESSION_STDIN_PIPE
                        : SESSION_STDIN_NONE;
    return 0;
}

int session_service_fill_spec(struct session_spec *s, const Banger__V1__SessionSpec *spec,
                              struct err *err)
{
    memset(s, 0, sizeof(*s));
    if (!spec)
        return err_set(err, ERR_INVALID, "spec is missing");
    s->clear_env = spec->clear_env;
    if (fill_stdio(s, spec, err) == 0 && fill_identity(s, spec, err) == 0 &&
        fill_limits(s, spec->limits, err) == 0 && fill_scheduling(s, spec, err) == 0 &&
        fill_output(s, spec, err) == 0 && fill_end(s, spec, err) == 0 &&
        strings_join(&s->argv, spec->argv, spec->n_argv, SESSION_ARGV_BYTES, "argv", err) == 0 &&
        strings_join(&s->tags, spec->tags, spec->n_tags, SESSION_TAGS_BYTES, "tags", err) == 0 &&
        strings_join(&s->required_commands, spec->required_commands, spec->n_required_commands,
                     SESSION_COMMANDS_BYTES, "required_commands", err) == 0 &&
        fill_env(&s->env, spec->env, spec->n_env, err) == 0)
        return 0;
    session_spec_done(s);
    return -1;
}

int session_service_spec(struct session *s, const Banger__V1__StartSessionRequest *request,
                         struct err *err)
{
    memset(s, 0, sizeof(*s));
    if (request_copy(s->name, sizeof(s->name), request->name, "name", err) < 0 ||
        (*s->name && vm_name_check(s->name, err) < 0))
        return -1;
    return session_service_fill_spec(&s->spec, request->spec, err);
}
