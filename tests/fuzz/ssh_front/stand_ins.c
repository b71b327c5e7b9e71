/* See front.h. */
#include "front.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <banger/attach.h>
#include <banger/forward.h>

enum { TEXTS_MAX = 64 };

static const uint8_t *input;
static size_t left;
static char *texts[TEXTS_MAX];
static size_t n_texts;
int front_open;

void front_must(bool ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "broken promise: %s\n", what);
    abort();
}

void front_input(const uint8_t *data, size_t size)
{
    input = data;
    left = size;
}

uint8_t front_byte(void)
{
    if (left == 0)
        return 0;
    left--;
    return *input++;
}

int front_int(void)
{
    uint32_t value = 0;
    for (int i = 0; i < 4; i++)
        value = value << 8 | front_byte();
    return (int)value;
}

const char *front_text(void)
{
    size_t len = (size_t)front_byte() << 4, at = 0;
    char *text = n_texts < TEXTS_MAX ? malloc(len + 1) : NULL;
    if (!text)
        return "";
    while (at < len && left > 0 && (text[at] = (char)front_byte()))
        at++;
    text[at] = '\0';
    texts[n_texts++] = text;
    return text;
}

void front_done(void)
{
    while (n_texts > 0)
        free(texts[--n_texts]);
}

/* --- the rest of the front ----------------------------------------------------------------------
 */

void server_channel_add(struct server *server, struct channel *channel,
                        const struct channel_kind *kind, ssh_channel ssh)
{
    channel->server = server;
    channel->kind = kind;
    channel->ssh = ssh;
    list_add_tail(&server->channels, &channel->member);
    server->n_channels++;
}

int server_channel_write(struct channel *channel, const void *data, size_t len, bool is_stderr)
{
    (void)is_stderr;
    front_must(channel->ssh && (data || len == 0), "it writes to a channel");
    size_t room = front_byte();
    return (int)(room < len ? room : len);
}

int server_channel_read(struct channel *channel, void *data, size_t size)
{
    front_must(channel->ssh != NULL, "it reads of a channel");
    int n = front_byte();
    if (n == 255)
        return -1;
    n = (size_t)n < size ? n : (int)size;
    memset(data, 'x', (size_t)n);
    return n;
}

/* What is sent can be packed: its strings are there. */
static void check_message(const ProtobufCMessage *m)
{
    size_t size = protobuf_c_message_get_packed_size(m);
    uint8_t *packed = malloc(size + 1);
    front_must(packed && protobuf_c_message_pack(m, packed) == size, "a request that is whole");
    free(packed);
}

void server_tell(struct server *server, const char *method, const ProtobufCMessage *request)
{
    (void)server;
    (void)method;
    check_message(request);
}

/* --- libssh
 * --------------------------------------------------------------------------------------- */

ssh_channel ssh_channel_new(ssh_session session)
{
    (void)session;
    return front_byte() == 255 ? NULL : calloc(1, sizeof(struct ssh_channel_struct));
}

int ssh_set_channel_callbacks(ssh_channel channel, ssh_channel_callbacks cb)
{
    channel->callbacks = cb;
    return SSH_OK;
}

int ssh_remove_channel_callbacks(ssh_channel channel, ssh_channel_callbacks cb)
{
    front_must(channel->callbacks == cb, "its own callbacks");
    channel->callbacks = NULL;
    return SSH_OK;
}

int ssh_channel_is_open(ssh_channel channel)
{
    return channel && !channel->closed && front_byte() != 255;
}

int ssh_channel_close(ssh_channel channel)
{
    channel->closed = true;
    return SSH_OK;
}

int ssh_channel_send_eof(ssh_channel channel)
{
    front_must(channel != NULL, "an end of a channel");
    return SSH_OK;
}

int ssh_channel_request_send_exit_status(ssh_channel channel, int status)
{
    front_must(channel && status >= 0 && status <= 255, "a status that is one");
    return SSH_OK;
}

int ssh_channel_open_reverse_forward(ssh_channel channel, const char *host, int port,
                                     const char *from, int from_port)
{
    front_must(channel && host && from && port >= 0 && port <= UINT16_MAX && from_port >= 0 &&
                   from_port <= UINT16_MAX,
               "a channel of ours");
    return front_byte() % 3 == 0 ? SSH_AGAIN : front_byte() % 2 ? SSH_OK : SSH_ERROR;
}

int ssh_message_type(ssh_message message)
{
    return message->type;
}

int ssh_message_subtype(ssh_message message)
{
    return message->subtype;
}

const char *ssh_message_channel_request_open_destination(ssh_message message)
{
    return message->text;
}

int ssh_message_channel_request_open_destination_port(ssh_message message)
{
    return message->port;
}

const char *ssh_message_global_request_address(ssh_message message)
{
    return message->text;
}

int ssh_message_global_request_port(ssh_message message)
{
    return message->port;
}

ssh_channel ssh_message_channel_request_open_reply_accept(ssh_message message)
{
    message->answers++;
    return ssh_channel_new(NULL);
}

int ssh_message_global_request_reply_success(ssh_message message, uint16_t port)
{
    (void)port;
    message->answers++;
    return SSH_OK;
}

/* --- libbanger
 * ------------------------------------------------------------------------------------ */

struct banger_stream {
    bool listens;
};
struct banger_attach {
    int dummy;
};
struct banger_forward {
    int dummy;
};

static int fail(struct banger_error *error)
{
    memset(error, 0, sizeof(*error));
    snprintf(error->message, sizeof(error->message), "%s", front_text());
    return -1;
}

struct banger_stream *banger_stream_open(struct banger_client *client, const char *path,
                                         const ProtobufCMessage *request, struct banger_call *call,
                                         struct banger_error *error)
{
    (void)client;
    (void)call;
    check_message(request);
    if (front_byte() == 255) {
        fail(error);
        return NULL;
    }
    struct banger_stream *s = calloc(1, sizeof(*s));
    s->listens = strstr(path, "Listen") != NULL;
    front_open++;
    return s;
}

static ProtobufCMessage *new_listen_response(void)
{
    Banger__V1__ListenResponse *m = calloc(1, sizeof(*m));
    banger__v1__listen_response__init(m);
    if (front_byte() % 2) {
        m->event_case = BANGER__V1__LISTEN_RESPONSE__EVENT_LISTENING;
        m->listening = calloc(1, sizeof(*m->listening));
        banger__v1__listening__init(m->listening);
        m->listening->port = (uint32_t)front_int();
    } else {
        m->event_case = BANGER__V1__LISTEN_RESPONSE__EVENT_ACCEPTED;
        m->accepted = calloc(1, sizeof(*m->accepted));
        banger__v1__accepted__init(m->accepted);
        m->accepted->address = strdup(front_text());
        m->accepted->port = (uint32_t)front_int();
    }
    return &m->base;
}

static ProtobufCMessage *new_session(void)
{
    Banger__V1__GuestSession *m = calloc(1, sizeof(*m));
    banger__v1__guest_session__init(m);
    m->id = strdup("0123456789abcdef");
    m->last_error = strdup(front_text());
    m->state = (Banger__V1__SessionState)(front_byte() % 8);
    return &m->base;
}

enum banger_next banger_stream_next(struct banger_stream *stream, int64_t timeout_ms,
                                    ProtobufCMessage **message, struct banger_error *error)
{
    *message = NULL;
    switch (front_byte() % 4) {
    case 0:
        if (timeout_ms == 0)
            return BANGER_NEXT_NOTHING;
        fail(error);
        return BANGER_NEXT_ERROR;
    case 1:
        fail(error);
        return BANGER_NEXT_ERROR;
    case 2:
        return BANGER_NEXT_END;
    default:
        *message = stream->listens ? new_listen_response() : new_session();
        return BANGER_NEXT_MESSAGE;
    }
}

void banger_stream_close(struct banger_stream *stream)
{
    front_open -= stream != NULL;
    free(stream);
}

void banger_message_free(ProtobufCMessage *message)
{
    if (message)
        protobuf_c_message_free_unpacked(message, NULL);
}

struct banger_attach *banger_attach_open(struct banger_client *client, const char *session,
                                         struct banger_error *error)
{
    (void)client;
    front_must(session != NULL, "an attach to a session");
    if (front_byte() == 255) {
        fail(error);
        return NULL;
    }
    front_open++;
    return calloc(1, sizeof(struct banger_attach));
}

void banger_attach_set_role(struct banger_attach *attach, Banger__V1__AttachRole role)
{
    front_must(attach && role, "a role");
}

void banger_attach_set_hold(struct banger_attach *attach, bool hold)
{
    front_must(attach && hold, "it holds");
}

int banger_attach_next(struct banger_attach *attach, int64_t timeout_ms, struct banger_frame *frame,
                       struct banger_error *error)
{
    static const uint8_t output[256];
    static Banger__V1__SessionExit end;
    front_must(attach && timeout_ms == 0, "it does not wait");
    memset(frame, 0, sizeof(*frame));
    uint8_t what = front_byte();
    if (what == 0)
        return 0;
    if (what == 255)
        return fail(error);
    frame->kind = (enum banger_frame_kind)(what % 11);
    frame->stream = 1 + what % 2;
    frame->data = output;
    frame->len = what;
    frame->reason = front_text();
    frame->closed = what % 3 == 0;
    banger__v1__session_exit__init(&end);
    end.kind_case = BANGER__V1__SESSION_EXIT__KIND_CODE;
    end.code = what;
    frame->exit = &end;
    return 1;
}

ssize_t banger_attach_write(struct banger_attach *attach, const void *data, size_t len,
                            struct banger_error *error)
{
    (void)error;
    front_must(attach && data, "it writes to an attach");
    return front_byte() == 255 ? -1 : (ssize_t)len;
}

size_t banger_attach_room(const struct banger_attach *attach)
{
    front_must(attach != NULL, "room of an attach");
    return front_byte();
}

void banger_attach_write_eof(struct banger_attach *attach)
{
    front_must(attach != NULL, "an end of an attach's stdin");
}

int banger_attach_signal(struct banger_attach *attach, int signo, Banger__V1__SignalTarget target,
                         struct banger_error *error)
{
    (void)error;
    front_must(attach && signo > 0 && signo < 65 && target, "a signal");
    return 0;
}

int banger_attach_resize(struct banger_attach *attach, uint32_t rows, uint32_t columns,
                         struct banger_error *error)
{
    (void)error;
    front_must(attach && rows >= 1 && columns >= 1 && rows <= 65535 && columns <= 65535,
               "a terminal has a size");
    return 0;
}

void banger_attach_detach(struct banger_attach *attach)
{
    front_must(attach != NULL, "an attach to leave");
}

void banger_attach_close(struct banger_attach *attach)
{
    front_open -= attach != NULL;
    free(attach);
}

int banger_exit_status(const Banger__V1__SessionExit *exit)
{
    return exit->code & 255;
}

struct banger_forward *banger_forward_open(struct banger_client *client,
                                           const Banger__V1__ForwardOpen *open,
                                           struct banger_error *error)
{
    (void)client;
    check_message(&open->base);
    if (front_byte() == 255) {
        fail(error);
        return NULL;
    }
    front_open++;
    return calloc(1, sizeof(struct banger_forward));
}

enum banger_forward_news banger_forward_next(struct banger_forward *forward, int64_t timeout_ms,
                                             const uint8_t **data, size_t *len,
                                             struct banger_error *error)
{
    static const uint8_t output[256];
    front_must(forward && timeout_ms == 0, "it does not wait");
    uint8_t what = front_byte();
    *data = output;
    *len = what;
    if (what == 0)
        return BANGER_FORWARD_NOTHING;
    if (what == 255) {
        fail(error);
        return BANGER_FORWARD_ERROR;
    }
    return what % 7 == 0   ? BANGER_FORWARD_END
           : what % 7 == 1 ? BANGER_FORWARD_CLOSED
                           : BANGER_FORWARD_DATA;
}

size_t banger_forward_room(struct banger_forward *forward)
{
    front_must(forward != NULL, "room of a forward");
    return front_byte() * 1024U;
}

ssize_t banger_forward_write(struct banger_forward *forward, const void *data, size_t len,
                             struct banger_error *error)
{
    (void)error;
    front_must(forward && data, "it writes to a forward");
    return front_byte() == 255 ? -1 : (ssize_t)len;
}

void banger_forward_end(struct banger_forward *forward)
{
    front_must(forward != NULL, "an end of a forward");
}

void banger_forward_close(struct banger_forward *forward)
{
    front_open -= forward != NULL;
    free(forward);
}
