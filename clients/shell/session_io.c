/* Commands that move a session's bytes, or wait for its end. */
#include "session.h"
#include "terminal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- wait ---- */

struct session_wait_options {
    const char *vm;
};

static int session_end_status(const Banger__V1__GuestSession *session)
{
    if (session->state == BANGER__V1__SESSION_STATE__SESSION_STATE_EXITED)
        return banger_exit_status(session->exit);
    if (session->state == BANGER__V1__SESSION_STATE__SESSION_STATE_FAILED)
        return session_report_failure(session);
    return cli_usage("session %s was lost: %s", session->id,
                     session->last_error[0] ? session->last_error : "nobody saw its end");
}

static int session_wait(struct cli *cli, const void *values, const struct opt_args *args)
{
    const struct session_wait_options *o = values;
    if (cli_connect(cli) < 0)
        return EXIT_BANGER;
    int status = 0;
    bool limited = cli->options.timeout.given;
    banger_set_timeout_ms(cli->client, limited ? (int64_t)cli->options.timeout.value : -1);
    for (int i = 0; i < args->n_refs; i++) {
        struct banger_error error;
        Banger__V1__WaitSessionRequest request = BANGER__V1__WAIT_SESSION_REQUEST__INIT;
        request.session = args->refs[i];
        if (o->vm)
            request.vm = (char *)o->vm;
        Banger__V1__GuestSession *session =
            banger_wait_session(cli->client, &request, NULL, &error);
        int result = session ? session_end_status(session)
                             : cli_fail(&error, "wait for session %s", args->refs[i]);
        if (session && !cli_is_table(cli))
            cli_print_message(cli, &session->base);
        status = result ? result : status;
        FREE_MESSAGE(session);
    }
    return status;
}

/* ---- send ---- */

struct session_send_options {
    const char *vm, *text;
    bool eof;
};

enum { SEND_BYTES = 256 << 10 };

static int session_send_bytes(struct cli *cli, const char *ref, const char *vm, const void *data,
                              size_t len, bool eof)
{
    struct banger_error error;
    Banger__V1__SendStdinRequest request = BANGER__V1__SEND_STDIN_REQUEST__INIT;
    request.session = (char *)ref;
    if (vm)
        request.vm = (char *)vm;
    request.data.data = (uint8_t *)data;
    request.data.len = len;
    request.eof = eof;
    Banger__V1__SendStdinResponse *response =
        banger_send_stdin(cli->client, &request, NULL, &error);
    if (!response)
        return cli_fail(&error, "send to session %s", ref);
    FREE_MESSAGE(response);
    return 0;
}

/* Fills data from stdin until it is full or stdin ends. */
static ssize_t session_read_input(char *data, size_t size)
{
    size_t have = 0;
    while (have < size) {
        ssize_t n = read(STDIN_FILENO, data + have, size - have);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        if (n == 0)
            break;
        have += (size_t)n;
    }
    return (ssize_t)have;
}

static int session_send(struct cli *cli, const void *values, const struct opt_args *args)
{
    const struct session_send_options *o = values;
    const char *ref = args->refs[0];
    if (cli_connect(cli) < 0)
        return EXIT_BANGER;
    if (o->text)
        return session_send_bytes(cli, ref, o->vm, o->text, strlen(o->text), o->eof);
    char *data = malloc(SEND_BYTES);
    if (!data)
        return cli_usage("out of memory");
    int status = 0;
    ssize_t n;
    do {
        n = session_read_input(data, SEND_BYTES);
        bool last = n < SEND_BYTES;
        if (n < 0)
            status = cli_usage("read standard input: %s", strerror(errno));
        else if (n > 0 || o->eof)
            status = session_send_bytes(cli, ref, o->vm, data, (size_t)n, last && o->eof);
    } while (status == 0 && n == SEND_BYTES);
    free(data);
    return status;
}

/* ---- attach, logs ---- */

struct session_attach_options {
    const char *vm;
    bool view, takeover, no_stdin, no_reattach, interactive, end;
    struct opt_number tail, from;
    const char *detach_keys;
};

/* What a terminal was told long ago is not told again: programs answered some of it. */
static struct stream_start session_attach_start(const struct session_attach_options *o,
                                                bool terminal)
{
    if (o->end || (terminal && !o->tail.given && !o->from.given) ||
        (o->tail.given && o->tail.value == 0))
        return (struct stream_start){.at = BANGER_START_END};
    if (o->tail.given)
        return (struct stream_start){.at = BANGER_START_TAIL, .value = o->tail.value};
    return (struct stream_start){.value = o->from.value};
}

static bool session_lives(const Banger__V1__GuestSession *session)
{
    return session->state == BANGER__V1__SESSION_STATE__SESSION_STATE_PENDING ||
           session->state == BANGER__V1__SESSION_STATE__SESSION_STATE_STARTING ||
           session->state == BANGER__V1__SESSION_STATE__SESSION_STATE_RUNNING;
}

/* Another one makes its programs draw everything by itself. */
static bool session_has_our_size(const Banger__V1__GuestSession *session)
{
    uint32_t rows, columns;
    return terminal_size(&rows, &columns) && session->spec->rows == rows &&
           session->spec->columns == columns;
}

static int session_attach_with(struct cli *cli, const struct session_attach_options *o,
                               const Banger__V1__GuestSession *session,
                               struct stream_signals *signals)
{
    bool terminal = session->spec && session->spec->tty && terminal_is_ours() && !o->view &&
                    !o->no_stdin && session_lives(session);
    bool wants_stdin = session->spec &&
                       session->spec->stdin_mode == BANGER__V1__STDIN_MODE__STDIN_MODE_PIPE &&
                       !session->stdin_closed && !o->no_stdin && !o->view &&
                       (o->interactive || terminal || stream_stdin_is_piped());
    struct detach_keys keys;
    const char *named = session_detach_keys(&keys, o->detach_keys);
    if (!named)
        return EXIT_BANGER;
    if (terminal && keys.n > 0 && !cli->options.quiet)
        cli_say(stderr, "banger: %s leaves it running", named);
    Banger__V1__AttachRole role = BANGER__V1__ATTACH_ROLE__ATTACH_ROLE_VIEWER;
    if (o->takeover)
        role = BANGER__V1__ATTACH_ROLE__ATTACH_ROLE_TAKEOVER;
    else if (wants_stdin)
        role = BANGER__V1__ATTACH_ROLE__ATTACH_ROLE_WRITER;
    struct stream_options stream = {
        .session = session->id,
        .label = session->name[0] ? session->name : session->id,
        .role = role,
        .start = session_attach_start(o, terminal),
        .forward_stdin = wants_stdin,
        .forward_signals = false,
        .no_reattach = o->no_reattach,
        .terminal = terminal,
        .redraw = terminal && session_attach_start(o, true).at == BANGER_START_END &&
                  session_has_our_size(session),
        .keys = terminal ? &keys : NULL,
        .signals = signals,
    };
    int status;
    if (stream_session(cli, &stream, &status) == STREAM_DETACHED && status == 0)
        session_tell_detached(cli, session->id);
    return status;
}

static int session_attach(struct cli *cli, const void *values, const struct opt_args *args)
{
    const struct session_attach_options *o = values;
    struct banger_error error;
    if (cli_connect(cli) < 0)
        return EXIT_BANGER;
    Banger__V1__GuestSession *session = session_get(cli, args->refs[0], o->vm, &error);
    if (!session)
        return cli_fail(&error, "attach to session %s", args->refs[0]);
    int status = EXIT_BANGER;
    struct stream_signals signals;
    if (session->state == BANGER__V1__SESSION_STATE__SESSION_STATE_FAILED) {
        status = session_report_failure(session);
    } else if (stream_signals_init(&signals) == 0) {
        status = session_attach_with(cli, o, session, &signals);
        stream_signals_done(&signals);
    }
    FREE_MESSAGE(session);
    return status;
}

struct session_logs_options {
    const char *vm, *stream;
    bool follow;
    struct opt_number tail, last, from_stdout, from_stderr;
};

static int session_logs(struct cli *cli, const void *values, const struct opt_args *args)
{
    const struct session_logs_options *o = values;
    if (cli_connect(cli) < 0)
        return EXIT_BANGER;
    Banger__V1__ReadLogsRequest request = BANGER__V1__READ_LOGS_REQUEST__INIT;
    request.session = args->refs[0];
    if (o->vm)
        request.vm = (char *)o->vm;
    request.follow = o->follow;
    request.tail_bytes = o->tail.value;
    request.tail_lines = o->last.value > UINT32_MAX ? UINT32_MAX : (uint32_t)o->last.value;
    request.only_new = (o->last.given && o->last.value == 0) || (o->tail.given && !o->tail.value);
    request.no_stdout = o->stream && strcmp(o->stream, "stderr") == 0;
    request.no_stderr = o->stream && strcmp(o->stream, "stdout") == 0;
    request.from_stdout = o->from_stdout.value;
    request.from_stderr = o->from_stderr.value;
    return stream_print_logs(cli, args->refs[0], &request);
}

static const struct opt wait_opts[] = {SESSION_VM_OPT(session_wait_options), {.name = NULL}};

static const struct opt send_opts[] = {
    SESSION_VM_OPT(session_send_options),
    {"text", 0, OPT_STRING, offsetof(struct session_send_options, text), "TEXT",
     "send this instead of our standard input", NULL, NAMES_NONE},
    {"eof", 0, OPT_FLAG, offsetof(struct session_send_options, eof), NULL,
     "close the session's standard input afterwards", NULL, NAMES_NONE},
    {.name = NULL},
};

static const struct opt attach_opts[] = {
    SESSION_VM_OPT(session_attach_options),
    {"view", 0, OPT_FLAG, offsetof(struct session_attach_options, view), NULL, "only watch", NULL,
     NAMES_NONE},
    {"takeover", 0, OPT_FLAG, offsetof(struct session_attach_options, takeover), NULL,
     "become the writer even if there is one", NULL, NAMES_NONE},
    {"interactive", 'i', OPT_FLAG, offsetof(struct session_attach_options, interactive), NULL,
     "pass on standard input even from a terminal", NULL, NAMES_NONE},
    {"no-stdin", 0, OPT_FLAG, offsetof(struct session_attach_options, no_stdin), NULL,
     "do not pass on standard input", NULL, NAMES_NONE},
    {"no-reattach", 0, OPT_FLAG, offsetof(struct session_attach_options, no_reattach), NULL,
     "end with an error when the connection breaks, instead of coming back", NULL, NAMES_NONE},
    {"tail", 0, OPT_SIZE, offsetof(struct session_attach_options, tail), "BYTES",
     "begin so many bytes before the end of each stream", NULL, NAMES_NONE},
    {"from", 0, OPT_COUNT, offsetof(struct session_attach_options, from), "OFFSET",
     "begin at this byte of each stream (default 0)", NULL, NAMES_NONE},
    {"end", 0, OPT_FLAG, offsetof(struct session_attach_options, end), NULL,
     "only what comes from now on; of a terminal the default", NULL, NAMES_NONE},
    SESSION_DETACH_KEYS_OPT(offsetof(struct session_attach_options, detach_keys)),
    {.name = NULL},
};

static const struct opt logs_opts[] = {
    SESSION_VM_OPT(session_logs_options),
    {"follow", 'f', OPT_FLAG, offsetof(struct session_logs_options, follow), NULL,
     "go on until the session ends", NULL, NAMES_NONE},
    {"last", 'n', OPT_COUNT, offsetof(struct session_logs_options, last), "N",
     "only the last N lines of each stream", NULL, NAMES_NONE},
    {"tail", 0, OPT_SIZE, offsetof(struct session_logs_options, tail), "BYTES",
     "only so many bytes from the end of each stream", NULL, NAMES_NONE},
    {"stream", 0, OPT_STRING, offsetof(struct session_logs_options, stream), "STREAM",
     "only stdout or stderr", "stdout|stderr", NAMES_NONE},
    {"from-stdout", 0, OPT_COUNT, offsetof(struct session_logs_options, from_stdout), "OFFSET",
     "begin at this byte of stdout", NULL, NAMES_NONE},
    {"from-stderr", 0, OPT_COUNT, offsetof(struct session_logs_options, from_stderr), "OFFSET",
     "begin at this byte of stderr", NULL, NAMES_NONE},
    {.name = NULL},
};

const struct command session_io_commands[] = {
    {"attach", NULL, "SESSION", "print a session's output, all of it, and follow it to its end",
     "Ends with the session's exit status. A signal, such as an interrupt, only ends the attach:\n"
     "the session runs on. A session's terminal is shown on ours, where we have one.",
     attach_opts, sizeof(struct session_attach_options), 1, 1, false, NAMES_SESSION,
     session_attach},
    {"logs", NULL, "SESSION", "print a session's output so far", NULL, logs_opts,
     sizeof(struct session_logs_options), 1, 1, false, NAMES_SESSION, session_logs},
    {"wait", NULL, "SESSION...", "wait for sessions to end",
     "Ends with the exit status of the session: of the last that did not end with 0.", wait_opts,
     sizeof(struct session_wait_options), 1, -1, false, NAMES_SESSION, session_wait},
    {"send", NULL, "SESSION", "write our standard input to a session's", NULL, send_opts,
     sizeof(struct session_send_options), 1, 1, false, NAMES_SESSION, session_send},
};
