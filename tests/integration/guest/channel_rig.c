/* The rigs over Unix sockets; see channel_rig.h. A connection is there, with the first bytes of the
 * one who opened it, as soon as open has returned: nothing here waits. */
#include "tests/integration/guest/channel_rig.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fs.h"
#include "daemon/guest/channel_socket.h"

static struct {
    struct loop *loop;
    char dir[32];
    struct sockaddr_un address;
    int listen_fd;
} rig;

static void die(const char *what)
{
    perror(what);
    exit(EXIT_FAILURE);
}

void rig_socket_begin(struct loop *loop, struct channel_config *config)
{
    rig.loop = loop;
    strcpy(rig.dir, "/tmp/banger-test-XXXXXX");
    if (!mkdtemp(rig.dir))
        die("mkdtemp");
    rig.address = (struct sockaddr_un){.sun_family = AF_UNIX};
    snprintf(rig.address.sun_path, sizeof(rig.address.sun_path), "%s/guest.sock", rig.dir);
    rig.listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (rig.listen_fd < 0 ||
        bind(rig.listen_fd, (struct sockaddr *)&rig.address, sizeof(rig.address)) < 0 ||
        listen(rig.listen_fd, 8) < 0)
        die("listen");
    snprintf(config->socket_path, sizeof(config->socket_path), "%s", rig.address.sun_path);
}

int rig_socket_accept(void)
{
    int fd = accept4(rig.listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0)
        die("accept");
    return fd;
}

int rig_socket_listener(void)
{
    return rig.listen_fd;
}

void rig_socket_end(void)
{
    close(rig.listen_fd);
    fs_remove_tree(rig.dir, NULL);
}

static void taken_close(struct channel *c)
{
    channel_socket_done((struct channel_socket *)c);
    free(c);
}

static const struct channel_kind taken_kind = {
    .name = "taken",
    .send = channel_socket_send,
    .recv = channel_socket_recv,
    .want = channel_socket_want,
    .is_alive = channel_socket_is_alive,
    .close = taken_close,
};

struct channel *rig_socket_take(int fd, channel_ready_fn *ready, void *arg)
{
    struct channel_socket *s = calloc(1, sizeof(*s));
    if (!s || watch_init(&s->watch, rig.loop, fd, ready, arg) < 0)
        die("taking a connection");
    s->base.kind = &taken_kind;
    s->fd = fd;
    return &s->base;
}

static void socket_shut(struct channel *peer)
{
    shutdown(((struct channel_socket *)peer)->fd, SHUT_WR);
}

static void unix_begin(struct loop *loop, struct channel_config *config)
{
    rig_socket_begin(loop, config);
    config->kind = &channel_unix;
}

static struct channel *unix_accept(channel_ready_fn *ready, void *arg)
{
    return rig_socket_take(rig_socket_accept(), ready, arg);
}

const struct rig rig_unix = {
    .name = "unix",
    .volume_bytes = 16 << 20,
    .begin = unix_begin,
    .accept = unix_accept,
    .shut = socket_shut,
    .end = rig_socket_end,
};

static void vsock_begin(struct loop *loop, struct channel_config *config)
{
    rig_socket_begin(loop, config);
    config->kind = &channel_vsock;
    config->port = 52;
}

static struct channel *vsock_accept(channel_ready_fn *ready, void *arg)
{
    char line[11];
    int fd = rig_socket_accept();
    if (read(fd, line, sizeof(line)) != sizeof(line) || memcmp(line, "CONNECT 52\n", 11) != 0)
        die("shaking hands");
    /* Who asked may have gone meanwhile. */
    if (send(fd, "OK 1073741824\n", 14, MSG_NOSIGNAL) < 0 && errno != EPIPE)
        die("shaking hands");
    return rig_socket_take(fd, ready, arg);
}

const struct rig rig_vsock = {
    .name = "vsock",
    .volume_bytes = 16 << 20,
    .begin = vsock_begin,
    .accept = vsock_accept,
    .shut = socket_shut,
    .end = rig_socket_end,
};
