/* session logs: what a session has printed, or a part of it, or as it comes. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <banger/logs.h>

#include "log_lines.h"
#include "session.h"
#include "stream.h"
#include "when.h"

enum { EXIT_NO_LINE = 1 };

struct session_logs_options {
    const char *vm, *stream, *since, *until, *grep;
    bool follow, ignore_case, invert_match, timestamps;
    struct opt_number tail, tail_bytes, last, from_stdout, from_stderr;
};

/* A request, and what it borrows. */
struct logs_request {
    Banger__V1__ReadLogsRequest message;
    Google__Protobuf__Timestamp since, until;
};

static int logs_time(Google__Protobuf__Timestamp **to, Google__Protobuf__Timestamp *stamp,
                     const char *option, const char *text)
{
    int64_t ns;
    if (!text)
        return 0;
    if (!when_parse(text, &ns))
        return cli_usage("--%s: \"%.40s\" is neither a duration such as 10m nor a time such as "
                         "\"2026-01-31T12:00:00Z\"",
                         option, text);
    google__protobuf__timestamp__init(stamp);
    stamp->seconds = ns / 1000000000;
    stamp->nanos = (int32_t)(ns % 1000000000);
    *to = stamp;
    return 0;
}

static int logs_request_init(struct logs_request *r, const struct session_logs_options *o,
                             char *session)
{
    Banger__V1__ReadLogsRequest *m = &r->message;
    const struct opt_number *lines = o->tail.given ? &o->tail : &o->last;
    banger__v1__read_logs_request__init(m);
    m->session = session;
    if (o->vm)
        m->vm = (char *)o->vm;
    m->follow = o->follow;
    m->tail_bytes = o->tail_bytes.value;
    m->tail_lines = lines->value > UINT32_MAX ? UINT32_MAX : (uint32_t)lines->value;
    m->only_new =
        (lines->given && lines->value == 0) || (o->tail_bytes.given && o->tail_bytes.value == 0);
    m->no_stdout = o->stream && strcmp(o->stream, "stderr") == 0;
    m->no_stderr = o->stream && strcmp(o->stream, "stdout") == 0;
    m->from_stdout = o->from_stdout.value;
    m->from_stderr = o->from_stderr.value;
    m->times = o->timestamps;
    if (logs_time(&m->since, &r->since, "since", o->since) != 0 ||
        logs_time(&m->until, &r->until, "until", o->until) != 0)
        return EXIT_BANGER;
    return 0;
}

static int64_t logs_time_ns(const Banger__V1__LogChunk *chunk)
{
    return chunk->time ? chunk->time->seconds * 1000000000 + chunk->time->nanos : 0;
}

/* lines NULL: bytes as they came. */
static int logs_print_chunk(struct log_lines *lines, const Banger__V1__LogChunk *chunk)
{
    int stream = chunk->stream == 2 ? 2 : 1;
    if (chunk->gap_reason[0]) {
        if (lines && log_lines_end(lines, stream) < 0)
            return -1;
        if (chunk->gap_to == chunk->offset)
            return 0;
        return stream_say_gap(stream, chunk->offset, chunk->gap_to, chunk->gap_oldest,
                              chunk->gap_reason);
    }
    if (lines)
        return log_lines_take(lines, stream, chunk->data.data, chunk->data.len,
                              logs_time_ns(chunk));
    return stream_write_all(stream == 2 ? STDERR_FILENO : STDOUT_FILENO, chunk->data.data,
                            chunk->data.len);
}

/* SIGPIPE and SIGINT end us as they end any Unix tool. */
static int logs_print(struct cli *cli, struct banger_logs *logs, const char *label,
                      struct log_lines *lines)
{
    struct banger_error error;
    const Banger__V1__LogChunk *chunk;
    enum banger_next next;
    unsigned returns = 0;
    int status = 0;
    while (status == 0 && (next = banger_logs_next(logs, -1, &chunk, &error)) != BANGER_NEXT_END) {
        if (next == BANGER_NEXT_ERROR) {
            status = cli_fail(&error, "%s", label);
            break;
        }
        if (banger_logs_returns(logs) > returns && !cli->options.quiet)
            cli_say(stderr, "banger: the connection was lost, and %s goes on where it was", label);
        returns = banger_logs_returns(logs);
        if (!cli_is_table(cli))
            status = cli_print_line(cli, &chunk->base);
        else if (logs_print_chunk(lines, chunk) < 0)
            status = cli_usage("write: %s", strerror(errno));
    }
    for (int stream = 1; stream <= 2 && lines; stream++)
        if (log_lines_end(lines, stream) < 0 && status == 0)
            status = cli_usage("write: %s", strerror(errno));
    return status;
}

static int session_logs_with(struct cli *cli, const struct session_logs_options *o,
                             const struct logs_request *request, struct log_lines *lines)
{
    struct banger_error error;
    if (cli_connect(cli) < 0)
        return EXIT_BANGER;
    struct banger_logs *logs = banger_logs_open(cli->client, &request->message, &error);
    if (!logs)
        return cli_fail(&error, "%s", request->message.session);
    fflush(stdout);
    int status = logs_print(cli, logs, request->message.session, lines);
    banger_logs_close(logs);
    return status == 0 && o->grep && lines->n_shown == 0 ? EXIT_NO_LINE : status;
}

static int session_logs(struct cli *cli, const void *values, const struct opt_args *args)
{
    const struct session_logs_options *o = values;
    struct logs_request request;
    struct log_lines lines;
    if (logs_request_init(&request, o, args->refs[0]) != 0)
        return EXIT_BANGER;
    if ((o->ignore_case || o->invert_match) && !o->grep)
        return cli_usage("session logs: --ignore-case and --invert-match go with --grep");
    if (o->grep && !cli_is_table(cli))
        return cli_usage("session logs: --grep looks for lines, and prints text");
    if (!o->grep && !o->timestamps)
        return session_logs_with(cli, o, &request, NULL);
    int status = log_lines_init(&lines, o->grep, o->ignore_case, o->invert_match, o->timestamps);
    if (status == 0)
        status = session_logs_with(cli, o, &request, &lines);
    log_lines_done(&lines);
    return status;
}

#define LOGS_OPT(name, letter, kind, field, value, help)                                           \
    {                                                                                              \
        name, letter, kind, offsetof(struct session_logs_options, field), value, help, NULL,       \
            NAMES_NONE                                                                             \
    }

static const struct opt logs_opts[] = {
    SESSION_VM_OPT(session_logs_options),
    LOGS_OPT("follow", 'f', OPT_FLAG, follow, NULL, "go on until the session ends"),
    LOGS_OPT("last", 'n', OPT_COUNT, last, "N", "only the last N lines of each stream"),
    LOGS_OPT("tail", 0, OPT_COUNT, tail, "N", "the same as --last"),
    LOGS_OPT("tail-bytes", 0, OPT_SIZE, tail_bytes, "BYTES",
             "only so many bytes from the end of each stream"),
    LOGS_OPT("since", 0, OPT_STRING, since, "TIME",
             "only what was written since: 10m ago, or \"2026-01-31T12:00:00Z\""),
    LOGS_OPT("until", 0, OPT_STRING, until, "TIME",
             "only what was written until then; with --follow ends when that has come"),
    LOGS_OPT("grep", 0, OPT_STRING, grep, "REGEX",
             "only lines that match (POSIX extended); ends with 1 when none did"),
    LOGS_OPT("ignore-case", 0, OPT_FLAG, ignore_case, NULL, "with --grep: capitals or not"),
    LOGS_OPT("invert-match", 0, OPT_FLAG, invert_match, NULL, "with --grep: lines that do not"),
    LOGS_OPT("timestamps", 0, OPT_FLAG, timestamps, NULL,
             "when each line was written before it; \"-\": not known"),
    {"stream", 0, OPT_STRING, offsetof(struct session_logs_options, stream), "STREAM",
     "only stdout or stderr", "stdout|stderr", NAMES_NONE},
    LOGS_OPT("from-stdout", 0, OPT_COUNT, from_stdout, "OFFSET", "begin at this byte of stdout"),
    LOGS_OPT("from-stderr", 0, OPT_COUNT, from_stderr, "OFFSET", "begin at this byte of stderr"),
    {.name = NULL},
};

const struct command session_logs_command = {
    "logs",
    NULL,
    "SESSION",
    "print a session's output so far",
    "What the session wrote to its standard error goes to ours. With --follow it comes back by\n"
    "itself when the connection is lost, where it was.",
    logs_opts,
    sizeof(struct session_logs_options),
    1,
    1,
    false,
    NAMES_SESSION,
    session_logs};
