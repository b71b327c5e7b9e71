/* Methods that stream: what comes is printed as it comes, a document a line; what goes is read from
 * stdin meanwhile. */
#include "call.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include <banger/json.h>

struct exchange {
    struct cli *cli;
    const struct banger_method *method;
    struct banger_stream *stream;
    struct call_input input;
    bool ended;  /* no more comes from stdin */
    bool closed; /* nothing more is sent: the server knows, or did not ask */
};

/* Prints the next message, if there is one. An error is printed, too. */
static enum banger_next exchange_take(struct exchange *x)
{
    ProtobufCMessage *message = NULL;
    struct banger_error error;
    enum banger_next next = banger_stream_next(x->stream, 0, &message, &error);
    if (next == BANGER_NEXT_ERROR)
        cli_fail(&error, "call %s", call_name(x->method));
    if (next != BANGER_NEXT_MESSAGE)
        return next;
    int status = banger_method_server_streams(x->method) ? cli_print_line(x->cli, message)
                                                         : cli_print_message(x->cli, message);
    banger_message_free(message);
    return status == 0 ? BANGER_NEXT_MESSAGE : BANGER_NEXT_ERROR;
}

/* Sends the whole documents that there are, while they are taken. */
static int exchange_send(struct exchange *x)
{
    const char *document;
    size_t len;
    int found = 0;
    while (!x->closed && banger_stream_writable(x->stream) &&
           (found = call_input_next(&x->input, &document, &len)) > 0) {
        struct banger_error error;
        ProtobufCMessage *message =
            banger_message_from_json(banger_method_request(x->method), document, len, &error);
        int sent = message ? banger_stream_send(x->stream, message, &error) : -1;
        if (!message)
            cli_fail(&error, "call %s", call_name(x->method));
        banger_message_free(message);
        if (!message)
            return -1;
        if (sent < 0)
            x->closed = true; /* it is over: how, the stream says */
    }
    if (found < 0)
        return -1;
    if (x->ended && !x->closed && found == 0 && banger_stream_writable(x->stream)) {
        if (call_input_is_broken(&x->input))
            return cli_usage("call: the last JSON document has no end"), -1;
        banger_stream_half_close(x->stream);
        x->closed = true;
    }
    return 0;
}

static int exchange_read(struct exchange *x)
{
    char piece[65536];
    ssize_t n = read(STDIN_FILENO, piece, sizeof(piece));
    if (n < 0 && errno != EINTR && errno != EAGAIN)
        return cli_usage("read standard input: %s", strerror(errno)), -1;
    x->ended = n == 0;
    return n > 0 ? call_input_add(&x->input, piece, (size_t)n) : 0;
}

/* Both ways at once, until the server has ended the call. */
static int exchange_run(struct exchange *x)
{
    for (;;) {
        enum banger_next next;
        if (exchange_send(x) < 0)
            return EXIT_BANGER;
        while ((next = exchange_take(x)) == BANGER_NEXT_MESSAGE)
            ;
        if (next != BANGER_NEXT_NOTHING)
            return next == BANGER_NEXT_END ? 0 : EXIT_BANGER;
        bool reads = !x->ended && !x->closed && banger_stream_writable(x->stream);
        struct pollfd fds[] = {{.fd = banger_fd(x->cli->client), .events = POLLIN},
                               {.fd = reads ? STDIN_FILENO : -1, .events = POLLIN}};
        if (poll(fds, 2, -1) < 0 && errno != EINTR)
            return cli_usage("poll: %s", strerror(errno));
        if (fds[1].revents && exchange_read(x) < 0)
            return EXIT_BANGER;
        banger_process(x->cli->client, NULL); /* what is lost shows in the stream */
    }
}

int call_stream(struct cli *cli, const struct banger_method *method, struct banger_call *call,
                const struct call_text *text)
{
    struct exchange x = {.cli = cli, .method = method};
    struct banger_error error;
    ProtobufCMessage *request = NULL;
    int status = EXIT_BANGER;
    x.closed = !banger_method_client_streams(method);
    x.ended = text->data != NULL;
    if (x.closed) {
        request =
            banger_message_from_json(banger_method_request(method), text->data, text->len, &error);
        if (!request)
            return cli_fail(&error, "call %s", call_name(method));
    } else if (text->data && call_input_add(&x.input, text->data, text->len) < 0) {
        return EXIT_BANGER;
    }
    x.stream = banger_stream_open(cli->client, banger_method_path(method), request, call, &error);
    banger_message_free(request);
    if (x.stream)
        status = exchange_run(&x);
    else
        cli_fail(&error, "call %s", call_name(method));
    banger_stream_close(x.stream);
    call_input_done(&x.input);
    return status;
}
