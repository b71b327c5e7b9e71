/* See server.h: the connection, its channels, the loop. */
#include "server.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
    GREETING_MS = 30000, /* for the client to be let in */
    FAREWELL_MS = 2000,  /* for the last words, both ways */
    FAREWELL_TURN_MS = 50,
};

/* A call whose answer does not matter. */
struct call {
    struct list member;
    struct banger_stream *stream;
};

static long long now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

/* ---- channels ---- */

void server_channel_add(struct server *s, struct channel *c, const struct channel_kind *kind,
                        ssh_channel ssh)
{
    c->kind = kind;
    c->server = s;
    c->ssh = ssh;
    list_add_tail(&s->channels, &c->member);
    s->n_channels++;
}

static void server_channel_free(struct channel *c)
{
    list_remove(&c->member);
    c->server->n_channels--;
    c->kind->done(c);
    if (c->ssh) {
        ssh_channel_free(c->ssh); /* closes it, where it is open */
    }
    free(c);
}

int server_channel_write(struct channel *c, const void *data, size_t len, bool is_stderr)
{
    uint32_t room = ssh_channel_window_size(c->ssh);
    uint32_t n = len < SERVER_PIECE_BYTES ? (uint32_t)len : SERVER_PIECE_BYTES;
    n = n < room ? n : room;
    if (!ssh_channel_is_open(c->ssh))
        return -1;
    if (n == 0)
        return 0;
    int rc =
        is_stderr ? ssh_channel_write_stderr(c->ssh, data, n) : ssh_channel_write(c->ssh, data, n);
    return rc == SSH_AGAIN ? 0 : rc;
}

int server_channel_read(struct channel *c, void *data, size_t size)
{
    int n = ssh_channel_read_nonblocking(c->ssh, data, (uint32_t)size, 0);
    if (n > 0)
        return n;
    return n == SSH_EOF || n == SSH_ERROR || !ssh_channel_is_open(c->ssh) ||
                   ssh_channel_is_eof(c->ssh)
               ? -1
               : 0;
}

/* ---- calls ---- */

void server_tell(struct server *s, const char *method, const ProtobufCMessage *request)
{
    struct call *call = calloc(1, sizeof(*call));
    if (call)
        call->stream = banger_stream_open(s->client, method, request, NULL, NULL);
    if (!call || !call->stream) {
        free(call);
        return;
    }
    list_add_tail(&s->calls, &call->member);
}

static void server_drain_calls(struct server *s, bool all)
{
    list_foreach(l, &s->calls)
    {
        struct call *call = container_of(l, struct call, member);
        ProtobufCMessage *message;
        enum banger_next next;
        while ((next = banger_stream_next(call->stream, 0, &message, NULL)) == BANGER_NEXT_MESSAGE)
            banger_message_free(message);
        if (next == BANGER_NEXT_NOTHING && !all)
            continue;
        banger_stream_close(call->stream);
        list_remove(&call->member);
        free(call);
    }
}

/* ---- the loop ---- */

static void server_wait(struct server *s, int most_ms)
{
    struct pollfd fds[PUMP_FDS + 2];
    int flags = ssh_get_poll_flags(s->session), timeout = banger_next_timeout(s->client);
    pump_wants(&s->pump, fds);
    fds[PUMP_FDS] = (struct pollfd){.fd = banger_fd(s->client), .events = POLLIN};
    fds[PUMP_FDS + 1] =
        (struct pollfd){.fd = ssh_get_fd(s->session),
                        .events = (short)(POLLIN | (flags & SSH_WRITE_PENDING ? POLLOUT : 0))};
    if (most_ms >= 0 && (timeout < 0 || most_ms < timeout))
        timeout = most_ms;
    if (poll(fds, PUMP_FDS + 2, timeout) < 0 && errno != EINTR)
        return;
    pump_turn(&s->pump);
    if (fds[PUMP_FDS].revents || timeout >= 0)
        (void)banger_process(s->client, NULL); /* a lost connection shows in its calls */
}

static void server_turn_channels(struct server *s)
{
    bool moved;
    do {
        moved = server_forward_turn(s);
        list_foreach(l, &s->channels)
        {
            struct channel *c = container_of(l, struct channel, member);
            moved |= !c->over && c->kind->turn(c);
        }
        list_foreach(l, &s->channels)
        {
            struct channel *c = container_of(l, struct channel, member);
            if (c->over)
                server_channel_free(c);
        }
    } while (moved);
    server_drain_calls(s, false);
}

static bool server_is_connected(struct server *s)
{
    return ssh_is_connected(s->session) &&
           !(ssh_get_status(s->session) & (SSH_CLOSED | SSH_CLOSED_ERROR));
}

static void server_serve(struct server *s)
{
    while (server_is_connected(s)) {
        if (ssh_event_dopoll(s->event, 0) == SSH_ERROR)
            return;
        server_turn_channels(s);
        pump_turn(&s->pump);
        if (pump_has_ended(&s->pump))
            return;
        server_wait(s, -1);
    }
}

/* What was said to the client and to the daemon gets there. */
static void server_farewell(struct server *s)
{
    long long until = now_ms() + FAREWELL_MS;
    server_forward_done(s);
    list_foreach(l, &s->channels)
    {
        struct channel *c = container_of(l, struct channel, member);
        if (!c->lingers)
            server_channel_free(c);
    }
    for (;;) {
        server_turn_channels(s);
        if ((list_empty(&s->calls) && list_empty(&s->channels)) || now_ms() >= until)
            break;
        server_wait(s, FAREWELL_TURN_MS);
    }
    list_foreach(l, &s->channels) server_channel_free(container_of(l, struct channel, member));
    server_drain_calls(s, true);
}

/* ---- the way in ---- */

/* Whoever holds the other end of our pipe may do what we may: there is nothing to prove. */
static int server_let_in(ssh_session session, const char *user, void *arg)
{
    (void)session;
    struct server *s = arg;
    if (strlen(user) >= sizeof(s->user))
        return SSH_AUTH_DENIED;
    snprintf(s->user, sizeof(s->user), "%s", user);
    return SSH_AUTH_SUCCESS;
}

static int server_fail(struct server *s, const char *what)
{
    const char *why = s->session ? ssh_get_error(s->session) : "";
    fprintf(stderr, "banger: ssh: %s%s%s\n", what, *why ? ": " : "", why);
    return EXIT_FAILURE;
}

static int server_accept(struct server *s, const char *key_path)
{
    ssh_key key = NULL;
    ssh_bind bind = ssh_bind_new();
    bool no_config = false;
    int rc = bind && ssh_pki_import_privkey_file(key_path, NULL, NULL, NULL, &key) == SSH_OK &&
                     ssh_bind_options_set(bind, SSH_BIND_OPTIONS_PROCESS_CONFIG, &no_config) == 0 &&
                     ssh_bind_options_set(bind, SSH_BIND_OPTIONS_IMPORT_KEY, key) == 0
                 ? ssh_bind_accept_fd(bind, s->session, s->pump.fd)
                 : SSH_ERROR;
    ssh_bind_free(bind); /* with its key */
    return rc;
}

static int server_greet(struct server *s)
{
    long long until = now_ms() + GREETING_MS;
    int rc;
    ssh_set_blocking(s->session, 0);
    while ((rc = ssh_handle_key_exchange(s->session)) == SSH_AGAIN) {
        if (now_ms() >= until || pump_has_ended(&s->pump))
            return SSH_ERROR;
        pump_turn(&s->pump);
        server_wait(s, 1000);
    }
    return rc;
}

static int server_open(struct server *s, const char *key_path)
{
    s->session = ssh_new();
    s->event = ssh_event_new();
    if (!s->session || !s->event || pump_open(&s->pump) < 0)
        return server_fail(s, "no memory");
    if (server_accept(s, key_path) != SSH_OK)
        return server_fail(s, "cannot begin");
    s->callbacks.userdata = s;
    s->callbacks.auth_none_function = server_let_in;
    s->callbacks.channel_open_request_session_function = server_session_open;
    ssh_callbacks_init(&s->callbacks);
    ssh_set_server_callbacks(s->session, &s->callbacks);
    ssh_set_message_callback(s->session, server_forward_message, s);
    ssh_set_auth_methods(s->session, SSH_AUTH_METHOD_NONE);
    if (server_greet(s) != SSH_OK)
        return server_fail(s, "the client did not come to terms");
    return ssh_event_add_session(s->event, s->session) == SSH_OK ? 0 : server_fail(s, "no memory");
}

int server_run(struct banger_client *client, const char *vm, const char *key_path)
{
    struct server *s = calloc(1, sizeof(*s));
    if (!s)
        return EXIT_FAILURE;
    s->client = client;
    s->vm = vm;
    list_init(&s->channels);
    list_init(&s->listeners);
    list_init(&s->calls);
    int status = server_open(s, key_path);
    if (status == 0) {
        server_serve(s);
        server_farewell(s);
        ssh_event_remove_session(s->event, s->session);
    }
    if (s->event)
        ssh_event_free(s->event);
    if (s->session) {
        ssh_disconnect(s->session);
        pump_turn(&s->pump);
        ssh_free(s->session);
    }
    pump_close(&s->pump);
    free(s);
    return status;
}
