/* Drives rpc_client over a connection; see client_driver.h. */
#include "tests/interop/grpc/client_driver.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "banger/client.h"
#include "base/clock.h"

enum { WAIT_MS = 20000, PATH_BYTES = 1024 };

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

/* TCP without TLS: not a product's thing, so by hand. */
static int open_tcp(struct driver *d, const char *port, struct err *err)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)strtoul(port, NULL, 10)),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct epoll_event event = {.events = EPOLLIN};
    struct transport *t = &d->transport;
    int one = 1;
    t->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (t->fd < 0 || connect(t->fd, (struct sockaddr *)&address, sizeof(address)) < 0)
        return err_sys(err, errno, "connect to port %s", port);
    setsockopt(t->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    int flags = fcntl(t->fd, F_GETFL);
    if (flags < 0 || fcntl(t->fd, F_SETFL, flags | O_NONBLOCK) < 0 ||
        epoll_ctl(d->epoll_fd, EPOLL_CTL_ADD, t->fd, &event) < 0)
        return err_sys(err, errno, "watch the connection to port %s", port);
    t->watched = event.events;
    t->phase = TRANSPORT_OPEN;
    return 0;
}

static int open_product(struct driver *d, struct err *err)
{
    int64_t end = clock_mono_ms() + WAIT_MS;
    if (transport_open(&d->transport, err) < 0)
        return -1;
    for (int rv; (rv = transport_step(&d->transport, err)) <= 0;) {
        struct epoll_event event;
        int64_t left = end - clock_mono_ms();
        if (rv < 0)
            return -1;
        if (left <= 0 || epoll_wait(d->epoll_fd, &event, 1, (int)left) <= 0)
            return err_set(err, ERR_DEADLINE, "no connection to %s", d->target);
    }
    return 0;
}

static int find_target(struct driver *d, bool tcp, struct err *err)
{
    char paths[3][PATH_BYTES];
    static const char *const names[3] = {"ca.pem", "client.pem", "client.key"};
    for (size_t i = 0; i < 3; i++)
        snprintf(paths[i], sizeof(paths[i]), "%s/%s", d->folder, names[i]);
    const struct target_credentials files = {
        .ca = paths[0], .certificate = paths[1], .key = paths[2], .are_files = true};
    if (target_init(&d->where, tcp ? "unix:/tcp" : d->target, NULL, err) < 0)
        return -1;
    return d->where.path[0] ? 0 : target_set_credentials(&d->where, &files, err);
}

int driver_open(struct driver *d, const char *target, const char *folder, struct err *err)
{
    bool tcp = strncmp(target, "tcp:", 4) == 0;
    *d = (struct driver){.target = target, .folder = folder};
    d->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    transport_init(&d->transport, &d->where, d->epoll_fd);
    if (d->epoll_fd < 0)
        return err_sys(err, errno, "epoll");
    if (find_target(d, tcp, err) < 0 ||
        (tcp ? open_tcp(d, target + 4, err) : open_product(d, err)) < 0)
        return -1;
    d->client = rpc_client_new("localhost", err);
    if (!d->client)
        return -1;
    /* What came together with the end of the handshake. */
    const struct buf *plain = &d->transport.plain;
    return buf_len(plain) == 0
               ? 0
               : rpc_client_receive(d->client, buf_data(plain), buf_len(plain), err);
}

void driver_close(struct driver *d)
{
    rpc_client_free(d->client);
    d->client = NULL;
    transport_done(&d->transport);
    target_done(&d->where);
    close(d->epoll_fd);
}

int driver_reopen(struct driver *d, struct err *err)
{
    const char *target = d->target, *folder = d->folder;
    driver_close(d);
    return driver_open(d, target, folder, err);
}

static int driver_send(struct driver *d, struct err *err)
{
    const uint8_t *data;
    ssize_t n;
    if (transport_flush(&d->transport, err) < 0)
        return -1;
    while ((n = rpc_client_output(d->client, &data, err)) > 0)
        if (transport_send(&d->transport, data, (size_t)n, err) < 0)
            return -1;
    return (int)n;
}

static int driver_receive(struct driver *d, struct err *err)
{
    static uint8_t block[64 << 10];
    const uint8_t *data;
    size_t len;
    int rv = transport_read(&d->transport, block, sizeof(block), &data, &len, err);
    return rv > 0 ? rpc_client_receive(d->client, data, len, err) : rv;
}

int driver_wait(struct driver *d, const struct result *r, size_t n_messages)
{
    int64_t end = clock_mono_ms() + WAIT_MS;
    struct err err;
    for (;;) {
        if (driver_send(d, &err) < 0)
            rpc_client_lost(d->client, &err);
        if (r->n_closed > 0 || r->n_messages >= n_messages)
            return 0;
        int64_t left = end - clock_mono_ms(), tick = rpc_client_next_tick_ms(d->client);
        if (left <= 0)
            return -1;
        struct epoll_event event;
        if (epoll_wait(d->epoll_fd, &event, 1, (int)(tick >= 0 && tick < left ? tick : left)) > 0 &&
            driver_receive(d, &err) < 0)
            rpc_client_lost(d->client, &err);
        rpc_client_tick(d->client);
    }
}

int driver_wait_closed(struct driver *d, const struct result *r)
{
    return driver_wait(d, r, SIZE_MAX);
}
