/* See relay.h. */
#include "relay.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <banger/forward.h>

#include "relay_socket.h"

enum {
    RELAY_BYTES = 64 * 1024,
    RELAY_LISTENERS = 256,
    RELAY_CONNECTIONS = 512,
    RELAY_LISTEN_MS = 30000, /* for the guest to say that it listens */
};

struct listener {
    int fd; /* -1: given up */
    uint16_t port;
    struct relay_end there;
};

/* In the guest. */
struct remote_listener {
    struct banger_stream *stream;
    struct relay_end there, here;
};

struct connection {
    int in, out; /* the same but for stdio */
    struct relay_end there;
    struct banger_forward *forward;
    const uint8_t *data; /* of the guest's, that out has not taken */
    size_t len;
    bool in_ended, out_ended, over;
    bool failed;
};

struct relay {
    struct cli *cli;
    const char *vm, *user;
    struct listener listeners[RELAY_LISTENERS];
    size_t n_listeners;
    struct remote_listener remotes[RELAY_LISTENERS];
    size_t n_remotes;
    struct connection *connections[RELAY_CONNECTIONS];
    size_t n_connections;
    bool stdio;
    int status;
    struct pollfd polled[1 + RELAY_LISTENERS + 2 * RELAY_CONNECTIONS];
};

struct relay *relay_new(struct cli *cli, const char *vm, const char *user)
{
    struct relay *r = calloc(1, sizeof(*r));
    if (!r) {
        cli_usage("out of memory");
        return NULL;
    }
    signal(SIGPIPE, SIG_IGN);
    r->cli = cli;
    r->vm = vm;
    r->user = user;
    return r;
}

/* ---- connections ---- */

static void connection_free(struct connection *c)
{
    banger_forward_close(c->forward);
    if (c->in > STDERR_FILENO) {
        if (c->failed)
            relay_socket_reset(c->in);
        else
            close(c->in);
    }
    free(c);
}

static void connection_fail(struct connection *c, const struct banger_error *error)
{
    char text[RELAY_END_BYTES];
    c->failed = c->over = true;
    cli_fail(error, "%s",
             c->there.host[0] || c->there.port || c->there.path[0] ? relay_end_text(text, &c->there)
                                                                   : "a connection of the guest");
}

/* fd is the connection's from here on; accepted: an id of the guest's, or NULL for `there`. */
static int relay_connect(struct relay *r, int in, int out, const struct relay_end *there,
                         const char *accepted)
{
    struct banger_error error = {.code = BANGER_RESOURCE_EXHAUSTED,
                                 .message = "too many connections at once"};
    Banger__V1__ForwardOpen open = BANGER__V1__FORWARD_OPEN__INIT;
    struct connection *c = calloc(1, sizeof(*c));
    if (!c) {
        close(in);
        return cli_usage("out of memory");
    }
    *c = (struct connection){.in = in, .out = out, .there = *there};
    open.vm = (char *)r->vm;
    if (r->user)
        open.user = (char *)r->user;
    open.host = c->there.host;
    open.target_case = BANGER__V1__FORWARD_OPEN__TARGET_TCP_PORT;
    open.tcp_port = there->port;
    if (there->path[0]) {
        open.target_case = BANGER__V1__FORWARD_OPEN__TARGET_UNIX_PATH;
        open.unix_path = c->there.path;
    }
    if (accepted) {
        open.target_case = BANGER__V1__FORWARD_OPEN__TARGET_ACCEPTED;
        open.accepted = (char *)accepted;
    }
    if (r->n_connections < RELAY_CONNECTIONS)
        c->forward = banger_forward_open(r->cli->client, &open, &error);
    if (!c->forward) {
        connection_fail(c, &error);
        connection_free(c);
        return EXIT_BANGER;
    }
    r->connections[r->n_connections++] = c;
    return 0;
}

static void connection_write(struct connection *c)
{
    while (c->len > 0) {
        ssize_t n = write(c->out, c->data, c->len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno != EAGAIN)
            c->failed = c->over = true; /* whoever read from us has gone */
        if (n < 0)
            return;
        c->data += n;
        c->len -= (size_t)n;
    }
}

static void connection_end_output(struct connection *c)
{
    c->out_ended = true;
    if (c->in == c->out)
        shutdown(c->out, SHUT_WR);
    else
        close(c->out);
}

/* Takes news while what they bring can be passed on. */
static void connection_drain(struct connection *c)
{
    struct banger_error error;
    while (c->len == 0 && !c->over) {
        switch (banger_forward_next(c->forward, 0, &c->data, &c->len, &error)) {
        case BANGER_FORWARD_NOTHING:
            return;
        case BANGER_FORWARD_DATA:
            connection_write(c);
            break;
        case BANGER_FORWARD_END:
            connection_end_output(c);
            break;
        case BANGER_FORWARD_CLOSED:
            c->over = true;
            break;
        case BANGER_FORWARD_ERROR:
            connection_fail(c, &error);
            break;
        default:
            break;
        }
    }
}

static bool connection_wants_input(const struct connection *c)
{
    return !c->in_ended && !c->over && banger_forward_room(c->forward) >= RELAY_BYTES;
}

static void connection_read(struct connection *c)
{
    static uint8_t data[RELAY_BYTES];
    ssize_t n = read(c->in, data, sizeof(data));
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n < 0) {
        c->failed = c->over = true;
    } else if (n == 0) {
        c->in_ended = true;
        banger_forward_end(c->forward);
    } else if (banger_forward_write(c->forward, data, (size_t)n, NULL) != n) {
        c->in_ended = true; /* it is over: the next news say how */
    }
}

/* ---- listeners ---- */

int relay_listen(struct relay *r, const struct relay_end *here, const struct relay_end *there,
                 uint16_t *bound, bool quiet)
{
    if (r->n_listeners == RELAY_LISTENERS)
        return quiet ? EXIT_BANGER : cli_usage("%d listeners are too many", RELAY_LISTENERS + 1);
    int fd = relay_socket_listen(here, bound, quiet);
    if (fd < 0)
        return EXIT_BANGER;
    r->listeners[r->n_listeners++] = (struct listener){fd, *bound, *there};
    return 0;
}

bool relay_unlisten(struct relay *r, uint16_t there)
{
    for (size_t i = 0; i < r->n_listeners; i++) {
        struct listener *l = &r->listeners[i];
        if (l->there.path[0] || l->there.port != there)
            continue;
        close(l->fd);
        *l = r->listeners[--r->n_listeners];
        return true;
    }
    return false;
}

uint16_t relay_port_here(const struct relay *r, uint16_t there)
{
    for (size_t i = 0; i < r->n_listeners; i++)
        if (!r->listeners[i].there.path[0] && r->listeners[i].there.port == there)
            return r->listeners[i].port;
    return 0;
}

bool relay_port_is_ours(const struct relay *r, uint16_t port)
{
    for (size_t i = 0; i < r->n_listeners; i++)
        if (r->listeners[i].port == port)
            return true;
    return false;
}

int relay_listen_there(struct relay *r, const struct relay_end *there, const struct relay_end *here,
                       uint16_t *bound)
{
    char text[RELAY_END_BYTES];
    struct banger_error error = {.code = BANGER_DEADLINE_EXCEEDED, .message = "no answer"};
    Banger__V1__ListenRequest request = BANGER__V1__LISTEN_REQUEST__INIT;
    ProtobufCMessage *message = NULL;
    if (r->n_remotes == RELAY_LISTENERS)
        return cli_usage("%d listeners are too many", RELAY_LISTENERS + 1);
    struct remote_listener *l = &r->remotes[r->n_remotes];
    *l = (struct remote_listener){.there = *there, .here = *here};
    request.vm = (char *)r->vm;
    if (r->user)
        request.user = (char *)r->user;
    request.host = l->there.host;
    request.at_case = BANGER__V1__LISTEN_REQUEST__AT_TCP_PORT;
    request.tcp_port = there->port;
    if (there->path[0]) {
        request.at_case = BANGER__V1__LISTEN_REQUEST__AT_UNIX_PATH;
        request.unix_path = l->there.path;
    }
    l->stream = banger_stream_open(r->cli->client, "/banger.v1.ForwardService/Listen",
                                   &request.base, NULL, &error);
    if (!l->stream ||
        banger_stream_next(l->stream, RELAY_LISTEN_MS, &message, &error) != BANGER_NEXT_MESSAGE) {
        banger_stream_close(l->stream);
        return cli_fail(&error, "listen on %s of %s", relay_end_text(text, there), r->vm);
    }
    const Banger__V1__ListenResponse *m = (const Banger__V1__ListenResponse *)message;
    *bound = m->event_case == BANGER__V1__LISTEN_RESPONSE__EVENT_LISTENING
                 ? (uint16_t)m->listening->port
                 : there->port;
    r->n_remotes++;
    banger_message_free(message);
    return 0;
}

static void remote_accept(struct relay *r, const struct remote_listener *l, const char *id)
{
    const struct relay_end none = {.port = 0};
    int fd = relay_socket_dial(&l->here);
    if (fd >= 0) /* else the guest's side is closed when nobody has fetched it */
        relay_connect(r, fd, fd, &none, id);
}

/* False: it has ended, which is told. */
static bool remote_drain(struct relay *r, struct remote_listener *l)
{
    char text[RELAY_END_BYTES];
    struct banger_error error = {.code = BANGER_UNAVAILABLE, .message = "the guest has ended it"};
    for (;;) {
        ProtobufCMessage *message;
        enum banger_next next = banger_stream_next(l->stream, 0, &message, &error);
        if (next == BANGER_NEXT_NOTHING)
            return true;
        if (next != BANGER_NEXT_MESSAGE) {
            cli_fail(&error, "listen on %s of %s", relay_end_text(text, &l->there), r->vm);
            return false;
        }
        const Banger__V1__ListenResponse *m = (const Banger__V1__ListenResponse *)message;
        if (m->event_case == BANGER__V1__LISTEN_RESPONSE__EVENT_ACCEPTED)
            remote_accept(r, l, m->accepted->id);
        banger_message_free(message);
    }
}

int relay_stdio(struct relay *r, const struct relay_end *there)
{
    r->stdio = true;
    return relay_connect(r, STDIN_FILENO, STDOUT_FILENO, there, NULL);
}

/* ---- the loop ---- */

static void relay_accept(struct relay *r, struct listener *l)
{
    int fd = relay_socket_accept(l->fd);
    if (fd >= 0)
        relay_connect(r, fd, fd, &l->there, NULL);
}

/* What has ended leaves. */
static void relay_sweep(struct relay *r)
{
    for (size_t i = 0; i < r->n_connections; i++) {
        struct connection *c = r->connections[i];
        if (!c->over || (c->len > 0 && !c->failed))
            continue;
        r->status = c->failed ? EXIT_BANGER : 0;
        connection_free(c);
        r->connections[i--] = r->connections[--r->n_connections];
    }
}

static struct pollfd relay_wait_for(int fd, short events)
{
    return (struct pollfd){.fd = events ? fd : -1, .events = events};
}

static void relay_wait(struct relay *r)
{
    size_t n = 0, n_connections = r->n_connections, n_listeners = r->n_listeners;
    struct banger_client *client = r->cli->client;
    r->polled[n++] =
        (struct pollfd){.fd = banger_fd(client), .events = banger_wanted_events(client)};
    for (size_t i = 0; i < n_listeners; i++)
        r->polled[n++] = relay_wait_for(r->listeners[i].fd, POLLIN);
    for (size_t i = 0; i < n_connections; i++) {
        struct connection *c = r->connections[i];
        r->polled[n++] = relay_wait_for(c->in, connection_wants_input(c) ? POLLIN : 0);
        r->polled[n++] = relay_wait_for(c->out, c->len > 0 ? POLLOUT : 0);
    }
    if (poll(r->polled, n, banger_next_timeout(client)) < 0)
        return;
    const struct pollfd *of_connections = r->polled + 1 + n_listeners;
    for (size_t i = 0; i < n_connections; i++) {
        struct connection *c = r->connections[i];
        if (of_connections[2 * i].revents)
            connection_read(c);
        if (of_connections[2 * i + 1].revents)
            connection_write(c);
    }
    for (size_t i = 0; i < n_listeners; i++)
        if (r->polled[1 + i].revents)
            relay_accept(r, &r->listeners[i]);
    (void)banger_process(client, NULL); /* a lost connection shows in its forwards */
}

int relay_run(struct relay *r, relay_turn_fn *turn, void *arg)
{
    int status = 0;
    for (;;) {
        for (size_t i = 0; i < r->n_connections; i++)
            connection_drain(r->connections[i]);
        relay_sweep(r);
        for (size_t i = 0; i < r->n_remotes; i++)
            if (!remote_drain(r, &r->remotes[i]))
                return EXIT_BANGER;
        if (r->stdio && r->n_connections == 0)
            return r->status;
        if (turn && (status = turn(arg)) != 0)
            return status;
        relay_wait(r);
    }
}

void relay_free(struct relay *r)
{
    if (!r)
        return;
    for (size_t i = 0; i < r->n_connections; i++)
        connection_free(r->connections[i]);
    for (size_t i = 0; i < r->n_remotes; i++)
        banger_stream_close(r->remotes[i].stream);
    for (size_t i = 0; i < r->n_listeners; i++)
        close(r->listeners[i].fd);
    free(r);
}
