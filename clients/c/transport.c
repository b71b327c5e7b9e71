/* Unix sockets and TCP with TLS; see transport.h. */
#include "transport.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "banger/client.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/fs.h"
#include "rpc/wire/tls.h"

enum {
    REST_BYTES = 16 << 20,     /* more output than any peer lets us queue */
    PLAIN_BYTES = 1 << 20,     /* of one read */
    OPEN_TIMEOUT_MS = 10000,   /* address, connection and handshake together */
    HANDSHAKE_BYTES = 4 << 10, /* read at a time */
    PEM_BYTES_MAX = 1 << 20,
};

static int parse_unix(struct transport *t, const char *target, struct err *err)
{
    const char *path = strncmp(target, "unix:", 5) == 0 ? target + 5 : target;
    if (strncmp(path, "///", 3) == 0)
        path += 2;
    if (path[0] != '/')
        return err_set(err, ERR_INVALID,
                       "\"%.200s\" is no target: give unix:/path/of/socket or tls:HOST:PORT",
                       target);
    if (strlen(path) >= sizeof(t->path))
        return err_set(
            err, ERR_INVALID,
            "the socket's path \"%.200s\" is longer than the %zu bytes a Unix socket may have",
            path, sizeof(t->path) - 1);
    strcpy(t->path, path);
    strcpy(t->authority, "localhost");
    return 0;
}

/* HOST:PORT, a numeric IPv6 host in brackets. */
static int parse_tls(struct transport *t, const char *text, struct err *err)
{
    const char *colon = strrchr(text, ':'), *end = colon;
    bool bracket = text[0] == '[';
    char *port_end = NULL;
    unsigned long port = colon ? strtoul(colon + 1, &port_end, 10) : 0;
    if (bracket && colon)
        end = colon[-1] == ']' ? colon - 1 : text;
    text += bracket;
    size_t n = end > text ? (size_t)(end - text) : 0;
    if (n == 0 || n >= sizeof(t->host) || (!bracket && memchr(text, ':', n)) || *port_end ||
        port == 0 || port > UINT16_MAX)
        return err_set(err, ERR_INVALID,
                       "\"%.200s\" is no target: give tls:HOST:PORT, such as tls:box.example:7443",
                       text - bracket);
    memcpy(t->host, text, n);
    snprintf(t->port, sizeof(t->port), "%lu", port);
    snprintf(t->authority, sizeof(t->authority), bracket ? "[%s]:%s" : "%s:%s", t->host, t->port);
    return 0;
}

static int read_pem(const char *path, char **text, struct err *err)
{
    if (!path)
        return 0;
    if (fs_read(path, PEM_BYTES_MAX, text, NULL, err) == 0)
        return 0;
    if (err)
        err->code = ERR_INVALID;
    return -1;
}

/* Anew for each connection, so that renewed files count from the next one on. */
static struct tls_context *load_context(const struct transport *t, struct err *err)
{
    auto_free char *ca = NULL, *certificate = NULL, *key = NULL;
    struct tls_config config = {.certificate_pem = t->memory.certificate_pem,
                                .key_pem = t->memory.key_pem,
                                .pin_sha256 = t->memory.pin_sha256};
    if (!config.pin_sha256) {
        if (!t->ca_file) {
            err_set(err, ERR_INVALID, "a TLS target needs the CA of its server, and a certificate");
            return NULL;
        }
        if (read_pem(t->ca_file, &ca, err) < 0 ||
            read_pem(t->certificate_file, &certificate, err) < 0 ||
            read_pem(t->key_file, &key, err) < 0)
            return NULL;
        config.ca_pem = ca;
        config.certificate_pem = certificate;
        config.key_pem = key;
    }
    struct tls_context *context = tls_context_new(&config, err);
    if (!context && !config.pin_sha256)
        err_wrap(err, "certificates of %s (%s, %s)", t->authority, t->ca_file,
                 t->certificate_file ? t->certificate_file : "no certificate of ours");
    return context;
}

static int copy_files(struct transport *t, const struct banger_client_options *o, struct err *err)
{
    const char *from[] = {o->ca_file, o->certificate_file, o->key_file};
    char **to[] = {&t->ca_file, &t->certificate_file, &t->key_file};
    for (size_t i = 0; i < 3; i++)
        if (from[i] && !(*to[i] = strdup(from[i])))
            return err_sys(err, ENOMEM, "credentials");
    return 0;
}

int transport_init(struct transport *t, const char *target,
                   const struct banger_client_options *options,
                   const struct transport_credentials *memory, struct err *err)
{
    *t = (struct transport){.fd = -1};
    buf_init(&t->rest, REST_BYTES);
    buf_init(&t->plain, PLAIN_BYTES);
    if (strncmp(target, "tls:", 4) != 0)
        return parse_unix(t, target, err);
    if (memory)
        t->memory = *memory;
    if (parse_tls(t, target + 4, err) < 0 || (options && copy_files(t, options, err) < 0))
        return -1;
    struct tls_context *context = load_context(t, err);
    tls_context_unref(context);
    return context ? 0 : -1;
}

void transport_close(struct transport *t)
{
    if (t->fd < 0)
        return;
    if (t->tls && buf_len(&t->rest) == 0) {
        struct err err;
        tls_close(t->tls, &t->rest);
        (void)transport_flush(t, &err);
    }
    tls_free(t->tls);
    t->tls = NULL;
    close(t->fd);
    t->fd = -1;
    buf_reset(&t->rest);
    buf_reset(&t->plain);
}

void transport_done(struct transport *t)
{
    transport_close(t);
    free(t->ca_file);
    free(t->certificate_file);
    free(t->key_file);
    buf_done(&t->rest);
    buf_done(&t->plain);
}

static int open_unix(struct transport *t, struct err *err)
{
    auto_fd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return err_sys(err, errno, "socket");
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, t->path, strlen(t->path) + 1);
    if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0) {
        int errnum = errno;
        err_sys(err, errnum, "connect to %s", t->path);
        /* Nobody there, or too many at the door: both may pass. Forbidden stays. */
        if (errnum != EACCES && errnum != EPERM && err)
            err->code = ERR_UNAVAILABLE;
        return -1;
    }
    t->fd = take_fd(&fd);
    return 0;
}

/* Waits for events on the socket. */
static int open_wait(const struct transport *t, int fd, short events, int interrupt_fd,
                     int64_t until_ms, struct err *err)
{
    for (;;) {
        int64_t left = until_ms - clock_mono_ms();
        struct pollfd fds[2] = {{.fd = fd, .events = events},
                                {.fd = interrupt_fd, .events = POLLIN}};
        int n = left > 0 ? poll(fds, 2, (int)left) : 0;
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_sys(err, errno, "poll");
        if (n == 0)
            return err_set(err, ERR_UNAVAILABLE, "%s does not answer", t->authority);
        if (fds[1].revents) {
            err_set(err, ERR_CANCELLED, "interrupted");
            return err_tag(err, "INTERRUPTED", NULL);
        }
        return 0;
    }
}

static int connect_address(struct transport *t, const struct addrinfo *a, int interrupt_fd,
                           int64_t until_ms, struct err *err)
{
    int one = 1, failed = 0;
    socklen_t len = sizeof(failed);
    auto_fd int fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return err_sys(err, errno, "socket");
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    if (connect(fd, a->ai_addr, a->ai_addrlen) < 0) {
        if (errno != EINPROGRESS)
            failed = errno;
        else if (open_wait(t, fd, POLLOUT, interrupt_fd, until_ms, err) < 0)
            return -1;
        else if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &failed, &len) < 0)
            failed = errno;
    }
    if (failed) {
        err_sys(err, failed, "connect to %s", t->authority);
        err->code = ERR_UNAVAILABLE;
        return -1;
    }
    t->fd = take_fd(&fd);
    return 0;
}

static int open_tcp(struct transport *t, int interrupt_fd, int64_t until_ms, struct err *err)
{
    const struct addrinfo hints = {.ai_family = AF_UNSPEC,
                                   .ai_socktype = SOCK_STREAM,
                                   .ai_flags = AI_ADDRCONFIG | AI_NUMERICSERV};
    struct addrinfo *all = NULL;
    int rv = getaddrinfo(t->host, t->port, &hints, &all);
    if (rv != 0)
        return err_set(err, ERR_UNAVAILABLE, "no address of %s: %s", t->host, gai_strerror(rv));
    rv = -1;
    for (struct addrinfo *a = all; a && rv < 0; a = a->ai_next) {
        rv = connect_address(t, a, interrupt_fd, until_ms, err);
        if (rv < 0 && err->code == ERR_CANCELLED)
            break;
    }
    freeaddrinfo(all);
    return rv;
}

static int open_tls(struct transport *t, int interrupt_fd, int64_t until_ms, struct err *err)
{
    struct tls_context *context = load_context(t, err);
    if (!context)
        return -1;
    t->tls = tls_new(context, t->host, err);
    tls_context_unref(context);
    if (!t->tls || tls_start(t->tls, &t->rest, err) < 0)
        return -1;
    while (!tls_is_ready(t->tls)) {
        uint8_t input[HANDSHAKE_BYTES];
        const uint8_t *data;
        size_t len;
        short events = POLLIN | (buf_len(&t->rest) > 0 ? POLLOUT : 0);
        if (open_wait(t, t->fd, events, interrupt_fd, until_ms, err) < 0 ||
            transport_read(t, input, sizeof(input), &data, &len, err) < 0 ||
            transport_flush(t, err) < 0)
            return -1;
    }
    return 0;
}

int transport_open(struct transport *t, int interrupt_fd, struct err *err)
{
    int64_t until = clock_mono_ms() + OPEN_TIMEOUT_MS;
    if (t->path[0])
        return open_unix(t, err);
    if (open_tcp(t, interrupt_fd, until, err) < 0)
        return -1;
    if (open_tls(t, interrupt_fd, until, err) == 0)
        return 0;
    if (err->code != ERR_CANCELLED)
        err_wrap(err, "connect to %s", t->authority);
    transport_close(t);
    return -1;
}

int transport_read(struct transport *t, uint8_t *input, size_t input_bytes, const uint8_t **data,
                   size_t *len, struct err *err)
{
    const char *who = t->path[0] ? t->path : t->authority;
    ssize_t n;
    do
        n = recv(t->fd, input, input_bytes, 0);
    while (n < 0 && errno == EINTR);
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        return 0;
    if (n < 0) {
        err_sys(err, errno, "read from %s", who);
        err->code = ERR_UNAVAILABLE;
        return -1;
    }
    if (n == 0)
        return err_set(err, ERR_UNAVAILABLE, "the server at %s closed the connection", who);
    *data = input;
    *len = (size_t)n;
    t->more = (size_t)n == input_bytes;
    if (!t->tls)
        return 1;
    /* Once the handshake is done here, what it brought is HTTP/2's and waits for the next read. */
    bool opening = !tls_is_ready(t->tls);
    if (!opening)
        buf_reset(&t->plain);
    if (tls_receive(t->tls, input, (size_t)n, &t->plain, &t->rest, err) < 0)
        return -1;
    if (tls_is_closed(t->tls) && buf_len(&t->plain) == 0)
        return err_set(err, ERR_UNAVAILABLE, "the server at %s closed the connection", who);
    *data = buf_data(&t->plain);
    *len = buf_len(&t->plain);
    return 1;
}

/* Bytes sent, 0 when the socket is full, -1. */
static ssize_t send_some(struct transport *t, const uint8_t *data, size_t len, struct err *err)
{
    ssize_t n;
    do
        n = send(t->fd, data, len, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    if (n >= 0)
        return n;
    if (errno == EAGAIN || errno == EWOULDBLOCK)
        return 0;
    err_sys(err, errno, "write to %s", t->path[0] ? t->path : t->authority);
    err->code = ERR_UNAVAILABLE;
    return -1;
}

int transport_flush(struct transport *t, struct err *err)
{
    while (buf_len(&t->rest) > 0) {
        ssize_t n = send_some(t, buf_data(&t->rest), buf_len(&t->rest), err);
        if (n <= 0)
            return (int)n;
        buf_consume(&t->rest, (size_t)n);
    }
    return 0;
}

int transport_send(struct transport *t, const uint8_t *data, size_t len, struct err *err)
{
    if (t->tls)
        return tls_send(t->tls, data, len, &t->rest, err) < 0 ? -1 : transport_flush(t, err);
    ssize_t n = buf_len(&t->rest) == 0 ? send_some(t, data, len, err) : 0;
    if (n < 0)
        return -1;
    if ((size_t)n < len && buf_append(&t->rest, data + n, len - (size_t)n) < 0)
        return err_sys(err, errno, "queue output");
    return 0;
}
