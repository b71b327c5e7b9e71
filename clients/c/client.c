/* The connection: made when needed, driven by poll or by someone else's loop.
 *
 * Nothing is freed inside the wire's callbacks: a failure met there is kept in `broken` and dealt
 * with at the end of banger_process. */
#include "internal.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "rpc/wire/client.h"

enum {
    CLIENT_READS = 16, /* per process: others get their turn */
    DEFAULT_RETRY_MS = 10000,
};

const char *banger_version(void)
{
    return BANGER_VERSION;
}

struct banger_client *client_new(const char *target, const struct banger_client_options *options,
                                 const struct transport_credentials *memory,
                                 struct banger_error *error)
{
    struct err err = ERR_INIT;
    struct banger_client *client = calloc(1, sizeof(*client));
    char *copy = strdup(target);
    if (!client || !copy) {
        free(client);
        free(copy);
        error_no_memory(error);
        return NULL;
    }
    client->target = copy;
    client->interrupt_fd = -1;
    client->retry_ms = DEFAULT_RETRY_MS;
    if (options && options->retry_ms)
        client->retry_ms = options->retry_ms;
    if (options)
        client->wait_for_ready_ms = options->wait_for_ready_ms;
    list_init(&client->attaches);
    if (transport_init(&client->transport, target, options, memory, &err) < 0) {
        error_of_err(error, &err);
        banger_close(client);
        return NULL;
    }
    return client;
}

struct banger_client *banger_connect(const char *target,
                                     const struct banger_client_options *options,
                                     struct banger_error *error)
{
    return client_new(target, options, NULL, error);
}

/* Ends the connection; its calls end with why. */
static void client_disconnect(struct banger_client *client, const struct err *why)
{
    struct rpc_client *wire = client->wire;
    if (!wire)
        return;
    transport_close(&client->transport);
    client->wire = NULL;
    err_clear(&client->broken);
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
    transport_done(&client->transport);
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
    struct transport *t = &client->transport;
    if (transport_open(t, client->interrupt_fd, &err) == 0)
        client->wire = rpc_client_new(t->authority, &err);
    if (!client->wire ||
        (buf_len(&t->plain) > 0 &&
         rpc_client_receive(client->wire, buf_data(&t->plain), buf_len(&t->plain), &err) < 0)) {
        rpc_client_free(client->wire);
        client->wire = NULL;
        transport_close(t);
        error_of_err(error, &err);
        return -1;
    }
    client->ever_connected = true;
    return 0;
}

static int client_read(struct banger_client *client, struct err *err)
{
    struct transport *t = &client->transport;
    for (int i = 0; i < CLIENT_READS; i++) {
        const uint8_t *data;
        size_t len;
        int n = transport_read(t, client->input, sizeof(client->input), &data, &len, err);
        if (n <= 0)
            return n;
        if (len > 0 && rpc_client_receive(client->wire, data, len, err) < 0)
            return -1;
        if (!t->more)
            return 0;
    }
    return 0;
}

static int client_write(struct banger_client *client, struct err *err)
{
    struct transport *t = &client->transport;
    for (;;) {
        const uint8_t *data;
        if (transport_flush(t, err) < 0)
            return -1;
        if (buf_len(&t->rest) > 0)
            return 0;
        ssize_t len = rpc_client_output(client->wire, &data, err);
        if (len <= 0)
            return (int)len;
        if (transport_send(t, data, (size_t)len, err) < 0)
            return -1;
    }
}

void client_flush(struct banger_client *client)
{
    if (client->busy || !client->wire || client->broken.code)
        return;
    client->busy = true;
    if (client_write(client, &client->broken) < 0 && !client->broken.code)
        err_set(&client->broken, ERR_UNAVAILABLE, "write to %s failed", client->target);
    client->busy = false;
}

int banger_fd(const struct banger_client *client)
{
    return client->transport.fd;
}

short banger_wanted_events(const struct banger_client *client)
{
    if (!client->wire)
        return 0;
    return (short)(POLLIN | (buf_len(&client->transport.rest) > 0 ? POLLOUT : 0));
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
    /* A refusal that arrived explains a write that failed. */
    if (client_read(client, &read_err) < 0 && (!failed || read_err.code == ERR_UNAUTHENTICATED)) {
        err = read_err;
        failed = true;
    }
    if (!failed)
        failed = client_write(client, &err) < 0;
    client->busy = false;
    if (!failed)
        return 0;
    if (err.code != ERR_UNAVAILABLE && err.code != ERR_UNAUTHENTICATED) {
        err_wrap(&err, "the connection to %s failed", client->target);
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
    struct pollfd fds[2] = {{.fd = client->transport.fd, .events = banger_wanted_events(client)},
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
