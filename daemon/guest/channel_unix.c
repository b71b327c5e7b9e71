/* The plain kind: a Unix socket, and whoever listens there is the agent. */
#include <errno.h>
#include <stdlib.h>

#include "daemon/guest/channel_socket.h"

static struct channel *unix_open(struct loop *loop, const struct channel_config *config,
                                 channel_ready_fn *ready, void *arg, struct err *err)
{
    struct channel_socket *s = malloc(sizeof(*s));
    if (!s) {
        err_sys(err, ENOMEM, "guest channel");
        return NULL;
    }
    if (channel_socket_open(s, &channel_unix, loop, config->socket_path, ready, arg, err) < 0) {
        free(s);
        return NULL;
    }
    return &s->base;
}

static void unix_close(struct channel *c)
{
    channel_socket_done((struct channel_socket *)c);
    free(c);
}

const struct channel_kind channel_unix = {
    .name = "unix",
    .open = unix_open,
    .send = channel_socket_send,
    .recv = channel_socket_recv,
    .want = channel_socket_want,
    .is_alive = channel_socket_is_alive,
    .close = unix_close,
};
