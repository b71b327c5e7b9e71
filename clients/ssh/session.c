/* Channels that are commands: each one session of the guest, whose output waits for the client. */
#include "server.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <banger/attach.h>

enum {
    SESSION_ENV = 64,
    SESSION_ENV_BYTES = 30 * 1024,
    SESSION_FAILED = 125, /* what could not be run at all, as banger has it */
    SESSION_ID_BYTES = 40,
    SESSION_SIZE_MAX = 65535,
};

/* Pairs that the client has asked for before its command. */
struct environment {
    Banger__V1__EnvVar vars[SESSION_ENV], *list[SESSION_ENV];
    size_t n, bytes;
};

struct session {
    struct channel channel; /* first */
    struct ssh_channel_callbacks_struct callbacks;
    struct environment env;
    bool asked; /* for its command: once */
    bool sftp;  /* which is none: the channel is to be another's */
    bool tty;
    uint32_t rows, columns;
    char request_id[SESSION_ID_BYTES];
    struct banger_stream *start; /* while it is being started */
    char *id;                    /* once it runs */
    struct banger_attach *attach;
    struct banger_frame frame; /* DATA that is being written */
    size_t written;
    bool writing, stdin_ended, ended;
};

static void session_say(struct session *s, const char *what)
{
    char text[640];
    int n = snprintf(text, sizeof(text), "banger: %.600s%s", what, s->tty ? "\r\n" : "\n");
    server_channel_write(&s->channel, text, (size_t)n, !s->tty);
}

/* The last word: a status, always, so that the client's own 255 means the connection alone. */
static void session_finish(struct session *s, int status)
{
    s->ended = s->channel.over = true;
    ssh_channel_request_send_exit_status(s->channel.ssh, status);
    ssh_channel_send_eof(s->channel.ssh);
    ssh_channel_close(s->channel.ssh);
}

static void session_fail(struct session *s, const struct banger_error *error)
{
    session_say(s, error->message);
    session_finish(s, SESSION_FAILED);
}

/* ---- beginning ---- */

static int session_begin(struct session *s, char *const *argv, size_t n_argv)
{
    struct banger_error error;
    Banger__V1__StartSessionRequest request = BANGER__V1__START_SESSION_REQUEST__INIT;
    Banger__V1__SessionSpec spec = BANGER__V1__SESSION_SPEC__INIT;
    char *tags[] = {(char *)"ssh"};
    uint64_t random[2];
    if (s->asked || getrandom(random, sizeof(random), 0) != sizeof(random))
        return SSH_ERROR;
    s->asked = true;
    snprintf(s->request_id, sizeof(s->request_id), "ssh-%016llx%016llx",
             (unsigned long long)random[0], (unsigned long long)random[1]);
    spec.argv = (char **)argv;
    spec.n_argv = n_argv;
    spec.env = s->env.list;
    spec.n_env = s->env.n;
    spec.user = s->channel.server->user;
    spec.tty = s->tty;
    spec.rows = s->rows;
    spec.columns = s->columns;
    spec.stdin_mode = BANGER__V1__STDIN_MODE__STDIN_MODE_PIPE;
    spec.hold_output = true;
    spec.drop_taken = true; /* an SSH channel is never come back to */
    spec.tags = tags;
    spec.n_tags = 1;
    request.request_id = s->request_id;
    request.vm = (char *)s->channel.server->vm;
    request.spec = &spec;
    s->start =
        banger_stream_open(s->channel.server->client, "/banger.v1.GuestSessionService/StartSession",
                           &request.base, NULL, &error);
    return s->start ? SSH_OK : SSH_ERROR;
}

/* As sshd does it: by the user's shell. */
static int session_exec(ssh_session session, ssh_channel channel, const char *command, void *arg)
{
    (void)session;
    (void)channel;
    char *argv[] = {(char *)"/bin/sh", (char *)"-c", (char *)"exec \"${SHELL:-/bin/sh}\" -c \"$0\"",
                    (char *)command};
    return session_begin(arg, argv, sizeof(argv) / sizeof(*argv));
}

static int session_shell(ssh_session session, ssh_channel channel, void *arg)
{
    (void)session;
    (void)channel;
    char *argv[] = {(char *)"/bin/sh", (char *)"-c", (char *)"exec \"${SHELL:-/bin/sh}\" -l"};
    return session_begin(arg, argv, sizeof(argv) / sizeof(*argv));
}

static int session_subsystem(ssh_session session, ssh_channel channel, const char *name, void *arg)
{
    (void)session;
    (void)channel;
    struct session *s = arg;
    if (s->asked || strcmp(name, "sftp") != 0)
        return SSH_ERROR;
    s->asked = s->sftp = true;
    return SSH_OK;
}

static int session_env(ssh_session session, ssh_channel channel, const char *name,
                       const char *value, void *arg)
{
    (void)session;
    (void)channel;
    struct session *s = arg;
    struct environment *env = &s->env;
    size_t bytes = strlen(name) + strlen(value) + 2;
    if (s->asked || env->n == SESSION_ENV || env->bytes + bytes > SESSION_ENV_BYTES || !*name ||
        strchr(name, '='))
        return 1;
    Banger__V1__EnvVar *var = &env->vars[env->n];
    banger__v1__env_var__init(var);
    var->name = strdup(name);
    var->value = strdup(value);
    if (!var->name || !var->value) {
        free(var->name);
        free(var->value);
        return 1;
    }
    env->list[env->n++] = var;
    env->bytes += bytes;
    return 0;
}

static uint32_t session_size(int n)
{
    return n < 1 ? 0 : n > SESSION_SIZE_MAX ? SESSION_SIZE_MAX : (uint32_t)n;
}

static int session_pty(ssh_session session, ssh_channel channel, const char *term, int width,
                       int height, int pxwidth, int pxheight, void *arg)
{
    (void)pxwidth;
    (void)pxheight;
    struct session *s = arg;
    if (s->asked || s->tty)
        return -1;
    s->tty = true;
    s->columns = session_size(width);
    s->rows = session_size(height);
    if (*term)
        session_env(session, channel, "TERM", term, s);
    return 0;
}

static int session_resize(ssh_session session, ssh_channel channel, int width, int height,
                          int pxwidth, int pxheight, void *arg)
{
    (void)session;
    (void)channel;
    (void)pxwidth;
    (void)pxheight;
    struct session *s = arg;
    if (!s->tty || width < 1 || height < 1)
        return -1;
    s->columns = session_size(width);
    s->rows = session_size(height);
    if (s->attach)
        banger_attach_resize(s->attach, s->rows, s->columns, NULL);
    return 0;
}

/* RFC 4254 6.9: names without SIG. */
static void session_signal(ssh_session session, ssh_channel channel, const char *name, void *arg)
{
    static const struct {
        const char *name;
        int signo;
    } known[] = {{"ABRT", SIGABRT}, {"ALRM", SIGALRM}, {"HUP", SIGHUP},   {"INT", SIGINT},
                 {"KILL", SIGKILL}, {"PIPE", SIGPIPE}, {"QUIT", SIGQUIT}, {"TERM", SIGTERM},
                 {"USR1", SIGUSR1}, {"USR2", SIGUSR2}};
    (void)session;
    (void)channel;
    struct session *s = arg;
    for (size_t i = 0; s->attach && i < sizeof(known) / sizeof(*known); i++)
        if (strcmp(known[i].name, name) == 0)
            banger_attach_signal(s->attach, known[i].signo,
                                 BANGER__V1__SIGNAL_TARGET__SIGNAL_TARGET_GROUP, NULL);
}

/* ---- running ---- */

static const char *session_why(const Banger__V1__GuestSession *session)
{
    return session->last_error[0] ? session->last_error : "the command could not be started";
}

/* Its answer is there: it runs, or cannot. */
static bool session_take_start(struct session *s)
{
    struct banger_error error = {.message = "no answer"};
    ProtobufCMessage *message = NULL;
    enum banger_next next = banger_stream_next(s->start, 0, &message, &error);
    if (next == BANGER_NEXT_NOTHING)
        return false;
    banger_stream_close(s->start);
    s->start = NULL;
    const Banger__V1__GuestSession *session = (const Banger__V1__GuestSession *)message;
    if (next != BANGER_NEXT_MESSAGE) {
        session_fail(s, &error);
        return true;
    }
    s->id = strdup(session->id);
    if (session->state == BANGER__V1__SESSION_STATE__SESSION_STATE_FAILED) {
        session_say(s, session_why(session));
        session_finish(s, SESSION_FAILED);
    } else if (!s->id ||
               !(s->attach = banger_attach_open(s->channel.server->client, s->id, &error))) {
        session_fail(s, &error);
    } else {
        banger_attach_set_role(s->attach, BANGER__V1__ATTACH_ROLE__ATTACH_ROLE_WRITER);
        banger_attach_set_hold(s->attach, true);
        if (s->tty && s->rows && s->columns)
            banger_attach_resize(s->attach, s->rows, s->columns, NULL);
    }
    banger_message_free(message);
    return true;
}

/* Writes what is left of the frame. */
static void session_write(struct session *s)
{
    while (s->written < s->frame.len) {
        int n = server_channel_write(&s->channel, s->frame.data + s->written,
                                     s->frame.len - s->written, s->frame.stream == 2);
        if (n <= 0)
            return; /* a closed channel shows in server_channel_read */
        s->written += (size_t)n;
    }
    s->writing = false;
}

static void session_take_frame(struct session *s)
{
    char text[160];
    switch (s->frame.kind) {
    case BANGER_FRAME_DATA:
        s->written = 0;
        s->writing = true;
        session_write(s);
        break;
    case BANGER_FRAME_EXIT:
        session_finish(s, banger_exit_status(s->frame.exit));
        break;
    case BANGER_FRAME_LOST:
        snprintf(text, sizeof(text), "the command was lost: %s", s->frame.reason);
        session_say(s, text);
        session_finish(s, SESSION_FAILED);
        break;
    case BANGER_FRAME_STDIN_ACK:
        s->stdin_ended |= s->frame.closed;
        break;
    default:
        break;
    }
}

static bool session_take_output(struct session *s)
{
    struct banger_error error;
    bool moved = false;
    if (s->writing)
        session_write(s);
    while (!s->writing && !s->channel.over) {
        int n = banger_attach_next(s->attach, 0, &s->frame, &error);
        if (n == 0)
            break;
        moved = true;
        if (n < 0)
            session_fail(s, &error);
        else
            session_take_frame(s);
    }
    return moved;
}

static bool session_take_input(struct session *s)
{
    static uint8_t data[SERVER_PIECE_BYTES];
    size_t room = s->attach && !s->stdin_ended ? banger_attach_room(s->attach) : 0;
    if (s->stdin_ended) { /* thrown away: the client is not to wait for it */
        int n = server_channel_read(&s->channel, data, sizeof(data));
        s->channel.over |= n < 0 && !ssh_channel_is_open(s->channel.ssh);
        return n > 0;
    }
    if (room == 0)
        return false;
    int n = server_channel_read(&s->channel, data, room < sizeof(data) ? room : sizeof(data));
    if (n > 0) {
        s->stdin_ended = banger_attach_write(s->attach, data, (size_t)n, NULL) != n;
    } else if (n < 0) {
        s->stdin_ended = true;
        s->channel.over |= !ssh_channel_is_open(s->channel.ssh);
        if (!s->tty) /* a terminal has no end but that of its programs */
            banger_attach_write_eof(s->attach);
    }
    return n != 0;
}

/* Not from inside of its callback. */
static bool session_hand_over(struct session *s)
{
    struct channel *c = &s->channel;
    ssh_remove_channel_callbacks(c->ssh, &s->callbacks);
    if (server_forward_adopt(c->server, c->ssh, "sftp"))
        c->ssh = NULL;
    c->over = true;
    return true;
}

static bool session_turn(struct channel *c)
{
    struct session *s = (struct session *)c;
    if (s->sftp)
        return session_hand_over(s);
    if (s->start && session_take_start(s))
        return true;
    if (!s->attach) {
        c->over |= !ssh_channel_is_open(c->ssh);
        return false;
    }
    bool moved = session_take_output(s);
    return (!c->over && session_take_input(s)) || moved;
}

/* ---- the end ---- */

/* A client that has gone hangs up, as a terminal does; whatever minds that not goes on. */
static void session_forget(struct session *s)
{
    struct server *server = s->channel.server;
    Banger__V1__DeleteSessionRequest forget = BANGER__V1__DELETE_SESSION_REQUEST__INIT;
    Banger__V1__SignalSessionRequest hang_up = BANGER__V1__SIGNAL_SESSION_REQUEST__INIT;
    if (s->start) {
        forget.start_request_id = s->request_id;
        forget.force = true;
        server_tell(server, "/banger.v1.GuestSessionService/DeleteSession", &forget.base);
    } else if (s->id && s->ended) {
        forget.session = s->id;
        server_tell(server, "/banger.v1.GuestSessionService/DeleteSession", &forget.base);
    } else if (s->id) {
        hang_up.session = s->id;
        hang_up.signo = SIGHUP;
        hang_up.target = BANGER__V1__SIGNAL_TARGET__SIGNAL_TARGET_GROUP;
        server_tell(server, "/banger.v1.GuestSessionService/SignalSession", &hang_up.base);
    }
}

static void session_done(struct channel *c)
{
    struct session *s = (struct session *)c;
    if (s->attach && !s->ended)
        banger_attach_detach(s->attach); /* so that its output waits for nobody */
    session_forget(s);
    banger_attach_close(s->attach);
    banger_stream_close(s->start);
    for (size_t i = 0; i < s->env.n; i++) {
        free(s->env.vars[i].name);
        free(s->env.vars[i].value);
    }
    free(s->id);
}

static const struct channel_kind session_kind = {session_turn, session_done};

ssh_channel server_session_open(ssh_session session, void *arg)
{
    struct server *server = arg;
    if (server->n_channels >= SERVER_CHANNELS)
        return NULL;
    struct session *s = calloc(1, sizeof(*s));
    ssh_channel channel = s ? ssh_channel_new(session) : NULL;
    if (!channel) {
        free(s);
        return NULL;
    }
    s->callbacks.userdata = s;
    s->callbacks.channel_exec_request_function = session_exec;
    s->callbacks.channel_shell_request_function = session_shell;
    s->callbacks.channel_subsystem_request_function = session_subsystem;
    s->callbacks.channel_env_request_function = session_env;
    s->callbacks.channel_pty_request_function = session_pty;
    s->callbacks.channel_pty_window_change_function = session_resize;
    s->callbacks.channel_signal_function = session_signal;
    ssh_callbacks_init(&s->callbacks);
    ssh_set_channel_callbacks(channel, &s->callbacks);
    server_channel_add(server, &s->channel, &session_kind, channel);
    return channel;
}
