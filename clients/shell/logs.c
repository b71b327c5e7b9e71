/* Printing of a VM's console, and writing all of something. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "stream.h"

int stream_write_all(int fd, const void *data, size_t len)
{
    const char *at = data;
    while (len > 0) {
        ssize_t n = write(fd, at, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        at += n;
        len -= (size_t)n;
    }
    return 0;
}

typedef int chunk_fn(const ProtobufCMessage *message);

/* Prints until the stream ends. SIGPIPE and SIGINT end us as they end any Unix tool. */
static int stream_print(struct cli *cli, const char *label, const char *method,
                        const ProtobufCMessage *request, chunk_fn *print)
{
    struct banger_error error;
    struct banger_stream *stream = banger_stream_open(cli->client, method, request, NULL, &error);
    if (!stream)
        return cli_fail(&error, "%s", label);
    fflush(stdout);
    int status = 0;
    enum banger_next next;
    ProtobufCMessage *message;
    while (status == 0 &&
           (next = banger_stream_next(stream, -1, &message, &error)) != BANGER_NEXT_END) {
        if (next == BANGER_NEXT_ERROR)
            status = cli_fail(&error, "%s", label);
        else if (!cli_is_table(cli))
            status = cli_print_line(cli, message);
        else if (print(message) < 0)
            status = cli_usage("write: %s", strerror(errno));
        banger_message_free(message);
    }
    banger_stream_close(stream);
    return status;
}

static int print_console_chunk(const ProtobufCMessage *message)
{
    const Banger__V1__ConsoleChunk *chunk = (const Banger__V1__ConsoleChunk *)message;
    return stream_write_all(STDOUT_FILENO, chunk->data.data, chunk->data.len);
}

int stream_print_console(struct cli *cli, const char *vm,
                         const Banger__V1__ReadConsoleRequest *request)
{
    return stream_print(cli, vm, "/banger.v1.VMService/ReadConsole", &request->base,
                        print_console_chunk);
}
