/* Sessions built of command lines, and run to their end. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "session.h"
#include "terminal.h"

enum { TAKE_BACK_MS = 10000 };

char *const session_login[SESSION_LOGIN_ARGS] = {"/bin/sh", "-c", "exec \"${SHELL:-/bin/sh}\" -l"};

/* What a terminal's programs go by; others are ours alone. */
static const char *const terminal_env[] = {"TERM",       "COLORTERM", "LANG",
                                           "LC_ALL",     "LC_CTYPE",  "LC_COLLATE",
                                           "LC_NUMERIC", "LC_TIME",   "LC_MESSAGES"};

enum { N_TERMINAL_ENV = sizeof(terminal_env) / sizeof(*terminal_env) };

const char *session_detach_keys(struct detach_keys *keys, const char *given)
{
    const char *text = given ? given : getenv("BANGER_DETACH_KEYS");
    if (!text || (!given && !*text))
        text = DETACH_KEYS_DEFAULT;
    if (detach_keys_parse(keys, text) == 0)
        return text;
    cli_usage("%s: \"%.60s\" is not a list of up to %d keys such as ctrl-p,ctrl-q",
              given ? "--detach-keys" : "BANGER_DETACH_KEYS", text, DETACH_KEYS_MAX);
    return NULL;
}

static void session_env_add(struct session_request *r, char *name, char *value)
{
    Banger__V1__EnvVar *var = &r->env[r->spec.n_env];
    banger__v1__env_var__init(var);
    var->name = name; /* owned; the value is behind it, or the environment's */
    var->value = value;
    r->env_list[r->spec.n_env++] = var;
}

static bool session_env_has(const struct session_request *r, const char *name)
{
    for (size_t i = 0; i < r->spec.n_env; i++)
        if (strcmp(r->env[i].name, name) == 0)
            return true;
    return false;
}

static void session_env_add_terminal(struct session_request *r)
{
    for (size_t i = 0; i < N_TERMINAL_ENV; i++) {
        char *value = getenv(terminal_env[i]);
        char *name = value && *value && !session_env_has(r, terminal_env[i])
                         ? strdup(terminal_env[i])
                         : NULL;
        if (name)
            session_env_add(r, name, value);
    }
}

/* "NAME=VALUE", or NAME for our own variable; one we do not have is left out. */
static int session_env_init(struct session_request *r, const struct opt_list *words)
{
    r->env = calloc(words->n + N_TERMINAL_ENV + 1, sizeof(*r->env));
    r->env_list = calloc(words->n + N_TERMINAL_ENV + 1, sizeof(*r->env_list));
    if (!r->env || !r->env_list)
        return cli_usage("out of memory");
    for (size_t i = 0; i < words->n; i++) {
        const char *word = words->items[i];
        char *value = NULL, *name = split_pair(word, &value);
        if (!name && (*word == '=' || !*word))
            return cli_usage("--env: \"%.60s\" is not NAME=VALUE", word);
        if (!name) {
            value = getenv(word);
            name = value ? strdup(word) : NULL;
            if (!name)
                continue;
        }
        session_env_add(r, name, value);
    }
    r->spec.env = r->env_list;
    return 0;
}

int session_request_init(struct session_request *r, const struct session_options *o, const char *vm,
                         int argc, char **argv, bool with_stdin)
{
    memset(r, 0, sizeof(*r));
    banger__v1__session_spec__init(&r->spec);
    banger__v1__session_limits__init(&r->limits);
    banger__v1__start_session_request__init(&r->message);
    Banger__V1__SessionSpec *spec = &r->spec;
    spec->argv = argv;
    spec->n_argv = (size_t)argc;
    if (session_env_init(r, &o->env) != 0)
        return EXIT_BANGER;
    if (session_limits_init(r, o) != 0)
        return EXIT_BANGER;
    spec->clear_env = o->clear_env;
    spec->merge_stderr = o->merge_stderr;
    if (o->tty) {
        spec->tty = true;
        if (!terminal_size(&spec->rows, &spec->columns)) {
            spec->rows = 24;
            spec->columns = 80;
        }
        if (!o->clear_env)
            session_env_add_terminal(r);
    }
    if (o->cwd)
        spec->cwd = (char *)o->cwd;
    if (o->user)
        spec->user = (char *)o->user;
    if (o->group)
        spec->group = (char *)o->group;
    spec->stdin_mode = with_stdin ? BANGER__V1__STDIN_MODE__STDIN_MODE_PIPE
                                  : BANGER__V1__STDIN_MODE__STDIN_MODE_NONE;
    spec->tags = (char **)o->tags.items;
    spec->n_tags = o->tags.n;
    spec->required_commands = (char **)o->requires.items;
    spec->n_required_commands = o->requires.n;
    r->limits.timeout_ms = o->time_limit.value;
    r->limits.spool_bytes = o->spool.value;
    r->limits.drain_ms = o->drain.value > UINT32_MAX ? UINT32_MAX : (uint32_t)o->drain.value;
    if (o->drain.given && o->drain.value == 0)
        r->limits.drain_ms = 1; /* 0 would mean the default */
    if (o->time_limit.given || o->spool.given || o->drain.given || o->drain_policy)
        spec->limits = &r->limits;
    r->message.request_id = (char *)cli_request_id(r->id);
    r->message.vm = (char *)vm;
    r->message.spec = spec;
    return 0;
}

void session_request_done(struct session_request *r)
{
    for (size_t i = 0; r->env && i < r->spec.n_env; i++)
        free(r->env[i].name);
    free(r->env);
    free(r->env_list);
    session_limits_done(r);
}

/* 126 and 127 are of the command alone: what was asked for around it is an error of banger's. */
static int session_failure_status(const Banger__V1__GuestSession *session)
{
    if (strcmp(session->failed_stage, "required_commands") == 0)
        return EXIT_NO_COMMAND;
    if (strcmp(session->failed_stage, "cwd") == 0 || strcmp(session->failed_stage, "user") == 0 ||
        strcmp(session->failed_stage, "limits") == 0)
        return EXIT_BANGER;
    switch (session->failed_errno) {
    case ENOENT:
        return EXIT_NO_COMMAND;
    case EACCES:
    case ENOEXEC:
    case EISDIR:
    case EPERM:
    case ENOTDIR:
    case ELOOP:
    case E2BIG:
        return EXIT_CANNOT_RUN;
    default:
        return EXIT_BANGER;
    }
}

int session_report_failure(const Banger__V1__GuestSession *session)
{
    const Banger__V1__SessionSpec *spec = session->spec;
    const char *stage = session->failed_stage, *sys = strerror(session->failed_errno);
    int status = session_failure_status(session);
    if (strcmp(stage, "cwd") == 0 && spec)
        return cli_fail_with(status, "BAD_CWD", "--cwd: %s: %s", spec->cwd, sys);
    const char *command = spec && spec->n_argv ? spec->argv[0] : "command";
    const char *why = session->last_error[0]      ? session->last_error
                      : session->failed_errno > 0 ? sys
                                                  : "it could not be started";
    if (strcmp(stage, "user") == 0 && spec)
        return cli_fail_with(status, "BAD_USER", "--user %s%s%s: %s", spec->user,
                             spec->group[0] ? " --group " : "", spec->group, why);
    bool plain = !stage[0] || strcmp(stage, "spawn") == 0;
    return cli_fail_with(status, "CANNOT_RUN", "%s: %s%s%s%s", command, why,
                         plain ? "" : " (stage ", plain ? "" : stage, plain ? "" : ")");
}

/* The record has done its duty: the exit status is known here. */
static void session_forget(struct cli *cli, const char *id)
{
    Banger__V1__DeleteSessionRequest request = BANGER__V1__DELETE_SESSION_REQUEST__INIT;
    request.session = (char *)id;
    Banger__V1__Empty *empty = banger_delete_session(cli->client, &request, NULL, NULL);
    FREE_MESSAGE(empty);
}

/* Whatever the request began. 0, or EXIT_BANGER with the reason: it may still come to run. */
static int session_take_back(struct cli *cli, const struct session_request *request)
{
    struct banger_error error;
    Banger__V1__DeleteSessionRequest message = BANGER__V1__DELETE_SESSION_REQUEST__INIT;
    message.start_request_id = request->message.request_id;
    message.force = true;
    banger_set_timeout_ms(cli->client, TAKE_BACK_MS);
    Banger__V1__Empty *empty = banger_delete_session(cli->client, &message, NULL, &error);
    banger_set_timeout_ms(cli->client, 0);
    if (!empty)
        return cli_fail(&error, "%s may still be started: taking that back", request->spec.argv[0]);
    FREE_MESSAGE(empty);
    return 0;
}

/* The start was not answered. */
static int session_start_failed(struct cli *cli, const struct session_request *request,
                                struct stream_signals *signals, const struct banger_error *error)
{
    bool unknown = error->code == BANGER_UNAVAILABLE || error->code == BANGER_DEADLINE_EXCEEDED;
    if (strcmp(error->reason, "INTERRUPTED") == 0) {
        int signo = stream_signals_take(signals), status = session_take_back(cli, request);
        return status ? status : 128 + (signo ? signo : SIGINT);
    }
    if (unknown && !error->reason[0])
        session_take_back(cli, request);
    return cli_fail(error, "run %s", request->spec.argv[0]);
}

Banger__V1__GuestSession *session_start(struct cli *cli, const struct session_request *request,
                                        struct stream_signals *signals, int *status, bool forget)
{
    struct banger_error error;
    banger_set_interrupt_fd(cli->client, signals->fd);
    Banger__V1__GuestSession *session =
        banger_start_session(cli->client, &request->message, NULL, &error);
    banger_set_interrupt_fd(cli->client, -1);
    if (!session) {
        *status = session_start_failed(cli, request, signals, &error);
        return NULL;
    }
    if (session->state != BANGER__V1__SESSION_STATE__SESSION_STATE_FAILED)
        return session;
    *status = session_report_failure(session);
    if (forget)
        session_forget(cli, session->id);
    FREE_MESSAGE(session);
    return NULL;
}

static void session_kill_quietly(struct cli *cli, const char *id)
{
    Banger__V1__KillSessionRequest request = BANGER__V1__KILL_SESSION_REQUEST__INIT;
    request.session = (char *)id;
    Banger__V1__GuestSession *session = banger_kill_session(cli->client, &request, NULL, NULL);
    FREE_MESSAGE(session);
}

void session_tell_detached(struct cli *cli, const char *id)
{
    fputc('\n', stderr); /* the guest's line was not ours */
    if (!cli->options.quiet)
        cli_say(stderr, "banger: detached; \"banger session attach %s\" comes back to it", id);
}

int session_run_attached(struct cli *cli, const char *vm, const struct session_options *o, int argc,
                         char **argv, bool keep, struct stream_signals *signals)
{
    bool shown = o->tty && terminal_is_ours();
    /* /dev/null is the same at the other end, and need not be told byte by byte */
    bool nothing = stream_stdin_is_null() && !o->tty;
    bool piped = stream_stdin_is_piped() && !nothing;
    bool with_stdin = !o->no_stdin && (o->interactive || shown || piped);
    int status = EXIT_BANGER;
    struct session_request request;
    struct detach_keys keys;
    Banger__V1__GuestSession *session = NULL;
    if (!session_detach_keys(&keys, o->detach_keys))
        return EXIT_BANGER;
    if (session_request_init(&request, o, vm, argc, argv, with_stdin) == 0) {
        request.spec.hold_output = !o->no_wait && !o->output_policy;
        /* Nobody comes back to it, unless he may detach. */
        request.spec.drop_taken = request.spec.hold_output && !keep && !(shown && with_stdin);
        session = session_start(cli, &request, signals, &status, !keep);
    }
    if (session) {
        struct stream_options stream = {
            .session = session->id,
            .label = argv[0],
            .role = BANGER__V1__ATTACH_ROLE__ATTACH_ROLE_WRITER,
            .forward_stdin = with_stdin,
            .hold = !o->no_wait,
            .forward_signals = true,
            .terminal = shown && with_stdin,
            .keys = shown && with_stdin ? &keys : NULL,
            .no_reattach = o->no_reattach,
            .signals = signals,
            .output_fd = o->output_fd,
        };
        enum stream_end end = stream_session(cli, &stream, &status);
        if (end == STREAM_DETACHED)
            session_tell_detached(cli, session->id);
        if (end == STREAM_KILL || end == STREAM_PIPE)
            session_kill_quietly(cli, session->id);
        if ((end == STREAM_EXITED || end == STREAM_KILL || end == STREAM_PIPE) && !keep)
            session_forget(cli, session->id);
        FREE_MESSAGE(session);
    }
    session_request_done(&request);
    return status;
}
