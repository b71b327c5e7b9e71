/* The SSH server in front of a VM, behind libssh: channels, their requests (env, pty, exec, shell,
 * subsystem, sizes, signals), forwards and listeners, in any order and with any strings; and a
 * daemon that answers anything. Whatever comes of it, nothing is left of it at the end. */
#include <stdlib.h>
#include <string.h>

#include "front.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { STEPS_MAX = 400 };

static struct server front;

/* One of the channels that are there. */
static struct channel *some_channel(void)
{
    unsigned n = front.n_channels ? front_byte() % front.n_channels : 0, i = 0;
    list_foreach(l, &front.channels) if (i++ == n) return container_of(l, struct channel, member);
    return NULL;
}

static void forget(struct channel *c)
{
    list_remove(&c->member);
    front.n_channels--;
    c->kind->done(c);
    free(c->ssh);
    free(c);
}

/* As server.c does it. */
static void turn(void)
{
    list_foreach(l, &front.channels)
    {
        struct channel *c = container_of(l, struct channel, member);
        c->kind->turn(c);
        if (c->over)
            forget(c);
    }
    server_forward_turn(&front);
}

static void ask(ssh_channel ssh)
{
    ssh_channel_callbacks cb = ssh ? ssh->callbacks : NULL;
    if (!cb) /* a connection, or one that was handed over */
        return;
    void *arg = cb->userdata;
    const char *text = front_text();
    switch (front_byte() % 7) {
    case 0:
        cb->channel_env_request_function(NULL, ssh, text, front_text(), arg);
        break;
    case 1:
        cb->channel_pty_request_function(NULL, ssh, text, front_int(), front_int(), 0, 0, arg);
        break;
    case 2:
        cb->channel_exec_request_function(NULL, ssh, text, arg);
        break;
    case 3:
        cb->channel_shell_request_function(NULL, ssh, arg);
        break;
    case 4:
        cb->channel_subsystem_request_function(NULL, ssh, front_byte() % 2 ? "sftp" : text, arg);
        break;
    case 5:
        cb->channel_pty_window_change_function(NULL, ssh, front_int(), front_int(), 0, 0, arg);
        break;
    default:
        cb->channel_signal_function(NULL, ssh, front_byte() % 2 ? "TERM" : text, arg);
        break;
    }
}

static void forward(void)
{
    static const int kinds[][2] = {
        {SSH_REQUEST_CHANNEL_OPEN, SSH_CHANNEL_DIRECT_TCPIP},
        {SSH_REQUEST_GLOBAL, SSH_GLOBAL_REQUEST_TCPIP_FORWARD},
        {SSH_REQUEST_GLOBAL, SSH_GLOBAL_REQUEST_CANCEL_TCPIP_FORWARD},
        {SSH_REQUEST_GLOBAL, SSH_GLOBAL_REQUEST_UNKNOWN},
    };
    uint8_t what = front_byte();
    struct ssh_message_struct m = {.type = kinds[what % 4][0],
                                   .subtype = kinds[what % 4][1],
                                   .port = what & 64 ? front_int() : front_byte(),
                                   .text = what & 128 ? NULL : front_text()};
    int rc = server_forward_message(NULL, &m, &front);
    front_must(m.answers <= 1 && (rc != 0 || m.answers == 1), "a request is answered once");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    front = (struct server){.vm = "0123456789abcdef", .user = "someone"};
    list_init(&front.channels);
    list_init(&front.listeners);
    list_init(&front.calls);
    front_input(data, size);
    for (int i = 0; i < STEPS_MAX; i++) {
        uint8_t what = front_byte();
        if (what == 0)
            break;
        struct channel *c = what % 4 == 1 ? some_channel() : NULL;
        if (what % 4 == 0)
            server_session_open(NULL, &front);
        else if (what % 4 == 1 && c)
            ask(c->ssh);
        else if (what % 4 == 2)
            forward();
        else
            turn();
        front_must(front.n_channels <= SERVER_CHANNELS && front.n_listeners <= SERVER_LISTENERS,
                   "bounded");
    }
    list_foreach(l, &front.channels) forget(container_of(l, struct channel, member));
    server_forward_done(&front);
    front_must(front_open == 0 && front.n_listeners == 0, "nothing is left");
    front_done();
    return 0;
}
