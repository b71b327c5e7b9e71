/* The session noun: commands that start, show, end sessions. Those that move bytes or wait are in
 * session_io.c. */
#include "session.h"

#include <stdio.h>
#include <string.h>

#include "nouns.h"
#include "session_table.h"
#include "table.h"

struct session_start_options {
    struct session_options session;
    const char *name;
};

static int session_start_run(struct cli *cli, const void *values, const struct opt_args *args)
{
    const struct session_start_options *o = values;
    if (args->n_rest == 0)
        return cli_usage("session start: which command? (banger session start %s -- COMMAND)",
                         args->refs[0]);
    if (cli_connect(cli) < 0)
        return EXIT_BANGER;
    struct session_request request;
    struct stream_signals signals;
    Banger__V1__GuestSession *session = NULL;
    int status = session_request_init(&request, &o->session, args->refs[0], args->n_rest,
                                      args->rest, !o->session.no_stdin);
    if (o->name)
        request.message.name = (char *)o->name;
    if (status == 0)
        status = stream_signals_init(&signals);
    if (status == 0) {
        session = session_start(cli, &request, &signals, &status, false);
        stream_signals_done(&signals);
    }
    session_request_done(&request);
    if (!session)
        return status;
    if (cli_is_table(cli))
        cli_say(stdout, "%s",
                session->name[0] && !cli->options.quiet ? session->name : session->id);
    else
        status = cli_print_message(cli, &session->base);
    FREE_MESSAGE(session);
    return status ? status : cli_end_output(cli);
}

/* ---- one session by reference ---- */

struct session_ref_options {
    const char *vm;
    bool force;
    struct opt_number grace;
    const char *signal;
};

Banger__V1__GuestSession *session_get(struct cli *cli, const char *ref, const char *vm,
                                      struct banger_error *error)
{
    Banger__V1__GetSessionRequest request = BANGER__V1__GET_SESSION_REQUEST__INIT;
    request.session = (char *)ref;
    if (vm)
        request.vm = (char *)vm;
    return banger_get_session(cli->client, &request, NULL, error);
}

typedef int session_one_fn(struct cli *cli, const char *ref, const struct session_ref_options *o);

static int session_for_each(struct cli *cli, const void *values, const struct opt_args *args,
                            session_one_fn *fn)
{
    if (cli_connect(cli) < 0)
        return EXIT_BANGER;
    int status = 0;
    for (int i = 0; i < args->n_refs; i++) {
        int result = fn(cli, args->refs[i], values);
        status = result ? result : status;
    }
    return status;
}

static int session_show_one(struct cli *cli, const char *ref, const struct session_ref_options *o)
{
    struct banger_error error;
    Banger__V1__GuestSession *session = session_get(cli, ref, o->vm, &error);
    if (!session)
        return cli_fail(&error, "show session %s", ref);
    int status = 0;
    if (cli->options.quiet)
        cli_say(stdout, "%s", session->id);
    else if (cli_is_table(cli))
        session_print_description(session);
    else
        status = cli_print_message(cli, &session->base);
    FREE_MESSAGE(session);
    return status ? status : cli_end_output(cli);
}

static int session_show(struct cli *cli, const void *values, const struct opt_args *args)
{
    return session_for_each(cli, values, args, session_show_one);
}

/* The answer to a change of one session: its reference, or the whole message. */
static int session_answer(struct cli *cli, const char *what, const char *ref,
                          Banger__V1__GuestSession *session, const struct banger_error *error)
{
    if (!session)
        return cli_fail(error, "%s session %s", what, ref);
    int status = 0;
    if (cli_is_table(cli))
        cli_say(stdout, "%s", cli->options.quiet ? session->id : ref);
    else
        status = cli_print_message(cli, &session->base);
    FREE_MESSAGE(session);
    return status ? status : cli_end_output(cli);
}

static int session_stop_one(struct cli *cli, const char *ref, const struct session_ref_options *o)
{
    struct banger_error error;
    Banger__V1__StopSessionRequest request = BANGER__V1__STOP_SESSION_REQUEST__INIT;
    request.session = (char *)ref;
    if (o->vm)
        request.vm = (char *)o->vm;
    if (o->grace.given) {
        request._grace_ms_case = BANGER__V1__STOP_SESSION_REQUEST___GRACE_MS_GRACE_MS;
        request.grace_ms = o->grace.value > UINT32_MAX ? UINT32_MAX : (uint32_t)o->grace.value;
    }
    return session_answer(cli, "stop", ref,
                          banger_stop_session(cli->client, &request, NULL, &error), &error);
}

static int session_stop(struct cli *cli, const void *values, const struct opt_args *args)
{
    return session_for_each(cli, values, args, session_stop_one);
}

static int session_kill_one(struct cli *cli, const char *ref, const struct session_ref_options *o)
{
    struct banger_error error;
    Banger__V1__KillSessionRequest request = BANGER__V1__KILL_SESSION_REQUEST__INIT;
    request.session = (char *)ref;
    if (o->vm)
        request.vm = (char *)o->vm;
    return session_answer(cli, "kill", ref,
                          banger_kill_session(cli->client, &request, NULL, &error), &error);
}

static int session_kill(struct cli *cli, const void *values, const struct opt_args *args)
{
    return session_for_each(cli, values, args, session_kill_one);
}

static int session_delete_one(struct cli *cli, const char *ref, const struct session_ref_options *o)
{
    struct banger_error error;
    Banger__V1__DeleteSessionRequest request = BANGER__V1__DELETE_SESSION_REQUEST__INIT;
    request.session = (char *)ref;
    request.force = o->force;
    if (o->vm)
        request.vm = (char *)o->vm;
    Banger__V1__Empty *empty = banger_delete_session(cli->client, &request, NULL, &error);
    if (!empty)
        return cli_fail(&error, "delete session %s", ref);
    FREE_MESSAGE(empty);
    return cli_print_done(cli, "session", ref, "deleted");
}

static int session_delete(struct cli *cli, const void *values, const struct opt_args *args)
{
    return session_for_each(cli, values, args, session_delete_one);
}

/* "TERM", "SIGTERM" or "15"; 0 for none of them. */
static int session_signal_number(const char *word)
{
    uint64_t number;
    if (opt_parse_count(word, &number))
        return number >= 1 && number <= 64 ? (int)number : 0;
    if (strncasecmp(word, "SIG", 3) == 0)
        word += 3;
    for (int signo = 1; signo < 32; signo++) {
        const char *name = sigabbrev_np(signo);
        if (name && strcasecmp(name, word) == 0)
            return signo;
    }
    return 0;
}

static int session_signal(struct cli *cli, const void *values, const struct opt_args *args)
{
    const struct session_ref_options *o = values;
    int signo = session_signal_number(args->refs[1]);
    if (!signo)
        return cli_usage("session signal: \"%.40s\" is no signal", args->refs[1]);
    if (cli_connect(cli) < 0)
        return EXIT_BANGER;
    struct banger_error error;
    Banger__V1__SignalSessionRequest request = BANGER__V1__SIGNAL_SESSION_REQUEST__INIT;
    request.session = args->refs[0];
    request.signo = signo;
    if (o->vm)
        request.vm = (char *)o->vm;
    if (o->signal && strcmp(o->signal, "process") == 0)
        request.target = BANGER__V1__SIGNAL_TARGET__SIGNAL_TARGET_PROCESS;
    if (o->signal && strcmp(o->signal, "all") == 0)
        request.target = BANGER__V1__SIGNAL_TARGET__SIGNAL_TARGET_ALL;
    return session_answer(cli, "signal", args->refs[0],
                          banger_signal_session(cli->client, &request, NULL, &error), &error);
}

struct session_ack_options {
    const char *vm;
    struct opt_number stdout_offset, stderr_offset;
};

static int session_ack(struct cli *cli, const void *values, const struct opt_args *args)
{
    const struct session_ack_options *o = values;
    if (!o->stdout_offset.given && !o->stderr_offset.given)
        return cli_usage("session ack: how far? (--stdout OFFSET, --stderr OFFSET)");
    if (cli_connect(cli) < 0)
        return EXIT_BANGER;
    struct banger_error error;
    Banger__V1__AckOutputRequest request = BANGER__V1__ACK_OUTPUT_REQUEST__INIT;
    request.session = args->refs[0];
    if (o->vm)
        request.vm = (char *)o->vm;
    request.stdout_offset = o->stdout_offset.value;
    request.stderr_offset = o->stderr_offset.value;
    return session_answer(cli, "acknowledge output of", args->refs[0],
                          banger_ack_output(cli->client, &request, NULL, &error), &error);
}

static const struct opt ack_opts[] = {
    SESSION_VM_OPT(session_ack_options),
    {"stdout", 0, OPT_COUNT, offsetof(struct session_ack_options, stdout_offset), "OFFSET",
     "stdout is stored up to this byte", NULL, NAMES_NONE},
    {"stderr", 0, OPT_COUNT, offsetof(struct session_ack_options, stderr_offset), "OFFSET",
     "stderr is stored up to this byte", NULL, NAMES_NONE},
    {.name = NULL},
};

static const struct opt start_opts[] = {
    {"name", 0, OPT_STRING, offsetof(struct session_start_options, name), "NAME",
     "name of the session, unique in the VM", NULL, NAMES_NONE},
    SESSION_OPTS(offsetof(struct session_start_options, session)),
    {.name = NULL},
};

static const struct opt ref_opts[] = {SESSION_VM_OPT(session_ref_options), {.name = NULL}};

static const struct opt stop_opts[] = {
    SESSION_VM_OPT(session_ref_options),
    {"grace", 0, OPT_DURATION, offsetof(struct session_ref_options, grace), "TIME",
     "time between SIGTERM and SIGKILL (default 10s)", NULL, NAMES_NONE},
    {.name = NULL},
};

static const struct opt delete_opts[] = {
    SESSION_VM_OPT(session_ref_options),
    {"force", 0, OPT_FLAG, offsetof(struct session_ref_options, force), NULL,
     "kill it first if it runs", NULL, NAMES_NONE},
    {.name = NULL},
};

static const struct opt signal_opts[] = {
    SESSION_VM_OPT(session_ref_options),
    {"target", 0, OPT_STRING, offsetof(struct session_ref_options, signal), "WHOM",
     "group (default), process or all", "group|process|all", NAMES_NONE},
    {.name = NULL},
};

static const struct command commands[] = {
    {"start", NULL, "VM [--] COMMAND [ARG...]", "start a command in a VM and leave it running",
     "Prints the session's name, or its id. \"session attach\" follows it.", start_opts,
     sizeof(struct session_start_options), 1, 1, true, NAMES_VM, session_start_run},
    {"show", "inspect", "SESSION...", "describe sessions", NULL, ref_opts,
     sizeof(struct session_ref_options), 1, -1, false, NAMES_SESSION, session_show},
    {"stop", NULL, "SESSION...", "ask sessions to end, then kill them", NULL, stop_opts,
     sizeof(struct session_ref_options), 1, -1, false, NAMES_SESSION, session_stop},
    {"kill", NULL, "SESSION...",
     "kill everything that sessions started, and what ended ones have left", NULL, ref_opts,
     sizeof(struct session_ref_options), 1, -1, false, NAMES_SESSION, session_kill},
    {"signal", NULL, "SESSION SIGNAL", "send a signal, by name or number", NULL, signal_opts,
     sizeof(struct session_ref_options), 2, 2, false, NAMES_SESSION, session_signal},
    {"delete", "rm", "SESSION...", "forget ended sessions and their output", NULL, delete_opts,
     sizeof(struct session_ref_options), 1, -1, false, NAMES_SESSION, session_delete},
    {"ack", NULL, "SESSION", "say that a session's output is stored, so that it may go on",
     "Of sessions with --output-policy until-acknowledged. Offsets only go up.", ack_opts,
     sizeof(struct session_ack_options), 1, 1, false, NAMES_SESSION, session_ack},
};

static const struct command *const session_commands[] = {&commands[0],
                                                         &session_list_command,
                                                         &commands[1],
                                                         &session_io_commands[0],
                                                         &session_logs_command,
                                                         &session_wait_command,
                                                         &commands[2],
                                                         &commands[3],
                                                         &commands[4],
                                                         &session_io_commands[1],
                                                         &commands[6],
                                                         &session_viewers_command,
                                                         &session_kick_command,
                                                         &commands[5],
                                                         NULL};

const struct noun session_noun = {"session", "commands that run in VMs", session_commands};
