/* Commands that move a session's bytes. */
#include "session.h"
#include "terminal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <banger/stdin.h>

/* ---- send ---- */

struct session_send_options {
    const char *vm, *text;
    bool eof, takeover;
};

enum { SEND_BYTES = 64 << 10 };

/* All of our standard input. */
static int session_send_input(struct banger_stdin *in, const char *ref)
{
    char data[SEND_BYTES];
    struct banger_error error;
    for (;;) {
        ssize_t n = read(STDIN_FILENO, data, sizeof(data));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return cli_usage("read standard input: %s", strerror(errno));
        if (n == 0)
            return 0;
        if (banger_stdin_write(in, data, (size_t)n, &error) < 0)
            return cli_fail(&error, "send to session %s", ref);
    }
}

static int session_send_all(struct banger_stdin *in, const struct session_send_options *o,
                            const char *ref)
{
    struct banger_error error;
    banger_stdin_set_takeover(in, o->takeover);
    int status = 0;
    if (!o->text)
        status = session_send_input(in, ref);
    else if (banger_stdin_write(in, o->text, strlen(o->text), &error) < 0)
        status = cli_fail(&error, "send to session %s", ref);
    if (status == 0 && banger_stdin_end(in, o->eof, NULL, &error) < 0)
        status = cli_fail(&error, "send to session %s", ref);
    return status;
}

static int session_send(struct cli *cli, const void *values, const struct opt_args *args)
{
    const struct session_send_options *o = values;
    const char *ref = args->refs[0];
    struct banger_error error;
    if (cli_connect(cli) < 0)
        return EXIT_BANGER;
    struct banger_stdin *in = banger_stdin_open(cli->client, ref, o->vm, &error);
    if (!in)
        return cli_fail(&error, "send to session %s", ref);
    int status = session_send_all(in, o, ref);
    banger_stdin_close(in);
    return status;
}

/* ---- attach ---- */

struct session_attach_options {
    const char *vm;
    bool view, takeover, no_stdin, no_reattach, interactive, end;
    struct opt_number tail, tail_bytes, from;
    const char *detach_keys;
};

/* What a terminal was told long ago is not told again: programs answered some of it. */
static struct stream_start session_attach_start(const struct session_attach_options *o,
                                                bool terminal)
{
    bool tail = o->tail.given || o->tail_bytes.given;
    if (o->end || (terminal && !tail && !o->from.given) ||
        (tail && o->tail.value + o->tail_bytes.value == 0))
        return (struct stream_start){.at = BANGER_START_END};
    if (o->tail.given)
        return (struct stream_start){.at = BANGER_START_TAIL_LINES, .value = o->tail.value};
    if (o->tail_bytes.given)
        return (struct stream_start){.at = BANGER_START_TAIL, .value = o->tail_bytes.value};
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
    bool holds = session->spec && !o->view &&
                 session->spec->output_policy == BANGER__V1__OUTPUT_POLICY__OUTPUT_POLICY_BLOCK;
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
        .hold = holds,
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

static const struct opt send_opts[] = {
    SESSION_VM_OPT(session_send_options),
    {"text", 0, OPT_STRING, offsetof(struct session_send_options, text), "TEXT",
     "send this instead of our standard input", NULL, NAMES_NONE},
    {"eof", 0, OPT_FLAG, offsetof(struct session_send_options, eof), NULL,
     "close the session's standard input afterwards", NULL, NAMES_NONE},
    {"takeover", 0, OPT_FLAG, offsetof(struct session_send_options, takeover), NULL,
     "also where a writer is attached, who is told and writes no more", NULL, NAMES_NONE},
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
    {"tail", 0, OPT_COUNT, offsetof(struct session_attach_options, tail), "N",
     "begin with the last N lines of each stream", NULL, NAMES_NONE},
    {"tail-bytes", 0, OPT_SIZE, offsetof(struct session_attach_options, tail_bytes), "BYTES",
     "begin so many bytes before the end of each stream", NULL, NAMES_NONE},
    {"from", 0, OPT_COUNT, offsetof(struct session_attach_options, from), "OFFSET",
     "begin at this byte of each stream (default 0)", NULL, NAMES_NONE},
    {"end", 0, OPT_FLAG, offsetof(struct session_attach_options, end), NULL,
     "only what comes from now on; of a terminal the default", NULL, NAMES_NONE},
    SESSION_DETACH_KEYS_OPT(offsetof(struct session_attach_options, detach_keys)),
    {.name = NULL},
};

const struct command session_io_commands[] = {
    {"attach", NULL, "SESSION", "print a session's output, all of it, and follow it to its end",
     "Ends with the session's exit status. A signal, such as an interrupt, only ends the attach:\n"
     "the session runs on. A session's terminal is shown on ours, where we have one.",
     attach_opts, sizeof(struct session_attach_options), 1, 1, false, NAMES_SESSION,
     session_attach},
    {"send", NULL, "SESSION", "write our standard input to a session's",
     "All of it, however long, and nobody else's bytes in between.", send_opts,
     sizeof(struct session_send_options), 1, 1, false, NAMES_SESSION, session_send},
};
