/* Drives rpc_client over a socket; see client_driver.h. */
#include "tests/interop/grpc/client_driver.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"

enum { WAIT_MS = 20000 };

static void on_message(void *arg, struct rpc_call *call, const ProtobufCMessage *message)
{
    struct result *r = arg;
    if (r->n_messages < sizeof(r->size) / sizeof(r->size[0])) {
        r->size[r->n_messages] = r->measure ? r->measure(message) : 0;
        r->compressed[r->n_messages] = rpc_call_message_was_compressed(call);
    }
    r->n_messages++;
}

static void on_closed(void *arg, struct rpc_call *call, const struct err *status)
{
    (void)call;
    struct result *r = arg;
    r->n_closed++;
    r->status = *status;
}

const struct rpc_call_events result_events = {.message = on_message, .closed = on_closed};

int driver_open(struct driver *d, const char *host, unsigned port, struct err *err)
{
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int one = 1;
    if (inet_pton(AF_INET, host, &addr.sin_addr) != 1)
        return err_set(err, ERR_INVALID, "%s is no IPv4 address", host);
    d->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (d->fd < 0 || connect(d->fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
        return err_sys(err, errno, "connect to %s:%u", host, port);
    setsockopt(d->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    d->client = rpc_client_new("localhost", err);
    return d->client ? 0 : -1;
}

void driver_close(struct driver *d)
{
    rpc_client_free(d->client);
    if (d->fd >= 0)
        close(d->fd);
}

static void driver_lose(struct driver *d, const char *why)
{
    struct err err;
    err_set(&err, ERR_UNAVAILABLE, "%s", why);
    rpc_client_lost(d->client, &err);
}

static void driver_send(struct driver *d)
{
    const uint8_t *data;
    struct err err;
    for (ssize_t n; (n = rpc_client_output(d->client, &data, &err)) != 0;) {
        if (n < 0 || send(d->fd, data, (size_t)n, MSG_NOSIGNAL) != n) {
            driver_lose(d, "cannot send");
            return;
        }
    }
}

static void driver_receive(struct driver *d)
{
    static uint8_t block[64 << 10];
    struct err err;
    ssize_t n = recv(d->fd, block, sizeof(block), 0);
    if (n <= 0)
        driver_lose(d, "the server closed the connection");
    else if (rpc_client_receive(d->client, block, (size_t)n, &err) < 0)
        driver_lose(d, err.message);
}

int driver_wait(struct driver *d, const struct result *r, size_t n_messages)
{
    int64_t end = clock_mono_ms() + WAIT_MS;
    for (;;) {
        driver_send(d);
        if (r->n_closed > 0 || r->n_messages >= n_messages)
            return 0;
        int64_t left = end - clock_mono_ms(), tick = rpc_client_next_tick_ms(d->client);
        if (left <= 0)
            return -1;
        struct pollfd p = {.fd = d->fd, .events = POLLIN};
        if (poll(&p, 1, (int)(tick >= 0 && tick < left ? tick : left)) > 0)
            driver_receive(d);
        rpc_client_tick(d->client);
    }
}

int driver_wait_closed(struct driver *d, const struct result *r)
{
    return driver_wait(d, r, SIZE_MAX);
}
