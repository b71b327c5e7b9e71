/* Channels that are connections: ssh -L, -W, -D and ProxyJump (direct-tcpip), and -R
 * (tcpip-forward), whose listener is in the guest. RFC 4254 7. */
#include "server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <banger/forward.h>

enum { LISTEN_MS = 20000, CONNECTION_FAILED = 125 };

struct connection {
    struct channel channel; /* first */
    struct banger_forward *forward;
    const uint8_t *data; /* of the guest's, that the client has no room for */
    size_t len;
    bool opening; /* the client has not yet taken the channel */
    bool program; /* of the agent's own: has a status at its end */
    char address[256], from[64];
    int port, from_port;
    bool in_ended, out_ended;
};

/* In the guest, for the client. */
struct listener {
    struct list member;
    struct banger_stream *stream;
    char address[256]; /* as the client has called it */
    int port;
};

/* ---- connections ---- */

static void connection_say(const struct connection *c, const struct banger_error *error)
{
    if (c->port)
        fprintf(stderr, "banger: %s port %d: %s\n", c->address[0] ? c->address : "guest", c->port,
                error->message);
    else
        fprintf(stderr, "banger: %s: %s\n", c->address, error->message);
}

static void connection_end(struct connection *c, int status)
{
    c->channel.over = true;
    if (c->program && ssh_channel_is_open(c->channel.ssh))
        ssh_channel_request_send_exit_status(c->channel.ssh, status);
}

static bool connection_take_output(struct connection *c)
{
    struct banger_error error;
    bool moved = false;
    while (!c->channel.over) {
        if (c->len > 0) {
            /* Sent to one that has closed: cut, as a socket would be. */
            c->channel.over = c->in_ended && !ssh_channel_is_open(c->channel.ssh);
            int n = server_channel_write(&c->channel, c->data, c->len, false);
            if (n <= 0)
                return moved;
            c->data += n;
            c->len -= (size_t)n;
            moved = true;
            continue;
        }
        switch (banger_forward_next(c->forward, 0, &c->data, &c->len, &error)) {
        case BANGER_FORWARD_NOTHING:
            return moved;
        case BANGER_FORWARD_END:
            c->out_ended = true;
            ssh_channel_send_eof(c->channel.ssh);
            break;
        case BANGER_FORWARD_CLOSED:
            connection_end(c, 0);
            break;
        case BANGER_FORWARD_ERROR:
            connection_say(c, &error);
            connection_end(c, CONNECTION_FAILED);
            break;
        default:
            break;
        }
        moved = true;
    }
    return moved;
}

static bool connection_take_input(struct connection *c)
{
    static uint8_t data[SERVER_PIECE_BYTES];
    c->channel.lingers = c->in_ended;
    if (c->in_ended)
        return false;
    if (banger_forward_room(c->forward) < sizeof(data))
        return false;
    int n = server_channel_read(&c->channel, data, sizeof(data));
    if (n > 0 && banger_forward_write(c->forward, data, (size_t)n, NULL) != n)
        c->in_ended = true; /* it is over: its news say how */
    if (n < 0) {
        c->in_ended = true;
        banger_forward_end(c->forward);
    }
    return n != 0;
}

/* The client takes the channel that we have opened, or does not. */
static bool connection_is_opening(struct connection *c)
{
    int rc = ssh_channel_open_reverse_forward(c->channel.ssh, c->address, c->port, c->from,
                                              c->from_port);
    if (rc == SSH_AGAIN)
        return true;
    c->opening = false;
    c->channel.over = rc != SSH_OK;
    return c->channel.over;
}

static bool connection_turn(struct channel *channel)
{
    struct connection *c = (struct connection *)channel;
    if (c->opening && connection_is_opening(c))
        return false;
    bool moved = connection_take_output(c);
    return (!channel->over && connection_take_input(c)) || moved;
}

static void connection_done(struct channel *channel)
{
    struct connection *c = (struct connection *)channel;
    banger_forward_close(c->forward);
}

static const struct channel_kind connection_kind = {connection_turn, connection_done};

static struct connection *connection_new(struct server *s, Banger__V1__ForwardOpen *open)
{
    struct banger_error error;
    struct connection *c = s->n_channels < SERVER_CHANNELS ? calloc(1, sizeof(*c)) : NULL;
    if (!c)
        return NULL;
    open->vm = (char *)s->vm;
    open->user = s->user;
    c->forward = banger_forward_open(s->client, open, &error);
    if (c->forward)
        return c;
    free(c);
    return NULL;
}

static const char *guest_host(const char *address)
{
    return !address || strcmp(address, "localhost") == 0 ? "" : address;
}

static int connection_direct(struct server *s, ssh_message message)
{
    Banger__V1__ForwardOpen open = BANGER__V1__FORWARD_OPEN__INIT;
    const char *host = ssh_message_channel_request_open_destination(message);
    int port = ssh_message_channel_request_open_destination_port(message);
    if (!host || port < 1 || port > UINT16_MAX)
        return 1;
    open.host = (char *)guest_host(host);
    open.target_case = BANGER__V1__FORWARD_OPEN__TARGET_TCP_PORT;
    open.tcp_port = (uint32_t)port;
    struct connection *c = connection_new(s, &open);
    ssh_channel channel = c ? ssh_message_channel_request_open_reply_accept(message) : NULL;
    if (!channel) {
        if (c)
            banger_forward_close(c->forward);
        free(c);
        return 1;
    }
    snprintf(c->address, sizeof(c->address), "%s", host);
    c->port = port;
    server_channel_add(s, &c->channel, &connection_kind, channel);
    return 0;
}

bool server_forward_adopt(struct server *s, ssh_channel channel, const char *program)
{
    Banger__V1__ForwardOpen open = BANGER__V1__FORWARD_OPEN__INIT;
    open.target_case = BANGER__V1__FORWARD_OPEN__TARGET_PROGRAM;
    open.program = (char *)program;
    struct connection *c = connection_new(s, &open);
    if (!c)
        return false;
    snprintf(c->address, sizeof(c->address), "%s", program);
    c->program = true;
    server_channel_add(s, &c->channel, &connection_kind, channel);
    return true;
}

/* ---- listeners ---- */

static void listener_free(struct server *s, struct listener *l)
{
    list_remove(&l->member);
    s->n_listeners--;
    banger_stream_close(l->stream);
    free(l);
}

/* Waits for the guest: the client is to be told the port, and libssh wants the answer at once. */
static int listener_begin(struct server *s, ssh_message message)
{
    struct banger_error error = {.message = "no answer"};
    ProtobufCMessage *answer = NULL;
    Banger__V1__ListenRequest request = BANGER__V1__LISTEN_REQUEST__INIT;
    const char *address = ssh_message_global_request_address(message);
    int port = ssh_message_global_request_port(message);
    struct listener *l = s->n_listeners < SERVER_LISTENERS && port >= 0 && port <= UINT16_MAX
                             ? calloc(1, sizeof(*l))
                             : NULL;
    if (!l)
        return 1;
    list_add_tail(&s->listeners, &l->member);
    s->n_listeners++;
    snprintf(l->address, sizeof(l->address), "%s", address ? address : "");
    request.vm = (char *)s->vm;
    request.user = s->user;
    request.host = (char *)guest_host(address);
    request.at_case = BANGER__V1__LISTEN_REQUEST__AT_TCP_PORT;
    request.tcp_port = (uint32_t)port;
    l->stream = banger_stream_open(s->client, "/banger.v1.ForwardService/Listen", &request.base,
                                   NULL, &error);
    if (!l->stream ||
        banger_stream_next(l->stream, LISTEN_MS, &answer, &error) != BANGER_NEXT_MESSAGE) {
        fprintf(stderr, "banger: listen on port %d of the guest: %s\n", port, error.message);
        listener_free(s, l);
        return 1;
    }
    const Banger__V1__ListenResponse *m = (const Banger__V1__ListenResponse *)answer;
    bool is_said = m->event_case == BANGER__V1__LISTEN_RESPONSE__EVENT_LISTENING;
    uint32_t at = is_said ? m->listening->port : (uint32_t)port;
    banger_message_free(answer);
    if (at > UINT16_MAX) { /* the guest's word */
        fprintf(stderr, "banger: listen on port %d of the guest: it says port %u\n", port, at);
        listener_free(s, l);
        return 1;
    }
    l->port = (int)at;
    ssh_message_global_request_reply_success(message, (uint16_t)l->port);
    return 0;
}

static int listener_end(struct server *s, ssh_message message)
{
    const char *address = ssh_message_global_request_address(message);
    list_foreach(i, &s->listeners)
    {
        struct listener *l = container_of(i, struct listener, member);
        if (l->port != ssh_message_global_request_port(message) || !address ||
            strcmp(l->address, address) != 0)
            continue;
        listener_free(s, l);
        ssh_message_global_request_reply_success(message, 0);
        return 0;
    }
    return 1;
}

static void listener_accept(struct server *s, const struct listener *l,
                            const Banger__V1__Accepted *accepted)
{
    Banger__V1__ForwardOpen open = BANGER__V1__FORWARD_OPEN__INIT;
    open.target_case = BANGER__V1__FORWARD_OPEN__TARGET_ACCEPTED;
    open.accepted = accepted->id;
    struct connection *c = connection_new(s, &open);
    ssh_channel channel = c ? ssh_channel_new(s->session) : NULL;
    if (!channel) {
        if (c)
            banger_forward_close(c->forward);
        free(c);
        return;
    }
    snprintf(c->address, sizeof(c->address), "%s", l->address);
    snprintf(c->from, sizeof(c->from), "%s", accepted->address);
    c->port = l->port;
    c->from_port = accepted->port <= UINT16_MAX ? (int)accepted->port : 0;
    c->opening = true;
    server_channel_add(s, &c->channel, &connection_kind, channel);
}

bool server_forward_turn(struct server *s)
{
    bool moved = false;
    list_foreach(i, &s->listeners)
    {
        struct listener *l = container_of(i, struct listener, member);
        struct banger_error error = {.message = "the guest has ended it"};
        ProtobufCMessage *message;
        enum banger_next next;
        while ((next = banger_stream_next(l->stream, 0, &message, &error)) == BANGER_NEXT_MESSAGE) {
            const Banger__V1__ListenResponse *m = (const Banger__V1__ListenResponse *)message;
            if (m->event_case == BANGER__V1__LISTEN_RESPONSE__EVENT_ACCEPTED)
                listener_accept(s, l, m->accepted);
            banger_message_free(message);
            moved = true;
        }
        if (next == BANGER_NEXT_NOTHING)
            continue;
        fprintf(stderr, "banger: listen on port %d of the guest: %s\n", l->port, error.message);
        listener_free(s, l);
    }
    return moved;
}

void server_forward_done(struct server *s)
{
    list_foreach(i, &s->listeners) listener_free(s, container_of(i, struct listener, member));
}

int server_forward_message(ssh_session session, ssh_message message, void *arg)
{
    (void)session;
    struct server *s = arg;
    int type = ssh_message_type(message), kind = ssh_message_subtype(message);
    if (type == SSH_REQUEST_CHANNEL_OPEN && kind == SSH_CHANNEL_DIRECT_TCPIP)
        return connection_direct(s, message);
    if (type == SSH_REQUEST_GLOBAL && kind == SSH_GLOBAL_REQUEST_TCPIP_FORWARD)
        return listener_begin(s, message);
    if (type == SSH_REQUEST_GLOBAL && kind == SSH_GLOBAL_REQUEST_CANCEL_TCPIP_FORWARD)
        return listener_end(s, message);
    return 1;
}
