/* Content of files of guests, and what happens in their folders; see file.h. */
#include "file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "stream.h"

enum { PIECE_BYTES = 128 * 1024 };

/* ---- read ---- */

static int read_one(struct cli *cli, const char *ref, const struct guest_path *p, const char *user)
{
    struct banger_error error;
    enum banger_next next = BANGER_NEXT_ERROR;
    ProtobufCMessage *message = NULL;
    int lost = 0;
    Banger__V1__ReadFileRequest request = BANGER__V1__READ_FILE_REQUEST__INIT;
    request.vm = p->vm;
    request.path = (char *)p->path;
    request.user = (char *)(user ? user : "");
    struct banger_stream *s = banger_stream_open(cli->client, "/banger.v1.FileService/ReadFile",
                                                 &request.base, NULL, &error);
    while (s && !lost &&
           (next = banger_stream_next(s, -1, &message, &error)) == BANGER_NEXT_MESSAGE) {
        const Banger__V1__FileChunk *chunk = (const Banger__V1__FileChunk *)(void *)message;
        if (stream_write_all(STDOUT_FILENO, chunk->data.data, chunk->data.len) < 0)
            lost = errno;
        banger_message_free(message);
    }
    banger_stream_close(s);
    if (lost)
        return cli_usage("write to standard output: %s", strerror(lost));
    return next == BANGER_NEXT_END ? 0 : cli_fail(&error, "read %s", ref);
}

static int file_read(struct cli *cli, const void *values, const struct opt_args *args)
{
    const struct file_options *o = values;
    int status = 0;
    for (int i = 0; i < args->n_refs && status == 0; i++) {
        struct guest_path p;
        status = file_parse(&p, args->refs[i]);
        if (status == 0 && !cli->client && cli_connect(cli) < 0)
            status = EXIT_BANGER;
        if (status == 0)
            status = read_one(cli, args->refs[i], &p, o->user);
        guest_path_done(&p);
    }
    return status;
}

/* ---- write ---- */

struct writing {
    struct cli *cli;
    struct banger_stream *stream;
    uint64_t offset; /* of what comes next */
    bool done;       /* the guest has the file */
};

/* What has come; with wait until there is something. 1: the end. */
static int take(struct writing *w, bool wait, struct banger_error *error)
{
    for (;;) {
        ProtobufCMessage *message = NULL;
        enum banger_next next = banger_stream_next(w->stream, wait ? -1 : 0, &message, error);
        if (next == BANGER_NEXT_ERROR)
            return -1;
        if (next != BANGER_NEXT_MESSAGE)
            return next == BANGER_NEXT_END ? 1 : 0;
        const Banger__V1__WriteFileResponse *r =
            (const Banger__V1__WriteFileResponse *)(void *)message;
        w->done |= r->info != NULL;
        banger_message_free(message);
    }
}

static int send_piece(struct writing *w, const void *data, size_t len, struct banger_error *error)
{
    Banger__V1__FileChunk chunk = BANGER__V1__FILE_CHUNK__INIT;
    Banger__V1__WriteFileRequest request = BANGER__V1__WRITE_FILE_REQUEST__INIT;
    chunk.offset = w->offset;
    chunk.data = (ProtobufCBinaryData){len, (uint8_t *)(uintptr_t)data};
    request.frame_case = BANGER__V1__WRITE_FILE_REQUEST__FRAME_CHUNK;
    request.chunk = &chunk;
    while (!banger_stream_writable(w->stream)) {
        ProtobufCMessage *message = NULL;
        enum banger_next next = banger_stream_next(w->stream, 100, &message, error);
        banger_message_free(next == BANGER_NEXT_MESSAGE ? message : NULL);
        if (next == BANGER_NEXT_ERROR || next == BANGER_NEXT_END)
            return -1;
    }
    w->offset += len;
    return banger_stream_send(w->stream, &request.base, error) < 0 ? -1 : take(w, false, error);
}

static int write_all(struct writing *w, struct banger_error *error)
{
    static uint8_t piece[PIECE_BYTES];
    for (;;) {
        ssize_t n = read(STDIN_FILENO, piece, sizeof(piece));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            cli_usage("read standard input: %s", strerror(errno));
            return 1; /* nothing of it becomes a file */
        }
        if (n == 0)
            break;
        if (send_piece(w, piece, (size_t)n, error) != 0)
            return -1;
    }
    banger_stream_half_close(w->stream);
    return take(w, true, error) < 0 ? -1 : 0;
}

static int file_write(struct cli *cli, const void *values, const struct opt_args *args)
{
    const struct file_options *o = values;
    struct banger_error error = {0};
    struct guest_path p;
    struct writing w = {.cli = cli};
    Banger__V1__WriteFileOpen open = BANGER__V1__WRITE_FILE_OPEN__INIT;
    Banger__V1__WriteFileRequest request = BANGER__V1__WRITE_FILE_REQUEST__INIT;
    char *end = NULL;
    int status = file_parse(&p, args->refs[0]);
    open.mode = o->mode ? (uint32_t)strtoul(o->mode, &end, 8) : 0;
    if (status == 0 && o->mode && (*end || open.mode == 0 || open.mode > 07777))
        status = cli_usage("\"%.40s\" is no mode: an octal number such as 0644", o->mode);
    if (status == 0 && cli_connect(cli) < 0)
        status = EXIT_BANGER;
    if (status == 0) {
        open.vm = p.vm;
        open.path = (char *)p.path;
        open.user = (char *)(o->user ? o->user : "");
        request.frame_case = BANGER__V1__WRITE_FILE_REQUEST__FRAME_OPEN;
        request.open = &open;
        w.stream =
            banger_stream_open(cli->client, "/banger.v1.FileService/WriteFile", NULL, NULL, &error);
        int rc = !w.stream || banger_stream_send(w.stream, &request.base, &error) < 0
                     ? -1
                     : write_all(&w, &error);
        if (rc < 0 || (rc == 0 && !w.done))
            status = cli_fail(&error, "write %s", args->refs[0]);
        else if (rc > 0)
            status = EXIT_BANGER;
        banger_stream_close(w.stream);
    }
    guest_path_done(&p);
    return status;
}

/* ---- watch ---- */

static int print_event(struct cli *cli, ProtobufCMessage *message)
{
    char word[WORD_BYTES];
    const Banger__V1__FileEvent *e = (const Banger__V1__FileEvent *)(void *)message;
    if (!cli_is_table(cli))
        return cli_print_line(cli, message);
    enum_word(word, &banger__v1__file_event_kind__descriptor, (int)e->kind);
    if (e->kind != BANGER__V1__FILE_EVENT_KIND__FILE_EVENT_KIND_READY || cli->options.verbose)
        cli_say(stdout, "%-10s  %s%s%s%s", word, *e->path ? e->path : ".", e->directory ? "/" : "",
                *e->to ? " -> " : "", e->to);
    return cli_end_output(cli);
}

static int file_watch(struct cli *cli, const void *values, const struct opt_args *args)
{
    const struct file_options *o = values;
    struct banger_error error;
    struct guest_path p;
    ProtobufCMessage *message = NULL;
    enum banger_next next = BANGER_NEXT_ERROR;
    Banger__V1__WatchFilesRequest request = BANGER__V1__WATCH_FILES_REQUEST__INIT;
    int status = file_parse(&p, args->refs[0]);
    if (status == 0 && cli_connect(cli) < 0)
        status = EXIT_BANGER;
    if (status == 0) {
        request.vm = p.vm;
        request.path = (char *)p.path;
        request.user = (char *)(o->user ? o->user : "");
        request.recursive = o->recursive;
        struct banger_stream *s = banger_stream_open(
            cli->client, "/banger.v1.FileService/WatchFiles", &request.base, NULL, &error);
        while (s && status == 0 &&
               (next = banger_stream_next(s, -1, &message, &error)) == BANGER_NEXT_MESSAGE) {
            status = print_event(cli, message);
            banger_message_free(message);
        }
        banger_stream_close(s);
        if (status == 0 && next != BANGER_NEXT_END)
            status = cli_fail(&error, "watch %s", args->refs[0]);
    }
    guest_path_done(&p);
    return status;
}

static const struct opt read_opts[] = {FILE_USER_OPT, {.name = NULL}};
static const struct opt write_opts[] = {
    {"mode", 0, OPT_STRING, offsetof(struct file_options, mode), "MODE",
     "default: that of the file that is replaced, or 0644", NULL, NAMES_NONE},
    FILE_USER_OPT,
    {.name = NULL},
};
static const struct opt watch_opts[] = {
    {"recursive", 0, OPT_FLAG, offsetof(struct file_options, recursive), NULL,
     "in all folders below, too", NULL, NAMES_NONE},
    FILE_USER_OPT,
    {.name = NULL},
};

const struct command file_read_command = {"read",
                                          "cat",
                                          "VM:PATH...",
                                          "write content of files to standard output",
                                          NULL,
                                          read_opts,
                                          sizeof(struct file_options),
                                          1,
                                          -1,
                                          false,
                                          NAMES_GUEST_FILE,
                                          file_read};
const struct command file_write_command = {
    "write",
    NULL,
    "VM:PATH",
    "make a file of standard input",
    "It appears under its name when all of it is there, in the place of a file or link of that "
    "name.",
    write_opts,
    sizeof(struct file_options),
    1,
    1,
    false,
    NAMES_GUEST_FILE,
    file_write};
const struct command file_watch_command = {"watch",
                                           NULL,
                                           "VM:PATH",
                                           "say what happens in a folder, until interrupted",
                                           NULL,
                                           watch_opts,
                                           sizeof(struct file_options),
                                           1,
                                           1,
                                           false,
                                           NAMES_GUEST_FILE,
                                           file_watch};
