/* The connection: made when needed, driven by poll or by someone else's loop.
 *
 * Nothing is freed inside the wire's callbacks: a failure met there is kept in `broken` and dealt
 * with at the end of banger_process. */
#include "internal.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "rpc/wire/client.h"

enum {
    CLIENT_REST_BYTES = 16 << 20, /* more output than any peer lets us queue */
    CLIENT_READS = 16,            /* per process: others get their turn */
    DEFAULT_RETRY_MS = 10000,
};

const char *banger_version(void)
{
    return BANGER_VERSION;
}

/* The socket's path inside target, or NULL. */
static const char *client_parse_target(const char *target, struct banger_error *error)
{
    const char *path = strncmp(target, "unix:", 5) == 0 ? target + 5 : target;
    if (strncmp(path, "///", 3) == 0)
        path += 2;
    if (path[0] != '/') {
        error_set(error, BANGER_INVALID_ARGUMENT,
                  "\"%.200s\" is no target: give unix:/path/of/socket", target);
        return NULL;
    }
    if (strlen(path) >= sizeof(((struct sockaddr_un *)0)->sun_path)) {
        error_set(
            error, BANGER_INVALID_ARGUMENT,
            "the socket's path \"%.200s\" is longer than the %zu bytes a Unix socket may have",
            path, sizeof(((struct sockaddr_un *)0)->sun_path) - 1);
        return NULL;
    }
    return path;
}

struct banger_client *banger_connect(const char *target,
                                     const struct banger_client_options *options,
                                     struct banger_error *error)
{
    if (!client_parse_target(target, error))
        return NULL;
    struct banger_client *client = calloc(1, sizeof(*client));
    char *copy = strdup(target);
    if (!client || !copy) {
        free(client);
        free(copy);
        error_no_memory(error);
        return NULL;
    }
    client->target = copy;
    client->path = client_parse_target(copy, NULL);
    client->fd = client->interrupt_fd = -1;
    client->retry_ms = DEFAULT_RETRY_MS;
    if (options && options->retry_ms)
        client->retry_ms = options->retry_ms;
    if (options)
        client->wait_for_ready_ms = options->wait_for_ready_ms;
    buf_init(&client->rest, CLIENT_REST_BYTES);
    list_init(&client->attaches);
    return client;
}

/* Ends the connection; its calls end with why. */
static void client_disconnect(struct banger_client *client, const struct err *why)
{
    struct rpc_client *wire = client->wire;
    if (!wire)
        return;
    close(client->fd);
    client->fd = -1;
    client->wire = NULL;
    err_clear(&client->broken);
    buf_reset(&client->rest);
    client->busy = client->losing = true;
    rpc_client_lost(wire, why);
    rpc_client_free(wire);
    client->busy = client->losing = false;
}

void banger_close(struct banger_client *client)
{
    if (!client)
        return;
    struct err why = ERR_INIT;
    err_set(&why, ERR_CANCELLED, "the client was closed");
    client_disconnect(client, &why);
    buf_done(&client->rest);
    free(client->target);
    free(client);
}

const char *banger_target(const struct banger_client *client)
{
    return client->target;
}

void banger_set_interrupt_fd(struct banger_client *client, int fd)
{
    client->interrupt_fd = fd;
}

static int client_dial(const char *path, struct err *err)
{
    auto_fd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return err_sys(err, errno, "socket");
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, path, strlen(path) + 1);
    if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0) {
        int errnum = errno;
        err_sys(err, errnum, "connect to %s", path);
        /* Nobody there, or too many at the door: both may pass. Forbidden stays. */
        if (errnum != EACCES && errnum != EPERM && err)
            err->code = ERR_UNAVAILABLE;
        return -1;
    }
    return take_fd(&fd);
}

int client_ensure(struct banger_client *client, struct banger_error *error)
{
    struct err err = ERR_INIT;
    if (client->wire && rpc_client_draining(client->wire)) {
        if (rpc_client_open_calls(client->wire) > 0) {
            error_set(error, BANGER_UNAVAILABLE, "the server at %s is shutting down",
                      client->target);
            return -1;
        }
        client_disconnect(client, &err);
    }
    if (client->wire)
        return 0;
    auto_fd int fd = client_dial(client->path, &err);
    if (fd >= 0)
        client->wire = rpc_client_new("localhost", &err);
    if (fd < 0 || !client->wire) {
        error_of_err(error, &err);
        return -1;
    }
    client->fd = take_fd(&fd);
    client->ever_connected = true;
    return 0;
}

static int client_read(struct banger_client *client, struct err *err)
{
    for (int i = 0; i < CLIENT_READS; i++) {
        ssize_t n = recv(client->fd, client->input, sizeof(client->input), 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return 0;
        if (n < 0) {
            err_sys(err, errno, "read from %s", client->path);
            err->code = ERR_UNAVAILABLE;
            return -1;
        }
        if (n == 0)
            return err_set(err, ERR_UNAVAILABLE, "the server at %s closed the connection",
                           client->path);
        if (rpc_client_receive(client->wire, client->input, (size_t)n, err) < 0)
            return -1;
        if ((size_t)n < sizeof(client->input))
            return 0;
    }
    return 0;
}

/* Bytes sent, 0 when the socket is full, -1. */
static ssize_t client_send(struct banger_client *client, const uint8_t *data, size_t len,
                           struct err *err)
{
    ssize_t n;
    do {
        n = send(client->fd, data, len, MSG_NOSIGNAL);
    } while (n < 0 && errno == EINTR);
    if (n >= 0)
        return n;
    if (errno == EAGAIN || errno == EWOULDBLOCK)
        return 0;
    err_sys(err, errno, "write to %s", client->path);
    err->code = ERR_UNAVAILABLE;
    return -1;
}

static int client_write(struct banger_client *client, struct err *err)
{
    for (;;) {
        const uint8_t *data = buf_data(&client->rest);
        ssize_t len = (ssize_t)buf_len(&client->rest);
        bool fresh = len == 0;
        if (fresh)
            len = rpc_client_output(client->wire, &data, err);
        if (len <= 0)
            return (int)len;
        ssize_t sent = client_send(client, data, (size_t)len, err);
        if (sent < 0)
            return -1;
        if (!fresh)
            buf_consume(&client->rest, (size_t)sent);
        else if (sent < len && buf_append(&client->rest, data + sent, (size_t)(len - sent)) < 0)
            return err_sys(err, errno, "queue output");
        if (sent < len)
            return 0;
    }
}

void client_flush(struct banger_client *client)
{
    if (client->busy || !client->wire || client->broken.code)
        return;
    client->busy = true;
    if (client_write(client, &client->broken) < 0 && !client->broken.code)
        err_set(&client->broken, ERR_UNAVAILABLE, "write to %s failed", client->path);
    client->busy = false;
}

int banger_fd(const struct banger_client *client)
{
    return client->fd;
}

short banger_wanted_events(const struct banger_client *client)
{
    if (!client->wire)
        return 0;
    return (short)(POLLIN | (buf_len(&client->rest) > 0 ? POLLOUT : 0));
}

int banger_next_timeout(const struct banger_client *client)
{
    int64_t next = client->wire ? rpc_client_next_tick_ms(client->wire) : -1;
    if (client->broken.code)
        next = 0;
    list_foreach(link, (struct list *)&client->attaches)
    {
        int64_t due = attach_due_ms(link);
        if (due >= 0 && (next < 0 || due < next))
            next = due;
    }
    return next > INT32_MAX ? INT32_MAX : (int)next;
}

int banger_process(struct banger_client *client, struct banger_error *error)
{
    if (!client->wire)
        return 0;
    struct err err = client->broken;
    bool failed = err.code != ERR_NONE;
    /* What came before a failure still counts, such as the answer of a server that then went. */
    client->busy = true;
    rpc_client_tick(client->wire);
    struct err read_err = ERR_INIT;
    if (client_read(client, &read_err) < 0 && !failed) {
        err = read_err;
        failed = true;
    }
    if (!failed)
        failed = client_write(client, &err) < 0;
    client->busy = false;
    if (!failed)
        return 0;
    if (err.code != ERR_UNAVAILABLE) {
        err_wrap(&err, "the connection to %s failed", client->path);
        err.code = ERR_UNAVAILABLE;
    }
    client_disconnect(client, &err);
    error_of_err(error, &err);
    return -1;
}

int client_wait(struct banger_client *client, int64_t timeout_ms, struct banger_error *error)
{
    int own = banger_next_timeout(client);
    int64_t ms = timeout_ms;
    if (own >= 0 && (ms < 0 || own < ms))
        ms = own;
    struct pollfd fds[2] = {{.fd = client->fd, .events = banger_wanted_events(client)},
                            {.fd = client->interrupt_fd, .events = POLLIN}};
    int n = poll(fds, 2, ms > INT32_MAX ? INT32_MAX : (int)ms);
    if (n < 0 && errno != EINTR)
        return error_set(error, BANGER_INTERNAL, "poll: %s", strerror(errno));
    (void)banger_process(client, NULL);
    if (n > 0 && fds[1].revents) {
        error_set(error, BANGER_CANCELLED, "interrupted");
        if (error)
            memcpy(error->reason, "INTERRUPTED", sizeof("INTERRUPTED"));
        return -1;
    }
    return 0;
}
